"""From the best score of each group of keys to the best keys: choose groups, measure their keys, finish.

Axes: M queries, N keys, D features, T groups of GROUP keys, C chosen groups, K list length (a power of two). A list is
sorted, best first, and holds packed candidates.
"""

import triton
import triton.language as tl

from memkit_kernels.sim_topk.maxima.kernel import admitted, load_rows
from memkit_kernels.sim_topk.reference import SHORTEST

_FLIP = tl.constexpr(0x7FFFFFFF)  # all bits but the sign
_NOBODY = tl.constexpr((-0x7F800001 << 32) | 0x80000000)  # packs (-inf, -1); below every admissible key
_SHORTEST = tl.constexpr(SHORTEST)


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
def _merged(best, packed, K: tl.constexpr):
    """The K best of a list and of more candidates.

    Of two sorted lists, one of them reversed, the larger of each pair are the K best, and they are bitonic. Nothing is
    sorted if no candidate is better than the last of the list. Compared, not subtracted: that overflows.
    """
    if tl.max(packed) > tl.min(best):
        fresh = tl.flip(tl.topk(packed, K), 0)  # Triton 3.6 has no default axis
        best = tl.bitonic_merge(tl.maximum(best, fresh), descending=True)
    return best


@triton.jit
def _range_of(starts, ends, row, N):
    """The keys that one query searches."""
    low = 0
    high = N
    if starts is not None:
        low = tl.load(starts + row).to(tl.int32)
        high = tl.load(ends + row).to(tl.int32)
    return low, high


@triton.jit(do_not_specialize=["N", "groups"])
def choose(
    maxima, starts, ends, lists, N, groups,
    GROUP: tl.constexpr, K: tl.constexpr, CHUNK: tl.constexpr,
):  # fmt: skip
    """The K best groups of one part of a query's groups. Grid: queries, parts."""
    row = tl.program_id(0).to(tl.int64)
    low, high = _range_of(starts, ends, row, N)
    first = low // GROUP
    share = tl.cdiv(tl.maximum(tl.cdiv(high, GROUP) - first, 0), tl.num_programs(1))
    begin = first + tl.program_id(1) * share
    end = tl.minimum(begin + share, tl.where(high > low, tl.cdiv(high, GROUP), 0))
    best = tl.full((K,), _NOBODY, tl.int64)
    for start in range(begin, end, CHUNK):
        group = start + tl.arange(0, CHUNK)
        score = tl.load(maxima + row * groups + group, mask=group < end, other=float("-inf"))
        best = _merged(best, _pack(score, group), K)
    place = (row * tl.num_programs(1) + tl.program_id(1)) * K
    tl.store(lists + place + tl.arange(0, K), best)


@triton.jit(do_not_specialize=["candidates"])
def narrow(lists, best_of, candidates, K: tl.constexpr, CHUNK: tl.constexpr):
    """The K best of one query's candidates from all parts. Grid: queries."""
    row = tl.program_id(0).to(tl.int64)
    tl.store(best_of + row * K + tl.arange(0, K), _best_of(lists + row * candidates, candidates, K, CHUNK))


@triton.jit
def _best_of(packed, candidates, K: tl.constexpr, CHUNK: tl.constexpr):
    best = tl.full((K,), _NOBODY, tl.int64)
    for start in range(0, candidates, CHUNK):
        at = start + tl.arange(0, CHUNK)
        best = _merged(best, tl.load(packed + at, mask=at < candidates, other=_NOBODY), K)
    return best


@triton.jit
def _measured(q, k, k_row, q_step, k_step, columns, ok, D, METRIC: tl.constexpr, GROUP: tl.constexpr, BD: tl.constexpr):
    """One query's scores with a group's keys, as a column, in float32. `q` points to the query's row."""
    products = tl.zeros((GROUP, 1), tl.float32)
    squares = tl.zeros((GROUP, 1), tl.float32)
    q_square = tl.zeros((1, 1), tl.float32)
    for d in range(0, D, BD):
        features = d + tl.arange(0, BD)[None, :]
        x = tl.load(q + features.to(tl.int64) * q_step, mask=features < D, other=0.0).to(tl.float32)
        y = load_rows(k, columns, ok, k_row, features, D, k_step).to(tl.float32)
        if METRIC == "l2":
            products -= tl.sum((x - y) * (x - y), axis=1, keep_dims=True)
        else:
            products += tl.sum(x * y, axis=1, keep_dims=True)
        if METRIC == "cosine":
            squares += tl.sum(y * y, axis=1, keep_dims=True)
            q_square += tl.sum(x * x, axis=1, keep_dims=True)
    if METRIC == "cosine":
        products /= tl.maximum(tl.sqrt(q_square), _SHORTEST)
        products /= tl.maximum(tl.sqrt(squares), _SHORTEST)
    return products


@triton.jit(do_not_specialize=["N"])
def measure(
    chosen, q, k, bias, mask, starts, ends, found, N, D,
    q_row, q_step, k_row, k_step, bias_step, mask_row, mask_step,
    METRIC: tl.constexpr, PER_QUERY: tl.constexpr, BITS: tl.constexpr, GROUP: tl.constexpr,
    C: tl.constexpr, BD: tl.constexpr,
):  # fmt: skip
    """The scores of one group's keys, packed: found[m, place, GROUP]. Grid: queries, places.

    The group is chosen[m, place] of `[M, C]`, packed, or with `chosen` None the place itself.
    """
    row = tl.program_id(0).to(tl.int64)
    low, high = _range_of(starts, ends, row, N)
    group = tl.program_id(1)
    if chosen is not None:
        _, group = _unpack(tl.load(chosen + row * C + group))
    within = tl.arange(0, GROUP)[:, None]
    columns = group * GROUP + within  # of nobody, group -1, all are below any range
    ok = admitted(
        columns >= 0, (columns >= low) & (columns < high), mask, row, columns, mask_row, mask_step, PER_QUERY, BITS
    )
    scores = _measured(q + row * q_row, k, k_row, q_step, k_step, columns, ok, D, METRIC, GROUP, BD)
    if bias is not None:
        scores += tl.load(bias + columns.to(tl.int64) * bias_step, mask=ok, other=0.0).to(tl.float32)
    place = (row * tl.num_programs(1) + tl.program_id(1)) * GROUP
    tl.store(found + place + within, _pack(tl.where(ok, scores, float("-inf")), columns))


@triton.jit(do_not_specialize=["candidates", "kept"])
def finish(found, scores, indices, candidates, kept, K: tl.constexpr, CHUNK: tl.constexpr):
    """The `kept` best of one query's candidates. Grid: queries."""
    row = tl.program_id(0).to(tl.int64)
    score, index = _unpack(_best_of(found + row * candidates, candidates, K, CHUNK))
    place = tl.arange(0, K)
    tl.store(scores + row * kept + place, score, mask=place < kept)
    tl.store(indices + row * kept + place, index, mask=place < kept)
