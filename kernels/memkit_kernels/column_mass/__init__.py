"""How much attention each key receives, given each query's log-sum-exp, without storing the attention matrix.

Does not know what a key stands for. The definition is reference.py, the derivation README.md.
"""

import torch
from torch import Tensor

from memkit_kernels.backend import Backend, choose, undisturbed
from memkit_kernels.column_mass.reference import column_mass_reference
from memkit_kernels.window_attention.mask import KERNEL_DTYPES, Mask, check_attention

__all__ = ["column_mass", "column_mass_reference"]


@undisturbed(tensors=3, gradients=False)
def column_mass(
    q: Tensor,
    k: Tensor,
    lse: Tensor,
    *,
    causal: bool = True,
    window: int | None = None,
    sinks: int = 0,
    beyond: int = 0,
    cu_seqlens: Tensor | None = None,
    scale: float | None = None,
    backend: Backend = "auto",
    strict: bool = False,
) -> Tensor:
    """Return for each key and query head the sum over the queries that see the key of exp(scale q·k - lse), `[B, S, H]`,
    in float32 (float64 for float64 tensors): with window_attention's own lse, the column sums of its attention matrix.

    `q` `[B, T, H, D]`, `k` `[B, S, G, D]` and the options, with which query sees which key, are those of
    `memkit_kernels.window_attention`, whose docstring has them. `lse` is `[B, T, H]`, float32 or float64, with any
    strides: of these keys alone, or of more (where partial attentions were merged, that of the merged one).

    - A query whose lse is infinite adds nothing: it saw nothing. NaN in a query, or in its lse, reaches the keys that the
      query sees, and NaN in a key that key alone.
    - With the lse of the same call of window_attention the sum over keys is the number of queries that see something.

    `backend` and `strict`: see `memkit_kernels.backend`. Bit-equal from run to run on one device. No gradient flows.
    ValueError for any other shape, dtype, device or option; BackendUnavailable from the choice of backend.

    Sources: what marks the representative tokens of an event in InfLLM (Xiao et al., NeurIPS 2024) and EM-LLM (Fountas et
    al., ICLR 2025), and the heavy hitters of H2O (Zhang et al., NeurIPS 2023).
    """
    factor = check_attention(q, k, cu_seqlens, scale, backend)
    if lse.shape != q.shape[:3] or lse.dtype not in (torch.float32, torch.float64) or lse.device != q.device:
        raise ValueError(
            f"lse must be a float32 or float64 tensor [B, T, H] = {list(q.shape[:3])} on {q.device}, "
            f"not {lse.dtype} {list(lse.shape)} on {lse.device}"
        )
    mask = Mask(causal=causal, window=window, sinks=sinks, beyond=beyond)
    if choose("column_mass", q, KERNEL_DTYPES, backend=backend, strict=strict) == "torch":
        return column_mass_reference(q, k, lse, mask=mask, cu_seqlens=cu_seqlens, scale=factor)
    from memkit_kernels.column_mass.kernel import (
        column_mass_triton,
    )  # triton is optional, and slow to import

    return column_mass_triton(q, k, lse, mask=mask, cu_seqlens=cu_seqlens, scale=factor)
