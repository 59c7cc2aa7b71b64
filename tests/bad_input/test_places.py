"""Places where a memory cannot be, or cannot grow. What is not memkit's is left as it is, to the byte."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

import memkit
from memkit.testing.embedders import HashEmbedder
from tests.bad_input.holding import works


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
    with memkit.open(fresh_postgres_url) as memory:
        memory.add("The kettle is broken.")
    engine = sqlalchemy.create_engine(fresh_postgres_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE memkit.meta SET value = '999' WHERE name = 'schema'")
    engine.dispose()
    with pytest.raises(memkit.StoreError, match="newer memkit"):
        memkit.open(fresh_postgres_url)


def test_when_the_server_ends_a_connection_it_is_told_and_the_next_call_works(
    fresh_postgres_url: str, postgres_url: str
) -> None:
    """As when PostgreSQL is restarted under an open memory."""
    ending = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
    name = sqlalchemy.make_url(fresh_postgres_url).database
    control = sqlalchemy.create_engine(postgres_url)
    with memkit.open(fresh_postgres_url) as memory:
        memory.add("The kettle is broken.")
        assert memory.recall("kettle")
        for verb in (
            lambda: memory.add("The lamp was repaired.", key="lamp"),
            lambda: memory.recall("lamp"),
            memory.history,
            memory.stats,
            lambda: memory.forget(ids="nobody"),
        ):
            with control.begin() as connection:
                connection.exec_driver_sql(ending, (name,))
            with pytest.raises(memkit.StoreError, match="the connection was lost"):
                verb()
            assert verb()
        assert [event.text for event in memory.history()] == ["The kettle is broken.", "The lamp was repaired."]
    control.dispose()


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
