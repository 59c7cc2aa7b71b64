"""column_mass beside the attention matrix that it replaces. Does not know how anything is timed."""

from collections.abc import Iterable
from functools import partial

import torch
from torch import Tensor

from memkit_kernels.bench.cases import Case, Contest, Kind
from memkit_kernels.column_mass import column_mass
from memkit_kernels.testing import assert_close
from memkit_kernels.window_attention import window_attention
from memkit_kernels.window_attention.bench import ALL, HEADS, TOKENS, WINDOWED, Near, pairs

LONGEST = 8192  # the matrix has 4 H T² bytes: 8.6 GB
LONGEST_CAUSAL = 65536


def cases(kind: Kind) -> Iterable[Case]:
    """Causal, and sinks and window, along the number of tokens."""
    for mask in (ALL, WINDOWED[kind]):
        for tokens in TOKENS[kind]:
            if mask or tokens <= LONGEST_CAUSAL:
                yield _case(kind, tokens, mask)


def _case(kind: Kind, tokens: int, mask: Near) -> Case:
    h, g, d = HEADS[kind]
    words = f"window {mask['window']} + {mask['sinks']} sinks" if mask else "causal"
    return Case(
        operation="column_mass",
        variant=f"{words}, H={h}, G={g}, D={d}",
        size={"T": tokens, "H": h, "G": g, "D": d},
        along="T",
        dtype=torch.bfloat16 if kind == "cuda" else torch.float32,
        prepare=partial(_prepare, kind, tokens, mask),
    )


def _prepare(kind: Kind, tokens: int, mask: Near, device: torch.device) -> Contest:
    h, g, d = HEADS[kind]
    dtype = torch.bfloat16 if kind == "cuda" else torch.float32
    generator = torch.Generator(device).manual_seed(1)
    q, k = (torch.randn((1, tokens, n, d), generator=generator, device=device, dtype=dtype) for n in (h, g))
    _, lse = window_attention(q, k, k, **mask)
    matrix = f"a matrix of {h} x {tokens} x {tokens} takes {4 * h * tokens**2 / 1e9:.0f} GB"
    return Contest(
        ours=lambda: column_mass(q, k, lse, **mask),
        rivals={"torch, the matrix stored": matrix if tokens > LONGEST else partial(_stored, q, k, mask)},
        moved=q.nbytes + k.nbytes + 2 * lse.nbytes,
        flops=pairs(tokens, **mask) * h * d * 2,
        check=lambda: assert_close(
            column_mass(q, k, lse, **mask).sum(1), torch.full((1, h), float(tokens)), dtype=torch.float32
        ),
        memory={"torch, the matrix stored": f"{4 * h * tokens**2 / 1e6:.0f} MB"},
    )


def _stored(q: Tensor, k: Tensor, mask: Near) -> Tensor:
    """The softmax, float32, and its column sums: what a model's attention weights are asked for."""
    (_, tokens, h, d), g = q.shape, k.shape[2]
    at = torch.arange(tokens, device=q.device)
    distance = at[:, None] - at
    hidden = distance < 0
    if mask:
        hidden |= (distance >= mask["window"]) & (at >= mask["sinks"])
    keys = k[0].permute(1, 2, 0).repeat_interleave(h // g, 0)  # [H, D, S]
    scores = (q[0].transpose(0, 1) @ keys).float().mul_(d**-0.5).masked_fill_(hidden, -torch.inf)
    return scores.softmax(2).sum(1).T[None]
