"""What the benchmark runs of merge_attention: two and four parts of a model's attention."""

from collections.abc import Iterable, Sequence
from functools import partial

import torch
from torch import Tensor

from memkit_kernels.bench.cases import Case, Contest, Kind
from memkit_kernels.merge_attention import merge_attention
from memkit_kernels.testing import assert_close

HEADS, FEATURES = 32, 128
RIVAL = "torch stack + softmax"


def cases(kind: Kind) -> Iterable[Case]:
    """Along the tokens."""
    dtype = torch.bfloat16 if kind == "cuda" else torch.float32
    for parts in (2, 4):
        for tokens in (128, 512, 2048, 8192, 32768) if kind == "cuda" else (32, 128, 512, 2048):
            yield Case(
                operation="merge_attention",
                variant=f"{parts} parts, H=32, E=128",
                size={"T": tokens, "P": parts},
                along="T",
                dtype=dtype,
                prepare=partial(_prepared, parts, tokens, dtype),
            )


def _prepared(parts: int, tokens: int, dtype: torch.dtype, device: torch.device) -> Contest:
    random = torch.Generator(device).manual_seed(0)
    shape = (1, tokens, HEADS)
    outs = [torch.randn((*shape, FEATURES), generator=random, device=device, dtype=dtype) for _ in range(parts)]
    lses = [torch.randn(shape, generator=random, device=device) for _ in range(parts)]

    def check() -> None:
        out, lse = merge_attention(outs, lses)
        exact, total = merge_attention([out.double() for out in outs], [lse.double() for lse in lses], backend="torch")
        assert_close(out, exact, dtype=dtype)
        assert_close(lse, total, dtype=torch.float32)
        assert_close(_rival(outs, lses)[0], exact, dtype=torch.bfloat16)  # that it computes the same

    return Contest(
        ours=partial(merge_attention, outs, lses),
        rivals={RIVAL: partial(_rival, outs, lses)},
        moved=(parts + 1) * (outs[0].nbytes + lses[0].nbytes),
        flops=2 * parts * outs[0].numel(),
        check=check,
    )


def _rival(outs: Sequence[Tensor], lses: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """What one writes without a kernel."""
    stacked = torch.stack(tuple(lses))
    weights = stacked.softmax(0)[..., None]
    return (torch.stack(tuple(outs)).float() * weights).sum(0).to(outs[0].dtype), stacked.logsumexp(0)
