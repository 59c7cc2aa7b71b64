"""column_mass in Triton: one product of queries and keys, given the log-sum-exp, summed over queries. See README.md.

Axes: B batch, T queries, S keys, H query heads, R heads for each key head, D features. BM and BN are the tile's share of
queries and keys, BD of D.
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
    bounds,
    choices,
    count_masked,
    kind_of,
    load_rows,
    nth_masked,
    numbers,
    padded,
    row_tiles,
    seen_from,
    sequence_of,
)


@triton.jit
def _shares(
    keys, q, lse, begin, low_at, high_at, T, S, q_row, q_step, lse_row, scale,
    D: tl.constexpr, BD: tl.constexpr, BM: tl.constexpr, MASKED: tl.constexpr,
):  # fmt: skip
    """What a tile of queries gives each of these keys."""
    token = begin + tl.arange(0, BM)
    ok = token < T
    queries = load_rows(q, token.to(tl.int64) * q_row, ok, q_step, D, BD)
    total = tl.load(lse + token.to(tl.int64) * lse_row, mask=ok, other=float("inf")).to(tl.float32)
    nothing = tl.abs(total) == float("inf")  # a query that saw nothing, or none
    total = tl.where(nothing, 0.0, total) / LN_2
    shares = tl.exp2(tl.dot(keys, tl.trans(queries), input_precision="ieee") * scale - total[None, :])
    counts = (nothing == 0)[None, :]
    if MASKED:
        p = (token + S - T)[None, :]
        counts = counts & (p >= low_at[:, None]) & (p < high_at[:, None])
    return tl.sum(tl.where(counts, shares, 0.0), axis=1)


@triton.jit(do_not_specialize=[*LENGTHS, "lse_batch"])
def _mass(
    q, k, lse, mass, first, end, T, S, H, R, scale, window, sinks, beyond,
    q_batch, q_row, q_head, q_step, k_batch, k_row, k_head, k_step, lse_batch, lse_row, lse_head,
    D: tl.constexpr, BD: tl.constexpr, CAUSAL: tl.constexpr, WINDOWED: tl.constexpr,
    BM: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    """Grid: tiles of keys (fastest: they share queries in L2; the first, which are seen most, begin), heads, batch."""
    tiles = tl.cdiv(S, BN)
    key = tl.program_id(0) % tiles * BN + tl.arange(0, BN)
    head, batch = (tl.program_id(0) // tiles % H).to(tl.int64), (tl.program_id(0) // tiles // H).to(tl.int64)
    ok = key < S
    start, stop = sequence_of(first, end, key, ok, S)
    low_at, high_at = seen_from(key, start, stop, T, S, window, sinks, beyond, CAUSAL, WINDOWED)
    low, high, full, full_end = row_tiles(low_at, high_at, ok, T, S, 1, BM)
    keys = load_rows(k, batch * k_batch + head // R * k_head + key.to(tl.int64) * k_row, ok, k_step, D, BD)
    q += batch * q_batch + head * q_head
    lse += batch * lse_batch + head * lse_head
    total = tl.zeros((BN,), tl.float32)
    for n in range(count_masked(0, 0, low, high, full, full_end, BM)):
        begin = nth_masked(n, 0, 0, low, full, full_end, BM)
        total += _shares(
            keys, q, lse, begin, low_at, high_at, T, S, q_row, q_step, lse_row, scale, D, BD, BM, True
        )  # fmt: skip
    for begin in range(full, full_end, BM):
        total += _shares(
            keys, q, lse, begin, low_at, high_at, T, S, q_row, q_step, lse_row, scale, D, BD, BM, False
        )  # fmt: skip
    tl.store(mass + (batch * S + key) * H + head, total, mask=ok)


_KEY = ["BD", "CAUSAL", "WINDOWED"]
_KINDS = {
    "usual": choices((64, 64, 4, 2), (128, 64, 4, 2), (64, 128, 8, 3), (128, 128, 8, 2)),
    "wide": choices((32, 32, 4, 1), (64, 64, 4, 2), (64, 128, 8, 2)),
    "exact": choices((16, 16, 4, 1), (32, 32, 8, 1), (32, 32, 4, 1), (64, 32, 8, 1)),
}
_MASS = {kind: tuned(sizes, key=_KEY)(_mass) for kind, sizes in _KINDS.items()}


def column_mass_triton(
    q: Tensor, k: Tensor, lse: Tensor, *, mask: Mask, cu_seqlens: Tensor | None, scale: float
) -> Tensor:
    """See `memkit_kernels.column_mass.column_mass`; takes its arguments as checked there."""
    (b, t, h, d), (s, g) = q.shape, k.shape[1:3]
    mass = torch.empty((b, s, h), dtype=torch.float32, device=q.device)
    if mass.numel() == 0:
        return mass  # an empty grid cannot be launched
    first, end = bounds(cu_seqlens, t)
    with torch.cuda.device_of(q):
        _MASS[kind_of(q, padded(d))][lambda meta: (triton.cdiv(s, meta["BN"]) * h * b,)](
            q, k, lse, mass, first, end, t, s, h, h // g, scale * LOG2_E, *numbers(t, s, mask),
            *q.stride(), *k.stride(), *lse.stride(), D=d, BD=padded(d),
            CAUSAL=mask.causal, WINDOWED=mask.window is not None, enable_fp_fusion=FUSED,
        )  # fmt: skip
    return mass


def warm(device: torch.device, dtype: torch.dtype) -> None:
    """Compile and tune for models of 64 and 128 features, causal, with and without a window."""
    tokens = 4096 if device.type == "cuda" else 24  # the interpreter has nothing to tune
    for features in (64, 128):
        q, k = (torch.randn((1, tokens, heads, features), device=device, dtype=dtype) for heads in (8, 2))
        lse = torch.full((1, tokens, 8), 10.0, device=device)
        for window in (None, 1024):
            column_mass_triton(q, k, lse, mask=Mask(window=window, sinks=4), cu_seqlens=None, scale=features**-0.5)
