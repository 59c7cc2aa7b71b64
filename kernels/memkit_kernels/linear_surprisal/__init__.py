"""How surprising each token is, and was expected to be, from hidden states and the vocabulary matrix, without the logits.

Does not know what made the hidden states. The definition is reference.py, the derivation README.md. The kernel is equal
to the definition up to rounding.
"""

import math
from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from memkit_kernels.backend import Backend, choose, undisturbed
from memkit_kernels.linear_surprisal.gradient import Forward, differentiable
from memkit_kernels.linear_surprisal.reference import Head, Surprisals, linear_surprisal_reference

__all__ = ["MAX_WORDS", "Surprisals", "Want", "linear_surprisal", "linear_surprisal_reference"]

Want = Literal["surprisal", "entropy", "varentropy", "lse", "top1"]

MAX_WORDS = 2**31 - 2**16  # a word's number, and that of a tile's padding, is an int32 in the kernel
KERNEL_DTYPES = frozenset({torch.float16, torch.bfloat16, torch.float32})
DTYPES = KERNEL_DTYPES | {torch.float64}


@undisturbed(tensors=3, gradients=True)
def linear_surprisal(
    x: Tensor,
    weight: Tensor,
    target: Tensor | None,
    *,
    bias: Tensor | None = None,
    softcap: float | None = None,
    scale: float = 1.0,
    ignore_index: int = -100,
    want: Sequence[Want] = ("surprisal",),
    backend: Backend = "auto",
    strict: bool = False,
) -> Surprisals:
    """Return what is in `want` of each row, `[N]`, in nats; what is not wanted is None.

    Axes: N rows (may be 0), V words, D features. `x` is `[N, D]` and `weight` `[V, D]`, of one dtype (float16, bfloat16,
    float32, float64), `target` int32 or int64 `[N]` (None if "surprisal" is not wanted), `bias` any float `[V]`; all on
    one device, with any strides. Logits are z = scale (x·w + bias), and with a `softcap` c, c tanh(z / c). They are
    never stored: beside the result it takes O(N) memory. Products add up in float32, or float64.

    With p = softmax(z) of a row, "surprisal" is -log p[target], "entropy" H = -Σ p log p, "varentropy" Σ p (log p)² - H²
    (nats²), "lse" log Σ exp z, "top1" the lowest of the words with the largest logit (int64). Results are float32, or
    float64 for float64 tensors. None of surprisal, entropy and varentropy is ever below 0.

    - A logit of -inf (a bias of -inf is a mask) has probability 0, also under a softcap. A target there: surprisal inf.
    - A row with a logit of NaN or +inf, or with nothing but -inf, has no distribution: NaN, and top1 -1.
    - A row with target `ignore_index` has surprisal 0, and no gradient from it. All else is that of any row.
    - Any other target outside 0…V-1 is a ValueError on a CPU. On a GPU, where looking would wait for the device, that
      row's surprisal and the gradient through it are NaN.

    All but top1 can be differentiated, once, by `x`, `weight` and `bias`; the logits are computed again, in blocks.
    Where nothing of them needs a gradient nothing is kept. Bit-equal from run to run on one device; a row's last bits may
    depend on N. `backend` and `strict`: see `memkit_kernels.backend`; gradients are always torch's. ValueError for any
    other shape, dtype, device or option. The idea: Liger-Kernel's fused linear cross-entropy (arXiv 2410.10989); online
    sums: Milakov and Gimelshein, arXiv 1805.02867.
    """
    asked = _asked(want, target)
    _check(x, weight, bias, target)
    _check_options(scale, softcap, backend)
    if target is not None and not target.is_cuda:
        _check_range(target, len(weight), ignore_index)
    head = Head(weight, bias, float(scale), None if softcap is None else float(softcap))
    chosen = choose("linear_surprisal", x, KERNEL_DTYPES, backend=backend, strict=strict)
    run = _forward(chosen)
    if torch.is_grad_enabled() and any(given is not None and given.requires_grad for given in (x, weight, bias)):
        return differentiable(run, x, head, target, ignore_index=ignore_index, want=asked)
    return run(x, head, target, ignore_index=ignore_index, want=asked)


def _forward(chosen: Literal["triton", "torch"]) -> Forward:
    if chosen == "torch":
        return linear_surprisal_reference
    from memkit_kernels.linear_surprisal.kernel import (
        linear_surprisal_triton,
    )  # triton is optional, and slow to import

    return linear_surprisal_triton


def _asked(want: Sequence[str], target: Tensor | None) -> frozenset[str]:
    asked = frozenset(want)
    if not asked or not asked <= set(get_args(Want)):
        raise ValueError(f"want must be some of {get_args(Want)}, not {want!r}")
    if target is None and "surprisal" in asked:
        raise ValueError("a surprisal is that of a target; pass one for each row, or leave it out of want")
    return asked


def _check(x: Tensor, weight: Tensor, bias: Tensor | None, target: Tensor | None) -> None:
    if x.ndim != 2 or weight.ndim != 2 or x.shape[1] != weight.shape[1] or 0 in weight.shape:
        raise ValueError(
            f"x must be [N, D] and weight [V, D] with one D and both V and D at least 1, "
            f"not {list(x.shape)} and {list(weight.shape)}"
        )
    if x.dtype != weight.dtype or x.dtype not in DTYPES:
        names = ", ".join(sorted(map(str, DTYPES)))
        raise ValueError(f"x and weight must share one dtype of {names}, not {x.dtype} and {weight.dtype}")
    if len(weight) > MAX_WORDS:
        raise ValueError(f"at most {MAX_WORDS} words, not {len(weight)}")
    if x.device != weight.device:
        raise ValueError(f"x and weight must be on one device, not {x.device} and {weight.device}")
    if bias is not None and (
        bias.shape != weight.shape[:1] or not bias.is_floating_point() or bias.device != weight.device
    ):
        raise ValueError(
            f"bias must be a float tensor [V] = [{len(weight)}] on {weight.device}, "
            f"not {bias.dtype} {list(bias.shape)} on {bias.device}"
        )
    if target is not None and (
        target.shape != x.shape[:1] or target.dtype not in (torch.int32, torch.int64) or target.device != x.device
    ):
        raise ValueError(
            f"target must be an int32 or int64 tensor [N] = [{len(x)}] on {x.device}, "
            f"not {target.dtype} {list(target.shape)} on {target.device}"
        )


def _check_options(scale: float, softcap: float | None, backend: str) -> None:
    for name, value in (("scale", scale), ("softcap", 1.0 if softcap is None else softcap)):
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be a finite number above 0, not {value}")
    if backend not in get_args(Backend):
        raise ValueError(f"backend must be one of {get_args(Backend)}, not {backend!r}")


def _check_range(target: Tensor, words: int, ignore_index: int) -> None:
    outside = ((target < 0) | (target >= words)) & (target != ignore_index)
    if bool(outside.any()):
        row = int(outside.int().argmax())
        raise ValueError(
            f"target must be a word, 0 to {words - 1}, or ignore_index = {ignore_index}, not {int(target[row])} (row {row})"
        )
