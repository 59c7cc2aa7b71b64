"""Graphs and questions to time personalised PageRank with, and what others do with them.

Does not know how anything is timed. Each way takes a graph and a damping, and gives what answers one question; None where its
library is not installed, or where it would take minutes.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Literal

import numpy as np

from memkit_kernels.ppr import Graph

Kind = Literal["even", "hubs", "passages"]
Walker = Callable[["Question"], object]

SEEDS = 5
MANY = 64  # more seeds than this are given to others as a whole reset
NETWORKX_AT_MOST = 100_000  # nodes; beyond, a question takes tens of seconds
SHARE = 0.1  # passages among the nodes of such a graph, as in HippoRAG 2's of MuSiQue
PASSAGE_MASS = 0.05  # HippoRAG 2: what a passage's score counts for in the reset


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Seeds, what each has of the reset, and which nodes are asked for: all where `among` is None."""

    seeds: np.ndarray
    mass: np.ndarray
    among: np.ndarray | None = None

    def reset(self, nodes: int) -> np.ndarray:
        """`[N]`, of sum 1."""
        reset = np.zeros(nodes)
        reset[self.seeds] = self.mass / self.mass.sum()
        return reset


def graph_of(kind: Kind, nodes: int) -> Graph:
    """A random graph, the same at every call.

    "even": mean degree 10, weights 0.5 to 1.5, both ends drawn evenly. "hubs": one end as likely as its rank to the -0.7;
    the largest node of a million has about 47,000 neighbours. "passages": see `_passages`.
    """
    chance = np.random.default_rng(nodes)
    if kind == "passages":
        return _passages(nodes, chance)
    ends = chance.random((2, 5 * nodes))
    if kind == "hubs":
        likely = np.cumsum(np.arange(1.0, nodes + 1) ** -0.7)
        ends = np.searchsorted(likely, ends * likely[-1]).astype(np.float64) / nodes
    place = chance.permutation(nodes)
    rows, cols = place[np.minimum((ends * nodes).astype(np.int64), nodes - 1)]
    return Graph.of(rows, cols, chance.random(5 * nodes) + 0.5, nodes=nodes)


def _passages(nodes: int, chance: np.random.Generator) -> Graph:
    """As HippoRAG 2 builds one: the last tenth are passages.

    A passage is linked to nine names of its own and three drawn by a power law (weight 1), and tells nine facts between
    its names (weight 2); two of five names have a synonym (0.8 to 1).
    """
    passages = max(1, int(nodes * SHARE))
    names = nodes - passages
    own = np.arange(passages * 9).reshape(passages, 9) % names
    common = (names * chance.random((passages, 3)) ** 3).astype(np.int64)
    inside = np.concatenate((own, common), axis=1)
    which = chance.integers(0, inside.shape[1], (2, passages, 9))
    subject, thing = (np.take_along_axis(inside, part, axis=1).ravel() for part in which)
    alike = chance.integers(0, names, (2, names * 2 // 5))
    return Graph.of(
        np.concatenate((np.repeat(np.arange(names, nodes), inside.shape[1]), subject, alike[0])),
        np.concatenate((inside.ravel(), thing, alike[1])),
        np.concatenate((np.ones(inside.size), np.full(len(subject), 2.0), 0.8 + 0.2 * chance.random(alike.shape[1]))),
        nodes=nodes,
    )


def questions_of(kind: Kind, graph: Graph, count: int) -> list[Question]:
    """Five seeds of equal mass; with "passages" five names and all passages, of which the best are asked for."""
    chance = np.random.default_rng(1)
    if kind != "passages":
        linked = np.flatnonzero(graph.degrees)
        few = min(SEEDS, len(linked))
        return [Question(seeds=chance.choice(linked, few, replace=False), mass=np.ones(few)) for _ in range(count)]
    names = graph.nodes - max(1, int(graph.nodes * SHARE))
    among = np.arange(graph.nodes) >= names
    questions = []
    for _ in range(count):
        near = chance.normal(size=graph.nodes - names)
        near = (near - near.min()) / max(float(np.ptp(near)), 1e-9)
        seeds = np.concatenate((chance.choice(names, SEEDS, replace=False), np.arange(names, graph.nodes)))
        mass = np.concatenate((chance.random(SEEDS), PASSAGE_MASS * near))
        questions.append(Question(seeds=seeds, mass=mass, among=among))
    return questions


def scipy_power(graph: Graph, damping: float, k: int) -> Walker | None:
    """A power iteration to an L1 step of 1e-10, as one writes it with scipy, and the k best."""
    sparse = _module("scipy.sparse")
    if sparse is None:
        return None
    inverse = np.divide(1, graph.degrees, out=np.zeros(graph.nodes), where=graph.degrees > 0)
    weights, starts = graph.weights * inverse[graph.indices], graph.indptr.astype(np.int32)
    step = sparse.csr_array((weights, graph.indices, starts), shape=(graph.nodes, graph.nodes))

    def walk(question: Question) -> object:
        reset = question.reset(graph.nodes)
        scores, change = reset, 1.0
        while change > 1e-10:
            after = (1 - damping) * reset + damping * (step @ scores)
            scores, change = after, float(np.abs(after - scores).sum())
        listed = scores if question.among is None else np.where(question.among, scores, 0)
        return np.argpartition(-listed, min(k, graph.nodes) - 1)[:k]

    return walk


def igraph_prpack(graph: Graph, damping: float, k: int) -> Walker | None:
    """All scores; ranking them would come on top."""
    igraph = _module("igraph")
    if igraph is None:
        return None
    rows, cols, weights = _edges(graph)
    other = igraph.Graph(n=graph.nodes, edges=np.stack((rows, cols), 1))
    other.es["weight"] = weights

    def walk(question: Question) -> object:
        if len(question.seeds) > MANY:
            reset = {"reset": question.reset(graph.nodes)}
        else:  # which counts every seed alike, as the questions do
            reset = {"reset_vertices": question.seeds.tolist()}
        return other.personalized_pagerank(damping=damping, weights="weight", directed=False, **reset)

    return walk


def networkx_pagerank(graph: Graph, damping: float, k: int) -> Walker | None:
    """All scores; ranking them would come on top."""
    if graph.nodes > NETWORKX_AT_MOST:
        return None
    networkx = _module("networkx")
    if networkx is None:
        return None
    other = networkx.Graph()
    other.add_nodes_from(range(graph.nodes))
    other.add_weighted_edges_from(zip(*(part.tolist() for part in _edges(graph)), strict=True))

    def walk(question: Question) -> object:
        reset = dict(zip(question.seeds.tolist(), question.mass.tolist(), strict=True))
        return networkx.pagerank(other, alpha=damping, personalization=reset)

    return walk


OTHERS: dict[str, Callable[[Graph, float, int], Walker | None]] = {
    "scipy power iteration": scipy_power,
    "igraph prpack": igraph_prpack,
    "networkx pagerank": networkx_pagerank,
}


def _edges(graph: Graph) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = np.repeat(np.arange(graph.nodes), np.diff(graph.indptr))
    once = rows < graph.indices
    return rows[once], graph.indices[once], graph.weights[once]


def _module(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None
