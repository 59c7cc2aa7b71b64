"""gather_rerotate in plain torch: what the operation means. Also what runs where there is no GPU.

Does not know how to be fused: a block of rows is gathered, then rotated, then written.
Axes: B sequences, N rows of keys, L kept rows, G heads, D key features, E value features, F frequencies.
"""

import math

import torch
from torch import Tensor

ROWS_PER_BLOCK = 4096
TURN = 2.0**64  # a whole turn, in the units of a phase


def gather_rerotate_reference(
    keys: Tensor, values: Tensor | None, index: Tensor, shift: Tensor, inv_freq: Tensor, layout: str
) -> tuple[Tensor, Tensor | None]:
    """Rows of keys `[B, N, G, D]` and values `[B, N, G, E]` for index and shift `[B, L]`: `[B, L, G, D]`, `[B, L, G, E]`.

    Its arguments are those of `memkit_kernels.gather_rerotate.gather_rerotate`, as checked there.
    """
    (b, n), kept = keys.shape[:2], index.shape[1]
    moved = keys.new_empty(b, kept, *keys.shape[2:])
    copied = None if values is None else values.new_empty(b, kept, *values.shape[2:])
    for sequence in range(b):
        for start in range(0, kept, ROWS_PER_BLOCK):
            rows = slice(start, start + ROWS_PER_BLOCK)
            place = index[sequence, rows]
            turn_into(
                moved[sequence, rows],
                gathered(keys[sequence], place),
                angles(shift[sequence, rows], inv_freq),
                layout,
            )
            mark(moved[sequence, rows], place, n)
            if copied is not None and values is not None:
                copied[sequence, rows] = gathered(values[sequence], place)
                mark(copied[sequence, rows], place, n)
    return moved, copied


def gathered(rows: Tensor, place: Tensor) -> Tensor:
    """`[L, ...]`, any row of them where the place is none."""
    if not len(rows):
        return rows.new_zeros(len(place), *rows.shape[1:])
    return rows.index_select(0, place.clamp(0, len(rows) - 1))


def mark(block: Tensor, place: Tensor, count: int) -> None:
    """Write 0 where the place is negative and NaN where it is beyond the rows."""
    beyond, hole = place >= count, place < 0
    if place.device.type == "cpu" and not bool((beyond | hole).any()):
        return  # a GPU would have to be waited for
    block.masked_fill_(beyond[:, None, None], torch.nan).masked_fill_(hole[:, None, None], 0.0)


def angles(shift: Tensor, inv_freq: Tensor) -> Tensor:
    """shift times inv_freq, `[..., F]` in radians and float64, without its whole turns.

    A frequency becomes a phase: the part of a turn that it makes a token, as a 64-bit integer. Integers that overflow
    drop whole turns, so the product is exact: the angles of a and of b add up to that of a + b, however far.
    """
    turns = inv_freq.double() / (2 * math.pi)
    part = turns - torch.floor(turns + 0.5)
    phase = torch.where(part.isfinite(), part * TURN, 0.0).to(torch.int64)
    whole = (shift.long()[..., None] * phase).double() * (2 * math.pi / TURN)
    return torch.where(part.isfinite(), whole, torch.nan)


def rotated(rows: Tensor, angle: Tensor, layout: str) -> Tensor:
    """rows `[L, G, D]` turned by `[L, F]`; features from 2F on as they are."""
    turned = torch.empty_like(rows)
    turn_into(turned, rows, angle, layout)
    return turned


def turn_into(turned: Tensor, rows: Tensor, angle: Tensor, layout: str) -> None:
    f, wide = angle.shape[-1], torch.float64 if rows.dtype == torch.float64 else torch.float32
    cos, sin = angle.cos().to(wide)[:, None], angle.sin().to(wide)[:, None]
    first, second = (slice(0, f), slice(f, 2 * f)) if layout == "halves" else (slice(0, 2 * f, 2), slice(1, 2 * f, 2))
    x, y = rows[..., first].to(wide), rows[..., second].to(wide)
    turned[..., first] = (x * cos).addcmul_(y, sin, value=-1)
    turned[..., second] = (y * cos).addcmul_(x, sin)
    turned[..., 2 * f :] = rows[..., 2 * f :]
