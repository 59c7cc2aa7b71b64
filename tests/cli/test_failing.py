"""Exit codes, and that a user never sees a traceback."""

import os
import pty
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memkit.cli import run

Command = Callable[..., Any]
Start = Callable[..., subprocess.Popen[bytes]]

READERS = (
    ("recall", "a"),
    ("context", "a"),
    ("forget", "--everything"),
    ("status",),
    ("export",),
    ("reembed", "openai:text-embedding-3-small"),
)


@pytest.mark.parametrize("arguments", READERS, ids=lambda arguments: arguments[0])
def test_a_memory_that_is_not_there_is_not_made(memkit: Command, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    for where in ("no.db", "sqlite:///no.db"):
        done = memkit(*arguments, "--db", where)
        assert (done.code, done.out) == (1, "")
        assert "there is no memory at no.db" in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments", [*READERS[:-1], ("add", "a"), ("import", "-")], ids=lambda arguments: arguments[0]
)
def test_a_file_that_is_no_memory_is_left_alone(memkit: Command, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "notes.txt").write_text("These are my notes, not a database.", encoding="utf-8")
    done = memkit(*arguments, "--db", "notes.txt", "--json")
    assert done.code == 1
    assert done.json["type"] == "StoreError"
    assert "notes.txt" in done.json["error"]
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "These are my notes, not a database."


def test_a_database_of_another_program_is_refused(memkit: Command, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute("CREATE TABLE songs (title)")
    connection.close()
    assert memkit("add", "a", "--db", "other.db").code == 1


WORLD = {
    "a folder": ("add", "a", "--db", "."),
    "missing does not exist": ("add", "a", "--db", "missing/memory.db"),
    "'mysql' is not supported": ("add", "a", "--db", "mysql://host/db"),
}


@pytest.mark.parametrize("told", WORLD)
def test_a_failure_of_the_world_has_exit_code_1(memkit: Command, told: str) -> None:
    done = memkit(*WORLD[told])
    assert (done.code, done.out) == (1, "")
    assert told in done.err


MISUSES = (
    ("bogus",),
    ("eval", "bogus"),
    ("recall",),
    ("recall", "a", "b"),
    ("recall", "a", "-k", "many"),
    ("status", "--colour", "red"),
    ("eval", "locomo", "missing.json"),
)


@pytest.mark.parametrize("arguments", MISUSES, ids=" ".join)
def test_wrong_usage_has_exit_code_2_and_says_where_to_read_on(memkit: Command, arguments: tuple[str, ...]) -> None:
    done = memkit(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("memkit: ")
    shaped = memkit(*arguments, "--json")
    assert shaped.code == 2
    assert set(shaped.json) == {"error", "type"}


def test_no_command_at_all_prints_the_help(memkit: Command) -> None:
    done = memkit()
    assert done.code == 2
    assert "Commands:" in done.out + done.err


def test_no_process_shows_a_traceback(process: Command, tmp_path: Path) -> None:
    (tmp_path / "bad.db").write_bytes(b"SQLite format 3\0" + os.urandom(5000))
    done = process("status", "--db", "bad.db")
    assert (done.code, done.out) == (1, "")
    assert "bad.db cannot be read as a memkit database" in done.err
    assert done.err.count("\n") == 1


def test_an_interruption_is_quiet_and_has_exit_code_130(start: Start, tmp_path: Path) -> None:
    with start("add", "-") as waiting:
        wait_for(tmp_path / "memkit.db")  # opened: from now on it waits for its input
        time.sleep(0.3)
        waiting.send_signal(signal.SIGINT)
        out, err = waiting.communicate(timeout=30)
    assert (waiting.returncode, out, err) == (130, b"", b"")


@pytest.mark.parametrize(
    ("answer", "code", "left"), [(b"y\n", 0, 0), (b"n\n", 1, 1), (b"\x03", 130, 1)], ids=["yes", "no", "^C"]
)
def test_on_a_terminal_forgetting_is_asked_about_first(
    memkit: Command, tmp_path: Path, environment: dict[str, str], answer: bytes, code: int, left: int
) -> None:
    memkit("add", "a")
    arguments = [sys.executable, "-m", "memkit.cli", "forget", "--everything"]
    child, terminal = pty.fork()
    if not child:  # a process with a terminal of its own
        os.chdir(tmp_path)
        os.execve(sys.executable, arguments, environment)
    shown = b""
    while b"[y/N]: " not in shown:
        shown += os.read(terminal, 1000)
    time.sleep(0.3)  # a ^C that comes between the question and the wait for its answer is noticed after the answer only
    os.write(terminal, answer)
    assert exit_code(child) == code
    os.close(terminal)
    assert b"Forget 1 event for good?" in shown
    assert memkit("status", "--json").json["events"] == left


def test_a_reader_that_goes_away_is_no_error(start: Start, tmp_path: Path) -> None:
    (tmp_path / "many.jsonl").write_text(
        '{"content": "a line that is long enough to fill a pipe"}\n' * 3000, encoding="utf-8"
    )
    assert run(("add", "--file", str(tmp_path / "many.jsonl"), "--db", str(tmp_path / "memkit.db"))) == 0
    with start("export") as writing:
        assert writing.stdout is not None
        assert writing.stdout.readline().startswith(b'{"id"')
        writing.stdout.close()
        assert writing.wait(timeout=30) == 141
        assert writing.stderr is not None
        assert writing.stderr.read() == b""


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} was not made"
        time.sleep(0.02)


def exit_code(child: int) -> int:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError("it is still waiting")
