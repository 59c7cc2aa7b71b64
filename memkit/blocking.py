"""The blocking face of coroutines: how `Memory` calls the engine."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from contextlib import closing
from typing import Any, TypeVar

from memkit.errors import ClosedError, SpaceError, StoreError
from memkit.offload import NeedsLoop, looped

T = TypeVar("T")


def without_loop(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """The result of the coroutine that `make` returns, stepped in this thread. Raises NeedsLoop, with its own error as
    the cause if there was one, when that was not enough: whatever waits fails in its own way without a loop, and the true
    error comes on one."""
    attempt = make()
    try:
        attempt.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    except (StoreError, SpaceError, ClosedError, NeedsLoop):
        raise  # from local work: a loop would change nothing
    except Exception as e:
        raise NeedsLoop from e
    finally:
        attempt.close()
    raise NeedsLoop


class Blocking:
    """Runs coroutines for callers that block, also inside notebooks and running loops.

    A coroutine is first stepped in the caller's thread: what needs no network, which is most of memkit's work, then
    costs no change of thread. If it has to wait for a network after all it is started again on an event loop
    in a thread that is made for it. So what is run here must do no harm when its beginning runs twice: the engine reads and
    computes first, and commits under a cursor.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def run(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of the coroutine that `make` returns."""
        if not looped():
            try:
                return without_loop(make)
            except NeedsLoop:
                pass
        with self._lock:  # so that `close` sees all that was started
            future = asyncio.run_coroutine_threadsafe(make(), self._running())
        try:
            return future.result()
        except CancelledError:
            if not self._closed:
                raise
            raise ClosedError("the memory was closed during this call; open it again to use it") from None

    def close(self, farewell: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """Stop the thread, if there is one. Whoever still waits for something that runs there gets ClosedError.
        `farewell` is the last thing to run there: what was opened on a loop is closed on it."""
        with self._lock:
            self._closed = True
            loop, self._loop = self._loop, None
        if loop is not None:
            asyncio.run_coroutine_threadsafe(_end(farewell), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            if self._thread is not None and self._thread is not threading.current_thread():
                self._thread.join()

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._closed:
            raise ClosedError("the memory is closed; open it again to use it")
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=_serve, args=(self._loop,), name="memkit", daemon=True)
            self._thread.start()
        return self._loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    with closing(loop):
        loop.run_forever()


async def _end(farewell: Callable[[], Coroutine[Any, Any, None]] | None) -> None:
    """Cancel everything on this loop, wait until it has ended and the threads it used are idle, and say farewell."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    if farewell is not None:
        await farewell()
    await asyncio.get_running_loop().shutdown_default_executor()
