"""The write-ahead log after a crash: left behind, torn, or lost."""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import memkit
from memkit.testing.embedders import HashEmbedder
from tests.crash.aftermath import Told, wrong
from tests.crash.life import embedder

SUFFIXES = ("", "-wal", "-shm")


def said(number: int) -> str:
    return f"word0n{number}e was said. word0n{number}e ends here."


def taken_down(path: Path, to: Path, *, suffixes: tuple[str, ...] = SUFFIXES) -> Path:
    """The files of an open memory as a crash would leave them."""
    for suffix in suffixes:
        if (file := path.with_name(path.name + suffix)).exists():
            shutil.copy(file, to.with_name(to.name + suffix))
    return to


@pytest.fixture
def crashed(tmp_path: Path) -> Path:
    """A database and a log with 30 adds, each its own transaction, absorbed a few at a time; 3 were forgotten."""
    with memkit.open(tmp_path / "used.db", embedder=embedder(0)) as memory:
        ids = []
        for number in range(30):
            ids += memory.add(said(number), namespace="ana").ids
            if number % 7 == 0:
                memory.recall("word", namespace="ana")
        return taken_down(tmp_path / "used.db", tmp_path / "crashed.db")


def told() -> Told:
    return Told(
        texts={f"word0n{n}e": ("ana", said(n)) for n in range(30)}, unanswered=[[f"word0n{n}e"] for n in range(30)]
    )


def test_a_log_that_a_crash_left_is_read(crashed: Path) -> None:
    with memkit.open(crashed, embedder=embedder(0)) as memory:
        assert [event.text for event in memory.history(namespace="ana")] == [said(n) for n in range(30)]
    assert wrong(str(crashed), told()) == []


def test_a_log_is_read_without_its_index(crashed: Path) -> None:
    crashed.with_name("crashed.db-shm").unlink()
    with memkit.open(crashed, embedder=embedder(0)) as memory:
        assert memory.stats().events == 30
    assert wrong(str(crashed), told()) == []


def test_a_damaged_index_of_the_log_is_made_again(crashed: Path) -> None:
    shm = crashed.with_name("crashed.db-shm")
    shm.write_bytes(random.Random(5).randbytes(shm.stat().st_size))
    with memkit.open(crashed, embedder=embedder(0)) as memory:
        assert memory.stats().events == 30
    assert wrong(str(crashed), told()) == []


def test_a_torn_log_leaves_the_first_of_the_transactions_whole(crashed: Path, tmp_path: Path) -> None:
    """As a power cut may, when the log was not yet on disk: what is left is a beginning, and nothing is half there."""
    length = crashed.with_name("crashed.db-wal").stat().st_size
    chance = random.Random(6)
    counts = []
    for cut in sorted(chance.randrange(length) for _ in range(8)):
        torn = taken_down(crashed, tmp_path / f"torn-{cut}.db", suffixes=("", "-wal"))
        with torn.with_name(torn.name + "-wal").open("r+b") as log:
            log.truncate(cut)
        with memkit.open(torn) as memory:  # also when the tables themselves were in the part that is lost
            texts = [event.text for event in memory.history(namespace="ana")]
        assert texts == [said(n) for n in range(len(texts))], f"cut at {cut}"
        assert wrong(str(torn), told()) == [], f"cut at {cut}"
        counts.append(len(texts))
    assert counts == sorted(counts)
    assert len(set(counts)) > 3


def test_a_log_with_a_damaged_page_is_read_up_to_there(crashed: Path) -> None:
    log = crashed.with_name("crashed.db-wal")
    data = bytearray(log.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 64] = bytes(64)
    log.write_bytes(data)
    crashed.with_name("crashed.db-shm").unlink()
    assert wrong(str(crashed), told()) == []


def test_without_its_log_a_database_is_as_of_the_last_checkpoint(crashed: Path) -> None:
    settled = crashed.with_name("settled.db")
    with memkit.open(settled, embedder=embedder(0)) as memory:
        memory.add([said(n) for n in range(10)], namespace="ana")
        memory.recall("word", namespace="ana")
    with memkit.open(settled, embedder=embedder(0)) as memory:
        memory.add([said(n) for n in range(10, 30)], namespace="ana")
        lost = taken_down(settled, settled.with_name("lost.db"), suffixes=("",))
    with memkit.open(lost, embedder=embedder(0)) as memory:
        assert memory.stats().events == 10
        assert memory.recall("word0n3e", namespace="ana")
    assert wrong(str(lost), told()) == []


def test_the_erasure_that_a_crash_interrupted_is_finished_when_the_memory_is_opened(tmp_path: Path) -> None:
    """The log still holds the forgotten text when the process dies between forgetting and emptying the log."""
    path = tmp_path / "memory.db"
    secret = "the combination of the safe is nineteen eighty four"
    with memkit.open(path, embedder=HashEmbedder(16)) as memory:
        id = memory.add(secret).ids[0]
        memory.recall("safe")
        reader = sqlite3.connect(path, isolation_level=None)  # it keeps the log from being emptied
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM events").fetchone()
        memory.forget(ids=id)
        crashed = taken_down(path, tmp_path / "crashed.db")
        reader.close()
    assert secret.encode() in crashed.with_name("crashed.db-wal").read_bytes()
    with memkit.open(crashed) as memory:
        log = crashed.with_name("crashed.db-wal")
        assert secret.encode() not in crashed.read_bytes() + (log.read_bytes() if log.exists() else b"")
        assert memory.stats().events == 0


def test_the_checks_notice_what_is_missing(crashed: Path) -> None:
    """A test of the tests: each loss is told."""
    with memkit.open(crashed, embedder=embedder(0)) as memory:
        memory.sync()
    acknowledged = Told(texts=told().texts, acknowledged={"word0n99e": "f" * 32})
    assert any("acknowledged and lost" in what for what in wrong(str(crashed), acknowledged))
    assert any("nobody added" in what for what in wrong(str(crashed), Told(texts=told().texts)))
    for damage, complaint in (
        ("DELETE FROM lineage", "no source"),
        ("DELETE FROM cursors", "before it was absorbed"),
        ("DELETE FROM records", "no record"),
        ("UPDATE records SET terms = x'01'", "differs"),
        ("UPDATE vectors SET vector = zeroblob(64)", "differs"),
    ):
        copy = taken_down(crashed, crashed.with_name("copy.db"))
        with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
            connection.execute(damage)
        assert any(complaint in what for what in wrong(str(copy), told())), damage
        for suffix in SUFFIXES:
            copy.with_name(copy.name + suffix).unlink(missing_ok=True)
