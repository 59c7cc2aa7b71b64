"""How well kept units answer a question: by their words, and by meaning where there are vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from memkit.ports import Shelf

K1, B = 1.2, 0.75  # BM25's usual parameters (Robertson and Zaragoza 2009)


def by_words(shelf: Shelf, text: str, rows: NDArray[np.int64]) -> tuple[NDArray[np.float32], bool]:
    """The share in [0, 1) of the question's words that each of these rows holds, by BM25 among these rows alone; and
    whether the question has any word."""
    score = np.zeros(len(rows), np.float32)
    found = shelf.postings(text)
    if not len(rows) or not found.terms:
        return score, bool(found.terms)
    place = np.full(shelf.size, -1, np.int64)
    place[rows] = np.arange(len(rows))
    length = shelf.length[rows]
    norm = (K1 * (1 - B + B * length / max(float(length.mean()), 1e-9))).astype(np.float32)
    most = 0.0
    for holding, counts in zip(found.rows, found.counts, strict=True):
        here = place[holding]
        inside = here >= 0
        here, often = here[inside], counts[inside]
        frequency = max(1, len(here))  # a word never said weighs as one said once
        idf = np.log(1 + (len(rows) - frequency + 0.5) / (frequency + 0.5))
        most += float(idf)
        score[here] += np.float32(idf) * often / (often + norm[here])
    return (score / np.float32(most) if most else score), True


def relevance(
    shelf: Shelf, text: str, vector: NDArray[np.float32] | None, rows: NDArray[np.int64]
) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]:
    """A score in [0, 1] for each of the rows, and what it is made of."""
    words, asked = by_words(shelf, text, rows)
    if vector is None:
        return words, {"words": words}
    meaning = np.clip(shelf.similarity(vector, rows), 0, 1)
    both = np.float32(0.5) * (words + meaning) if asked else meaning
    return both, {"words": words, "meaning": meaning}
