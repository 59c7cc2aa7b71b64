"""An undirected weighted graph in compressed sparse rows, checked once.

Does not know what its nodes stand for. Needs numpy alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from memkit_kernels.ppr.edges import Floats, Ints, Rows, merged, rows_of, summed

__all__ = ["Floats", "Graph", "Ints"]

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
    plain: bool = field(init=False, repr=False, default=False)
    """Whether the rows are known to be plain (edges.py), as `of` and `grown` make them."""
    spare: list[NDArray[np.int32]] = field(init=False, repr=False, default_factory=list)
    """Work arrays `[N]` of zeros that no search is using. A search takes one or makes one, and gives it back zeroed."""
    kept: dict[tuple[object, ...], object] = field(init=False, repr=False, default_factory=dict)
    """What the backends derive from the arrays once: row blocks, copies on other devices."""

    def __post_init__(self) -> None:
        _check_arrays(self.indptr, self.indices, self.weights)
        degrees = _degrees(self.indptr, self.weights)
        _check_sums(degrees)
        _check_both_directions(self.indptr, self.indices, self.weights)
        object.__setattr__(self, "degrees", degrees)
        object.__setattr__(self, "heaviest", _heaviest(degrees))

    @classmethod
    def of(cls, rows: ArrayLike, cols: ArrayLike, weights: ArrayLike | None = None, *, nodes: int) -> Graph:
        """The graph of the edges rows[i] - cols[i], each given once, in either direction.

        Without weights each is 1. An edge given several times has the sum. Self-loops and edges of weight 0 are
        dropped. ValueError for a node outside 0..nodes-1, and for a weight that is negative or not finite.
        """
        a, b, w = _given(rows, cols, weights, nodes)
        if (w < 0).any():
            raise ValueError("weights must be finite and not negative")
        made = rows_of(*summed(a, b, w, nodes), nodes)
        return cls._plain(made, _degrees(made.indptr, made.weights))

    def grown(self, rows: ArrayLike, cols: ArrayLike, weights: ArrayLike, *, nodes: int) -> Graph:
        """This graph with more nodes and more edges; this one stays as it is.

        Edges are given as in `of`. Their weights are added to those of pairs that exist; a negative one takes so much
        away, and an edge that comes to exactly 0 goes. The result is that of `of` for everything together, bit for bit
        where sums of weights are exact, as those of multiples of 2^-20 are below 2^33.

        Copies the entries, and sorts the new ones alone; a graph that `of` and `grown` did not make is sorted once.
        ValueError for fewer nodes, for what `of` refuses, and where an edge would lose more than it has.
        """
        if nodes < self.nodes:
            raise ValueError(f"a graph of {self.nodes} nodes cannot grow to {nodes}")
        more = rows_of(*summed(*_given(rows, cols, weights, nodes), nodes), nodes)
        old = self if self.plain else self._sorted()
        made = merged(Rows(old.indptr, old.indices, old.weights.astype(np.float64, copy=False)), more)
        degrees = np.concatenate((old.degrees, np.zeros(nodes - self.nodes)))
        touched = np.flatnonzero(np.diff(more.indptr))
        degrees[touched] = _degrees_of(touched, made)
        return type(self)._plain(made, degrees)

    @classmethod
    def _plain(cls, rows: Rows, degrees: Floats) -> Graph:
        """Of rows that are what a graph's must be by the way they were made."""
        _check_sums(degrees)
        graph = object.__new__(cls)
        values = {"degrees": degrees, "heaviest": _heaviest(degrees), "plain": True, "spare": [], "kept": {}}
        for name, value in (rows._asdict() | values).items():
            object.__setattr__(graph, name, value)
        return graph

    def _sorted(self) -> Graph:
        """The same graph with plain rows."""
        rows = np.repeat(np.arange(self.nodes), np.diff(self.indptr))
        once = rows < self.indices
        return Graph.of(rows[once], self.indices[once], self.weights[once], nodes=self.nodes)

    @property
    def nodes(self) -> int:
        return len(self.indptr) - 1

    @property
    def entries(self) -> int:
        return len(self.indices)


def _given(
    rows: ArrayLike, cols: ArrayLike, weights: ArrayLike | None, nodes: int
) -> tuple[np.ndarray, np.ndarray, Floats]:
    """Edges as arrays, checked but for the sign of weights."""
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
    if not np.isfinite(w).all():
        raise ValueError("weights must be finite and not negative")
    return a, b, w


def _degrees(indptr: Ints, weights: NDArray[np.float32] | Floats) -> Floats:
    degrees = np.zeros(len(indptr) - 1)
    filled = np.flatnonzero(np.diff(indptr))
    if len(filled):
        with np.errstate(over="ignore"):  # _check_sums refuses infinity
            degrees[filled] = np.add.reduceat(weights, indptr[filled], dtype=np.float64)
    return degrees


def _degrees_of(nodes: Ints, rows: Rows) -> Floats:
    """The degrees of these nodes alone, from copies of their rows one after the other."""
    starts = rows.indptr[nodes]
    counts = rows.indptr[nodes + 1] - starts
    indptr = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts)))
    entries = np.repeat(starts - indptr[:-1], counts) + np.arange(indptr[-1])
    return _degrees(indptr, rows.weights[entries])


def _heaviest(degrees: Floats) -> Ints:
    most = min(HEAVIEST, len(degrees))
    heaviest = np.argpartition(-degrees, most - 1)[:most] if most else np.empty(0, np.int64)
    return np.asarray(heaviest[np.argsort(-degrees[heaviest], kind="stable")])


def _check_sums(degrees: Floats) -> None:
    if not np.isfinite(degrees).all():
        raise ValueError("the weights of a node add up to infinity; scale them down")


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
