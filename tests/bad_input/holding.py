"""A check that a memory still holds what it held, and works."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import memkit

NAMESPACES = ("default", "ana/work")


def everything(memory: memkit.Memory) -> list[str]:
    """All events of an unbound memory, as lines."""
    return [line for name in NAMESPACES for line in memory.export(namespace=name)]


def works(memory: memkit.Memory) -> bool:
    """Whether something can be added, found and forgotten."""
    receipt = memory.add("The lamp was repaired on Tuesday.")
    found = memory.recall("The lamp was repaired on Tuesday.", k=1, floor=0)
    return found[0].events == receipt.ids and memory.forget(ids=receipt.ids).events == 1


@contextmanager
def unchanged(memory: memkit.Memory) -> Iterator[None]:
    """Afterwards the memory holds exactly what it held, and works."""
    before = everything(memory), memory.stats().events
    yield
    assert (everything(memory), memory.stats().events) == before
    assert works(memory)
    assert (everything(memory), memory.stats().events) == before
