"""gather_rerotate in Triton: rows are read where they lie, turned in registers and written compact. See README.md.

Axes: B sequences, N rows of keys, L kept rows, G heads, D key features, E value features, F frequencies.
A tile is BL kept rows by BF pairs of features of one head; a program keeps its angles for HEADS heads.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from memkit_kernels.tuning import tuned

_PER_RADIAN = tl.constexpr(0.15915494309189535)  # turns
_TURN = tl.constexpr(18446744073709551616.0)  # 2^64: a whole turn in the units of a phase
_RADIANS = tl.constexpr(3.4061215800304824e-19)  # 2 pi / 2^64

FUSED = True  # multiply and add round once; said because Triton 3.10 changes the default
MOST_COPIED = 128  # features at once: 256 bytes of 16-bit values
WARM_ROWS = 32_768  # enough to keep a GPU busy while tiles are timed

# TILE: pairs of features a tile. 1024 pairs of 16 bits in 128 threads are two loads of 16 bytes for each.
CONFIGS = [
    triton.Config({"TILE": tile, "HEADS": heads}, num_warps=warps)
    for tile, heads, warps in ((1024, 4, 4), (1024, 8, 4), (512, 8, 4), (2048, 4, 8), (512, 4, 2), (512, 2, 2))
]


@triton.jit
def _phases(inv_freq, f_step, F, BF: tl.constexpr):
    """The turns each frequency makes a token, without the whole ones, in 2^-64; and NaN where it is not finite."""
    at = tl.arange(0, BF)
    frequency = tl.load(inv_freq + at * f_step, mask=at < F, other=0.0).to(tl.float64)
    finite = tl.abs(frequency) < float("inf")
    turns = tl.where(finite, frequency, 0.0) * _PER_RADIAN
    part = turns - tl.floor(turns + 0.5)
    return (part * _TURN).to(tl.int64), tl.where(finite, 0.0, float("nan")).to(tl.float32)


@triton.jit
def _cos_sin(phase):
    """Both in float32, of an angle in 2^-64 of a turn.

    The two bits next to the quarter turn say which quarter; what is left is at most pi/4, where the series to the 11th
    power are exact to float32. So no slow path for large angles is compiled, and none is needed: there are none.
    """
    quarter = ((phase >> 61) + 1) >> 1
    x = (phase - (quarter << 62)).to(tl.float32) * _RADIANS
    z = x * x
    sin = x * (1.0 + z * (-1 / 6 + z * (1 / 120 + z * (-1 / 5040 + z * (1 / 362880 - z * (1 / 39916800))))))
    cos = 1.0 + z * (-1 / 2 + z * (1 / 24 + z * (-1 / 720 + z * (1 / 40320 - z * (1 / 3628800)))))
    odd = (quarter & 1) != 0
    turned_cos, turned_sin = tl.where(odd, sin, cos), tl.where(odd, cos, sin)
    turned_cos = tl.where(((quarter + 1) & 2) != 0, -turned_cos, turned_cos)
    return turned_cos, tl.where((quarter & 2) != 0, -turned_sin, turned_sin)


@triton.jit
def _copy(source, step, target, start, end, real, there, fill, BC: tl.constexpr):
    """Features from start to end, as they are; `fill` in rows that are not real."""
    for first in range(start, end, BC):
        at = (first + tl.arange(0, BC))[None, :]
        row = tl.load(source + at.to(tl.int64) * step, mask=real & (at < end), other=0.0)
        tl.store(target + at, tl.where(real, row, fill.to(row.dtype)), mask=there & (at < end))


@triton.jit
def _turn(
    source, step, target, F, cos, sin, real, there, fill, LAYOUT: tl.constexpr, BL: tl.constexpr, BF: tl.constexpr
):
    """The rotated features of one head."""
    pair = tl.arange(0, BF)[None, :]
    if LAYOUT == "halves":
        ok = pair < F
        x = tl.load(source + pair.to(tl.int64) * step, mask=real & ok, other=0.0).to(tl.float32)
        y = tl.load(source + (pair + F).to(tl.int64) * step, mask=real & ok, other=0.0).to(tl.float32)
    else:
        both = tl.arange(0, 2 * BF)[None, :]
        ok = both < 2 * F
        pairs = tl.load(source + both.to(tl.int64) * step, mask=real & ok, other=0.0).to(tl.float32)
        x, y = tl.split(tl.reshape(pairs, (BL, BF, 2)))
    first = tl.where(real, x * cos - y * sin, fill).to(target.dtype.element_ty)
    second = tl.where(real, y * cos + x * sin, fill).to(target.dtype.element_ty)
    if LAYOUT == "halves":
        tl.store(target + pair, first, mask=there & ok)
        tl.store(target + pair + F, second, mask=there & ok)
    else:
        tl.store(target + both, tl.reshape(tl.join(first, second), (BL, 2 * BF)), mask=there & ok)


@tuned(CONFIGS, key=["LAYOUT", "BF", "BD", "BE"])
@triton.jit(do_not_specialize=["N", "L", "i_batch", "s_batch"])  # which are lengths too, where there is one sequence
def _move(
    keys, values, index, shift, inv_freq, moved, copied, N, L, G, D, E, F,
    k_batch, k_row, k_head, k_step, v_batch, v_row, v_head, v_step,
    i_batch, i_step, s_batch, s_step, f_step,
    LAYOUT: tl.constexpr, BF: tl.constexpr, BD: tl.constexpr, BE: tl.constexpr,
    TILE: tl.constexpr, HEADS: tl.constexpr,
):  # fmt: skip
    """BL kept rows of one sequence, HEADS heads. Grid: sequences and tiles of rows, groups of heads."""
    BL: tl.constexpr = max(1, TILE // BF)
    tiles = tl.cdiv(L, BL)
    batch = (tl.program_id(0) // tiles).to(tl.int64)
    rows = (tl.program_id(0) % tiles) * BL + tl.arange(0, BL)[:, None]
    there = rows < L
    wide_rows = rows.to(tl.int64)
    place = tl.load(index + batch * i_batch + wide_rows * i_step, mask=there, other=-1).to(tl.int64)
    far = tl.load(shift + batch * s_batch + wide_rows * s_step, mask=there, other=0).to(tl.int64)
    real = (place >= 0) & (place < N)
    fill = tl.where(place >= N, float("nan"), 0.0)
    phase, broken = _phases(inv_freq, f_step, F, BF)
    cos, sin = _cos_sin(far * phase[None, :])
    cos, sin = cos + broken[None, :], sin + broken[None, :]
    key = keys + batch * k_batch + place * k_row
    out = (batch * L + wide_rows) * G
    for head in range(tl.program_id(1) * HEADS, min(G, (tl.program_id(1) + 1) * HEADS)):
        source, target = key + tl.cast(head, tl.int64) * k_head, moved + (out + head) * D
        _turn(source, k_step, target, F, cos, sin, real, there, fill, LAYOUT, BL, BF)
        if BD > 0:  # features that no frequency turns
            _copy(source, k_step, target, 2 * F, D, real, there, fill, BD)
        if values is not None:
            source = values + batch * v_batch + place * v_row + tl.cast(head, tl.int64) * v_head
            _copy(source, v_step, copied + (out + head) * E, 0, E, real, there, fill, BE)


def gather_rerotate_triton(
    keys: Tensor, values: Tensor | None, index: Tensor, shift: Tensor, inv_freq: Tensor, layout: str
) -> tuple[Tensor, Tensor | None]:
    """See `memkit_kernels.gather_rerotate.reference.gather_rerotate_reference`, whose arguments these are."""
    (b, n, g, d), kept, f = keys.shape, index.shape[1], len(inv_freq)
    e = 0 if values is None else values.shape[3]
    moved = torch.empty((b, kept, g, d), dtype=keys.dtype, device=keys.device)
    copied = None if values is None else torch.empty((b, kept, g, e), dtype=keys.dtype, device=keys.device)
    if not b * kept * g:
        return moved, copied  # an empty grid cannot be launched
    pairs = triton.next_power_of_2(f)
    steps = (*keys.stride(), *((0,) * 4 if values is None else values.stride()))

    def grid(chosen: dict[str, int]) -> tuple[int, int]:
        return b * triton.cdiv(kept, max(1, chosen["TILE"] // pairs)), triton.cdiv(g, chosen["HEADS"])

    with torch.cuda.device_of(keys):
        _move[grid](
            keys, values, index, shift, inv_freq, moved, copied, n, kept, g, d, e, f,
            *steps, *index.stride(), *shift.stride(), *inv_freq.stride(),
            LAYOUT=layout, BF=pairs, BD=_block(d - 2 * f), BE=_block(e), enable_fp_fusion=FUSED,
        )  # fmt: skip
    return moved, copied


def _block(features: int) -> int:
    """How many features are copied at once; 0 if there are none."""
    return min(MOST_COPIED, triton.next_power_of_2(features)) if features else 0


def warm(device: torch.device, dtype: torch.dtype) -> None:
    """Compile and tune for keys and values of 8 heads of 128, both layouts."""
    n = WARM_ROWS if device.type == "cuda" else 2  # the interpreter tunes nothing
    rows = torch.ones((1, n, 8, 128), dtype=dtype, device=device)
    kept = torch.arange(0, n, 2, device=device)[None]
    inv_freq = torch.ones(64, device=device)
    for layout in ("halves", "pairs"):
        for values in (rows, None):
            gather_rerotate_triton(rows, values, kept, -kept // 2, inv_freq, layout)
