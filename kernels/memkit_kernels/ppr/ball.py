"""The part of a graph that one search has read, and bounds on every score that follow from it.

Names: x = π / degree, so that the definition reads x = b + d P x (see sweeps.py). *Inside* are the nodes whose rows were
read; the *rim* are their other neighbours; *outside* is all else, the rim too. Local numbers count nodes in the order in
which they were met. The proof of the bounds is in README.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from memkit_kernels.ppr.graph import Floats, Graph, Ints

STEPS = 5  # Chebyshev steps on the inside; the rest of the error is in the bounds
SWEEPS = 3  # sweeps that tighten the upper bounds; a fourth changes them by less than a tenth


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """`low <= π <= low + width` for the nodes met, `estimate` in between, and π <= `beyond` degree for all others."""

    nodes: Ints
    low: Floats
    estimate: Floats
    high: Floats
    beyond: float


class Ball:
    """Grows from the seeds to all nodes that matter at a threshold. One search, one thread; `close` it.

    `place` is a work array `[N]` of zeros: 1 + the local number of each node met. `source` is b at the seeds.
    """

    def __init__(self, graph: Graph, place: np.ndarray, seeds: Ints, source: Floats, damping: float) -> None:
        self.graph, self.place, self.damping = graph, place, damping
        self.nodes = seeds
        place[seeds] = np.arange(1, len(seeds) + 1, dtype=np.int32)
        self.degrees: Floats = graph.degrees[seeds]
        self.source, self.residual = source, source.copy()
        self.inside = np.zeros(len(seeds), bool)
        self.read = 0
        self._x: list[Floats] = []
        self._order: list[Ints] = []
        self._entries: list[tuple[Ints, Ints, Floats]] = []

    def close(self) -> None:
        """Zero the work array again, in time proportional to the nodes met."""
        self.place[self.nodes] = 0

    def grow(self, threshold: float, limit: int) -> None:
        """Read the rows of all nodes outside whose residual (in x) exceeds the threshold, and so on from these.

        Stops before a round that would read more than `limit` entries in all.
        """
        while True:
            front = np.flatnonzero((self.residual > threshold) & ~self.inside)
            if not len(front):
                return
            starts = self.graph.indptr[self.nodes[front]]
            counts = self.graph.indptr[self.nodes[front] + 1] - starts
            if self.read + int(counts.sum()) > limit:
                return
            self._expand(front, starts, counts)

    def _expand(self, front: Ints, starts: Ints, counts: Ints) -> None:
        ends = np.cumsum(counts)
        entry = np.arange(ends[-1])
        entry += np.repeat(starts - ends + counts, counts)
        weights = self.graph.weights[entry].astype(np.float64, copy=False)
        there = self._meet(self.graph.indices[entry].astype(np.intp))
        x = self.residual[front]
        flow = weights * np.repeat(self.damping * x, counts)
        gained = _sums(there, flow, len(self.nodes)) / self.degrees
        self.residual[front] = 0
        gained[: len(self.residual)] += self.residual
        self.residual = gained
        self.inside[front] = True
        inner = sum(map(len, self._order))
        self._entries.append((np.repeat(np.arange(inner, inner + len(front)), counts), there, weights))
        self._order.append(front)
        self._x.append(x)
        self.read += int(ends[-1])

    def _meet(self, neighbours: Ints) -> Ints:
        """Local numbers of these nodes, new ones for those not met before."""
        met = self.place[neighbours]
        strange = neighbours[met == 0]
        if len(strange):
            # Of several entries of one node the last one written stays: that one counts, and no sorting is needed.
            mark = np.arange(1, len(strange) + 1, dtype=np.int32)
            self.place[strange] = mark
            fresh = strange[self.place[strange] == mark]
            known = len(self.nodes)
            self.nodes = np.concatenate((self.nodes, fresh))
            self.place[fresh] = np.arange(known + 1, known + len(fresh) + 1, dtype=np.int32)
            self.degrees = np.concatenate((self.degrees, self.graph.degrees[fresh]))
            self.inside = np.concatenate((self.inside, np.zeros(len(fresh), bool)))
            met = self.place[neighbours]
        return met.astype(np.intp) - 1

    def solve(self) -> Bounds:
        """Bounds on all scores from what was read. Afterwards the residual is right for growing further."""
        inner = np.concatenate(self._order) if self._order else np.empty(0, np.intp)
        square = _Square(self, inner)
        x = (np.concatenate(self._x) if self._x else np.zeros(0)) + self.residual[inner]
        b = np.zeros(len(self.nodes))
        b[: len(self.source)] = self.source
        outer = np.where(self.inside, 0.0, b)
        inner_b = b[inner]
        x = square.chebyshev(inner_b + square.from_rim(self.residual), x, STEPS)
        rim = square.to_rim(x) + outer
        rest = inner_b + square.from_rim(rim) + square.within(x) - x
        below, above, constant = self._widths(square, rim, rest)
        estimate = rim.copy()
        estimate[inner] = x
        high = estimate + above
        self._x, start = [], 0
        for part in self._order:
            self._x.append(x[start : start + len(part)])
            start += len(part)
        self.residual = np.where(self.inside, 0.0, rim)
        scale = self.degrees
        return Bounds(
            nodes=self.nodes,
            low=np.maximum(estimate - below, 0.0) * scale,
            estimate=estimate * scale,
            high=high * scale,
            beyond=self.damping * constant,
        )

    def _widths(self, square: _Square, rim: Floats, rest: Floats) -> tuple[float, Floats, float]:
        """How far x may be below the estimate, above it for each node met, and above 0 for any node outside."""
        d = self.damping
        below = max(0.0, -float(rest.min(initial=0.0))) / (1 - d)
        spare = max(0.0, float(rest.max(initial=0.0))) / (1 - d)
        share = np.where(self.inside, 1.0, square.share)
        outside = np.where(self.inside, 0.0, rim) / ((1 - d) * (1 + d * share))
        constant = max(float(outside.max(initial=0.0)), spare / d if d else 0.0)
        unknown = d * (1 - share) * constant
        most = d * constant if d else spare
        inner = rest + most * square.inward + square.from_rim(unknown + d * most * share)
        for _ in range(SWEEPS - 1):
            inner = rest + square.within(inner) + square.from_rim(unknown + square.to_rim(inner))
        above = unknown + square.to_rim(inner)
        above[square.inner] = inner
        return below, above, constant


def _sums(places: Ints, values: Floats, count: int) -> Floats:
    """`[count]`: the sum of the values at each place."""
    return cast("Floats", np.bincount(places, values, minlength=count))  # numpy's stub says int, as without weights


class _Square:
    """P between inside and inside, and between inside and rim, times d."""

    def __init__(self, ball: Ball, inner: Ints) -> None:
        rows, there, weights = (
            (np.concatenate(part) for part in zip(*ball._entries, strict=True))
            if ball._entries
            else (np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0))
        )
        number = np.empty(len(ball.nodes), np.intp)
        number[inner] = np.arange(len(inner))
        inside = ball.inside[there]
        stays, leaves = np.flatnonzero(inside), np.flatnonzero(~inside)
        self.inner, self.damping = inner, ball.damping
        self.rows, self.there, self.weights = rows[stays], number[there[stays]], weights[stays]
        self.out_rows, self.out_there, self.out_weights = rows[leaves], there[leaves], weights[leaves]
        self.scale = ball.damping / ball.degrees[inner]
        self.rim_scale = ball.damping / ball.degrees
        self.share = np.minimum(_sums(self.out_there, self.out_weights, len(ball.nodes)) / ball.degrees, 1.0)
        """`[met]`: the part of a rim node's weight that leads inside."""
        self.inward = self.scale * _sums(self.rows, self.weights, len(inner))
        """`[inside]`: d times the part of a node's weight that leads to other nodes inside."""

    def within(self, x: Floats) -> Floats:
        return self.scale * _sums(self.rows, self.weights * x[self.there], len(x))

    def to_rim(self, x: Floats) -> Floats:
        return self.rim_scale * _sums(self.out_there, self.out_weights * x[self.out_rows], len(self.share))

    def from_rim(self, rim: Floats) -> Floats:
        return self.scale * _sums(self.out_rows, self.out_weights * rim[self.out_there], len(self.inner))

    def chebyshev(self, b: Floats, x: Floats, steps: int) -> Floats:
        """See sweeps.chebyshev; on the inside alone, where P's eigenvalues lie in [-1, 1] too."""
        before, weight, square = x, 1.0, self.damping**2
        x = b + self.within(x)
        for step in range(1, steps):
            weight = 1 / (1 - square / 2) if step == 1 else 1 / (1 - square * weight / 4)
            x, before = before + weight * (b + self.within(x) - before), x
        return x
