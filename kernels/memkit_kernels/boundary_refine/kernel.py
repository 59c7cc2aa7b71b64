"""boundary_refine in Triton: all boundaries at once with a guess of the one before, then what was guessed wrong. See README.md.

Axes: B rows of tokens, T tokens, D features, M boundaries. A tile is BT tokens by BD features. All sums are in float64, in
an order that depends on the tile alone, so that a boundary refined twice from the same one before comes out the same.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from memkit_kernels.boundary_refine.reference import SMALLEST, spans

_SMALLEST = tl.constexpr(SMALLEST)

TOKENS, FEATURES, WARPS = 16, 128, 4  # a tile; not tuned, since another one sums in another order
BLOCK = 1024  # boundaries that are checked at once
WAVES = 4  # programs a multiprocessor: twice as many as its registers hold, since windows differ in length
PASSES = {"modularity": 16, "conductance": 32}  # then few are still a guess: README.md


@triton.jit
def _tokens(keys, k_row, k_step, begin, end, features, D, BT: tl.constexpr):
    """The rows from begin to end, BT at most, in float64; 0 elsewhere."""
    rows = begin + tl.arange(0, BT)[:, None]
    offsets = rows.to(tl.int64) * k_row + features[None, :].to(tl.int64) * k_step
    return tl.load(keys + offsets, mask=(rows < end) & (features[None, :] < D), other=0.0).to(tl.float64)


@triton.jit
def _sums(
    keys, k_row, k_step, begin, end, features, D, LOOPS: tl.constexpr, BT: tl.constexpr, BD: tl.constexpr
):  # fmt: skip
    """The sum of the rows from begin to end, and without self-loops of their squares over these features."""
    total = tl.zeros((BT, BD), tl.float64)
    squares = tl.zeros((BT,), tl.float64)
    for row in range(begin, end, BT):
        k = _tokens(keys, k_row, k_step, row, end, features, D, BT)
        total += k
        if not LOOPS:
            squares += tl.sum(k * k, axis=1)
    return tl.sum(total, axis=0), tl.sum(squares, axis=0)


@triton.jit
def _around(
    keys, k_row, k_step, start, first, end, fresh, features, D, scratch,
    LOOPS: tl.constexpr, BT: tl.constexpr, BD: tl.constexpr,
):  # fmt: skip
    """The window's sum over these features, and that of what is before the candidates at hand. If `fresh` both are read
    from the keys, and with them come the sum's square and the squares before the first candidate and of the whole
    window; else both are what `scratch` holds, and the rest is 0."""
    ok = features < D
    whole = tl.full((), 0.0, tl.float64)
    loops_before = tl.full((), 0.0, tl.float64)
    loops = tl.full((), 0.0, tl.float64)
    if fresh:
        before, loops_before = _sums(keys, k_row, k_step, start, first, features, D, LOOPS, BT, BD)
        after, loops_after = _sums(keys, k_row, k_step, first, end, features, D, LOOPS, BT, BD)
        total = before + after
        whole = tl.sum(total * total, axis=0)
        loops = loops_before + loops_after
        tl.store(scratch + features, total, mask=ok)
    else:
        total = tl.load(scratch + features, mask=ok, other=0.0)
        before = tl.load(scratch + D + features, mask=ok, other=0.0)
    return total, before, whole, loops_before, loops


@triton.jit
def _scores(square, product, own, whole, loops_before, loops, METRIC: tl.constexpr, LOOPS: tl.constexpr):
    """What is to be large, from a·a, a·W and W·W, a the sum before each candidate and W the window's."""
    inside_a, inside_b, cut = square, whole - 2 * product + square, product - square
    if not LOOPS:
        norms = loops_before + tl.cumsum(own, axis=0) - own
        inside_a -= norms
        inside_b -= loops - norms
    total = inside_a + inside_b + 2 * cut
    if METRIC == "modularity":
        scale = total * total
        value = (inside_a * inside_b - cut * cut) / tl.where(scale > 0, scale, tl.full(scale.shape, 1.0, tl.float64))
        return tl.where(scale > 0, value, float("-inf"))
    a, b = tl.minimum(inside_a, total - inside_a), tl.minimum(inside_b, total - inside_b)
    a = tl.where(tl.abs(a) < _SMALLEST, tl.full(a.shape, _SMALLEST, tl.float64), a)
    b = tl.where(tl.abs(b) < _SMALLEST, tl.full(b.shape, _SMALLEST, tl.float64), b)
    return -tl.minimum(cut / a, cut / b)


