"""A memory without the right or the room to write: an error that says so, and nothing acknowledged is lost."""

from __future__ import annotations

import json
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
from tests.bad_input import limited
from tests.bad_input.holding import everything, works
from tests.crash.rounds import surroundings


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
