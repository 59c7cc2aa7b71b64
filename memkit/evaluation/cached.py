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

KEY = 16  # bytes of a text's digest


class Cached:
    """Another embedder's vectors, from the folder where it has them. `save` writes the new ones there.

    The file's name has a digest of the space; texts are known by a digest too. Vectors that are in the file stay there until
    they are asked for: a benchmark that counts megabytes should not count them. One thread at a time.
    """

    def __init__(self, embedder: Embedder, folder: Path) -> None:
        self._embedder = embedder
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / f"{_digest(repr(embedder.space)).hex()}.vectors"
        self._wide = 4 * embedder.space.dimension
        self._new: dict[bytes, NDArray[np.float32]] = {}
        self._places: dict[bytes, int] = {}  # in the file, which is all vectors and then all keys
        if self._file.exists():
            count = self._file.stat().st_size // (self._wide + KEY)
            with self._file.open("rb") as file:
                file.seek(count * self._wide)
                self._places = {file.read(KEY): n * self._wide for n in range(count)}

    @property
    def space(self) -> Space:
        return self._embedder.space

    def __len__(self) -> int:
        """How many vectors it has, with those that are not saved yet."""
        return len(self._places) + len(self._new)

    async def embed(self, texts: Sequence[str], /, *, query: bool) -> NDArray[np.float32]:
        """See `memkit.ports.Embedder.embed`."""
        keys = [_digest(f"{query:d} {text}") for text in texts]
        lacking = {
            key: text for key, text in zip(keys, texts, strict=True) if key not in self._places and key not in self._new
        }
        if lacking:
            made = await self._embedder.embed(list(lacking.values()), query=query)
            self._new.update(zip(lacking, made, strict=True))
        vectors = np.empty((len(keys), self.space.dimension), np.float32)
        kept = [(self._places[key], row) for row, key in enumerate(keys) if key in self._places]
        if kept:
            with self._file.open("rb") as file:
                for place, row in sorted(kept):
                    file.seek(place)
                    file.readinto(vectors[row].data)
        for row, key in enumerate(keys):
            if key in self._new:
                vectors[row] = self._new[key]
        return vectors

    def save(self) -> None:
        """Write what was made since the folder was read."""
        if not self._new:
            return
        unfinished = self._file.with_suffix(".unfinished")
        with unfinished.open("wb") as file:
            if self._places:
                with self._file.open("rb") as before:
                    file.write(before.read(len(self._places) * self._wide))
            for vector in self._new.values():
                file.write(vector.astype(np.float32).tobytes())
            file.write(b"".join([*self._places, *self._new]))
        unfinished.replace(self._file)
        self._places = {key: n * self._wide for n, key in enumerate([*self._places, *self._new])}
        self._new = {}


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=KEY).digest()
