"""An undirected weighted graph in compressed sparse rows, checked once.

Does not know what its nodes stand for. Needs numpy alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_NODES = 2**31 - 1  # a neighbour is an int32
HEAVIEST = 64  # how many nodes of largest degree are remembered, for bounds on nodes that a search has not seen
SAME = 1e-6  # the two directions of an edge may differ by this share: they may be float32 sums in different orders


@dataclass(frozen=True, eq=False, kw_only=True)
class Graph:
    """Axes: N nodes, E entries, two for each edge. The arrays are not copied and must not be changed afterwards.

    `indptr` int64 `[N + 1]`, `indices` int32 `[E]`, `weights` float32 or float64 `[E]`: the neighbours of node v are
    `indices[indptr[v]:indptr[v + 1]]`, in any order. Each edge stands in both rows with one weight, positive and
    finite. Parallel edges count as one with the sum of their weights. ValueError for anything else, self-loops too
    (`Graph.of` drops them). N and E may be 0.

    Two graphs are equal if they are the same object. Threads may share one.
    """

    indptr: Ints
    indices: NDArray[np.int32]
    weights: NDArray[np.float32] | Floats
    degrees: Floats = field(init=False, repr=False)
    """`[N]`: the sum of a node's weights."""
    heaviest: Ints = field(init=False, repr=False)
    """The nodes of largest degree, at most 64, largest first."""
    spare: list[NDArray[np.int32]] = field(init=False, repr=False, default_factory=list)
    """Work arrays `[N]` of zeros that no search is using. A search takes one or makes one, and gives it back zeroed."""
    kept: dict[tuple[object, ...], object] = field(init=False, repr=False, default_factory=dict)
    """What the backends derive from the arrays once: row blocks, copies on other devices."""

    def __post_init__(self) -> None:
        _check_arrays(self.indptr, self.indices, self.weights)
        degrees = np.zeros(self.nodes)
        filled = np.flatnonzero(np.diff(self.indptr))
        if len(filled):
            degrees[filled] = np.add.reduceat(self.weights, self.indptr[filled], dtype=np.float64)
        if not np.isfinite(degrees).all():
            raise ValueError("the weights of a node add up to infinity; scale them down")
        _check_both_directions(self.indptr, self.indices, self.weights)
        most = min(HEAVIEST, self.nodes)
        heaviest = np.argpartition(-degrees, most - 1)[:most] if most else np.empty(0, np.int64)
        object.__setattr__(self, "degrees", degrees)
        object.__setattr__(self, "heaviest", heaviest[np.argsort(-degrees[heaviest], kind="stable")])

    @classmethod
    def of(cls, rows: ArrayLike, cols: ArrayLike, weights: ArrayLike | None = None, *, nodes: int) -> Graph:
        """The graph of the edges rows[i] - cols[i], each given once, in either direction.

        Without weights each is 1. An edge given several times has the sum. Self-loops and edges of weight 0 are
        dropped. ValueError for a node outside 0..nodes-1, and for a weight that is negative or not finite.
        """
        a, b = np.atleast_1d(np.asarray(rows)), np.atleast_1d(np.asarray(cols))
        w = np.ones(len(a)) if weights is None else np.atleast_1d(np.asarray(weights, np.float64))
        if not (a.ndim == b.ndim == w.ndim == 1 and len(a) == len(b) == len(w)):
            raise ValueError(f"rows, cols and weights must have one length, not {a.shape}, {b.shape} and {w.shape}")
        if not 0 <= nodes <= MAX_NODES:
            raise ValueError(f"nodes must be 0 to {MAX_NODES}, not {nodes}")
        if len(a) and not (np.issubdtype(a.dtype, np.integer) and np.issubdtype(b.dtype, np.integer)):
            raise ValueError(f"rows and cols must be integers, not {a.dtype} and {b.dtype}")
        if len(a) and (min(a.min(), b.min()) < 0 or max(a.max(), b.max()) >= nodes):
            raise ValueError(f"an edge names a node outside 0..{nodes - 1}")
        if not (np.isfinite(w).all() and (w >= 0).all()):
            raise ValueError("weights must be finite and not negative")
        kept = (a != b) & (w > 0)
        low, high = np.minimum(a, b)[kept].astype(np.int64), np.maximum(a, b)[kept].astype(np.int64)
        # Summed before they are doubled, so that both directions have the same bits.
        keys, sums = _summed(low * nodes + high, w[kept])
        low, high = keys // max(nodes, 1), keys % max(nodes, 1)
        both = np.concatenate((keys, high * nodes + low))
        order = np.argsort(both, kind="stable")
        counts = np.bincount(np.concatenate((low, high)), minlength=nodes)
        return cls(
            indptr=np.concatenate((np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64))),
            indices=np.concatenate((high, low))[order].astype(np.int32),
            weights=np.concatenate((sums, sums))[order],
        )

    @property
    def nodes(self) -> int:
        return len(self.indptr) - 1

    @property
    def entries(self) -> int:
        return len(self.indices)


def _check_arrays(indptr: Ints, indices: NDArray[np.int32], weights: NDArray[np.float32] | Floats) -> None:
    if indptr.dtype != np.int64 or indices.dtype != np.int32 or weights.dtype not in (np.float32, np.float64):
        raise ValueError(
            "indptr, indices and weights must be int64, int32 and float32 or float64, "
            f"not {indptr.dtype}, {indices.dtype} and {weights.dtype}"
        )
    if not (indptr.ndim == indices.ndim == weights.ndim == 1 and len(indptr) and len(indices) == len(weights)):
        raise ValueError(
            "indptr, indices and weights must be [N + 1], [E] and [E], "
            f"not {indptr.shape}, {indices.shape} and {weights.shape}"
        )
    if indptr[0] != 0 or indptr[-1] != len(indices) or (np.diff(indptr) < 0).any():
        raise ValueError(f"indptr must rise from 0 to the number of entries, {len(indices)}")
    if len(indices) and (indices.min() < 0 or indices.max() >= len(indptr) - 1):
        raise ValueError(f"an entry names a node outside 0..{len(indptr) - 2}")
    if not (np.isfinite(weights).all() and (weights > 0).all()):
        raise ValueError("weights must be positive and finite")


def _check_both_directions(indptr: Ints, indices: NDArray[np.int32], weights: NDArray[np.float32] | Floats) -> None:
    nodes = len(indptr) - 1
    rows = np.repeat(np.arange(nodes, dtype=np.int64), np.diff(indptr))
    if (rows == indices).any():
        raise ValueError("a node is its own neighbour; Graph.of drops such edges")
    there, forth = _summed(rows * nodes + indices, weights)
    back, again = _summed(indices.astype(np.int64) * nodes + rows, weights)
    if not (np.array_equal(there, back) and np.allclose(forth, again, rtol=SAME, atol=0)):
        raise ValueError("an edge must stand in both of its rows with the same weight")


def _summed(keys: Ints, weights: NDArray[np.float32] | Floats) -> tuple[Ints, Floats]:
    """The different keys, rising, and the sum of the weights of each."""
    if not len(keys):
        return keys, np.zeros(0)
    if (keys[1:] < keys[:-1]).any():
        order = np.argsort(keys, kind="stable")
        keys, weights = keys[order], weights[order]
    first = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    return keys[first], np.add.reduceat(weights, first, dtype=np.float64)
