"""What came of multi-hop questions: recall of all that supports an answer, with intervals, and one way against another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
DEPTHS = (2, 5, 10)

Means = TypedDict(
    "Means", {"recall@2": float, "recall@5": float, "recall@10": float, "all-recall@5": float, "mrr": float}
)


class Interval(TypedDict):
    """A mean, and the ends of its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Of one question: the part of what supports it among the first 2, 5 and 10 passages, whether all of it is among the first
    five (1 or 0), and one over the rank of the first (0 when there is none)."""

    at_2: float
    at_5: float
    at_10: float
    all_5: float
    reciprocal: float

    @staticmethod
    def of(ranking: Sequence[int], gold: Sequence[frozenset[int]]) -> Outcome:
        """`ranking` are different passages, best first; each of `gold`, of which there is at least one, is found by any of its
        passages."""
        ranks = {passage: rank for rank, passage in reversed(list(enumerate(ranking, start=1)))}
        found = [min((ranks[one] for one in alternatives if one in ranks), default=0) for alternatives in gold]
        at_2, at_5, at_10 = (sum(0 < rank <= depth for rank in found) / len(found) for depth in DEPTHS)
        first = min((rank for rank in found if rank), default=0)
        return Outcome(
            at_2=at_2, at_5=at_5, at_10=at_10, all_5=float(at_5 == 1), reciprocal=1 / first if first else 0.0
        )


def means(outcomes: Sequence[Outcome]) -> Means:
    """The means over at least one question, to four places."""

    def mean(values: Sequence[float]) -> float:
        return round(sum(values) / len(values), 4)

    return {
        "recall@2": mean([one.at_2 for one in outcomes]),
        "recall@5": mean([one.at_5 for one in outcomes]),
        "recall@10": mean([one.at_10 for one in outcomes]),
        "all-recall@5": mean([one.all_5 for one in outcomes]),
        "mrr": mean([one.reciprocal for one in outcomes]),
    }


def interval(values: Sequence[float], *, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """The mean of at least one value with its 95 % percentile bootstrap interval (Efron 1979): the values are drawn again, with
    repetition, so many times. For one way against another the values are differences, question by question."""
    given = np.asarray(values, np.float64)
    chance = np.random.default_rng(seed)
    low, high = np.percentile(_resampled(given, resamples, chance), (2.5, 97.5))
    return {"mean": round(float(given.mean()), 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def _resampled(values: NDArray[np.float64], resamples: int, chance: np.random.Generator) -> NDArray[np.float64]:
    """The means of as many samples; a part at a time, so that thousands of questions need little memory."""
    part = max(1, 4_000_000 // len(values))
    parts = [
        values[chance.integers(len(values), size=(min(part, resamples - done), len(values)))].mean(axis=1)
        for done in range(0, resamples, part)
    ]
    return np.concatenate(parts)
