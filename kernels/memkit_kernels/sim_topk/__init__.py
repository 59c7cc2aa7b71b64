"""The k best keys for each query: similarity and top-k in one operation.

Does not know what a key stands for. The definition is reference.py, the derivation README.md.

Where the kernel is not equal to the definition up to rounding: it chooses "l2" candidates by 2q·k - |q|² - |k|² and then
measures the differences themselves, so its scores are exact, but a key may be exchanged at the end of the list for one
whose squared distance differs by less than about 1e-6 (|q|² + |k|²).
"""

from typing import Literal, get_args

import torch
from torch import Tensor

from memkit_kernels.backend import Backend, choose
from memkit_kernels.sim_topk.reference import sim_topk_reference

__all__ = ["MAX_K", "MAX_KEYS", "Metric", "sim_topk", "sim_topk_reference"]

Metric = Literal["ip", "cosine", "l2"]

MAX_K = 128  # a query's list lives in registers; beyond this a radix select over stored scores is the better algorithm
MAX_KEYS = 2_000_000_000  # an index is 31 bits of the 64 that are compared
KERNEL_DTYPES = frozenset({torch.float16, torch.bfloat16, torch.float32})
DTYPES = KERNEL_DTYPES | {torch.float64}


@torch.no_grad()
def sim_topk(
    queries: Tensor,
    keys: Tensor,
    k: int,
    *,
    metric: Metric = "ip",
    bias: Tensor | None = None,
    mask: Tensor | None = None,
    backend: Backend = "auto",
    strict: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return scores `[M, k]` and indices `[M, k]` (int64) of the k best keys for each query, best first.

    Axes: M queries, N keys, D features; M and N may be 0. `queries` is `[M, D]` and `keys` `[N, D]`, of one dtype
    (float16, bfloat16, float32, float64), on one device, with any strides. `k` is 1 to 128 and may exceed N.

    - The score is q·k ("ip"), q·k / (|q| |k|) ("cosine"; a zero vector scores 0) or -|q - k|² ("l2"), plus
      `bias[n]` where given. It is computed and returned in float32, or float64 for float64 tensors.
    - Of equal scores the lower index comes first. -0 equals 0.
    - A key is admissible if `mask` (bool, `[N]` or `[M, N]`) is true or absent and its score is neither NaN nor
      -inf. So NaN keys never win, a NaN query finds nothing, and the limit k counts admissible keys only.
    - With fewer than k of them, the places left over hold score -inf and index -1, and only those do.

    `backend` and `strict`: see `memkit_kernels.backend`. Bit-equal from run to run on one device. No gradient flows.
    ValueError for any other shape, dtype, device, metric or k; BackendUnavailable from the choice of backend.
    """
    _check(queries, keys, k, metric, backend)
    _check_extras(queries, keys, bias, mask)
    if choose("sim_topk", keys, KERNEL_DTYPES, backend=backend, strict=strict) == "torch":
        return sim_topk_reference(queries, keys, k, metric=metric, bias=bias, mask=mask)
    from memkit_kernels.sim_topk.kernel import (
        sim_topk_triton,
    )  # triton is optional, and slow to import

    return sim_topk_triton(queries, keys, k, metric=metric, bias=bias, mask=mask)


def _check(queries: Tensor, keys: Tensor, k: int, metric: str, backend: str) -> None:
    if queries.ndim != 2 or keys.ndim != 2 or queries.shape[1] != keys.shape[1] or keys.shape[1] == 0:
        raise ValueError(
            f"queries must be [M, D] and keys [N, D] with one D of at least 1, "
            f"not {list(queries.shape)} and {list(keys.shape)}"
        )
    if queries.dtype != keys.dtype or keys.dtype not in DTYPES:
        names = ", ".join(sorted(map(str, DTYPES)))
        raise ValueError(f"queries and keys must share one dtype of {names}, not {queries.dtype} and {keys.dtype}")
    if queries.device != keys.device:
        raise ValueError(f"queries and keys must be on one device, not {queries.device} and {keys.device}")
    if len(keys) > MAX_KEYS:
        raise ValueError(f"at most {MAX_KEYS} keys in one call, not {len(keys)}; split them and merge the results")
    if not 1 <= k <= MAX_K:
        raise ValueError(f"k must be 1 to {MAX_K}, not {k}")
    if metric not in get_args(Metric):
        raise ValueError(f"metric must be one of {get_args(Metric)}, not {metric!r}")
    if backend not in get_args(Backend):
        raise ValueError(f"backend must be one of {get_args(Backend)}, not {backend!r}")


def _check_extras(queries: Tensor, keys: Tensor, bias: Tensor | None, mask: Tensor | None) -> None:
    m, n = len(queries), len(keys)
    if bias is not None and (bias.shape != (n,) or not bias.is_floating_point() or bias.device != keys.device):
        raise ValueError(
            f"bias must be a float tensor [N] = [{n}] on {keys.device}, "
            f"not {bias.dtype} {list(bias.shape)} on {bias.device}"
        )
    if mask is not None and (
        mask.shape not in ((n,), (m, n)) or mask.dtype != torch.bool or mask.device != keys.device
    ):
        raise ValueError(
            f"mask must be a bool tensor [N] = [{n}] or [M, N] = [{m}, {n}] on {keys.device}, "
            f"not {mask.dtype} {list(mask.shape)} on {mask.device}"
        )
