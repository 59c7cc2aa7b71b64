"""From the journal to the rows, and from the rows to hits: what all components have in common.

The engine knows components by their protocol only. Nothing that it commits is ever half done: a component's draft and its
cursor go in together, and whatever fails on the way is simply tried again from the same place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from memkit.absorbing import PAUSES, Absorbing, Reader, Refinement, pass_on, told
from memkit.models.checked import Checked
from memkit.models.metered import Metered
from memkit.offload import NeedsLoop, looped, offload, together
from memkit.ports import Asks, Component, Embedder, Llm, Refines
from memkit.values import Cue, Deferred, Event, Hit, Space, Where
from memkit.view import Workshop

RRF_K = 60  # damps the top ranks when lists are fused (Cormack et al., SIGIR 2009)


class Engine:
    """Keeps components up to date with the journal and asks them. `pauses` are the waits between attempts, seconds."""

    def __init__(
        self,
        shop: Workshop,
        components: Sequence[Component],
        *,
        pauses: Sequence[float] = PAUSES,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.shop = shop
        self.store = shop.store
        self.components = {component.name: component for component in components}
        self.clock = clock
        self.waits = False  # whether a call turned out to need a loop: an async face then does not try without one
        self._absorbing = Absorbing(shop, pauses=pauses, clock=clock)
        second = [
            Refinement(component, component.name)
            for component in components
            if shop.llm is not None and isinstance(component, Refines) and component.refines
        ]
        self.readers: dict[str, Reader] = {**self.components, **{reader.name: reader for reader in second}}
        asking = {
            component.name
            for component in components
            if shop.llm is not None and isinstance(component, Asks) and component.asks
        }
        self._slow = frozenset(asking.union(reader.name for reader in second))

    @property
    def embedder(self) -> Checked | None:
        """What makes the vectors."""
        return self.shop.embedder

    @property
    def llm(self) -> Metered | None:
        """The chat model, with its counts."""
        return self.shop.llm

    @property
    def space(self) -> Space | None:
        """The space that vectors are made in."""
        return self.shop.space

    async def catch_up(self, where: Where, *, slow: bool = False) -> None:
        """Let components absorb what they have not seen yet in the scope: with `slow` all of them, else those that ask
        no chat model."""
        names = tuple(name for name in self.readers if slow or name not in self._slow)
        standing = await offload(self.store.derived.progress, where, names)
        late = [
            (namespace, name, progress)
            for namespace, progress in standing.items()
            for name in names
            if progress.cursors[name] < progress.head
        ]
        if not looped() and any(name in self._slow for _, name, _ in late):
            raise NeedsLoop
        follow = self._absorbing.follow
        for again in (False, True):  # nothing is read a second time before the first
            await together(
                [
                    follow(namespace, self.readers[name], progress)
                    for namespace, name, progress in late
                    if (name not in self.components) == again
                ]
            )

    async def tidy(self, namespaces: Sequence[str]) -> None:
        """Let components that consolidate do so."""
        if self._slow and not looped():
            raise NeedsLoop
        for namespace in namespaces:
            for component in self.components.values():
                await self._absorbing.tidy(namespace, component)

    async def recall(self, cue: Cue, only: str | None = None) -> list[Hit]:
        """The hits of all components, fused, best first, at most `cue.k`; or of one. What is not absorbed yet is not
        found. Raises ValueError when there is no such component."""
        if only is not None and only not in self.components:
            raise ValueError(f"there is no component {only!r} in this memory; there are {', '.join(self.components)}")
        asked = self.components if only is None else {only: self.components[only]}
        lists = await together(
            [component.recall(cue, self.shop.view(name, cue.where)) for name, component in asked.items()]
        )
        found = list(lists[0]) if len(lists) == 1 else fuse(lists)
        return found[: cue.k]

    async def retry(self, where: Where | None) -> None:
        """Try every deferred event in scope once more. A component that makes rows in the light of earlier ones is put back
        to it then, and has to catch up."""
        for entry in await offload(self.store.upkeep.deferred, where):
            component = self.readers.get(entry.component)
            if component is None:
                continue  # it waits for a memory that has this component, or a chat model
            event = await self._event(entry)
            if event is None:
                continue
            try:
                draft = await self._absorbing.drafted(entry.namespace, component, [event])
                await offload(self.store.upkeep.retry, entry, draft, self.space)
            except Exception as e:  # noqa: BLE001  a component may fail in any way: that is what the queue is for
                pass_on(e)
                again = replace(entry, attempts=entry.attempts + 1, error=told(e), at=self.clock())
                await offload(self.store.upkeep.failed_again, again)

    async def embed_missing(
        self, embedder: Embedder, where: Where | None = None, progress: Callable[[int], None] = lambda count: None
    ) -> None:
        """Give every row in scope, or all, that wants a vector one in the embedder's space. Can be stopped and called
        again at any time."""
        await self.shop.embed_missing(embedder, where, progress)

    def agent(self, name: str) -> Llm | None:
        """The chat model for somebody who is no component; nothing that it replies is kept."""
        return None if self.llm is None else self.llm.bound(name)

    async def aclose(self) -> None:
        """Close the models' connections, if they have any on this loop."""
        if self.embedder is not None:
            await self.embedder.aclose()
        if self.llm is not None:
            await self.llm.aclose()

    async def _event(self, entry: Deferred) -> Event | None:
        where = Where(namespace=entry.namespace, ids=frozenset({entry.event}))
        found = await offload(self.store.journal.read, where)
        return found[0] if found else None


def fuse(lists: Sequence[Sequence[Hit]]) -> list[Hit]:
    """One list of several components' hits by reciprocal rank (Cormack et al., SIGIR 2009), scaled so that a
    component's first hit has 1. The scores of different components say different things, so ranks are compared."""
    fused = [
        replace(hit, score=(RRF_K + 1) / (RRF_K + rank), why={**hit.why, "own score": hit.score, "own rank": rank})
        for hits in lists
        for rank, hit in enumerate(hits, start=1)
    ]
    return sorted(fused, key=lambda hit: -hit.score)  # stable: at equal ranks the first component goes first
