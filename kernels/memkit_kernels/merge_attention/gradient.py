"""The gradient of merge_attention. Does not know which backend merges.

With w_p = exp(lse_p - lse):  d out_p = w_p d out,  d lse_p = w_p (d lse + Σ_e d out_e (out_pe - out_e)).
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from memkit_kernels.merge_attention.reference import share

Parts: TypeAlias = Sequence[Tensor] | Tensor
Merge = Callable[[Parts, Parts], tuple[Tensor, Tensor]]


class Merged(torch.autograd.Function):
    """`merge(outs, lses)`. `parts` says how many of the tensors are outs, the others being lses; None: one of each,
    stacked."""

    @staticmethod
    def forward(ctx: Any, merge: Merge, parts: int | None, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        outs, lses = tensors if parts is None else (tensors[:parts], tensors[parts:])
        out, lse = merge(outs, lses)
        ctx.parts = parts
        ctx.save_for_backward(*tensors, out, lse)
        return out, lse

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor, d_lse: Tensor) -> tuple[Tensor | None, ...]:
        *tensors, out, lse = ctx.saved_tensors
        outs, lses = tensors if ctx.parts is None else (tensors[: ctx.parts], tensors[ctx.parts :])
        pairs = [_of_part(*part, out, lse, d_out, d_lse) for part in zip(outs, lses, strict=True)]
        for_outs, for_lses = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        if ctx.parts is None:
            return None, None, torch.stack(for_outs), torch.stack(for_lses)
        return None, None, *for_outs, *for_lses


def _of_part(
    part: Tensor, of_part: Tensor, out: Tensor, lse: Tensor, d_out: Tensor, d_lse: Tensor
) -> tuple[Tensor, Tensor]:
    """The gradients of one part's out and lse, 0 where it saw no key."""
    weight, unseen = share(of_part, lse), of_part == -torch.inf
    wanted = d_out.to(lse.dtype)
    moved = (wanted * (part.to(lse.dtype) - out.to(lse.dtype))).sum(-1)
    for_out = (wanted * weight[..., None]).masked_fill_(unseen[..., None], 0.0)
    return for_out.to(part.dtype), (weight * (d_lse + moved)).masked_fill_(unseen, 0.0)
