"""What the memory has for a turn: the latest turns of its session, and what it recalls from anywhere else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from memkit.agents.chat import prompt
from memkit.agents.chat.steps import Place
from memkit.agents.chat.tools import Desk
from memkit.agents.chat.values import Manner
from memkit.context.recall import Recall
from memkit.coroutines import AsyncMemory
from memkit.errors import MemkitError
from memkit.ports import Llm
from memkit.tokens import Count
from memkit.values import Event

GLANCE = 32  # turns read by the first reply; more when they do not fill the budget, and then next time at once
MARGIN = 4  # turns read beyond those that fitted last time: the next ones may be shorter
SPARE = 4  # hits beyond the wanted ones that are asked for at first
SOON = 0.05  # seconds
COUNTED = 4_096  # texts whose tokens are remembered: the latest turns, and lines that are recalled again and again
LONGEST_CUE = 2_000  # characters of a turn that the memory is asked with: its beginning and its end


class Counted:
    """A counter of tokens that remembers what it has counted, but not the texts: these may be forgotten meanwhile."""

    def __init__(self, count: Count) -> None:
        self._count = count
        self._known: dict[int, int] = {}

    def __call__(self, text: str) -> int:
        name = hash(text)  # 64 bits: two texts that share one do not come up
        tokens = self._known.get(name)
        if tokens is None:
            if len(self._known) >= COUNTED:
                self._known.clear()
            tokens = self._known[name] = self._count(text)
        return tokens


@dataclass(slots=True, kw_only=True)
class Means:
    """What the replies of a chat are made with. `count` remembers what it has counted, and `glance` how many turns were
    looked at last time: both would take a good part of a turn's time otherwise."""

    memory: AsyncMemory
    llm: Llm
    desk: Desk
    manner: Manner
    count: Count
    glance: int = GLANCE


class Search:
    """A recall that begins before the turn goes into the journal, and goes on beside that if it waits for a model. Each hit
    costs time: a few more than wanted are asked for, and only if the latest turns take their place as many more as there
    are of those."""

    def __init__(self, means: Means, text: str) -> None:
        text, half = text.strip(), LONGEST_CUE // 2
        self._means = means
        self._cue = text if len(text) <= LONGEST_CUE else f"{text[:half]}\n{text[-half:]}"
        self._first = asyncio.get_running_loop().create_task(self._found(SPARE))
        self.started = time.perf_counter()

    async def begun(self) -> None:
        """Wait until it has looked at the memory: it is done, or so slow that it waits for a model."""
        await asyncio.sleep(0)
        await soon(self._first)

    async def elsewhere(self, shown: Collection[str]) -> Recall:
        """The best hits that show something else than these events."""
        k = self._means.manner.k
        found = await self._first
        others = prompt.without(found, shown, k)
        if len(others) < k and len(found) == k + SPARE and len(shown) > SPARE:
            others = prompt.without(await self._found(len(shown)), shown, k)
        return others

    def stop(self) -> None:
        """Nobody waits for it any more."""
        if not self._first.done():
            self._first.cancel()
        elif not self._first.cancelled():
            self._first.exception()  # what it raised was raised to whoever waited, or nobody wants to know

    async def _found(self, spare: int) -> Recall:
        manner = self._means.manner
        return await self._means.memory.recall(self._cue, k=manner.k + spare, neighbours=manner.neighbours)


async def soon(task: asyncio.Task[Any]) -> None:
    """Wait for a task, but not for long. Local work is over in a few milliseconds, and two pieces of it at the same time
    take turns at the interpreter's lock, which costs more than to wait; a model may take a second."""
    await asyncio.wait({task}, timeout=SOON)


async def latest(means: Means, place: Place) -> tuple[Event, prompt.Recent, list[Event]]:
    """The turn, the turns before it that fit, and what other assistants replied to it already."""
    last = means.glance
    while True:
        events = await means.memory.history(session=place.session, kind="turn", last=last)
        turn = next((event for event in reversed(events) if event.id == place.turn), None)
        before = [e for e in events if turn is not None and e.position < turn.position and e.role in prompt.SPOKEN]
        recent = prompt.recent(before, means.manner.recent_tokens, means.count)
        if turn is not None and (recent.full or len(events) < last):
            break
        if len(events) < last:
            raise MemkitError("what was said is not in the journal any more: it was forgotten before it was answered")
        last *= 4
    means.glance = max(GLANCE, len(recent.events) + MARGIN)
    others = [e for e in events if e.position > turn.position and e.metadata.get("turn") == turn.id]
    return turn, recent, [e for e in others if e.author != place.by]
