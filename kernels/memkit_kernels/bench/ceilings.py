"""What this device can do at most: how fast it copies, and how fast it multiplies matrices. Measured, not looked up."""

import gc
from collections.abc import Callable
from dataclasses import dataclass

import torch

from memkit_kernels.bench.clock import QUICK, Patience, race

__all__ = ["Ceilings", "ceilings"]

COPIED = {"cpu": (2**26, 2**28), "cuda": (2**28, 2**30, 2**32)}  # bytes; the smallest is many times a cache
MATRICES = {"cpu": (1024, 2048), "cuda": (4096, 8192, 16384)}
DTYPES = {"cpu": torch.float32, "cuda": torch.bfloat16}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """The best of several sizes, on random numbers: a matrix unit draws less power on zeros, and runs faster."""

    copy_bytes_per_second: float  # bytes read and bytes written
    matrix_flops_per_second: float  # two for each product
    dtype: str  # of the matrices

    def floor_seconds(self, moved: int, flops: int) -> float:
        """Less time than this nothing can take that moves and computes so much."""
        return max(moved / self.copy_bytes_per_second, flops / self.matrix_flops_per_second)


def ceilings(device: torch.device, patience: Patience) -> Ceilings:
    """What the device reaches now. Sizes that do not fit are left out, and in haste the largest."""
    kind, dtype, upto = device.type, DTYPES[device.type], -1 if patience == QUICK else None
    copied = max(_copy(size, dtype, device, patience) for size in COPIED[kind][:upto])
    multiplied = max(_multiply(size, dtype, device, patience) for size in MATRICES[kind][:upto])
    return Ceilings(copy_bytes_per_second=copied, matrix_flops_per_second=multiplied, dtype=_name(dtype))


def _copy(size: int, dtype: torch.dtype, device: torch.device, patience: Patience) -> float:
    try:
        source = torch.rand(size // dtype.itemsize, dtype=dtype, device=device)
        target = torch.empty_like(source)
    except torch.OutOfMemoryError:
        return 0.0
    return 2 * size / _best(lambda: target.copy_(source), device, patience)


def _multiply(size: int, dtype: torch.dtype, device: torch.device, patience: Patience) -> float:
    try:
        left, right = (torch.randn(size, size, dtype=dtype, device=device) for _ in range(2))
        product = torch.empty_like(left)
    except torch.OutOfMemoryError:
        return 0.0
    return 2.0 * size**3 / _best(lambda: torch.mm(left, right, out=product), device, patience)


def _best(work: Callable[[], object], device: torch.device, patience: Patience) -> float:
    done = race({"": work}, device, patience)
    gc.collect()
    if not done.times:
        raise RuntimeError(f"cannot measure {device.type}: {done.failed['']}")
    return done.times[""].best_ms / 1e3


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
