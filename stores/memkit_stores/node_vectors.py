"""The vectors of names, or of facts: appended, and searched exactly (`memkit.ports.graph.Vectors`).

Things are numbered 0, 1, 2, …; their vectors lie in *slots*, in the order in which they came. A scan of all vectors takes
0.55 ms for 16,000 of 384 numbers; with sketches (see `sketch`) the search for what is near takes a quarter of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from memkit_stores.columns import Column
from memkit_stores.hnsw import products
from memkit_stores.nearest import NARROWEST, fitted, floor_of
from memkit_stores.sketch import SLACK, WIDTH, Turn, units_of

MANY = 4096  # vectors from which a search looks at sketches first
GATHER = 4  # to gather a vector costs so many times as much as to look at it in its place

Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Vectors:
    """See `memkit.ports.graph.Vectors`. It never changes.

    `owner` is the number whose vector is in a slot, -1 for nobody's. `uneven` is by how much a length differs from 1 at most.
    """

    dimension: int
    size: int
    owner: NDArray[np.int32]
    matrix: NDArray[np.float32]
    turn: Turn | None = None
    sketches: NDArray[np.float32] | None = None
    uneven: float = 0.0
    _last: list[tuple[bytes, Scores]] = field(default_factory=list)  # the newest scan: who asks twice pays once

    def scores(self, vector: NDArray[np.float32], /) -> Scores:
        """See `memkit.ports.graph.Vectors.scores`."""
        out = np.full(self.size, -1, np.float32)
        if not len(self.owner):
            return out
        live = self.owner >= 0
        out[self.owner[live]] = self._scanned(fitted(vector, self.dimension))[live]
        return out

    def nearest(self, vectors: NDArray[np.float32], k: int, /) -> tuple[NDArray[np.int64], Scores]:
        """See `memkit.ports.graph.Vectors.nearest`."""
        if vectors.ndim != 2 or k < 1:
            raise ValueError(f"queries must be [M, dimension] and k at least 1, not {vectors.shape} and {k}")
        numbers = np.full((len(vectors), k), -1, np.int64)
        scores = np.full((len(vectors), k), -1, np.float32)
        for row, query in enumerate(fitted(vectors, self.dimension) if len(self.owner) else ()):
            slots, found = self._best(query, k)
            numbers[row, : len(slots)], scores[row, : len(slots)] = self.owner[slots], found
        return numbers, scores

    def range(self, vector: NDArray[np.float32], /) -> tuple[float, float]:
        """See `memkit.ports.graph.Vectors.range`."""
        if not len(self.owner):
            return 0.0, 0.0
        scores, live = self._scanned(fitted(vector, self.dimension)), self.owner >= 0
        scores = scores if live.all() else scores[live]
        return (float(scores.min()), float(scores.max())) if len(scores) else (0.0, 0.0)

    def only(self, kept: NDArray[np.int32], size: int) -> Vectors:
        """The vectors of some numbers: `kept` has the new number of each, or -1."""
        owner = np.append(kept, np.int32(-1))[self.owner]  # -1 stays -1
        return replace(self, size=size, owner=owner, _last=list(self._last))

    def _scanned(self, query: NDArray[np.float32]) -> Scores:
        """The inner product with the vector in each slot."""
        key = query.tobytes()
        for known, scores in tuple(self._last):
            if known == key:
                return scores
        scores = products(self.matrix, query)
        scores.flags.writeable = False
        self._last[:] = [(key, scores)]
        return scores

    def _best(self, query: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], Scores]:
        """The slots with the k largest products, best first, and these."""
        live = self.owner >= 0
        k = min(k, int(np.count_nonzero(live)))
        if not k:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        slots = self._likely(query, live, k)
        if slots is None:
            scores = self._scanned(query)
            slots = np.arange(len(live)) if live.all() else np.flatnonzero(live)
            scores = scores if len(slots) == len(live) else scores[slots]
        else:
            scores = products(self.matrix, query, slots)
        some = np.flatnonzero(scores >= floor_of(scores, k))
        order = np.lexsort((self.owner[slots[some]], -scores[some]))[:k]
        return slots[some[order]], scores[some[order]]

    def _likely(self, query: NDArray[np.float32], live: NDArray[np.bool_], k: int) -> NDArray[np.int64] | None:
        """Slots among which the best k are, or None where most are likely."""
        length = float(np.sqrt(np.dot(query, query)))
        if self.sketches is None or self.turn is None or not length or k * GATHER > len(live):
            return None
        bounds = products(self.sketches, self.turn.sketches(query[None] / length)[0])
        bounds[~live] = -np.inf
        some = np.flatnonzero(bounds >= floor_of(bounds, k))
        least = float(np.partition(products(self.matrix, query, some), -k)[-k]) / length
        slots = np.flatnonzero(bounds >= least - SLACK - self.uneven)
        return slots if len(slots) * GATHER < len(live) else None


class NodeVectors:
    """Vectors that are appended to. One thread at a time; what a snapshot has never changes."""

    def __init__(self, dimension: int, *, sketched: bool) -> None:
        self._dimension = dimension
        self._sketched = sketched
        self._start(np.empty(0, np.int32), np.empty((0, max(dimension, NARROWEST)), np.float32))

    def _start(self, owner: NDArray[np.int32], matrix: NDArray[np.float32]) -> None:
        self._owner: Column[np.int32] = Column(np.int32)
        self._matrix: Column[np.float32] = Column(np.float32, matrix.shape[1])
        self._turn: Turn | None = None
        self._sketches: Column[np.float32] | None = None
        self._uneven = 0.0
        self._add(owner, matrix)

    def expect(self, more: int) -> None:
        """Make room for so many vectors."""
        self._matrix.reserve(more)

    def add(self, numbers: NDArray[np.int32], matrix: NDArray[np.float32]) -> None:
        """Append the vectors of these numbers, none of which has one."""
        self._add(numbers, fitted(matrix, self._dimension))

    def _add(self, numbers: NDArray[np.int32], matrix: NDArray[np.float32]) -> None:
        if not len(numbers):
            return
        self._owner.append(numbers)
        self._matrix.append(matrix)

    def _sketch(self) -> None:
        """Have a sketch of every vector, if they are many enough."""
        count, done = len(self._owner.values), 0 if self._sketches is None else len(self._sketches.values)
        if not self._sketched or count < MANY or self._dimension <= WIDTH or done == count:
            return
        fresh = self._matrix.values[done:]
        if self._turn is None or self._turn.outgrown(count, self._dimension):
            self._turn, fresh = Turn.of(self._matrix.values), self._matrix.values
            self._sketches, self._uneven = None, 0.0
        if self._turn.basis is None:
            return
        if self._sketches is None:
            self._sketches = Column(np.float32, WIDTH + 1)
        if len(fresh) > done:
            self._sketches.reserve(len(fresh))
        for start in range(0, len(fresh), MANY):  # a part at a time: it is in memory twice meanwhile
            some = fresh[start : start + MANY]
            lengths = np.sqrt(np.einsum("ij,ij->i", some, some))
            self._uneven = max(self._uneven, float(np.abs(lengths - 1).max()))
            self._sketches.append(self._turn.sketches(units_of(some)))

    def compact(self, kept: NDArray[np.int32]) -> None:
        """Keep the vectors of some numbers: `kept` has the new number of each, or -1."""
        owner = kept[self._owner.values]
        slots = np.flatnonzero(owner >= 0)
        self._start(owner[slots], self._matrix.values[slots])

    def snapshot(self, size: int) -> Vectors:
        """As they are now, of `size` things."""
        self._sketch()
        return Vectors(
            dimension=self._dimension,
            size=size,
            owner=self._owner.values,
            matrix=self._matrix.values,
            turn=self._turn if self._sketches is not None else None,
            sketches=None if self._sketches is None else self._sketches.values,
            uneven=self._uneven,
        )


def no_vectors(size: int) -> Vectors:
    """Nothing has a vector, and there is no space."""
    return NodeVectors(1, sketched=False).snapshot(size)
