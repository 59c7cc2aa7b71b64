"""Edges into compressed sparse rows, and more edges into rows that are there. Linear in the entries, up to sorting by digits.

*Plain* rows: neighbours rising, each once, weights float64. Axes: N nodes, E entries, M edges.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DIGIT = 16  # bits: numpy sorts numbers so short by counting


class Rows(NamedTuple):
    """`indptr` int64 `[N + 1]`, `indices` int32 `[E]`, `weights` float64 `[E]`."""

    indptr: Ints
    indices: NDArray[np.int32]
    weights: Floats


def summed(a: np.ndarray, b: np.ndarray, weights: Floats, nodes: int) -> tuple[Ints, Ints, Floats]:
    """Each pair once, the lower node first, rising, with the sum of its weights. Loops and sums of 0 are left out.

    Weights of a pair are added up in the order in which they came.
    """
    apart = a != b
    low, high = np.minimum(a, b)[apart].astype(np.int64), np.maximum(a, b)[apart].astype(np.int64)
    order = _order(low, nodes, _order(high, nodes))
    low, high, weights = low[order], high[order], weights[apart][order]
    if len(low):
        first = np.flatnonzero(np.concatenate(([True], (low[1:] != low[:-1]) | (high[1:] != high[:-1]))))
        with np.errstate(over="ignore"):  # infinity is refused with the degrees
            low, high, weights = low[first], high[first], np.add.reduceat(weights, first)
    some = weights != 0
    return (low, high, weights) if some.all() else (low[some], high[some], weights[some])


def rows_of(low: Ints, high: Ints, weights: Floats, nodes: int) -> Rows:
    """Plain rows of edges as `summed` gives them. In a row the lower neighbours come first: those of the turned edges."""
    turned = _order(high, nodes)
    forth, back = _starts(low, nodes), _starts(high, nodes)
    place = np.arange(len(low))
    at, at_turned = place + back[low + 1], place + forth[high[turned]]
    indices, both = np.empty(2 * len(low), np.int32), np.empty(2 * len(low))
    indices[at], indices[at_turned] = high, low[turned]
    both[at], both[at_turned] = weights, weights[turned]
    return Rows(forth + back, indices, both)


def merged(rows: Rows, more: Rows) -> Rows:
    """Plain rows with the weights of others added, of at least as many nodes. Entries that come to 0 go.

    ValueError where a weight would become negative.
    """
    nodes, entries = len(more.indptr) - 1, len(rows.indices)
    indptr = np.concatenate((rows.indptr, np.full(nodes + 1 - len(rows.indptr), entries)))
    row = np.repeat(np.arange(nodes), np.diff(more.indptr))
    at, met = _find(indptr, rows.indices, row, more.indices)
    weights = rows.weights.copy()
    with np.errstate(over="ignore"):
        weights[at[met]] += more.weights[met]
    if (weights[at[met]] < 0).any() or (more.weights[~met] < 0).any():
        raise ValueError("an edge cannot lose more weight than it has")
    ends = met.copy()  # the entries that end here
    ends[met] = weights[at[met]] == 0
    if met.all() and not ends.any():
        return Rows(indptr, rows.indices, weights)
    stays = np.ones(entries, bool)
    stays[at[ends]] = False
    # Where the new ones stand: moved on by each that came in before, and back by each that went.
    fresh = at[~met] + np.arange(np.count_nonzero(~met)) - np.searchsorted(at[ends], at[~met])
    old = np.ones(np.count_nonzero(stays) + len(fresh), bool)
    old[fresh] = False
    indices, all_weights = np.empty(len(old), np.int32), np.empty(len(old))
    indices[old], indices[fresh] = rows.indices[stays], more.indices[~met]
    all_weights[old], all_weights[fresh] = weights[stays], more.weights[~met]
    change = np.bincount(row[~met], minlength=nodes) - np.bincount(row[ends], minlength=nodes)
    return Rows(indptr + np.concatenate(([0], np.cumsum(change))), indices, all_weights)


def _find(indptr: Ints, indices: NDArray[np.int32], row: Ints, neighbour: NDArray[np.int32]) -> tuple[Ints, np.ndarray]:
    """Where each neighbour stands in its row, or would stand, and whether it is there: bisection, all at once."""
    low, high = indptr[row], indptr[row + 1]
    end = high
    while (low < high).any():
        middle = (low + high) // 2
        before = (low < high) & (indices[np.minimum(middle, len(indices) - 1)] < neighbour)
        low, high = np.where(before, middle + 1, low), np.where(before, high, middle)
    met = low < end
    met[met] = indices[low[met]] == neighbour[met]
    return low, met


def _starts(sorted_nodes: Ints, nodes: int) -> Ints:
    """`[N + 1]`: how many are below each node."""
    counts = np.bincount(sorted_nodes, minlength=nodes)
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)))


def _order(numbers: Ints, nodes: int, order: Ints | None = None) -> Ints:
    """What sorts the numbers 0..N-1, or sorts them further where they are in an order already."""
    for shift in range(0, max(1, int(nodes - 1).bit_length()), DIGIT):
        digits = (numbers if order is None else numbers[order]) >> shift
        by = np.argsort((digits & (2**DIGIT - 1)).astype(np.uint16), kind="stable")
        order = by if order is None else order[by]
    assert order is not None
    return order
