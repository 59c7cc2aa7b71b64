"""Softmax attention to a window of recent keys and to sinks, with its log-sum-exp, so that parts can be merged.

Does not know what a key stands for. The definition is reference.py, the derivation README.md.

Where the kernel is not equal to the definition up to rounding: gradients of the definition may also be NaN for what only
shares a block of queries with something that is not finite; the kernel's are so for what sees it, or is seen with it.
"""

from torch import Tensor

from memkit_kernels.backend import Backend, choose, undisturbed
from memkit_kernels.window_attention.mask import KERNEL_DTYPES, MAX_FEATURES, Mask, check_attention, check_values
from memkit_kernels.window_attention.reference import window_attention_reference

__all__ = ["MAX_FEATURES", "window_attention", "window_attention_reference"]


@undisturbed(tensors=3, gradients=True)
def window_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    causal: bool = True,
    window: int | None = None,
    sinks: int = 0,
    beyond: int = 0,
    cu_seqlens: Tensor | None = None,
    scale: float | None = None,
    backend: Backend = "auto",
    strict: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return softmax(scale q·k) v over the keys that each query sees, `[B, T, H, E]` in q's dtype, and the natural
    logarithm of the softmax's denominator, `[B, T, H]`, in float32 (float64 for float64 tensors).

    Axes: B batch, T queries, S keys, H query heads, G key heads, D and E features (1 to 256). `q` is `[B, T, H, D]`, `k`
    `[B, S, G, D]`, `v` `[B, S, G, E]`, of one dtype (float16, bfloat16, float32, float64), on one device, with any
    strides. H is a multiple of G: head h reads key head h // (H / G). B, T and S may be 0. `scale` is D**-0.5 if None.

    - Query i stands at position p = i + S - T: queries are the last T tokens of S. It sees key j iff
      (not causal or j <= p) and p - j >= beyond and (window is None or |p - j| < window or j < sinks).
      So a window of 1 is the token itself; `sinks` are the first keys, seen in spite of the window; `beyond` > 0, only with
      `causal`, leaves out the last `beyond` keys, so that `window=w` and `beyond=w` are each other's complement.
    - `cu_seqlens`, int32 or int64 `[N + 1]` rising from 0 to T, packs N sequences into B = 1 and T = S tokens: sequence n
      is cu_seqlens[n] to cu_seqlens[n + 1], may be empty, has its own positions and sinks, and sees only itself. On a GPU
      its values are not checked, since that would wait for the device: a token of no sequence gets 0 and -inf.
    - A query that sees nothing gets 0 and -inf.
    - NaN or infinity in what a query sees makes its results NaN or infinite, in one feature or all (but a score of -inf only
      weighs nothing); in what it does not see it changes nothing.
    - Differentiable in q, k and v, once, through both results.

    Time and memory on the kernel are O(T (window + sinks)) and O(T), with no window O(T S) and O(T): tiles of keys that no
    query of a tile sees are not visited, and probabilities are not stored.
    `backend` and `strict`: see `memkit_kernels.backend`. Bit-equal from run to run on one device.
    ValueError for any other shape, dtype, device or option, for T H over 2e9 and S over 1e9; BackendUnavailable from the
    choice of backend.

    Sources: online softmax and its backward pass, Dao et al., FlashAttention (NeurIPS 2022) and FlashAttention-2 (ICLR
    2024); sinks and window, Xiao et al., StreamingLLM (ICLR 2024); the part beyond the window, Xiao et al., InfLLM
    (NeurIPS 2024), and Fountas et al., EM-LLM (ICLR 2025).
    """
    factor = check_attention(q, k, cu_seqlens, scale, backend)
    check_values(k, v)
    mask = Mask(causal=causal, window=window, sinks=sinks, beyond=beyond)
    if choose("window_attention", q, KERNEL_DTYPES, backend=backend, strict=strict) == "torch":
        return window_attention_reference(q, k, v, mask=mask, cu_seqlens=cu_seqlens, scale=factor)
    from memkit_kernels.window_attention.kernel import (
        window_attention_triton,
    )  # triton is optional, and slow to import

    return window_attention_triton(q, k, v, mask=mask, cu_seqlens=cu_seqlens, scale=factor)
