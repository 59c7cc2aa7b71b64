"""gather_attention in Triton: a program attends to its share of a list; shares are merged. See README.md.

Axes: B batch, T queries, H query heads, G key heads, R = H / G, L list entries, PAGE tokens an entry, D and E features.
A tile has BM rows, each a query and a head (row r is query r // R and head g R + r % R), and BN keys; BD and BE are D and
E rounded up to powers of two.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from memkit_kernels.merge_attention.kernel import merge_stacked
from memkit_kernels.merge_attention.reference import wide
from memkit_kernels.tuning import tuned

FUSED = True  # multiply and add round once; said because Triton 3.10 changes the default
PROGRAMS = 2  # a multiprocessor: what keeps memory busy, and is still one wave
SHORTEST_SHARE = 128  # keys; a share writes and reads a float32 result, which costs 1/16 of these at R = 4, D = E
_LOG2_E = tl.constexpr(1.4426950408889634)
_LN_2 = tl.constexpr(0.6931471805599453)


@triton.jit
def _rows_of(q, rows, ok, g, row_t, row_h, step, D: tl.constexpr, R: tl.constexpr, BD: tl.constexpr):
    """The tile of queries `[BM, BD]`, 0 outside."""
    features = tl.arange(0, BD)
    where = (rows // R).to(tl.int64) * row_t + (g * R + rows % R).to(tl.int64) * row_h
    offsets = where[:, None] + features.to(tl.int64)[None, :] * step
    return tl.load(q + offsets, mask=ok[:, None] & (features < D)[None, :], other=0.0)


@triton.jit
def _gathered(x, where, there, step, D: tl.constexpr, BD: tl.constexpr):
    """The rows at these offsets, `[BN, BD]`; 0 where there is none."""
    features = tl.arange(0, BD)
    offsets = where[:, None] + features.to(tl.int64)[None, :] * step
    return tl.load(x + offsets, mask=there[:, None] & (features < D)[None, :], other=0.0)


@triton.jit
def _places(table, step, at, limit, PAGE: tl.constexpr):
    """The page, -1 beyond the limit, and the place in it, of these positions of a list; int64, as strides need it."""
    slot = (at // PAGE).to(tl.int64)
    entry = tl.load(table + slot * step, mask=at < limit, other=-1).to(tl.int64)
    return entry, (at % PAGE).to(tl.int64)


@triton.jit
def _scored(x, keys, named, there, scale):
    """A tile of scores in base 2: -inf for what is not named, NaN for what is named and is not there."""
    # "ieee": float32 is not cut to tf32's 10 bits. No effect on 16-bit tensors.
    scores = tl.dot(x, tl.trans(keys), input_precision="ieee") * (scale * _LOG2_E)
    scores = tl.where(scores == float("inf"), float("nan"), scores)
    scores = tl.where(named[None, :], scores, float("-inf"))
    return tl.where((named & ~there)[None, :], float("nan"), scores)


@triton.jit
def _store(mixed, top, summed, out, lse, where, row_ok, E: tl.constexpr, BE: tl.constexpr):
    """Divide by the softmax's denominator, once, and write; a row that saw nothing is 0 and -inf."""
    nobody = summed == 0.0
    divisor = tl.where(nobody, 1.0, summed)
    total = (tl.where(top == float("-inf"), 0.0, top) + tl.log2(divisor)) * _LN_2
    features = tl.arange(0, BE)
    ok = row_ok[:, None] & (features < E)[None, :]
    tl.store(out + where[:, None] * E + features[None, :], (mixed / divisor[:, None]).to(out.dtype.element_ty), mask=ok)
    tl.store(lse + where, tl.where(nobody, float("-inf"), total), mask=row_ok)


