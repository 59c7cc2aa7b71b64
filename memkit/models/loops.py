"""What belongs to one event loop each: connections, and turns to wait for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar, runtime_checkable
from weakref import WeakKeyDictionary

T = TypeVar("T")


@runtime_checkable
class Closing(Protocol):
    """A model that holds connections."""

    async def aclose(self) -> None: ...


class PerLoop(Generic[T]):
    """One thing for each event loop that asks, made when it first asks. Safe to use from several threads."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: WeakKeyDictionary[asyncio.AbstractEventLoop, T] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def here(self) -> T:
        """The running loop's own. Raises RuntimeError where no loop runs."""
        loop = asyncio.get_running_loop()
        with self._lock:
            for other in [other for other in self._made if other.is_closed()]:
                del self._made[other]  # what was made refers to the loop, so that it never goes away by itself
            if loop not in self._made:
                self._made[loop] = self._make()
            return self._made[loop]

    def __len__(self) -> int:
        """For how many loops there is one."""
        return len(self._made)

    async def end(self, close: Callable[[T], Awaitable[None]]) -> None:
        """Close those of every loop that still runs, each on its own loop. They are made anew when asked for."""
        here = asyncio.get_running_loop()
        with self._lock:
            made = list(self._made.items())
            self._made.clear()
        for loop, one in made:
            if loop is here:
                await close(one)
            elif loop.is_running():
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_closed(close, one), loop))


async def _closed(close: Callable[[T], Awaitable[None]], one: T) -> None:
    await close(one)
