"""merge_attention in plain torch: what the operation means. Also what runs where there is no GPU.

Axes: P parts, any leading axes, E features.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def merge_attention_reference(
    outs: Sequence[Tensor] | Tensor, lses: Sequence[Tensor] | Tensor
) -> tuple[Tensor, Tensor]:
    """See `memkit_kernels.merge_attention.merge_attention`; takes its arguments as checked there."""
    lse = total(lses)
    result = torch.zeros(outs[0].shape, dtype=lse.dtype, device=lse.device)
    for out, part in zip(outs, lses, strict=True):
        added = out.to(lse.dtype) * share(part, lse)[..., None]
        result += added.masked_fill_((part == -torch.inf)[..., None], 0.0)  # 0 times NaN is NaN
    return result.to(outs[0].dtype), lse


def total(lses: Sequence[Tensor] | Tensor) -> Tensor:
    """log Σ exp, -inf where all are, NaN where one is NaN or +inf (torch.logsumexp gives +inf for the latter)."""
    top = lses[0]
    for part in lses[1:]:
        top = torch.maximum(top, part)
    top = top.masked_fill(top == -torch.inf, 0.0)
    summed = torch.zeros_like(top)
    for part in lses:
        summed += (part - top).exp_()
    return summed.log_().add_(top)


def share(part: Tensor, lse: Tensor) -> Tensor:
    """exp(part - lse): what share of the whole softmax a part has; 0 where it is -inf."""
    return (part - lse.masked_fill(lse == -torch.inf, 0.0)).exp_()


def wide(dtype: torch.dtype) -> torch.dtype:
    """What sums, and every log-sum-exp, are taken in."""
    return torch.float64 if dtype == torch.float64 else torch.float32
