"""merge_attention in Triton: log-sum-exps first, which are few, then every out read once. See README.md.

Axes: P parts, N rows (the leading axes as one), E features. BP, BN and BE are a tile's share of them.
"""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from memkit_kernels.merge_attention.reference import wide

TOGETHER = 16  # separate tensors that one launch takes; each is an argument
WIDEST = 256  # features of a tile
TILE = 2048  # elements that a program adds up at once: 16 a thread
FUSED = True  # multiply and add round once; said because Triton 3.10 changes the default
WAVES = 4  # programs a multiprocessor, below which tiles get smaller


@triton.jit
def _sum_of(top, summed, part):
    """The running maximum and Σ exp(. - maximum) with one more log-sum-exp. +inf makes NaN of both, as inf - inf would."""
    part = tl.where(part == float("inf"), float("nan"), part)
    grown = tl.maximum(top, part)
    safe = tl.where(grown == float("-inf"), 0.0, grown)
    return grown, summed * tl.exp(top - safe) + tl.exp(part - safe)


@triton.jit
def _finished(top, summed):
    nobody = summed == 0.0
    return tl.where(nobody, float("-inf"), tl.where(nobody, 0.0, top) + tl.log(tl.where(nobody, 1.0, summed)))


@triton.jit
def _weighed(out, part, lse, offsets, ok):
    """out exp(part - lse), and 0 where the part saw no key, whatever its out is."""
    safe = tl.where(lse == float("-inf"), 0.0, lse)
    part = tl.where(part == float("inf"), float("nan"), part)
    value = tl.load(out + offsets, mask=ok, other=0.0).to(tl.float32)
    return tl.where((part == float("-inf"))[:, None], 0.0, value * tl.exp(part - safe)[:, None])


@triton.jit
def _store(result, out, lse, out_to, lse_to, rows, columns, N, E):
    where = rows.to(tl.int64)
    ok = (rows < N)[:, None] & (columns < E)[None, :]
    tl.store(out_to + where[:, None] * E + columns[None, :], result.to(out_to.dtype.element_ty), mask=ok)
    if tl.program_id(1) == 0:
        tl.store(lse_to + where, lse, mask=rows < N)


@triton.jit(do_not_specialize=["N"])
def _merge_separate(
    outs, lses, out_to, lse_to, N, E, row_steps, steps, lse_steps,
    P: tl.constexpr, BN: tl.constexpr, BE: tl.constexpr,
):  # fmt: skip
    """Parts that are tensors of their own: `outs`, `lses` and the strides are tuples. Grid: rows, features."""
    rows = tl.program_id(0) * BN + tl.arange(0, BN)
    columns = tl.program_id(1) * BE + tl.arange(0, BE)
    where = rows.to(tl.int64)
    ok = (rows < N)[:, None] & (columns < E)[None, :]
    top = tl.full((BN,), float("-inf"), tl.float32)
    summed = tl.zeros((BN,), tl.float32)
    for p in tl.static_range(P):
        part = tl.load(lses[p] + where * lse_steps[p], mask=rows < N, other=float("-inf"))
        top, summed = _sum_of(top, summed, part)
    lse = _finished(top, summed)
    result = tl.zeros((BN, BE), tl.float32)
    for p in tl.static_range(P):
        part = tl.load(lses[p] + where * lse_steps[p], mask=rows < N, other=float("-inf"))
        offsets = where[:, None] * row_steps[p] + columns.to(tl.int64)[None, :] * steps[p]
        result += _weighed(outs[p], part, lse, offsets, ok)
    _store(result, outs[0], lse, out_to, lse_to, rows, columns, N, E)


