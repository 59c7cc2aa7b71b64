"""What the tests of graphs share: a store to put passages in, a graph as a picture by texts, and the same from the definition."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memkit.values import Draft, Event, Extraction, Fact, Record, Source, Space, Weave, Where
from memkit_stores.graph import Graph
from memkit_stores.graphs import Graphs
from memkit_stores.shelves import Shelves
from memkit_stores.store import SqlStore

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SPACE = Space(model="test", dimension=8)
COMPONENT = "hipporag"
SECOND = "hipporag/llm"


def vector(text: str, space: Space = SPACE) -> NDArray[np.float32]:
    """A unit vector. Texts that begin alike are alike, those that are alike but for case are the same."""
    parts = [text[:1].lower(), text.lower()]
    seeds = [
        int.from_bytes(hashlib.blake2b(f"{space.model} {part}".encode(), digest_size=4).digest()) for part in parts
    ]
    a, b = (np.random.default_rng(seed).standard_normal(space.dimension) for seed in seeds)
    mixed = a / np.linalg.norm(a) + 0.5 * b / np.linalg.norm(b)
    return (mixed / np.linalg.norm(mixed)).astype(np.float32)


@dataclass(frozen=True)
class Said:
    """A passage and what is read out of it."""

    text: str
    names: tuple[str, ...] = ()
    facts: tuple[tuple[str, str, str], ...] = ()
    bare: bool = False

    def extraction(self, source: Source, namespace: str, stage: int) -> Extraction:
        return Extraction(
            source=source,
            namespace=namespace,
            component=COMPONENT,
            names=self.names,
            facts=tuple(Fact(*fact, embed=not self.bare) for fact in self.facts),
            stage=stage,
        )


@dataclass
class World:
    """A store, and what was put into it."""

    store: SqlStore
    space: Space | None = SPACE
    said: dict[str, tuple[str, Said, Said | None]] = field(default_factory=dict)  # event → namespace, first, better
    count: int = 0
    made: Callable[[str], NDArray[np.float32] | None] | None = None  # in place of `vector`; None for no vector

    def __post_init__(self) -> None:
        if self.space is not None:
            self.store.spaces.use(self.space, whole=False)

    def add(self, passages: Sequence[Said], namespace: str = "n") -> list[str]:
        events = []
        for passage in passages:
            self.count += 1
            id = f"e{self.count:04d}"
            events.append(Event(id=id, namespace=namespace, text=f"{id} {passage.text}", at=NOW, recorded=NOW))
            self.said[id] = (namespace, passage, None)
        self.store.journal.append(events)
        records = [Record.of(event, COMPONENT) for event in events]
        if self.space is not None and self.made is None:
            records = [replace(record, vector=vector(record.text, self.space)) for record in records]
        read = [said.extraction(r.sources[0], namespace, 0) for said, r in zip(passages, records, strict=True)]
        self._commit(namespace, COMPONENT, Draft(tuple(records), tuple(read), self._vectors(passages)))
        return [event.id for event in events]

    def refine(self, id: str, better: Said) -> None:
        namespace, first, _ = self.said[id]
        text = f"{id} {first.text}"
        self.said[id] = (namespace, first, better)
        source = Source(event=id, start=0, end=len(text))
        read = better.extraction(source, namespace, 1)
        self._commit(namespace, SECOND, Draft(extractions=(read,), vectors=self._vectors([better])))

    def forget(self, ids: Iterable[str]) -> None:
        gone = list(ids)
        for namespace in {self.said[id][0] for id in gone}:
            self.store.upkeep.forget(Where(namespace=namespace, ids=frozenset(gone)), verify=False)
        for id in gone:
            del self.said[id]

    def _commit(self, namespace: str, reader: str, draft: Draft) -> None:
        standing = self.store.derived.progress(Where(namespace=namespace), (reader,))[namespace]
        since = standing.cursors[reader]
        upto = max(since, standing.head) if reader == COMPONENT else since
        assert self.store.derived.commit(namespace, reader, draft, self.space, since=since, upto=upto)

    def _vectors(self, passages: Sequence[Said]) -> dict[str, NDArray[np.float32]]:
        if self.space is None:
            return {}
        texts = {name for said in passages for name in said.names}
        for fact in (fact for said in passages for fact in said.facts):
            texts |= {fact[0], fact[2], str(fact)}
        found = {text: self.made(text) if self.made else vector(text, self.space) for text in texts}
        return {text: value for text, value in found.items() if value is not None}

    def graph(self, weave: Weave, namespace: str = "n", *, below: bool = False) -> Graph:
        found = self.store.derived.graph(COMPONENT, Where(namespace=namespace, below=below), self.space, weave)
        assert isinstance(found, Graph)
        return found

    def fresh(self, weave: Weave, namespace: str = "n", *, below: bool = False) -> Graph:
        """Woven from the beginning, by caches of its own."""
        graphs = Graphs(self.store.database, Shelves(self.store.database, None))
        return graphs.get(COMPONENT, Where(namespace=namespace, below=below), self.space, weave)

    def texts(self) -> dict[int, str]:
        return {r.id: r.text for path in self.namespaces() for r in self.store.derived.every(Where(namespace=path))}

    def namespaces(self) -> list[str]:
        return self.store.journal.namespaces()

    def defined(self, weave: Weave, namespace: str = "n", *, below: bool = False) -> dict[str, Any]:
        """The picture of the graph as the definition has it, worked out slowly."""
        where = Where(namespace=namespace, below=below)
        here = {id: said for id, said in self.said.items() if where.covers(said[0])}
        active = {f"{id} {first.text}": better or first for id, (_, first, better) in here.items()}
        names = _names_of(active.values())
        liked: dict[tuple[str, str], float] = {}
        for path in {path for path, _, _ in here.values()}:
            mine = [(first, better or first) for owner, first, better in here.values() if owner == path]
            lists = self._lists(_names_of(said for both in mine for said in both), weave)
            counting = _names_of(said for _, said in mine)
            liked |= {pair: cosine for pair, cosine in lists.items() if counting.issuperset(pair)}
        facts = {fact for said in active.values() for fact in said.facts}
        return {
            "passages": sorted(active),
            "names": sorted(names),
            "facts": sorted(facts),
            "names in": {text: sorted(set(said.names)) for text, said in active.items()},
            "facts in": {text: sorted(set(said.facts)) for text, said in active.items()},
            "synonyms": {pair: max(liked.get(pair, 0), liked.get(pair[::-1], 0)) for pair in map(_ordered, liked)},
            "edges": _edges(active, liked, weave),
        }

    def _lists(self, names: set[str], weave: Weave) -> dict[tuple[str, str], float]:
        if self.space is None or weave.threshold is None:
            return {}
        found: dict[tuple[str, str], float] = {}
        vectors = {name: vector(name, self.space).astype(np.float64) for name in names}
        for name in names:
            if sum(map(str.isalnum, name)) < weave.letters:
                continue
            a, like = vectors[name], []
            for other in names - {name}:
                b = vectors[other]
                cosine = float(a @ b / np.sqrt((a @ a) * (b @ b)))
                if cosine >= weave.threshold:
                    like.append((-round(cosine * 2**20) / 2**20, other))
            found |= {(name, other): -cosine for cosine, other in sorted(like)[: weave.most]}
        return found


def _names_of(passages: Iterable[Said]) -> set[str]:
    return {name for said in passages for name in (*said.names, *(fact[end] for fact in said.facts for end in (0, 2)))}


def _ordered(pair: tuple[str, str]) -> tuple[str, str]:
    return (min(pair), max(pair))


def _edges(active: dict[str, Said], liked: dict[tuple[str, str], float], weave: Weave) -> dict[frozenset[str], float]:
    told = Counter((fact[a], fact[b]) for s in active.values() for fact in set(s.facts) for a, b in ((0, 2), (2, 0)))
    weights: Counter[frozenset[str]] = Counter()
    for pair in told.keys() | liked.keys():
        weight = told[pair] * weave.fact / 2
        if pair in liked:
            weight = weave.synonym * liked[pair] + (0 if weave.replace else weight)
        if pair[0] != pair[1]:
            weights[frozenset(pair)] += weight  # type: ignore[assignment]
    for text, said in active.items():
        for name in set(said.names) if weave.context is not None else ():
            weights[frozenset((text, name))] += weave.context  # type: ignore[assignment]
    return dict(weights)


def picture(graph: Graph, texts: dict[int, str]) -> dict[str, Any]:
    """The graph by texts; its own numbers are checked against each other on the way."""
    names = graph.names(range(len(graph.name_node)))
    facts = [(fact.subject, fact.relation, fact.object) for fact in graph.facts(range(len(graph.subject)))]
    passages = [texts[id] for id in graph.shelf.id.tolist()]
    for node, (name, passage) in enumerate(zip(graph.node_name.tolist(), graph.node_passage.tolist(), strict=True)):
        assert (name >= 0) != (passage >= 0)
        assert node == (graph.name_node[name] if name >= 0 else graph.passage_node[passage])
    assert graph.find(names).tolist() == list(range(len(names)))
    for number, fact in enumerate(facts):
        assert (names[graph.subject[number]], names[graph.object[number]]) == (fact[0], fact[2])
    pairs = [(f, p) for p in range(len(passages)) for f in graph.facts_in(p).tolist()]
    assert list(zip(*(part.tolist() for part in graph.telling()), strict=True)) == pairs
    assert sorted(pairs) == [(f, p) for f in range(len(facts)) for p in graph.telling_passages(f).tolist()]
    linked = [(n, p) for n in range(len(names)) for p in graph.naming_passages(n).tolist()]
    assert linked == sorted((n, p) for p in range(len(passages)) for n in graph.names_in(p).tolist())
    assert graph.mentions.tolist() == [sum(n == name for n, _ in linked) for name in range(len(names))]
    label = [names[n] if n >= 0 else passages[p] for n, p in zip(graph.node_name, graph.node_passage, strict=True)]
    walk, low, high = graph.walk, *graph.synonyms()[:2]
    rows = np.repeat(np.arange(walk.nodes), np.diff(walk.indptr))
    edges = zip(rows.tolist(), walk.indices.tolist(), walk.weights.tolist(), strict=True)
    return {
        "passages": sorted(passages),
        "names": sorted(names),
        "facts": sorted(facts),
        "names in": {text: sorted(names[n] for n in graph.names_in(row)) for row, text in enumerate(passages)},
        "facts in": {text: sorted(facts[f] for f in graph.facts_in(row)) for row, text in enumerate(passages)},
        "synonyms": {
            _ordered((names[a], names[b])): w for a, b, w in zip(low, high, graph.synonyms()[2].tolist(), strict=True)
        },
        "edges": {frozenset((label[a], label[b])): weight for a, b, weight in edges},
    }
