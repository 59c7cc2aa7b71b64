"""The best nodes for one reset: near the seeds where bounds decide, by sweeps over the whole graph where they do not.

Rule. Sweeps at once if the seeds' rows hold more than 1/16 of all entries (every passage a seed) or the graph has fewer
than 8,192 entries. Else a ball grows round the seeds (ball.py) until the bounds separate the k best from all others;
sweeps finish the job, from where the ball got, if that is expected to read more than 1/3 of all entries.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

import numpy as np

from memkit_kernels.ppr.ball import Ball
from memkit_kernels.ppr.graph import Floats, Graph, Ints
from memkit_kernels.ppr.ranking import Picked, Scored, pick
from memkit_kernels.ppr.reference import ranked, top
from memkit_kernels.ppr.sweeps import chebyshev, finest, restart, steps_at_most

DENSE = 16
FEW = 8192
LOCAL = 3
FIRST = 1.5e-3  # the first threshold, of the seeds' mean x: settles two of three queries at once (benchmarks/ppr.py)
PATIENCE = 16  # solutions without reading more: the seeds' whole component is read, and rounding keeps the bounds apart
CHECK_EVERY = 3  # sweeps between two looks at the bounds, which cost about as much as one


@dataclass(frozen=True, slots=True, kw_only=True)
class Top:
    """The best nodes of a π, best first.

    `nodes` int64 and `scores` float64, at most k: fewer where fewer nodes score more than 1e-9. Every score is within
    `bound` of the true one. `certain`: the nodes are the k best, proven; they are in the true order too as far as their
    scores differ by more than twice the bound. `how` is what found them, and `entries` how many entries of the graph it
    read, sweeps counted each time.
    """

    nodes: Ints
    scores: Floats
    bound: float
    certain: bool
    how: Literal["near the seeds", "sweeps"]
    entries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One reset, as searches use it: different nodes in rising order, parts of sum 1."""

    seeds: Ints
    parts: Floats
    k: int
    damping: float
    among: np.ndarray | None
    limit: int | None

    def scale(self, graph: Graph) -> float:
        """a of sweeps.restart."""
        return float(restart(float(self.parts[graph.degrees[self.seeds] == 0].sum()), self.damping))


def search(graph: Graph, question: Question) -> Top:
    """See `memkit_kernels.ppr.ppr_top`; takes its arguments as checked there."""
    rows = int((graph.indptr[question.seeds + 1] - graph.indptr[question.seeds]).sum())
    dense = rows * DENSE > graph.entries or graph.entries < FEW
    if dense and question.limit is None:
        return _everywhere(graph, question, None, 0)
    linked = graph.degrees[question.seeds] > 0
    seeds = question.seeds[linked]
    source = question.scale(graph) * question.parts[linked] / graph.degrees[seeds]
    try:
        place = graph.spare.pop()  # at once: asking first whether there is one would be a race between threads
    except IndexError:
        place = np.zeros(graph.nodes, np.int32)
    ball = Ball(graph, place, seeds, source, question.damping)
    found = _near(ball, question)
    x = None
    if not isinstance(found, Top):  # sweeps go on from the ball's estimate
        x = np.zeros(graph.nodes)
        x[found.nodes] = found.estimate
        x /= np.where(graph.degrees > 0, graph.degrees, 1.0)
    ball.close()
    graph.spare.append(place)  # not after an error: it may not be zero then
    return found if isinstance(found, Top) else _everywhere(graph, question, x, ball.read)


def _near(ball: Ball, question: Question) -> Top | Scored:
    """The answer, or what is known so far where sweeps are expected to be the shorter way."""
    graph, limit = ball.graph, question.limit
    threshold = FIRST * (1 - question.damping) / max(float(ball.degrees.sum()), 1e-300)
    idle = 0
    while True:
        before = ball.read
        ball.grow(threshold, graph.entries if limit is None else limit)
        idle = idle + 1 if ball.read == before else 0
        before, scored = ball.read, _with_alone(ball, question)
        picked = pick(graph, question, scored)
        if picked.certain:
            return _answer(scored, picked, "near the seeds", ball.read)
        needed = ball.read / picked.shrink
        if limit is None:
            if needed * LOCAL > graph.entries or idle > PATIENCE:
                return scored
        elif needed > limit or idle > PATIENCE:
            ball.grow(threshold * ball.read / max(limit, 1), limit)  # as far as it is allowed to
            if ball.read > before:
                scored = _with_alone(ball, question)
                picked = pick(graph, question, scored)
            return _answer(scored, picked, "near the seeds", ball.read)
        threshold *= picked.shrink


