"""The product that a sweep spends its time on: what each node's neighbours have, times the weights.

Here in numpy; in scipy's compiled code in compiled.py. Axes: N nodes, E entries, M resets.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, Protocol

import numpy as np

from memkit_kernels.ppr.graph import Floats, Graph, Ints

BLOCK = 1 << 15  # numbers gathered at once: 256 KB, which stays in a core's own cache


class Product(Protocol):
    """W x of one graph. Threads may share one."""

    @property
    def runs(self) -> Literal["numpy", "scipy"]: ...
    def sums(self, x: Floats, /) -> Floats:
        """W x for x `[N]` or `[N, M]`, as a new array: the weighted sum over each node's neighbours; 0 without any."""
        ...


class Blocks:
    """In numpy: a graph's entries in blocks of whole rows."""

    runs: Literal["numpy"] = "numpy"

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.filled = np.flatnonzero(np.diff(graph.indptr))
        """The rows with entries: np.add.reduceat cannot add up an empty one."""
        self.starts: Ints = graph.indptr[self.filled]

    @classmethod
    def of(cls, graph: Graph) -> Blocks:
        """The graph's own, made when first asked for."""
        kept = graph.kept.get((cls,)) or graph.kept.setdefault((cls,), cls(graph))
        assert isinstance(kept, cls)
        return kept

    def sums(self, x: Floats, /) -> Floats:
        sums = np.zeros_like(x)
        width = 1 if x.ndim == 1 else x.shape[1]
        indices, weights = self.graph.indices, self.graph.weights
        for first, last in self._blocks(max(1, BLOCK // max(width, 1))):
            begin = self.starts[first]
            end = self.starts[last] if last < len(self.starts) else len(indices)
            values = x.take(indices[begin:end].astype(np.intp), axis=0, mode="clip")
            values *= weights[begin:end] if x.ndim == 1 else weights[begin:end, None]
            sums[self.filled[first:last]] = np.add.reduceat(values, self.starts[first:last] - begin, axis=0)
        return sums

    def _blocks(self, entries: int) -> list[tuple[int, int]]:
        """Ranges of filled rows of about so many entries; a longer row is a range by itself."""
        if not len(self.starts):
            return []
        marks = np.arange(0, len(self.graph.indices), entries)
        bounds = np.unique(np.searchsorted(self.starts, marks, side="left")).tolist()
        edges = [*(bound for bound in bounds if bound < len(self.starts)), len(self.starts)]
        return list(pairwise(edges))