@triton.jit(do_not_specialize=["B", "T", "tokens", "pages", "splits", "table_b", "table_g"])
def _attend(
    q, k, v, table, counts, out, lse, B, T, tokens, pages, splits, scale,
    q_b, q_t, q_h, q_d, k_page, k_row, k_g, k_d, v_page, v_row, v_g, v_d, table_b, table_g, table_l, counts_b,
    G: tl.constexpr, R: tl.constexpr, PAGE: tl.constexpr, D: tl.constexpr, E: tl.constexpr,
    BM: tl.constexpr, BD: tl.constexpr, BE: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    """One tile of rows, one share of the list. Grid: row tiles (fastest, they share keys in L2), key heads (a token's
    heads lie together), splits, batch."""
    tiles = tl.cdiv(T * R, BM)
    pid = tl.program_id(0)
    tile, g, split, b = pid % tiles, pid // tiles % G, pid // tiles // G % splits, pid // tiles // G // splits
    rows = tile * BM + tl.arange(0, BM)
    row_ok = rows < T * R
    batch, head = b.to(tl.int64), g.to(tl.int64)
    x = _rows_of(q + batch * q_b, rows, row_ok, g, q_t, q_h, q_d, D, R, BD)
    count = tokens
    if counts is not None:
        count = tl.load(counts + batch * counts_b)
    limit = tl.minimum(tl.maximum(count, 0), tokens).to(tl.int32)
    share = tl.cdiv(tl.cdiv(limit, splits), BN) * BN
    first = split * share
    top = tl.full((BM,), float("-inf"), tl.float32)
    summed = tl.zeros((BM,), tl.float32)
    mixed = tl.zeros((BM, BE), tl.float32)
    for start in range(first, tl.minimum(first + share, limit), BN):
        at = start + tl.arange(0, BN)
        entry, place = _places(table + batch * table_b + head * table_g, table_l, at, limit, PAGE)
        named = entry >= 0
        there = named & (entry < pages)
        keys = _gathered(k + head * k_g, entry * k_page + place * k_row, there, k_d, D, BD)
        scores = _scored(x, keys, named, there, scale)
        grown = tl.maximum(top, tl.max(scores, axis=1))
        safe = tl.where(grown == float("-inf"), 0.0, grown)
        weights = tl.exp2(scores - safe[:, None])
        fade = tl.exp2(top - safe)
        values = _gathered(v + head * v_g, entry * v_page + place * v_row, there, v_d, E, BE)
        summed = summed * fade + tl.sum(weights, axis=1)
        mixed = tl.dot(weights.to(values.dtype), values, mixed * fade[:, None], input_precision="ieee")
        top = grown
    summed = tl.where(count == limit, summed, float("nan"))  # never a silent wrong number
    where = ((split.to(tl.int64) * B + b) * T + rows // R) * (G * R) + g * R + rows % R
    _store(mixed, top, summed, out, lse, where, row_ok, E, BE)


def _config(bn: int, warps: int, stages: int) -> triton.Config:
    return triton.Config({"BN": bn}, num_warps=warps, num_stages=stages)


_KEY = ["PAGE", "BM", "BD", "BE"]
# Of each list the first fits in 99 KB of shared memory.
_narrow = tuned(
    [
        _config(64, 4, 2),
        _config(64, 4, 3),
        _config(128, 4, 2),
        _config(128, 8, 3),
        _config(32, 4, 4),
        _config(32, 2, 4),
    ],
    key=_KEY,
)(_attend)
_tall = tuned([_config(64, 8, 2), _config(64, 8, 3), _config(128, 8, 3), _config(32, 8, 2)], key=_KEY)(_attend)
_wide = tuned(
    [_config(32, 4, 2), _config(32, 8, 2), _config(32, 4, 3), _config(64, 8, 2), _config(16, 4, 2)], key=_KEY
)(_attend)
_widest = tuned([_config(16, 4, 2), _config(32, 8, 2), _config(16, 8, 3)], key=_KEY)(_attend)


def gather_attention_triton(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    table: Tensor,
    counts: Tensor | None,
    scale: float,
    *,
    splits: int | None = None,
) -> tuple[Tensor, Tensor]:
    """See `memkit_kernels.gather_attention.gather_attention`; takes its arguments as checked there, k and v as pages and
    the table as `[B, 1 or G, L]`. `splits`: into how many shares a list is cut. None fills the device."""
    (b, t, h, d), (pages, page, g, e) = q.shape, v.shape
    tokens = table.shape[2] * page
    bm, kernel = _tile(t * h // g, max(d, e) * q.element_size(), q.element_size())
    tiles = triton.cdiv(t * h // g, bm)
    splits = splits or max(1, min(triton.cdiv(tokens, SHORTEST_SHARE), _programs(q.device) // max(1, tiles * g * b)))
    dtype = q.dtype if splits == 1 else torch.float32
    out = torch.empty((splits, b, t, h, e), dtype=dtype, device=q.device)
    lse = torch.empty((splits, b, t, h), dtype=wide(dtype), device=q.device)
    if lse.numel():  # an empty grid cannot be launched
        lists = table.expand(b, g, table.shape[2])
        steps = (*q.stride(), *k.stride(), *v.stride(), *lists.stride(), 0 if counts is None else counts.stride(0))
        with torch.cuda.device_of(q):
            kernel[(tiles * g * splits * b,)](
                q, k, v, lists, counts, out, lse, b, t, tokens, pages, splits, scale, *steps,
                G=g, R=h // g, PAGE=page, D=d, E=e, BM=bm,
                BD=max(16, triton.next_power_of_2(d)), BE=max(16, triton.next_power_of_2(e)), enable_fp_fusion=FUSED,
            )  # fmt: skip
    return (out[0], lse[0]) if splits == 1 else merge_stacked(out, lse, q.dtype)


def warm(device: torch.device, dtype: torch.dtype) -> None:
    """Compile and tune a decode step of 4096 tokens and of as many in pages of 64, and a prefill of 512 queries."""
    k = torch.zeros((8192, 1, 8, 128), dtype=dtype, device=device)
    table = torch.arange(4096, device=device)[None, None]
    for pages, names, queries in ((k, table, 1), (k.view(128, 64, 8, 128), table[..., :64], 1), (k, table, 512)):
        q = torch.zeros((1, queries, 32, 128), dtype=dtype, device=device)
        gather_attention_triton(q, pages, pages, names, None, 128**-0.5)


def _tile(rows: int, feature_bytes: int, size: int) -> tuple[int, triton.runtime.Autotuner]:
    """BM, and the kernel with its choice of BN. float32 products run without matrix units, from registers."""
    most = 32 if size == 4 else 128 if feature_bytes <= 256 else 64
    bm = min(most, max(16, triton.next_power_of_2(rows)))
    narrow = _tall if bm == 128 else _narrow  # 128 rows on 4 warps spill
    return bm, narrow if feature_bytes <= 256 else _wide if feature_bytes <= 512 else _widest


def _programs(device: torch.device) -> int:
    """How many programs fill the device."""
    if device.type == "cpu":
        return 2  # the interpreter runs them one after the other; two, so that tests merge
    return PROGRAMS * torch.cuda.get_device_properties(device).multi_processor_count
