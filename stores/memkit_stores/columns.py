"""Arrays that grow at their end while others read them."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

T = TypeVar("T", bound=np.generic)


class Column(Generic[T]):
    """An array that grows at its end. `values` that were handed out before keep their length and content."""

    def __init__(self, kind: DTypeLike, *shape: int) -> None:
        self._room: NDArray[Any] = np.empty((0, *shape), kind)
        self.values: NDArray[T] = self._room

    def reserve(self, more: int) -> None:
        """Make room for so many rows, and a few: they are then appended without copying those that are there."""
        size = len(self.values)
        if size + more > len(self._room):
            room = np.empty((size + more + more // 16, *self._room.shape[1:]), self._room.dtype)
            room[:size] = self.values
            self._room = room

    def append(self, more: NDArray[Any]) -> None:
        """Copy the rows behind the last one. It takes time in proportion to them, over many calls."""
        size = len(self.values)
        total = size + len(more)
        if total > len(self._room):
            room = np.empty((max(total, size + size // 2), *self._room.shape[1:]), self._room.dtype)
            room[:size] = self.values
            self._room = room
        self._room[size:total] = more
        values = self._room[:total]
        values.flags.writeable = False
        self.values = values
