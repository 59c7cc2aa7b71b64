"""From what a component works on to what a user is shown: a graph as a value.

A graph of the store (`memkit.ports.Graph`) numbers things as it likes. Here names are ordered by their texts, passages as they
were derived, and facts by their texts: the same extractions give the same value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from memkit.ports import Graph
from memkit.values import Extraction, KnowledgeGraph, Mention, Name, Record, Synonym, Told

CONTEXT = 1.0  # of a mention where passages are no nodes of the graph, and the edge has no weight of its own


def knowledge_graph(
    graph: Graph, records: Sequence[Record], *, shown: Mapping[str, str] | None = None
) -> KnowledgeGraph:
    """The graph as a value. `records` are its passages in the order of its rows; a row without a record, forgotten meanwhile, is
    left out with all that it alone told. `shown` has names as they were written (see `written`); the facts, which have
    them too, come second. Raises ValueError when there are records of other rows, or in another order."""
    rows = graph.shelf.id.tolist()
    place = {record.id: at for at, record in enumerate(records)}
    if [record.id for record in records] != [id for id in rows if id in place]:
        raise ValueError(f"the {len(records)} records are not those of the graph's {len(rows)} rows, in their order")
    if len(records) < len(rows):
        graph = graph.within(np.array([id in place for id in rows], np.bool_))
    passage = {row: place[id] for row, id in enumerate(rows) if id in place}
    texts = graph.names(range(len(graph.name_node)))
    order = sorted((number for number, text in enumerate(texts) if text), key=texts.__getitem__)  # "": forgotten since
    name = {number: at for at, number in enumerate(order)}
    facts = [one for one in _facts(graph, passage) if one.fact.subject]
    told = {end: as_written for one in reversed(facts) for end, as_written in _ends(one)} | dict(shown or {})
    return KnowledgeGraph(
        names=tuple(Name(texts[number], told.get(texts[number], texts[number])) for number in order),
        passages=tuple(records),
        facts=tuple(facts),
        mentions=tuple(sorted(_mentions(graph, passage, name), key=lambda one: (one.passage, one.name))),
        synonyms=tuple(sorted(_synonyms(graph, name), key=lambda one: (one.a, one.b))),
    )


def written(extractions: Iterable[Extraction]) -> dict[str, str]:
    """Names as they were written the first time, by the texts that they are known by."""
    found: dict[str, str] = {}
    for one in extractions:
        for text, shown in one.shown.items():
            found.setdefault(text, shown)
    return found


def _facts(graph: Graph, passage: Mapping[int, int]) -> list[Told]:
    numbers = range(len(graph.subject))
    passages = [tuple(passage[row] for row in graph.telling_passages(number).tolist()) for number in numbers]
    facts = [Told(fact, told, float(len(told))) for fact, told in zip(graph.facts(numbers), passages, strict=True)]
    return sorted(facts, key=lambda one: (one.fact.subject, one.fact.relation, one.fact.object))


def _ends(told: Told) -> tuple[tuple[str, str], tuple[str, str]]:
    fact = told.fact
    return (fact.subject, fact.told[0]), (fact.object, fact.told[2])


def _mentions(graph: Graph, passage: Mapping[int, int], name: Mapping[int, int]) -> Iterator[Mention]:
    walk = graph.walk
    for row, place in passage.items():
        node = int(graph.passage_node[row])
        edges = slice(walk.indptr[node], walk.indptr[node + 1]) if node >= 0 else slice(0)
        weights = dict(zip(walk.indices[edges].tolist(), walk.weights[edges].tolist(), strict=True))
        for number in graph.names_in(row).tolist():
            if number in name:
                yield Mention(place, name[number], weights.get(int(graph.name_node[number]), CONTEXT))


def _synonyms(graph: Graph, name: Mapping[int, int]) -> Iterator[Synonym]:
    for one, other, cosine in zip(*(column.tolist() for column in graph.synonyms()), strict=True):
        if one in name and other in name:
            a, b = sorted((name[one], name[other]))
            yield Synonym(a, b, cosine)
