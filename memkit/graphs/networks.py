"""A graph as networkx has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import networkx as nx

from memkit.values import KnowledgeGraph, Record

FACT, CONTEXT, SYNONYM = "fact", "context", "synonym"
NAME, PASSAGE = "name", "passage"


def to_networkx(graph: KnowledgeGraph) -> nx.MultiDiGraph[str]:
    """The graph with a node for each name and each passage, and an edge for each fact, mention and pair of synonyms.

    A name's node is "name:" and its text, a passage's "passage:" and the record's id. Every node has `kind` ("name" or
    "passage"), `label` and `text`; a passage also `record`, `event`, `namespace`, `at`, and `title` if it has one. Every edge
    has `kind` and `weight`, and a key of its own. A fact ("fact") goes from its subject to its object, with its `relation`, the
    ends as they were written (`subject`, `object`), and in `records` the ids of the passages that tell it, blanks between
    them, as GraphML has no lists; it weighs how many tell it. A mention ("context") goes from the passage to the name, a
    "synonym" from the first of two names to the other, with their cosine as its weight: both hold in either direction. Raises
    ValueError when two passages have one id.
    """
    made: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    names = [f"{NAME}:{one.text}" for one in graph.names]
    passages = [f"{PASSAGE}:{one.id}" for one in graph.passages]
    if len(set(passages)) < len(passages):
        raise ValueError("two passages of the graph have one id")
    for node, name in zip(names, graph.names, strict=True):
        made.add_node(node, kind=NAME, label=name.shown, text=name.text)
    for node, record in zip(passages, graph.passages, strict=True):
        made.add_node(node, **_of_passage(record))
    edges = _edges(graph, names, passages)
    for number, (source, target, attributes) in enumerate(edges):
        made.add_edge(source, target, key=f"e{number}", **attributes)
    return made


def title_of(record: Record) -> str | None:
    """The title of the document that the passage is from."""
    title = record.metadata.get("title")
    return title if isinstance(title, str) and title.strip() else None


def _of_passage(record: Record) -> dict[str, Any]:
    title = title_of(record)
    return {
        "kind": PASSAGE,
        "label": title or record.text[:60],
        "text": record.text,
        "record": record.id,
        "event": record.sources[0].event if record.sources else "",
        "namespace": record.namespace,
        "at": record.at.isoformat(),
        **({} if title is None else {"title": title}),
    }


def _edges(
    graph: KnowledgeGraph, names: list[str], passages: list[str]
) -> Iterator[tuple[str, str, dict[str, str | float]]]:
    for told in graph.facts:
        fact = told.fact
        subject, relation, object_ = fact.told
        records = " ".join(str(graph.passages[place].id) for place in told.passages)
        yield (
            f"{NAME}:{fact.subject}",
            f"{NAME}:{fact.object}",
            {
                "kind": FACT,
                "relation": relation,
                "subject": subject,
                "object": object_,
                "records": records,
                "weight": told.weight,
            },
        )
    for mention in graph.mentions:
        yield passages[mention.passage], names[mention.name], {"kind": CONTEXT, "weight": mention.weight}
    for pair in graph.synonyms:
        yield names[pair.a], names[pair.b], {"kind": SYNONYM, "weight": pair.cosine}
