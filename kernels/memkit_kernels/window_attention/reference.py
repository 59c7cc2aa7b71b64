"""window_attention in plain torch: what the operation means. Also what runs where there is no GPU.

Takes queries a block at a time and reads only the keys that the block can see, so that nothing of size T x S is stored,
unless gradients are wanted: then autograd keeps the probabilities of what is seen.
Axes: B batch, T queries, S keys, H query heads, G key heads, R = H / G, D and E features; t and s of a block.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from memkit_kernels.window_attention.mask import Mask, sequences

QUERIES_PER_BLOCK = 128
SCORES_PER_BLOCK = 2**20  # 4 MB in float32
Span = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The scores of some queries, and of the keys that they may see."""

    rows: slice
    spans: list[Span]  # of the keys
    seen: Tensor  # [t, s]
    scores: Tensor  # [B, G, R, t, s], -inf where not seen


def window_attention_reference(
    q: Tensor, k: Tensor, v: Tensor, *, mask: Mask, cu_seqlens: Tensor | None, scale: float
) -> tuple[Tensor, Tensor]:
    """See `memkit_kernels.window_attention.window_attention`; takes its arguments as checked there.

    Waits for the device: it looks at cu_seqlens, and for what is not finite.
    """
    if cu_seqlens is None:
        return _attend(q, k, v, mask, scale)
    cuts = [slice(*pair) for pair in sequences(cu_seqlens, q.shape[1])]
    parts = [_attend(q[:, cut], k[:, cut], v[:, cut], mask, scale) for cut in cuts]
    if not parts:
        return _attend(q, k, v, mask, scale)  # no sequence and no token
    return torch.cat([out for out, _ in parts], 1), torch.cat([lse for _, lse in parts], 1)


def blocks(q: Tensor, k: Tensor, mask: Mask, scale: float) -> Iterator[Block]:
    """The scores of one sequence, a block of queries at a time. q is `[B, T, H, D]`, k `[B, S, G, D]`."""
    (b, t, h, _), (s, g) = q.shape, k.shape[1:3]
    wide = accumulator(q.dtype)
    keys = k.to(wide).permute(0, 2, 3, 1)  # [B, G, D, S]
    width = s if mask.window is None else min(s, mask.window + mask.sinks + QUERIES_PER_BLOCK)
    rows = max(1, min(QUERIES_PER_BLOCK, SCORES_PER_BLOCK // max(1, b * h * width)))
    for top in range(0, t, rows):
        end = min(top + rows, t)
        spans = mask.spans(top + s - t, end - 1 + s - t, s)
        columns = pick(torch.arange(s, device=q.device), spans, 0)
        seen = mask.seen(torch.arange(top + s - t, end + s - t, device=q.device), columns)
        block = q[:, top:end].to(wide).unflatten(2, (g, h // g)).permute(0, 2, 3, 1, 4)  # [B, G, R, t, D]
        scores = (block.flatten(2, 3) @ pick(keys, spans, 3)).mul_(scale).unflatten(2, (h // g, end - top))
        hidden = (~seen).any(0).nonzero()
        if len(hidden):
            edge = slice(int(hidden[0]), int(hidden[-1]) + 1)  # all queries of the block see what is not in it
            scores[..., edge].masked_fill_(~seen[:, edge], -torch.inf)
        yield Block(rows=slice(top, end), spans=spans, seen=seen, scores=scores)


def largest(scores: Tensor) -> Tensor:
    """Of each row, what to take off before exp, so that this does not overflow; 0 where that is infinite or nothing."""
    if not scores.shape[-1]:
        return scores.new_zeros(scores.shape[:-1])
    top = scores.detach().amax(-1)
    return top.masked_fill(top.isinf(), 0.0)


def accumulator(dtype: torch.dtype) -> torch.dtype:
    """What sums are taken in."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def pick(values: Tensor, spans: list[Span], axis: int) -> Tensor:
    """These ranges of one axis, side by side."""
    if len(spans) == 1:
        return values.narrow(axis, spans[0][0], spans[0][1] - spans[0][0])
    return torch.cat([values.narrow(axis, 0, 0), *(values.narrow(axis, a, b - a) for a, b in spans)], axis)


def _attend(q: Tensor, k: Tensor, v: Tensor, mask: Mask, scale: float) -> tuple[Tensor, Tensor]:
    """One sequence, or a batch of one length."""
    wide = accumulator(q.dtype)
    values = v.to(wide).permute(0, 2, 1, 3)  # [B, G, S, E]
    finite = values.isfinite()
    clean = None if finite.all() else values.where(finite, 0.0)
    outs = [q[:, :0, :, :1].to(wide).expand(-1, -1, -1, v.shape[3])]  # of q, so that no queries also have a gradient
    lses = [q[:, :0, :, 0].to(wide)]
    for block in blocks(q, k, mask, scale):
        top = largest(block.scores)  # [B, G, R, t]
        weights = block.scores.sub_(top[..., None]).exp_()
        total = weights.sum(-1)
        weights, lse = weights.flatten(2, 3), total.log() + top
        out = weights @ pick(values, block.spans, 2)  # [B, G, R * t, E]
        if clean is not None:  # 0 times NaN is NaN, but a key that is not seen must not matter
            seen = block.seen.to(wide).repeat(weights.shape[2] // len(block.seen), 1)
            touched = seen @ pick(~finite, block.spans, 2).to(wide) > 0
            out = torch.where(touched, out, weights @ pick(clean, block.spans, 2))
        out = out.unflatten(2, lse.shape[2:]) / total.masked_fill(total == 0, 1.0)[..., None]
        outs.append(out.permute(0, 3, 1, 2, 4).flatten(2, 3))
        lses.append(lse.permute(0, 3, 1, 2).flatten(2, 3))
    return torch.cat(outs, 1).to(q.dtype), torch.cat(lses, 1)
