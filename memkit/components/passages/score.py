"""How well a row answers a question: the formula, over the columns of a shelf. It is also explained in docs/recall.md.

    words(i)   = Σ_t idf(t) · tf(t,i) / (tf(t,i) + norm(i))  /  Σ_t idf(t)           in [0, 1)
    meaning(i) = max(0, cosine of the question's vector and the row's)               in [0, 1]
    score(i)   = (half the words + half the meaning, or the words alone) · weight(i) · OTHER if another author is named

`words` is BM25 (Robertson and Zaragoza 2009) as a share of the most that a row could have, with two changes. A word
counts for a row also when it was said shortly before or after it in the same session or document, less with each step
(BACK, AHEAD): people do not repeat what they talk about. And a word that occurs nowhere still counts in the
denominator, so that a question about something never mentioned scores low. Nothing is scaled by what else was found,
and that makes a floor possible.

Rows are scored in two steps: the best by plain BM25 and their neighbours, and the nearest by meaning, are
candidates; only these get the formula. On LoCoMo that loses nothing (recall@10 is the same to four digits).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from memkit.ports import Postings, Shelf

# Chosen with one conversation of LoCoMo left out in turn; the optima are flat. benchmarks/ablation.py has their worth.
K1, B = 1.2, 0.75  # BM25's usual constants
BACK, AHEAD, REACH = 0.6, 0.4, 4  # what a word said d turns before (BACK**d) or after (AHEAD**d) counts, and how far
NEAR = 2  # neighbours of a row that become candidates with it
OTHER = 0.6  # for rows of somebody else than the one the question names


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the formula needs of a shelf beside a question. `near[c][i]` is the row `offsets[c]` away from row i in its
    strand, or `size` for none; `norm` is BM25's length term."""

    offsets: tuple[int, ...]
    weights: tuple[float, ...]
    near: tuple[NDArray[np.int32], ...]
    norm: NDArray[np.float32]
    plain: NDArray[np.float32]
    frequencies: dict[tuple[str, int, int], int]

    def frequency(self, term: str, holding: NDArray[np.int32]) -> int:
        """How many rows hold a term or lie near one that does."""
        if not self.near:
            return len(holding)
        key = (term, len(holding), int(holding[-1]))  # with `as_of` the same term has fewer rows
        known = self.frequencies.get(key)
        if known is None:
            marked = np.zeros(len(self.norm) + 1, np.bool_)
            marked[holding] = True
            for row in self.near:
                marked[row[holding]] = True
            known = self.frequencies[key] = int(np.count_nonzero(marked[:-1]))
        return known


def surroundings(shelf: Shelf) -> Surroundings:
    """Made once for a shelf. Takes time in proportion to its size (100,000 rows: about 10 ms)."""
    size = shelf.size
    none = np.full(1, size, np.int32)
    before, after = (
        np.where((step < 0) | (shelf.strand < 0), size, step).astype(np.int32) for step in shelf.beside(np.arange(size))
    )
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
    alone = float(shelf.length.mean()) if size else 1.0
    plain = (K1 * (1 - B + B * shelf.length / max(alone, 1e-9))).astype(np.float32)
    return Surroundings(tuple(offsets), tuple(weights), tuple(row.astype(np.int32) for row in near), norm, plain, {})


@dataclass(frozen=True, slots=True)
class Held:
    """Postings of some of the rows."""

    terms: tuple[str, ...]
    frequency: NDArray[np.int64]
    rows: tuple[NDArray[np.int32], ...]
    counts: tuple[NDArray[np.float32], ...]


def within(postings: Postings, mask: NDArray[np.bool_] | None) -> Postings:
    """The postings without the rows that the mask leaves out."""
    if mask is None:
        return postings
    kept = [mask[rows] for rows in postings.rows]
    return Held(
        terms=postings.terms,
        frequency=np.array([int(keep.sum()) for keep in kept], np.int64),
        rows=tuple(rows[keep] for rows, keep in zip(postings.rows, kept, strict=True)),
        counts=tuple(counts[keep] for counts, keep in zip(postings.counts, kept, strict=True)),
    )


def candidates(
    postings: Postings, around: Surroundings, shelf: Shelf, mask: NDArray[np.bool_] | None, count: int
) -> NDArray[np.int64]:
    """The rows that may have the highest word scores: the `count` best by plain BM25 and those within NEAR of them.

    All that come back pass the mask; when at least `count` rows that pass hold a term, so many come back.
    """
    size = shelf.size
    if not any(map(len, postings.rows)):
        return np.empty(0, np.int64)
    plain = np.zeros(size, np.float32)
    for rows, counts in zip(postings.rows, postings.counts, strict=True):
        if len(rows):
            plain[rows] += np.float32(_idf(size, len(rows))) * counts / (counts + around.plain[rows])
    beside = [row for offset, row in zip(around.offsets, around.near, strict=True) if abs(offset) <= NEAR]
    if mask is None:
        first = best(plain, count)
        return _unique([first, *(row[first] for row in beside)], size)
    known = np.append(mask, False)
    reaching = mask.copy()  # a row may be admitted for what a row that is not admitted says beside it
    for row in beside:
        reaching |= known[row]
    first = best(np.where(reaching, plain, 0), count)
    found = _unique([best(np.where(mask, plain, 0), count), first, *(row[first] for row in beside)], size)
    return found[mask[found]]


def words(postings: Postings, around: Surroundings, size: int, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """The share in [0, 1) of each of these rows."""
    score = np.zeros(len(rows), np.float32)
    if not len(rows) or not postings.rows:
        return score
    counted = np.zeros(size + 1, np.float32)  # the last place stands for no row
    norm = around.norm[rows]
    places = np.stack([rows, *(row[rows] for row in around.near)])
    weights = np.array([1, *around.weights], np.float32)
    most = 0.0
    unseen = min(size, 1 + len(around.offsets))  # a word never said weighs as one said once, context included
    for term, holding, counts in zip(postings.terms, postings.rows, postings.counts, strict=True):
        idf = np.float32(_idf(size, around.frequency(term, holding) if len(holding) else unseen))
        most += float(idf)
        if len(holding):
            counted[holding] = counts
            frequency = weights @ counted[places]
            counted[holding] = 0
            score += idf * frequency / (frequency + norm)
    return score / np.float32(most) if most else score


def _unique(parts: Sequence[NDArray[np.integer]], size: int) -> NDArray[np.int64]:
    """The different row numbers below `size`, ascending."""
    found = np.sort(np.concatenate(parts))
    found = found[np.flatnonzero(np.diff(found, prepend=-1))]
    return found[found < size].astype(np.int64)


def others(shelf: Shelf, named: Sequence[int], rows: NDArray[np.int64]) -> NDArray[np.float32] | None:
    """The factor of each row when the question names these authors; None when it names none."""
    if not named:
        return None
    return np.where(np.isin(shelf.author[rows], named), np.float32(1), np.float32(OTHER))


def combined(words: NDArray[np.float32], meaning: NDArray[np.float32] | None, *, asked: bool) -> NDArray[np.float32]:
    """Words and meaning in one. `asked`: whether the question has any word to look for."""
    if meaning is None:
        return words.copy()
    half = np.float32(0.5)
    return half * words + half * meaning if asked else meaning.copy()


def best(scores: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """The rows with the highest scores above 0, unordered, at most `count`."""
    rows = np.flatnonzero(scores > 0)
    if len(rows) <= count:
        return rows
    return rows[np.argpartition(-scores[rows], count - 1)[:count]]


def _idf(size: int, frequency: int) -> float:
    return float(np.log(1 + (size - frequency + 0.5) / (frequency + 0.5)))
