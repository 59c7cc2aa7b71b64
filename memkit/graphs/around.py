"""The part of a graph that is near a name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from memkit.values import KnowledgeGraph, Mention, Synonym

Node = tuple[str, int]  # "name" or "passage", and the place in the graph


def neighbourhood(
    graph: KnowledgeGraph, around: str | Sequence[str], *, hops: int = 1, most: int = 40
) -> KnowledgeGraph:
    """What is at most so many edges away from a name, or from any of several: names and passages, and all edges between them.

    Names are found by their texts or as they were written, and in other case where there is none like that. Of more than
    `most` names and passages the nearest stay, and of equally near ones those with the heaviest edges to what is nearer. A fact
    keeps its weight though passages that tell it are left out. Raises ValueError for a name that is not there, with the nearest
    that are; for an empty graph; for less than 0 hops; and when `most` is less than the names given.
    """
    if not graph.names:
        raise ValueError("the graph is empty: it has no names")
    if hops < 0:
        raise ValueError(f"hops is {hops}; it must be at least 0")
    wanted = [around] if isinstance(around, str) else list(around)
    if not wanted:
        raise ValueError("around which name? none is given")
    start = dict.fromkeys(("name", place) for one in wanted for place in found(graph, one))
    if most < len(start):
        raise ValueError(f"most is {most}, and there are {len(start)} names to be around")
    beside = _adjacent(graph)
    taken = dict.fromkeys(start)
    edge = list(start)
    for _ in range(hops):
        pulls: dict[Node, float] = {}
        for node in edge:
            for other, weight in beside.get(node, ()):
                if other not in taken:
                    pulls[other] = pulls.get(other, 0.0) + weight
        edge = sorted(pulls, key=lambda node: (-pulls[node], _text(graph, node)))[: most - len(taken)]
        taken.update(dict.fromkeys(edge))
    return part(graph, taken)


def part(graph: KnowledgeGraph, nodes: Iterable[Node]) -> KnowledgeGraph:
    """The graph of these names and passages alone, in the order in which the whole has them."""
    kept = set(nodes)
    names = [place for place in range(len(graph.names)) if ("name", place) in kept]
    passages = [place for place in range(len(graph.passages)) if ("passage", place) in kept]
    name = {place: new for new, place in enumerate(names)}
    passage = {place: new for new, place in enumerate(passages)}
    texts = {graph.names[place].text for place in names}
    return KnowledgeGraph(
        names=tuple(graph.names[place] for place in names),
        passages=tuple(graph.passages[place] for place in passages),
        facts=tuple(
            replace(told, passages=tuple(passage[place] for place in told.passages if place in passage))
            for told in graph.facts
            if told.fact.subject in texts and told.fact.object in texts
        ),
        mentions=tuple(
            Mention(passage[one.passage], name[one.name], one.weight)
            for one in graph.mentions
            if one.passage in passage and one.name in name
        ),
        synonyms=tuple(
            Synonym(name[one.a], name[one.b], one.cosine) for one in graph.synonyms if one.a in name and one.b in name
        ),
    )


def found(graph: KnowledgeGraph, wanted: str) -> list[int]:
    """The places of the names that are called so: by their text, else as they were written, else by either in other case.
    Raises ValueError, with the nearest names, when there is none."""
    for alike in (
        lambda name: name.text == wanted,
        lambda name: name.shown == wanted,
        lambda name: wanted.casefold().strip() in (name.text.casefold(), name.shown.casefold()),
    ):
        places = [place for place, name in enumerate(graph.names) if alike(name)]
        if places:
            return places
    shown = {name.shown.casefold(): name.shown for name in graph.names}
    words = set(wanted.casefold().split())
    sharing = [text for text in shown if words & set(text.split())]
    near = difflib.get_close_matches(wanted.casefold(), sharing or list(shown), n=3, cutoff=0.5)
    near = near or sorted(sharing, key=len)[:3]
    hint = f"; did you mean {', '.join(repr(shown[text]) for text in near)}?" if near else ""
    raise ValueError(f"there is no name {wanted!r} in the graph{hint}")


def heaviest(graph: KnowledgeGraph, most: int) -> KnowledgeGraph:
    """The graph of so many names and passages with the heaviest edges in all."""
    beside = _adjacent(graph)
    every: list[Node] = [("name", place) for place in range(len(graph.names))]
    every += [("passage", place) for place in range(len(graph.passages))]
    order = sorted(every, key=lambda node: (-sum(w for _, w in beside.get(node, ())), _text(graph, node)))
    return part(graph, order[:most])


def _adjacent(graph: KnowledgeGraph) -> dict[Node, list[tuple[Node, float]]]:
    """The other ends of each node's edges, with the weights."""
    beside: dict[Node, list[tuple[Node, float]]] = {}
    for one, other, weight in _weights(graph):
        if one != other:
            beside.setdefault(one, []).append((other, weight))
            beside.setdefault(other, []).append((one, weight))
    return beside


def _weights(graph: KnowledgeGraph) -> Iterator[tuple[Node, Node, float]]:
    place = {name.text: number for number, name in enumerate(graph.names)}
    for told in graph.facts:
        yield ("name", place[told.fact.subject]), ("name", place[told.fact.object]), told.weight
    for mention in graph.mentions:
        yield ("passage", mention.passage), ("name", mention.name), mention.weight
    for pair in graph.synonyms:
        yield ("name", pair.a), ("name", pair.b), pair.cosine


def _text(graph: KnowledgeGraph, node: Node) -> str:
    kind, place = node
    return graph.names[place].text if kind == "name" else graph.passages[place].text
