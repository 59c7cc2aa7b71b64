"""sim_topk in Triton: scores, mask, bias and selection in one pass over the keys, then a merge. See README.md.

Axes: M queries, N keys, D features, S splits of the keys, K list length (k rounded up to a power of two).
BM, BN, BD are the tile's share of M, N, D. Lists are sorted, best first, of packed candidates.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from memkit_kernels.sim_topk.reference import SHORTEST

_FLIP = tl.constexpr(0x7FFFFFFF)  # all bits but the sign
_NOBODY = tl.constexpr((-0x7F800001 << 32) | 0x80000000)  # packs (-inf, -1); below every admissible key
_SHORTEST = tl.constexpr(SHORTEST)

MERGE_CHUNK = 512  # candidates that the merge sorts at once
FUSED = True  # multiply and add round once; said because Triton 3.10 changes the default
WAVES = 4  # programs a multiprocessor, so that the last wave wastes at most about a quarter


@triton.jit
def _pack(scores, index):
    """(score, index) as one int64 that compares as they do: by score, then the lower index.

    A float's bits, the lower 31 flipped if it is negative, compare as the float does; a flipped index
    compares the other way round.
    """
    scores = tl.where(scores == 0.0, 0.0, scores)  # -0 equals 0, its bits do not
    bits = scores.to(tl.int32, bitcast=True)
    ordered = tl.where(bits >= 0, bits, bits ^ _FLIP).to(tl.int64)
    packed = (ordered << 32) | (index ^ _FLIP).to(tl.int64)
    return tl.where(scores > float("-inf"), packed, _NOBODY)  # false for NaN as well


@triton.jit
def _unpack(packed):
    ordered = (packed >> 32).to(tl.int32)
    bits = tl.where(ordered >= 0, ordered, ordered ^ _FLIP)
    return bits.to(tl.float32, bitcast=True), packed.to(tl.int32) ^ _FLIP


@triton.jit
def _merge(best, packed, K: tl.constexpr):
    """The K best of a list and of a tile.

    Of two sorted lists, one of them reversed, the larger of each pair are the K best, and they are bitonic.
    """
    fresh = tl.flip(tl.topk(packed, K), len(packed.shape) - 1)
    return tl.bitonic_merge(tl.maximum(best, fresh), descending=True)


@triton.jit
def _load(pointer, rows, row_ok, row_step, features, D, step):
    """A `[rows, features]` tile, 0 outside. int64, since rows times a stride passes 2^31 elements."""
    offsets = rows.to(tl.int64) * row_step + features.to(tl.int64) * step
    return tl.load(pointer + offsets, mask=row_ok & (features < D), other=0.0)


@triton.jit
def _squares(pointer, rows, row_ok, row_step, step, D, BD: tl.constexpr):
    """|x|² of each row, as a column."""
    total = tl.zeros(rows.shape, tl.float32)
    for d in range(0, D, BD):
        features = d + tl.arange(0, BD)[None, :]
        x = _load(pointer, rows, row_ok, row_step, features, D, step).to(tl.float32)
        total += tl.sum(x * x, axis=1, keep_dims=True)
    return total


@triton.jit
def _similarity(
    q, q_row, q_step, rows, row_ok, q_square, k, k_row, k_step, columns, column_ok, D,
    METRIC: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BD: tl.constexpr,
):  # fmt: skip
    """The scores of a tile. Keys are read once, for the products and for their own norms."""
    products = tl.zeros((BM, BN), tl.float32)
    k_square = tl.zeros((1, BN), tl.float32)
    for d in range(0, D, BD):
        features = d + tl.arange(0, BD)
        x = _load(q, rows, row_ok, q_row, features[None, :], D, q_step)
        y = _load(k, columns, column_ok, k_row, features[:, None], D, k_step)
        # "ieee": float32 is not cut to tf32's 10 bits, which would reorder keys. No effect on 16-bit tensors.
        products = tl.dot(x, y, products, input_precision="ieee")
        if METRIC != "ip":
            y = y.to(tl.float32)
            k_square += tl.sum(y * y, axis=0, keep_dims=True)
    if METRIC == "cosine":
        products /= tl.maximum(tl.sqrt(q_square), _SHORTEST)
        products /= tl.maximum(tl.sqrt(k_square), _SHORTEST)
    if METRIC == "l2":
        products = 2.0 * products - q_square - k_square
    return products


@triton.jit(do_not_specialize=["M", "N", "tiles_per_split"])
def _search(
    q, k, bias, mask, lists, M, N, D, tiles_per_split,
    q_row, q_step, k_row, k_step, bias_step, mask_row, mask_step,
    METRIC: tl.constexpr, K: tl.constexpr,
    BM: tl.constexpr, BN: tl.constexpr, BD: tl.constexpr,
):  # fmt: skip
    """The K best keys of one split for BM queries. Grid: query tiles (fastest, they share keys in L2), splits."""
    rows = tl.program_id(0) * BM + tl.arange(0, BM)[:, None]
    split = tl.program_id(1)
    row_ok = rows < M
    best = tl.full((BM, K), _NOBODY, tl.int64)
    q_square = tl.zeros((BM, 1), tl.float32)
    if METRIC != "ip":
        q_square = _squares(q, rows, row_ok, q_row, q_step, D, BD)
    first = split * tiles_per_split * BN
    for start in range(first, tl.minimum(first + tiles_per_split * BN, N), BN):
        columns = start + tl.arange(0, BN)[None, :]
        ok = columns < N
        scores = _similarity(
            q, q_row, q_step, rows, row_ok, q_square, k, k_row, k_step, columns, ok, D,
            METRIC, BM, BN, BD,
        )  # fmt: skip
        if bias is not None:
            scores += tl.load(bias + columns.to(tl.int64) * bias_step, mask=ok, other=0.0).to(tl.float32)
        admitted = row_ok & ok
        if mask is not None:
            offsets = rows.to(tl.int64) * mask_row + columns.to(tl.int64) * mask_step
            admitted &= tl.load(mask + offsets, mask=admitted, other=0) != 0
        packed = _pack(tl.where(admitted, scores, float("-inf")), columns)
        # Selection costs more than scoring, so a tile that changes no list skips it. Compared and not subtracted:
        # the difference of two int64 overflows.
        worst = tl.min(best, axis=1, keep_dims=True)
        if tl.max((packed > worst).to(tl.int32)) > 0:
            best = _merge(best, packed, K)
    where = (rows.to(tl.int64) * tl.num_programs(1) + split) * K + tl.arange(0, K)[None, :]
    tl.store(lists + where, best, mask=row_ok)


@triton.jit
def _measure(best, q, q_step, k, k_row, k_step, bias, bias_step, D, BD: tl.constexpr):
    """One query's list with -|q - k|² taken from the differences: the expansion that found it cancels."""
    _, index = _unpack(best)
    found = index >= 0
    total = tl.zeros(best.shape, tl.float32)
    for d in range(0, D, BD):
        features = d + tl.arange(0, BD)[None, :]
        x = tl.load(q + features.to(tl.int64) * q_step, mask=features < D, other=0.0)
        y = _load(k, index[:, None], found[:, None], k_row, features, D, k_step)
        difference = tl.where(found[:, None], x.to(tl.float32) - y.to(tl.float32), 0.0)
        total += tl.sum(difference * difference, axis=1)
    scores = -total
    if bias is not None:
        scores += tl.load(bias + index.to(tl.int64) * bias_step, mask=found, other=0.0).to(tl.float32)
    return tl.sort(_pack(tl.where(found, scores, float("-inf")), index), descending=True)


