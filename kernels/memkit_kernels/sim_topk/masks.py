"""Masks of sim_topk: one bool for each key, or one bit. Does not know what a key is.

Bit b of word w is key w * bits + b, the lowest bit first: `numpy.packbits(..., bitorder="little")` for uint8, and on a
little-endian machine the same bytes seen as int32. Bits past the last key are ignored.
"""

import torch
from torch import Tensor

BITS = {torch.bool: 1, torch.uint8: 8, torch.int32: 32}  # keys in one element


def words(keys: int, dtype: torch.dtype) -> int:
    """How many elements of a mask hold so many keys."""
    return -(-keys // BITS[dtype])


def pack_mask(mask: Tensor) -> Tensor:
    """The bool mask `[..., N]` as int32 words `[..., ceil(N/32)]`: an eighth of the bytes. ValueError if not bool."""
    if mask.dtype != torch.bool or mask.ndim == 0:
        raise ValueError(f"mask must be a bool tensor [..., N], not {mask.dtype} {list(mask.shape)}")
    padded = torch.nn.functional.pad(mask, (0, -mask.shape[-1] % 32)).unflatten(-1, (-1, 32))
    return (padded.long() << torch.arange(32, device=mask.device)).sum(-1).to(torch.int32)


def allowed(mask: Tensor, rows: Tensor, start: int, stop: int) -> Tensor:
    """The keys `start` to `stop` of a mask `[N]` or `[M, N]`, as bool; of the latter the queries `rows`."""
    bits = BITS[mask.dtype]
    first = start // bits
    some = mask[..., first : -(-stop // bits)]  # a view, so that the rows copy no more than that
    some = some if mask.ndim == 1 else some[rows]
    if bits == 1:
        return some
    shifts = torch.arange(bits, dtype=torch.int32, device=mask.device)
    flat = ((some[..., None].to(torch.int32) >> shifts) & 1).flatten(-2) != 0
    return flat[..., start - first * bits : stop - first * bits]


def allowed_at(mask: Tensor, row: int, columns: Tensor) -> Tensor:
    """Some keys of a mask `[N]` or `[M, N]`, as bool; of the latter for one query."""
    bits = BITS[mask.dtype]
    some = (mask if mask.ndim == 1 else mask[row])[columns // bits]
    return some if bits == 1 else ((some.to(torch.int64) >> columns % bits) & 1) != 0
