"""Attention to several parts of the keys, made into attention to all of them: exactly one softmax.

Does not know how a part was computed, nor what its keys are. The definition is reference.py, the derivation README.md.
"""

from collections.abc import Sequence
from typing import get_args

import torch
from torch import Tensor

from memkit_kernels.backend import Backend, choose, undisturbed
from memkit_kernels.merge_attention.gradient import Merged
from memkit_kernels.merge_attention.reference import merge_attention_reference, wide

__all__ = ["merge_attention", "merge_attention_reference"]

KERNEL_DTYPES = frozenset({torch.float16, torch.bfloat16, torch.float32})
DTYPES = KERNEL_DTYPES | {torch.float64}


@undisturbed(tensors=0, gradients=True)
def merge_attention(
    outs: Sequence[Tensor] | Tensor,
    lses: Sequence[Tensor] | Tensor,
    *,
    backend: Backend = "auto",
    strict: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return the attention to the union of the parts, `[..., E]` in the dtype of `outs`, and its log-sum-exp, `[...]`.

    Axes: P parts, any leading axes, E features (at least 1); a leading axis may be 0. `outs` are P tensors of one shape
    `[..., E]` and one dtype (float16, bfloat16, float32, float64): each the softmax attention to keys of its own. `lses`
    are P tensors `[...]` in float32 (float64 for float64 outs): the natural logarithm of each softmax's denominator, as
    window_attention and gather_attention return it. Or one tensor each, `[P, ..., E]` and `[P, ...]`. P is at least 1;
    all are on one device, with any strides.

    - lse = log Σ exp(lse_p), out = Σ out_p exp(lse_p - lse): one softmax over all keys. A key that is in two parts counts
      twice: parts have to be disjoint for the result to be attention to their union.
    - A part with lse -inf saw no key and adds nothing, even if its out is NaN. Where all parts are so: 0 and -inf.
    - An lse of NaN or +inf makes the result and its lse NaN. NaN or infinity in an out of a part that counts spoils its
      own feature of the result.
    - Computed in float32 (float64 for float64 outs), in the order of the parts, and rounded once. Leading axes are taken
      as one: tensors whose strides do not allow that are copied.
    - Differentiable in outs and lses, once. A part that adds nothing gets gradient 0.

    More than 16 separate tensors are stacked first on the kernel, which costs another pass; a stacked tensor is not.
    `backend` and `strict`: see `memkit_kernels.backend`. Bit-equal from run to run on one device.
    ValueError for any other shape, dtype or device; BackendUnavailable from the choice of backend.

    Sources: Rabe and Staats 2021, "Self-attention does not need O(n²) memory", section 2; two-stage attention to a local
    window and to what was retrieved, Xiao et al., InfLLM (NeurIPS 2024), and Fountas et al., EM-LLM (ICLR 2025).
    """
    _check(outs, lses, backend)
    first = outs[0]
    if choose("merge_attention", first, KERNEL_DTYPES, backend=backend, strict=strict) == "torch":
        merge = merge_attention_reference
    else:
        from memkit_kernels.merge_attention.kernel import merge_attention_triton  # triton is optional, slow to import

        merge = merge_attention_triton
    if isinstance(outs, Tensor):
        return Merged.apply(merge, None, outs, lses)
    return Merged.apply(merge, len(outs), *outs, *lses)


def _check(outs: Sequence[Tensor] | Tensor, lses: Sequence[Tensor] | Tensor, backend: str) -> None:
    if isinstance(outs, Tensor) != isinstance(lses, Tensor):
        raise ValueError("outs and lses must both be sequences of tensors, or both be one stacked tensor")
    if (isinstance(outs, Tensor) and outs.ndim < 2) or len(outs) == 0 or len(outs) != len(lses):
        raise ValueError(
            f"outs and lses must have the same parts, at least one, outs at least [P, E] if stacked; "
            f"not {_shape(outs)} and {_shape(lses)}"
        )
    first = outs[0]
    if first.ndim == 0 or first.shape[-1] == 0 or first.dtype not in DTYPES:
        names = ", ".join(sorted(map(str, DTYPES)))
        raise ValueError(
            f"outs must be [..., E] with E of at least 1, of {names}, not {list(first.shape)} of {first.dtype}"
        )
    for part, (out, lse) in enumerate(zip(outs, lses, strict=True)):
        if out.shape != first.shape or out.dtype != first.dtype or out.device != first.device:
            raise ValueError(
                f"outs[{part}] must be {list(first.shape)} of {first.dtype} on {first.device}, as outs[0] is, "
                f"not {list(out.shape)} of {out.dtype} on {out.device}"
            )
        if lse.shape != first.shape[:-1] or lse.dtype != wide(first.dtype) or lse.device != first.device:
            raise ValueError(
                f"lses[{part}] must be {list(first.shape[:-1])} of {wide(first.dtype)} on {first.device}, "
                f"not {list(lse.shape)} of {lse.dtype} on {lse.device}"
            )
    if backend not in get_args(Backend):
        raise ValueError(f"backend must be one of {get_args(Backend)}, not {backend!r}")


def _shape(parts: Sequence[Tensor] | Tensor) -> str:
    return str(list(parts.shape)) if isinstance(parts, Tensor) else f"{len(parts)} tensors"
