"""From the journal to rows: how one component is brought up to date, whatever fails on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from threading import Lock
from typing import Protocol
from weakref import WeakValueDictionary

from memkit.drafts import check_names, check_owner, check_spans, check_vector
from memkit.errors import (
    AbsorbError,
    BudgetError,
    ClosedError,
    ModelError,
    SpaceError,
    StoreError,
    UnreachableError,
)
from memkit.offload import NeedsLoop, looped, offload, settled
from memkit.ports import Component, Consolidates, Progress, Refines, View, stage_of
from memkit.values import Deferred, Draft, Event, Extraction, Record, Space, Where
from memkit.view import Workshop

BATCH = 256  # events shown to a component at once
PAUSES = (0.2, 1.0)  # seconds before the second and the third attempt; then the event is deferred


class _OvertakenError(Exception):
    """Another process or thread moved the cursor: what was drafted is not needed."""


class Reader(Protocol):
    """Who has a cursor: a component, or its second reading."""

    @property
    def name(self) -> str: ...
    async def absorb(self, events: Sequence[Event], view: View, /) -> Draft: ...


class Refinement:
    """A component's second reading, with the chat model: a reader of its own, of whom the component owns the rows."""

    def __init__(self, component: Refines, owner: str) -> None:
        self._component = component
        self.owner = owner
        self.name = stage_of(owner)

    async def absorb(self, events: Sequence[Event], view: View, /) -> Draft:
        """See `memkit.ports.Refines.refine`."""
        return await self._component.refine(events, view)


