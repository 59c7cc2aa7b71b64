"""What is asked of a search for the best nodes, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from memkit_kernels.ppr.graph import Floats, Graph, Ints
from memkit_kernels.ppr.ranking import Picked, Scored
from memkit_kernels.ppr.reference import ranked
from memkit_kernels.ppr.sweeps import restart

How = Literal["near the seeds", "sweeps"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Top:
    """The best nodes of a π, best first.

    `nodes` int64 and `scores` float64, at most k: fewer where fewer nodes score more than 1e-9. Every score is within
    `bound` of the true one. `certain`: the nodes are the k best, proven; they are in the true order too as far as their
    scores differ by more than twice the bound. `how` is what found them, and `entries` how many entries of the graph it
    read, sweeps counted each time.
    """

    nodes: Ints
    scores: Floats
    bound: float
    certain: bool
    how: How
    entries: int

    @classmethod
    def of(cls, scored: Scored, picked: Picked, how: How, entries: int) -> Top:
        at = picked.places
        at = at[ranked(scored.nodes[at], scored.estimate[at])]
        low, estimate, high = scored.low[at], scored.estimate[at], scored.high[at]
        bound = float(np.maximum(high - estimate, estimate - low).max(initial=0.0))
        return cls(
            nodes=scored.nodes[at], scores=estimate, bound=bound, certain=picked.certain, how=how, entries=entries
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One reset, as searches use it: different nodes in rising order, parts of sum 1."""

    seeds: Ints
    parts: Floats
    k: int
    damping: float
    among: np.ndarray | None
    limit: int | None

    def scale(self, graph: Graph) -> float:
        """a of sweeps.restart."""
        return float(restart(float(self.parts[graph.degrees[self.seeds] == 0].sum()), self.damping))