@triton.jit(do_not_specialize=["N", "P"])
def _merge_stacked(
    outs, lses, out_to, lse_to, N, P, E, part_step, row_step, step, lse_part, lse_row,
    BP: tl.constexpr, BN: tl.constexpr, BE: tl.constexpr,
):  # fmt: skip
    """Parts that are one tensor. Grid: rows, features."""
    rows = tl.program_id(0) * BN + tl.arange(0, BN)
    columns = tl.program_id(1) * BE + tl.arange(0, BE)
    where = rows.to(tl.int64)
    ok = (rows < N)[:, None] & (columns < E)[None, :]
    top = tl.full((BN,), float("-inf"), tl.float32)
    summed = tl.zeros((BN,), tl.float32)
    for first in range(0, P, BP):
        for i in tl.static_range(BP):  # unrolled, so that the loads are under way together
            p = (first + i + tl.arange(0, 1)).to(tl.int64)
            there = (rows < N) & (p < P)
            part = tl.load(lses + p * lse_part + where * lse_row, mask=there, other=float("-inf"))
            top, summed = _sum_of(top, summed, part)
    lse = _finished(top, summed)
    result = tl.zeros((BN, BE), tl.float32)
    for first in range(0, P, BP):
        for i in tl.static_range(BP):
            p = (first + i + tl.arange(0, 1)).to(tl.int64)
            part = tl.load(lses + p * lse_part + where * lse_row, mask=(rows < N) & (p < P), other=float("-inf"))
            offsets = p * part_step + where[:, None] * row_step + columns.to(tl.int64)[None, :] * step
            result += _weighed(outs, part, lse, offsets, ok & (p < P))
    _store(result, outs, lse, out_to, lse_to, rows, columns, N, E)


def merge_attention_triton(outs: Sequence[Tensor] | Tensor, lses: Sequence[Tensor] | Tensor) -> tuple[Tensor, Tensor]:
    """See `memkit_kernels.merge_attention.merge_attention`; takes its arguments as checked there."""
    if not isinstance(outs, Tensor) and len(outs) > TOGETHER:
        outs, lses = torch.stack(tuple(outs)), torch.stack(tuple(lses))
    if isinstance(outs, Tensor):
        return merge_stacked(outs, lses, outs.dtype)
    shape, dtype = outs[0].shape, outs[0].dtype
    out = torch.empty(shape, dtype=dtype, device=outs[0].device)
    lse = torch.empty(shape[:-1], dtype=wide(dtype), device=out.device)
    if lse.numel() == 0:
        return out, lse  # an empty grid cannot be launched
    flat, sums = [part.reshape(-1, shape[-1]) for part in outs], [part.reshape(-1) for part in lses]
    grid, tile = _tile(lse.numel(), shape[-1], out.device)
    with torch.cuda.device_of(out):
        _merge_separate[grid](
            tuple(flat), tuple(sums), out, lse, lse.numel(), shape[-1],
            tuple(part.stride(0) for part in flat), tuple(part.stride(1) for part in flat),
            tuple(part.stride(0) for part in sums), P=len(flat), **tile, enable_fp_fusion=FUSED,
        )  # fmt: skip
    return out, lse


def merge_stacked(outs: Tensor, lses: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """The merge of `[P, ..., E]` and `[P, ...]`, the result in a dtype that need not be theirs."""
    p, *leading, e = outs.shape
    out = torch.empty((*leading, e), dtype=dtype, device=outs.device)
    lse = torch.empty(leading, dtype=wide(dtype), device=outs.device)
    if lse.numel() == 0:
        return out, lse
    flat, sums = outs.reshape(p, -1, e), lses.reshape(p, -1)
    grid, tile = _tile(lse.numel(), e, out.device)
    with torch.cuda.device_of(out):
        _merge_stacked[grid](
            flat, sums, out, lse, lse.numel(), p, e, *flat.stride(), *sums.stride(),
            BP=min(TOGETHER, triton.next_power_of_2(p)), **tile, enable_fp_fusion=FUSED,
        )  # fmt: skip
    return out, lse


def warm(device: torch.device, dtype: torch.dtype) -> None:
    """Compile what merges two to four parts, and a stack."""
    outs = torch.zeros((4, 8192, 1, 128), dtype=dtype, device=device)
    lses = torch.zeros((4, 8192, 1), dtype=wide(dtype), device=device)
    for parts in (2, 3, 4):
        merge_attention_triton(outs[:parts].unbind(), lses[:parts].unbind())
    merge_attention_triton(outs, lses)


def _tile(rows: int, features: int, device: torch.device) -> tuple[tuple[int, int], dict[str, int]]:
    """The grid, and BN and BE: a tile of TILE elements, or less where that would leave multiprocessors idle."""
    be = min(WIDEST, triton.next_power_of_2(features))
    bn = max(1, TILE // be)
    enough = WAVES * torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 1
    while bn > 1 and triton.cdiv(rows, bn) < enough:
        bn //= 2
    return (triton.cdiv(rows, bn), triton.cdiv(features, be)), {"BN": bn, "BE": be}
