"""One memory, used by many tasks of an event loop."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

import memkit
from memkit.testing.embedders import HashEmbedder, SlowEmbedder
from tests.crash.aftermath import Told, wrong
from tests.crash.life import embedder


def texts(name: str) -> list[str]:
    return [f"word{name}p{part}e of the kettle" for part in range(4)]


async def use(memory: memkit.AsyncMemory, number: int) -> None:
    """Add, recall and forget in a namespace that other tasks use too."""
    mine = memory[f"user{number % 5}"]
    for turn in range(2):
        said = texts(f"{number}n{turn}")
        receipt = await mine.add(said)
        hits = await mine.recall(said[1], k=3, floor=0)
        assert said[1] in [hit.text for hit in hits]
        assert (await mine.forget(ids=receipt.ids[:2])).events == 2


@pytest.mark.parametrize("seconds", [None, 0.001])
def test_fifty_tasks_add_recall_and_forget(tmp_path: Path, seconds: float | None) -> None:
    """With an embedder that answers at once, and with one that has to be waited for."""
    inner = HashEmbedder()

    async def main() -> None:
        chosen = inner if seconds is None else SlowEmbedder(inner, seconds)
        async with await memkit.open_async(tmp_path / "memory.db", embedder=chosen) as memory:
            await asyncio.gather(*(use(memory, number) for number in range(50)))
            stats = await memory.sync()
            assert stats.events == stats.records["passages"] == 200
            assert stats.deferred == ()
            assert stats.unembedded == 0

    asyncio.run(main())


async def talk(memory: memkit.AsyncMemory, name: str, told: Told) -> None:
    """Add and recall until cancelled, noting what was to be stored and what was acknowledged."""
    for turn in range(1_000):
        said = texts(f"{name}n{turn}")
        words = [text.split()[0] for text in said]
        told.texts |= {word: ("ana", text) for word, text in zip(words, said, strict=True)}
        try:
            receipt = await memory.add(said, namespace="ana")
        except asyncio.CancelledError:
            told.unanswered.append(words)
            raise
        told.acknowledged |= dict(zip(words, receipt.ids, strict=True))
        await memory.recall(said[0], namespace="ana")


def test_cancelled_calls_leave_nothing_half_done(tmp_path: Path) -> None:
    path, chance, told = str(tmp_path / "memory.db"), random.Random(2), Told()

    async def main() -> None:
        async with await memkit.open_async(path, embedder=embedder(0)) as memory:
            for turn in range(12):
                tasks = [asyncio.create_task(talk(memory, f"{turn}t{n}", told)) for n in range(4)]
                await asyncio.sleep(chance.uniform(0.01, 0.1))
                for task in tasks:
                    task.cancel()
                assert {type(ended) for ended in await asyncio.gather(*tasks, return_exceptions=True)} == {
                    asyncio.CancelledError
                }

    asyncio.run(main())
    assert len(told.acknowledged) > 50
    assert told.unanswered
    assert wrong(path, told) == []


def test_closing_a_memory_that_tasks_use_ends_their_calls(tmp_path: Path) -> None:
    async def until_closed(memory: memkit.AsyncMemory, number: int) -> str:
        while True:
            try:
                await memory.add(f"task {number} speaks")
                await memory.recall("task speaks")
            except memkit.ClosedError as e:
                return str(e)

    async def main() -> None:
        memory = await memkit.open_async(tmp_path / "memory.db", embedder=HashEmbedder())
        tasks = [asyncio.create_task(until_closed(memory, n)) for n in range(8)]
        await asyncio.sleep(0.2)
        await memory.close()
        assert all("closed" in said for said in await asyncio.wait_for(asyncio.gather(*tasks), 20))

    asyncio.run(main())
