"""What stands between an embedder and everybody who uses vectors: no vector gets past that cannot be used.

Knows no library. Adapters do the one thing that is theirs, turning texts into numbers; prefixes, blank texts,
repetitions, sizes, checks, the memory of recent questions and the counting are done here, once for all of them.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from memkit.errors import MemkitError, ModelError
from memkit.models.loops import Closing
from memkit.offload import looped
from memkit.ports import Embedder
from memkit.values import Space

Vectors: TypeAlias = NDArray[np.float32]

LENGTH_TOLERANCE = 1e-5  # float32 rounding leaves about 1e-7; vectors that were sent as float16 are off by 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What an embedder was asked for so far: `texts` were sent to it in `calls` calls that took `seconds` altogether.

    `remembered` counts the questions that needed no call. Calls that failed are not counted.
    """

    calls: int = 0
    texts: int = 0
    seconds: float = 0.0
    remembered: int = 0


class Prefixed:
    """An embedder whose texts are to get prefixes that it does not know of itself.

    Models like E5 want "query: " and "passage: " before texts, and a server that runs one does not say so. Nothing is
    put in front here: the space says that it should be, and `Checked` does it.
    """

    def __init__(self, embedder: Embedder, *, query: str = "", document: str = "") -> None:
        self._embedder = embedder
        self.space = replace(embedder.space, query_prefix=query, document_prefix=document)

    async def embed(self, texts: Sequence[str], /, *, query: bool) -> Vectors:
        return await self._embedder.embed(texts, query=query)

    async def aclose(self) -> None:
        """Close the connections of the embedder, if it has any."""
        if isinstance(self._embedder, Closing):
            await self._embedder.aclose()


class Checked:
    """An embedder whose vectors can be relied on: float32, the right shape, finite, of length 1 if the space says so.

    - The prefixes of the space are put before the texts here, and nowhere else.
    - A blank text (empty, or white space only) is never sent: its vector is zero, so it is near to nothing.
    - A text that occurs several times in a call is sent once; at most `largest` texts are sent at a time.
    - The vectors of the last `remembered` questions are kept in memory.
    - Lone surrogates, which no model can read, are sent as "?".

    Raises ModelError when the embedder fails, with its error as the cause, or when the reply cannot be used. Its text
    never quotes what was embedded: errors may be kept when texts are to be forgotten. Safe to use from several threads
    and event loops.
    """

    def __init__(self, embedder: Embedder, *, largest: int = 1024, remembered: int = 256) -> None:
        if isinstance(embedder, Checked):
            raise TypeError("the embedder is Checked already; a second one would put the prefixes in front twice")
        if largest < 1:
            raise ValueError(f"largest must be at least 1, not {largest}")
        self._embedder = embedder
        self._largest = largest
        self._remembered = remembered
        self._questions: OrderedDict[str, Vectors] = OrderedDict()
        self._usage = Usage()
        self._lock = threading.Lock()

    @property
    def space(self) -> Space:
        return self._embedder.space

    async def embed(self, texts: Sequence[str], /, *, query: bool) -> Vectors:
        """See `memkit.ports.Embedder.embed`. The array is new and the caller's own."""
        wanted = _texts(texts)
        known = self._recall(wanted) if query else {}
        fresh = [text for text in dict.fromkeys(wanted) if text not in known and text.strip()]
        for start in range(0, len(fresh), self._largest):
            part = fresh[start : start + self._largest]
            rows = dict(zip(part, await self._ask(part, query), strict=True))
            known.update(rows)
            if query:
                self._remember(rows)
        vectors = np.zeros((len(wanted), self.space.dimension), dtype=np.float32)
        for row, text in zip(vectors, wanted, strict=True):
            if text in known:
                row[:] = known[text]
        return vectors

    def usage(self) -> Usage:
        """What was asked for since this object was made."""
        with self._lock:
            return self._usage

    async def aclose(self) -> None:
        """Close the connections of the embedder, if it has any."""
        if isinstance(self._embedder, Closing):
            await self._embedder.aclose()

    async def _ask(self, texts: list[str], query: bool) -> Vectors:
        space = self.space
        prefix = space.query_prefix if query else space.document_prefix
        sent = [(prefix + text).encode("utf-8", "replace").decode() for text in texts]
        start = time.perf_counter()
        vectors = usable(await self._reply(sent, query), len(sent), space)
        seconds = time.perf_counter() - start
        with self._lock:
            used = self._usage
            self._usage = replace(
                used, calls=used.calls + 1, texts=used.texts + len(sent), seconds=used.seconds + seconds
            )
        return vectors

    async def _reply(self, texts: list[str], query: bool) -> object:
        """What the embedder answers. Whatever goes wrong in it is a ModelError."""
        try:
            return await self._embedder.embed(texts, query=query)
        except (MemkitError, AssertionError):
            raise
        except Exception as error:
            if isinstance(error, RuntimeError) and not looped():
                raise  # it needs an event loop, and a blocking face asks again on one
            raise ModelError(f"the embedder {self.space.model!r} failed: {type(error).__name__}") from error

    def _recall(self, texts: Sequence[str]) -> dict[str, Vectors]:
        with self._lock:
            known = {text: self._questions[text] for text in texts if text in self._questions}
            for text in known:
                self._questions.move_to_end(text)
            self._usage = replace(self._usage, remembered=self._usage.remembered + len(known))
        return known

    def _remember(self, rows: Mapping[str, Vectors]) -> None:
        with self._lock:
            for text, row in rows.items():
                self._questions[text] = row.copy()  # a view would keep the whole reply in memory
                self._questions.move_to_end(text)
            while len(self._questions) > self._remembered:
                self._questions.popitem(last=False)


