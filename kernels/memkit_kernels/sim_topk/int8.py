"""Keys in eight bits: what a coarse search reads instead of the keys. Does not know how anything is searched.

A row is its largest magnitude, cut into 127 steps to either side. So each component is off by at most half a step, and
an inner product by at most |q|₁ · step / 2; as rounding errors are spread evenly, by about |q|₂ · step / √12.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from memkit_kernels.backend import undisturbed

LEVELS = 127
ROWS_PER_BLOCK = 65536  # of keys in float32: 100 MB at D = 384


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8Keys:
    """N keys of D features: `values` int8 `[N, D]`, `steps` float32 `[N]`; key n is about values[n] * steps[n].

    `norms` float32 `[N]` are the lengths of the keys themselves, before rounding. All on one device; ValueError else.
    """

    values: Tensor
    steps: Tensor
    norms: Tensor

    def __post_init__(self) -> None:
        n = self.values.shape[:1]
        if self.values.ndim != 2 or self.values.dtype != torch.int8:
            raise ValueError(f"values must be int8 [N, D], not {self.values.dtype} {list(self.values.shape)}")
        for name, tensor in (("steps", self.steps), ("norms", self.norms)):
            if tensor.shape != n or tensor.dtype != torch.float32 or tensor.device != self.values.device:
                raise ValueError(
                    f"{name} must be float32 {list(n)} on {self.values.device}, "
                    f"not {tensor.dtype} {list(tensor.shape)} on {tensor.device}"
                )

    def __len__(self) -> int:
        return len(self.values)


@undisturbed(tensors=1, gradients=False)
def quantise(keys: Tensor) -> Int8Keys:
    """The keys `[N, D]`, of any float dtype, rounded half to even to a 127th of each row's largest magnitude.

    ValueError for another shape or dtype, and for a key that is not finite, since a NaN or an infinity has no eight-bit
    neighbour. That check waits for the device: this is for building, once, and not for searching.
    """
    if keys.ndim != 2 or not keys.is_floating_point():
        raise ValueError(f"keys must be a float tensor [N, D], not {keys.dtype} {list(keys.shape)}")
    values = torch.empty(keys.shape, dtype=torch.int8, device=keys.device)
    steps, norms = (torch.empty(len(keys), dtype=torch.float32, device=keys.device) for _ in range(2))
    for start in range(0, len(keys), ROWS_PER_BLOCK):
        rows = slice(start, start + ROWS_PER_BLOCK)
        block = keys[rows].float()
        largest = torch.linalg.vector_norm(block, torch.inf, dim=1)
        if not largest.isfinite().all():
            bad = start + int((~largest.isfinite()).nonzero()[0])
            raise ValueError(f"every key must be finite in float32 to be quantised; key {bad} is not")
        # x / largest first, since LEVELS / largest overflows for the smallest floats
        scaled = block / largest.clamp_min(torch.finfo(torch.float32).tiny)[:, None] * LEVELS
        values[rows] = scaled.round_()  # half to even
        steps[rows] = largest / LEVELS
        norms[rows] = torch.linalg.vector_norm(block, dim=1)
    return Int8Keys(values=values, steps=steps, norms=norms)
