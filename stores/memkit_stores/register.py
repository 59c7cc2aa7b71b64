"""The names of a graph, or its facts: numbered in the order in which they came, found by their keys, with words and vectors.

No text is kept: a name is known by the digest that SQL has of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memkit_stores import postings
from memkit_stores.columns import Column
from memkit_stores.graph_rows import Ids, Node, matrix_of
from memkit_stores.node_vectors import NodeVectors, Vectors, no_vectors
from memkit_stores.words import pack

Whole = NDArray[np.int32]

NO_WORDS = pack("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """As it was at one moment. `ids` has the node of each number; `numbers` may have come to hold more since."""

    ids: Ids
    numbers: Mapping[bytes, int]
    words: postings.Snapshot
    vectors: Vectors


class Register:
    """See the module. One thread at a time; what a snapshot has never changes."""

    def __init__(self, dimension: int | None, *, named: bool) -> None:
        """`named`: these are names, with words."""
        self._dimension = dimension
        self._named = named
        self._ids: Column[np.int64] = Column(np.int64)
        self._numbers: dict[bytes, int] = {}
        self._nodes, self._number_of = np.empty(0, np.int64), np.empty(0, np.int32)  # every node, ascending
        self._words = postings.Words()
        self._vectors = None if dimension is None else NodeVectors(dimension, sketched=True)
        self._lacking: set[int] = set()

    @property
    def size(self) -> int:
        return len(self._numbers)

    def numbered(self, nodes: Ids) -> Whole:
        """The numbers of nodes, -1 for those that were not added."""
        if not len(self._nodes):
            return np.full(len(nodes), -1, np.int32)
        places = np.minimum(np.searchsorted(self._nodes, nodes), len(self._nodes) - 1)
        found: Whole = np.where(self._nodes[places] == nodes, self._number_of[places], -1).astype(np.int32)
        return found

    def nodes_of(self, numbers: Whole) -> Ids:
        """All nodes with these numbers, ascending."""
        wanted = np.zeros(self.size, np.bool_)
        wanted[numbers] = True
        return self._nodes[wanted[self._number_of]]

    def new_of(self, nodes: Ids) -> Ids:
        """Those that were not added yet, each once, in the order in which they come first."""
        unknown = nodes[self.numbered(nodes) < 0]
        _, first = np.unique(unknown, return_index=True)
        return unknown[np.sort(first)]

    def add(self, pages: Iterable[Sequence[Node]], expected: int) -> None:
        """Add nodes that are new, about so many. One whose key is known is the same name, or the same fact."""
        if self._vectors is not None and expected > self.size // 2:
            self._vectors.expect(expected)
        nodes, numbers = [self._nodes], [self._number_of]
        for page in pages:
            first = self.size
            each = [self._numbers.setdefault(key, len(self._numbers)) for _, key, _, _ in page]
            fresh = [row for row, number in _firsts(page, each, first)]
            self._ids.append(np.array([row[0] for row in fresh], np.int64))
            if self._named:
                self._words.add([row[2] or NO_WORDS for row in fresh])
            self._lacking.update(range(first, self.size))
            self._add_vectors(page, each)
            nodes.append(np.array([row[0] for row in page], np.int64))
            numbers.append(np.array(each, np.int32))
        known = np.concatenate(nodes)
        order = np.argsort(known, kind="stable")  # of two runs that are in order: it takes as long as copying
        self._nodes, self._number_of = known[order], np.concatenate(numbers)[order]

    def compact(self, kept: Whole) -> None:
        """Keep some numbers: `kept` has the new one of each, or -1."""
        there = kept >= 0
        ids = self._ids.values[there]
        self._ids = Column(np.int64)
        self._ids.append(ids)
        new = kept.tolist()
        self._numbers = {key: new[number] for key, number in self._numbers.items() if new[number] >= 0}
        self._lacking = {new[number] for number in self._lacking if new[number] >= 0}
        mine = kept[self._number_of]
        self._nodes, self._number_of = self._nodes[mine >= 0], mine[mine >= 0]
        if self._named:
            self._words.compact(there)
        if self._vectors is not None:
            self._vectors.compact(kept)

    def snapshot(self) -> Registered:
        """As it is now."""
        size = self.size
        vectors = no_vectors(size) if self._vectors is None else self._vectors.snapshot(size)
        return Registered(ids=self._ids.values, numbers=self._numbers, words=self._words.snapshot(), vectors=vectors)

    def _add_vectors(self, page: Sequence[Node], each: Sequence[int]) -> None:
        if self._vectors is None or self._dimension is None:
            return
        given: dict[int, bytes] = {}
        for (_, _, _, vector), number in zip(page, each, strict=True):
            if vector is not None and number in self._lacking:
                given.setdefault(number, vector)
        self._lacking.difference_update(given)
        self._vectors.add(np.array(list(given), np.int32), matrix_of(list(given.values()), self._dimension))


def _firsts(page: Sequence[Node], each: Sequence[int], first: int) -> Iterable[tuple[Node, int]]:
    """Of the nodes with numbers from `first` on, the first of each."""
    for row, number in zip(page, each, strict=True):
        if number == first:
            yield row, number
            first += 1