def _with_alone(ball: Ball, question: Question) -> Scored:
    """The ball's bounds, with the seeds that have no neighbours, whose scores are known exactly."""
    bounds, graph = ball.solve(), ball.graph
    unseen = graph.heaviest[ball.place[graph.heaviest] == 0]
    if len(unseen):
        others = bounds.beyond * graph.degrees[unseen[0]]
    elif len(graph.heaviest) < graph.nodes:
        others = bounds.beyond * graph.degrees[graph.heaviest[-1]]  # nobody else has a larger degree
    else:
        others = 0.0
    scored = Scored(
        nodes=bounds.nodes, low=bounds.low, estimate=bounds.estimate, high=bounds.high, others=float(others)
    )
    alone = graph.degrees[question.seeds] == 0
    if not alone.any():
        return scored
    exact = question.scale(graph) * question.parts[alone]
    return replace(
        scored,
        nodes=np.concatenate((scored.nodes, question.seeds[alone])),
        low=np.concatenate((scored.low, exact)),
        estimate=np.concatenate((scored.estimate, exact)),
        high=np.concatenate((scored.high, exact)),
    )


def _everywhere(graph: Graph, question: Question, x: Floats | None, read: int) -> Top:
    """By Chebyshev sweeps, which stop as soon as the bounds decide. A sweep's difference R bounds the error of x."""
    d, degrees = question.damping, graph.degrees
    alone = degrees[question.seeds] == 0
    scale = question.scale(graph)
    source, fixed = np.zeros(graph.nodes), np.zeros(graph.nodes)
    source[question.seeds[~alone]] = scale * question.parts[~alone] / degrees[question.seeds[~alone]]
    fixed[question.seeds[alone]] = scale * question.parts[alone]
    everyone = np.arange(graph.nodes)
    solving = chebyshev(graph, source, source if x is None else x, d)
    for step, (before, after) in enumerate(islice(solving, steps_at_most(d)), 1):
        read += graph.entries
        if step % CHECK_EVERY:
            continue
        rest = after - before
        mass = d / (1 - d) * float((degrees * np.abs(rest)).sum())
        below, above = (d / (1 - d) * max(0.0, float((sign * rest).max(initial=0.0))) for sign in (-1, 1))
        estimate = after * degrees + fixed
        scored = Scored(
            nodes=everyone,
            low=np.maximum(estimate - np.minimum(below * degrees, mass), 0.0),
            estimate=estimate,
            high=estimate + np.minimum(above * degrees, mass),
            others=0.0,
        )
        if mass <= finest(d):
            return _exact(scored, question, mass, read)
        picked = pick(graph, question, scored)
        if picked.certain:
            return _answer(scored, picked, "sweeps", read)
    raise ArithmeticError("the iteration did not settle; this is a defect")


def _exact(scored: Scored, question: Question, bound: float, read: int) -> Top:
    scores = scored.estimate if question.among is None else np.where(question.among, scored.estimate, 0.0)
    nodes = top(scores, question.k)
    return Top(nodes=nodes, scores=scores[nodes], bound=bound, certain=True, how="sweeps", entries=read)


def _answer(scored: Scored, picked: Picked, how: Literal["near the seeds", "sweeps"], read: int) -> Top:
    at = picked.places
    at = at[ranked(scored.nodes[at], scored.estimate[at])]
    low, estimate, high = scored.low[at], scored.estimate[at], scored.high[at]
    bound = float(np.maximum(high - estimate, estimate - low).max(initial=0.0))
    return Top(nodes=scored.nodes[at], scores=estimate, bound=bound, certain=picked.certain, how=how, entries=read)
