"""What the benchmark runs of gather_attention: a decode step that reads 4096 tokens of many, tokens or pages."""

from collections.abc import Iterable
from functools import partial

import torch
from torch import Tensor

from memkit_kernels.bench.cases import Bar, Case, Contest, Kind
from memkit_kernels.gather_attention import gather_attention
from memkit_kernels.testing import assert_close

HEADS, KEY_HEADS, FEATURES = 32, 8, 128
RIVAL = "torch index_select + SDPA"


def cases(kind: Kind) -> Iterable[Case]:
    """Along the batch: 4096 of 1M tokens on a GPU, 1024 of 32k on a CPU."""
    stored, named, dtype = (2**20, 4096, torch.bfloat16) if kind == "cuda" else (2**15, 1024, torch.float32)
    for page in (1, 16, 64):
        for batch in (1, 4, 16, 32) if kind == "cuda" else (1, 2, 4, 8):
            yield Case(
                operation="gather_attention",
                variant=f"decode, {'tokens' if page == 1 else f'pages of {page}'}, H=32, G=8, D=128",
                size={"B": batch, "tokens": named, "N": stored},
                along="B",
                dtype=dtype,
                prepare=partial(_prepared, batch, stored, named, page, dtype),
                bar=Bar(of="copy bandwidth", least=0.8) if kind == "cuda" else None,
            )


def _prepared(batch: int, stored: int, named: int, page: int, dtype: torch.dtype, device: torch.device) -> Contest:
    random = torch.Generator(device).manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=random, device=device, dtype=dtype)

    q = normal(batch, 1, HEADS, FEATURES)
    k, v = (normal(stored // page, page, KEY_HEADS, FEATURES) for _ in range(2))
    entries = named // page
    table = torch.stack(
        [torch.randperm(stored // page, generator=random, device=device)[:entries] for _ in range(batch)]
    ).int()
    keys, values = (k.flatten(0, 1), v.flatten(0, 1)) if page == 1 else (k, v)

    def check() -> None:
        out, _ = gather_attention(q, keys, values, table)
        named_keys, named_values = (x[table[0].long()].double() for x in (keys, values))
        everything = torch.arange(entries, device=device)[None]
        exact, _ = gather_attention(q[:1].double(), named_keys, named_values, everything, backend="torch")
        assert_close(out[:1], exact, dtype=dtype)
        # The rival rounds in another order; that it computes the same is what is asked here.
        assert_close(_rival(q, k, v, table), out, dtype=torch.bfloat16)

    gathered = 2 * batch * named * KEY_HEADS * FEATURES * k.element_size()
    return Contest(
        ours=partial(gather_attention, q, keys, values, table),
        rivals={RIVAL: partial(_rival, q, k, v, table)},
        moved=gathered + table.nbytes + 2 * q.nbytes,
        flops=4 * batch * HEADS * named * FEATURES,
        check=check,
        memory={RIVAL: f"a copy of {gathered / 2**20:.0f} MiB"},
    )


def _rival(q: Tensor, k: Tensor, v: Tensor, table: Tensor) -> Tensor:
    """The copy that the kernel does without, then torch's attention to it."""
    b, (g, d) = len(q), k.shape[2:]
    flat = table.flatten()
    keys, values = (x.index_select(0, flat).view(b, -1, g, d).transpose(1, 2) for x in (k, v))
    mixed = torch.nn.functional.scaled_dot_product_attention(q.transpose(1, 2), keys, values, enable_gqa=True)
    return mixed.transpose(1, 2)
