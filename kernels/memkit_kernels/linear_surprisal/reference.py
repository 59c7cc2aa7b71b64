"""linear_surprisal in plain torch: what the operation means. Also what runs where there is no GPU.

Logits exist for a block of rows by a block of the vocabulary at a time. Sums of exponentials are relative to the
largest logit so far, m, and are rescaled when it grows.
Axes: n rows and v words of a block, D features.
"""

from typing import NamedTuple

import torch
from torch import Tensor

ROWS_PER_BLOCK = 256
WORDS_PER_BLOCK = 1024  # 1 MB of float32 logits: they stay in a CPU core's cache
NOTHING = -1000.0  # exp is 0 from here on in float32 and float64, and 0 times this is 0, which 0 times -inf is not


class Surprisals(NamedTuple):
    """What `linear_surprisal` tells of each row, `[N]`, in nats; None is what was not wanted."""

    surprisal: Tensor | None = None  # -log p(target)
    entropy: Tensor | None = None  # the surprisal to expect: -Σ p log p
    varentropy: Tensor | None = None  # its variance: Σ p (log p)² - entropy², in nats²
    lse: Tensor | None = None  # log Σ exp(logit)
    top1: Tensor | None = None  # the word with the largest logit, int64


class Head(NamedTuple):
    """What makes logits of hidden states. See `memkit_kernels.linear_surprisal.linear_surprisal`."""

    weight: Tensor
    bias: Tensor | None
    scale: float
    softcap: float | None

    def words(self, start: int, stop: int) -> "Head":
        """This head for a part of the vocabulary."""
        return self._replace(weight=self.weight[start:stop], bias=None if self.bias is None else self.bias[start:stop])


class _Sums(NamedTuple):
    """Running sums of one block of rows: e = exp(z - m) over the logits z so far."""

    largest: Tensor  # m
    e: Tensor  # Σ e
    ze: Tensor  # Σ (z - m) e
    zze: Tensor  # Σ (z - m)² e
    top: Tensor  # where m was first met
    own: Tensor  # the target's logit; NaN until it is met


def linear_surprisal_reference(
    x: Tensor, head: Head, target: Tensor | None, *, ignore_index: int, want: frozenset[str]
) -> Surprisals:
    """See `memkit_kernels.linear_surprisal.linear_surprisal`; takes its arguments as checked there."""
    told = {
        name: torch.empty(len(x), dtype=torch.int64 if name == "top1" else wide(x.dtype), device=x.device)
        for name in want
    }
    for first in range(0, len(x), ROWS_PER_BLOCK):
        rows = slice(first, first + ROWS_PER_BLOCK)
        labels = None if target is None else target[rows].long()
        sums = _read(x[rows], head, labels, want)
        for name, values in _finish(sums, labels, ignore_index, want).items():
            told[name][rows] = values
    return Surprisals(**told)


def wide(dtype: torch.dtype) -> torch.dtype:
    """What sums are in."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def product(left: Tensor, right: Tensor) -> Tensor:
    """left @ right, accumulated and returned in float32, or float64."""
    if left.is_cuda and left.dtype in (torch.float16, torch.bfloat16):
        return torch.mm(left, right, out_dtype=torch.float32)  # the matrix unit, and no rounding of what it adds up
    dtype = wide(left.dtype)
    return left.to(dtype) @ right.to(dtype)


def logits(x: Tensor, head: Head) -> Tensor:
    """All logits of a block, `[n, v]`."""
    z = product(x, head.weight.T)
    if head.bias is not None:
        z += head.bias.to(z.dtype)
    if head.scale != 1.0:
        z *= head.scale
    if head.softcap is not None:
        shut_out = z == -torch.inf
        z = z.div_(head.softcap).tanh_().mul_(head.softcap).masked_fill_(shut_out, -torch.inf)
    return z


def _read(x: Tensor, head: Head, labels: Tensor | None, want: frozenset[str]) -> _Sums:
    """The sums of a block of rows over the whole vocabulary."""
    zero = torch.zeros(len(x), dtype=wide(x.dtype), device=x.device)
    sums = _Sums(zero - torch.inf, zero, zero, zero, zero.long(), zero + torch.nan)
    for start in range(0, len(head.weight), WORDS_PER_BLOCK):
        part = head.words(start, start + WORDS_PER_BLOCK)
        z = logits(x, part)
        if labels is not None:
            inside = (labels >= start) & (labels < start + len(part.weight))
            place = torch.where(inside, labels - start, 0)
            sums = sums._replace(own=torch.where(inside, z.gather(1, place[:, None])[:, 0], sums.own))
        sums = _add(sums, z, start, want)
    return sums


def _add(sums: _Sums, z: Tensor, start: int, want: frozenset[str]) -> _Sums:
    """The sums with a block of logits, whose memory is used up."""
    if "top1" in want:
        best, place = z.max(dim=1)  # of equal ones the first
        sums = sums._replace(top=torch.where(best > sums.largest, place + start, sums.top))
    else:
        best = z.amax(dim=1)
    largest = torch.maximum(sums.largest, best)
    base = largest.masked_fill(largest == -torch.inf, 0.0)  # nothing but -inf yet
    sums = _move(sums, base)
    z.sub_(base[:, None]).clamp_min_(NOTHING)  # NaN passes, here and below
    power = z.exp()
    sums = sums._replace(largest=largest, e=sums.e + power.sum(1))
    if "entropy" in want or "varentropy" in want:
        sums = sums._replace(ze=sums.ze + torch.linalg.vecdot(z, power))
    if "varentropy" in want:
        sums = sums._replace(zze=sums.zze + torch.linalg.vecdot(z.square_(), power))
    return sums


def _move(sums: _Sums, base: Tensor) -> _Sums:
    """The sums relative to a larger m: (z - m) becomes (z - m) + by."""
    by = torch.clamp_min(sums.largest - base, NOTHING)
    shrink = by.exp()
    return sums._replace(
        e=shrink * sums.e,
        ze=shrink * (sums.ze + by * sums.e),
        zze=shrink * (sums.zze + 2 * by * sums.ze + by.square() * sums.e),
    )


def _finish(sums: _Sums, labels: Tensor | None, ignore_index: int, want: frozenset[str]) -> dict[str, Tensor]:
    """What is wanted, of the sums over the whole vocabulary."""
    alive = sums.e > 0  # not NaN, and something but -inf
    e = sums.e.masked_fill(~alive, torch.nan)
    log_e, mean = e.log(), sums.ze / e
    told = {"lse": sums.largest + log_e, "entropy": log_e - mean}
    told["varentropy"] = (sums.zze / e - mean.square()).clamp_min(0.0)
    told["top1"] = sums.top.masked_fill(~alive, -1)
    if labels is not None:  # m - z first: both are exact, and a sure word's difference is 0
        told["surprisal"] = (sums.largest - sums.own + log_e).masked_fill(labels == ignore_index, 0.0)
    return {name: told[name] for name in want}
