"""The parts of a graph, as they grow: registers of names and facts, the links between them, and the weighted edges.

It takes the rows of SQL that it is told to take, and does not know which are new.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from memkit.values import Weave
from memkit_kernels.ppr import Graph as Walk
from memkit_stores.database import Database
from memkit_stores.graph import Graph, Nodes
from memkit_stores.graph_rows import Ids, Like, Owner, all_likes, edges_of, list_sizes, listed_on, lists_of, nodes_of
from memkit_stores.register import Register
from memkit_stores.shelf import Shelf
from memkit_stores.weaving import Links, Reverse, Whole, keys_of

PAGE = 2048  # nodes read at once: their vectors are in memory twice meanwhile


@dataclass(frozen=True, slots=True)
class Source:
    """Where rows are read from: the numbers of the space and of the likening, or None, and the namespaces in scope."""

    connection: Connection
    space: int | None
    likening: int | None
    most: int
    owners: tuple[Owner, ...]


class Web:
    """See the module. One thread at a time; what a graph has never changes."""

    def __init__(self, weave: Weave, dimension: int | None) -> None:
        self._weave = weave
        self.extraction: Ids = np.empty(0, np.int64)  # by passage; 0 for none
        self._names = Register(dimension, named=True)
        self._facts = Register(dimension, named=False)
        self._links = Links.empty()
        self._nodes = Nodes.empty()
        self._naming = self._telling = Reverse.of(self._links.context, 0)
        self._walk: Walk | None = None

    @property
    def size(self) -> int:
        """How many nodes there are."""
        return len(self._nodes.node_name)

    def take(self, source: Source, wanted: Mapping[int, int], passages: int) -> bool:
        """Let there be so many passages, and let these, by row, have these extractions. False, and of no use any more, where
        that takes making it anew: a name of several namespaces may be gone from one of them."""
        before = np.array(sorted(wanted), np.int64)  # by passage: names are numbered in this order
        extraction = np.concatenate((self.extraction, np.zeros(passages - len(self.extraction), np.int64)))
        asked = np.array([wanted[row] for row in before.tolist()], np.int64)
        changed = extraction[before] != asked
        rows, asked = before[changed], asked[changed]
        dropped = rows[extraction[rows] > 0]
        if len(dropped) and len(source.owners) > 1:
            return False
        if len(dropped):
            self._drop(dropped)
        extraction[rows] = asked
        self.extraction = extraction
        gained = asked > 0
        self._gain(source, rows[gained], asked[gained], passages)
        return True

    def graph(self, database: Database, shelf: Shelf) -> Graph:
        """The graph as it is now."""
        names, facts = self._names.snapshot(), self._facts.snapshot()
        if self._walk is None:
            self._walk = self._walked(self._links, None)
        return Graph(
            database=database,
            links=self._links,
            extraction=self.extraction,
            telling_facts=self._telling,
            ids=names.ids,
            numbers=names.numbers,
            words=names.words,
            shelf=shelf,
            weave=self._weave,
            walk=self._walk,
            nodes=self._nodes,
            naming_names=self._naming,
            named=names.vectors,
            told=facts.vectors,
        )

    def _drop(self, rows: Ids) -> None:
        """Take out what these passages say. They stay as nodes."""
        kept = np.ones(self._links.passages, np.bool_)
        every = kept.copy()
        kept[rows] = False
        self._links, names, facts = self._links.only(kept)
        self._nodes = self._nodes.only(names, every)
        self._naming = Reverse.of(self._links.context, self._links.names)
        self._telling = Reverse.of(self._links.told, self._links.facts)
        for register, new in ((self._names, names), (self._facts, facts)):
            if (new < 0).any():
                register.compact(new)
        self._walk = None

    def _gain(self, source: Source, rows: Ids, extractions: Ids, passages: int) -> None:
        """Add what these passages say, and passages without anything to say."""
        edges = _by_passage(edges_of(source.connection, np.unique(extractions)), rows, extractions)
        new = self._registered(source, edges)
        target, source_of = self._names.numbered(edges[:, 3]), self._names.numbered(edges[:, 2])
        label = self._facts.numbered(edges[:, 4])
        context, _ = _pairs(edges[label < 0, 0], target[label < 0])
        told, first = _pairs(edges[label >= 0, 0], label[label >= 0])
        facts, by_fact = np.unique(label, return_index=True)
        by_fact = by_fact[facts >= self._links.facts]
        more = replace(
            Links.empty(),
            passages=passages,
            names=self._names.size,
            subject=source_of[by_fact],
            object=target[by_fact],
            context=context,
            told=told,
            place=edges[label >= 0, 1][first].astype(np.int32),
        )
        more = self._with_likes(source, more, new)
        last = len(rows) == 0 or self._links.passages <= rows[0]
        self._links = self._links.grown(more)
        if last:
            self._naming = self._naming.grown(context, self._links.names)
            self._telling = self._telling.grown(told, self._links.facts)
        else:
            self._naming = Reverse.of(self._links.context, self._links.names)
            self._telling = Reverse.of(self._links.told, self._links.facts)
        self._nodes = self._nodes.grown(self._links.names, passages, apart=self._weave.context is None)
        if self._walk is not None and not self._weave.replace:
            added = replace(more, subject=self._links.subject, object=self._links.object)
            self._walk = self._walked(added, self._walk)
        else:
            self._walk = None

    def _registered(self, source: Source, edges: Ids) -> Ids:
        """Enter the names and facts of these edges. The nodes of names that are new."""
        ends, labels = edges[:, 2:4].ravel(), edges[:, 4]
        new = self._names.new_of(ends[ends > 0])
        self._names.add(nodes_of(source.connection, new, source.space, PAGE), len(new))
        facts = self._facts.new_of(labels[labels > 0])
        self._facts.add(nodes_of(source.connection, facts, source.space, PAGE), len(facts))
        return new

    def _with_likes(self, source: Source, more: Links, new: Ids) -> Links:
        """With the synonyms that new names have, or are."""
        if source.likening is None or not len(new):
            return more
        connection, likening = source.connection, source.likening
        if not self._links.names:
            rows = [row for owner in source.owners for row in all_likes(connection, owner, likening)]
        else:
            rows = listed_on(connection, new, likening)
            older = np.unique(self._names.numbered(np.array([node for node, _, _ in rows], np.int64)))
            rows += lists_of(connection, new, likening) + self._refilled(source, older[older < self._links.names])
        liked, cosine = self._between(rows)
        fresh = ~self._links.likes(liked)
        return replace(more, liked=liked[:, fresh], cosine=cosine[fresh])

    def _refilled(self, source: Source, older: Whole) -> list[Like]:
        """The lists of those older names that are full, in the place of what they were: a new name may have taken the place
        of another."""
        assert source.likening is not None
        nodes = self._names.nodes_of(older).tolist()
        sizes = list_sizes(source.connection, nodes, source.likening)
        full = np.array([node for node in nodes if sizes.get(node, 0) >= source.most], np.int64)
        if not len(full):
            return []
        numbers = np.unique(self._names.numbered(full))
        self._links, self._walk = self._links.unlike(numbers), None
        return lists_of(source.connection, self._names.nodes_of(numbers), source.likening)

    def _between(self, rows: Sequence[Like]) -> tuple[Whole, NDArray[np.float64]]:
        """Entries between names that are here, each once with its largest cosine, and none of a name with itself."""
        ends = [self._names.numbered(np.array([row[end] for row in rows], np.int64)) for end in (0, 1)]
        pairs, cosine = np.stack(ends), np.array([row[2] for row in rows], np.float64)
        order = np.lexsort((-cosine, keys_of(pairs)))
        order = order[(pairs[0] >= 0)[order] & (pairs[1] >= 0)[order] & (pairs[0] != pairs[1])[order]]
        _, first = np.unique(keys_of(pairs[:, order]), return_index=True)
        return pairs[:, order[first]], cosine[order[first]]

    def _walked(self, links: Links, before: Walk | None) -> Walk:
        """The edges of these links, added to those that there were."""
        rows, cols, weights = links.edges(self._weave, self._nodes.passage_node, self._nodes.name_node)
        if before is None:
            return Walk.of(rows, cols, weights, nodes=self.size)
        return before.grown(rows, cols, weights, nodes=self.size)


def _by_passage(edges: Ids, rows: Ids, extractions: Ids) -> Ids:
    """The edges of the extraction of each row, with the row in the place of the extraction."""
    first, last = (np.searchsorted(edges[:, 0], extractions, side) for side in ("left", "right"))
    counts = last - first
    places = np.repeat(first - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
    chosen: Ids = edges[places]
    chosen[:, 0] = np.repeat(rows, counts)
    return chosen


def _pairs(passages: Ids, things: Whole) -> tuple[Whole, NDArray[np.intp]]:
    """Pairs, ordered and each once, and where each came first."""
    every = np.stack((passages.astype(np.int32), things))
    _, first = np.unique(keys_of(every), return_index=True)
    return every[:, first], first
