"""P x for many columns in Triton: a sparse matrix in rows times a dense one. See README.md.

Axes: N nodes, E entries, M columns (resets), T tasks. BK entries by BM columns are a tile.
A row longer than PIECE is cut into pieces, each summed by a program of its own; a second launch adds the pieces. No
atomics, so results are bit-equal from run to run.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import triton
import triton.language as tl
from torch import Tensor

PIECE = 512  # entries: 8 to 32 turns of a program's loop, so that a hub of 50,000 is a hundred programs
WIDE = (16, 64)  # entries by columns: 4 KB of gathered float32, in rows of 256 bytes; a mean degree of 20 fills two
NARROW = (64, 8)  # for 8 columns and fewer
WARPS = 2  # a multiprocessor holds 32 programs, which are 64 warps then: the most it can

FUSED = True  # multiply and add round once; said because Triton 3.10 changes the default


# M is specialised, as a stride: rows are read 16 bytes at a time where it is a multiple of 16. That is three variants.
@triton.jit(do_not_specialize=["N"])
def _sweep(
    begins, ends, targets, indices, weights, x, source, before, factors, out, parts, N, M,
    BK: tl.constexpr, BM: tl.constexpr,
):  # fmt: skip
    """The sum of weight x[index] over a task's entries, and what it makes of its row. Grid: tasks, tiles of columns.

    A row becomes the sum; with `source`, source + d sum; and with `before`, before + w (source + d sum - before), where
    d and w are the two `factors`. `out` may be `before`: a program reads and writes its own numbers. A target of N or
    more is a piece of a row: its sum goes to `parts`.
    """
    task = tl.program_id(0).to(tl.int64)
    columns = tl.program_id(1) * BM + tl.arange(0, BM)
    ok = columns < M
    begin = tl.load(begins + task)
    end = tl.load(ends + task)
    target = tl.load(targets + task)
    totals = tl.zeros((BK, BM), out.dtype.element_ty)
    for start in range(begin, end, BK):
        entry = start + tl.arange(0, BK)
        there = entry < end
        index = tl.load(indices + entry, mask=there, other=0).to(tl.int64)
        weight = tl.load(weights + entry, mask=there, other=0.0)
        # int64: a node's number times M passes 2^31
        values = tl.load(x + index[:, None] * M + columns[None, :], mask=there[:, None] & ok[None, :], other=0.0)
        totals += values * weight[:, None]
    total = tl.sum(totals, axis=0)
    if target >= N:
        tl.store(parts + (target - N) * M + columns, total, mask=ok)
    else:
        place = target * M + columns
        if source is not None:
            total = tl.load(source + place, mask=ok, other=0.0) + tl.load(factors) * total
        if before is not None:
            was = tl.load(before + place, mask=ok, other=0.0)
            total = was + tl.load(factors + 1) * (total - was)
        tl.store(out + place, total, mask=ok)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """The tasks of both launches, on one device: `first` writes rows and pieces, `second` adds the pieces up.

    A task is entries `begins[t]` to `ends[t]`, summed for row `targets[t]`; from N on these are pieces, which `slots`
    numbers from 0.
    """

    nodes: int
    indices: Tensor
    weights: Tensor
    first: tuple[Tensor, Tensor, Tensor]
    second: tuple[Tensor, Tensor, Tensor]
    slots: Tensor
    ones: Tensor

    @classmethod
    def of(
        cls, indptr: np.ndarray, indices: np.ndarray, weights: np.ndarray, like: Tensor, piece: int = PIECE
    ) -> Pieces:
        """`weights` in float64; kept in the dtype and on the device of `like`."""
        nodes, counts = len(indptr) - 1, np.diff(indptr)
        cuts = np.maximum(1, -(-counts // piece))  # pieces of each row; one for a row without entries, so that it is 0
        row = np.repeat(np.arange(nodes), cuts)
        at = np.arange(len(row)) - np.repeat(np.cumsum(cuts) - cuts, cuts)
        begins = indptr[row] + at * piece
        ends = np.minimum(begins + piece, indptr[row + 1])
        long = cuts[row] > 1
        targets = np.where(long, nodes + np.cumsum(long) - 1, row)
        added = np.cumsum(cuts * (cuts > 1))
        longer = np.flatnonzero(cuts > 1)
        put = lambda array: torch.from_numpy(np.ascontiguousarray(array, np.int64)).to(like.device)  # noqa: E731
        slots = int(long.sum())
        return cls(
            nodes=nodes,
            indices=torch.from_numpy(indices).to(like.device),
            weights=torch.from_numpy(weights).to(like),
            first=(put(begins), put(ends), put(targets)),
            second=(put(added[longer] - cuts[longer]), put(added[longer]), put(longer)),
            slots=torch.arange(slots, dtype=torch.int64, device=like.device),
            ones=torch.ones(slots, dtype=like.dtype, device=like.device),
        )


def neighbour_mean(pieces: Pieces, x: Tensor) -> Tensor:
    """P x `[N, M]` for contiguous x `[N, M]` of the dtype of the pieces."""
    out = torch.empty((pieces.nodes, x.shape[1]), dtype=x.dtype, device=x.device)
    _launch(pieces, x, None, None, None, out)
    return out


def update(pieces: Pieces, x: Tensor, source: Tensor, before: Tensor | None, factors: Tensor, out: Tensor) -> None:
    """out = before + w (source + d P x - before), or without `before` source + d P x; d and w are the two factors.

    All `[N, M]`, contiguous and of the dtype of the pieces, as the factors `[2]` are. `out` may be `before`, not x.
    """
    _launch(pieces, x, source, before, factors, out)


def _launch(
    pieces: Pieces, x: Tensor, source: Tensor | None, before: Tensor | None, factors: Tensor | None, out: Tensor
) -> None:
    m = x.shape[1]
    parts = torch.empty((len(pieces.slots), m), dtype=x.dtype, device=x.device)
    entries, columns = WIDE if m > NARROW[1] else NARROW
    tiles = triton.cdiv(m, columns)
    with torch.cuda.device_of(x):
        for tasks, indices, weights, gathered in (
            (pieces.first, pieces.indices, pieces.weights, x),
            (pieces.second, pieces.slots, pieces.ones, parts),
        ):
            if len(tasks[0]) and tiles:  # an empty grid cannot be launched
                _sweep[(len(tasks[0]), tiles)](
                    *tasks, indices, weights, gathered, source, before, factors, out, parts, pieces.nodes, m,
                    BK=entries, BM=columns, num_warps=WARPS, enable_fp_fusion=FUSED,
                )  # fmt: skip


def warm(device: torch.device, dtype: torch.dtype) -> None:
    """Compile for many resets and for few; in float32 where `dtype` is a half type, which `ppr` does not take."""
    single = torch.float64 if dtype == torch.float64 else torch.float32
    indptr = np.array([0, 3, 4, 5, 6])  # a row of two pieces, and three rows of one entry
    indices = np.array([1, 2, 3, 0, 0, 0], np.int32)
    pieces = Pieces.of(indptr, indices, np.ones(6), torch.empty(0, dtype=single, device=device), piece=2)
    for resets in (64, 1, 3, 100):
        x = torch.ones((4, resets), dtype=single, device=device)
        factors = torch.ones(2, dtype=single, device=device)
        for before in (None, x):
            update(pieces, x, x, before, factors, torch.empty_like(x))
