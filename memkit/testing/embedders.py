"""Embedders for tests: a deterministic one, one that fails on cue, and one that takes its time.

They are small real implementations, shipped so that users can test their agents without a model.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from memkit.ports import Embedder
from memkit.values import Space

Vectors: TypeAlias = NDArray[np.float32]
Fault: TypeAlias = Exception | Callable[[Vectors], Vectors] | None


class HashEmbedder:
    """Counts words in hashed buckets: texts that share words are near, the same text has the same vector anywhere.

    The vectors have length 1, have no negative entry, and depend on nothing but the text, the dimension and the seed.
    Upper and lower case are alike. In a text without a word every character counts; an empty text is the zero vector.
    """

    def __init__(self, dimension: int = 64, seed: int = 0) -> None:
        if dimension < 1:
            raise ValueError(f"dimension must be at least 1, not {dimension}")
        self._space = Space(model=f"memkit-hash-{seed}", dimension=dimension)
        self._key = str(seed).encode()

    @property
    def space(self) -> Space:
        return self._space

    async def embed(self, texts: Sequence[str], /, *, query: bool) -> Vectors:
        """Questions and documents are embedded alike."""
        return self.vectors(texts)

    def vectors(self, texts: Sequence[str], /) -> Vectors:
        """What `embed` returns, without a coroutine."""
        counts = np.zeros((len(texts), self._space.dimension), dtype=np.float32)
        for row, text in zip(counts, texts, strict=True):
            lower = text.casefold()
            for word in re.findall(r"\w+", lower) or lower.split():
                row[self._bucket(word)] += 1
        lengths = np.linalg.norm(counts, axis=1, keepdims=True)
        np.divide(counts, lengths, out=counts, where=lengths > 0)
        return counts

    def _bucket(self, word: str) -> int:
        digest = blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8, key=self._key).digest()
        return int.from_bytes(digest, "little") % self._space.dimension


class FaultyEmbedder:
    """Passes calls on to another embedder and spoils some: the first call meets the first fault, and so on.

    A fault that is an exception is raised before the inner embedder is asked; a function is given the vectors and
    returns others; None leaves the call alone, as are all calls after the last fault. `calls` holds the texts of
    every call so far. Like a model behind a network it works on an event loop only, so that a blocking face, which
    first tries without one, does not use up a fault unseen.
    """

    def __init__(self, inner: Embedder, faults: Iterable[Fault] = ()) -> None:
        self._inner = inner
        self._faults = iter(tuple(faults))
        self._lock = threading.Lock()
        self.calls: list[tuple[str, ...]] = []

    @property
    def space(self) -> Space:
        return self._inner.space

    async def embed(self, texts: Sequence[str], /, *, query: bool) -> Vectors:
        asyncio.get_running_loop()
        with self._lock:
            self.calls.append(tuple(texts))
            fault = next(self._faults, None)
        if isinstance(fault, Exception):
            raise fault
        vectors = await self._inner.embed(texts, query=query)
        return vectors if fault is None else fault(vectors)


class SlowEmbedder:
    """Passes calls on to another embedder after `seconds`, which it spends waiting on the event loop.

    `waiting` is set while a call waits: a test that cancels can be sure that there is something to cancel.
    """

    def __init__(self, inner: Embedder, seconds: float) -> None:
        self._inner = inner
        self._seconds = seconds
        self.waiting = threading.Event()

    @property
    def space(self) -> Space:
        return self._inner.space

    async def embed(self, texts: Sequence[str], /, *, query: bool) -> Vectors:
        self.waiting.set()
        try:
            await asyncio.sleep(self._seconds)
        finally:
            self.waiting.clear()
        return await self._inner.embed(texts, query=query)


def one_too_few(vectors: Vectors) -> Vectors:
    """A fault: the last vector is missing."""
    return vectors[:-1]


def one_dimension_short(vectors: Vectors) -> Vectors:
    """A fault: every vector lacks its last entry."""
    return vectors[:, :-1]


def not_a_number(vectors: Vectors) -> Vectors:
    """A fault: the last vector has a NaN in it."""
    spoilt = vectors.copy()
    spoilt[-1, 0] = np.nan
    return spoilt


def all_zero(vectors: Vectors) -> Vectors:
    """A fault: the last vector is zero."""
    spoilt = vectors.copy()
    spoilt[-1] = 0
    return spoilt


def three_times_as_long(vectors: Vectors) -> Vectors:
    """Not quite a fault: the vectors point the right way, but do not have length 1."""
    return vectors * 3
