"""Which paragraphs are near a plan: by the cosine of their vectors, or by the words they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from memkit.ports import Shelf

K1, B = 1.2, 0.75  # BM25's usual constants (Robertson and Zaragoza 2009)


@dataclass(frozen=True, slots=True)
class Scored:
    """A row of a shelf, with its score in [0, 1] and what that was made of."""

    row: int
    score: float
    why: Mapping[str, float | str]


Ranked: TypeAlias = Sequence[Scored]


def by_meaning(shelf: Shelf, vector: NDArray[np.float32], count: int, mask: NDArray[np.bool_] | None) -> list[Scored]:
    """The `count` rows with the highest cosine, best first; of equal ones the earlier row first. A cosine below 0 is a
    score of 0, and keeps its place."""
    rows, cosines = shelf.nearest(vector, count, mask)
    order = np.lexsort((rows, -cosines))
    return [
        Scored(row, min(1.0, max(0.0, cosine)), {"meaning": round(cosine, 4)})
        for row, cosine in zip(rows[order].tolist(), cosines[order].tolist(), strict=True)
    ]


def by_words(shelf: Shelf, text: str, count: int, mask: NDArray[np.bool_] | None) -> list[Scored]:
    """The `count` rows with the highest BM25, as a share of the most that a row could have; only rows that hold a word."""
    found = shelf.postings(text)
    score = np.zeros(shelf.size, np.float32)
    most = 0.0
    mean = max(float(shelf.length.mean()), 1e-9)
    norm = K1 * (1 - B + B * shelf.length / mean)
    for frequency, rows, counts in zip(found.frequency.tolist(), found.rows, found.counts, strict=True):
        idf = float(np.log(1 + (shelf.size - frequency + 0.5) / (frequency + 0.5)))
        most += idf
        score[rows] += np.float32(idf) * counts / (counts + norm[rows])
    if mask is not None:
        score[~mask] = 0
    order = np.argsort(-score, kind="stable")[:count]
    return [
        Scored(row, min(1.0, points / most), {"words": round(points / most, 4)})
        for row, points in zip(order.tolist(), score[order].tolist(), strict=True)
        if points > 0
    ]
