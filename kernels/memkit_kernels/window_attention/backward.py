"""window_attention's gradients in Triton: dq by tiles of queries, dk and dv by tiles of keys, so nothing adds atomically.

Imports triton: a module for `kernel.py`. Axes as there. With P = exp(scale q·k - lse), computed anew, and dP = dO·v:
dS = P (dP - delta), where delta = O·dO - dlse, and dq = scale dS k, dk = scale dSᵀ q, dv = Pᵀ dO. See README.md.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from memkit_kernels.tuning import tuned
from memkit_kernels.window_attention.mask import Mask
from memkit_kernels.window_attention.tiles import (
    FUSED,
    LENGTHS,
    LN_2,
    LOG2_E,
    add_product,
    choices,
    count_masked,
    key_tiles,
    kind_of,
    load_rows,
    nth_masked,
    numbers,
    padded,
    row_tiles,
    seen_from,
    sees,
    sequence_of,
    sight,
    store_rows,
)


@triton.jit
def _add_dq(
    dq, queries, d_outs, base, deltas, k, v, start, near, near_end, first, sink_end, S,
    k_row, k_step, v_row, v_step, scale,
    D: tl.constexpr, E: tl.constexpr, BD: tl.constexpr, BE: tl.constexpr, BN: tl.constexpr,
    WINDOWED: tl.constexpr, MASKED: tl.constexpr,
):  # fmt: skip
    """dq of some rows with one tile of keys added."""
    key = start + tl.arange(0, BN)
    keys = load_rows(k, key.to(tl.int64) * k_row, key < S, k_step, D, BD)
    values = load_rows(v, key.to(tl.int64) * v_row, key < S, v_step, E, BE)
    scores = tl.dot(queries, tl.trans(keys), input_precision="ieee") * scale
    d_weights = tl.dot(d_outs, tl.trans(values), input_precision="ieee")
    d_scores = tl.exp2(scores - base[:, None]) * (d_weights - deltas[:, None])
    seen = None
    if MASKED:
        seen = sees(key, near, near_end, first, sink_end, WINDOWED)
        d_scores = tl.where(seen, d_scores, 0.0)
    return add_product(dq, d_scores, seen, keys, MASKED)


@triton.jit(do_not_specialize=LENGTHS)
def _d_queries(
    q, k, v, out, lse, first, end, d_out, d_lse, dq, delta, T, S, G, R, scale, window, sinks, beyond,
    q_batch, q_row, q_head, q_step, k_batch, k_row, k_head, k_step, v_batch, v_row, v_head, v_step,
    do_batch, do_row, do_head, do_step,
    D: tl.constexpr, E: tl.constexpr, BD: tl.constexpr, BE: tl.constexpr,
    CAUSAL: tl.constexpr, WINDOWED: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    """dq, and delta for the other kernel. Grid: as the forward pass."""
    tiles = tl.cdiv(T * R, BM)
    row = (tiles - 1 - tl.program_id(0) % tiles) * BM + tl.arange(0, BM)
    group, batch = (tl.program_id(0) // tiles % G).to(tl.int64), (tl.program_id(0) // tiles // G).to(tl.int64)
    token, head, ok = row // R, group * R + row % R, row < T * R
    start, stop = sequence_of(first, end, token, ok, S)
    near, near_end, sink_end = sight(token + S - T, start, stop, window, sinks, beyond, CAUSAL, WINDOWED)
    queries = load_rows(q, batch * q_batch + token.to(tl.int64) * q_row + head * q_head, ok, q_step, D, BD)
    d_outs = load_rows(d_out, batch * do_batch + token.to(tl.int64) * do_row + head * do_head, ok, do_step, E, BE)
    place = (batch * T + token) * (G * R) + head
    outs = load_rows(out, place * E, ok, 1, E, BE)
    deltas = tl.sum(outs.to(tl.float32) * d_outs.to(tl.float32), axis=1) - tl.load(d_lse + place, mask=ok, other=0.0)
    tl.store(delta + place, deltas, mask=ok)
    base = tl.load(lse + place, mask=ok, other=0.0)
    base = tl.where(base == float("-inf"), 0.0, base) / LN_2
    k += batch * k_batch + group * k_head
    v += batch * v_batch + group * v_head
    low0, high0, low, high, full, full_end = key_tiles(near, near_end, start, sink_end, ok, BN)
    total = tl.zeros((BM, BD), tl.float32)
    for n in range(count_masked(low0, high0, low, high, full, full_end, BN)):
        total = _add_dq(
            total, queries, d_outs, base, deltas, k, v, nth_masked(n, low0, high0, low, full, full_end, BN),
            near, near_end, start, sink_end, S, k_row, k_step, v_row, v_step, scale, D, E, BD, BE, BN, WINDOWED, True,
        )  # fmt: skip
    for begin in range(full, full_end, BN):
        total = _add_dq(
            total, queries, d_outs, base, deltas, k, v, begin,
            near, near_end, start, sink_end, S, k_row, k_step, v_row, v_step, scale, D, E, BD, BE, BN, WINDOWED, False,
        )  # fmt: skip
    store_rows(dq, place * D, ok, total * (scale * LN_2), D, BD)


@triton.jit
def _add_dk_dv(
    dk, dv, keys, values, q, d_out, lse, delta, begin, low_at, high_at, T, S, R,
    q_row, q_head, q_step, do_row, do_head, do_step, heads, scale,
    D: tl.constexpr, E: tl.constexpr, BD: tl.constexpr, BE: tl.constexpr, BM: tl.constexpr, MASKED: tl.constexpr,
):  # fmt: skip
    """dk and dv of some keys with one tile of rows added."""
    row = begin + tl.arange(0, BM)
    token, head, ok = (row // R).to(tl.int64), row % R, row < T * R
    queries = load_rows(q, token * q_row + head.to(tl.int64) * q_head, ok, q_step, D, BD)
    d_outs = load_rows(d_out, token * do_row + head.to(tl.int64) * do_head, ok, do_step, E, BE)
    base = tl.load(lse + token * heads + head, mask=ok, other=0.0)
    base = tl.where(base == float("-inf"), 0.0, base) / LN_2
    deltas = tl.load(delta + token * heads + head, mask=ok, other=0.0)
    weights = tl.exp2(tl.dot(keys, tl.trans(queries), input_precision="ieee") * scale - base[None, :])
    d_weights = tl.dot(values, tl.trans(d_outs), input_precision="ieee")
    d_scores = weights * (d_weights - deltas[None, :])
    seen = None
    if MASKED:
        p = (row // R + S - T)[None, :]
        seen = (p >= low_at[:, None]) & (p < high_at[:, None]) & ok[None, :]
        weights = tl.where(seen, weights, 0.0)
        d_scores = tl.where(seen, d_scores, 0.0)
    dv = add_product(dv, weights, seen, d_outs, MASKED)
    return add_product(dk, d_scores, seen, queries, MASKED), dv


@triton.jit(do_not_specialize=LENGTHS)
def _d_keys(
    q, k, v, lse, first, end, d_out, delta, dk, dv, T, S, G, R, scale, window, sinks, beyond,
    q_batch, q_row, q_head, q_step, k_batch, k_row, k_head, k_step, v_batch, v_row, v_head, v_step,
    do_batch, do_row, do_head, do_step,
    D: tl.constexpr, E: tl.constexpr, BD: tl.constexpr, BE: tl.constexpr,
    CAUSAL: tl.constexpr, WINDOWED: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    """dk and dv. Grid: tiles of keys (fastest; the first, which are seen most, begin), key heads, batch."""
    tiles = tl.cdiv(S, BN)
    key = tl.program_id(0) % tiles * BN + tl.arange(0, BN)
    group, batch = (tl.program_id(0) // tiles % G).to(tl.int64), (tl.program_id(0) // tiles // G).to(tl.int64)
    ok = key < S
    start, stop = sequence_of(first, end, key, ok, S)
    low_at, high_at = seen_from(key, start, stop, T, S, window, sinks, beyond, CAUSAL, WINDOWED)
    low, high, full, full_end = row_tiles(low_at, high_at, ok, T, S, R, BM)
    keys = load_rows(k, batch * k_batch + group * k_head + key.to(tl.int64) * k_row, ok, k_step, D, BD)
    values = load_rows(v, batch * v_batch + group * v_head + key.to(tl.int64) * v_row, ok, v_step, E, BE)
    q += batch * q_batch + group * R * q_head
    d_out += batch * do_batch + group * R * do_head
    lse += batch * T * (G * R) + group * R
    delta += batch * T * (G * R) + group * R
    total_k, total_v = tl.zeros((BN, BD), tl.float32), tl.zeros((BN, BE), tl.float32)
    for n in range(count_masked(0, 0, low, high, full, full_end, BM)):
        total_k, total_v = _add_dk_dv(
            total_k, total_v, keys, values, q, d_out, lse, delta, nth_masked(n, 0, 0, low, full, full_end, BM),
            low_at, high_at, T, S, R, q_row, q_head, q_step, do_row, do_head, do_step, G * R, scale,
            D, E, BD, BE, BM, True,
        )  # fmt: skip
    for begin in range(full, full_end, BM):
        total_k, total_v = _add_dk_dv(
            total_k, total_v, keys, values, q, d_out, lse, delta, begin,
            low_at, high_at, T, S, R, q_row, q_head, q_step, do_row, do_head, do_step, G * R, scale,
            D, E, BD, BE, BM, False,
        )  # fmt: skip
    place = (batch * S + key) * G + group
    store_rows(dk, place * D, ok, total_k * (scale * LN_2), D, BD)
    store_rows(dv, place * E, ok, total_v, E, BE)


# The first of each fits 99 KB of shared memory and spills some tens of bytes at most at up to 128 features; with dk and dv as
# accumulators that takes smaller tiles than dq's.
_KEY = ["BD", "BE", "CAUSAL", "WINDOWED"]
_WIDE = choices((16, 16, 4, 1), (32, 32, 8, 1), (64, 32, 8, 1), (32, 64, 8, 1))
_EXACT = choices((16, 16, 8, 1), (16, 16, 4, 1), (32, 16, 8, 1), (32, 32, 8, 1))
_D_QUERIES = {
    "usual": tuned(choices((64, 64, 8, 2), (64, 32, 4, 2), (64, 64, 4, 2), (128, 64, 8, 2)), key=_KEY)(_d_queries),
    "wide": tuned(_WIDE, key=_KEY)(_d_queries),
    "exact": tuned(_EXACT, key=_KEY)(_d_queries),
}
_D_KEYS = {
    "usual": tuned(choices((32, 32, 4, 2), (32, 64, 8, 2), (64, 64, 8, 2), (64, 128, 8, 2)), key=_KEY)(_d_keys),
    "wide": tuned(_WIDE, key=_KEY)(_d_keys),
    "exact": tuned(_EXACT, key=_KEY)(_d_keys),
}


def backward(
    q: Tensor, k: Tensor, v: Tensor, out: Tensor, lse: Tensor, first: Tensor | None, end: Tensor | None,
    d_out: Tensor, d_lse: Tensor, *, mask: Mask, scale: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """dq, dk and dv, contiguous, from what the forward pass kept (`out` and `lse` contiguous) and their gradients."""
    (b, t, h, d), (s, g), e = q.shape, k.shape[1:3], v.shape[3]
    dq, dk, dv = (torch.empty(x.shape, dtype=x.dtype, device=x.device) for x in (q, k, v))
    if b * t == 0 or b * s == 0:
        return dq.zero_(), dk.zero_(), dv.zero_()  # an empty grid cannot be launched
    delta = torch.empty((b, t, h), dtype=torch.float32, device=q.device)
    kind = kind_of(q, padded(d), padded(e))
    steps = (*q.stride(), *k.stride(), *v.stride(), *d_out.stride())
    sizes = (t, s, g, h // g, scale * LOG2_E, *numbers(t, s, mask))
    constants = {
        "D": d, "E": e, "BD": padded(d), "BE": padded(e),
        "CAUSAL": mask.causal, "WINDOWED": mask.window is not None, "enable_fp_fusion": FUSED,
    }  # fmt: skip
    with torch.cuda.device_of(q):
        _D_QUERIES[kind][lambda meta: (triton.cdiv(t * h // g, meta["BM"]) * g * b,)](
            q, k, v, out, lse, first, end, d_out, d_lse.contiguous(), dq, delta, *sizes, *steps, **constants
        )
        _D_KEYS[kind][lambda meta: (triton.cdiv(s, meta["BN"]) * g * b,)](
            q, k, v, lse, first, end, d_out, delta, dk, dv, *sizes, *steps, **constants
        )
    return dq, dk, dv
