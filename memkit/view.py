"""What a component sees of a store: its own rows, in the scope of one call, and the models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memkit.errors import ModelError
from memkit.models.adaptive import AdaptiveScorer
from memkit.models.checked import Checked
from memkit.models.metered import Metered
from memkit.offload import offload
from memkit.ports import Embedder, Graph, Llm, Shelf, Store, TokenScorer
from memkit.values import Event, Record, Space, Weave, Where

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


BATCH = 256  # rows that are embedded at once
PAGE = 64  # events without a session that are looked at together, to find those that have none either


@dataclass(frozen=True, slots=True)
class Workshop:
    """A store and the models to work with."""

    store: Store
    embedder: Checked | None = None
    llm: Metered | None = None
    scorer: TokenScorer = field(default_factory=AdaptiveScorer)

    @property
    def space(self) -> Space | None:
        """The space that vectors are made in."""
        return None if self.embedder is None else self.embedder.space

    async def embed_missing(
        self, embedder: Embedder, where: Where | None = None, progress: Callable[[int], None] = lambda count: None
    ) -> None:
        """Give every row in scope, or all, that wants a vector one in the embedder's space. Can be stopped and called
        again at any time."""
        spaces, after = self.store.spaces, 0
        while rows := await offload(spaces.missing, embedder.space, BATCH, after=after, where=where):
            vectors = await embedder.embed([text for _, text in rows], query=False)
            await offload(spaces.fill, embedder.space, dict(zip([id for id, _ in rows], vectors, strict=True)))
            after = rows[-1][0]
            progress(len(rows))

    def view(self, component: str, where: Where) -> StoredView:
        """What a component sees in a scope."""
        return StoredView(self, component, Where(namespace=where.namespace, below=where.below))


@dataclass(frozen=True, slots=True)
class Kept:
    """The replies that a component's questions got in one namespace, in the store."""

    store: Store
    namespace: str
    component: str

    async def find(self, keys: Sequence[str], /) -> dict[str, str]:
        """See `memkit.ports.Calls.find`."""
        return await offload(self.store.calls.find, self.namespace, self.component, keys)

    async def keep(self, key: str, reply: str, events: Sequence[str], /) -> bool:
        """See `memkit.ports.Calls.keep`."""
        return await offload(self.store.calls.keep, self.namespace, self.component, key, reply, events)


@dataclass(frozen=True, slots=True)
class StoredView:
    """`memkit.ports.View` of one component in one scope."""

    shop: Workshop
    component: str
    where: Where

    @property
    def space(self) -> Space | None:
        """See `memkit.ports.View.space`."""
        return self.shop.space

    @property
    def llm(self) -> Llm | None:
        """See `memkit.ports.View.llm`."""
        if self.shop.llm is None:
            return None
        return self.shop.llm.bound(self.component, Kept(self.shop.store, self.where.namespace, self.component))

    @property
    def scorer(self) -> TokenScorer:
        """See `memkit.ports.View.scorer`."""
        return self.shop.scorer

    async def before(self, event: Event, count: int, /) -> list[Event]:
        """See `memkit.ports.View.before`."""
        if event.session is not None:
            where = Where(namespace=event.namespace, sessions=frozenset({event.session}))
            read = self.shop.store.journal.read
            return await offload(read, where, before=event.position, limit=count, newest=True)
        return await offload(self._without_session, event, count)

    async def embed(self, texts: Sequence[str], /, *, query: bool = False) -> NDArray[np.float32]:
        """See `memkit.ports.View.embed`."""
        if self.shop.embedder is None:
            raise ModelError("this memory has no embedder; open it with embedder=…")
        return await self.shop.embedder.embed(texts, query=query)

    async def shelf(self) -> Shelf:
        """See `memkit.ports.View.shelf`."""
        return await offload(self.shop.store.derived.shelf, self.component, self.where, self.space)

    async def graph(self, weave: Weave, /) -> Graph:
        """See `memkit.ports.View.graph`."""
        return await offload(self.shop.store.derived.graph, self.component, self.where, self.space, weave)

    async def records(self, ids: Sequence[int], /) -> list[Record]:
        """See `memkit.ports.View.records`."""
        return await offload(self.shop.store.derived.records, self.component, self.where, ids)

    def _without_session(self, event: Event, count: int) -> list[Event]:
        """A filter names sessions, and cannot ask for none."""
        found: list[Event] = []
        place = event.position
        while len(found) < count:
            page = self.shop.store.journal.read(
                Where(namespace=event.namespace), before=place, limit=max(PAGE, count), newest=True
            )
            if not page:
                break
            found = [one for one in page if one.session is None] + found
            place = page[0].position
        return found[-count:] if count else []
