"""What others would do with the same texts and vectors: plain BM25, vectors alone, and both fused by rank."""

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

K1, B = 1.2, 0.75
RRF_K = 60

Ranking = list[int]


class Bm25:
    """Okapi BM25 over lower-case words, nothing stemmed, nothing left out."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._rows: dict[str, list[tuple[int, int]]] = {}
        lengths = []
        for row, text in enumerate(texts):
            words = _words(text)
            lengths.append(len(words))
            for word, count in Counter(words).items():
                self._rows.setdefault(word, []).append((row, count))
        mean = sum(lengths) / len(lengths)
        self._norm = [K1 * (1 - B + B * length / mean) for length in lengths]

    def rank(self, question: str) -> Ranking:
        """The rows that have a word of the question, best first."""
        scores: dict[int, float] = {}
        size = len(self._norm)
        for word in dict.fromkeys(_words(question)):
            rows = self._rows.get(word, [])
            idf = math.log(1 + (size - len(rows) + 0.5) / (len(rows) + 0.5))
            for row, count in rows:
                scores[row] = scores.get(row, 0) + idf * count * (K1 + 1) / (count + self._norm[row])
        return sorted(scores, key=lambda row: (-scores[row], row))


def nearest(vectors: NDArray[np.float32], question: NDArray[np.float32]) -> Ranking:
    """All rows by inner product."""
    order: Ranking = np.argsort(-(vectors @ question), kind="stable").tolist()
    return order


def fused(*rankings: Ranking) -> Ranking:
    """Reciprocal rank fusion (Cormack et al., SIGIR 2009)."""
    scores: Counter[int] = Counter()
    for ranking in rankings:
        for rank, row in enumerate(ranking, start=1):
            scores[row] += 1 / (RRF_K + rank)  # type: ignore[assignment]
    return sorted(scores, key=lambda row: (-scores[row], row))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