@triton.jit(do_not_specialize=["candidates"])
def _finish(
    lists, q, k, bias, scores, indices, candidates, D,
    q_row, q_step, k_row, k_step, bias_step, kept,
    METRIC: tl.constexpr, K: tl.constexpr, CHUNK: tl.constexpr, BD: tl.constexpr,
):  # fmt: skip
    """The `kept` best of one query's candidates from all splits. Grid: queries."""
    row = tl.program_id(0).to(tl.int64)
    best = tl.full((K,), _NOBODY, tl.int64)
    for start in range(0, candidates, CHUNK):
        at = start + tl.arange(0, CHUNK)
        packed = tl.load(lists + row * candidates + at, mask=at < candidates, other=_NOBODY)
        best = _merge(best, packed, K)
    if METRIC == "l2":
        best = _measure(best, q + row * q_row, q_step, k, k_row, k_step, bias, bias_step, D, BD)
    score, index = _unpack(best)
    place = tl.arange(0, K)
    tl.store(scores + row * kept + place, score, mask=place < kept)
    tl.store(indices + row * kept + place, index, mask=place < kept)


def sim_topk_triton(
    queries: Tensor,
    keys: Tensor,
    k: int,
    *,
    metric: str,
    bias: Tensor | None,
    mask: Tensor | None,
    splits: int | None = None,
) -> tuple[Tensor, Tensor]:
    """See `memkit_kernels.sim_topk.sim_topk`; takes its arguments as checked there.

    `splits`: into how many parts the keys are cut; the result does not depend on it. None fills the device.
    """
    (m, d), n = queries.shape, len(keys)
    length = max(2, triton.next_power_of_2(k))  # one candidate cannot be sorted
    bm, bn, bd, warps = _tile(m, length, keys.element_size())
    tiles = triton.cdiv(n, bn)
    splits = splits or max(1, min(tiles, _programs(keys.device) // max(1, triton.cdiv(m, bm))))
    lists = torch.empty((m, splits, length), dtype=torch.int64, device=keys.device)
    scores = torch.empty((m, k), dtype=torch.float32, device=keys.device)
    indices = torch.empty((m, k), dtype=torch.int64, device=keys.device)
    if m == 0:
        return scores, indices  # an empty grid cannot be launched
    spread = None if mask is None else mask.expand(m, n)
    steps = (*queries.stride(), *keys.stride(), 0 if bias is None else bias.stride(0))
    mask_steps = (0, 0) if spread is None else spread.stride()
    with torch.cuda.device_of(keys):
        _search[(triton.cdiv(m, bm), splits)](
            queries, keys, bias, spread, lists, m, n, d, triton.cdiv(tiles, splits), *steps, *mask_steps,
            METRIC=metric, K=length, BM=bm, BN=bn, BD=bd, num_warps=warps, enable_fp_fusion=FUSED,
        )  # fmt: skip
        _finish[(m,)](
            lists, queries, keys, bias, scores, indices, splits * length, d, *steps, k,
            METRIC=metric, K=length, CHUNK=min(MERGE_CHUNK, triton.next_power_of_2(splits * length)), BD=bd,
            enable_fp_fusion=FUSED,
        )  # fmt: skip
    return scores, indices


def _tile(m: int, length: int, bytes_each: int) -> tuple[int, int, int, int]:
    """BM, BN, BD and the number of warps."""
    bm = 16 if m <= 16 or length > 32 else 32 if m <= 32 or length > 16 else 64
    return bm, 128, 64 if bytes_each == 2 else 32, 4 if bm == 16 else 8


def _programs(device: torch.device) -> int:
    """How many programs fill the device."""
    if device.type == "cpu":
        return 2  # the interpreter runs them one after the other; two, so that tests merge
    return WAVES * torch.cuda.get_device_properties(device).multi_processor_count
