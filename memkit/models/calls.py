"""Calls of one chat model: so many at once, each within its time, tried again when that may help, and counted."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from itertools import count
from typing import Self, TypeVar

from memkit.errors import MemkitError, ModelError, ModelReplyError, UnreachableError
from memkit.messages import Piece, Reply, Request
from memkit.models.ledger import Attempt, Ledger, Who
from memkit.models.loops import PerLoop
from memkit.ports import ChatModel

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]

FIRST_WAIT = 0.5  # seconds at most before the second attempt; twice as much before each further one
LONGEST_WAIT = 30.0
PATIENCE = 60.0  # who asks to be left alone for longer is not waited for


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How a model is asked.

    `at_once`: requests under way at a time, on each event loop; a stream is one until it ends or is closed. `timeout`:
    seconds for a whole reply, or for each piece of a stream. `retries`: further attempts after a failure that may pass.
    `per_minute`: requests that may begin in a minute, evenly spread; None for any number. `repairs`: how many more times
    a structured reply that cannot be used is asked for.
    """

    at_once: int = 8
    timeout: float = 60.0
    retries: int = 4
    per_minute: float | None = None
    repairs: int = 2

    def __post_init__(self) -> None:
        if self.at_once < 1 or self.retries < 0 or self.repairs < 0:
            raise ValueError(f"at_once is at least 1, retries and repairs at least 0: {self}")
        if not self.timeout > 0 or (self.per_minute is not None and not self.per_minute > 0):
            raise ValueError(f"timeout and per_minute are above 0: {self}")


class _Turns:
    """The turns of one event loop."""

    def __init__(self, count: int) -> None:
        self.free = asyncio.Semaphore(count)
        self.taken: list[_Turn] = []

    def check(self) -> None:
        """Raise ValueError when this task reads all the streams that have a turn: none will end while it waits for one."""
        here = asyncio.current_task()
        if self.free.locked() and self.taken and all(turn.reader is here for turn in self.taken):
            raise ValueError(
                f"a call in the middle of {len(self.taken)} open streams would wait for ever, since no more may be under "
                "way; read the stream to its end first, or close it, or raise at_once of the limits"
            )


class _Turn:
    """A request's turn, given and given back by `async with`. `reader` is the task that waits for the request: of a stream,
    whoever reads it. No generator: when a loop ends, it closes all generators, in any order."""

    def __init__(self, turns: _Turns) -> None:
        self._turns = turns
        self.reader: asyncio.Task[object] | None = None

    async def __aenter__(self) -> Self:
        self._turns.check()
        await self._turns.free.acquire()
        self.reader = asyncio.current_task()
        self._turns.taken.append(self)
        return self

    async def __aexit__(self, *failure: object) -> None:
        self._turns.taken.remove(self)
        self._turns.free.release()


class Calls:
    """The way to one model. Every request is counted for who makes it. Waits before retries are drawn evenly between zero and a
    bound that doubles, after whatever time the server asks for.

    Safe to use from several threads and event loops.
    """

    def __init__(self, model: ChatModel, limits: Limits, ledger: Ledger, sleep: Sleep, seed: int | None) -> None:
        self.model = model
        self.limits = limits
        self.ledger = ledger
        self.schemas = True  # until the server says that it knows none
        self._sleep = sleep
        self._random = random.Random(seed)
        self._turns = PerLoop(lambda: _Turns(limits.at_once))
        self._next = 0.0  # when the next request may begin
        self._lock = threading.Lock()

    def check_turns(self) -> None:
        """Raise ValueError when a request of this task could never begin: it reads the streams that have all the turns."""
        self._turns.here().check()

    async def complete(self, request: Request, who: Who) -> Reply:
        """The whole reply."""
        for turn in count():
            try:
                async with _Turn(self._turns.here()):
                    await self._paced()
                    with self.ledger.attempt(who, request, again=turn > 0) as attempt:
                        reply = await self._within(attempt, self.model.complete(request))
                        if not isinstance(reply, Reply):
                            raise ModelReplyError(f"{self._named} returned a {type(reply).__name__}", raw=repr(reply))
                        attempt.came(reply.text, reply.calls, reply.tokens)
                        return reply
            except UnreachableError as error:
                await self._pause(error, turn)
        raise AssertionError("unreachable: the loop has no end")

    async def stream(self, request: Request, who: Who) -> AsyncGenerator[Piece, None]:
        """The reply in pieces."""
        for turn in count():
            text: list[str] = []
            begun = False
            try:
                async with _Turn(self._turns.here()) as mine:
                    await self._paced()
                    with self.ledger.attempt(who, request, again=turn > 0) as attempt:
                        pieces = self.model.stream(request)
                        try:
                            while (piece := await self._within(attempt, _next(pieces))) is not None:
                                if not isinstance(piece, Piece):
                                    raise ModelReplyError(
                                        f"{self._named} streamed a {type(piece).__name__}", raw="".join(text)
                                    )
                                attempt.came(piece.text, piece.calls, piece.tokens)
                                begun = True
                                text.append(piece.text)
                                mine.reader = asyncio.current_task()
                                yield piece
                                if piece.finish is not None:
                                    return
                            raise ModelReplyError(f"{self._named}: the reply broke off", raw="".join(text))
                        finally:
                            if isinstance(pieces, AsyncGenerator):
                                await pieces.aclose()
            except UnreachableError as error:
                if begun:
                    broken = f"{error}; the reply broke off after {len(''.join(text))} characters"
                    raise UnreachableError(broken, again=False) from error
                await self._pause(error, turn)

    @property
    def _named(self) -> str:
        return repr(self.model.model)

    async def _paced(self) -> None:
        """Wait until the next request may begin."""
        if self.limits.per_minute is None:
            return
        with self._lock:
            now = time.monotonic()
            mine = max(now, self._next)
            self._next = mine + 60 / self.limits.per_minute
        if mine > now:
            await self._sleep(mine - now)

    async def _within(self, attempt: Attempt, answer: Awaitable[T]) -> T:
        """What the model answers in time. Whatever goes wrong in it is a ModelError."""
        start = time.perf_counter()
        try:
            async with asyncio.timeout(self.limits.timeout) as limit:
                return await answer
        except (MemkitError, AssertionError):
            raise
        except Exception as error:
            attempt.lost = limit.expired()
            if limit.expired():
                told = f"{self._named}: no answer within {self.limits.timeout:g} seconds; allow a longer timeout"
            else:
                told = f"{self._named} failed: {type(error).__name__}"
            kind = UnreachableError if isinstance(error, TimeoutError | ConnectionError) else ModelError
            raise kind(told) from error
        finally:
            attempt.seconds += time.perf_counter() - start

    async def _pause(self, error: UnreachableError, turn: int) -> None:
        """Wait before the next attempt, or raise the error when there is none."""
        asked = error.after or 0.0
        if not error.again or turn >= self.limits.retries or asked > PATIENCE:
            raise error
        bound = FIRST_WAIT if asked else min(LONGEST_WAIT, FIRST_WAIT * 2**turn)
        await self._sleep(asked + self._random.uniform(0, bound))


async def _next(pieces: AsyncIterator[Piece]) -> Piece | None:
    return await anext(pieces, None)
