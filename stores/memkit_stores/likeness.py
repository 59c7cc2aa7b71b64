"""Which vectors are alike: all pairs whose cosine reaches a threshold, found with FAISS. Exact, and a pair's cosine depends
on its two vectors alone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from memkit_stores.columns import Column
from memkit_stores.sketch import SLACK, Turn, one_thread, units_of

FAISS: Any = faiss

STEP = 2048  # vectors searched for at once; for each of 1024 it takes four times as long
THREADS = min(os.cpu_count() or 1, 8)  # that search at once; so many steps are put in together
PROBE = 32  # of them that are tried first, to see how many pairs will come
MOST = 1 << 22  # pairs from one search: 50 MB
GRAIN = float(2**20)  # cosines are multiples of 1 / GRAIN, so that sums of them do not depend on the order

Found = tuple[NDArray[np.int64], NDArray[np.int64]]


def cosines(some: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float64]:
    """The cosine of each vector with that in the same row; 0 with a vector of zeros."""
    a, b = some.astype(np.float64), others.astype(np.float64)
    lengths = np.sqrt(np.einsum("ij,ij->i", a, a) * np.einsum("ij,ij->i", b, b))
    found: NDArray[np.float64] = np.einsum("ij,ij->i", a, b) / np.where(lengths > 0, lengths, 1)
    return found


def grained(cosines: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest multiples of 1 / GRAIN."""
    rounded: NDArray[np.float64] = np.round(cosines * GRAIN) / GRAIN
    return rounded


class Likeness:
    """Sketches of unit vectors, each with an id, in rows 0, 1, 2, … that new ones are searched for in. One thread at a time."""

    def __init__(self, turn: Turn, dimension: int) -> None:
        self._turn = turn
        self._dimension = dimension
        self._ids: Column[np.int64] = Column(np.int64)
        self._index: Any = None

    @property
    def ids(self) -> NDArray[np.int64]:
        """By row."""
        return self._ids.values

    @property
    def nbytes(self) -> int:
        """The memory that it takes."""
        return self._ids.values.nbytes + (self._index.ntotal * self._index.d * 4 if self._index is not None else 0)

    @property
    def outgrown(self) -> bool:
        """Whether there is so much more that all of it should be put in again, with another turn."""
        return self._turn.outgrown(len(self.ids), self._dimension)

    def add(self, ids: NDArray[np.int64], units: NDArray[np.float32]) -> None:
        """Append unit vectors."""
        self._put(ids, self._turn.sketches(units))

    def joined(self, ids: NDArray[np.int64], vectors: NDArray[np.float32], threshold: float) -> Iterator[Found]:
        """Append vectors, of whatever length, and yield pairs of ids, the first of a new one and the second of one before it: all
        whose cosine reaches the threshold, and a few others."""
        for start in range(0, len(ids), STEP * THREADS):
            first, some = len(self.ids), ids[start : start + STEP * THREADS]
            sketches = self._turn.sketches(units_of(vectors[start : start + len(some)]))
            self._put(some, sketches)
            begin, width = 0, PROBE
            while begin < len(some):
                end, count = min(begin + width, len(some)), 0
                steps = [(at, min(at + STEP, end)) for at in range(begin, end, STEP)]
                for (at, _), (rows, others) in zip(
                    steps, self._searched([sketches[slice(*step)] for step in steps], threshold), strict=True
                ):
                    earlier = others < rows + first + at
                    yield some[rows[earlier] + at], self.ids[others[earlier]]
                    count += len(rows)
                width = len(some) if count * STEP < MOST * (end - begin) else PROBE
                begin = end

    def compact(self, keep: NDArray[np.bool_]) -> None:
        """Remove the rows where `keep` is false."""
        kept = self.ids[keep]
        self._ids = Column(np.int64)
        self._ids.append(kept)
        if self._index is not None:
            self._index.remove_ids(np.flatnonzero(~keep))

    def _put(self, ids: NDArray[np.int64], sketches: NDArray[np.float32]) -> None:
        if self._index is None:
            self._index = FAISS.IndexFlatIP(sketches.shape[1])
        self._index.add(sketches)
        self._ids.append(ids)

    def _searched(self, parts: Sequence[NDArray[np.float32]], threshold: float) -> list[Found]:
        """What is near the sketches of each part, as (row of the part, row of all)."""
        search = partial(self._search, threshold=threshold)
        if len(parts) == 1:
            with one_thread():
                return [search(parts[0])]
        with ThreadPoolExecutor(len(parts), initializer=partial(FAISS.omp_set_num_threads, 1)) as pool:
            return list(pool.map(search, parts))

    def _search(self, sketches: NDArray[np.float32], threshold: float) -> Found:
        ends, _, rows = self._index.range_search(sketches, float(np.float32(threshold - SLACK)))
        return np.repeat(np.arange(len(sketches)), np.diff(ends.astype(np.int64))), rows
