"""Why a passage was found: what the question was linked to, and the strongest way from there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from memkit.components.hipporag.linking import Linked
from memkit.components.hipporag.ranking import Ranked
from memkit.components.hipporag.seeds import Reset
from memkit.components.hipporag.settings import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from memkit.ports import Graph

STEPS = 4  # edges of a path: name, passage, name, passage; or by way of synonyms and facts
WIDE = 64  # nodes that go on at each step: the likeliest, so that a node with many neighbours costs little
READ = 5_000  # entries of the graph that are read at each step, at most
SHOWN = 5  # names and facts that are told of


@dataclass(frozen=True, slots=True)
class _Reached:
    """For nodes near the seeds, the largest product of probabilities with which a walk comes there, and from where
    (-1: it begins there). [V] each."""

    likely: NDArray[np.float64]
    before: NDArray[np.int64]


def reasons(
    graph: Graph, linked: Linked, reset: Reset, ranked: Ranked, settings: Settings
) -> list[Mapping[str, float | str]]:
    """For each row of `ranked` what `Hit.why` says. Nothing here changes a score.

    "found by": "graph" or "closeness". "names": what the question names, each with how it was linked, and its share
    of all mass that walks begin with. "facts": those that were linked and kept; "tells": those of them that this
    passage tells. "path": the likeliest way of a walk from a name to this passage, of at most STEPS edges, searched
    near the seeds; not there if none was found. "begins here": the share of all mass on the passage itself.
    """
    common: dict[str, float | str] = {"found by": ranked.how}
    total = float(reset.mass.sum())
    names = graph.node_name[reset.nodes]
    begins = {
        n: part / total for n, part in zip(names[names >= 0].tolist(), reset.mass[names >= 0].tolist(), strict=True)
    }
    if linked.names or begins:
        common["names"] = _names(graph, linked, begins)
    numbers = [link.fact for link in linked.facts]
    told = [" ".join(fact.told) for fact in graph.facts(numbers)]
    if told:
        pairs = zip(told, linked.facts, strict=True)
        common["facts"] = "; ".join(f"{text} ({link.score:.2f})" for text, link in list(pairs)[:SHOWN])
    reached = _reached(graph, reset, settings.damping) if len(ranked.rows) and begins else None
    nodes = graph.passage_node[ranked.rows].astype(np.int64)
    at = np.searchsorted(reset.nodes, nodes)
    here = [
        float(reset.mass[place]) / total if place < len(reset.nodes) and reset.nodes[place] == node >= 0 else 0.0
        for place, node in zip(at.tolist(), nodes.tolist(), strict=True)
    ]
    return [
        {**common, **_own(graph, row, numbers, told, part, reached)}
        for row, part in zip(ranked.rows.tolist(), here, strict=True)
    ]


def _own(
    graph: Graph,
    row: int,
    numbers: Sequence[int],
    told: Sequence[str],
    share: float,
    reached: _Reached | None,
) -> dict[str, float | str]:
    """What holds for this passage alone."""
    own: dict[str, float | str] = {}
    mine = set(graph.facts_in(row).tolist()) if numbers else set()
    tells = [text for number, text in zip(numbers, told, strict=True) if number in mine]
    if tells:
        own["tells"] = "; ".join(tells[:SHOWN])
    node = int(graph.passage_node[row])
    if share:
        own["begins here"] = share
    path = None if reached is None else _path(graph, row, node, reached)
    if path:
        own["path"] = path
    return own


def _names(graph: Graph, linked: Linked, begins: Mapping[int, float]) -> str:
    """The heaviest names that walks begin at, and how the question came to them."""
    how = {link.name: link for link in linked.names}
    heaviest = sorted({*how, *begins}, key=lambda name: (-begins.get(name, 0.0), name))[:SHOWN]
    shown = []
    for name, text in zip(heaviest, graph.names(heaviest), strict=True):
        link = how.get(name)
        by = (
            "in a fact"
            if link is None
            else "named"
            if link.how == "name"
            else f"for {link.phrase!r} by {link.how} {link.score:.2f}"
        )
        shown.append(f"{text} ({by}, {begins.get(name, 0.0):.1%})")
    return "; ".join(shown)


def _reached(graph: Graph, reset: Reset, damping: float) -> _Reached:
    """Follow the likeliest steps from the names that walks begin at. Passages are begun at by closeness, and are no reason."""
    walk = graph.walk
    likely, before = np.zeros(walk.nodes), np.full(walk.nodes, -1, np.int64)
    begins = graph.node_name[reset.nodes] >= 0
    front = reset.nodes[begins]
    likely[front] = reset.mass[begins] / reset.mass.sum()
    for _ in range(STEPS):
        front = front[np.lexsort((front, -likely[front]))][:WIDE]
        sizes = walk.indptr[front + 1] - walk.indptr[front]
        front = front[np.cumsum(sizes) <= max(READ, int(sizes[:1].sum()))]
        if not len(front):
            break
        sizes = walk.indptr[front + 1] - walk.indptr[front]
        starts = np.repeat(walk.indptr[front] - np.concatenate(([0], np.cumsum(sizes)[:-1])), sizes)
        entries = starts + np.arange(len(starts))
        source, target = np.repeat(front, sizes), walk.indices[entries].astype(np.int64)
        value = likely[source] * damping * walk.weights[entries] / walk.degrees[source]
        order = np.lexsort(
            (source, -value, target)
        )  # the likeliest way to each node comes first; of equal ones the lower source
        first = order[np.flatnonzero(np.diff(target[order], prepend=-1))]
        first = first[value[first] > likely[target[first]]]
        likely[target[first]], before[target[first]] = value[first], source[first]
        front = target[first]
    return _Reached(likely, before)


def _path(graph: Graph, row: int, node: int, reached: _Reached) -> str | None:
    """The way to the passage in words; where passages are no nodes, to the likeliest of its names."""
    if node < 0:
        nodes = graph.name_node[graph.names_in(row)].astype(np.int64)
        if not len(nodes):
            return None
        node = int(nodes[np.argmax(reached.likely[nodes])])
    if reached.likely[node] <= 0:
        return None
    way = [node]
    while reached.before[way[-1]] >= 0 and len(way) <= STEPS:
        way.append(int(reached.before[way[-1]]))
    way.reverse()
    names = {n: int(graph.node_name[n]) for n in way if graph.node_name[n] >= 0}
    texts = dict(zip(names, graph.names(list(names.values())), strict=True))
    steps = [texts.get(n, "a passage") for n in way]
    if graph.passage_node[row] >= 0:
        steps.pop()
    return " → ".join([*steps, "this passage"])
