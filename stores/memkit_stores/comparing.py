"""The vectors and texts of names, read to compare them: what sketches leave open is settled here."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from memkit_stores.bulk import ask
from memkit_stores.graph_rows import Ids, matrix_of
from memkit_stores.likeness import cosines, grained
from memkit_stores.likening import Likening

PAGE = 4096  # vectors read at once
CHECKED = 1024  # pairs whose vectors are compared at once: they stay in the cache of the processor
CLOSE = 1e-5  # more than float32 may be off in a cosine

Matrix = NDArray[np.float32]


class Fetched:
    """The vectors of new names, and of others as they are needed."""

    def __init__(self, connection: Connection, likening: Likening, new: Ids, matrix: Matrix) -> None:
        self._connection = connection
        self._likening = likening
        self._new = new
        self._matrix = matrix
        self._lengths = _lengths(matrix)

    def alike(self, some: Ids, others: Ids) -> tuple[Ids, Ids, NDArray[np.float64]]:
        """Those of the pairs whose cosine reaches the threshold, and that. The first of each pair is a new name."""
        ids = np.unique(others[~np.isin(others, self._new)])
        known = np.concatenate((self._new, ids))
        matrix, lengths = self._matrix, self._lengths
        if len(ids):
            more = vectors_of(self._connection, self._likening, ids)
            matrix, lengths = np.concatenate((matrix, more)), np.concatenate((lengths, _lengths(more)))
        order = np.argsort(known)
        left, right = (order[np.searchsorted(known, part, sorter=order)] for part in (some, others))
        kept, threshold = np.empty(len(some), np.bool_), self._likening.threshold
        for start in range(0, len(some), CHECKED):
            a, b = left[start : start + CHECKED], right[start : start + CHECKED]
            rough = np.einsum("ij,ij->i", matrix[a], matrix[b])
            kept[start : start + CHECKED] = rough >= (threshold - CLOSE) * lengths[a] * lengths[b]
        exact = cosines(matrix[left[kept]], matrix[right[kept]])
        enough = exact >= threshold
        return some[kept][enough], others[kept][enough], grained(exact[enough])


def _lengths(matrix: Matrix) -> NDArray[np.float32]:
    lengths: NDArray[np.float32] = np.sqrt(np.einsum("ij,ij->i", matrix, matrix))
    return lengths


def vectors_of(connection: Connection, likening: Likening, ids: Ids) -> Matrix:
    """The vectors of names, in the order of their ids, which ascend."""
    query = "SELECT vector FROM vectors WHERE space = ? AND record IN (?*) ORDER BY record DESC"
    matrix = np.empty((len(ids), likening.dimension), np.float32)
    for start in range(0, len(ids), PAGE):
        some = (-ids[start : start + PAGE]).tolist()
        blobs = [blob for (blob,) in ask(connection, query, some, likening.space)]
        matrix[start : start + PAGE] = matrix_of(blobs, likening.dimension)
    return matrix


def ranks(connection: Connection, ids: Ids) -> Ids:
    """By the order of their texts, the place of each of these names."""
    different, which = np.unique(ids, return_inverse=True)
    texts = dict(ask(connection, "SELECT id, text FROM nodes WHERE id IN (?*)", different.tolist()))
    order = sorted(range(len(different)), key=lambda n: texts[int(different[n])])
    ranks = np.empty(len(different), np.int64)
    ranks[order] = np.arange(len(different))
    return ranks[which]