@triton.jit
def _split(
    keys, k_row, k_step, alpha, beta, low, high, minimum, D, scratch,
    METRIC: tl.constexpr, LOOPS: tl.constexpr, BT: tl.constexpr, BD: tl.constexpr,
):  # fmt: skip
    """The best place for boundary beta, given the refined one before it. `scratch` is this program's, `[2, D]`."""
    half = (beta - alpha) // 2
    start, end, first = tl.maximum(alpha - half, low), tl.minimum(beta + half, high), alpha + minimum
    best = beta
    most = tl.full((), float("-inf"), tl.float64)
    whole, loops_before, loops = (tl.full((), 0.0, tl.float64),) * 3
    if first >= beta:
        first = beta + 1  # nothing to choose from
    for at in range(first, beta + 1, BT):
        square, product, own = (tl.zeros((BT,), tl.float64),) * 3
        for d in range(0, D, BD):
            features = d + tl.arange(0, BD)
            total, before, square_all, norm, norms = _around(
                keys, k_row, k_step, start, first, end, at == first, features, D, scratch, LOOPS, BT, BD
            )  # fmt: skip
            k = _tokens(keys, k_row, k_step, at, beta, features, D, BT)
            a = tl.cumsum(k, axis=0) - k + before[None, :]
            tl.debug_barrier()  # warps may each have read what is written over here
            tl.store(scratch + D + features, before + tl.sum(k, axis=0), mask=features < D)
            square += tl.sum(a * a, axis=1)
            product += tl.sum(a * total[None, :], axis=1)
            whole += square_all
            if not LOOPS:
                own += tl.sum(k * k, axis=1)
                loops_before += norm
                loops += norms
        tl.debug_barrier()  # what one thread stored, another may load
        candidates = at + tl.arange(0, BT)
        scores = _scores(square, product, own, whole, loops_before, loops, METRIC, LOOPS)
        scores = tl.where((candidates <= beta) & (tl.abs(scores) < float("inf")), scores, float("-inf"))
        if not LOOPS:
            loops_before += tl.sum(own, axis=0)
        top = tl.max(scores, axis=0)
        if top > most:  # so of equal ones the first stays
            best = tl.min(tl.where(scores == top, candidates, beta), axis=0)
            most = top
    return best


