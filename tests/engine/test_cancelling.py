"""A call that is cancelled, wherever it just was, leaves nothing half done and nothing locked."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from memkit.coroutines import AsyncMemory
from memkit.engine import Engine
from memkit.models.checked import Checked
from memkit.testing.components import Notes
from memkit.testing.embedders import HashEmbedder, SlowEmbedder
from memkit.values import Where
from memkit.view import Workshop
from memkit_stores import SqlStore

SAID = [f"note {n}" for n in range(40)]


@asynccontextmanager
async def opened(where: str, *, seconds: float = 0.001) -> AsyncIterator[AsyncMemory]:
    """A memory of one component, both it and its embedder taking their time."""
    store = SqlStore(where)
    embedder = Checked(SlowEmbedder(HashEmbedder(8), seconds))
    store.spaces.use(embedder.space, whole=False)
    async with AsyncMemory(Engine(Workshop(store, embedder), [Notes(seconds=seconds)], pauses=(0.001,))) as memory:
        yield memory


def rows(where: str) -> list[str]:
    """The rows as somebody else sees them, each checked to have its vector."""
    store = SqlStore(where)
    try:
        scope = Where(namespace="default")
        space = HashEmbedder(8).space
        assert store.upkeep.stats(scope, ["notes"]).unembedded == 0
        ids = store.derived.shelf("notes", scope, space).id.tolist()
        return [record.text for record in store.derived.records("notes", scope, ids)]
    finally:
        store.close()


async def cancelled(call: Callable[[], object], after: float) -> None:
    """Begin the call and cancel it so much later, unless it is done."""
    task = asyncio.ensure_future(call())  # type: ignore[call-overload]  # any coroutine
    await asyncio.sleep(after)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("seed", range(3))
def test_a_cancelled_recall_leaves_rows_and_cursor_in_step(tmp_path: Path, seed: int) -> None:
    where, chance = str(tmp_path / "memory.db"), random.Random(seed)

    async def scene() -> None:
        async with opened(where) as memory:
            for start in range(0, 40, 4):
                await memory.add(SAID[start : start + 4])
                for _ in range(2):
                    await cancelled(lambda: memory.recall("note 7"), chance.uniform(0, 0.015))
                stats = await memory.stats()
                assert stats.deferred == ()
                done = len(rows(where))  # at least what the statistics said: a commit may just have come through
                assert start + 4 - stats.pending["notes"] <= done <= start + 4
            assert [hit.text for hit in await asyncio.wait_for(memory.recall("7"), 30)] == ["note 7"]

    asyncio.run(scene())
    assert rows(where) == SAID


@pytest.mark.parametrize("seed", range(3))
def test_a_cancelled_add_stores_everything_or_nothing(tmp_path: Path, seed: int) -> None:
    where, chance = str(tmp_path / "memory.db"), random.Random(seed)

    async def scene() -> None:
        threads = ThreadPoolExecutor()
        asyncio.get_running_loop().set_default_executor(threads)
        async with opened(where) as memory:
            for n in range(20):
                batch = [f"{n} {part}" for part in range(5)]
                await cancelled(lambda batch=batch: memory.add(batch), chance.uniform(0, 0.003))  # type: ignore[misc]
            threads.shutdown(wait=True)  # what was handed to a thread ends there
            asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor())
            said = [event.text for event in await memory.history()]
            for n in range(20):
                assert len([text for text in said if text.startswith(f"{n} ")]) in (0, 5)
            await memory.sync()
            assert rows(where) == said

    asyncio.run(scene())


def test_a_cancelled_forget_forgets_everything_or_nothing(tmp_path: Path) -> None:
    where, chance = str(tmp_path / "memory.db"), random.Random(0)

    async def scene() -> None:
        async with opened(where) as memory:
            for _ in range(8):
                ids = (await memory.add(SAID[:6], session="s")).ids
                await memory.sync()
                await cancelled(lambda: memory.forget(session="s"), chance.uniform(0, 0.02))
                await asyncio.sleep(0.05)
                left = {event.id for event in await memory.history()} & set(ids)
                assert len(left) in (0, 6)
                await memory.sync()
                assert len(rows(where)) == len(await memory.history())
                await memory.forget(everything=True)

    asyncio.run(scene())


def test_whoever_waits_for_a_cancelled_call_goes_on(tmp_path: Path) -> None:
    """One recall absorbs, others wait for it; the first is cancelled, then one of those that wait."""
    where = str(tmp_path / "memory.db")

    async def scene() -> None:
        async with opened(where, seconds=0.05) as memory:
            await memory.add(SAID)
            first, second, third = (asyncio.create_task(memory.recall("note 7")) for _ in range(3))
            await asyncio.sleep(0.03)
            second.cancel()
            first.cancel()
            assert len(await asyncio.wait_for(third, 30)) > 0
            assert first.cancelled()
            assert second.cancelled()

    asyncio.run(scene())
    assert rows(where) == SAID


def test_a_cancelled_sync_goes_on_where_it_was(tmp_path: Path) -> None:
    where = str(tmp_path / "memory.db")
    with_words = SqlStore(where)
    words_only = AsyncMemory(Engine(Workshop(with_words), [Notes()]))

    async def prepare() -> None:
        async with words_only as memory:
            await memory.add([f"note {n}" for n in range(600)])
            await memory.sync()

    async def scene() -> None:
        async with opened(where, seconds=0.02) as memory:
            assert (await memory.stats()).unembedded == 600
            await cancelled(memory.sync, 0.035)
            between = (await memory.stats()).unembedded
            assert between in (344, 600)  # whole batches
            assert (await memory.sync()).unembedded == 0

    asyncio.run(prepare())
    asyncio.run(scene())
