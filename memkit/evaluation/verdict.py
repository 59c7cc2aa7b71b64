"""Says in sentences who did best, above all where a baseline did: made from the numbers, so that no table hides it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from statistics import mean, stdev

# Quantiles of Student's t at 97.5 %, by degrees of freedom from 1; beyond the last the last is used, which is a little wide.
_T = (12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12)

Shares = Mapping[str, Mapping[str, Sequence[float]]]  # of right answers: by contestant, by kind of question, by seed


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """The mean of at least two values, and the ends of its 95 % interval by Student's t."""
    middle = mean(values)
    half = _T[min(len(values) - 1, len(_T)) - 1] * stdev(values) / math.sqrt(len(values))
    return middle, middle - half, middle + half


def verdicts(shares: Shares, baselines: Collection[str], ceiling: str) -> list[str]:
    """A sentence for each kind of question: the best of the memories against the best baseline, by the differences of their
    shares seed by seed. Where there are no memories but the baselines, the best of these against the next one."""
    ranked = [name for name in shares if name != ceiling]
    memories = [name for name in ranked if name not in baselines]
    told = []
    kinds = list(shares[ceiling])
    for kind in kinds if len(kinds) > 2 else kinds[:1]:  # with one kind, "all" is the same
        order = sorted(ranked, key=lambda name: -mean(shares[name][kind]))
        first = next((name for name in order if name in memories), order[0])
        second = next(name for name in order if name in baselines and name != first)
        told.append(f"{kind}: {_against(first, second, shares, kind, second_is='baseline' if memories else 'other')}")
    return told


def _against(first: str, second: str, shares: Shares, kind: str, *, second_is: str) -> str:
    mine, its = shares[first][kind], shares[second][kind]
    best, other = f"{first} ({mean(mine):.2f})", f"{second} ({mean(its):.2f})"
    differences = [a - b for a, b in zip(mine, its, strict=True)]
    middle, low, high = interval(differences) if len(differences) > 1 else (differences[0], -1.0, 1.0)
    if low > 0:
        return f"the best, {best}, beats the best {second_is}, {other}."
    if high < 0:
        return f"the {second_is} {other} beats the best memory, {best}."
    if middle < 0:
        return f"the {second_is} {other} is ahead of the best memory, {best}, but not clearly."
    lead = "equals" if middle == 0 else "is not clearly ahead of"
    return f"the best, {best}, {lead} the best {second_is}, {other}."
