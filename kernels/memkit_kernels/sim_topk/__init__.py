"""The k best keys for each query: similarity and top-k in one operation.

Does not know what a key stands for. The definition is reference.py, the derivation README.md.

What the kernel may exchange. It chooses the k groups of 64 consecutive keys with the best scores in a first pass, measures
the keys of those in float32, and returns the best of them by what was measured. So a score always belongs to its index,
and those that are returned are in order. Without rounding nothing could be missed: outside the chosen groups a key has k
better ones, one in each. With it, let e be the most by which any score of one query differs between the two passes. Then
each chosen group holds a key that measures at most 2e less than a key outside, and so

- a key is missed only if it is better than the last that is returned by at most 2e, or as good and of a lower index;
- the score at each place is at most 2e below the right one.

Both passes sum in float32, float32 keys in the first by three products in tf32. e is at most about D · 2^-22 times the sum
of |q_d k_d|; as rounding errors are spread, about 1e-6 |q| |k| is expected at D = 384. "cosine" divides that by |q| |k|.
"l2" keys are chosen by 2q·k - |k|² and measured by their differences, so there it is 1e-6 (|q|² + |k|²): from keys that
lie far from the origin and close together take the mean off first. A bias adds what float32 rounds of the sum. N of at
most 64k is measured throughout, and e is 0. A key or query longer than 1e19 is not found by "cosine" and "l2"; and a sum
that overflows float32 on the way may be infinite, or NaN, in one pass only.
"""

from torch import Tensor

from memkit_kernels.backend import Backend, choose, undisturbed
from memkit_kernels.sim_topk.checks import KERNEL_DTYPES, MAX_COARSE_K, MAX_K, MAX_KEYS, Metric, check
from memkit_kernels.sim_topk.int8 import Int8Keys, quantise
from memkit_kernels.sim_topk.masks import pack_mask
from memkit_kernels.sim_topk.reference import Search, sim_topk_reference

__all__ = [
    "MAX_COARSE_K",
    "MAX_K",
    "MAX_KEYS",
    "Int8Keys",
    "Metric",
    "pack_mask",
    "quantise",
    "sim_topk",
]


@undisturbed(tensors=2, gradients=False)
def sim_topk(
    queries: Tensor,
    keys: Tensor,
    k: int,
    *,
    metric: Metric = "ip",
    bias: Tensor | None = None,
    mask: Tensor | None = None,
    cu_seqlens: Tensor | None = None,
    within: Tensor | None = None,
    coarse: Int8Keys | None = None,
    backend: Backend = "auto",
    strict: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return scores `[M, k]` and indices `[M, k]` (int64) of the k best keys for each query, best first.

    Axes: M queries, N keys, D features; M and N may be 0. `queries` is `[M, D]` and `keys` `[N, D]`, of one dtype
    (float16, bfloat16, float32, float64), on one device, with any strides. `k` is 1 to 128 and may exceed N.

    - The score is q·k ("ip"), q·k / (|q| |k|) ("cosine"; a zero vector scores 0) or -|q - k|² ("l2"), plus
      `bias[n]` where given. It is computed and returned in float32, or float64 for float64 tensors.
    - Of equal scores the lower index comes first. -0 equals 0.
    - A key is admissible if `mask` is true or absent and its score is neither NaN nor -inf. So NaN keys never win, a
      NaN query finds nothing, and the limit k counts admissible keys only.
    - With fewer than k of them, the places left over hold score -inf and index -1, and only those do.
    - `mask` is bool `[N]` or `[M, N]`, or its bits: uint8 or int32 words, `[ceil(N/8)]` or `[ceil(N/32)]` in place of
      `[N]`, the lowest bit first (`pack_mask` makes them).
    - `cu_seqlens` `[R + 1]` and `within` `[M]` (int32 or int64): query m searches only the keys cu_seqlens[r] to
      cu_seqlens[r + 1], r = within[m]. Indices are those of all keys. The cost is that of the ranges searched. Values
      out of bounds are a ValueError on a CPU; elsewhere, where to look would be to wait for the device, bounds are cut to
      0..N, and a range that does not exist or descends is empty.
    - `coarse` = `quantise(keys)` makes it an approximate search: the keys are read in eight bits, and only of the 4k
      groups of 32 consecutive keys whose best such score is highest are the scores computed from `keys`. What is
      returned is exact for what is found. k is at most 32, and a query that is not finite finds nothing. README.md says
      what it may miss.

    `backend` and `strict`: see `memkit_kernels.backend`. Bit-equal from run to run on one device. No gradient flows.
    ValueError for any other shape, dtype, device, metric or k; BackendUnavailable from the choice of backend.
    """
    search = Search(
        keys=keys, metric=metric, bias=bias, mask=mask, cu_seqlens=cu_seqlens, within=within, coarse=coarse
    )  # fmt: skip
    check(queries, k, search, backend)
    if choose("sim_topk", keys, KERNEL_DTYPES, backend=backend, strict=strict) == "torch":
        return sim_topk_reference(queries, k, search)
    from memkit_kernels.sim_topk.kernel import sim_topk_triton  # triton is optional, and slow to import

    return sim_topk_triton(queries, k, search)
