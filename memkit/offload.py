"""How logic that is written once as coroutines waits, whether an event loop runs or not.

A blocking face steps coroutines in its caller's thread (see `blocking`), where no loop runs and waiting is allowed;
an async face awaits them on the user's loop, which must not be held up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


_hurried: ContextVar[bool] = ContextVar("_hurried", default=False)


class NeedsLoop(Exception):
    """Raised by logic that cannot go on without an event loop. A face then starts it again on one."""


def hurried(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Do work that must not wait for others: with `settled` it raises NeedsLoop instead. A loop has few threads, and
    those that wait for one of its tasks could keep that task from the thread it needs."""
    token = _hurried.set(True)
    try:
        return work(*args, **kwargs)
    finally:
        _hurried.reset(token)


def looped() -> bool:
    """Whether an event loop runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def offload(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Do local work without holding up a loop: in a thread if one runs, else right here."""
    if looped():
        return await asyncio.to_thread(work, *args, **kwargs)
    return work(*args, **kwargs)


async def settled(future: Future[None]) -> None:
    """Wait until somebody else, in whatever thread, has set the future's result."""
    if looped():
        await asyncio.shield(asyncio.wrap_future(future))  # whoever stops waiting must not cancel it for the others
    elif _hurried.get() and not future.done():
        raise NeedsLoop
    else:
        future.result()


async def together(waits: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """The results in order: at the same time on a loop, else one after the other."""
    if looped() and len(waits) > 1:
        return list(await asyncio.gather(*waits))
    rest = iter(waits)
    try:
        return [await wait for wait in rest]
    finally:
        for wait in rest:  # one before them failed
            wait.close()
