"""One memory, used by many threads of one process."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

import memkit
from memkit.testing.embedders import HashEmbedder, SlowEmbedder
from tests.crash.aftermath import Told, wrong
from tests.crash.life import Diary, Talker, embedder


def at_once(work: Sequence[Callable[[], object]]) -> list[object]:
    """The results of calls that begin together, each in its own thread."""
    gate = threading.Barrier(len(work))

    def begin(call: Callable[[], object]) -> object:
        gate.wait()
        return call()

    with ThreadPoolExecutor(len(work)) as threads:
        return list(threads.map(begin, work))


def test_threads_that_share_a_memory_lose_nothing(tmp_path: Path) -> None:
    where = str(tmp_path / "memory.db")
    with memkit.open(where, embedder=embedder(0)) as memory:

        def talk(name: str) -> None:
            talker = Talker(memory, Diary(str(tmp_path / f"diary-{name}")), random.Random(name), name)
            for _ in range(25):
                talker.act()

        at_once([lambda name=f"t{n}": talk(name) for n in range(8)])  # type: ignore[misc]
    told = Told()
    for diary in tmp_path.glob("diary-*"):
        told.read(diary)
    assert wrong(where, told) == []


@pytest.mark.parametrize("where", ["memory.db", ":memory:"])
def test_threads_in_different_namespaces_see_only_their_own(tmp_path: Path, where: str) -> None:
    with memkit.open(where if where == ":memory:" else tmp_path / where, embedder=HashEmbedder()) as memory:

        def use(name: str) -> int:
            mine = memory[name]
            for n in range(15):
                mine.add(f"{name} says number {n} of the kettle")
                hits = mine.recall("kettle says number", k=50, floor=0)
                assert len(hits) == n + 1
                assert all(hit.text.startswith(f"{name} ") for hit in hits)
            return mine.forget(everything=True).events

        assert at_once([lambda name=f"user{n}": use(name) for n in range(8)]) == [15] * 8  # type: ignore[misc]
        assert memory.stats().events == 0


def test_the_same_key_added_by_many_threads_is_stored_once(tmp_path: Path) -> None:
    with memkit.open(tmp_path / "memory.db") as memory:
        receipts = at_once([lambda: memory.add("The kettle is broken.", key="k")] * 16)
        assert len({receipt.ids for receipt in receipts if isinstance(receipt, memkit.Receipt)}) == 1
        assert sum(receipt.added for receipt in receipts if isinstance(receipt, memkit.Receipt)) == 1
        assert len(memory.history()) == 1


def use_until_closed(memory: memkit.Memory, number: int) -> str:
    """The error that ends it."""
    verbs: list[Callable[[], object]] = [
        lambda: memory.add(f"thread {number} speaks"),
        lambda: memory.recall("thread speaks"),
        lambda: memory.history(last=3),
        memory.stats,
        lambda: memory.forget(ids="nobody"),
        lambda: list(memory.export(session="none")),
    ]
    turn = 0
    while True:
        try:
            verbs[(number + turn) % len(verbs)]()
        except memkit.ClosedError as e:
            return str(e)
        turn += 1


@pytest.mark.parametrize("where", ["memory.db", ":memory:"])
def test_closing_a_memory_that_others_use_ends_their_calls_with_closed_error(tmp_path: Path, where: str) -> None:
    chance = random.Random(1)
    for _ in range(4):
        memory = memkit.open(where if where == ":memory:" else tmp_path / where, embedder=HashEmbedder())
        with ThreadPoolExecutor(8) as threads:
            ends = [threads.submit(use_until_closed, memory, n) for n in range(8)]
            time.sleep(chance.uniform(0.05, 0.3))
            memory.close()
            assert all("closed" in end.result(timeout=20) for end in ends)


def test_closing_a_memory_on_postgresql_that_others_use_ends_their_calls(fresh_postgres_url: str) -> None:
    memory = memkit.open(fresh_postgres_url, embedder=HashEmbedder())
    with ThreadPoolExecutor(8) as threads:
        ends = [threads.submit(use_until_closed, memory, n) for n in range(8)]
        time.sleep(0.5)
        memory.close()
        assert all("closed" in end.result(timeout=20) for end in ends)


def test_closing_a_memory_ends_a_call_that_waits_for_a_model() -> None:
    slow = SlowEmbedder(HashEmbedder(), 60)
    memory = memkit.open(":memory:", embedder=slow)
    memory.add("The kettle is broken.")
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(memory.recall, "kettle")
        assert slow.waiting.wait(10)
        memory.close()
        with pytest.raises(memkit.ClosedError, match="closed during this call"):
            waiting.result(timeout=10)


def test_short_lived_threads_leave_no_open_files_behind(tmp_path: Path) -> None:
    process = psutil.Process()
    slow = SlowEmbedder(HashEmbedder(), 0)  # so that the thread with the loop is there as well
    before, others = process.num_fds(), set(threading.enumerate())
    with memkit.open(tmp_path / "memory.db", embedder=slow) as memory:
        memory.add("The kettle is broken.")
        memory.recall("kettle")
        opened = process.num_fds()
        for n in range(200):
            thread = threading.Thread(target=memory.recall, args=(f"kettle {n}",))
            thread.start()
            thread.join()
        at_once([lambda: memory.recall("kettle")] * 40)
        assert process.num_fds() <= opened + 3 * 8  # a few connections for reading are kept
    deadline = time.monotonic() + 5
    while process.num_fds() > before and time.monotonic() < deadline:
        time.sleep(0.01)  # the thread with the loop is about to end
    assert process.num_fds() <= before
    assert [thread.name for thread in set(threading.enumerate()) - others] == []
