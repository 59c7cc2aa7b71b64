"""linear_surprisal's pass over the vocabulary in Triton: products, running sums, the target's logit. See ../README.md.

Axes: N rows, V words, D features, S splits of the vocabulary. BM, BV, BD are the tile's share of N, V, D.
A row's sums, relative to its largest logit m: e = Σ exp(z - m), ze = Σ (z - m) exp(z - m), zze = Σ (z - m)² exp(z - m).
"""

import triton
import triton.language as tl

from memkit_kernels.linear_surprisal.reference import NOTHING

INF = tl.constexpr(float("inf"))
LAST = tl.constexpr(0x7FFFFFFF)  # beyond every word
_NOTHING = tl.constexpr(NOTHING)
_SMALL = tl.constexpr(0.1)  # below it tanh is its series


@triton.jit
def _capped(z, softcap):
    """softcap tanh(z / softcap), and -inf where z is. By exp, since the interpreter has no tanh: 1e-6 of the result."""
    y = z / softcap
    power = tl.exp(-2.0 * tl.abs(y))
    far = (1.0 - power) / (1.0 + power)
    square = y * y
    near = y * (1.0 - square * (1.0 / 3.0 - square * (2.0 / 15.0 - square * (17.0 / 315.0))))
    tanh = tl.where(tl.abs(y) < _SMALL, near, tl.where(y < 0.0, -far, far))
    return tl.where(z == -INF, z, softcap * tanh)


@triton.jit
def _products(
    x_at, x_step, weight_at, weight_step, D: tl.constexpr, BM: tl.constexpr, BV: tl.constexpr, BD: tl.constexpr,
):  # fmt: skip
    """x·w of a tile, from pointers to its rows and words. Rows and words outside were sent to the last one, so that only
    features need a mask."""
    features = tl.arange(0, BD)
    x_at += features[None, :].to(tl.int64) * x_step
    weight_at += features[:, None].to(tl.int64) * weight_step
    z = tl.zeros((BM, BV), tl.float32)
    for d in range(0, D, BD):
        if D % BD == 0:
            a, b = tl.load(x_at), tl.load(weight_at)
        else:
            a = tl.load(x_at, mask=features[None, :] < D - d, other=0.0)
            b = tl.load(weight_at, mask=features[:, None] < D - d, other=0.0)
        # "ieee": float32 is not cut to tf32's 10 bits. No effect on 16-bit tensors.
        z = tl.dot(a, b, z, input_precision="ieee")
        x_at += BD * tl.cast(x_step, tl.int64)
        weight_at += BD * tl.cast(weight_step, tl.int64)
    return z


@triton.jit
def _described_products(
    x, first_row, weight, first_word, D: tl.constexpr, BM: tl.constexpr, BV: tl.constexpr, BD: tl.constexpr,
):  # fmt: skip
    """x·w of a tile, from descriptors: the copy engine fetches whole boxes, 0 outside, and no register holds a pointer."""
    z = tl.zeros((BM, BV), tl.float32)
    for d in range(0, D, BD):
        z = tl.dot(x.load([first_row, d]), weight.load([first_word, d]).T, z, input_precision="ieee")
    return z


@triton.jit
def moved(by, e, ze, zze, ENTROPY: tl.constexpr, VARENTROPY: tl.constexpr):
    """Sums relative to an m that is larger by -`by`. No sum is multiplied by an infinity: exp is 0 long before."""
    shrink, by = tl.exp(by), tl.maximum(by, _NOTHING)
    if VARENTROPY:
        zze = shrink * (zze + 2.0 * by * ze + by * by * e)
    if ENTROPY:
        ze = shrink * (ze + by * e)
    return shrink * e, ze, zze


@triton.jit
def _add(z, largest, e, ze, zze, ENTROPY: tl.constexpr, VARENTROPY: tl.constexpr):
    """The sums with a tile of logits: one exp a logit. A NaN stays in e, where no comparison drops it."""
    largest_now = tl.maximum(largest, tl.max(z, axis=1))
    base = tl.where(largest_now == -INF, 0.0, largest_now)  # nothing but -inf yet
    by = tl.where(largest == -INF, 0.0, largest - base)
    e, ze, zze = moved(by, e, ze, zze, ENTROPY, VARENTROPY)
    away = z - base[:, None]
    power = tl.exp(away)
    e += tl.sum(power, axis=1)
    if ENTROPY:
        away = tl.maximum(away, _NOTHING)  # 0 times -inf is NaN
        weighted = away * power
        ze += tl.sum(weighted, axis=1)
        if VARENTROPY:
            zze += tl.sum(away * weighted, axis=1)
    return largest_now, e, ze, zze


