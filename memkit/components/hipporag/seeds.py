"""Where the walk begins: the reset of personalised PageRank.

Ours, with names as seeds: all mass is 1. A share `passages` of it lies on the passages, by closeness to a power; the
rest on names. Of that a share `told` lies on the ends of the facts that were kept, if any, and the rest on the names
of the question; each weighs score / |P|, where |P| counts the passages that have it (HippoRAG's node specificity).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from memkit.components.hipporag.linking import FactLink, Linked
from memkit.components.hipporag.settings import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from memkit.ports import Graph

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reset:
    """`nodes` [S] rise; `mass` [S] is positive, and not scaled. With no nodes nothing was linked, and closeness alone
    is the answer. `doubt`: how certain the least certain link is, for `Settings.ensemble`."""

    nodes: NDArray[np.int64]
    mass: Floats
    doubt: float = 1.0


def reset(graph: Graph, linked: Linked, near: Floats, settings: Settings) -> Reset:
    """The reset for what was linked (and kept). `near` [R] is `ranking.closeness`."""
    if settings.version == 2 and settings.seeds == "facts":
        names = _published(graph, linked.facts, settings)
    else:
        names = _named(graph, linked, settings)
    if not names:
        return Reset(np.empty(0, np.int64), np.empty(0))
    numbers = np.fromiter(names, np.int64, len(names))
    nodes = graph.name_node[numbers].astype(np.int64)
    mass = np.fromiter(names.values(), np.float64, len(names))
    inside = np.flatnonzero(graph.passage_node >= 0)  # of an earlier graph, those that were there
    if len(inside) and settings.passages:
        nodes = np.concatenate((nodes, graph.passage_node[inside].astype(np.int64)))
        mass = np.concatenate((mass, _passages(near[inside], settings, float(mass.sum()))))
    order = np.argsort(nodes, kind="stable")  # the passages rise already
    order = order[mass[order] > 0]
    return Reset(nodes[order], mass[order], min((link.score for link in linked.names), default=1.0))


def _named(graph: Graph, linked: Linked, settings: Settings) -> dict[int, float]:
    """The mass of each name: of those of the question, and of those that the kept facts are about."""
    special = _specificity(graph, settings)
    asked: dict[int, float] = {}
    for link in linked.names:  # assigned, not added: two phrases for one name count once
        # HippoRAG 1 asks for the nearest name and forgets how near it is
        score = 1.0 if settings.version == 1 else link.score
        asked[link.name] = max(asked.get(link.name, 0.0), score * special(link.name))
    told: dict[int, float] = defaultdict(float)
    for fact in linked.facts if settings.told else ():
        for end in {int(graph.subject[fact.fact]), int(graph.object[fact.fact])} - asked.keys():
            told[end] += max(fact.score, 0.0) * special(end)
    shares = (1.0 - settings.told, settings.told) if asked and any(told.values()) else (1.0, 1.0)
    mass: dict[int, float] = {}
    for names, share in zip((asked, told), shares, strict=True):
        total = sum(names.values())
        mass.update((name, share * weight / total) for name, weight in names.items() if weight > 0)
    return mass


def _published(graph: Graph, facts: tuple[FactLink, ...], settings: Settings) -> dict[int, float]:
    """HippoRAG 2: for each fact and each of its ends score / |P|, the mean over the times that an end was met; the heaviest
    ends. Its code fails where a fact has the score 0; here such an end has no mass."""
    sums: dict[int, float] = defaultdict(float)
    times: dict[int, int] = defaultdict(int)
    special = _specificity(graph, settings)
    for fact in facts:
        assert fact.scaled is not None  # linked for such seeds
        for end in (int(graph.subject[fact.fact]), int(graph.object[fact.fact])):
            sums[end] += fact.scaled * special(end)
            times[end] += 1
    means = {end: sums[end] / times[end] for end in sums}
    heaviest = sorted(means, key=lambda end: (-means[end], end))[: settings.ends]
    return {end: means[end] for end in heaviest if means[end] > 0}


def _specificity(graph: Graph, settings: Settings) -> Callable[[int], float]:
    mentions = graph.mentions  # once: it counts those of all names
    return lambda name: 1.0 / max(int(mentions[name]), 1) if settings.specificity else 1.0


def _passages(near: Floats, settings: Settings, named: float) -> Floats:
    """The mass of each passage; `named` is that of all names."""
    if settings.seeds == "facts":
        return settings.passages * scaled(near)
    weights = (np.maximum(near, 0.0) / max(float(near.max()), 1e-12)) ** settings.sharpness
    total = float(weights.sum())
    share = settings.passages / (1 - settings.passages)
    return named * share * weights / total if total > 0 else weights


def scaled(values: Floats) -> Floats:
    """Min-max: the smallest becomes 0 and the largest 1; where all are equal, all 1, as in HippoRAG's code."""
    if not len(values):
        return values
    low, high = float(values.min()), float(values.max())
    return (values - low) / (high - low) if high > low else np.ones_like(values)
