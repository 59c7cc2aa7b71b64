"""What the benchmark asks of an operation: its cases, each with everything that computes the same.

An operation's `bench.py` has `cases(kind)`. Does not know how anything is timed, nor what is printed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

import torch

__all__ = ["Bar", "Case", "Contest", "Kind", "absent", "lazily"]

Kind = Literal["cpu", "cuda"]  # the CPU's cases are smaller, and in float32


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """One case with its tensors made.

    `ours` and each of `rivals` run the whole computation once, on inputs that were made before; a rival that cannot run
    here is a text that says why. `moved` is the least number of bytes the operation must move (each input read once,
    each result written once; a gathered row counts where it is gathered) and `flops` what it must compute.
    `check` raises AssertionError where what `ours` gives is wrong at this size; it may take a while.
    """

    ours: Callable[[], object]
    rivals: Mapping[str, Callable[[], object] | str]
    moved: int
    flops: int
    check: Callable[[], None]
    memory: Mapping[str, str] = field(default_factory=dict)  # what is worth saying of memory, by contestant


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What this case has to reach: `least` as the share of a measured rate, or as the quotient rival's time / our time."""

    of: str  # "copy bandwidth", "matrix rate", or the name of a rival
    least: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One operation at one size."""

    operation: str
    variant: str  # what a plot's line shares besides the size: "k=10, 64 queries, bf16"
    size: Mapping[str, int]  # axes by the names of the operation's docstring
    along: str  # the axis of `size` that a plot has below
    dtype: torch.dtype
    prepare: Callable[[torch.device], Contest]
    bar: Bar | None = None


def absent(package: str, remedy: str = "") -> str:
    """Why a rival did not run."""
    return f"{package} is not installed" + (f"; {remedy}" if remedy else "")


def lazily(make: Callable[[], Callable[[], object]]) -> Callable[[], object]:
    """A rival that gets ready in its first call, which is not counted: if that fails, it is out, and the others go on."""
    made = cache(make)
    return lambda: made()()
