"""Places where a memory cannot be, or cannot grow. What is not memkit's is left as it is, to the byte."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import memkit
from memkit.testing.embedders import HashEmbedder
from tests.bad_input import limited
from tests.bad_input.holding import everything, works
from tests.crash.rounds import surroundings

pytestmark = pytest.mark.filterwarnings("error")


def ran(what: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, str(limited.__file__), what, str(folder)]
    ended = subprocess.run(command, env=surroundings(), capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    told = json.loads(ended.stdout)
    assert isinstance(told, dict)
    return told


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that another user may look into, which pytest's own is not."""
    folder = Path(tempfile.mkdtemp(prefix="memkit-public-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def files_in(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file()}


# --- not there, or not ours ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "error", "says"),
    [
        ("", ValueError, "the place of the memory is empty"),
        (" ", ValueError, "the place of the memory is empty"),
        (5, TypeError, "not int"),
        (None, TypeError, "not NoneType"),
        ("a\0b", ValueError, "null"),
        (
            "mysql://somewhere/memory",
            memkit.StoreError,
            "'mysql' is not supported; use a path, sqlite:/// or postgresql://",
        ),
        ("://", memkit.StoreError, "neither a path nor a database URL"),
        ("postgresql://nobody@127.0.0.1:1/nothing", memkit.StoreError, "check that the server runs"),
    ],
    ids=repr,
)
def test_what_is_no_place_is_refused(where: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        memkit.open(where)


def test_the_password_of_a_database_is_not_told() -> None:
    with pytest.raises(memkit.StoreError) as told:
        memkit.open("postgresql://ana:secretword@127.0.0.1:1/nothing")
    assert "secretword" not in str(told.value)


def test_a_folder_a_missing_folder_and_a_long_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(memkit.StoreError, match="is a folder; name a file in it"):
        memkit.open(tmp_path)
    with pytest.raises(memkit.StoreError, match="missing does not exist; create it first"):
        memkit.open(tmp_path / "missing" / "memory.db")
    with pytest.raises(memkit.StoreError, match="File name too long"):
        memkit.open(tmp_path / ("x" * 300))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        b"Dear diary,\n",
        b"x",
        b"# Notizen\n" * 1_000,
        bytes(8_192),
        b"SQLite format 3\0" + b"but not really " * 100,
        b"\x7fELF" + bytes(range(256)) * 64,
    ],
    ids=lambda content: repr(content[:12]),
)
def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(memkit.StoreError, match=r"notes\.txt"):
        memkit.open(path)
    assert files_in(tmp_path) == {"notes.txt": content}


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_the_database_of_another_program_is_left_as_it_is(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(f"PRAGMA journal_mode={mode}")
        other.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, text)")
        other.execute("INSERT INTO events (text) VALUES ('mine')")
        before = files_in(tmp_path)
        with pytest.raises(memkit.StoreError, match="of another program; it was not changed"):
            memkit.open(path)
        after = files_in(tmp_path)
    before.pop("other.db-shm", None)  # which readers mark in
    after.pop("other.db-shm", None)
    assert after == before


def test_an_empty_file_becomes_a_memory(tmp_path: Path) -> None:
    """What `mktemp` leaves."""
    path = tmp_path / "memory.db"
    path.touch()
    with memkit.open(path) as memory:
        assert works(memory)


def test_a_database_of_a_newer_memkit_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with memkit.open(path) as memory:
        memory.add("The kettle is broken.")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE meta SET value = '999' WHERE name = 'schema'")
    before = files_in(tmp_path)
    for _ in range(2):
        with pytest.raises(memkit.StoreError, match=r"newer memkit \(its tables are version 999.*Update memkit"):
            memkit.open(path)
    assert files_in(tmp_path) == before


