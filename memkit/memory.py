"""The verbs. `Memory` blocks; `memkit.coroutines.AsyncMemory` has the same verbs as coroutines. Both are thin faces of one
engine: what is local is called directly, what may wait for a model is a coroutine, written once."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack

from memkit.blocking import Blocking
from memkit.context.recall import Recall
from memkit.engine import Engine
from memkit.errors import ModelError
from memkit.intake import Addable, Given, is_one, kind_of, to_events, to_line, to_moment
from memkit.knowledge import knowledge_graph, written
from memkit.offload import offload
from memkit.ports import Llm, Weaves
from memkit.scope import Binding, Scope, check_count
from memkit.values import Cue, Event, Forgotten, KnowledgeGraph, Metadata, Receipt, Record, Stats, Where

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

STREAM = 1_000  # events of an iterator stored in one transaction


class Memory:
    """A memory, or a namespace of one. Any thread may use it; several processes may open the same database.

    Get one from `memkit.open`. `memory["ana"]` is the same memory bound to the namespace "ana": it reaches nothing
    outside. A bound memory takes `namespace=` as a path below its own.
    """

    def __init__(self, engine: Engine, *, blocking: Blocking | None = None, namespace: str | None = None) -> None:
        self._engine = engine
        self._blocking = blocking or Blocking()
        self._binding = Binding(namespace)

    @property
    def llm(self) -> Llm | None:
        """The chat model that the memory was opened with, counted for "agent"; None without one."""
        return self._engine.agent("agent")

    def __getitem__(self, namespace: str) -> Memory:
        return Memory(self._engine, blocking=self._blocking, namespace=self._binding.inner(namespace))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._binding.namespace or 'unbound'}>"

    def add(
        self,
        what: Addable | Iterable[Addable],
        *,
        namespace: str | None = None,
        session: str | None = None,
        role: str | None = None,
        author: str | None = None,
        kind: str | None = None,
        at: datetime | str | None = None,
        key: str | None = None,
        metadata: Metadata | None = None,
    ) -> Receipt:
        """Remember a text, a chat message, a Document, an Event, or several of them. No model is called.

        When this returns, everything is in the journal and, with the default durability, on disk. A list is stored
        in one transaction, all of it or nothing; any other iterable is streamed, 1,000 events a transaction. `at` is when
        it happened (default: now). A `key` makes the call idempotent: an event with that key in the namespace is
        not added again. Raises ValueError or TypeError, before anything is stored, for what cannot be remembered,
        and StoreError when the database fails.
        """
        given = Given(
            namespace=self._binding.path(namespace),
            recorded=self._engine.clock(),
            session=session,
            role=role,
            author=author,
            kind=kind,
            at=None if at is None else to_moment(at, "at"),
            key=key,
            metadata=metadata,
        )
        if is_one(what):
            return self._store([what], given)
        if not isinstance(what, Iterable):
            raise TypeError(f"cannot add {kind_of(what)}; add a text, a message, a Document, or a list of these")
        if key is not None:
            raise ValueError("one key cannot stand for several events; give each message its own 'key'")
        return self._store(what, given) if isinstance(what, (list, tuple)) else self._stream(iter(what), given)

    def recall(
        self,
        text: str,
        *,
        k: int = 5,
        neighbours: int = 0,
        floor: float | None = None,
        vector: ArrayLike | None = None,
        component: str | None = None,
        wait: bool = False,
        **scope: Unpack[Scope],
    ) -> Recall:
        """What the memory knows of `text`: at most `k` hits, best first. Everything added before the call is found;
        but for components that ask a chat model to remember with, which is slow: `sync` brings these up to date, or
        this call does with `wait`.

        Filters come before the limit. `neighbours` adds that many turns before and after each hit. A question about something
        never mentioned comes back empty: the component has a floor that its best hit must reach. With `floor` (0 to
        1) every hit below it is left out instead. `vector`, shape [dimension], stands in for embedding the text.
        With `component` only that one answers, and its scores are its own.
        """
        cue = self._binding.cue(
            text, k=k, neighbours=neighbours, floor=floor, vector=vector, space=self._engine.space, scope=scope
        )
        return self._blocking.run(lambda: recalled(self._engine, cue, component=component, wait=wait))

    def forget(self, *, verify: bool = False, everything: bool = False, **scope: Unpack[Scope]) -> Forgotten:
        """Forget the events that the scope arguments admit, and everything that was derived from them.

        What had other sources as well is derived again from those. With `verify` every table, index and file is then
        searched for the texts, and the result says so. Forgetting all of a namespace needs `namespace=` or
        `everything=True`.
        """
        where = self._binding.doomed(scope, everything=everything)
        result = self._engine.store.upkeep.forget(where, verify=verify)
        if result.replayed:
            self._blocking.run(lambda: replayed(self._engine, where))
        return result

    def sync(self, *, retry: bool = False, rebuild: bool = False, **scope: Unpack[Scope]) -> Stats:
        """Let every component absorb what it has not seen yet, and tidy up.

        With `retry`, try deferred events again as well. With `rebuild`, first remove every row, and so derive all of them
        anew from the journal: after a component's options, its rules or its model have changed. Raises
        UnreachableError or BudgetError when a model answers nobody or would cost too much: call it again later, and it
        goes on where it stopped.
        """
        where = self._binding.wide(scope)
        if rebuild:
            rewound(self._engine, where)
        self._blocking.run(lambda: synced(self._engine, where, retry=retry))
        return counted(self._engine, where)

    def history(self, *, last: int | None = None, **scope: Unpack[Scope]) -> list[Event]:
        """The raw events, in the order in which they were added; with `last`, only the last ones."""
        if last is not None:
            check_count("last", last, least=1)
        limit = None if last is None else min(last, 2**63 - 1)  # the largest that a database takes
        return self._engine.store.journal.read(self._binding.where(scope), limit=limit, newest=last is not None)

    def records(self, component: str | None = None, **scope: Unpack[Scope]) -> Iterator[Record]:
        """What the components hold, as it is stored, in the order in which it was derived: of one component, or of all."""
        derived, where, after = self._engine.store.derived, self._binding.where(scope), 0
        while rows := derived.every(where, component=component, after=after, limit=STREAM):
            yield from rows
            after = rows[-1].id

    def graph(self, component: str | None = None, **scope: Unpack[Scope]) -> KnowledgeGraph:
        """What was read out of the passages in the namespace, as a graph: names, facts, and what connects them. It is brought
        up to date first, as for a recall; `sync` lets the chat model read again. `component` is needed only where several
        components make graphs. Filters narrow the passages that the graph is made of. `memkit.graphs` draws it and writes it
        to files. Raises ValueError when no component makes one."""
        where = self._binding.where(scope)
        return self._blocking.run(lambda: drawn(self._engine, where, component))

    def export(self, **scope: Unpack[Scope]) -> Iterator[str]:
        """The events as lines of JSON, without loss: `add(memkit.read_export(lines))` brings them back.

        An unbound memory without `namespace=` exports every namespace.
        """
        journal, where = self._engine.store.journal, self._binding.where(scope)
        everything = self._binding.namespace is None and "namespace" not in scope
        for path in journal.namespaces() if everything else [where.namespace]:
            after = 0
            part = replace(where, namespace=path, below=where.below and not everything)
            while events := journal.read(part, after=after, limit=STREAM):
                yield from map(to_line, events)
                after = events[-1].position

    def stats(self, **scope: Unpack[Scope]) -> Stats:
        """What is held in the namespace and below it; an unbound memory without `namespace=` tells of everything."""
        return counted(self._engine, self._binding.wide(scope))

    def close(self) -> None:
        """Release files and connections, of every namespace. Afterwards the verbs raise ClosedError."""
        self._blocking.close(self._engine.aclose)
        self._engine.store.close()

    def _stream(self, items: Iterator[Addable], given: Given) -> Receipt:
        ids: list[str] = []
        known: set[str] = set()
        fresh: set[str] = set()
        while batch := list(islice(items, STREAM)):
            receipt = self._store(batch, given, first=len(ids))
            ids += receipt.ids
            known |= receipt.known - fresh  # what this call added is not known, though it comes again
            fresh |= set(receipt.ids) - known
        return Receipt(ids=tuple(ids), known=frozenset(known))

    def _store(self, items: Sequence[Addable], given: Given, *, first: int = 0) -> Receipt:
        events = list(to_events(items, given, first=first))
        if self._binding.namespace is not None:
            wall = Where(namespace=self._binding.namespace, below=True)
            stray = next((event for event in events if not wall.covers(event.namespace)), None)
            if stray is not None:
                raise ValueError(f"an event of namespace {stray.namespace!r} cannot be added in {wall.namespace!r}")
        minted = not any(isinstance(item, Event) for item in items)
        return self._engine.store.journal.append(events, minted=minted)


def counted(engine: Engine, where: Where | None) -> Stats:
    """What is held in scope, with what the chat model was asked for."""
    held = engine.store.upkeep.stats(where, tuple(engine.readers))
    rows = {name: count for name, count in held.records.items() if count or name in engine.components}
    return replace(held, records=rows, usage=() if engine.llm is None else engine.llm.usage())


def rewound(engine: Engine, where: Where | None) -> None:
    """Remove every row in scope: the components begin again."""
    for name in engine.components:
        engine.store.upkeep.rewind(where, name)


async def drawn(engine: Engine, where: Where, component: str | None) -> KnowledgeGraph:
    """The graph of one component's extractions."""
    name = _weaver(engine, component)
    await engine.catch_up(where)
    weaves = engine.components[name]
    assert isinstance(weaves, Weaves)
    graph = await engine.shop.view(name, where).graph(weaves.weave)
    mask = await offload(graph.shelf.admitted, where)
    ids = graph.shelf.id if mask is None else graph.shelf.id[mask]
    records = await offload(engine.store.derived.records, name, where, ids.tolist())
    extractions = await offload(engine.store.derived.extractions, name, where)
    return await offload(knowledge_graph, graph, records, shown=written(extractions))


