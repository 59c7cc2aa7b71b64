"""window_attention in Triton: the forward pass, and its place in autograd. See README.md.

Axes: B batch, T queries, S keys, H query heads, G key heads, R = H / G, D and E features. A row is a query of one of the R
heads that share a key head. BM, BN, BD, BE are the tile's share of rows, keys, D and E.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from memkit_kernels.tuning import tuned
from memkit_kernels.window_attention.backward import backward
from memkit_kernels.window_attention.mask import Mask
from memkit_kernels.window_attention.tiles import (
    FUSED,
    LENGTHS,
    LN_2,
    LOG2_E,
    add_product,
    bounds,
    choices,
    count_masked,
    key_tiles,
    kind_of,
    load_rows,
    nth_masked,
    numbers,
    padded,
    sees,
    sequence_of,
    sight,
    store_rows,
)


@triton.jit
def _attend(
    q, k, v, start, most, total, result, near, near_end, first, sink_end, S, k_row, k_step, v_row, v_step, scale,
    D: tl.constexpr, E: tl.constexpr, BD: tl.constexpr, BE: tl.constexpr, BN: tl.constexpr,
    WINDOWED: tl.constexpr, MASKED: tl.constexpr,
):  # fmt: skip
    """The running maximum, sum and result of some rows, with one tile of keys added. `scale` has the factor log2 e."""
    key = start + tl.arange(0, BN)
    keys = load_rows(k, key.to(tl.int64) * k_row, key < S, k_step, D, BD)
    scores = tl.dot(q, tl.trans(keys), input_precision="ieee") * scale
    seen = None
    if MASKED:
        seen = sees(key, near, near_end, first, sink_end, WINDOWED)
        scores = tl.where(seen, scores, float("-inf"))
    largest = tl.maximum(most, tl.max(scores, axis=1))
    base = tl.where(largest == float("-inf"), 0.0, largest)  # else -inf - -inf
    weights = tl.exp2(scores - base[:, None])
    shrunk = tl.exp2(most - base)
    values = load_rows(v, key.to(tl.int64) * v_row, key < S, v_step, E, BE)
    result = add_product(result * shrunk[:, None], weights, seen, values, MASKED)
    return largest, total * shrunk + tl.sum(weights, axis=1), result


@triton.jit(do_not_specialize=LENGTHS)
def _forward(
    q, k, v, out, lse, first, end, T, S, G, R, scale, window, sinks, beyond,
    q_batch, q_row, q_head, q_step, k_batch, k_row, k_head, k_step, v_batch, v_row, v_head, v_step,
    D: tl.constexpr, E: tl.constexpr, BD: tl.constexpr, BE: tl.constexpr,
    CAUSAL: tl.constexpr, WINDOWED: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    """Grid: tiles of rows (fastest: they share keys in L2; the last, which see most, begin), key heads, batch."""
    tiles = tl.cdiv(T * R, BM)
    row = (tiles - 1 - tl.program_id(0) % tiles) * BM + tl.arange(0, BM)
    group, batch = (tl.program_id(0) // tiles % G).to(tl.int64), (tl.program_id(0) // tiles // G).to(tl.int64)
    token, head, ok = row // R, group * R + row % R, row < T * R
    start, stop = sequence_of(first, end, token, ok, S)
    near, near_end, sink_end = sight(token + S - T, start, stop, window, sinks, beyond, CAUSAL, WINDOWED)
    queries = load_rows(q, batch * q_batch + token.to(tl.int64) * q_row + head * q_head, ok, q_step, D, BD)
    k += batch * k_batch + group * k_head
    v += batch * v_batch + group * v_head
    low0, high0, low, high, full, full_end = key_tiles(near, near_end, start, sink_end, ok, BN)
    most, total = tl.full((BM,), float("-inf"), tl.float32), tl.zeros((BM,), tl.float32)
    result = tl.zeros((BM, BE), tl.float32)
    for n in range(count_masked(low0, high0, low, high, full, full_end, BN)):
        most, total, result = _attend(
            queries, k, v, nth_masked(n, low0, high0, low, full, full_end, BN), most, total, result,
            near, near_end, start, sink_end, S, k_row, k_step, v_row, v_step, scale,
            D, E, BD, BE, BN, WINDOWED, True,
        )  # fmt: skip
    for begin in range(full, full_end, BN):
        most, total, result = _attend(
            queries, k, v, begin, most, total, result,
            near, near_end, start, sink_end, S, k_row, k_step, v_row, v_step, scale,
            D, E, BD, BE, BN, WINDOWED, False,
        )  # fmt: skip
    total = tl.where(total == 0.0, 1.0, total)  # it saw nothing: 0, and -inf from `most`
    place = (batch * T + token) * (G * R) + head
    store_rows(out, place * E, ok, result / total[:, None], E, BE)
    tl.store(lse + place, (most + tl.log2(total)) * LN_2, mask=ok)


# The first of each fits the 99 KB of shared memory of the smaller GPUs, and spills some tens of bytes a thread at most.
# `few`: all rows fit one tile of 16, which is a step of decoding. `usual`: a row of features has at most 256 bytes. `wide`:
# more. `exact`: float32, which has no matrix unit, so that whole rows are in registers.
_KEY = ["BD", "BE", "CAUSAL", "WINDOWED"]
_FEW = choices((16, 64, 4, 2), (16, 32, 4, 2), (16, 128, 4, 2), (16, 64, 4, 3))
_USUAL = choices((64, 64, 8, 2), (64, 64, 4, 2), (128, 64, 8, 3), (128, 128, 8, 2))
_WIDE = choices((32, 16, 4, 1), (64, 32, 8, 2), (64, 64, 8, 2), (128, 32, 8, 2))
_EXACT = choices((16, 16, 8, 1), (16, 16, 4, 1), (32, 16, 8, 1), (32, 32, 8, 1))
_FORWARD = {
    kind: tuned(sizes, key=_KEY)(_forward)
    for kind, sizes in (("few", _FEW), ("usual", _USUAL), ("wide", _WIDE), ("exact", _EXACT))
}


def window_attention_triton(
    q: Tensor, k: Tensor, v: Tensor, *, mask: Mask, cu_seqlens: Tensor | None, scale: float
) -> tuple[Tensor, Tensor]:
    """See `memkit_kernels.window_attention.window_attention`; takes its arguments as checked there."""
    return _WindowAttention.apply(q, k, v, mask, cu_seqlens, scale)


class _WindowAttention(torch.autograd.Function):
    """Keeps out and lse, from which the backward pass computes the probabilities anew."""

    @staticmethod
    def forward(ctx, q, k, v, mask, cu_seqlens, scale):
        first, end = bounds(cu_seqlens, q.shape[1])
        out, lse = _run(q, k, v, first, end, mask, scale)
        ctx.save_for_backward(q, k, v, out, lse, first, end)
        ctx.mask, ctx.scale = mask, scale
        return out, lse

    @staticmethod
    @once_differentiable
    def backward(ctx, d_out, d_lse):
        gradients = backward(*ctx.saved_tensors, d_out, d_lse, mask=ctx.mask, scale=ctx.scale)
        return *gradients, None, None, None


def _run(
    q: Tensor, k: Tensor, v: Tensor, first: Tensor | None, end: Tensor | None, mask: Mask, scale: float
) -> tuple[Tensor, Tensor]:
    """`out` and `lse`, contiguous."""
    (b, t, h, d), (s, g), e = q.shape, k.shape[1:3], v.shape[3]
    out = torch.empty((b, t, h, e), dtype=q.dtype, device=q.device)
    lse = torch.empty((b, t, h), dtype=torch.float32, device=q.device)
    if lse.numel() == 0:
        return out, lse  # an empty grid cannot be launched
    bd, be = padded(d), padded(e)
    kind = kind_of(q, bd, be)
    kind = "few" if kind == "usual" and t * h // g <= 16 else kind
    with torch.cuda.device_of(q):
        _FORWARD[kind][lambda meta: (triton.cdiv(t * h // g, meta["BM"]) * g * b,)](
            q, k, v, out, lse, first, end, t, s, g, h // g, scale * LOG2_E, *numbers(t, s, mask),
            *q.stride(), *k.stride(), *v.stride(), D=d, E=e, BD=bd, BE=be,
            CAUSAL=mask.causal, WINDOWED=mask.window is not None, enable_fp_fusion=FUSED,
        )  # fmt: skip
    return out, lse


def warm(device: torch.device, dtype: torch.dtype) -> None:
    """Compile and tune for models of 64 and 128 features, causal, with and without a window, in prefill and decoding; for
    their gradients without one; and for packed encoders of 32 and 64 features. Some minutes, the first time."""
    tokens = 4096 if device.type == "cuda" else 24  # the interpreter has nothing to tune
    for features in (64, 128):
        for window in (None, 1024):
            _warm(1, tokens, features, device, dtype, mask=Mask(window=window, sinks=4))
            _warm(tokens, tokens, features, device, dtype, mask=Mask(window=window, sinks=4), gradients=window is None)
    for features in (32, 64):
        ends = torch.arange(0, tokens + 1, tokens // 8, dtype=torch.int32, device=device)
        _warm(tokens, tokens, features, device, dtype, mask=Mask(causal=False), ends=ends)


def _warm(
    t: int, s: int, features: int, device: torch.device, dtype: torch.dtype,
    *, mask: Mask, ends: Tensor | None = None, gradients: bool = False,
) -> None:  # fmt: skip
    q, k, v = (
        torch.randn((1, length, heads, features), device=device, dtype=dtype, requires_grad=gradients)
        for length, heads in ((t, 8), (s, 2), (s, 2))
    )
    out, _ = window_attention_triton(q, k, v, mask=mask, cu_seqlens=ends, scale=features**-0.5)
    if gradients:
        torch.autograd.grad(out, (q, k, v), torch.ones_like(out))
