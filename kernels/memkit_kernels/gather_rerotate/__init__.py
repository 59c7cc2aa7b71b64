"""Kept rows of a KV cache, gathered, moved to their new positions and written compact, in one pass.

Does not know why a row is kept, nor what a cache or a model is. The definition is reference.py, the derivation README.md.
"""

from typing import Literal, get_args, overload

import torch
from torch import Tensor

from memkit_kernels.backend import Backend, choose, undisturbed
from memkit_kernels.gather_rerotate.gradient import Moved
from memkit_kernels.gather_rerotate.reference import gather_rerotate_reference

__all__ = ["Layout", "gather_rerotate", "gather_rerotate_reference"]

Layout = Literal["halves", "pairs"]

KERNEL_DTYPES = frozenset({torch.float16, torch.bfloat16, torch.float32})
DTYPES = KERNEL_DTYPES | {torch.float64}
INTEGERS = (torch.int32, torch.int64)


@overload
def gather_rerotate(
    keys: Tensor,
    index: Tensor,
    shift: Tensor,
    inv_freq: Tensor,
    *,
    layout: Layout = "halves",
    values: None = None,
    backend: Backend = "auto",
    strict: bool = False,
) -> tuple[Tensor, None]: ...


@overload
def gather_rerotate(
    keys: Tensor,
    index: Tensor,
    shift: Tensor,
    inv_freq: Tensor,
    *,
    layout: Layout = "halves",
    values: Tensor,
    backend: Backend = "auto",
    strict: bool = False,
) -> tuple[Tensor, Tensor]: ...


