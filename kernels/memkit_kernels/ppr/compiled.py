"""The product of a sweep in scipy's compiled code, which passes over the entries once where numpy passes three times."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy import sparse

from memkit_kernels.ppr.graph import Floats, Graph

SMALL = 2**31 - 1  # up to so many entries row starts are int32, as the neighbours are; else scipy widens both


class Compiled:
    """By scipy.sparse. See `product.Product`.

    Float64 weights and the neighbours are the graph's own arrays. float32 weights are copied once: scipy would do it at
    every product.
    """

    runs: Literal["scipy"] = "scipy"

    def __init__(self, graph: Graph) -> None:
        starts = graph.indptr.astype(np.int32) if graph.entries <= SMALL else graph.indptr
        weights = graph.weights.astype(np.float64, copy=False)
        self.matrix = sparse.csr_array((weights, graph.indices, starts), shape=(graph.nodes, graph.nodes))

    @classmethod
    def of(cls, graph: Graph) -> Compiled:
        """The graph's own, made when first asked for."""
        kept = graph.kept.get((cls,)) or graph.kept.setdefault((cls,), cls(graph))
        assert isinstance(kept, cls)
        return kept

    def sums(self, x: Floats, /) -> Floats:
        sums: Floats = self.matrix @ x
        return sums
