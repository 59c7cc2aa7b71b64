"""ppr in plain numpy: what the operation means. For small graphs; slow and short on purpose.

    π = (1 - d) s + d (Pᵀ π + m s)

s is the reset, scaled to sum 1. P[u, v] = w(u, v) / degree(u) leads from a node to its neighbours. m is the part of π
on nodes without neighbours: a walk that cannot go on begins again at the reset (as igraph's prpack does). d is the
probability of going on.
"""

from __future__ import annotations

import numpy as np

from memkit_kernels.ppr.graph import Floats, Graph, Ints

TIE = 1e-9  # scores sum to 1; what differs by less counts as equal, which hides the solvers' rounding (below 1e-12)


def dense(graph: Graph, reset: Floats, *, damping: float) -> Floats:
    """π by a direct solve of the N x N system. `reset` `[N]` sums to 1."""
    step, stuck = transition(graph), graph.degrees == 0
    step[stuck] = reset  # a node without neighbours leads to the reset
    return np.asarray(np.linalg.solve(np.eye(graph.nodes) - damping * step.T, (1 - damping) * reset), np.float64)


def power(graph: Graph, reset: Floats, *, damping: float, tolerance: float) -> Floats:
    """π by power iteration, to an L1 distance of at most `tolerance` from the true one.

    A step shrinks the distance to the true π by d or more.
    """
    step, stuck = transition(graph), graph.degrees == 0
    scores: Floats = reset
    distance = 2.0  # at most, since both sum to 1
    while distance > tolerance:
        scores = (1 - damping) * reset + damping * (step.T @ scores + scores[stuck].sum() * reset)
        distance *= damping
    return scores


def transition(graph: Graph) -> Floats:
    """P, with rows of 0 for nodes without neighbours."""
    rows = np.repeat(np.arange(graph.nodes), np.diff(graph.indptr))
    step = np.zeros((graph.nodes, graph.nodes))
    np.add.at(step, (rows, graph.indices), graph.weights)
    return np.divide(step, graph.degrees[:, None], out=step, where=graph.degrees[:, None] > 0)


def ranked(nodes: Ints, scores: Floats) -> Ints:
    """Places, best score first.

    Scores within TIE of the best one not yet placed count as equal to it, and of equal ones the lower node comes first.
    """
    order = np.lexsort((nodes, -scores))
    sorted_scores, start = scores[order], 0
    if (sorted_scores[:-1] - sorted_scores[1:] > TIE).all():
        return order
    while start < len(order):
        end = start + int(np.searchsorted(-sorted_scores[start:], TIE - sorted_scores[start], side="right"))
        order[start:end] = order[start:end][np.argsort(nodes[order[start:end]])]
        start = end
    return order


def top(scores: Floats, k: int) -> Ints:
    """The at most k best nodes of a π, best first. Nodes that score no more than TIE are left out."""
    nodes = np.flatnonzero(scores > TIE)
    return nodes[ranked(nodes, scores[nodes])][:k]
