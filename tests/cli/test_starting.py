"""`memkit --help` is there at once: nothing heavy is loaded before a command runs."""

import resource
import subprocess
import sys
from collections.abc import Callable

import memkit

HEAVY = (
    "numpy",
    "sqlalchemy",
    "faiss",
    "openai",
    "langchain_core",
    "networkx",
    "torch",
    "memkit.wiring",
    "memkit_stores",
)

Start = Callable[..., subprocess.Popen[bytes]]


def test_help_takes_less_than_half_a_second(start: Start) -> None:
    # CPU time, of which there is as much on a busy machine; the best of three, since the first may compile
    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with start("--help") as running:
            out, _ = running.communicate(timeout=60)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert out.startswith(b"Usage: memkit")
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    assert min(seconds() for _ in range(3)) < 0.5


def test_the_version_is_told(start: Start) -> None:
    with start("--version") as running:
        assert running.communicate(timeout=60)[0].decode().strip() == memkit.__version__


def test_the_package_is_the_command(environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "memkit", "--version"]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert said.strip() == memkit.__version__


def test_the_command_line_loads_nothing_heavy(environment: dict[str, str]) -> None:
    code = f"import sys, memkit.cli; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, timeout=60, check=True)
    assert done.stdout == b"[]\n"
