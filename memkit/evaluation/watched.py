"""An embedder that tells how long it was busy, so that what a model costs can be told apart from what memkit does."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from memkit.evaluation.cached import Cached
from memkit.models.loops import Closing
from memkit.ports import Embedder
from memkit.values import Space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Watched:
    """Passes calls on, documents by way of `cache` if there is one: what is asked is embedded every time.

    `seconds` is how long at least one call was under way, `documents` how many texts that are none of a question were asked
    for, `made` how many of these no cache had.
    """

    def __init__(self, embedder: Embedder, cache: Cached | None = None) -> None:
        self._embedder = embedder
        self._cache = cache
        self._lock = threading.Lock()
        self._under_way = 0
        self._since = 0.0
        self.seconds = 0.0
        self.documents = 0
        self.made = 0

    @property
    def space(self) -> Space:
        return self._embedder.space

    async def embed(self, texts: Sequence[str], /, *, query: bool) -> NDArray[np.float32]:
        """See `memkit.ports.Embedder.embed`."""
        self._begin()
        try:
            if query:
                return await self._embedder.embed(texts, query=True)
            held = 0 if self._cache is None else len(self._cache)
            vectors = await (self._embedder if self._cache is None else self._cache).embed(texts, query=False)
            self.documents += len(texts)
            self.made += len(texts) if self._cache is None else len(self._cache) - held
            return vectors
        finally:
            self._end()

    async def aclose(self) -> None:
        """Close the embedder's connections, if it has any."""
        if isinstance(self._embedder, Closing):
            await self._embedder.aclose()

    def _begin(self) -> None:
        with self._lock:
            if not self._under_way:
                self._since = time.perf_counter()
            self._under_way += 1

    def _end(self) -> None:
        with self._lock:
            self._under_way -= 1
            if not self._under_way:
                self.seconds += time.perf_counter() - self._since