def usable(reply: object, count: int, space: Space) -> Vectors:
    """The reply as float32 of shape [count, space.dimension], of length 1 where the space says so.

    Raises ModelError when it is something else, or holds NaN, infinity, or where it should be normalised a zero vector.
    """
    vectors = _floats(reply, space)
    if vectors.ndim != 2 or len(vectors) != count:
        came = f"{len(vectors)} vectors" if vectors.ndim == 2 else f"an array of shape {vectors.shape}"
        raise ModelError(f"{space.model!r} answered {count} texts with {came}; there must be one vector for each text")
    if vectors.shape[1] != space.dimension:
        raise ModelError(
            f"{space.model!r} answered with vectors of dimension {vectors.shape[1]}, "
            f"but its space has dimension {space.dimension}; set the dimension to what the model returns"
        )
    broken = ~np.isfinite(vectors).all(axis=1)
    if np.any(broken):
        raise ModelError(f"{space.model!r} answered with NaN or infinity in {_rows(broken)}; try again")
    return _normalised(vectors, space) if space.normalised else vectors


def _floats(reply: object, space: Space) -> Vectors:
    try:
        array = np.asarray(reply)
    except ValueError as error:  # rows of different lengths
        raise ModelError(f"{space.model!r} answered with vectors of different dimensions") from error
    if array.dtype.kind not in "fiu":
        raise ModelError(f"{space.model!r} answered with {array.dtype} values; vectors must be real numbers")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused as that
        return array.astype(np.float32, copy=False)


def _normalised(vectors: Vectors, space: Space) -> Vectors:
    wide = vectors.astype(np.float64)  # the squares of large float32 numbers are infinite in float32
    lengths = np.sqrt(np.einsum("nd,nd->n", wide, wide))
    zero = lengths == 0
    if zero.any():
        raise ModelError(f"{space.model!r} answered with a zero vector in {_rows(zero)}; it points nowhere")
    if np.abs(lengths - 1).max(initial=0.0) <= LENGTH_TOLERANCE:
        return vectors
    return (wide / lengths[:, None]).astype(np.float32)


def _rows(bad: object) -> str:
    marks = np.asarray(bad)
    return f"{marks.sum()} of {len(marks)} vectors (the first is number {marks.argmax()})"


def _texts(texts: Sequence[str]) -> list[str]:
    if isinstance(texts, str):
        raise TypeError("texts must be a sequence of str, not one str; put it in a list")
    for text in texts:
        if not isinstance(text, str):
            raise TypeError(f"texts must be str, not {type(text).__name__}")
    return list(texts)