class Absorbing:
    """Shows components the events that they have not seen, and commits what they draft. `pauses` are the waits between
    attempts, seconds."""

    def __init__(self, shop: Workshop, *, pauses: Sequence[float], clock: Callable[[], datetime]) -> None:
        self._shop = shop
        self._store = shop.store
        self._pauses = pauses
        self._clock = clock
        self._lock = Lock()
        # weak: should Ctrl-C keep a turn from being given back, it ends with whoever had it
        self._busy: WeakValueDictionary[tuple[str, str], Future[None]] = WeakValueDictionary()

    async def follow(self, namespace: str, component: Reader, standing: Progress) -> None:
        """Bring one component to the head of one namespace as it is when this is called, or was when `standing` was read."""
        key, mine = (namespace, component.name), Future[None]()
        where = Where(namespace=namespace)
        try:
            while (other := self._claimed(key, mine)) is not mine:
                await settled(other)
                standing = await self._progress(namespace, component)
            since = standing.cursors[component.name]
            while since < standing.head:
                events = await offload(self._store.journal.read, where, after=since, limit=BATCH)
                if not events:
                    return  # forgotten meanwhile
                try:
                    await self._absorb(namespace, component, events, since, self._pauses)
                    since = events[-1].position
                except _OvertakenError:
                    standing = await self._progress(namespace, component)
                    since = standing.cursors[component.name]
        finally:
            self._release(key, mine)

    async def tidy(self, namespace: str, component: Component) -> None:
        """Let a component that consolidates do so. What it drafts is dropped when events came in meanwhile: the next
        time will do."""
        if not isinstance(component, Consolidates):
            return
        key, mine = (namespace, component.name), Future[None]()
        try:
            while (other := self._claimed(key, mine)) is not mine:
                await settled(other)
            at = (await self._progress(namespace, component)).cursors[component.name]
            drafted = await component.consolidate(self._shop.view(component.name, Where(namespace=namespace)))
            draft = await self._checked(namespace, component, drafted, {})
            if draft.records:
                with suppress(_OvertakenError):
                    await self._commit(namespace, component, draft, at, at)
        finally:
            self._release(key, mine)

    async def drafted(self, namespace: str, component: Reader, events: Sequence[Event]) -> Draft:
        """What the component makes of the events, checked, with vectors."""
        draft = await component.absorb(events, self._shop.view(_owner(component), Where(namespace=namespace)))
        return await self._checked(namespace, component, draft, {event.id: len(event.text) for event in events})

    async def _progress(self, namespace: str, component: Reader) -> Progress:
        where = Where(namespace=namespace)
        standing = await offload(self._store.derived.progress, where, (component.name,))
        return standing.get(namespace, Progress(head=0, cursors={component.name: 0}))

    async def _absorb(
        self, namespace: str, component: Reader, events: Sequence[Event], since: int, pauses: Sequence[float]
    ) -> bool:
        """Absorb and commit these events together or, when that fails, one by one. False when one was deferred."""
        try:
            draft = await self.drafted(namespace, component, events)
            await self._commit(namespace, component, draft, since, events[-1].position)
        except Exception as e:  # noqa: BLE001  a component may fail in any way: that is what the queue is for
            pass_on(e)
            await self._reach_embedder(e)
            if len(events) == 1:
                return await self._insist(namespace, component, events[0], since, e, pauses)
            well = True
            for event in events:
                # after one was deferred the rest of the batch is not waited for: the component may fail on each of them
                well &= await self._absorb(namespace, component, [event], since, pauses if well else ())
                since = event.position
            return well
        return True

    async def _reach_embedder(self, error: Exception) -> None:
        """Raise ModelError when the embedder answers nobody: no event is to blame then, and all of them can wait."""
        if self._shop.embedder is None or not isinstance(error, ModelError):
            return
        for seconds in (*self._pauses, None):
            try:
                await self._shop.embedder.embed(["Does the embedder answer?"], query=False)
                return
            except ModelError:
                if seconds is None:
                    raise
                await asyncio.sleep(seconds)

    async def _insist(
        self,
        namespace: str,
        component: Reader,
        event: Event,
        since: int,
        error: Exception,
        pauses: Sequence[float],
    ) -> bool:
        """Try one event again after each pause; then put it on the deferred queue and go on behind it. False then."""
        if not await self._there(event):
            return True  # it was forgotten meanwhile
        for seconds in pauses:
            await asyncio.sleep(seconds)
            try:
                draft = await self.drafted(namespace, component, [event])
                await self._commit(namespace, component, draft, since, event.position)
                return True
            except Exception as e:  # noqa: BLE001  see `_absorb`
                pass_on(e)
                error = e
        entry = Deferred(
            namespace=namespace,
            component=component.name,
            event=event.id,
            error=told(error),
            attempts=1 + len(pauses),
            at=self._clock(),
        )
        if await self._there(event):
            await self._commit(namespace, component, Draft(), since, event.position, failed=[entry])
        return False

    async def _checked(self, namespace: str, component: Reader, draft: object, lengths: dict[str, int]) -> Draft:
        """The draft, if it keeps the rules, with the vectors that it wants. `lengths` are those of the events shown."""
        if not isinstance(draft, Draft):
            raise AbsorbError(f"component {component.name} returned a {type(draft).__name__}; it returns a Draft")
        rows: list[Record | Extraction] = [*draft.records, *draft.extractions]
        for row in rows:
            check_owner(row, namespace, _owner(component))
            check_spans(row, lengths)
        for record in draft.records:
            check_vector(record, self._shop.space)
        for extraction in draft.extractions:
            check_names(extraction)
        return await self._embedded(namespace, _owner(component), draft)

    async def _embedded(self, namespace: str, owner: str, draft: Draft) -> Draft:
        """The draft with the vectors that its rows, and the names and facts that are new, want."""
        embedder = self._shop.embedder
        if embedder is None:
            return draft
        bare = [n for n, record in enumerate(draft.records) if record.embed and record.vector is None]
        new = await self._lacking(namespace, owner, draft, embedder.space)
        if not bare and not new:
            return draft
        records = list(draft.records)
        made = await embedder.embed([*(records[n].embedded for n in bare), *new], query=False)
        for n, vector in zip(bare, made[: len(bare)], strict=True):
            records[n] = replace(records[n], vector=vector)
        vectors = {**draft.vectors, **dict(zip(new, made[len(bare) :], strict=True))}
        return replace(draft, records=tuple(records), vectors=vectors)

    async def _commit(
        self,
        namespace: str,
        component: Reader,
        draft: Draft,
        since: int,
        upto: int,
        failed: Sequence[Deferred] = (),
    ) -> None:
        stored = await offload(
            self._store.derived.commit,
            namespace,
            component.name,
            draft,
            self._shop.space,
            since=since,
            upto=upto,
            failed=failed,
        )
        if not stored:
            raise _OvertakenError
        embedder = self._shop.embedder
        # a name that had its vector when this was drafted, and was forgotten since, is new and has none
        if embedder is not None and await self._lacking(namespace, _owner(component), draft, embedder.space):
            await self._shop.embed_missing(embedder, Where(namespace=namespace))

    async def _lacking(self, namespace: str, owner: str, draft: Draft, space: Space) -> list[str]:
        """The names and facts that the draft brings no vector of, and the store has none of."""
        wanted = [text for text in nodes_of(draft) if text not in draft.vectors]
        return await offload(self._store.derived.unembedded, namespace, owner, wanted, space) if wanted else []

    async def _there(self, event: Event) -> bool:
        where = Where(namespace=event.namespace, ids=frozenset({event.id}))
        return bool(await offload(self._store.journal.read, where))

    def _claimed(self, key: tuple[str, str], mine: Future[None]) -> Future[None]:
        """Whose turn it is; nobody's becomes mine. One at a time in this process: the rest wait, and find the work
        done. Other processes are kept out by the cursor, at the price of work done twice."""
        with self._lock:
            return self._busy.setdefault(key, mine)

    def _release(self, key: tuple[str, str], mine: Future[None]) -> None:
        with self._lock:
            if self._busy.get(key) is mine:
                del self._busy[key]
        mine.set_result(None)


def _owner(reader: Reader) -> str:
    """The component whose rows a reader drafts."""
    return reader.owner if isinstance(reader, Refinement) else reader.name


def nodes_of(draft: Draft) -> list[str]:
    """The texts of the names and facts that want a vector, each once."""
    found: dict[str, None] = {}
    for extraction in draft.extractions:
        found.update(dict.fromkeys(extraction.names))
        for fact in extraction.facts:
            found.update(dict.fromkeys((fact.subject, fact.object)))
            if fact.embed:
                found[fact.embedded] = None
    return list(found)


def pass_on(error: Exception) -> None:
    """Raise what is not the event's fault: the database's trouble, a chat model that answers nobody or costs too much, and
    the lack of a loop to wait on."""
    kinds = (StoreError, SpaceError, ClosedError, NeedsLoop, UnreachableError, BudgetError, _OvertakenError)
    if isinstance(error, kinds):
        raise error
    if not looped():
        raise NeedsLoop from error


def told(error: Exception) -> str:
    """An error as the deferred queue has it."""
    return f"{type(error).__name__}: {error}"
