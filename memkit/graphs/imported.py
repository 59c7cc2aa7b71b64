"""A networkx graph as passages and what was read out of them: how a graph from elsewhere gets into a memory."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import networkx as nx

from memkit.components.hipporag.openie import OpenIE, OpenIEFile, Triple
from memkit.graphs.networks import PASSAGE, SYNONYM
from memkit.values import Document

LABELS = ("label", "name", "text", "title")  # attributes that may hold what a node is called, the first that does


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """Passages and what they tell. `documents` are for `Memory.add`; `read` has, in their order, what was read out of each,
    by "title\\ntext", or by the text alone where there is no title."""

    documents: tuple[Document, ...] = ()
    read: Mapping[str, OpenIE] = field(default_factory=dict)

    def write(self, path: str | PathLike[str]) -> None:
        """Write `read` to a file in HippoRAG's format, for `HippoRAG(extractor=OpenIEFile(path))`."""
        OpenIEFile.write(path, self.read.items())


def from_networkx(network: nx.Graph[Any]) -> Imported:
    """The passages and readings of a graph: of one that `to_networkx` made, or of one from elsewhere.

    Nodes with the `kind` "passage" are passages, with `text` and perhaps `title`. All others are names, called by their
    `label`, another of `LABELS`, or by the node itself. An edge between a passage and a name says that it is mentioned. An edge
    between names with a `relation` is a fact, between `subject` and `object` where it has these, else as the edge goes. It
    belongs to the passages whose `record` it has in `records`, or to the one in `passage`, a node or a text; if it names none,
    to a passage of one sentence, made of itself: "Ada wrote programs." What tells nothing is left out: names without a fact and
    a passage, edges between passages, and synonyms, of which a memory finds its own.

    Raises ValueError for a passage without a text, for a fact of a record that is not there, and when there are edges, other
    than synonyms, and none tells anything.
    """
    passages = {node: _passage(node, told) for node, told in network.nodes(data=True) if told.get("kind") == PASSAGE}
    gathering = _Gathering(network, passages)
    for source, target, told in network.edges(data=True):
        gathering.take(source, target, told)
    silent = any(told.get("kind") != SYNONYM for _, _, told in network.edges(data=True))
    if silent and not gathering.taken:
        raise ValueError(
            'no edge of the graph has a "relation", and none leads from a passage to a name: nothing is told'
        )
    return gathering.imported()


class _Gathering:
    """Facts and mentions by the passages that have them."""

    def __init__(self, network: nx.Graph[Any], passages: Mapping[Hashable, Document]) -> None:
        self._nodes = network.nodes
        self._passages = passages
        self._documents = list(passages.values())
        self._by_record = {
            str(self._nodes[node]["record"]): document
            for node, document in passages.items()
            if "record" in self._nodes[node]
        }
        self._made = {_key(document) for document in self._documents}  # by edges; what a node has is not made again
        self._names: dict[str, dict[str, None]] = {}
        self._triples: dict[str, dict[Triple, None]] = {}
        self.taken = 0

    def take(self, source: Hashable, target: Hashable, told: Mapping[str, Any]) -> None:
        """One edge."""
        if (source in self._passages) != (target in self._passages):
            passage, name = (source, target) if source in self._passages else (target, source)
            self._names.setdefault(_key(self._passages[passage]), {})[self._label(name)] = None
            self.taken += 1
        elif source not in self._passages and str(told.get("relation", "")).strip():
            subject, object_ = told.get("subject"), told.get("object")
            triple = (
                self._label(source) if subject is None else str(subject),
                str(told["relation"]),
                self._label(target) if object_ is None else str(object_),
            )
            for document in self._telling(triple, told):
                self._triples.setdefault(_key(document), {})[triple] = None
            self.taken += 1

    def imported(self) -> Imported:
        keys = dict.fromkeys(_key(document) for document in self._documents)
        read = {key: OpenIE(tuple(self._names.get(key, ())), tuple(self._triples.get(key, ()))) for key in keys}
        return Imported(documents=tuple(self._documents), read=read)

    def _label(self, node: Hashable) -> str:
        told = self._nodes[node]
        return next((str(told[name]) for name in LABELS if str(told.get(name, "")).strip()), str(node))

    def _telling(self, triple: Triple, told: Mapping[str, Any]) -> Iterator[Document]:
        """The passages that an edge names; or else the one that is made of it."""
        records, passage = told.get("records"), told.get("passage")
        named = records.split() if isinstance(records, str) else [str(one) for one in records or ()]
        for record in named:
            if record not in self._by_record:
                raise ValueError(f"the fact {triple} is of record {record}, and no passage of the graph has it")
            yield self._by_record[record]
        if named:
            return
        if passage in self._passages:
            yield self._passages[passage]
        else:
            text = passage if isinstance(passage, str) and passage.strip() else f"{' '.join(triple)}."
            if text not in self._made:
                self._made.add(text)
                self._documents.append(Document(text=text))
            yield Document(text=text)


def _passage(node: Hashable, told: Mapping[str, Any]) -> Document:
    text, title = told.get("text"), told.get("title")
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"the passage {node!r} of the graph has no text")
    return Document(text=text, title=title if isinstance(title, str) and title.strip() else None)


def _key(document: Document) -> str:
    return document.text if document.title is None else f"{document.title}\n{document.text}"
