"""What the kernels with window_attention's mask share: who sees whom, which tiles to visit, and safe products.

Imports triton: a module for `kernel.py` files. Axes: T queries, S keys, G key heads, R query heads for each. A row is a
query of one of R heads: row m is token m // R, head m % R of its group. BM and BN are the tile's share of rows and keys.
A token's position p is its place among the keys. `first` and `end` bound a token's sequence, in keys.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from memkit_kernels.window_attention.mask import Mask

LENGTHS = ["T", "S", "window", "sinks", "beyond"]  # a new one compiles nothing
FUSED = True  # multiply and add round once; said because Triton 3.10 changes the default
LOG2_E = 1.4426950408889634  # exponentials are taken of base 2, which is what the GPU has
LN_2 = tl.constexpr(0.6931471805599453)
_FAR = tl.constexpr(2**31 - 1)


@triton.jit
def load_rows(pointer, offsets, row_ok, step, SIZE: tl.constexpr, PADDED: tl.constexpr):
    """A `[rows, features]` tile, 0 outside. `offsets` (int64) is where each row begins."""
    features = tl.arange(0, PADDED)
    ok = row_ok[:, None]
    if SIZE != PADDED:
        ok = ok & (features < SIZE)[None, :]
    return tl.load(pointer + offsets[:, None] + (features.to(tl.int64) * step)[None, :], mask=ok, other=0.0)


@triton.jit
def store_rows(pointer, offsets, row_ok, values, SIZE: tl.constexpr, PADDED: tl.constexpr):
    """The inverse, to contiguous rows; rounds to what is stored there."""
    features = tl.arange(0, PADDED)
    ok = row_ok[:, None] & (features < SIZE)[None, :]
    tl.store(pointer + offsets[:, None] + features[None, :], values, mask=ok)


@triton.jit
def add_product(total, weights, seen, values, MASKED: tl.constexpr):
    """total + weights @ values. Where MASKED, a value that is not finite spoils the rows that see it and no other: 0 times
    NaN is NaN."""
    if MASKED:
        finite = tl.abs(values) < float("inf")  # false for NaN as well
        spoilt = tl.min(finite.to(tl.int32), axis=1) == 0
        total = tl.dot(weights.to(values.dtype), tl.where(finite, values, 0.0), total, input_precision="ieee")
        touched = tl.max((seen & spoilt[None, :]).to(tl.int32), axis=1) > 0
        total = tl.where(touched[:, None], float("nan"), total)
    else:
        total = tl.dot(weights.to(values.dtype), values, total, input_precision="ieee")
    return total


@triton.jit
def sequence_of(first, end, token, ok, S):
    """`first` and `end` of each token, from tables if there are any."""
    if first is None:
        start = tl.zeros(token.shape, tl.int32)
        stop = start + S
    else:
        start = tl.load(first + token, mask=ok, other=0)
        stop = tl.load(end + token, mask=ok, other=0)
    return start, stop


@triton.jit
def sight(p, first, end, window, sinks, beyond, CAUSAL: tl.constexpr, WINDOWED: tl.constexpr):
    """What a query at p sees: keys [near, near_end), and sinks [first, sink_end). Each may be empty."""
    near, near_end, sink_end = first, end, first
    if CAUSAL:
        near_end = tl.minimum(end, p - beyond + 1)
    if WINDOWED:
        sink_end = tl.minimum(first + sinks, near_end)
        near = tl.maximum(first, p - window + 1)
        if not CAUSAL:
            near_end = tl.minimum(end, p + window)
    return near, near_end, sink_end


@triton.jit
def sees(key, near, near_end, first, sink_end, WINDOWED: tl.constexpr):
    """bool `[BM, BN]`: which of these queries sees which of these keys."""
    seen = (key[None, :] >= near[:, None]) & (key[None, :] < near_end[:, None])
    if WINDOWED:
        seen |= (key[None, :] >= first[:, None]) & (key[None, :] < sink_end[:, None])
    return seen


@triton.jit
def key_tiles(near, near_end, first, sink_end, ok, BN: tl.constexpr):
    """Which keys a tile of queries has to visit: sinks [low0, high0), then [low, high), in which every query sees all of
    [full, full_end). Tiles of BN begin at multiples of BN.

    A sequence that begins inside the tile has its sinks inside [low, high): its queries come after its first key. So only
    the sinks of the first one are apart. Sequences do not overlap, so a tile with two of them has nothing in full.
    """
    oldest = tl.min(tl.where(ok, first, _FAR))
    low = tl.min(tl.where(ok, near, _FAR)) // BN * BN
    high = tl.maximum(low, tl.max(tl.where(ok, tl.maximum(near_end, sink_end), 0)))
    low0 = oldest // BN * BN
    high0 = tl.minimum(low, tl.max(tl.where(ok & (first == oldest), sink_end, 0)))
    full = tl.minimum(high, tl.cdiv(tl.max(tl.where(ok, near, 0)), BN) * BN)
    full_end = tl.minimum(high, tl.maximum(full, tl.min(tl.where(ok, near_end, _FAR)) // BN * BN))
    return low0, tl.maximum(low0, high0), low, high, full, full_end


@triton.jit
def seen_from(
    key, first, end, T, S, window, sinks, beyond, CAUSAL: tl.constexpr, WINDOWED: tl.constexpr
):  # fmt: skip
    """The positions of the queries that see a key, [low, high)."""
    begin = first + tl.minimum(S - T, 0)  # with more queries than keys the first ones come before them
    low, high = begin, end
    if CAUSAL:
        low = tl.maximum(begin, key + beyond)
    if WINDOWED:
        sink = key - first < sinks
        high = tl.where(sink, end, tl.minimum(end, key + window))
        if not CAUSAL:
            low = tl.where(sink, begin, tl.maximum(begin, key - window + 1))
    return low, high


@triton.jit
def row_tiles(low_at, high_at, ok, T, S, R, BM: tl.constexpr):
    """Which rows a tile of keys has to visit: [low, high), in which every row of [full, full_end) sees all its keys."""
    shift = T - S  # from a position to a token
    low = tl.minimum(tl.maximum(tl.min(tl.where(ok, low_at, _FAR)) + shift, 0), T) * R // BM * BM
    high = tl.maximum(low, tl.minimum(tl.maximum(tl.max(tl.where(ok, high_at, -S - T)) + shift, 0), T) * R)
    full = tl.minimum(tl.maximum(tl.max(tl.where(ok, low_at, -S - T)) + shift, 0), T) * R
    full = tl.minimum(high, tl.cdiv(full, BM) * BM)
    full_end = tl.minimum(tl.maximum(tl.min(tl.where(ok, high_at, S)) + shift, 0), T) * R // BM * BM
    return low, high, full, tl.minimum(high, tl.maximum(full, full_end))


@triton.jit
def nth_masked(n, low0, high0, low, full, full_end, STEP: tl.constexpr):
    """Where the n-th of those tiles begins that are not seen in full. They are three stretches."""
    sinks = tl.cdiv(high0 - low0, STEP)
    left = tl.cdiv(full - low, STEP)
    start = tl.where(n < sinks, low0 + n * STEP, low + (n - sinks) * STEP)
    return tl.where(n < sinks + left, start, full_end + (n - sinks - left) * STEP)


@triton.jit
def count_masked(low0, high0, low, high, full, full_end, STEP: tl.constexpr):
    return tl.cdiv(high0 - low0, STEP) + tl.cdiv(full - low, STEP) + tl.cdiv(high - full_end, STEP)


@triton.jit(do_not_specialize=["N", "T"])
def _bounds(cu_seqlens, first, end, N, T, BLOCK: tl.constexpr):
    """Of each token the bounds of its sequence, by bisection; of one in no sequence, itself, so that it sees nothing."""
    token = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    low = tl.zeros((BLOCK,), tl.int32)  # at least so many are <= token
    high = low + N + 1
    span = N + 1
    while span > 0:
        middle = (low + high) // 2
        going = low < high
        passed = going & (tl.load(cu_seqlens + middle, mask=going, other=0) <= token)
        low = tl.where(passed, middle + 1, low)
        high = tl.where(going & (passed == 0), middle, high)
        span //= 2
    inside = (low > 0) & (low <= N)
    start = tl.load(cu_seqlens + low - 1, mask=inside, other=0)
    stop = tl.load(cu_seqlens + low, mask=inside, other=0)
    tl.store(first + token, tl.where(inside, tl.maximum(start, 0), token).to(tl.int32), mask=token < T)
    tl.store(end + token, tl.where(inside, tl.minimum(stop, T), token).to(tl.int32), mask=token < T)


def bounds(cu_seqlens: Tensor | None, tokens: int) -> tuple[Tensor | None, Tensor | None]:
    """`first` and `end` of each packed token, int32. The host does not wait for cu_seqlens."""
    if cu_seqlens is None:
        return None, None
    room = triton.cdiv(tokens, 4) * 4  # `end` begins at 16 bytes as well: else some lengths compile anew
    first, end = torch.empty((2, room), dtype=torch.int32, device=cu_seqlens.device)[:, :tokens]
    if tokens:  # an empty grid cannot be launched
        with torch.cuda.device_of(cu_seqlens):
            _bounds[(triton.cdiv(tokens, 256),)](
                cu_seqlens.contiguous(), first, end, len(cu_seqlens) - 1, tokens, BLOCK=256, enable_fp_fusion=FUSED
            )
    return first, end


def numbers(queries: int, keys: int, mask: Mask) -> tuple[int, int, int]:
    """window, sinks and beyond, none of them above what makes a difference, so that sums stay within 32 bits."""
    most = max(queries, keys) + 1
    return min(mask.window or most, most), min(mask.sinks, most), min(mask.beyond, most)


def padded(size: int) -> int:
    """A tile's features: a dot has at least 16 on each side."""
    return max(16, triton.next_power_of_2(size))


def kind_of(q: Tensor, *features: int) -> str:
    """What sort of tiles fits such tensors, by the bytes of a row of (padded) features."""
    if q.dtype == torch.float32:
        return "exact"
    return "usual" if max(features) * q.element_size() <= 256 else "wide"


def choices(*sizes: tuple[int, int, int, int]) -> list[triton.Config]:
    """Tiles to choose from, each as BM, BN, warps and stages."""
    return [triton.Config({"BM": bm, "BN": bn}, num_warps=warps, num_stages=stages) for bm, bn, warps, stages in sizes]
