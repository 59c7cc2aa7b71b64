"""Short stand-ins for unit vectors, which bound their cosines from above.

A vector is turned, and of its coordinates only the first WIDTH are kept, with the length of the rest as one more: by
Cauchy and Schwarz the inner product of two such sketches is at least that of the vectors. Turned so that the first
coordinates have the most of a sample's spread (PCA), a quarter of the numbers rules out nearly all pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

FAISS: Any = faiss

WIDTH = 96  # of 384; for 16,000 names 64 take as long and leave five times as many pairs to look at, 128 take longer
SAMPLE = 4096  # vectors that the turn is worked out from
LEAST = 2048  # below so many vectors they are not turned: there is not much to rule out, and the turn takes 30 ms
GROWTH = 4  # when there are so many times as many vectors, the turn is worked out anew
TRIED = 512  # vectors whose pairs show what a turn is worth
LEFT = 0.01  # to check a pair takes a hundred times as long as to rule it out
SLACK = 1e-4  # more than float32 may lose in a bound
_ROUNDING = 4e-6  # of the squared length of the rest


@dataclass(frozen=True, slots=True)
class Turn:
    """How vectors are turned: `basis` is [dimension, kept], or None where whole vectors stand for themselves. `made_of`
    counts the vectors that there were."""

    basis: NDArray[np.float32] | None
    made_of: int

    @staticmethod
    def of(vectors: NDArray[np.float32], threshold: float = 1.0) -> Turn:
        """A turn for vectors such as these. None where it would leave too many pairs that may reach the threshold."""
        if len(vectors) < LEAST or vectors.shape[1] <= WIDTH:
            return Turn(None, len(vectors))
        sample = units_of(vectors[:: -(-len(vectors) // SAMPLE)])
        pca = FAISS.PCAMatrix(sample.shape[1], WIDTH)
        with one_thread():
            pca.train(np.concatenate((sample, -sample)))  # about their common origin, which stays where it is
        axes = FAISS.vector_to_array(pca.A).reshape(WIDTH, -1).T
        turn = Turn(np.ascontiguousarray(axes, np.float32), len(vectors))
        some = turn.sketches(sample[:TRIED])
        left = np.count_nonzero(some @ some.T >= threshold - SLACK) - len(some)
        return turn if left <= LEFT * len(some) ** 2 else Turn(None, len(vectors))

    def outgrown(self, count: int, dimension: int) -> bool:
        """Whether so many vectors deserve another turn."""
        return dimension > WIDTH and count >= max(LEAST, GROWTH * self.made_of)

    def sketches(self, units: NDArray[np.float32]) -> NDArray[np.float32]:
        """The sketches of unit vectors. The product of two is at least their cosine less SLACK."""
        if self.basis is None:
            return np.ascontiguousarray(units, np.float32)
        out = np.empty((len(units), WIDTH + 1), np.float32)
        out[:, :WIDTH] = units @ self.basis
        kept = np.einsum("ij,ij->i", out[:, :WIDTH], out[:, :WIDTH])
        out[:, WIDTH] = np.sqrt(np.maximum(1 - kept, 0) + _ROUNDING)
        return out


def units_of(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The vectors, each divided by its length; zeros stay."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    lengths[lengths == 0] = 1
    units: NDArray[np.float32] = vectors / lengths[:, None]
    return units


@contextmanager
def one_thread() -> Iterator[None]:
    """FAISS works in this thread alone; for other threads nothing changes. Where they have to share the processors with
    others, its own threads wait for each other so busily that a search can take five times as long."""
    before = FAISS.omp_get_max_threads()
    FAISS.omp_set_num_threads(1)
    try:
        yield
    finally:
        FAISS.omp_set_num_threads(before)