@triton.jit
def _place(group_rows, N, BM: tl.constexpr):
    """This program's row tile and split. A group's row tiles come first (they share words in L2), then its splits,
    then the next group: x stays in L2 while the vocabulary goes by."""
    tiles = tl.cdiv(N, BM)
    splits = tl.num_programs(0) // tiles
    group = tl.maximum(group_rows // BM, 1)
    number = tl.program_id(0) // (group * splits)
    width = tl.minimum(group, tiles - number * group)  # the last group may be narrower
    within = tl.program_id(0) - number * group * splits
    return number * group + within % width, within // width, splits


@triton.jit
def _finished(z, words, V, bias, bias_step, scale, softcap, SCALED: tl.constexpr, CAPPED: tl.constexpr):
    """Logits of products; -inf beyond the vocabulary."""
    if bias is not None:
        z += tl.load(bias + words.to(tl.int64) * bias_step, mask=words < V, other=0.0).to(tl.float32)[None, :]
    if SCALED:
        z *= scale
    if CAPPED:
        z = _capped(z, softcap)
    return tl.where(words[None, :] < V, z, -INF)


@triton.jit
def _labels(target, rows, N, V, step):
    """Each row's word, -1 where it has none."""
    given = tl.load(target + rows.to(tl.int64) * step, mask=rows < N, other=-1)
    return tl.where((given >= 0) & (given < V), given, -1).to(tl.int32)


@triton.jit
def _note(own, z, words, rows, label, first, BV: tl.constexpr):
    """Store the logits of the targets that are in this tile: few tiles have one, and it takes three operations a logit."""
    here = (label >= first) & (label < first + BV)
    if tl.max(here.to(tl.int32)) > 0:
        logit = tl.sum(tl.where(words[None, :] == label[:, None], z, 0.0), axis=1)
        tl.store(own + rows, logit, mask=here)


@triton.jit
def _store(parts, tops, rows, N, split, splits, largest, e, ze, zze, top,
           ENTROPY: tl.constexpr, VARENTROPY: tl.constexpr, TOP1: tl.constexpr):  # fmt: skip
    """A split's sums: planes of `[N, S]`."""
    ok = rows < N
    plane = N.to(tl.int64) * splits
    at = rows.to(tl.int64) * splits + split
    tl.store(parts + at, largest, mask=ok)
    tl.store(parts + plane + at, e, mask=ok)
    if ENTROPY:
        tl.store(parts + 2 * plane + at, ze, mask=ok)
    if VARENTROPY:
        tl.store(parts + 3 * plane + at, zze, mask=ok)
    if TOP1:
        tl.store(tops + at, top, mask=ok)


@triton.jit(do_not_specialize=["N", "V", "group_rows"])
def scan(
    x, weight, bias, target, parts, tops, own, N, V, group_rows, scale, softcap,
    x_row, x_step, weight_row, weight_step, bias_step, target_step,
    D: tl.constexpr, IS_WIDE: tl.constexpr, SCALED: tl.constexpr, CAPPED: tl.constexpr,
    ENTROPY: tl.constexpr, VARENTROPY: tl.constexpr, TOP1: tl.constexpr,
    DESCRIBED: tl.constexpr, BM: tl.constexpr, BV: tl.constexpr, BD: tl.constexpr,
):  # fmt: skip
    """The sums of BM rows over one split of the vocabulary. Grid: see `_place`. x and weight are pointers, or descriptors
    if DESCRIBED. IS_WIDE is there to be a tuning key."""
    row_tile, split, splits = _place(group_rows, N, BM)
    rows = row_tile * BM + tl.arange(0, BM)
    if target is not None:
        label = _labels(target, rows, N, V, target_step)
    largest = tl.full((BM,), -INF, tl.float32)
    e, ze, zze = tl.zeros((BM,), tl.float32), tl.zeros((BM,), tl.float32), tl.zeros((BM,), tl.float32)
    top = tl.zeros((BM,), tl.int32)
    tiles = tl.cdiv(V, BV)
    each = tl.cdiv(tiles, splits)
    for tile in range(split * each, tl.minimum((split + 1) * each, tiles)):
        words = tile * BV + tl.arange(0, BV)
        if DESCRIBED:
            z = _described_products(x, row_tile * BM, weight, tile * BV, D, BM, BV, BD)
        else:
            x_at = x + tl.minimum(rows, N - 1)[:, None].to(tl.int64) * x_row
            weight_at = weight + tl.minimum(words, V - 1)[None, :].to(tl.int64) * weight_row
            z = _products(x_at, x_step, weight_at, weight_step, D, BM, BV, BD)
        z = _finished(z, words, V, bias, bias_step, scale, softcap, SCALED, CAPPED)
        if target is not None:
            _note(own, z, words, rows, label, tile * BV, BV)
        if TOP1:
            best = tl.max(z, axis=1)
            first = tl.min(tl.where(z == best[:, None], words[None, :], LAST), axis=1)
            top = tl.where(best > largest, first, top)
        largest, e, ze, zze = _add(z, largest, e, ze, zze, ENTROPY, VARENTROPY)
    _store(parts, tops, rows, N, split, splits, largest, e, ze, zze, top, ENTROPY, VARENTROPY, TOP1)
