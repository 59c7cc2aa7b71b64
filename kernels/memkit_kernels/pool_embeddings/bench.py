"""pool_embeddings beside a padded batch that is masked, averaged and normalised, as sentence-transformers does it."""

from collections.abc import Iterable
from functools import partial

import torch
from torch import Tensor

from memkit_kernels.bench.cases import Case, Contest, Kind
from memkit_kernels.pool_embeddings import pool_embeddings
from memkit_kernels.pool_embeddings.reference import pool_embeddings_reference
from memkit_kernels.testing import assert_close

D = 384
LONGEST = 256
SEQUENCES: dict[Kind, tuple[int, ...]] = {"cpu": (16, 64, 256, 1024), "cuda": (64, 512, 4096, 32_768)}
DTYPES: dict[Kind, torch.dtype] = {"cpu": torch.float32, "cuda": torch.bfloat16}


def cases(kind: Kind) -> Iterable[Case]:
    """Sequences of 4 to 256 tokens, most of them short."""
    for n in SEQUENCES[kind]:
        dtype = DTYPES[kind]
        yield Case(
            operation="pool_embeddings", variant=f"mean, D={D}, {str(dtype).removeprefix('torch.')}",
            size={"N": n, "D": D}, along="N", dtype=dtype, prepare=partial(_prepare, n, dtype),
        )  # fmt: skip


def mixed_lengths(n: int) -> Tensor:
    """int64 `[n]`: log-normal about 34 tokens, as short messages are, from 4 to 256."""
    drawn = torch.randn(n, generator=torch.Generator().manual_seed(0))
    return (3.5 + 0.6 * drawn).exp().round().clamp(4, LONGEST).to(torch.int64)


def _prepare(n: int, dtype: torch.dtype, device: torch.device) -> Contest:
    lengths = mixed_lengths(n)
    bounds = torch.cat((torch.zeros(1, dtype=torch.int64), lengths.cumsum(0))).to(device)
    tokens = int(lengths.sum())
    hidden = torch.randn(tokens, D, generator=torch.Generator().manual_seed(1)).to(device, dtype)
    mask = (torch.arange(int(lengths.max()))[None, :] < lengths[:, None]).to(device)
    padded = torch.zeros((*mask.shape, D), dtype=dtype, device=device)
    padded[mask] = hidden

    def masked() -> Tensor:
        weights = mask[:, :, None].to(dtype)
        mean = (padded * weights).sum(1) / weights.sum(1).clamp_min(1e-9)
        return torch.nn.functional.normalize(mean, dim=1)

    def check() -> None:
        expected = pool_embeddings_reference(hidden, bounds, mode="mean", normalise=True, dtype=torch.float32)
        assert isinstance(expected, Tensor)
        assert_close(pool_embeddings(hidden, bounds), expected, dtype=dtype)

    rivals = {"torch, padded and masked": masked}
    size = hidden.element_size()
    return Contest(
        ours=lambda: pool_embeddings(hidden, bounds),
        rivals=rivals,
        moved=(tokens + n) * D * size + 8 * (n + 1),
        flops=tokens * D + 3 * n * D,
        check=check,
    )
