"""Which row each slot is of and which slot a row has, as both grow.

Vectors lie in slots, in the order of their rows; a row need not have one. Knows nothing of where the vectors are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from memkit_stores.columns import Column


class Slots:
    """Both directions, as columns: `rows` and `slots` that were handed out before do not change."""

    def __init__(self, rows: NDArray[np.int64]) -> None:
        """`rows` is by slot: its row, ascending, or -1 for a slot whose row was removed."""
        live = np.flatnonzero(rows >= 0)
        slots = np.full(int(rows[live[-1]]) + 1 if len(live) else 0, -1)
        slots[rows[live]] = live
        self._rows: Column[np.int32] = Column(np.int32)
        self._slots: Column[np.int32] = Column(np.int32)
        self._rows.append(rows)
        self._slots.append(slots)
        self.count = len(live)

    @property
    def rows(self) -> NDArray[np.int32]:
        """By slot: its row, or -1."""
        return self._rows.values

    @property
    def slots(self) -> NDArray[np.int32]:
        """By row: its slot, or -1 for a row without a vector. Ends with the last row that has one."""
        return self._slots.values

    def check(self, rows: NDArray[np.int64]) -> None:
        """Raise ValueError unless the rows ascend from behind the last one that has a slot."""
        known = len(self.slots)
        if rows[0] < known or (np.diff(rows) <= 0).any():
            raise ValueError(f"rows must ascend from {known} on")

    def append(self, rows: NDArray[np.int64]) -> None:
        """Give these rows, at least one, the next slots. Raises as `check` does, and does nothing then."""
        self.check(rows)
        known, first = len(self.slots), len(self.rows)
        slots = np.full(int(rows[-1]) + 1 - known, -1)
        slots[rows - known] = np.arange(first, first + len(rows))
        self._rows.append(rows)
        self._slots.append(slots)
        self.count += len(rows)

    def renumbered(self, keep: NDArray[np.bool_]) -> NDArray[np.int64]:
        """By slot: the number of its row when only those that `keep` admits are left, or -1.

        `keep` may also count rows behind the last one with a vector. Raises ValueError when it is shorter.
        """
        if len(keep) < len(self.slots):
            raise ValueError(f"keep says nothing about rows {len(keep)} to {len(self.slots) - 1}")
        numbers = np.where(keep, np.cumsum(keep) - 1, -1)
        rows: NDArray[np.int64] = self.rows.astype(np.int64)
        live = rows >= 0
        rows[live] = numbers[rows[live]]
        return rows


def check_fit(rows: NDArray[np.int64], matrix: NDArray[np.float32], ids: NDArray[np.int64]) -> None:
    """Raise ValueError unless there is one row, one id and one vector for each."""
    if not len(rows) == len(ids) == len(matrix) or matrix.ndim != 2:
        raise ValueError(f"{len(rows)} rows, {len(ids)} ids and a matrix of shape {matrix.shape} do not fit")
