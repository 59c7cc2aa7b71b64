"""The best nodes for one reset by sweeps over the whole graph, which stop as soon as their bounds decide.

A look at the bounds costs about as much as a sweep. So the first one waits until two of three queries are decided, and
each tells when the next is worth it. Nodes that a look has ruled out are not looked at again.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np

from memkit_kernels.ppr.graph import Floats, Graph, Ints
from memkit_kernels.ppr.product import Product
from memkit_kernels.ppr.question import Question, Top
from memkit_kernels.ppr.ranking import Scored, pick
from memkit_kernels.ppr.reference import TIE, top
from memkit_kernels.ppr.sweeps import Degrees, chebyshev, finest, steps_at_most, sweeps_for

SETTLED = 1e-3  # the share of the first error at which the first look is taken
FROM_NEAR = 3  # sweeps before the first look where the estimate of a ball is the start


def everywhere(graph: Graph, product: Product, question: Question, x: Floats | None, read: int) -> Top:
    """The answer, beginning with x (π / degree) or with nothing known. `read` entries were read before."""
    damping, degrees = question.damping, Degrees.of(graph)
    reset = np.zeros(graph.nodes)
    reset[question.seeds] = question.parts
    source = degrees.source(reset, damping)
    look = sweeps_for(SETTLED, damping) if x is None else FROM_NEAR
    places = np.arange(graph.nodes) if question.among is None else np.flatnonzero(question.among)
    listed = replace(question, among=None)
    solving = chebyshev(product, degrees, source, source if x is None else x, damping)
    for step, (before, after) in enumerate(islice(solving, steps_at_most(damping)), 1):
        if step < look:
            continue
        scored, error = _bounds(graph, places, before, after, damping)
        read_now = read + step * graph.entries
        if error <= finest(damping):
            return _exact(scored, question.k, error, read_now)
        picked = pick(graph, listed, scored)
        if picked.certain:
            return Top.of(scored, picked, "sweeps", read_now)
        look = step + sweeps_for(picked.shrink, damping)
        places = _contested(scored, picked.places, question.k)
    raise ArithmeticError("the iteration did not settle; this is a defect")


def _bounds(graph: Graph, places: Ints, before: Floats, after: Floats, damping: float) -> tuple[Scored, float]:
    """Bounds on the scores at these places, and the L1 distance that holds for all scores together.

    The error of `after` is at most d / (1 - d) times the sweep's difference: the largest one, times the degree, or
    the whole mass of it.
    """
    far = damping / (1 - damping)
    rest = after - before
    below, above = far * max(0.0, -float(rest.min(initial=0.0))), far * max(0.0, float(rest.max(initial=0.0)))
    np.abs(rest, out=rest)
    rest *= graph.degrees  # a BLAS product would start threads for this, and wait for them
    mass = far * float(rest.sum())
    degrees = graph.degrees[places]  # 0 for a node without neighbours: its score is exact
    estimate = after[places] * Degrees.of(graph).unit[places]
    scored = Scored(
        nodes=places,
        low=np.maximum(estimate - np.minimum(below * degrees, mass), 0.0),
        estimate=estimate,
        high=estimate + np.minimum(above * degrees, mass),
        others=0.0,
    )
    return scored, mass


def _contested(scored: Scored, best: Ints, k: int) -> Ints:
    """The nodes that may still be of the k best, rising: all others score more than TIE below k nodes."""
    if len(best) < k:
        return scored.nodes
    floor = float(scored.low[best].min())
    return scored.nodes[scored.high + TIE >= floor]


def _exact(scored: Scored, k: int, bound: float, read: int) -> Top:
    at = top(scored.estimate, k)
    return Top(
        nodes=scored.nodes[at], scores=scored.estimate[at], bound=bound, certain=True, how="sweeps", entries=read
    )
