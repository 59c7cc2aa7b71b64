"""boundary_refine in plain torch: what the operation means. Also what runs where there is no GPU.

Does not know how boundaries were found. Reads them on the host, one after the other: each starts from the one before.
Axes: B rows of tokens, T tokens, D features, M boundaries. An event is what lies between two boundaries.
"""

import torch
from torch import Tensor

SMALLEST = 1e-12  # a volume nearer to 0 counts as this, so that a conductance is finite


def boundary_refine_reference(
    keys: Tensor, boundaries: Tensor, cu_seqlens: Tensor | None, metric: str, min_size: int, self_loops: bool
) -> Tensor:
    """`[B, M]` for keys `[B, T, D]` and boundaries `[B, M]`; with cu_seqlens B is 1.

    Its arguments are those of `memkit_kernels.boundary_refine.boundary_refine`, as checked there.
    """
    listed, low, high = spans(boundaries, cu_seqlens, keys.shape[1])
    refined = []
    for row, (counts, *columns) in zip(
        keys, zip(*(x.tolist() for x in (listed, boundaries, low, high)), strict=True), strict=True
    ):
        before, found = -1, []
        for there, boundary, begin, end in zip(counts, *columns, strict=True):
            if there:
                alpha = max(before, begin)
                before = split(row[begin:end], alpha - begin, boundary - begin, metric, min_size, self_loops) + begin
            found.append(before if there else -1)
        refined.append(found)
    return torch.tensor(refined, dtype=torch.int64, device=boundaries.device).reshape(boundaries.shape)


def spans(boundaries: Tensor, cu_seqlens: Tensor | None, tokens: int) -> tuple[Tensor, Tensor, Tensor]:
    """`[B, M]` each: whether a boundary is listed, and where the sequence around it begins and ends. Waits for nothing.

    A list ends before the first entry that is negative, beyond the tokens or not above the one before. With cu_seqlens
    that do not rise from 0 to T nothing is listed.
    """
    before = torch.nn.functional.pad(boundaries, (1, 0), value=-1)[:, :-1]
    good = (boundaries > before) & (boundaries >= 0) & (boundaries < tokens)
    low, high = torch.zeros_like(boundaries), torch.full_like(boundaries, tokens)
    if cu_seqlens is not None:
        after = torch.searchsorted(cu_seqlens, boundaries, right=True).clamp(0, len(cu_seqlens) - 1)
        low, high = cu_seqlens[(after - 1).clamp_min(0)].clamp(0, tokens), cu_seqlens[after].clamp(0, tokens)
        good &= (low <= boundaries) & (boundaries < high) & rises(cu_seqlens, tokens)
    if boundaries.numel():
        good = good.long().cummin(1).values.bool()
    return good, low, high


def rises(cu_seqlens: Tensor, tokens: int) -> Tensor:
    """Whether cu_seqlens are sorted, from 0 to T."""
    return (cu_seqlens.diff() >= 0).all() & (cu_seqlens[0] == 0) & (cu_seqlens[-1] == tokens)


def split(keys: Tensor, alpha: int, beta: int, metric: str, min_size: int, self_loops: bool) -> int:
    """The best place for boundary beta of one sequence `[T, D]`, given the refined boundary before it, alpha."""
    first = alpha + min_size
    if first >= beta:
        return beta
    half = (beta - alpha) // 2
    start = max(alpha - half, 0)
    window, candidates = keys[start : beta + half], slice(first - 1 - start, beta - start)  # first, ..., beta
    left = window.mT.contiguous().double().cumsum(1)  # [D, tokens], which is faster than sums down the columns
    before, whole = left[:, candidates], left[:, -1]
    inside_a, product = before.square().sum(0), whole @ before
    inside_b, cut = whole @ whole - 2 * product + inside_a, product - inside_a
    if not self_loops:
        loops = window.double().square().sum(1).cumsum(0)
        inside_a -= loops[candidates]
        inside_b -= loops[-1] - loops[candidates]
    scores = score(inside_a, inside_b, cut, metric)
    scores = torch.where(scores.isfinite(), scores, -torch.inf)
    best = int(scores.argmax())  # of equal ones the first
    return first + best if bool(scores[best] > -torch.inf) else beta


def score(inside_a: Tensor, inside_b: Tensor, cut: Tensor, metric: str) -> Tensor:
    """What is to be large: the modularity of the two parts, or their conductance with a minus."""
    total = inside_a + inside_b + 2 * cut
    if metric == "modularity":
        return (inside_a * inside_b - cut * cut) / (total * total)
    smaller = [torch.minimum(part, total - part) for part in (inside_a, inside_b)]
    first, second = (cut / torch.where(part.abs() < SMALLEST, SMALLEST, part) for part in smaller)
    return -torch.minimum(first, second)
