"""How good a ranking is. Rankings are of names, best first, without repetition."""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict, TypeVar

T = TypeVar("T", bound=Hashable)

Figures = TypedDict(
    "Figures",
    {"questions": int, "recall@5": float, "recall@10": float, "recall@20": float, "mrr": float},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one question: recall at 5, 10 and 20, and the reciprocal rank of the first right answer."""

    at_5: float
    at_10: float
    at_20: float
    reciprocal: float

    @staticmethod
    def of(ranking: Sequence[str], right: Collection[str]) -> Outcome:
        return Outcome(
            at_5=recall(ranking, right, 5),
            at_10=recall(ranking, right, 10),
            at_20=recall(ranking, right, 20),
            reciprocal=reciprocal_rank(ranking, right),
        )


def figures(outcomes: Iterable[Outcome]) -> Figures:
    """The means, rounded to four places; all of them 0 when there is no question."""
    every = list(outcomes)
    return {
        "questions": len(every),
        "recall@5": _mean([one.at_5 for one in every]),
        "recall@10": _mean([one.at_10 for one in every]),
        "recall@20": _mean([one.at_20 for one in every]),
        "mrr": _mean([one.reciprocal for one in every]),
    }


def recall(ranking: Sequence[T], right: Collection[T], k: int) -> float:
    """The part of the right answers, of which there is at least one, among the first k."""
    return len(set(ranking[:k]) & set(right)) / len(set(right))


def reciprocal_rank(ranking: Sequence[T], right: Collection[T]) -> float:
    """One over the rank of the first right answer; 0 when there is none in the ranking."""
    return next((1 / rank for rank, name in enumerate(ranking, start=1) if name in right), 0.0)


def ndcg(ranking: Sequence[T], gain: Mapping[T, float], k: int) -> float:
    """Discounted cumulative gain of the first k as a share of the best possible (Järvelin and Kekäläinen, TOIS 2002).

    What is not in `gain` has none. The discount is log2(1 + rank). 0 when nothing has any gain.
    """
    best = _discounted(sorted(gain.values(), reverse=True)[:k])
    return _discounted([gain.get(name, 0.0) for name in ranking[:k]]) / best if best else 0.0


def distinct(names: Iterable[T]) -> list[T]:
    """Without repetition, in the order of the first time."""
    return list(dict.fromkeys(names))


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(1 + rank) for rank, gain in enumerate(gains, start=1))


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 4) if values else 0.0
