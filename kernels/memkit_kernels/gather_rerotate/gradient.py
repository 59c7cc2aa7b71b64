"""The gradient of gather_rerotate: rows turned back, and added where they came from.

Does not know which backend moves the rows.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Move = Callable[[Tensor, Tensor | None, Tensor, Tensor, Tensor, str], tuple[Tensor, Tensor | None]]


class Moved(torch.autograd.Function):
    """`move(keys, values, index, shift, inv_freq, layout)`, linear in keys and in values."""

    @staticmethod
    def forward(
        ctx: Any,  # torch gives its own
        move: Move,
        layout: str,
        keys: Tensor,
        values: Tensor | None,
        index: Tensor,
        shift: Tensor,
        inv_freq: Tensor,
    ) -> tuple[Tensor, Tensor | None]:
        ctx.move, ctx.layout, ctx.rows = move, layout, keys.shape[1]
        ctx.save_for_backward(index, shift, inv_freq)
        return move(keys, values, index, shift, inv_freq, layout)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[None, None, Tensor | None, Tensor | None, None, None, None]:
        index, shift, inv_freq = ctx.saved_tensors
        moved, copied = grads
        real = (index >= 0) & (index < ctx.rows)
        for_keys = for_values = None
        if moved is not None and ctx.needs_input_grad[2]:
            place = torch.arange(index.shape[1], device=index.device).expand_as(index)
            back, _ = ctx.move(moved, None, torch.where(real, place, -1), -shift.long(), inv_freq, ctx.layout)
            for_keys = added(back, index, ctx.rows)
        if copied is not None and ctx.needs_input_grad[3]:
            for_values = added(copied.masked_fill(~real[..., None, None], 0.0), index, ctx.rows)
        return None, None, for_keys, for_values, None, None, None


def added(rows: Tensor, index: Tensor, count: int) -> Tensor:
    """`[B, count, ...]`: the sum of the rows of each index, in float32 at least. Rows without one must be 0."""
    wide = torch.float64 if rows.dtype == torch.float64 else torch.float32
    total = torch.zeros((len(rows) * count, *rows.shape[2:]), dtype=wide, device=rows.device)
    if count and rows.numel():
        first = count * torch.arange(len(rows), device=rows.device)[:, None]
        place = (first + index.long().clamp(0, count - 1)).flatten()
        # Each is the one that adds in a fixed order on its device: on a GPU index_put sorts, on a CPU index_add loops.
        if rows.device.type == "cpu":
            total.index_add_(0, place, rows.flatten(0, 1).to(wide))
        else:
            total.index_put_((place,), rows.flatten(0, 1).to(wide), accumulate=True)
    return total.to(rows.dtype).unflatten(0, (len(rows), count))
