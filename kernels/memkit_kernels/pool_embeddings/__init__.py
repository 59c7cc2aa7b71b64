"""One vector for each sequence of packed hidden states: pooled, normalised and quantised in one pass.

Does not know what made the hidden states, nor who searches the vectors. The definition is reference.py, the derivation
README.md.
"""

from typing import Literal, get_args, overload

import torch
from torch import Tensor

from memkit_kernels.backend import Backend, choose, undisturbed
from memkit_kernels.pool_embeddings.reference import pool_embeddings_reference
from memkit_kernels.sim_topk.int8 import Int8Keys

__all__ = ["MAX_FEATURES", "Mode", "pool_embeddings", "pool_embeddings_reference"]

Mode = Literal["mean", "cls", "last", "max"]

MAX_FEATURES = 16_384  # a vector lives in one program's registers
KERNEL_DTYPES = frozenset({torch.float16, torch.bfloat16, torch.float32})
DTYPES = KERNEL_DTYPES | {torch.float64}
INT8 = torch.int8


@overload
def pool_embeddings(
    hidden: Tensor,
    cu_seqlens: Tensor,
    *,
    mode: Mode = ...,
    normalise: bool = ...,
    dtype: None = ...,
    backend: Backend = ...,
    strict: bool = ...,
) -> Tensor: ...


@overload
def pool_embeddings(
    hidden: Tensor,
    cu_seqlens: Tensor,
    *,
    mode: Mode = ...,
    normalise: bool = ...,
    dtype: torch.dtype,
    backend: Backend = ...,
    strict: bool = ...,
) -> Tensor | Int8Keys: ...


@undisturbed(tensors=2, gradients=False)
def pool_embeddings(
    hidden: Tensor,
    cu_seqlens: Tensor,
    *,
    mode: Mode = "mean",
    normalise: bool = True,
    dtype: torch.dtype | None = None,
    backend: Backend = "auto",
    strict: bool = False,
) -> Tensor | Int8Keys:
    """Return a vector for each sequence, `[N, D]` in `dtype` (None: that of `hidden`), or `Int8Keys` for int8.

    Axes: T tokens, N sequences, D features (1 to 16384); T and N may be 0. `hidden` is `[T, D]`, float16, bfloat16, float32
    or float64, with any strides. `cu_seqlens`, int32 or int64 `[N + 1]` on the same device, rises from 0 to T: sequence n
    is the rows cu_seqlens[n] to cu_seqlens[n + 1].

    - `mode`: the mean of the sequence's rows, its first row ("cls"), its last row, or the largest of each feature ("max").
    - `normalise` divides the vector by its length, or by 1e-12 if it is shorter: a zero vector stays zero.
      A vector whose squares add up to more than their float can hold (a length of 1.8e19 in float32) becomes NaN.
    - An empty sequence gives the zero vector.
    - Sums, lengths and quotients are float32, or float64 for float64 tensors; the cast comes last. `dtype` is float16,
      bfloat16, float32, int8, or for float64 tensors float64.
    - torch.int8 gives what `sim_topk` searches: `values`, int8 `[N, D]`, the vector in 127ths of its largest magnitude,
      rounded half to even; `steps`, float32 `[N]`, that 127th; `norms`, float32 `[N]`, the vector's length before rounding.
    - NaN or infinity in a row that is pooled makes what depends on it NaN or infinite. In int8 such a vector has values of 0,
      and its step and norm are NaN.

    The values of `cu_seqlens` are checked on a CPU. On a GPU that would wait for the device, so there bounds outside 0 to T
    are cut off at it. `backend` and `strict`: see `memkit_kernels.backend`. Bit-equal from run to run on one device. No
    gradient flows. ValueError for any other shape, dtype, device or mode; BackendUnavailable from the choice of backend.

    Source: the mean over tokens, Reimers and Gurevych, Sentence-BERT (EMNLP 2019), section 3.
    """
    kept = hidden.dtype if dtype is None else dtype
    _check(hidden, mode, kept, backend)
    check_bounds(cu_seqlens, len(hidden), hidden.device)
    if choose("pool_embeddings", hidden, KERNEL_DTYPES, backend=backend, strict=strict) == "torch":
        return pool_embeddings_reference(hidden, cu_seqlens, mode=mode, normalise=normalise, dtype=kept)
    from memkit_kernels.pool_embeddings.kernel import (
        pool_embeddings_triton,
    )  # triton is optional, and slow to import

    return pool_embeddings_triton(hidden, cu_seqlens, mode=mode, normalise=normalise, dtype=kept)


def check_bounds(cu_seqlens: Tensor, tokens: int, device: torch.device) -> None:
    """ValueError unless these are the bounds of sequences of so many tokens. Values are read on a CPU only."""
    if cu_seqlens.ndim != 1 or len(cu_seqlens) == 0 or cu_seqlens.dtype not in (torch.int32, torch.int64):
        raise ValueError(f"cu_seqlens must be int32 or int64 [N + 1], not {cu_seqlens.dtype} {list(cu_seqlens.shape)}")
    if cu_seqlens.device != device:
        raise ValueError(f"cu_seqlens must be on {device}, not on {cu_seqlens.device}")
    if device.type != "cpu":
        return
    if cu_seqlens[0] != 0 or cu_seqlens[-1] != tokens or (cu_seqlens.diff() < 0).any():
        raise ValueError(
            f"cu_seqlens must rise from 0 to the {tokens} tokens there are; it goes from {int(cu_seqlens[0])} to "
            f"{int(cu_seqlens[-1])}, by steps of {int(cu_seqlens.diff().min()) if len(cu_seqlens) > 1 else 0} or more"
        )


def _check(hidden: Tensor, mode: str, dtype: torch.dtype, backend: str) -> None:
    if hidden.ndim != 2 or not 1 <= hidden.shape[1] <= MAX_FEATURES:
        raise ValueError(f"hidden must be [T, D] with D from 1 to {MAX_FEATURES}, not {list(hidden.shape)}")
    if hidden.dtype not in DTYPES:
        raise ValueError(f"hidden must be one of {', '.join(sorted(map(str, DTYPES)))}, not {hidden.dtype}")
    allowed = KERNEL_DTYPES | {INT8} | ({torch.float64} if hidden.dtype == torch.float64 else set())
    if dtype not in allowed:
        raise ValueError(f"dtype must be one of {', '.join(sorted(map(str, allowed)))}, not {dtype}")
    if mode not in get_args(Mode):
        raise ValueError(f"mode must be one of {get_args(Mode)}, not {mode!r}")
    if backend not in get_args(Backend):
        raise ValueError(f"backend must be one of {get_args(Backend)}, not {backend!r}")
