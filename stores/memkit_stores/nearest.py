"""The search for the nearest vectors, as they were at one moment.

Rows are what the caller counts; some have no vector. Vectors lie in *slots*, in the order of their rows: the first
`base` of them in a graph, the others in a plain array, the *tail*.

Exact answers depend on the vectors alone: not on how they were appended, nor on what was removed. Answers of the graph
are approximate, but their products are exact, and k rows come back if there are k.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from memkit_stores.hnsw import Graph, products

Ranked = tuple[NDArray[np.int64], NDArray[np.float32]]

TAIL = 1024  # vectors outside the graph that a search looks at as well; it takes 40 us
EFFORT = 80  # efSearch is this + 2 k; on 100,000 sentence vectors recall@10 is 0.991 (at 0: 0.96)
NARROW = 1280  # below sqrt(NARROW * rows) admitted rows, about, it is quicker to look at all of them
FEW = 4  # gathering a vector costs some four times looking at it in its place
BLOCK = 64
NARROWEST = 16  # shorter vectors are filled up with zeros: FAISS has loops for some lengths below whose rounding varies


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactSearch(ABC):
    """The vectors as they were at one moment, each compared with the question, wherever they are held.

    Rows that are added or renumbered later do not change the answers.
    """

    dimension: int
    rows: NDArray[np.int32]  # by slot: its row, ascending; -1 for a slot whose row was removed
    slots: NDArray[np.int32]  # by row: its slot, -1 for a row without a vector
    count: int

    @abstractmethod
    def _products(self, query: NDArray[np.float32], slots: NDArray[np.int64]) -> NDArray[np.float32]:
        """The inner products with the vectors in the slots; of a vector always the same, whatever else is asked for."""

    @abstractmethod
    def _all_products(self, query: NDArray[np.float32]) -> NDArray[np.float32]:
        """The inner products with all vectors, equal to those of `_products`."""

    def nearest(self, vector: NDArray[np.float32], k: int, mask: NDArray[np.bool_] | None = None, /) -> Ranked:
        """The k rows with the largest inner product among those the mask admits, best first, then by row number.

        Rows beyond the end of the mask are not admitted. Raises ValueError for a vector of another dimension.
        """
        query = fitted(vector, self.dimension)
        admitted = self._admitted(mask)
        count = self.count if admitted is None else int(np.count_nonzero(admitted))
        k = min(k, count)
        if k <= 0:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        found = self._quickly(query, k, admitted, count)
        return self._looked_at(query, k, admitted) if found is None else found

    def similarity(self, vector: NDArray[np.float32], rows: NDArray[np.int64], /) -> NDArray[np.float32]:
        """The inner product with each of the rows; -1 for a row without a vector."""
        query = fitted(vector, self.dimension)
        if len(rows) == len(self.slots) == len(self.rows) == self.count and np.array_equal(rows, np.arange(len(rows))):
            return self._all_products(query)  # nothing to gather: a fifth of the time
        out = np.full(len(rows), -1, np.float32)
        known = np.flatnonzero((rows >= 0) & (rows < len(self.slots)))
        slots = self.slots[rows[known]]
        present = slots >= 0
        out[known[present]] = self._products(query, slots[present].astype(np.int64))
        return out

    def _quickly(
        self, query: NDArray[np.float32], k: int, admitted: NDArray[np.bool_] | None, count: int
    ) -> Ranked | None:
        """The answer of an index, of the `count` admitted slots; None where there is none, or it cannot tell."""
        return None

    def _admitted(self, mask: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
        """By slot, or None for all."""
        size = len(self.rows)
        if mask is None:
            return self.live(size) if self.count < size else None
        if len(self.slots) == size == self.count and len(mask) >= size:
            return mask[:size]
        admitted = np.zeros(size, np.bool_)
        inside = np.flatnonzero((self.rows >= 0) & (self.rows < len(mask)))
        admitted[inside] = mask[self.rows[inside]]
        return admitted

    def _looked_at(self, query: NDArray[np.float32], k: int, admitted: NDArray[np.bool_] | None) -> Ranked:
        """The exact answer."""
        if admitted is not None:
            slots = np.flatnonzero(admitted)
            if len(slots) * FEW < len(admitted):
                return self._ranked(slots, self._products(query, slots), k)
        scores = self._all_products(query)
        if admitted is not None:
            scores[~admitted] = -np.inf
        slots = np.flatnonzero(scores >= floor_of(scores, k))
        if admitted is not None:
            slots = slots[admitted[slots]]  # where products overflow to -inf, the floor is that too
        return self._ranked(slots, scores[slots], k)

    def _ranked(self, slots: NDArray[np.int64], scores: NDArray[np.float32], k: int) -> Ranked:
        order = np.lexsort((slots, -scores))[:k]
        return self.rows[slots[order]].astype(np.int64), scores[order]

    def live(self, size: int) -> NDArray[np.bool_]:
        """Which of the first `size` slots have a row."""
        return self.rows[:size] >= 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot(ExactSearch):
    """Vectors of which some may be in a graph. Only those of rows that were forgotten since may be missing from it."""

    exact_below: int
    catch_up: Callable[[Snapshot], Snapshot]
    generation: int
    graph: Graph | None
    base: int
    tail: NDArray[np.float32]

    def _quickly(
        self, query: NDArray[np.float32], k: int, admitted: NDArray[np.bool_] | None, count: int
    ) -> Ranked | None:
        if self.count < self.exact_below or count * count < NARROW * len(self.rows) or k * 10 >= count:
            return None
        effort = (EFFORT + 2 * k) * len(self.rows) // count
        return self.catch_up(self)._asked_graph(query, k, effort, admitted)

    def _products(self, query: NDArray[np.float32], slots: NDArray[np.int64]) -> NDArray[np.float32]:
        if self.graph is None or not self.base:
            return products(self.tail, query, slots)
        out = np.empty(len(slots), np.float32)
        early = slots < self.base
        out[early] = self.graph.products(query, slots[early])
        out[~early] = products(self.tail, query, slots[~early] - self.base)
        return out

    def _all_products(self, query: NDArray[np.float32]) -> NDArray[np.float32]:
        tail = products(self.tail, query)
        if self.graph is None or not self.base:
            return tail
        return np.concatenate((self.graph.products(query)[: self.base], tail))

    def _asked_graph(
        self, query: NDArray[np.float32], k: int, effort: int, admitted: NDArray[np.bool_] | None
    ) -> Ranked | None:
        """The answer of the graph, or None where it has not caught up or finds too few."""
        if self.graph is None or len(self.tail) > TAIL:
            return None
        found = self.graph.search(query, k, effort=effort, below=self.base, admitted=admitted)
        late = products(self.tail, query)
        if admitted is not None:
            late[~admitted[self.base :]] = -np.inf
        slots = np.flatnonzero(late >= floor_of(late, min(k, len(late))))
        scores = np.concatenate((self.graph.products(query, found), late[slots]))
        if np.count_nonzero(scores > -np.inf) < k:
            return None
        return self._ranked(np.concatenate((found, slots + self.base)), scores, k)

    def first(self, rows: int, count: int) -> Snapshot:
        """What is here of the first `rows` rows, of which the last has a vector, and `count` have one."""
        size = int(self.slots[rows - 1]) + 1
        base = min(self.base, size)
        tail = self.tail[: size - base]
        return replace(self, rows=self.rows[:size], slots=self.slots[:rows], count=count, base=base, tail=tail)


def fitted(vectors: NDArray[np.float32], dimension: int) -> NDArray[np.float32]:
    """A vector, or a matrix of them, as it is kept. Raises ValueError for another dimension."""
    if vectors.shape[-1:] != (dimension,):
        raise ValueError(f"the vectors here have {dimension} dimensions, not {vectors.shape[-1]}")
    if dimension < NARROWEST:
        missing = [(0, 0)] * (vectors.ndim - 1) + [(0, NARROWEST - dimension)]
        vectors = np.pad(vectors, missing)
    return np.ascontiguousarray(vectors, np.float32)


def floor_of(scores: NDArray[np.float32], k: int) -> float:
    """A score that at least k reach. The k-th best of the best of each block: a tenth of the work of sorting out k."""
    blocks = len(scores) // BLOCK
    if not k:
        return 0.0
    if blocks < k:
        return float(np.partition(scores, len(scores) - k)[len(scores) - k])
    best = scores[: blocks * BLOCK].reshape(blocks, BLOCK).max(axis=1)
    return float(np.partition(best, blocks - k)[blocks - k])
