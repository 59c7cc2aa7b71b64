"""The gradient of gather_attention, in plain torch, with probabilities computed anew from the log-sum-exp.

Does not know which backend attends. With p = exp(s - lse) and s = scale q·k:
    dv = pᵀ do,   ds = p (do·v - Σ_e do_e o_e + dlse),   dq = scale ds k,   dk = scale dsᵀ q
(Dao et al., FlashAttention, NeurIPS 2022, appendix B.4; the term dlse is the derivative of the second result). Rows of
dk and dv are added to the tokens they came from in the order of the list.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from memkit_kernels.gather_attention.reference import (
    ROWS_PER_BLOCK,
    TOKENS_PER_BLOCK,
    Part,
    by_key_head,
    by_query,
    counts_of,
    parts,
    scored,
)
from memkit_kernels.merge_attention.reference import wide

Attend = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor | None, float], tuple[Tensor, Tensor]]


class Gathered(torch.autograd.Function):
    """`attend(q, k, v, table, counts, scale)`, differentiable in q, k and v."""

    @staticmethod
    def forward(
        ctx: Any,  # torch gives its own
        attend: Attend,
        scale: float,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        table: Tensor,
        counts: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        out, lse = attend(q, k, v, table, counts, scale)
        ctx.scale = scale
        ctx.save_for_backward(q, k, v, table, counts, out, lse)
        return out, lse

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor, d_lse: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, table, counts, out, lse = ctx.saved_tensors
        (h, g), kept = (q.shape[2], k.shape[2]), wide(q.dtype)
        for_q = torch.zeros(q.shape, dtype=kept, device=q.device)
        for_k = torch.zeros((k.shape[:3].numel(), k.shape[3]), dtype=kept, device=k.device)
        for_v = torch.zeros((v.shape[:3].numel(), v.shape[3]), dtype=kept, device=v.device)
        for row in range(len(q)):
            queries, wanted = by_key_head(q[row], g), by_key_head(d_out[row], g)
            # what every probability of a row is lowered by: Σ do o - dlse
            lowered = (wanted * by_key_head(out[row], g)).sum(-1) - by_key_head(d_lse[row, ..., None], g)[..., 0]
            total = by_key_head(lse[row, ..., None], g)[..., 0]
            total = total.masked_fill(total == -torch.inf, 0.0)
            d_queries = torch.zeros_like(queries)
            for part in parts(k, v, table[row], counts_of(counts, row), TOKENS_PER_BLOCK):
                d_keys, d_values = _of_part(part, queries, wanted, lowered, total, ctx.scale, d_queries)
                _add(for_k, d_keys, part, g)
                _add(for_v, d_values, part, g)
            for_q[row] = by_query(d_queries, h)
        return (
            None,
            None,
            for_q.to(q.dtype),
            for_k.view(k.shape).to(k.dtype),
            for_v.view(v.shape).to(v.dtype),
            None,
            None,
        )


def _of_part(
    part: Part, q: Tensor, wanted: Tensor, lowered: Tensor, total: Tensor, scale: float, d_q: Tensor
) -> tuple[Tensor, Tensor]:
    """The gradients of a part's keys and values; adds to that of the queries. A block of rows at a time."""
    d_keys, d_values = torch.zeros_like(part.keys), torch.zeros_like(part.values)
    for top in range(0, q.shape[1], ROWS_PER_BLOCK):
        rows = slice(top, top + ROWS_PER_BLOCK)
        weights = (scored(q[:, rows], part, scale) - total[:, rows, None]).exp_()
        d_values += weights.mT @ wanted[:, rows]
        d_scores = weights.mul_(wanted[:, rows] @ part.values.mT - lowered[:, rows, None]).mul_(scale)
        d_q[:, rows] += d_scores @ part.keys
        d_keys += d_scores.mT @ q[:, rows]
    return d_keys, d_values


def _add(total: Tensor, rows: Tensor, part: Part, g: int) -> None:
    """Add rows `[G, c, features]` to `[P page G, features]` where they came from."""
    if len(total) == 0:
        return
    real = part.seen & ~part.wrong
    rows = rows.masked_fill(~real[..., None], 0.0).flatten(0, 1)
    place = (part.token * g + torch.arange(g, device=total.device)[:, None]).flatten()
    # Each is the one that adds in a fixed order on its device: on a GPU index_put sorts, on a CPU index_add loops.
    if total.device.type == "cpu":
        total.index_add_(0, place, rows)
    else:
        total.index_put_((place,), rows, accumulate=True)
