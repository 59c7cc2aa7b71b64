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

PIECE = 512  # entries: 16 to 32 turns of a program's loop, so that a hub of 50,000 is a hundred programs
ENTRIES, COLUMNS = 16, 64  # a tile, 4 KB of gathered float32; a mean degree of 10 fills most of one


@triton.jit(do_not_specialize=["M"])
def _gather_sum(
    begins, ends, targets, indices, weights, x, y, M,
    BK: tl.constexpr, BM: tl.constexpr,
):  # fmt: skip
    """y[target] = Σ weight x[index] over a task's entries. Grid: tasks, tiles of columns."""
    task = tl.program_id(0).to(tl.int64)
    columns = tl.program_id(1) * BM + tl.arange(0, BM)
    ok = columns < M
    begin = tl.load(begins + task)
    end = tl.load(ends + task)
    total = tl.zeros((BM,), y.dtype.element_ty)
    for start in range(begin, end, BK):
        entry = start + tl.arange(0, BK)
        there = entry < end
        index = tl.load(indices + entry, mask=there, other=0).to(tl.int64)
        weight = tl.load(weights + entry, mask=there, other=0.0)
        # int64: a node's number times M passes 2^31
        values = tl.load(x + index[:, None] * M + columns[None, :], mask=there[:, None] & ok[None, :], other=0.0)
        total += tl.sum(values * weight[:, None], axis=0)
    tl.store(y + tl.load(targets + task) * M + columns, total, mask=ok)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """The tasks of both launches, on one device: `first` writes rows and pieces, `second` adds the pieces up.

    A task is entries `begins[t]` to `ends[t]`, summed into row `targets[t]` of a buffer of `rows` rows, N of them nodes.
    """

    nodes: int
    rows: int
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
            rows=nodes + slots,
            indices=torch.from_numpy(indices).to(like.device),
            weights=torch.from_numpy(weights).to(like),
            first=(put(begins), put(ends), put(targets)),
            second=(put(added[longer] - cuts[longer]), put(added[longer]), put(longer)),
            slots=torch.arange(nodes, nodes + slots, dtype=torch.int64, device=like.device),
            ones=torch.ones(slots, dtype=like.dtype, device=like.device),
        )


def neighbour_mean(pieces: Pieces, x: Tensor) -> Tensor:
    """P x `[N, M]` for contiguous x `[N, M]` of the dtype of the pieces."""
    m = x.shape[1]
    y = torch.empty((pieces.rows, m), dtype=x.dtype, device=x.device)
    tiles = triton.cdiv(m, COLUMNS)
    with torch.cuda.device_of(x):
        for tasks, indices, weights, source in (
            (pieces.first, pieces.indices, pieces.weights, x),
            (pieces.second, pieces.slots, pieces.ones, y),
        ):
            if len(tasks[0]) and tiles:  # an empty grid cannot be launched
                _gather_sum[(len(tasks[0]), tiles)](
                    *tasks, indices, weights, source, y, m, BK=ENTRIES, BM=COLUMNS, num_warps=4
                )
    return y[: pieces.nodes]
