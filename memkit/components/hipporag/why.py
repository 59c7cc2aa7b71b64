"""Why a passage was found: what the question was linked to, and the strongest way from there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from memkit.components.hipporag.linking import Linked, NameLink
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
    total = float(reset.mass.sum())
    names = graph.node_name[reset.nodes]
    begins = {
        n: part / total for n, part in zip(names[names >= 0].tolist(), reset.mass[names >= 0].tolist(), strict=True)
    }
    heaviest = sorted({*begins, *(link.name for link in linked.names)}, key=lambda n: (-begins.get(n, 0.0), n))[:SHOWN]
    ways = _ways(graph, reset, ranked, settings) if begins else [[] for _ in ranked.rows]
    wanted = list(dict.fromkeys(n for n in (*heaviest, *chain.from_iterable(ways)) if n >= 0))
    texts = dict(zip(wanted, graph.names(wanted), strict=True))  # all at once: each call asks the store
    numbers = [link.fact for link in linked.facts[:SHOWN]]
    told = [" ".join(fact.told) for fact in graph.facts(numbers)]
    common: dict[str, float | str] = {"found by": ranked.how}
    if heaviest:
        how = {link.name: _by(link) for link in linked.names}
        shown = [f"{texts[n]} ({how.get(n, 'in a fact')}, {begins.get(n, 0.0):.1%})" for n in heaviest]
        common["names"] = "; ".join(shown)
    if told:
        pairs = zip(told, linked.facts, strict=False)
        common["facts"] = "; ".join(f"{text} ({link.score:.2f})" for text, link in pairs)
    found: list[Mapping[str, float | str]] = []
    for row, way, part in zip(ranked.rows.tolist(), ways, _parts(graph, reset, ranked), strict=True):
        own: dict[str, float | str] = {}
        mine = set(graph.facts_in(row).tolist()) if told else set()
        tells = [text for number, text in zip(numbers, told, strict=True) if number in mine]
        if tells:
            own["tells"] = "; ".join(tells)
        if part:
            own["begins here"] = part
        if way:
            own["path"] = " → ".join([*(texts.get(name, "a passage") for name in way), "this passage"])
        found.append({**common, **own})
    return found


def _by(link: NameLink) -> str:
    """How the question came to a name."""
    return "named" if link.how == "name" else f"for {link.phrase!r} by {link.how} {link.score:.2f}"


def _parts(graph: Graph, reset: Reset, ranked: Ranked) -> list[float]:
    """The share of all mass that lies on each passage itself."""
    if not len(reset.nodes):
        return [0.0] * len(ranked.rows)
    nodes = graph.passage_node[ranked.rows].astype(np.int64)
    places = np.minimum(np.searchsorted(reset.nodes, nodes), len(reset.nodes) - 1)
    parts: list[float] = np.where(reset.nodes[places] == nodes, reset.mass[places] / reset.mass.sum(), 0.0).tolist()
    return parts


def _reached(graph: Graph, reset: Reset, damping: float) -> _Reached:
    """Follow the likeliest steps from the names that walks begin at. Passages are begun at by closeness, and are no reason."""
    walk = graph.walk
    likely, before = np.zeros(walk.nodes), np.full(walk.nodes, -1, np.int64)
    begins = graph.node_name[reset.nodes] >= 0
    front = reset.nodes[begins]
    likely[front] = reset.mass[begins] / reset.mass.sum()
    for _ in range(STEPS):
        front = _likeliest(front, likely[front])
        sizes = walk.indptr[front + 1] - walk.indptr[front]
        few = np.cumsum(sizes) <= max(READ, int(sizes[:1].sum()))
        few &= walk.degrees[front] > 0  # a name by itself leads nowhere
        # of equal ways that of the lower source is written last, and stays
        order = np.flatnonzero(few)[np.argsort(-front[few])]
        front, sizes = front[order], sizes[order]
        if not len(front):
            break
        entries = np.arange(sizes.sum()) + np.repeat(walk.indptr[front] - np.cumsum(sizes) + sizes, sizes)
        target = walk.indices[entries].astype(np.int64)
        value = np.repeat(likely[front] * damping / walk.degrees[front], sizes) * walk.weights[entries]
        better = np.flatnonzero(value > likely[target])
        source, target, value = np.repeat(front, sizes)[better], target[better], value[better]
        np.maximum.at(likely, target, value)
        best = value == likely[target]
        source, target = source[best], target[best]
        before[target] = source
        front = target[before[target] == source]
    return _Reached(likely, before)


def _likeliest(nodes: NDArray[np.int64], likely: NDArray[np.float64]) -> NDArray[np.int64]:
    """The WIDE likeliest, those first; of equal ones the lower node."""
    if len(nodes) > WIDE:
        some = likely >= np.partition(likely, len(likely) - WIDE)[len(likely) - WIDE]
        nodes, likely = nodes[some], likely[some]
    return nodes[np.lexsort((nodes, -likely))][:WIDE]


def _ways(graph: Graph, reset: Reset, ranked: Ranked, settings: Settings) -> list[list[int]]:
    """For each passage the names on the way to it, in order, -1 for a passage on the way; [] if none was found. Where passages
    are no nodes, it leads to the likeliest of the passage's names."""
    reached = _reached(graph, reset, settings.damping)
    ways: list[list[int]] = []
    for row, node in zip(ranked.rows.tolist(), graph.passage_node[ranked.rows].tolist(), strict=True):
        ends = graph.name_node[graph.names_in(row)].astype(np.int64) if node < 0 else np.array([node], np.int64)
        at = int(ends[np.argmax(reached.likely[ends])]) if len(ends) else -1
        if at < 0 or reached.likely[at] <= 0:
            ways.append([])
            continue
        way = [] if node >= 0 else [at]
        while reached.before[at] >= 0 and len(way) <= STEPS:
            at = int(reached.before[at])
            way.append(at)
        ways.append(graph.node_name[np.array(way[::-1], np.int64)].tolist())
    return ways
