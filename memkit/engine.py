"""From the journal to the rows, and from the rows to hits: what all components have in common.

The engine knows components by their protocol only. Nothing that it commits is ever half done: a component's draft and its
cursor go in together, and whatever fails on the way is simply tried again from the same place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from threading import Lock
from weakref import WeakValueDictionary

from memkit.blocking import NeedsLoop
from memkit.drafts import check_owner, check_spans, check_vector
from memkit.errors import AbsorbError, ClosedError, ModelError, SpaceError, StoreError
from memkit.models.checked import Checked
from memkit.offload import looped, offload, settled, together
from memkit.ports import Component, Embedder, Progress, Store
from memkit.values import Cue, Deferred, Draft, Event, Hit, Space, Where
from memkit.view import StoredView

BATCH = 256  # events shown to a component at once
PAUSES = (0.2, 1.0)  # seconds before the second and the third attempt; then the event is deferred
RRF_K = 60  # damps the top ranks when lists are fused (Cormack et al., SIGIR 2009)


class Engine:
    """Keeps components up to date with the journal and asks them. `pauses` are the waits between attempts, seconds."""

    def __init__(
        self,
        store: Store,
        components: Sequence[Component],
        embedder: Checked | None,
        *,
        pauses: Sequence[float] = PAUSES,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.store = store
        self.components = {component.name: component for component in components}
        self.embedder = embedder
        self.clock = clock
        self._pauses = pauses
        self._lock = Lock()
        # weak: should Ctrl-C keep a turn from being given back, it ends with whoever had it
        self._busy: WeakValueDictionary[tuple[str, str], Future[None]] = WeakValueDictionary()

    @property
    def space(self) -> Space | None:
        """The space that vectors are made in."""
        return None if self.embedder is None else self.embedder.space

    async def catch_up(self, where: Where) -> None:
        """Let every component absorb what it has not seen yet in the scope."""
        names = tuple(self.components)
        standing = await offload(self.store.derived.progress, where, names)
        late = [
            self._follow(namespace, self.components[name])
            for namespace, progress in standing.items()
            for name in names
            if progress.cursors[name] < progress.head
        ]
        await together(late)

    async def recall(self, cue: Cue) -> list[Hit]:
        """The hits of all components, fused, best first, at most `cue.k`. What is not absorbed yet is not found."""
        lists = await together(
            [component.recall(cue, self._view(name, cue.where)) for name, component in self.components.items()]
        )
        found = list(lists[0]) if len(lists) == 1 else fuse(lists)
        return found[: cue.k]

    async def retry(self, where: Where | None) -> None:
        """Try every deferred event in scope once more."""
        for entry in await offload(self.store.upkeep.deferred, where):
            component = self.components.get(entry.component)
            if component is None:
                continue  # it waits for a memory that has this component
            event = await self._event(entry)
            if event is None:
                continue
            try:
                draft = await self._draft(entry.namespace, component, [event])
                await offload(self.store.upkeep.retry, entry, draft, self.space)
            except Exception as e:  # noqa: BLE001  a component may fail in any way: that is what the queue is for
                self._pass_on(e)
                again = replace(entry, attempts=entry.attempts + 1, error=_told(e), at=self.clock())
                await offload(self.store.upkeep.failed_again, again)

    async def aclose(self) -> None:
        """Close the embedder's connections, if it has any on this loop."""
        if self.embedder is not None:
            await self.embedder.aclose()

    async def embed_missing(
        self, embedder: Embedder, where: Where | None = None, progress: Callable[[int], None] = lambda count: None
    ) -> None:
        """Give every row in scope, or all, that wants a vector one in the embedder's space. Can be stopped and called
        again at any time."""
        after = 0
        while rows := await offload(self.store.spaces.missing, embedder.space, BATCH, after=after, where=where):
            vectors = await embedder.embed([text for _, text in rows], query=False)
            await offload(
                self.store.spaces.fill, embedder.space, dict(zip([id for id, _ in rows], vectors, strict=True))
            )
            after = rows[-1][0]
            progress(len(rows))

    def _view(self, name: str, where: Where) -> StoredView:
        return StoredView(self.store, name, Where(namespace=where.namespace, below=where.below), self.embedder)

    async def _follow(self, namespace: str, component: Component) -> None:
        """Bring one component to the head of one namespace."""
        key, mine = (namespace, component.name), Future[None]()
        try:
            while (other := self._claimed(key, mine)) is not mine:
                await settled(other)
            where = Where(namespace=namespace)
            while True:
                standing = await offload(self.store.derived.progress, where, (component.name,))
                progress = standing.get(namespace, Progress(head=0, cursors={component.name: 0}))
                since = progress.cursors[component.name]
                if since >= progress.head:
                    return
                events = await offload(self.store.journal.read, where, after=since, limit=BATCH)
                if not events:
                    return
                await self._absorb(namespace, component, events, since, self._pauses)
        finally:
            self._release(key, mine)

    async def _absorb(
        self, namespace: str, component: Component, events: Sequence[Event], since: int, pauses: Sequence[float]
    ) -> bool:
        """Absorb and commit these events together or, when that fails, one by one. False when one was deferred."""
        try:
            draft = await self._draft(namespace, component, events)
            await self._commit(namespace, component, draft, since, events[-1].position)
        except Exception as e:  # noqa: BLE001  see `retry`
            self._pass_on(e)
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
        if self.embedder is None or not isinstance(error, ModelError):
            return
        for seconds in (*self._pauses, None):
            try:
                await self.embedder.embed(["Does the embedder answer?"], query=False)
                return
            except ModelError:
                if seconds is None:
                    raise
                await asyncio.sleep(seconds)

    async def _insist(
        self,
        namespace: str,
        component: Component,
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
                draft = await self._draft(namespace, component, [event])
                await self._commit(namespace, component, draft, since, event.position)
                return True
            except Exception as e:  # noqa: BLE001  see `retry`
                self._pass_on(e)
                error = e
        entry = Deferred(
            namespace=namespace,
            component=component.name,
            event=event.id,
            error=_told(error),
            attempts=1 + len(pauses),
            at=self.clock(),
        )
        if await self._there(event):
            await self._commit(namespace, component, Draft(), since, event.position, failed=[entry])
        return False

    async def _draft(self, namespace: str, component: Component, events: Sequence[Event]) -> Draft:
        """What the component makes of the events, checked, with vectors."""
        draft = await component.absorb(events, self._view(component.name, Where(namespace=namespace)))
        if not isinstance(draft, Draft):
            raise AbsorbError(f"component {component.name} returned a {type(draft).__name__}; absorb returns a Draft")
        lengths = {event.id: len(event.text) for event in events}
        for record in draft.records:
            check_owner(record, namespace, component.name)
            check_spans(record, lengths)
            check_vector(record, self.space)
        bare = [n for n, record in enumerate(draft.records) if record.embed and record.vector is None]
        if self.embedder is None or not bare:
            return draft
        records = list(draft.records)
        vectors = await self.embedder.embed([records[n].embedded for n in bare], query=False)
        for n, vector in zip(bare, vectors, strict=True):
            records[n] = replace(records[n], vector=vector)
        return Draft(tuple(records))

    async def _commit(
        self,
        namespace: str,
        component: Component,
        draft: Draft,
        since: int,
        upto: int,
        failed: Sequence[Deferred] = (),
    ) -> None:
        await offload(
            self.store.derived.commit,
            namespace,
            component.name,
            draft,
            self.space,
            since=since,
            upto=upto,
            failed=failed,
        )  # False: another process was quicker, and the next look at the cursor shows it

    async def _event(self, entry: Deferred) -> Event | None:
        where = Where(namespace=entry.namespace, ids=frozenset({entry.event}))
        found = await offload(self.store.journal.read, where)
        return found[0] if found else None

    async def _there(self, event: Event) -> bool:
        where = Where(namespace=event.namespace, ids=frozenset({event.id}))
        return bool(await offload(self.store.journal.read, where))

    @staticmethod
    def _pass_on(error: Exception) -> None:
        """Raise what is not the event's fault: the database's trouble, and the lack of a loop to wait on."""
        if isinstance(error, (StoreError, SpaceError, ClosedError, NeedsLoop)):
            raise error
        if not looped():
            raise NeedsLoop from error

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


def fuse(lists: Sequence[Sequence[Hit]]) -> list[Hit]:
    """One list of several components' hits by reciprocal rank (Cormack et al., SIGIR 2009), scaled so that a
    component's first hit has 1. The scores of different components say different things, so ranks are compared."""
    fused = [
        replace(hit, score=(RRF_K + 1) / (RRF_K + rank), why={**hit.why, "own score": hit.score, "own rank": rank})
        for hits in lists
        for rank, hit in enumerate(hits, start=1)
    ]
    return sorted(fused, key=lambda hit: -hit.score)  # stable: at equal ranks the first component goes first


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