def test_a_database_of_a_newer_memkit_is_refused_on_postgresql(fresh_postgres_url: str) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    with memkit.open(fresh_postgres_url) as memory:
        memory.add("The kettle is broken.")
    engine = sqlalchemy.create_engine(fresh_postgres_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE memkit.meta SET value = '999' WHERE name = 'schema'")
    engine.dispose()
    with pytest.raises(memkit.StoreError, match="newer memkit"):
        memkit.open(fresh_postgres_url)


# --- damaged ----------------------------------------------------------------------------------------


def test_a_damaged_page_is_told_and_the_rest_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with memkit.open(path) as memory:
        for n in range(40):
            memory["damaged" if n % 2 else "sound"].add(f"number {n} " + f"filling{n} " * 300)
        memory.sync()
    with closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'records'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    data = bytearray(path.read_bytes())
    data[(root - 1) * size : root * size] = os.urandom(size)
    path.write_bytes(data)
    with memkit.open(path) as memory:
        with pytest.raises(memkit.StoreError, match="the file is damaged; restore it, or export what can be read"):
            memory["sound"].recall("number")
        lines = list(memory["sound"].export())
    assert len(lines) == 20
    with memkit.open(tmp_path / "rescued.db") as rescued:
        assert rescued.add(memkit.read_export(lines)).added == 20
        assert rescued["sound"].recall("number 8", k=1)


def test_a_truncated_database_is_told(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with memkit.open(path) as memory:
        memory.add([f"number {n} " + "filling " * 300 for n in range(40)])
        memory.sync()
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with pytest.raises(memkit.StoreError, match=r"damaged|cannot be read"), memkit.open(path) as memory:
        memory.recall("number")


def test_an_index_folder_that_is_a_file_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    (tmp_path / "memory.db-indexes").write_text("in the way")
    with memkit.open(path, embedder=HashEmbedder()) as memory:
        memory.add("The kettle is broken.")
        assert memory.recall("The kettle is broken.")
        assert memory.forget(everything=True, verify=True).events == 1
        assert works(memory)


# --- no right, no room --------------------------------------------------------------------------------


def test_what_may_not_be_written_to_is_told(public: Path) -> None:
    for name in ("closed", "open", "secret"):
        (public / name).mkdir()
        with memkit.open(public / name / "memory.db") as memory:
            memory.add("The kettle is broken.")
            memory.sync()
        (public / name / "memory.db").chmod(0o444 if name == "open" else 0o666)
        (public / name).chmod({"closed": 0o555, "open": 0o777, "secret": 0o700}[name])
    before = files_in(public / "closed"), files_in(public / "open")
    told = ran("readonly", public)
    for place in ("new", "folder", "file", "secret"):
        assert told[place].startswith("StoreError: "), told
        assert str(public) in told[place]
    assert "check that the folder exists and may be written to" in told["new"]
    assert "it or its folder is read-only" in told["file"]
    assert told["read"] == "The kettle is broken."
    assert told["left behind"] == "memory.db"
    assert files_in(public / "closed") == before[0]
    assert files_in(public / "open")["memory.db"] == before[1]["memory.db"]
    for name in ("closed", "open", "secret"):
        (public / name).chmod(0o777)
        (public / name / "memory.db").chmod(0o666)
        with memkit.open(public / name / "memory.db") as memory:
            assert len(memory.history()) == 1


def test_when_files_may_not_grow_nothing_acknowledged_is_lost_and_the_memory_recovers(tmp_path: Path) -> None:
    told = ran("room", tmp_path)
    for error in told["errors"]:
        assert error.startswith("StoreError: "), error
        assert "nothing of this call was stored" in error
    acknowledged = told["acknowledged"]
    assert len(acknowledged) > 50
    assert told["stored"] == acknowledged
    assert told["readable"] == len(acknowledged) - 1
    assert told["found"] == ["there is room again"]
    with closing(sqlite3.connect(tmp_path / "memory.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with memkit.open(tmp_path / "memory.db") as memory:
        assert [event.id for event in memory.history()] == acknowledged
        stats = memory.sync()
        assert (stats.events, stats.records["passages"], stats.deferred) == (len(acknowledged), len(acknowledged), ())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "memkit", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("may not mount a disk here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_when_the_disk_is_full_nothing_acknowledged_is_lost_and_the_memory_recovers(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(1_000_000))
    with memkit.open(small_disk / "memory.db") as memory:
        acknowledged: list[str] = []

        def fill() -> None:
            while True:
                acknowledged.extend(memory.add([f"number {len(acknowledged)} " + "filling " * 40] * 5).ids)

        with pytest.raises(memkit.StoreError, match="the disk is full; nothing of this call was stored: free some"):
            fill()
        assert [event.id for event in memory.history()] == acknowledged
        with pytest.raises(memkit.StoreError, match="the disk is full"):
            memory.add("one more " * 5_000)
        ballast.unlink()
        assert [event.id for event in memory.history()] == acknowledged
        assert works(memory)
        assert len(everything(memory)) == len(acknowledged)
    with memkit.open(small_disk / "memory.db") as memory:
        assert memory.sync().records["passages"] == len(acknowledged)