@undisturbed(tensors=4, gradients=True)
def gather_rerotate(
    keys: Tensor,
    index: Tensor,
    shift: Tensor,
    inv_freq: Tensor,
    *,
    layout: Layout = "halves",
    values: Tensor | None = None,
    backend: Backend = "auto",
    strict: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Return the keys of `index`, each moved by `shift` positions, `[L, G, D]`, and their values `[L, G, E]` or None.

    Axes: N rows, L kept rows, G heads, D key features, E value features, F frequencies with 2F at most D; N, L and G
    may be 0. `keys` is `[N, G, D]` and `values`, if given, `[N, G, E]`; `index` and `shift` are integers `[L]`. Or, for
    B sequences at once, each with rows of its own: `[B, N, G, D]`, `[B, N, G, E]`, `[B, L]` and `[B, L]`. Keys and
    values are of one dtype (float16, bfloat16, float32, float64). All are on one device, with any strides.

    - Row l of the result is keys[index[l]], rotated from its position p to p + shift[l] (negative goes back), as rotary
      embeddings rotate: R(p') = R(p' - p) R(p). Values are copied.
    - `inv_freq` (float32 or float64 `[F]`, radians a token) are the model's, after its scaling if that is one of
      frequencies (linear, llama3, yarn). A factor on cos and sin (`attention_scaling`) is in the keys already, so no
      factor is applied here. Where frequencies depend on the length (dynamic NTK, LongRoPE) no rotation moves a key.
    - `layout` "halves" turns features f and F + f together (Llama, NeoX), "pairs" 2f and 2f + 1 (GPT-J). Features from
      2F on are copied (partial rotary embeddings).
    - A negative index is a hole: its row is 0, whatever its shift. So sequences may keep different numbers of rows.
      The same row may be kept twice.
    - Angles are exact to 1e-16 of a turn a token, and add up exactly; a row with shift 0 is copied bit for bit if it is
      finite. A NaN or an infinity spoils the feature that turns with it; an `inv_freq` that is not finite, its features.
    - Computed in float32, or float64 for float64 tensors, and rounded once. In bfloat16 a key that moves often gathers
      an error of 2^-9 each time: keep keys unrotated, or rotate the original with the sum of the shifts.

    An index of N or more: ValueError on a CPU; on a GPU, which this function does not wait for, a row of NaN. Nothing is
    written in place: rows move across each other, so the result is a new tensor. Gradients flow to keys and values (not
    to `inv_freq`), to first order, added up in a fixed order.

    `backend` and `strict`: see `memkit_kernels.backend`. Bit-equal from run to run on one device.
    Source: Su et al. 2021 (RoFormer), section 3.2; compaction as in StreamingLLM (ICLR 2024), section 3.2.
    ValueError for any other shape, dtype, device or layout; BackendUnavailable from the choice of backend.
    """
    _check(keys, values, layout, backend)
    _check_places(keys, index, shift, inv_freq)
    if choose("gather_rerotate", keys, KERNEL_DTYPES, backend=backend, strict=strict) == "torch":
        move = gather_rerotate_reference
    else:
        from memkit_kernels.gather_rerotate.kernel import gather_rerotate_triton  # triton is optional, slow to import

        move = gather_rerotate_triton
    if keys.ndim == 4:
        moved, copied = Moved.apply(move, layout, keys, values, index, shift, inv_freq)
        return moved, copied
    alone = None if values is None else values[None]
    moved, copied = Moved.apply(move, layout, keys[None], alone, index[None], shift[None], inv_freq)
    return moved[0], None if copied is None else copied[0]


def _check(keys: Tensor, values: Tensor | None, layout: str, backend: str) -> None:
    if keys.ndim not in (3, 4) or keys.shape[-1] == 0 or keys.dtype not in DTYPES:
        names = ", ".join(sorted(map(str, DTYPES)))
        raise ValueError(
            f"keys must be [N, G, D] or [B, N, G, D] with D of at least 1, of {names}, "
            f"not {list(keys.shape)} of {keys.dtype}"
        )
    if values is not None and (
        values.ndim != keys.ndim
        or values.shape[:-1] != keys.shape[:-1]
        or values.shape[-1] == 0
        or values.dtype != keys.dtype
        or values.device != keys.device
    ):
        raise ValueError(
            f"values must be [{', '.join(map(str, keys.shape[:-1]))}, E] with E of at least 1, of {keys.dtype}, "
            f"on {keys.device}, as keys are, not {list(values.shape)} of {values.dtype} on {values.device}"
        )
    if layout not in get_args(Layout):
        raise ValueError(f"layout must be one of {get_args(Layout)}, not {layout!r}")
    if backend not in get_args(Backend):
        raise ValueError(f"backend must be one of {get_args(Backend)}, not {backend!r}")


def _check_places(keys: Tensor, index: Tensor, shift: Tensor, inv_freq: Tensor) -> None:
    leading, n = keys.shape[:-3], keys.shape[-3]
    if index.ndim != keys.ndim - 2 or index.shape[:-1] != leading or index.dtype not in INTEGERS:
        raise ValueError(
            f"index must be int32 or int64 [{', '.join(map(str, [*leading, 'L']))}] for keys {list(keys.shape)}, "
            f"not {index.dtype} {list(index.shape)}"
        )
    if shift.shape != index.shape or shift.dtype not in INTEGERS:
        raise ValueError(
            f"shift must be int32 or int64 {list(index.shape)} as index is, not {shift.dtype} {list(shift.shape)}"
        )
    most = keys.shape[-1] // 2
    if inv_freq.dtype not in (torch.float32, torch.float64) or inv_freq.ndim != 1 or not 1 <= len(inv_freq) <= most:
        raise ValueError(
            f"inv_freq must be float32 or float64 [F] with F from 1 to D / 2 = {most}, "
            f"not {inv_freq.dtype} {list(inv_freq.shape)}"
        )
    for name, tensor in (("index", index), ("shift", shift), ("inv_freq", inv_freq)):
        if tensor.device != keys.device:
            raise ValueError(f"{name} must be on {keys.device} as keys are, not on {tensor.device}")
    # A GPU would have to be waited for; its rows become NaN.
    if index.device.type == "cpu" and index.numel() and int(index.max()) >= n:
        raise ValueError(f"index must be below N = {n}, not {int(index.max())}; negative is a hole")
