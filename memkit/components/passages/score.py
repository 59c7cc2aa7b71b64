"""How well a row answers a question: the formula, over the columns of a shelf. It is also explained in docs/recall.md.

    words(i)  = Σ_t idf(t) · tf(t,i) / (tf(t,i) + norm(i))  /  Σ_t idf(t)           in [0, 1)
    meaning(i)= max(0, cosine of the question's vector and the row's)               in [0, 1]
    score(i)  = (half the words + half the meaning, or the words alone) · OTHER if the question names another author

`words` is BM25 (Robertson and Zaragoza 2009) as a share of the most that a row could have, with two changes. A word
counts for a row also when it was said shortly before or after it in the same session or document, less with each step
(BACK, AHEAD): people do not repeat what they talk about. And a word that occurs nowhere still counts in the
denominator, so that a question about something never mentioned scores low. Nothing is scaled by what else was found: a score
means the same in every recall, and that makes a floor possible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from memkit.ports import Postings, Shelf

# Chosen with one conversation of LoCoMo left out in turn; every optimum is flat (benchmarks/results/locomo.md).
K1, B = 1.2, 0.75  # BM25's usual constants
BACK, AHEAD, REACH = 0.6, 0.4, 4  # what a word said d turns before (BACK**d) or after (AHEAD**d) counts, and how far
OTHER = 0.6  # for rows of somebody else than the one the question names


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the formula needs of a shelf beside a question. `near[c][i]` is the row `offsets[c]` away from row i in its
    strand, or `size` for none; `norm` is BM25's length term."""

    offsets: tuple[int, ...]
    weights: tuple[float, ...]
    near: tuple[NDArray[np.int64], ...]
    norm: NDArray[np.float32]


def surroundings(shelf: Shelf) -> Surroundings:
    """Made once for a shelf. Takes time in proportion to its size (100,000 rows: about 10 ms)."""
    size = shelf.size
    none = np.full(1, size, np.int64)
    before, after = (np.where((step < 0) | (shelf.strand < 0), size, step) for step in shelf.beside(np.arange(size)))
    offsets, weights, near = [], [], []
    for step, sign, weight in ((before, -1, BACK), (after, 1, AHEAD)):
        row = step
        for distance in range(1, REACH + 1):
            if not (row < size).any():
                break
            offsets.append(sign * distance)
            weights.append(weight**distance)
            near.append(row)
            row = np.concatenate((step, none))[row]
    length = np.concatenate((shelf.length, np.zeros(1, np.float32)))
    total = length[:size].copy()
    for weight, row in zip(weights, near, strict=True):
        total += weight * length[row]
    mean = float(total.mean()) if size else 1.0
    norm = (K1 * (1 - B + B * total / max(mean, 1e-9))).astype(np.float32)
    return Surroundings(tuple(offsets), tuple(weights), tuple(near), norm)


def words(postings: Postings, around: Surroundings, size: int) -> NDArray[np.float32]:
    """The share in [0, 1) of every row, shape [size]."""
    score = np.zeros(size, np.float32)
    counted = np.zeros(size + 1, np.float32)  # the last place takes what has no row
    most = 0.0
    unseen = min(size, 1 + len(around.offsets))  # a word never said weighs as one said once, context included
    for rows, counts in zip(postings.rows, postings.counts, strict=True):
        if not len(rows):
            most += _idf(size, unseen)
            continue
        counted[rows] = counts
        for offset, row in zip(around.offsets, around.near, strict=True):
            # seen from the row that lies `offset` away, this one lies `-offset` away
            weight = AHEAD**-offset if offset < 0 else BACK**offset
            counted[row[rows]] += weight * counts
        counted[size] = 0
        hit = np.flatnonzero(counted)
        frequency = counted[hit]
        idf = _idf(size, len(hit))
        most += idf
        score[hit] += idf * frequency / (frequency + around.norm[hit])
        counted[hit] = 0
    return score / np.float32(most) if most else score


def others(shelf: Shelf, named: Sequence[int]) -> NDArray[np.float32] | None:
    """The factor of every row when the question names these authors; None when it names none."""
    if not named:
        return None
    return np.where(np.isin(shelf.author, named), np.float32(1), np.float32(OTHER))


def best(scores: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """The rows with the highest scores above 0, unordered, at most `count`."""
    rows = np.flatnonzero(scores > 0)
    if len(rows) <= count:
        return rows
    return rows[np.argpartition(-scores[rows], count - 1)[:count]]


def _idf(size: int, frequency: int) -> float:
    return float(np.log(1 + (size - frequency + 0.5) / (frequency + 0.5)))
