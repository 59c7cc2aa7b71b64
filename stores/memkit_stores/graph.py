"""A graph of names and passages at one moment: what was woven, and reading it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from memkit.ports.graph import Vectors as VectorsPort
from memkit.ports.shelf import Postings, Shelf
from memkit.values import Fact, Weave
from memkit_kernels.ppr import Graph as Walk
from memkit_stores import postings
from memkit_stores.bulk import ask
from memkit_stores.database import Database
from memkit_stores.graph_rows import Ids
from memkit_stores.node_vectors import Vectors
from memkit_stores.nodes import digest, fact_of
from memkit_stores.tables import FACT, NAME
from memkit_stores.weaving import Links, Reverse, Whole, numbers_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """Which node is what: see `memkit.ports.Graph`."""

    name_node: Whole
    passage_node: Whole
    node_name: Whole
    node_passage: Whole

    @staticmethod
    def empty() -> Nodes:
        none = np.empty(0, np.int32)
        return Nodes(name_node=none, passage_node=none, node_name=none, node_passage=none)

    def grown(self, names: int, passages: int, *, apart: bool) -> Nodes:
        """With so many names and passages in all; passages are no nodes where they are `apart`."""
        new_names = np.arange(len(self.name_node), names, dtype=np.int32)
        new_passages = np.arange(len(self.passage_node), passages, dtype=np.int32)
        numbers = np.full(len(new_passages), -1, np.int32)
        if not apart:
            numbers = len(self.node_name) + np.arange(len(new_passages), dtype=np.int32)
        standing = new_passages[numbers >= 0]
        before = len(self.node_name) + len(standing)
        return Nodes(
            name_node=np.concatenate((self.name_node, before + np.arange(len(new_names), dtype=np.int32))),
            passage_node=np.concatenate((self.passage_node, numbers)),
            node_name=np.concatenate((self.node_name, np.full(len(standing), -1, np.int32), new_names)),
            node_passage=np.concatenate((self.node_passage, standing, np.full(len(new_names), -1, np.int32))),
        )

    def only(self, names: Whole, passages: NDArray[np.bool_]) -> Nodes:
        """Without some names, which have their new numbers here or -1, and some passages, which keep theirs."""
        of_name, of_passage = self.node_name, self.node_passage
        named = of_name >= 0
        kept = np.empty(len(of_name), np.bool_)
        kept[named], kept[~named] = names[of_name[named]] >= 0, passages[of_passage[~named]]
        number = numbers_of(kept)
        name, passage = of_name[kept].copy(), of_passage[kept]
        name[name >= 0] = names[name[name >= 0]]
        standing = np.full(len(self.passage_node), -1, np.int32)
        standing[passage[passage >= 0]] = number[kept][passage >= 0]
        return Nodes(
            name_node=number[self.name_node[names >= 0]],
            passage_node=standing,
            node_name=name,
            node_passage=passage,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Texts:
    """The names by what is said of them. `kept` is the number of each that was registered, if not all are here."""

    database: Database
    links: Links
    extraction: Ids
    telling_facts: Reverse
    ids: Ids
    numbers: Mapping[bytes, int]
    words: postings.Snapshot
    kept: Whole | None = None

    def find(self, names: Sequence[str], /) -> Whole:
        """See `memkit.ports.Graph.find`."""
        size = len(self.words.lengths)
        found = np.array([self.numbers.get(digest(NAME, name), size) for name in names], np.int64)
        found[found >= size] = -1  # of a name that came since
        return (found if self.kept is None else np.append(self.kept, -1)[found]).astype(np.int32)  # -1 stays -1

    def naming(self, text: str, /) -> Postings:
        """See `memkit.ports.Graph.naming`."""
        found = self.words.postings(text)
        if self.kept is None:
            return found
        new = [self.kept[rows] for rows in found.rows]
        return replace(
            found,
            frequency=np.array([np.count_nonzero(rows >= 0) for rows in new], np.int64),
            rows=tuple(rows[rows >= 0] for rows in new),
            counts=tuple(counts[rows >= 0] for counts, rows in zip(found.counts, new, strict=True)),
        )

    def names(self, numbers: Sequence[int], /) -> list[str]:
        """See `memkit.ports.Graph.names`. Empty for one that was forgotten since: no text is kept outside of SQL."""
        ids = self.ids[_listed(numbers)].tolist()
        with self.database.read() as connection:
            texts = dict(ask(connection, "SELECT id, text FROM nodes WHERE id IN (?*)", list(dict.fromkeys(ids))))
        return [texts.get(id, "") for id in ids]

    def facts(self, numbers: Sequence[int], /) -> list[Fact]:
        """See `memkit.ports.Graph.facts`. Of empty texts if it was forgotten since."""
        passages, told = self.links.told
        tellers: dict[int, tuple[int, int]] = {}
        for fact in dict.fromkeys(_listed(numbers).tolist()):
            passage = self.telling_facts.of_thing(fact)[0]
            first, last = _between(passages, passage)
            place = first + np.searchsorted(told[first:last], np.int32(fact))
            tellers[fact] = (int(self.extraction[passage]), int(self.links.place[place]))
        query = (
            "SELECT e.extraction, e.ordinal, n.text, n.kind, e.shown FROM edges e JOIN nodes n ON n.id = e.label "
            "WHERE e.extraction = ? AND e.ordinal IN (?*)"
        )
        wanted, found = defaultdict[int, list[int]](list), dict[tuple[int, int], Fact]()
        for id, ordinal in tellers.values():
            wanted[id].append(ordinal)
        with self.database.read() as connection:
            for extraction, ordinals in wanted.items():
                for id, ordinal, text, kind, shown in ask(connection, query, ordinals, extraction):
                    as_written = None if shown is None else tuple(json.loads(shown))
                    found[id, ordinal] = fact_of(text, as_written, embed=kind == FACT)
        return [found.get(tellers[int(fact)], Fact("", "", "")) for fact in numbers]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Graph(Texts):
    """See `memkit.ports.Graph`. Immutable; safe to use from any thread, whatever is committed meanwhile."""

    shelf: Shelf
    weave: Weave
    walk: Walk
    nodes: Nodes
    naming_names: Reverse
    named: Vectors
    told: Vectors

    @property
    def name_node(self) -> Whole:
        return self.nodes.name_node

    @property
    def passage_node(self) -> Whole:
        return self.nodes.passage_node

    @property
    def node_name(self) -> Whole:
        return self.nodes.node_name

    @property
    def node_passage(self) -> Whole:
        return self.nodes.node_passage

    @property
    def mentions(self) -> Whole:
        return np.diff(self.naming_names.starts).astype(np.int32)

    @property
    def subject(self) -> Whole:
        return self.links.subject

    @property
    def object(self) -> Whole:
        return self.links.object

    @property
    def name_vectors(self) -> VectorsPort:
        return self.named

    @property
    def fact_vectors(self) -> VectorsPort:
        return self.told

    def names_in(self, passage: int, /) -> Whole:
        """See `memkit.ports.Graph.names_in`."""
        return _of_passage(self.links.context, passage)

    def facts_in(self, passage: int, /) -> Whole:
        """See `memkit.ports.Graph.facts_in`."""
        return _of_passage(self.links.told, passage)

    def naming_passages(self, name: int, /) -> Whole:
        """See `memkit.ports.Graph.naming_passages`."""
        return self.naming_names.of_thing(name)

    def telling_passages(self, fact: int, /) -> Whole:
        """See `memkit.ports.Graph.telling_passages`."""
        return self.telling_facts.of_thing(fact)

    def telling(self) -> tuple[Whole, Whole]:
        """See `memkit.ports.Graph.telling`."""
        return self.links.told[1], self.links.told[0]

    def synonyms(self) -> tuple[Whole, Whole, NDArray[np.float64]]:
        """See `memkit.ports.Graph.synonyms`."""
        low, high = np.sort(self.links.liked, axis=0)
        order = np.lexsort((-self.links.cosine, high, low))
        low, high, cosine = low[order], high[order], self.links.cosine[order]
        first = np.flatnonzero(np.diff(low, prepend=-1) | np.diff(high, prepend=-1))
        return low[first], high[first], cosine[first]

    def within(self, passages: NDArray[np.bool_], /) -> Graph:
        """See `memkit.ports.Graph.within`. A list of synonyms that was full is not filled up from the names beyond it."""
        links, names, facts = self.links.only(passages)
        nodes = self.nodes.only(names, passages)
        rows, cols, weights = links.edges(self.weave, nodes.passage_node, nodes.name_node)
        return replace(
            self,
            links=links,
            telling_facts=Reverse.of(links.told, links.facts),
            naming_names=Reverse.of(links.context, links.names),
            ids=self.ids[names >= 0],
            kept=names if self.kept is None else np.append(names, np.int32(-1))[self.kept],  # -1 stays -1
            walk=Walk.of(rows, cols, weights, nodes=len(nodes.node_name)),
            nodes=nodes,
            named=self.named.only(names, links.names),
            told=self.told.only(facts, links.facts),
        )


def _of_passage(pairs: Whole, passage: int) -> Whole:
    first, last = _between(pairs[0], passage)
    return pairs[1, first:last]


def _between(passages: Whole, passage: int) -> NDArray[np.int64]:
    """Where the entries of a passage begin and end. Numbers of another type would have all of them copied."""
    return np.searchsorted(passages, np.array((passage, passage + 1), np.int32))


def _listed(numbers: Sequence[int]) -> Ids:
    return np.asarray(numbers, np.int64).reshape(-1)
