"""Measuring time on a machine that does other things as well.

What is compared is measured in turn, a block of one, a block of the other, and again: whatever slows the machine down
slows both. The figure is the median of the blocks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Times = dict[str, float]


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that this many percent do not exceed (nearest rank). There is at least one value."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]
