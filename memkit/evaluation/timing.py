"""Measuring time on a machine that does other things as well.

What is compared is measured in turn, a block of one, a block of the other, and again: whatever slows the machine down
slows both. Wall time is taken of every call, CPU time (user and system, all threads) of a block, per call.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypedDict


class Cost(TypedDict):
    p50_ms: float
    p95_ms: float
    cpu_ms: float
    cpu_best_ms: float


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds: the wall time of each call, and for each block the CPU time of a call in it."""

    wall: list[float]
    cpu: list[float]

    def cost(self, *, per: int = 1) -> Cost:
        """In milliseconds, for one of the `per` things that a call does. `cpu_ms` is the median of the blocks, `cpu_best_ms`
        the best block: what it costs when nothing else wants the machine."""
        return {
            "p50_ms": _ms(percentile(self.wall, 50), per),
            "p95_ms": _ms(percentile(self.wall, 95), per),
            "cpu_ms": _ms(median(self.cpu), per),
            "cpu_best_ms": _ms(min(self.cpu), per),
        }


def measure(work: Mapping[str, Callable[[int], object]], *, blocks: int, calls: int) -> dict[str, Measured]:
    """Call each piece of work blocks · calls times, with the numbers 0, 1, 2, …"""
    found = {name: Measured([], []) for name in work}
    for block in range(blocks):
        for name, call in work.items():
            wall = found[name].wall
            spent = time.process_time()
            for number in range(block * calls, (block + 1) * calls):
                started = time.perf_counter()
                call(number)
                wall.append(time.perf_counter() - started)
            found[name].cpu.append((time.process_time() - spent) / calls)
    return found


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that this many percent do not exceed (nearest rank). There is at least one value."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def _ms(seconds: float, per: int) -> float:
    return round(1e3 * seconds / per, 5)
