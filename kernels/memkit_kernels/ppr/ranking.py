"""Which nodes are the k best, given bounds on all scores, and whether the bounds prove it.

Does not know how the bounds were found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from memkit_kernels.ppr.graph import Floats, Graph, Ints
from memkit_kernels.ppr.reference import TIE, ranked

CONTESTED = 64  # more nodes than this on the border are not compared row by row
LONGEST = 256  # nor are longer rows
FINE = TIE / 100  # bounds this narrow are the scores themselves, and ties are told from differences
SUSPECT = 1e-3  # of the bounds' width: estimates that much closer than the bounds suggest a tie
GENTLEST, BOLDEST = 0.5, 1 / 256  # how much a threshold may shrink at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """`low <= π <= high` for these nodes, and π <= `others` for all that are not listed."""

    nodes: Ints
    low: Floats
    estimate: Floats
    high: Floats
    others: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """`places` of the best nodes in the lists of a Scored, in no order. `shrink`: by what factor the bounds should
    become narrower to decide, as far as one can see; 1 where they do."""

    places: Ints
    certain: bool
    shrink: float = 1.0


class Asked(Protocol):
    """What is asked for: so many nodes, among all or those of a mask `[N]`, for a reset on these seeds."""

    @property
    def k(self) -> int: ...
    @property
    def among(self) -> np.ndarray | None: ...
    @property
    def seeds(self) -> Ints: ...
    @property
    def parts(self) -> Floats: ...


def pick(graph: Graph, asked: Asked, scored: Scored) -> Picked:
    """The at most k nodes of highest estimate, of those that score more than TIE."""
    best, rest = _parted(asked, scored)
    if len(best) < asked.k or scored.estimate[best].min() <= TIE:
        return _short(scored, best, rest)
    floor = float(scored.low[best].min())
    ceiling = max(float(scored.high[rest].max(initial=0.0)), scored.others)
    if floor - ceiling > TIE:
        return Picked(places=best, certain=True)
    last = best[np.argmin(scored.estimate[best])]
    second = float(scored.estimate[rest].max(initial=0.0))
    gap = float(scored.estimate[last]) - second
    width = (ceiling - second) + (float(scored.estimate[last]) - floor)
    if gap <= SUSPECT * width + TIE:
        tied = _by_twins(graph, asked, scored, best, rest)
        if tied is None:
            tied = _by_scores(asked, scored, best, rest)
        if tied is not None:
            return Picked(places=tied, certain=True)
    shrink = 0.7 * gap / width if width > 0 else 0.0
    return Picked(places=best, certain=False, shrink=min(GENTLEST, max(BOLDEST, shrink)))


def _parted(asked: Asked, scored: Scored) -> tuple[Ints, Ints]:
    """Places of the at most k highest estimates, and of all others that are admitted."""
    admitted = None if asked.among is None else np.flatnonzero(asked.among[scored.nodes])
    estimate = scored.estimate if admitted is None else scored.estimate[admitted]
    if len(estimate) > asked.k:
        by = np.argpartition(-estimate, asked.k - 1)
    else:
        by = np.arange(len(estimate))
    if admitted is not None:
        by = admitted[by]
    return by[: asked.k], by[asked.k :]


def _short(scored: Scored, best: Ints, rest: Ints) -> Picked:
    """Fewer than k: certain if each listed node surely scores more than TIE, and no other one does."""
    best, dropped = best[scored.estimate[best] > TIE], best[scored.estimate[best] <= TIE]
    ceiling = max(float(scored.high[rest].max(initial=0.0)), float(scored.high[dropped].max(initial=0.0)))
    certain = bool((scored.low[best] > TIE).all()) and max(ceiling, scored.others) <= TIE
    return Picked(places=best, certain=certain, shrink=1.0 if certain else BOLDEST)


def _by_twins(graph: Graph, asked: Asked, scored: Scored, best: Ints, rest: Ints) -> Ints | None:
    """The k best where only nodes of exactly equal score contest the last places; None where more than that is open.

    Twins have the same neighbours with the same weights, or would have if they changed places. Exchanging them changes
    nothing in the graph, so no bound however tight separates them: the lower node comes first.
    """
    last = best[np.argmin(scored.estimate[best])]
    if scored.others + TIE >= scored.low[last]:
        return None
    contested = rest[scored.high[rest] + TIE >= scored.low[last]]
    level = best[scored.low[best] <= scored.high[last] + TIE]
    if len(contested) + len(level) > CONTESTED:
        return None
    part = dict(zip(asked.seeds.tolist(), asked.parts.tolist(), strict=True))
    node = int(scored.nodes[last])
    same = [
        place
        for place in (*level.tolist(), *contested.tolist())
        if place == last
        or (part.get(int(scored.nodes[place])) == part.get(node) and _twins(graph, node, int(scored.nodes[place])))
    ]
    above, below = np.setdiff1d(best, same), np.setdiff1d(rest, same)
    low, high = float(scored.low[same].max()), float(scored.high[same].min())
    if low - max(float(scored.high[below].max(initial=0.0)), scored.others) <= TIE:
        return None
    if len(above) and float(scored.low[above].min()) - high <= TIE:
        return None
    by_node = sorted(same, key=lambda place: int(scored.nodes[place]))
    return np.concatenate((above, np.array(by_node[: asked.k - len(above)], dtype=np.intp)))


def _by_scores(asked: Asked, scored: Scored, best: Ints, rest: Ints) -> Ints | None:
    """The k best where the scores of all that contest the last places are known to FINE; else None."""
    floor = float(scored.low[best].min())
    contested = rest[scored.high[rest] + TIE >= floor]
    ceiling = float(scored.high[contested].max(initial=0.0))
    level = best[scored.low[best] <= ceiling + TIE]
    open_to = np.concatenate((level, contested))
    if scored.others + TIE >= floor or (scored.high[open_to] - scored.low[open_to]).max(initial=0.0) > FINE:
        return None
    places = np.concatenate((best, contested[scored.estimate[contested] > TIE]))
    return places[ranked(scored.nodes[places], scored.estimate[places])][: asked.k]


def _twins(graph: Graph, one: int, other: int) -> bool:
    """Whether exchanging two nodes leaves the graph as it is."""
    rows = []
    for node, partner in ((one, other), (other, one)):
        entries = slice(int(graph.indptr[node]), int(graph.indptr[node + 1]))
        if entries.stop - entries.start > LONGEST:
            return False
        pairs = zip(graph.indices[entries].tolist(), graph.weights[entries].tolist(), strict=True)
        rows.append(sorted((neighbour, weight) for neighbour, weight in pairs if neighbour != partner))
    return rows[0] == rows[1]
