"""column_mass in plain torch: what the operation means. Also what runs where there is no GPU.

Takes queries a block at a time, as window_attention's definition does. Axes: B batch, T queries, S keys, H query heads,
G key heads, R = H / G.
"""

import torch
from torch import Tensor

from memkit_kernels.window_attention.mask import Mask, sequences
from memkit_kernels.window_attention.reference import accumulator, blocks


def column_mass_reference(
    q: Tensor, k: Tensor, lse: Tensor, *, mask: Mask, cu_seqlens: Tensor | None, scale: float
) -> Tensor:
    """See `memkit_kernels.column_mass.column_mass`; takes its arguments as checked there. Looks at cu_seqlens."""
    mass = torch.zeros((k.shape[0], k.shape[1], q.shape[2]), dtype=accumulator(q.dtype), device=q.device)
    pairs = [(0, q.shape[1])] if cu_seqlens is None else sequences(cu_seqlens, q.shape[1])
    for start, end in pairs:
        keys = slice(None) if cu_seqlens is None else slice(start, end)
        _add(mass[:, keys], q[:, start:end], k[:, keys], lse[:, start:end], mask, scale)
    return mass


def _add(mass: Tensor, q: Tensor, k: Tensor, lse: Tensor, mask: Mask, scale: float) -> None:
    """Into `mass` `[B, S, H]`, what one sequence gives it."""
    for block in blocks(q, k, mask, scale):
        total = lse[:, block.rows].to(mass.dtype).unflatten(2, block.scores.shape[1:3]).permute(0, 2, 3, 1)[..., None]
        shares = block.scores.sub_(total).exp_()  # 0 where not seen, if the total is a number
        if not total.isfinite().all():
            shares.masked_fill_(~block.seen | total.isinf(), 0.0)
        at = 0
        for low, high in block.spans:
            mass[:, low:high] += shares[..., at : at + high - low].sum(3).permute(0, 3, 1, 2).flatten(2, 3)
            at += high - low
