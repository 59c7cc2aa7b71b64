"""The hash of Think-in-Memory: which of b buckets a vector's direction falls into.

F(x) = argmax [xR ; −xR], with R of shape [d, b/2] and independent Gaussian entries (Think-in-Memory, arXiv 2311.08719;
the scheme is Reformer's). R is drawn from (seed, d, b) alone, by a hash function rather than a library's generator: it is the
same on every machine and with every version, so that no matrix has to be stored.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b, shake_256
from typing import TYPE_CHECKING

import numpy as np

from memkit.values import Space

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Hash:
    """F for one space. `buckets` is even and at least 2."""

    space: Space
    buckets: int
    seed: int

    @property
    def key(self) -> str:
        """12 hex digits that name this function: numbers of buckets under two keys have nothing to do with each other."""
        s = self.space
        told = repr((s.model, s.dimension, s.normalised, s.document_prefix, s.query_prefix, self.buckets, self.seed))
        return blake2b(told.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()

    def bucket(self, vectors: NDArray[np.float32]) -> NDArray[np.int64]:
        """The bucket of each row of [n, dimension]. A zero vector, which points nowhere, falls into bucket 0."""
        return np.asarray(np.argmax(self._entries(vectors), axis=1), np.int64)

    def probes(self, vector: NDArray[np.float32], count: int) -> list[int]:
        """The buckets of the `count` largest entries, largest first: where a vector of about this direction may lie."""
        entries = self._entries(vector[None])[0]
        return [int(n) for n in np.argsort(-entries, kind="stable")[:count]]

    def mark(self, bucket: int) -> str:
        """The mark of rows in the bucket."""
        return f"bucket:{self.key}:{bucket}"

    @property
    def hashed(self) -> str:
        """The mark of every row that is in a bucket of this function."""
        return f"hashed:{self.key}"

    def _entries(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        products = vectors.astype(np.float64) @ projection(self.seed, self.space.dimension, self.buckets)
        return np.concatenate((products, -products), axis=1)


@lru_cache(maxsize=16)
def projection(seed: int, dimension: int, buckets: int) -> NDArray[np.float64]:
    """R of shape [dimension, buckets / 2]: standard normal, by Box and Muller's formula from SHAKE-256's bits."""
    count = dimension * (buckets // 2)
    pairs = (count + 1) // 2
    name = struct.pack("<qqq", seed, dimension, buckets)
    bits = np.frombuffer(shake_256(b"memkit think_in_memory" + name).digest(16 * pairs), "<u8").reshape(2, pairs)
    uniform = ((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53  # inside (0, 1)
    radius, angle = np.sqrt(-2 * np.log(uniform[0])), 2 * np.pi * uniform[1]
    drawn = np.concatenate((radius * np.cos(angle), radius * np.sin(angle)))[:count]
    drawn = drawn.reshape(dimension, buckets // 2)
    drawn.flags.writeable = False  # shared by all who ask for it
    return drawn
