"""Embeddings of LangChain: whatever implements `langchain_core.embeddings.Embeddings`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from memkit.errors import ModelError
from memkit.values import Space


class LangChainEmbedder:
    """A LangChain embedding model. It does not tell its name and dimension, so they are given.

    `model` should change when the vectors change: rows embedded under one name are compared with each other.
    Raises ModelError with whatever the model raised as its cause. Works on a running loop only.
    """

    def __init__(self, embeddings: Embeddings, *, model: str, dimension: int) -> None:
        if dimension < 1:
            raise ValueError(f"dimension must be at least 1, not {dimension}")
        self._embeddings = embeddings
        self._space = Space(model=model, dimension=dimension)

    @property
    def space(self) -> Space:
        return self._space

    async def embed(self, texts: Sequence[str], /, *, query: bool) -> NDArray[np.float32]:
        """See `memkit.ports.Embedder.embed`. Questions are embedded one by one: LangChain has no call for several."""
        asyncio.get_running_loop()  # without one, LangChain would fail halfway, and a blocking face would ask again
        if not texts:
            return np.empty((0, self._space.dimension), dtype=np.float32)
        try:
            if query:
                rows = [await self._embeddings.aembed_query(text) for text in texts]
            else:
                rows = await self._embeddings.aembed_documents(list(texts))
            return np.asarray(rows, dtype=np.float32)
        except Exception as error:  # LangChain names no errors: each integration raises what its own client raises
            raise ModelError(
                f"the LangChain model {self._space.model!r} failed: {type(error).__name__}: {error}"
            ) from error
