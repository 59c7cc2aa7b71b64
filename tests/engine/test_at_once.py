"""An async recall is first tried in one thread as a whole; that must not hold up whoever it would have to wait for."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import memkit
from memkit.offload import looped
from memkit.ports import View
from memkit.testing.components import Notes
from memkit.testing.embedders import HashEmbedder, SlowEmbedder
from memkit.values import Cue, Draft, Event, Hit


class Gate(Notes):
    """Absorbs when it is let through."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived, self.open = asyncio.Event(), asyncio.Event()

    async def absorb(self, events: Sequence[Event], view: View, /) -> Draft:
        self.arrived.set()
        await self.open.wait()
        return await super().absorb(events, view)


def test_recalls_that_wait_for_a_task_leave_it_the_only_thread() -> None:
    async def main() -> list[memkit.Recall]:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        gate = Gate()
        async with await memkit.open_async(":memory:", components=[gate]) as memory:
            await memory.add("The dog is called Toby.")
            syncing = asyncio.create_task(memory.sync())
            await gate.arrived.wait()
            recalls = [asyncio.create_task(memory.recall("dog")) for _ in range(5)]
            await asyncio.sleep(0.1)
            gate.open.set()
            _, *found = await asyncio.wait_for(asyncio.gather(syncing, *recalls), 10)
            return found

    assert [[hit.text for hit in found] for found in asyncio.run(main())] == [["The dog is called Toby."]] * 5


class Asked(Notes):
    """Notes whether it was asked on a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.looped: list[bool] = []

    async def recall(self, cue: Cue, view: View, /) -> list[Hit]:
        self.looped.append(looped())
        await view.embed([cue.text], query=True)
        return await super().recall(cue, view)


def test_after_an_embedder_turned_out_to_need_a_loop_nothing_is_tried_without_one() -> None:
    async def main() -> list[bool]:
        asked = Asked()
        slow = SlowEmbedder(HashEmbedder(8), 0.001)
        async with await memkit.open_async(":memory:", components=[asked], embedder=slow) as memory:
            for _ in range(3):
                await memory.recall("dog")
        return asked.looped

    assert asyncio.run(main()) == [False, True, True, True]


def test_what_needs_no_loop_is_asked_once_and_without_one() -> None:
    async def main() -> list[bool]:
        asked = Asked()
        async with await memkit.open_async(":memory:", components=[asked], embedder=HashEmbedder(8)) as memory:
            for _ in range(3):
                await memory.recall("dog")
        return asked.looped

    assert asyncio.run(main()) == [False] * 3