def _weaver(engine: Engine, component: str | None) -> str:
    """The component that makes the graph that is asked for."""
    makers = [name for name, one in engine.components.items() if isinstance(one, Weaves)]
    if component is None and len(makers) == 1:
        return makers[0]
    if component in makers:
        return component
    have = (
        f"these do: {', '.join(makers)}" if makers else "none of this memory does; open it with components=[HippoRAG()]"
    )
    raise ValueError(f"component {component!r} makes no graph; {have}" if component else f"name a component; {have}")


async def recalled(engine: Engine, cue: Cue, *, component: str | None = None, wait: bool = False) -> Recall:
    """The recall that answers the cue, with the seconds that it took."""
    started = time.perf_counter()
    await engine.catch_up(cue.where, slow=wait)
    caught_up = time.perf_counter()
    hits = await engine.recall(cue, component)
    return Recall(
        hits=tuple(hits),
        cue=cue,
        seconds={"absorbing": caught_up - started, "recalling": time.perf_counter() - caught_up},
    )


async def replayed(engine: Engine, where: Where) -> None:
    """Absorb again what a forget put back. A model that does not answer must not hide that the forget is done: the
    events stay pending, as `stats` shows, and the next recall absorbs them."""
    with suppress(ModelError):
        await engine.catch_up(where)


async def synced(engine: Engine, where: Where | None, *, retry: bool) -> None:
    """Bring the scope, or everything, up to date."""
    paths = await offload(engine.store.journal.namespaces, where.namespace if where is not None else None)
    scopes = [Where(namespace=path) for path in paths] if where is None else [where]
    for scope in scopes:
        await engine.catch_up(scope, slow=True)
    if retry:
        await engine.retry(where)
        for scope in scopes:  # what a chain has after a deferred event is derived again
            await engine.catch_up(scope, slow=True)
    await engine.tidy(paths)
    if engine.embedder is not None:
        await engine.embed_missing(engine.embedder, where)
        await offload(engine.store.derived.settle, where, tuple(engine.components), engine.embedder.space)
    for path in paths:  # what is new is compared with all there is: a recall should not wait for that
        for name, component in engine.components.items():
            if isinstance(component, Weaves):
                await engine.shop.view(name, Where(namespace=path)).graph(component.weave)
