"""The best nodes for one reset: near the seeds where bounds decide, by sweeps over the whole graph where they do not.

Rule. Sweeps at once if the seeds' rows hold more than 1/16 of all entries (every passage a seed) or the graph has fewer
than 8,192 entries. Else a ball grows round the seeds (ball.py) until the bounds separate the k best from all others;
sweeps finish the job, from where the ball got, if that is expected to read more than 1/3 of all entries.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from memkit_kernels.ppr.ball import Ball
from memkit_kernels.ppr.everywhere import everywhere
from memkit_kernels.ppr.graph import Graph
from memkit_kernels.ppr.product import Product
from memkit_kernels.ppr.question import Question, Top
from memkit_kernels.ppr.ranking import Scored, pick

DENSE = 16
FEW = 8192
LOCAL = 3
FIRST = 1.5e-3  # the first threshold, of the seeds' mean x: settles two of three queries at once (benchmarks/ppr.py)
PATIENCE = 16  # solutions without reading more: the seeds' whole component is read, and rounding keeps the bounds apart


def search(graph: Graph, product: Product, question: Question) -> Top:
    """See `memkit_kernels.ppr.ppr_top`; takes its arguments as checked there."""
    rows = int((graph.indptr[question.seeds + 1] - graph.indptr[question.seeds]).sum())
    dense = rows * DENSE > graph.entries or graph.entries < FEW
    if dense and question.limit is None:
        return everywhere(graph, product, question, None, 0)
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
    return found if isinstance(found, Top) else everywhere(graph, product, question, x, ball.read)


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
            return Top.of(scored, picked, "near the seeds", ball.read)
        needed = ball.read / picked.shrink
        if limit is None:
            if needed * LOCAL > graph.entries or idle > PATIENCE:
                return scored
        elif needed > limit or idle > PATIENCE:
            ball.grow(threshold * ball.read / max(limit, 1), limit)  # as far as it is allowed to
            if ball.read > before:
                scored = _with_alone(ball, question)
                picked = pick(graph, question, scored)
            return Top.of(scored, picked, "near the seeds", ball.read)
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
