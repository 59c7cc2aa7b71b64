"""Compile and tune kernels before the work that needs them, not in the middle of it.

Does not know what a kernel computes: each operation's `kernel.py` has a `warm` that runs it at usual sizes.
"""

import time
from collections.abc import Iterable, Sequence
from importlib import import_module

import torch

from memkit_kernels import OPERATIONS
from memkit_kernels.backend import BackendUnavailable, obstacle_to_triton

__all__ = ["warmup"]

PLAIN = torch.float32  # every kernel takes it


def warmup(
    *operations: str, device: torch.device | str | None = None, dtypes: Iterable[torch.dtype] = (torch.bfloat16,)
) -> dict[str, float]:
    """Compile and tune these operations' kernels, or all, on one GPU; return the seconds each took, by name.

    Afterwards a call in one of the `dtypes`, at whatever lengths, compiles little or nothing and tunes nothing: what is
    left is what a call fixes besides its lengths, such as another number of features. Compiled kernels and tuned choices
    are kept on disk by Triton for the next process (linear_surprisal's choices from Hopper on are not: it tunes again,
    compiling nothing). `device` is the current CUDA device if
    None. An operation that takes none of the `dtypes` is warmed in float32 (`ppr`, whose scores need it).

    ValueError for a name that is no operation and for `dtypes` that are not a list of at least one; BackendUnavailable
    where there is no such GPU or Triton cannot run on that device. In Triton's interpreter, on a CPU, it compiles nothing:
    the kernels run once, at usual sizes, which takes minutes.
    """
    wanted, names = _dtypes(dtypes), operations or OPERATIONS
    unknown = [name for name in names if name not in OPERATIONS]
    if unknown:
        raise ValueError(f"operations are {', '.join(OPERATIONS)}, not {', '.join(map(repr, unknown))}")
    place = _place(device)
    work = {name: _suited(name, wanted, place) for name in dict.fromkeys(names)}  # all are sure to run before one does
    seconds: dict[str, float] = {}
    for name, suited in work.items():
        start = time.perf_counter()
        warm = import_module(f"memkit_kernels.{name}.kernel").warm
        for dtype in suited:
            warm(place, dtype)
        if place.type == "cuda":
            torch.cuda.synchronize(place)
        seconds[name] = time.perf_counter() - start
    return seconds


def _place(device: torch.device | str | None) -> torch.device:
    place = torch.device("cuda" if device is None else device)
    if place.type != "cuda":
        return place
    if not torch.cuda.is_available():
        raise BackendUnavailable("warmup needs a GPU, and torch sees none here; on a CPU there is nothing to compile")
    if place.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    if place.index >= torch.cuda.device_count():
        raise BackendUnavailable(f"there is no {place}: torch sees {torch.cuda.device_count()} GPUs here")
    return place


def _dtypes(given: Iterable[torch.dtype]) -> tuple[torch.dtype, ...]:
    """Those to warm. A name would pass for a dtype that no kernel takes, and float32 be warmed in its place."""
    wanted = () if isinstance(given, torch.dtype) else tuple(given)
    if not wanted or not all(isinstance(dtype, torch.dtype) for dtype in wanted):
        raise ValueError(f"dtypes must be a list of at least one torch.dtype, not {given!r}")
    return wanted


def _suited(operation: str, wanted: Sequence[torch.dtype], device: torch.device) -> list[torch.dtype]:
    """The dtypes to warm an operation in."""
    if operation == "ppr":  # its package is for arrays as well, and does not load torch
        takes = import_module("memkit_kernels.ppr.batched").DTYPES
    else:
        takes = import_module(f"memkit_kernels.{operation}").KERNEL_DTYPES
    suited = [dtype for dtype in dict.fromkeys(wanted) if dtype in takes] or [PLAIN]
    for dtype in suited:
        if why := obstacle_to_triton(device, dtype, takes):
            raise BackendUnavailable(f"{operation} cannot be warmed up: {why}")
    return suited
