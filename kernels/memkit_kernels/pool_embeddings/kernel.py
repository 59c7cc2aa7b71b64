"""pool_embeddings in Triton: a program reads one sequence once and writes one vector. See README.md.

Axes: T tokens, N sequences, D features. BT tokens are read at once, BD is D rounded up to a power of two.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from memkit_kernels.pool_embeddings.reference import LEAST, SHORTEST
from memkit_kernels.sim_topk.int8 import LEVELS, Int8Keys

_SHORTEST = tl.constexpr(SHORTEST)
_LEAST = tl.constexpr(LEAST)
_LEVELS = tl.constexpr(float(LEVELS))
_ROUNDER = tl.constexpr(12582912.0)  # 1.5 · 2^23: adding it leaves a float32 no place for a fraction, half goes to even

TILE = 8192  # elements of a tile: 64 registers a thread at four warps


@triton.jit
def _pooled(hidden, first, length, columns, inside, row_step, MODE: tl.constexpr, BT: tl.constexpr, BD: tl.constexpr):
    """The sum, or the maximum, of `length` rows from `first` on. Quotients are by div_rn: a GPU's `/` is approximate."""
    worst: tl.constexpr = float("-inf") if MODE == "max" else 0.0
    tile = tl.full((BT, BD), worst, tl.float32)
    lost = tl.zeros((BT, BD), tl.int32)  # where a maximum met NaN
    for start in range(0, length, BT):
        tokens = start + tl.arange(0, BT)
        offsets = (first + tokens)[:, None] * row_step + columns[None, :]
        x = tl.load(hidden + offsets, mask=(tokens < length)[:, None] & inside[None, :], other=worst).to(tl.float32)
        if MODE == "max":
            lost |= (x != x).to(tl.int32)
            tile = tl.maximum(tile, tl.where(x == x, x, worst))
        else:
            tile += x
    if MODE == "max":
        vector = tl.where(tl.max(lost, axis=0) > 0, float("nan"), tl.max(tile, axis=0))
    else:
        vector = tl.sum(tile, axis=0)
    if MODE == "mean":
        vector = tl.div_rn(vector, tl.maximum(length, 1).to(tl.float32))
    return tl.where(inside & (length > 0), vector, 0.0)


@triton.jit
def _quantised(vector):
    """The vector in 127ths of its largest magnitude, that 127th, and its length; see `memkit_kernels.sim_topk.int8`."""
    # A GPU's maximum passes over NaN, so NaN counts as infinity.
    largest = tl.max(tl.where(vector == vector, tl.abs(vector), float("inf")), axis=0)
    finite = largest < float("inf")
    values = tl.div_rn(vector, tl.maximum(largest, _LEAST)) * _LEVELS
    values = tl.where(finite, (values + _ROUNDER) - _ROUNDER, 0.0)
    step = tl.where(finite, tl.div_rn(largest, _LEVELS), float("nan"))
    return values.to(tl.int8), step, tl.where(finite, tl.sqrt_rn(tl.sum(vector * vector, axis=0)), float("nan"))


@triton.jit(do_not_specialize=["T"])
def _pool(
    hidden, bounds, vectors, steps, norms, T, D, row_step, step, bound_step,
    MODE: tl.constexpr, NORMALISE: tl.constexpr, INT8: tl.constexpr, BT: tl.constexpr, BD: tl.constexpr,
):  # fmt: skip
    """One sequence's vector. Grid: sequences."""
    n = tl.program_id(0).to(tl.int64)
    first = tl.maximum(tl.load(bounds + n * bound_step).to(tl.int64), 0)
    last = tl.minimum(tl.load(bounds + (n + 1) * bound_step).to(tl.int64), T)
    if MODE == "cls":
        last = tl.minimum(last, first + 1)
    if MODE == "last":
        first = tl.maximum(first, last - 1)
    length = tl.maximum(last - first, 0).to(tl.int32)
    features = tl.arange(0, BD)
    inside = features < D
    vector = _pooled(hidden, first, length, features.to(tl.int64) * step, inside, row_step, MODE, BT, BD)
    if NORMALISE:
        size = tl.sqrt_rn(tl.sum(vector * vector, axis=0))
        size = tl.where(size == float("inf"), float("nan"), size)  # what overflows has no direction, and is not 0
        vector = tl.div_rn(vector, tl.where(size < _SHORTEST, _SHORTEST, size))  # NaN stays NaN
    where = vectors + n * D + features
    if INT8:
        values, unit, norm = _quantised(vector)
        tl.store(where, values, mask=inside)
        tl.store(steps + n, unit)
        tl.store(norms + n, norm)
    else:
        tl.store(where, vector.to(vectors.dtype.element_ty), mask=inside)


def pool_embeddings_triton(
    hidden: Tensor, cu_seqlens: Tensor, *, mode: str, normalise: bool, dtype: torch.dtype
) -> Tensor | Int8Keys:
    """See `memkit_kernels.pool_embeddings.pool_embeddings`; takes its arguments as checked there."""
    (t, d), n = hidden.shape, len(cu_seqlens) - 1
    vectors = torch.empty((n, d), dtype=dtype, device=hidden.device)
    lengths = torch.empty((2, n if dtype == torch.int8 else 0), dtype=torch.float32, device=hidden.device)
    steps, norms = lengths
    if n > 0:  # an empty grid cannot be launched
        bt, bd, warps = _tile(d)
        with torch.cuda.device_of(hidden):
            _pool[(n,)](
                hidden, cu_seqlens, vectors, steps, norms, t, d, *hidden.stride(), cu_seqlens.stride(0),
                MODE=mode, NORMALISE=normalise, INT8=dtype == torch.int8, BT=bt, BD=bd, num_warps=warps,
                enable_fp_fusion=False,  # a product fused with the rounding's sum would be rounded once, not twice
            )  # fmt: skip
    return Int8Keys(values=vectors, steps=steps, norms=norms) if dtype == torch.int8 else vectors


def _tile(d: int) -> tuple[int, int, int]:
    """BT, BD and the number of warps."""
    bd = triton.next_power_of_2(d)
    return max(1, min(32, TILE // bd)), bd, 4 if bd <= TILE else 8


def warm(device: torch.device, dtype: torch.dtype) -> None:
    """Compile what an embedder asks for: means, normalised, of MiniLM's and BERT's widths, in `dtype` and in int8."""
    bounds = torch.tensor([0, 7, 16], device=device)
    for d in (384, 768, 1024):
        hidden = torch.ones(16, d, dtype=dtype, device=device)
        for kept in (dtype, torch.int8):
            pool_embeddings_triton(hidden, bounds, mode="mean", normalise=True, dtype=kept)
