"""What a component sees of a store: its own rows, in the scope of one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memkit.errors import ModelError
from memkit.offload import offload
from memkit.ports import Embedder, Shelf, Store
from memkit.values import Record, Space, Where

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class StoredView:
    """`memkit.ports.View` of one component in one scope."""

    store: Store
    component: str
    where: Where
    embedder: Embedder | None

    @property
    def space(self) -> Space | None:
        """See `memkit.ports.View.space`."""
        return None if self.embedder is None else self.embedder.space

    async def embed(self, texts: Sequence[str], /, *, query: bool = False) -> NDArray[np.float32]:
        """See `memkit.ports.View.embed`."""
        if self.embedder is None:
            raise ModelError("this memory has no embedder; open it with embedder=…")
        return await self.embedder.embed(texts, query=query)

    async def shelf(self) -> Shelf:
        """See `memkit.ports.View.shelf`."""
        return await offload(self.store.derived.shelf, self.component, self.where, self.space)

    async def records(self, ids: Sequence[int], /) -> list[Record]:
        """See `memkit.ports.View.records`."""
        return await offload(self.store.derived.records, self.component, self.where, ids)
