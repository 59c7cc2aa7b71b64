"""Several processes, each with several threads, on one database."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

import memkit
from tests.concurrency import switcher, worker
from tests.crash.aftermath import Told, wrong
from tests.crash.life import embedder
from tests.crash.rounds import surroundings


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that is not there yet, or is empty."""
    if request.param == "sqlite":
        return str(tmp_path / "memory.db")
    url = request.getfixturevalue("fresh_postgres_url")
    assert isinstance(url, str)
    return url


def run(script: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=surroundings(),
        text=True,
    )


def use(where: str, folder: Path, *, processes: int, threads: int, acts: int) -> Told:
    """Let processes use the memory at the same time; return what they told of it."""
    process = run(str(worker.__file__), where, str(folder), str(processes), str(threads), str(acts))
    _, said = process.communicate(timeout=120)
    told = Told()
    diaries = sorted(folder.glob("diary-*"))
    for diary in diaries:
        told.read(diary)
    assert told.complaints == []
    assert process.returncode == 0, said[-2000:]
    assert len(diaries) == processes * threads
    assert told.unanswered == told.perhaps == []
    return told


def test_threads_of_several_processes_lose_nothing(where: str, tmp_path: Path) -> None:
    told = use(where, tmp_path, processes=4, threads=8, acts=8)
    assert len(told.acknowledged) > 200
    assert wrong(where, told) == []


def test_a_new_database_can_be_opened_by_six_processes_at_once(where: str, tmp_path: Path) -> None:
    told = use(where, tmp_path, processes=6, threads=1, acts=4)
    assert wrong(where, told) == []


def test_a_memory_whose_embedder_another_process_changed_says_so_and_loses_nothing(where: str) -> None:
    with memkit.open(where, embedder=embedder(0)) as memory:
        memory.add("The kettle is broken.")
        assert memory.recall("kettle")
        _, said = run(str(switcher.__file__), "reembed", where, "1").communicate(timeout=60)
        assert said == ""
        memory.add("The kettle was mended.")
        with pytest.raises(memkit.SpaceError, match="changed while this one was open; close it and open it again"):
            memory.recall("kettle")
        assert len(memory.history()) == 2
    with pytest.raises(memkit.SpaceError, match="memkit reembed"):
        memkit.open(where, embedder=embedder(0))
    with memkit.open(where, embedder=embedder(1)) as memory:
        assert len(memory.recall("kettle")) == 2
        assert memory.stats().unembedded == 0


def test_a_memory_cannot_be_used_in_a_forked_process_and_says_so(where: str) -> None:
    process = run(str(switcher.__file__), "fork", where)
    out, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    child, parent = (json.loads(line) for line in out.splitlines())
    *refused, closed, opened_anew = child
    assert all(what.startswith("StoreError: ") and "forked; open it again" in what for what in refused), refused
    assert closed == ""
    assert opened_anew == "1"
    assert set(parent) == {"said before the fork", "said by the child in a memory of its own", "said after the fork"}


@pytest.mark.parametrize("verb", ["recall", "history", "stats"])
def test_who_reads_does_not_wait_for_a_process_that_writes(tmp_path: Path, verb: str) -> None:
    path = tmp_path / "memory.db"
    with memkit.open(path) as memory:
        memory.add("The kettle is broken.")
        memory.recall("kettle")
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        assert {"recall": lambda: memory.recall("kettle"), "history": memory.history, "stats": memory.stats}[verb]()
        assert time.monotonic() - started < 2
        other.execute("ROLLBACK")
        other.close()
