"""ppr in numpy by sweeps over all entries, for any number of resets at once.

Axes: N nodes, E entries, M resets. With x = π / degree the definition reads x = b + d P x, where b = a s / degree and a
is 1 - d, or more where nodes without neighbours return their share to the reset. P is similar to a symmetric matrix
whose eigenvalues lie in [-1, 1], so Chebyshev's iteration applies: a step shrinks the error by about
d / (1 + sqrt(1 - d²)), 0.27 at d = 0.5 where a power iteration has 0.5, and costs the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, pairwise

import numpy as np

from memkit_kernels.ppr.graph import Floats, Graph, Ints

BLOCK = 1 << 15  # numbers gathered at once: 256 KB, which stays in a core's own cache


def ppr_sweeps(graph: Graph, resets: Floats, *, damping: float, tolerance: float) -> Floats:
    """π `[M, N]` for resets `[M, N]` that each sum to 1, to an L1 distance of at most `tolerance` each."""
    if not len(resets):
        return resets.copy()
    degrees = graph.degrees[:, None] if len(resets) > 1 else graph.degrees
    columns = np.ascontiguousarray(resets.T) if len(resets) > 1 else resets[0]
    alone = graph.degrees == 0
    scale = restart(columns[alone].sum(axis=0), damping)
    source = scale * np.divide(columns, degrees, out=np.zeros_like(columns), where=degrees > 0)
    solving = chebyshev(graph, source, source, damping)
    for before, x in islice(solving, steps_at_most(damping)):
        step = (degrees * np.abs(x - before)).sum(axis=0)
        if (damping * step <= (1 - damping) * tolerance).all():
            break
    else:
        raise ArithmeticError(f"the iteration did not come within {tolerance} of its end; ask for less precision")
    scores = degrees * x
    scores[alone] = scale * columns[alone]
    return np.ascontiguousarray(scores.T) if len(resets) > 1 else scores[None]


def finest(damping: float) -> float:
    """The smallest tolerance that float64 sweeps can keep: rounding is 1e-16 a step, and 1 / (1 - d) steps add up."""
    return float(1e-14 / (1 - damping) ** 2)


def steps_at_most(damping: float) -> int:
    """Steps that shrink an error by 1e-40: more than any start and any tolerance need."""
    shrink = damping / (1 + np.sqrt(1 - damping**2))
    return 3 + int(np.ceil(40 * np.log(10) / -np.log(shrink))) if shrink else 3


def restart(alone: Floats | float, damping: float) -> Floats:
    """a, given the part of the reset that is on nodes without neighbours.

    Those nodes are reached by the reset only, so π there is a s, and a = 1 - d + d a (their part of s).
    """
    scale: Floats = (1 - damping) / (1 - damping * np.asarray(alone))
    return scale


def chebyshev(graph: Graph, source: Floats, x: Floats, damping: float) -> Iterator[tuple[Floats, Floats]]:
    """Pairs (x, source + d P x), without end: the second is the better one, and their difference bounds its error."""
    entries, weight, before = Entries.of(graph), 1.0, x
    while True:
        after = source + damping * entries.mean(x)
        yield x, after
        weight = 1 / (1 - damping**2 / 2) if before is x else 1 / (1 - damping**2 * weight / 4)
        # the first step is a plain one
        x, before = (after if before is x else before + weight * (after - before)), x


class Entries:
    """A graph's entries in blocks of whole rows, as sweeps read them."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.filled = np.flatnonzero(np.diff(graph.indptr))
        """The rows with entries: np.add.reduceat cannot add up an empty one."""
        self.starts: Ints = graph.indptr[self.filled]
        self.degrees: Floats = graph.degrees[self.filled]

    @classmethod
    def of(cls, graph: Graph) -> Entries:
        """The graph's own, made when first asked for."""
        kept = graph.kept.get((cls,)) or graph.kept.setdefault((cls,), cls(graph))
        assert isinstance(kept, cls)
        return kept

    def mean(self, x: Floats) -> Floats:
        """P x for x `[N]` or `[N, M]`: the weighted mean over each node's neighbours; 0 without any."""
        means = np.zeros_like(x)
        width = 1 if x.ndim == 1 else x.shape[1]
        indices, weights = self.graph.indices, self.graph.weights
        for first, last in self._blocks(max(1, BLOCK // max(width, 1))):
            begin = self.starts[first]
            end = self.starts[last] if last < len(self.starts) else len(indices)
            values = x.take(indices[begin:end].astype(np.intp), axis=0, mode="clip")
            values *= weights[begin:end] if x.ndim == 1 else weights[begin:end, None]
            sums = np.add.reduceat(values, self.starts[first:last] - begin, axis=0)
            shares = self.degrees[first:last] if x.ndim == 1 else self.degrees[first:last, None]
            means[self.filled[first:last]] = sums / shares
        return means

    def _blocks(self, entries: int) -> list[tuple[int, int]]:
        """Ranges of filled rows of about so many entries; a longer row is a range by itself."""
        if not len(self.starts):
            return []
        marks = np.arange(0, len(self.graph.indices), entries)
        bounds = np.unique(np.searchsorted(self.starts, marks, side="left")).tolist()
        edges = [*(bound for bound in bounds if bound < len(self.starts)), len(self.starts)]
        return list(pairwise(edges))
