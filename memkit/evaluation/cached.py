"""An embedder that keeps what it made in a folder, so that a benchmark run again does not embed again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from memkit.ports import Embedder
from memkit.values import Space

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Cached:
    """Another embedder's vectors, from the folder where it has them. `save` writes the new ones there.

    The file's name has a digest of the space; texts are known by a digest too.
    """

    def __init__(self, embedder: Embedder, folder: Path) -> None:
        self._embedder = embedder
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / f"{_digest(repr(embedder.space)).hex()}.npz"
        self._vectors: dict[bytes, NDArray[np.float32]] = {}
        self._saved = 0
        if self._file.exists():
            with np.load(self._file) as kept:
                keys = kept["keys"].tobytes()
                self._vectors = {keys[16 * n : 16 * n + 16]: vector for n, vector in enumerate(kept["vectors"])}
            self._saved = len(self._vectors)

    @property
    def space(self) -> Space:
        return self._embedder.space

    def __len__(self) -> int:
        """How many vectors it has, with those that are not saved yet."""
        return len(self._vectors)

    async def embed(self, texts: Sequence[str], /, *, query: bool) -> NDArray[np.float32]:
        """See `memkit.ports.Embedder.embed`."""
        keys = [_digest(f"{query:d} {text}") for text in texts]
        lacking = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._vectors}
        if lacking:
            made = await self._embedder.embed(list(lacking.values()), query=query)
            self._vectors.update(zip(lacking, made, strict=True))
        return np.stack([self._vectors[key] for key in keys])

    def save(self) -> None:
        """Write what was made since the folder was read."""
        if len(self._vectors) == self._saved:
            return
        keys = np.frombuffer(b"".join(self._vectors), np.uint8)
        unfinished = self._file.with_suffix(".new.npz")
        np.savez(unfinished, keys=keys, vectors=np.stack(list(self._vectors.values())))
        unfinished.replace(self._file)
        self._saved = len(self._vectors)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