@triton.jit(do_not_specialize=["T", "M", "count", "minimum"])
def _guess(
    keys, given, lows, highs, before, used, refined, scratch, T, D, M, count, minimum, k_batch, k_row, k_step,
    METRIC: tl.constexpr, LOOPS: tl.constexpr, BT: tl.constexpr, BD: tl.constexpr,
):  # fmt: skip
    """Each boundary once more, if the one before it has moved since. Grid: programs, which share the boundaries."""
    scratch += tl.program_id(0).to(tl.int64) * 2 * D
    for at in range(tl.program_id(0), count, tl.num_programs(0)):
        i = tl.cast(at, tl.int64)
        beta = tl.load(given + i)
        result = tl.full((), -1, tl.int64)
        if beta < T:
            low, high = tl.load(lows + i), tl.load(highs + i)
            alpha = tl.maximum(tl.load(before + i - 1, mask=i % M != 0, other=-1), low)
            result = tl.load(before + i)
            if tl.load(used + i) != alpha:
                row = keys + (i // M) * k_batch
                result = _split(
                    row, k_row, k_step, alpha, beta, low, high, minimum, D, scratch, METRIC, LOOPS, BT, BD
                )  # fmt: skip
                tl.store(used + i, alpha)
        tl.store(refined + i, result)


@triton.jit(do_not_specialize=["T", "M", "sequences", "minimum"])
def _settle(
    keys, given, lows, highs, begins, ends, used, refined, scratch, T, D, M, sequences, minimum, k_batch, k_row, k_step,
    METRIC: tl.constexpr, LOOPS: tl.constexpr, BT: tl.constexpr, BD: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """The boundaries that were not refined from the final one before, in order. Grid: programs, which share sequences."""
    scratch += tl.program_id(0).to(tl.int64) * 2 * D
    for sequence in range(tl.program_id(0), sequences, tl.num_programs(0)):
        begin, end = tl.load(begins + sequence), tl.load(ends + sequence)
        i = begin
        while i < end:  # all before i are final
            at = i + tl.arange(0, BLOCK)
            there = (at < end) & (tl.load(given + at, mask=at < end, other=T) < T)
            before = tl.load(refined + at - 1, mask=there & (at > begin), other=-1)
            alpha = tl.maximum(before, tl.load(lows + at, mask=there, other=0))
            wrong = there & (tl.load(used + at, mask=there, other=0) != alpha)
            i = tl.min(tl.where(wrong, at, i + BLOCK), axis=0)
            if i < tl.minimum(end, tl.max(at, axis=0) + 1):
                low, high, beta = tl.load(lows + i), tl.load(highs + i), tl.load(given + i)
                base = tl.maximum(tl.load(refined + i - 1, mask=i > begin, other=-1), low)
                row = keys + (i // M) * k_batch
                best = _split(
                    row, k_row, k_step, base, beta, low, high, minimum, D, scratch, METRIC, LOOPS, BT, BD
                )  # fmt: skip
                tl.store(refined + i, best)
                tl.debug_barrier()  # the next turn's loads see it
                i += 1


def boundary_refine_triton(
    keys: Tensor,
    boundaries: Tensor,
    cu_seqlens: Tensor | None,
    metric: str,
    min_size: int,
    self_loops: bool,
    passes: int | None = None,
) -> Tensor:
    """See `memkit_kernels.boundary_refine.reference.boundary_refine_reference`, whose arguments these are.

    `passes`: how often all boundaries are guessed, at least once; the result does not depend on it.
    """
    (b, tokens, d), m = keys.shape, boundaries.shape[1]
    if not b * m:
        return torch.empty_like(boundaries)  # an empty grid cannot be launched
    listed, low, high = (x.contiguous() for x in spans(boundaries, cu_seqlens, tokens))
    given = torch.where(listed, boundaries, tokens)
    begins, ends = _sequences(given, cu_seqlens, b, m)
    used, refined, before = torch.full_like(given, -2), torch.empty_like(given), given.clone()
    steps = (*keys.stride(),)
    programs = _programs(keys.device)
    guessing, settling = min(programs, b * m), max(1, min(programs, len(begins)))
    scratch = torch.empty((max(guessing, settling), 2, d), dtype=torch.float64, device=keys.device)
    options = {"METRIC": metric, "LOOPS": self_loops, "BT": TOKENS, "BD": FEATURES, "num_warps": WARPS}
    # Sums and products round as the definition's do, so that what ties there ties here.
    options["enable_fp_fusion"] = False
    with torch.cuda.device_of(keys):
        for _ in range(passes or min(m, PASSES[metric])):
            _guess[(guessing,)](
                keys, given, low, high, before, used, refined, scratch, tokens, d, m, b * m, min_size, *steps, **options
            )  # fmt: skip
            before, refined = refined, before
        _settle[(settling,)](
            keys, given, low, high, begins, ends, used, before, scratch, tokens, d, m, len(begins), min_size, *steps,
            BLOCK=BLOCK, **options,
        )  # fmt: skip
    return before


def _sequences(given: Tensor, cu_seqlens: Tensor | None, b: int, m: int) -> tuple[Tensor, Tensor]:
    """Where the boundaries of each sequence begin and end, among all of them."""
    if cu_seqlens is None:
        begins = torch.arange(b, device=given.device) * m
        return begins, begins + m
    place = torch.searchsorted(given[0], cu_seqlens)
    return place[:-1].contiguous(), place[1:].contiguous()


def _programs(device: torch.device) -> int:
    """How many programs fill the device."""
    if device.type == "cpu":
        return 2  # the interpreter runs them one after the other; two, so that they share
    return WAVES * torch.cuda.get_device_properties(device).multi_processor_count


def warm(device: torch.device, dtype: torch.dtype) -> None:
    """Compile for any number of features that is a multiple of 16, both metrics, with self-loops and without."""
    keys = torch.ones((1, 8, 16), dtype=dtype, device=device)
    boundaries = torch.tensor([[3, 6]], device=device)
    for metric in PASSES:
        for self_loops in (True, False):
            boundary_refine_triton(keys, boundaries, None, metric, 1, self_loops)
