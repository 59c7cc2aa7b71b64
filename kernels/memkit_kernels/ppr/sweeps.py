"""ppr by sweeps over all entries, for any number of resets.

Axes: N nodes, E entries, M resets. With x = π / degree the definition reads x = b + d P x, where b = a s / degree and a
is 1 - d, or more where nodes without neighbours return their share to the reset. P is similar to a symmetric matrix
whose eigenvalues lie in [-1, 1], so Chebyshev's iteration applies: a step shrinks the error by about
d / (1 + sqrt(1 - d²)), 0.27 at d = 0.5 where a power iteration has 0.5, and costs the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from memkit_kernels.ppr.graph import Floats, Graph, Ints
from memkit_kernels.ppr.product import Product

GROUP = 1 << 17  # numbers: a group of resets and what a sweep makes of it stay in a core's own cache, about
NARROW = 4  # two or three resets at once cost more than one by one: a product gains nothing by so short rows


def ppr_sweeps(graph: Graph, product: Product, resets: Floats, *, damping: float, tolerance: float) -> Floats:
    """π `[M, N]` for resets `[M, N]` that each sum to 1, to an L1 distance of at most `tolerance` each."""
    scores = np.empty_like(resets)
    start, width = 0, max(NARROW, GROUP // max(graph.nodes, 1))
    while start < len(resets):
        end = start + width if len(resets) - start >= NARROW else start + 1
        columns = resets[start] if end == start + 1 else np.ascontiguousarray(resets[start:end].T)
        scores[start:end] = _solved(graph, product, columns, damping, tolerance).T
        start = end
    return scores


def _solved(graph: Graph, product: Product, columns: Floats, damping: float, tolerance: float) -> Floats:
    """π of the shape of the columns, `[N]` or `[N, M]`."""
    degrees = Degrees.of(graph)
    source = degrees.source(columns, damping)
    error, look = np.empty_like(source), sweeps_for(tolerance, damping)
    solving = chebyshev(product, degrees, source, source, damping)
    for step, (before, x) in enumerate(islice(solving, steps_at_most(damping)), 1):
        if step < look:
            continue
        np.abs(np.subtract(x, before, out=error), out=error)
        error *= graph.degrees if x.ndim == 1 else graph.degrees[:, None]  # a BLAS product would start threads for this
        far = damping / (1 - damping) * float(error.sum(axis=0).max(initial=0.0))
        if far <= tolerance:
            break
        look = step + sweeps_for(tolerance / far, damping)
    else:
        raise ArithmeticError(f"the iteration did not come within {tolerance} of its end; ask for less precision")
    np.maximum(x, 0, out=x)  # a step beyond may leave -1e-30 where nothing comes
    x *= degrees.unit if x.ndim == 1 else degrees.unit[:, None]
    return x


@dataclass(frozen=True, slots=True, kw_only=True)
class Degrees:
    """What sweeps need of a graph's degrees, made once.

    A node without neighbours counts as one of degree 1 with a row of zeros in P: then x there is b, which is π.
    """

    alone: Ints
    """The nodes without neighbours."""
    unit: Floats
    """`[N]`: the degrees, 1 for those."""
    inverse: Floats

    @classmethod
    def of(cls, graph: Graph) -> Degrees:
        """The graph's own, made when first asked for."""
        kept = graph.kept.get((cls,))
        if kept is None:
            unit = np.where(graph.degrees > 0, graph.degrees, 1.0)
            kept = cls(alone=np.flatnonzero(graph.degrees == 0), unit=unit, inverse=1 / unit)
            kept = graph.kept.setdefault((cls,), kept)
        assert isinstance(kept, cls)
        return kept

    def source(self, columns: Floats, damping: float) -> Floats:
        """b."""
        source = columns * (self.inverse if columns.ndim == 1 else self.inverse[:, None])
        source *= restart(columns[self.alone].sum(axis=0), damping)
        return source


def finest(damping: float) -> float:
    """The smallest tolerance that float64 sweeps can keep: rounding is 1e-16 a step, and 1 / (1 - d) steps add up."""
    return float(1e-14 / (1 - damping) ** 2)


def shrinking(damping: float) -> float:
    """By how much a sweep shrinks the error, in the end."""
    return damping / (1 + math.sqrt(1 - damping**2))


def steps_at_most(damping: float) -> int:
    """Steps that shrink an error by 1e-40: more than any start and any tolerance need."""
    return 3 + sweeps_for(1e-40, damping)


def sweeps_for(smaller: float, damping: float) -> int:
    """How many sweeps make an error that much smaller; 1 at least."""
    return max(1, math.ceil(math.log(smaller) / math.log(shrinking(damping)))) if damping else 1


def restart(alone: Floats | float, damping: float) -> Floats:
    """a, given the part of the reset that is on nodes without neighbours.

    Those nodes are reached by the reset only, so π there is a s, and a = 1 - d + d a (their part of s).
    """
    scale: Floats = (1 - damping) / (1 - damping * np.asarray(alone))
    return scale


def chebyshev(
    product: Product, degrees: Degrees, source: Floats, x: Floats, damping: float
) -> Iterator[tuple[Floats, Floats]]:
    """Pairs (x, source + d P x), without end: the second is the better one, and their difference bounds its error.

    The second array of a pair is written over when the next pair is asked for.
    """
    share = damping * (degrees.inverse if x.ndim == 1 else degrees.inverse[:, None])
    weight, before = 1.0, x
    while True:
        after = product.sums(x)
        after *= share
        after += source
        yield x, after
        if before is x:  # the first step is a plain one
            weight, x, before = 1 / (1 - damping**2 / 2), after, x
            continue
        after -= before
        after *= weight
        after += before
        weight, x, before = 1 / (1 - damping**2 * weight / 4), after, x
