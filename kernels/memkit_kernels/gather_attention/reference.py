"""gather_attention in plain torch: what the operation means. Also what runs where there is no GPU.

Takes one sequence, a block of queries and a part of its list at a time, with a running maximum and sum, so that neither
all scores nor a copy of all keys is ever stored.
Axes: B batch, T queries, H query heads, G key heads, R = H / G, L list entries, P pages, D and E features; M = R T rows
that share a key head, and c tokens of a part of the list.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from memkit_kernels.merge_attention.reference import wide

ROWS_PER_BLOCK = 1024
SCORES_PER_BLOCK = 2**21  # 8 MB in float32
TOKENS_PER_BLOCK = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some tokens of one sequence's list, gathered."""

    keys: Tensor  # [G, c, D], wide
    values: Tensor  # [G, c, E], wide
    seen: Tensor  # [1 or G, c]: named, and counted
    wrong: Tensor  # [1 or G, c]: named, but there is no such key
    token: Tensor  # [1 or G, c]: page times the page's size, plus the place within it; 0 for a hole
    whole: bool  # all of it is seen, and there


def gather_attention_reference(
    q: Tensor, k: Tensor, v: Tensor, table: Tensor, counts: Tensor | None, scale: float
) -> tuple[Tensor, Tensor]:
    """See `memkit_kernels.gather_attention.gather_attention`; takes its arguments as checked there, k and v as pages and
    the table as `[B, 1 or G, L]`."""
    b, t, h, _ = q.shape
    g, e = k.shape[2], v.shape[3]
    out = torch.empty((b, t, h, e), dtype=q.dtype, device=q.device)
    lse = torch.empty((b, t, h), dtype=wide(q.dtype), device=q.device)
    step = max(1, ROWS_PER_BLOCK * g // h)
    for row in range(b):
        for top in range(0, t, step):
            block = slice(top, min(top + step, t))
            mixed, total = _attend(by_key_head(q[row, block], g), k, v, table[row], counts_of(counts, row), scale)
            out[row, block] = by_query(mixed, h)
            lse[row, block] = by_query(total[..., None], h)[..., 0]
    return out, lse


def _attend(
    q: Tensor, k: Tensor, v: Tensor, lists: Tensor, count: Tensor | None, scale: float
) -> tuple[Tensor, Tensor]:
    """Queries `[G, M, D]` of one sequence: their results `[G, M, E]` and log-sum-exps `[G, M]`."""
    g, m, _ = q.shape
    top = torch.full((g, m), -torch.inf, dtype=q.dtype, device=q.device)
    summed = torch.zeros_like(top)
    mixed = torch.zeros((g, m, v.shape[3]), dtype=q.dtype, device=q.device)
    for part in parts(k, v, lists, count, min(TOKENS_PER_BLOCK, SCORES_PER_BLOCK // (g * m))):
        scores = scored(q, part, scale)
        grown = torch.maximum(top, scores.amax(-1))
        safe = grown.masked_fill(grown == -torch.inf, 0.0)
        weights, fade = scores.sub_(safe[..., None]).exp_(), (top - safe).exp_()
        summed = summed * fade + weights.sum(-1)
        mixed = mixed * fade[..., None] + weights @ part.values
        top = grown
    if count is not None:
        summed = summed.masked_fill((count < 0) | (count > lists.shape[1] * k.shape[1]), torch.nan)
    lse = top.masked_fill(top == -torch.inf, 0.0) + summed.log()
    return mixed / summed.masked_fill(summed == 0, 1.0)[..., None], lse


def scored(q: Tensor, part: Part, scale: float) -> Tensor:
    """`[G, M, c]`: -inf for what is not seen, NaN for what is not there."""
    scores = (q @ part.keys.mT).mul_(scale)
    if part.whole:
        return scores
    return scores.masked_fill_(~part.seen[:, None], -torch.inf).masked_fill_(part.wrong[:, None], torch.nan)


def parts(k: Tensor, v: Tensor, lists: Tensor, count: Tensor | None, most: int) -> Iterator[Part]:
    """One sequence's list `[1 or G, L]`, whole entries at a time, about `most` tokens."""
    (rows, page, g), length = k.shape[:3], lists.shape[1]
    entries = max(1, most // page)
    if rows == 0:
        k, v = k.new_zeros((1, *k.shape[1:])), v.new_zeros((1, *v.shape[1:]))  # what a hole reads
    within = torch.arange(page, device=k.device)
    for first in range(0, length, entries):
        entry = lists[:, first : first + entries].long()
        places = (first + torch.arange(entry.shape[1], device=k.device))[:, None] * page + within
        named = (entry >= 0)[..., None].expand(-1, -1, page)
        seen = (named if count is None else named & (places < count)).flatten(1)
        there = (entry >= 0) & (entry < rows)
        entry = entry.where(there, 0)
        real = seen & there[..., None].expand(-1, -1, page).flatten(1)
        token = (entry[..., None] * page + within).flatten(1)
        keys, values = (_gathered(x, entry, g) for x in (k, v))
        whole = bool(real.all())  # waits for a GPU, and saves passes over what was gathered and over the scores
        if not whole:
            keys, values = (x.masked_fill_(~real[..., None], 0.0) for x in (keys, values))
        yield Part(keys=keys, values=values, seen=seen, wrong=seen & ~real, token=token.where(real, 0), whole=whole)


def _gathered(pages: Tensor, entry: Tensor, g: int) -> Tensor:
    """`[G, c, features]`, wide: the pages of a list that heads share (whole rows, which is faster), or of one a head."""
    if len(entry) == 1:
        return pages.index_select(0, entry[0]).flatten(0, 1).transpose(0, 1).to(wide(pages.dtype))
    heads = torch.arange(g, device=pages.device)[:, None]
    return pages[entry, :, heads].flatten(1, 2).to(wide(pages.dtype))


def counts_of(counts: Tensor | None, row: int) -> Tensor | None:
    """The count of one sequence, on its device."""
    return None if counts is None else counts[row]


def by_key_head(x: Tensor, g: int) -> Tensor:
    """`[T, H, features]` as `[G, T R, features]`, wide: the rows that share a key head."""
    return x.unflatten(1, (g, -1)).transpose(0, 1).flatten(1, 2).to(wide(x.dtype))


def by_query(x: Tensor, h: int) -> Tensor:
    """`[G, T R, features]` back as `[T, H, features]`."""
    return x.unflatten(1, (-1, h // len(x))).transpose(0, 1).flatten(1, 2)
