"""boundary_refine beside the forms that need the matrix of all pairs."""

from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import Tensor

from memkit_kernels.bench.cases import Case, Contest, Kind
from memkit_kernels.boundary_refine import boundary_refine

D = 1024  # 8 heads of 128
EVENT = 32  # tokens, about
TOKENS: dict[Kind, tuple[int, ...]] = {
    "cpu": (256, 512, 1024, 2048, 4096),
    "cuda": (1024, 4096, 16_384, 65_536, 131_072),
}
DTYPES: dict[Kind, torch.dtype] = {"cpu": torch.float32, "cuda": torch.bfloat16}
MOST_PAIRS: dict[str, int] = {"cpu": 4096, "cuda": 16_384}  # tokens: 2 GB of float64 on a GPU
MOST_LOOPED: dict[str, int] = {"cpu": 1024, "cuda": 4096}  # tokens: each takes about ten small operations


def cases(kind: Kind) -> Iterable[Case]:
    """One sequence of events of about 32 tokens, whose boundaries were found up to 4 tokens late."""
    for tokens in TOKENS[kind]:
        dtype = DTYPES[kind]
        yield Case(
            operation="boundary_refine", variant=f"modularity, D = {D}, {str(dtype).removeprefix('torch.')}",
            size={"T": tokens, "D": D, "M": tokens // EVENT}, along="T", dtype=dtype,
            prepare=partial(_prepare, tokens, dtype),
        )  # fmt: skip


def _prepare(tokens: int, dtype: torch.dtype, device: torch.device) -> Contest:
    chance = torch.Generator().manual_seed(0)
    true = torch.randperm(tokens - 8, generator=chance)[: tokens // EVENT].sort().values + 1
    event = torch.bucketize(torch.arange(tokens), true, right=True).to(device)
    late = true + torch.randint(0, 5, true.shape, generator=chance)
    boundaries = late.unique().to(device)
    noise = torch.Generator(device).manual_seed(1)
    keys = torch.randn(int(event.max()) + 1, D, generator=noise, device=device)[event]
    keys = (keys + torch.randn(tokens, D, generator=noise, device=device)).to(dtype)

    def check() -> None:
        assert torch.equal(boundary_refine(keys, boundaries), boundary_refine(keys, boundaries, backend="torch"))

    rivals: dict[str, Callable[[], object] | str] = {
        "prefix sums of all pairs": partial(_by_matrix, keys, boundaries),
        "loop over all pairs, as published": partial(_by_loop, keys, boundaries),
    }
    if tokens > MOST_PAIRS[device.type]:
        rivals["prefix sums of all pairs"] = f"its matrix would take {8 * tokens**2 / 1e9:.1f} GB"
    if tokens > MOST_LOOPED[device.type]:
        rivals["loop over all pairs, as published"] = f"takes seconds; run up to {MOST_LOOPED[device.type]} tokens"
    return Contest(
        ours=lambda: boundary_refine(keys, boundaries),
        rivals=rivals,
        moved=keys.numel() * keys.element_size() + 16 * len(boundaries),
        flops=7 * tokens * D,  # each token is added to a sum and to a window's, and once in two products
        check=check,
    )


def _windows(beta: int, alpha: int, tokens: int) -> tuple[int, int]:
    half = (beta - alpha) // 2
    return max(alpha - half, 0), min(beta + half, tokens)


def _by_matrix(keys: Tensor, boundaries: Tensor) -> list[int]:
    """Sums over any rectangle of pairs from one table: quadratic in tokens."""
    wide = keys.double()
    table = torch.nn.functional.pad((wide @ wide.T).cumsum(0).cumsum(1), (1, 0, 1, 0))
    alpha, refined = 0, []
    for beta in boundaries.tolist():
        start, end = _windows(beta, alpha, len(keys))
        if alpha + 1 < beta:
            t = torch.arange(alpha + 1, beta + 1, device=keys.device)
            both, corner = table[t, t], table[start, start]
            first = both - table[start, t] - table[t, start] + corner
            second = table[end, end] - table[t, end] - table[end, t] + both
            cut = table[t, end] - table[start, end] - both + table[start, t]
            beta = alpha + 1 + int((first * second - cut * cut).argmax())
        refined.append(beta)
        alpha = beta
    return refined


def _by_loop(keys: Tensor, boundaries: Tensor) -> list[int]:
    """Each candidate's modularity from the window's matrix."""
    alpha, refined = 0, []
    for beta in boundaries.tolist():
        start, end = _windows(beta, alpha, len(keys))
        window = keys[start:end].double()
        graph = window @ window.T
        strength, total = graph.sum(1), graph.sum()
        excess = graph - torch.outer(strength, strength) / total
        found = []
        for t in range(alpha + 1, beta + 1):
            side = torch.arange(start, end, device=keys.device) < t
            found.append(float((excess * (side[:, None] == side)).sum() / (2 * total)))
        if len(found) > 1:
            beta = alpha + 1 + max(range(len(found)), key=found.__getitem__)
        refined.append(beta)
        alpha = beta
    return refined
