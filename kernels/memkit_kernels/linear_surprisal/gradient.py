"""The gradients of linear_surprisal: logits are computed again, a block at a time, for either backend.

With p = softmax(z), H the entropy, U the varentropy and a = log p + H, by a row's logits z:

    surprisal   p - onehot(target)          entropy      -p a
    lse         p                           varentropy    p (a² + 2a - U)

Does not know what runs forward.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from memkit_kernels.linear_surprisal.reference import NOTHING, Head, Surprisals, logits, product, wide

# Rows and words of a block of logits: on a CPU what stays in its cache, on a GPU what keeps it busy (64 MB in float32).
BLOCK = {"cpu": (256, 1024), "cuda": (2048, 8192)}
SMOOTH = ("surprisal", "entropy", "varentropy", "lse")  # what has a gradient
NEEDS = {"entropy": {"entropy"}, "varentropy": {"entropy", "varentropy"}}  # to differentiate it, beside lse

Forward = Callable[..., Surprisals]


def differentiable(
    run: Forward, x: Tensor, head: Head, target: Tensor | None, *, ignore_index: int, want: frozenset[str]
) -> Surprisals:
    """`run`, with gradients. Keeps its inputs and at most three numbers a row."""
    given = (x, head.weight, head.bias, target)
    return Surprisals(*_Differentiable.apply(*given, run, head.scale, head.softcap, ignore_index, want))


class _Differentiable(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, target, run, scale, softcap, ignore_index, want):  # type: ignore[no-untyped-def]
        known = want.union({"lse"}, *(NEEDS.get(name, ()) for name in want))
        told = run(x, Head(weight, bias, scale, softcap), target, ignore_index=ignore_index, want=known)
        ctx.save_for_backward(x, weight, bias, target, told.entropy, told.varentropy, told.lse)
        ctx.options, ctx.ignore_index = (scale, softcap), ignore_index
        ctx.set_materialize_grads(False)
        if "top1" in want:
            ctx.mark_non_differentiable(told.top1)
        return tuple(value if name in want else None for name, value in zip(told._fields, told, strict=True))

    @staticmethod
    @once_differentiable
    def backward(ctx, *grads):  # type: ignore[no-untyped-def]
        x, weight, bias, target, entropy, varentropy, lse = ctx.saved_tensors
        by = Surprisals(*grads)._replace(top1=None)
        known = Surprisals(None, entropy, varentropy, lse)
        if by.surprisal is not None:
            by = by._replace(surprisal=_through(by.surprisal, target, len(weight), ctx.ignore_index))
        head = Head(weight, bias, *ctx.options)
        found = _gradients(x, head, target, known, by, ctx.needs_input_grad[:3])
        return *found, *(None,) * 6


def _through(grad: Tensor, target: Tensor, words: int, ignore_index: int) -> Tensor:
    """The surprisal's gradient: 0 where it is ignored, NaN where it is NaN since its target is no word."""
    no_word = (target < 0) | (target >= words)
    return grad.masked_fill(no_word, torch.nan).masked_fill(target == ignore_index, 0.0)


def _gradients(
    x: Tensor, head: Head, target: Tensor | None, known: Surprisals, by: Surprisals, needed: tuple[bool, bool, bool]
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """By x, weight and bias, each None where it is not needed. Sums are float32, or float64."""
    total = wide(x.dtype)
    to_x = torch.zeros_like(x, dtype=total) if needed[0] else None
    to_weight = torch.empty_like(head.weight) if needed[1] else None
    to_bias = torch.empty_like(head.bias) if needed[2] else None
    row_step, word_step = BLOCK.get(x.device.type, BLOCK["cpu"])
    for words in _slices(len(head.weight), word_step):
        part = head.words(words.start, words.stop)
        of_weight = torch.zeros_like(part.weight, dtype=total) if needed[1] else None
        of_bias = torch.zeros(len(part.weight), dtype=total, device=x.device) if needed[2] else None
        for rows in _slices(len(x), row_step):
            dz = _by_logits(x[rows], part, words.start, _of(target, rows), _cut(known, rows), _cut(by, rows))
            if of_bias is not None:
                of_bias += dz.sum(0)
            dz = dz.to(x.dtype)  # what the matrix unit takes
            if to_x is not None:
                to_x[rows] += product(dz, part.weight)
            if of_weight is not None:
                of_weight += product(dz.T, x[rows])
        if to_weight is not None:
            to_weight[words] = of_weight
        if to_bias is not None:
            to_bias[words] = of_bias
    return None if to_x is None else to_x.to(x.dtype), to_weight, to_bias


def _by_logits(x: Tensor, part: Head, start: int, target: Tensor | None, known: Surprisals, by: Surprisals) -> Tensor:
    """The gradient by x·w + bias for a block of rows and words, `[n, v]`."""
    z = logits(x, part)
    slope = part.scale
    if part.softcap is not None:  # tanh' = 1 - tanh²; 0 for a logit of -inf
        slope = part.scale * (1 - (z / part.softcap).clamp(-1.0, 1.0).square())
    log_p = z.sub_(_column(known.lse)).clamp_min_(NOTHING)
    p, factor = log_p.exp(), torch.zeros_like(_column(known.lse))
    if by.surprisal is not None:
        factor = factor + _column(by.surprisal)
    if by.lse is not None:
        factor = factor + _column(by.lse)
    if by.entropy is not None or by.varentropy is not None:
        a = log_p.add_(_column(known.entropy))
        if by.entropy is not None:
            factor = factor - _column(by.entropy) * a
        if by.varentropy is not None:
            factor = factor + _column(by.varentropy) * (a.square() + 2 * a - _column(known.varentropy))
    dz = p.mul_(factor)
    if by.surprisal is not None and target is not None:
        rows, inside = torch.arange(len(x), device=x.device), (target >= start) & (target < start + len(part.weight))
        place = torch.where(inside, target.long() - start, 0)
        dz[rows, place] -= torch.where(inside, by.surprisal, 0.0)
    return dz.mul_(slope)


def _slices(length: int, step: int) -> Iterator[slice]:
    return (slice(start, min(start + step, length)) for start in range(0, length, step))


def _column(values: Tensor | None) -> Tensor:
    """A number of each row, beside its words; it was computed because it is needed here."""
    assert values is not None
    return values[:, None]


def _of(values: Tensor | None, rows: slice) -> Tensor | None:
    return None if values is None else values[rows]


def _cut(told: Surprisals, rows: slice) -> Surprisals:
    return Surprisals(*(_of(values, rows) for values in told))
