"""The command line as a user meets it: arguments in, exit code and two streams out."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from memkit.cli import run

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one object on standard output. Fails when there is anything else."""
        assert self.out.endswith("\n")
        assert self.out.count("\n") == 1
        return json.loads(self.out)


Command = Callable[..., Result]


@pytest.fixture
def memkit(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command in this process, in an empty folder where its memory is `memkit.db`; `stdin` is what it reads."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MEMKIT_DB", raising=False)

    def call(*arguments: str, stdin: str = "") -> Result:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        capsys.readouterr()
        code = run(arguments)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture
def environment() -> dict[str, str]:
    """The tests run with nothing installed, so a process is told where the packages are."""
    folders = [str(ROOT), str(ROOT / "stores"), str(ROOT / "kernels")]
    known = {name: value for name, value in os.environ.items() if name not in ("MEMKIT_DB", "PYTHONPATH")}
    return {**known, "PYTHONPATH": os.pathsep.join(folders)}


@pytest.fixture
def start(tmp_path: Path, environment: dict[str, str]) -> Callable[..., subprocess.Popen[bytes]]:
    """Starts a command in a process of its own, with pipes."""

    def begin(*arguments: str, stdin: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "memkit.cli", *arguments],
            cwd=tmp_path,
            env=environment,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    return begin


@pytest.fixture
def process(start: Callable[..., subprocess.Popen[bytes]]) -> Command:
    """Runs such a process to its end."""

    def call(*arguments: str) -> Result:
        with start(*arguments) as running:
            out, err = running.communicate(timeout=120)
        return Result(running.returncode, out.decode(), err.decode())

    return call
