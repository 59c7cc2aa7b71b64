"""All that a shelf tells of its rows, as plain values that can be compared; and what it should tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from memkit.ports import Shelf
from memkit.values import Record

WORDS = ("alpha", "beta", "gamma", "delta")  # each its own term, in every store's idea of a word
MARKS = ("alpha", "Alpha", "beta gamma", "", "日本")  # some are words as well


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A row: the counts of its words, its marks, its vector or None, the rows beside it by their order, and so on."""

    words: tuple[tuple[str, int], ...]
    marks: frozenset[str]
    length: float
    weight: float
    author: str | None
    alone: bool
    before: int
    after: int
    vector: tuple[float, ...] | None


def picture(
    shelf: Shelf, *, words: Sequence[str] = WORDS, marks: Sequence[str] = MARKS, dimension: int = 4
) -> list[Picture]:
    """What the shelf tells of each row, in its order. `words` and `marks` are those to ask for."""
    held: list[Counter[str]] = [Counter() for _ in range(shelf.size)]
    for word in words:
        found = shelf.postings(word)
        for term, rows, counts in zip(found.terms, found.rows, found.counts, strict=True):
            for row, count in zip(rows.tolist(), counts.tolist(), strict=True):
                held[row][term] = int(count)
    marked = {mark: frozenset(shelf.marked(mark).tolist()) for mark in marks}
    vectors = vectors_of(shelf, dimension)
    before, after = shelf.beside(np.arange(shelf.size))
    return [
        Picture(
            words=tuple(sorted(held[row].items())),
            marks=frozenset(mark for mark in marks if row in marked[mark]),
            length=float(shelf.length[row]),
            weight=float(shelf.weight[row]),
            author=None if shelf.author[row] < 0 else shelf.authors[shelf.author[row]],
            alone=bool(shelf.strand[row] < 0),
            before=int(before[row]),
            after=int(after[row]),
            vector=vectors[row],
        )
        for row in range(shelf.size)
    ]


def vectors_of(shelf: Shelf, dimension: int) -> list[tuple[float, ...] | None]:
    """The vector of each row: its products with the axes. One of -1 alone is that of a row without a vector."""
    every = np.arange(shelf.size)
    axes: NDArray[np.float32] = np.eye(dimension, dtype=np.float32)
    products = np.stack([shelf.similarity(axis, every) for axis in axes], axis=1)
    return [None if (row == -1).all() else tuple(row.tolist()) for row in products]


def expected(rows: Sequence[Record]) -> list[Picture]:
    """What a shelf has to tell of these rows, which are in shelf order and whose texts are of WORDS."""
    strands: dict[object, list[int]] = {}
    for place, row in enumerate(rows):
        name = ("document", row.sources[0].event) if row.kind == "document" else ("session", row.session)
        strands.setdefault((row.namespace, name), []).append(place)
    before, after = {}, {}
    for strand in strands.values():
        for one, other in pairwise(strand):
            before[other], after[one] = one, other
    return [
        Picture(
            words=tuple(sorted(Counter(row.text.split()).items())),
            marks=frozenset(row.marks),
            length=float(len(row.text.split())),
            weight=float(np.float32(row.weight)),
            author=row.author,
            alone=row.kind != "document" and row.session is None,
            before=before.get(place, -1),
            after=after.get(place, -1),
            vector=None if row.vector is None else tuple(row.vector.tolist()),
        )
        for place, row in enumerate(rows)
    ]
