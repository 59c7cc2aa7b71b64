"""window_attention beside torch's attentions. Does not know how anything is timed."""

from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from typing import TypedDict

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from memkit_kernels.bench.cases import Case, Contest, Kind, lazily
from memkit_kernels.testing import assert_close
from memkit_kernels.window_attention import window_attention


class Near(TypedDict, total=False):
    """Of the mask what is not causal alone."""

    window: int
    sinks: int


HEADS = {"cuda": (32, 8, 128), "cpu": (8, 2, 64)}  # H, G and D; on a GPU as in Llama 3 8B
TOKENS = {"cuda": (1024, 4096, 16384, 65536, 131072), "cpu": (256, 512, 1024, 2048)}
WINDOWED: dict[Kind, Near] = {"cuda": {"window": 1024, "sinks": 4}, "cpu": {"window": 128, "sinks": 4}}
ALL: Near = {}
LONGEST_MASK = 32768  # an explicit mask has T² bytes: 1 GB
LONGEST_CAUSAL = 65536
CHECKED = 256  # the last queries
Run = Callable[[], object]


def cases(kind: Kind) -> Iterable[Case]:
    """Causal, sinks and window, and that with its gradients, along the number of tokens."""
    for mask, gradients in ((ALL, False), (WINDOWED[kind], False), (WINDOWED[kind], True)):
        for tokens in TOKENS[kind]:
            if mask or tokens <= LONGEST_CAUSAL:
                yield _case(kind, tokens, mask, gradients)


def pairs(tokens: int, window: int | None = None, sinks: int = 0) -> int:
    """How many pairs of a query and a key there are, of one causal sequence."""
    w = min(tokens, window or tokens)
    left = tokens - w  # queries that have keys before their window; the n-th of them has n
    s = min(sinks, left)
    return w * (w + 1) // 2 + left * w + s * (s + 1) // 2 + (left - s) * s


def _case(kind: Kind, tokens: int, mask: Near, gradients: bool) -> Case:
    h, g, d = HEADS[kind]
    words = f"window {mask['window']} + {mask['sinks']} sinks" if mask else "causal"
    return Case(
        operation="window_attention",
        variant=f"{words}, H={h}, G={g}, D={d}{', forward and backward' if gradients else ''}",
        size={"T": tokens, "H": h, "G": g, "D": d},
        along="T",
        dtype=torch.bfloat16 if kind == "cuda" else torch.float32,
        prepare=partial(_prepare, kind, tokens, mask, gradients),
    )


def _prepare(kind: Kind, tokens: int, mask: Near, gradients: bool, device: torch.device) -> Contest:
    h, g, d = HEADS[kind]
    dtype = torch.bfloat16 if kind == "cuda" else torch.float32
    generator = torch.Generator(device).manual_seed(1)
    q, k, v = (
        torch.randn((1, tokens, heads, d), generator=generator, device=device, dtype=dtype, requires_grad=gradients)
        for heads in (h, g, g)
    )
    runs: dict[str, Run | str] = {"ours": lambda: window_attention(q, k, v, **mask)[0]}
    runs |= _torch(q, k, v, mask) | _flex(q, k, v, mask)
    if gradients:
        upstream = torch.randn((1, tokens, h, d), generator=generator, device=device, dtype=dtype)
        runs = {
            name: run if isinstance(run, str) else _with_gradients(run, (q, k, v), upstream)
            for name, run in runs.items()
        }
    ours = runs.pop("ours")
    assert not isinstance(ours, str)
    size = 2 * q.nbytes + 2 * k.nbytes + 4 * tokens * h
    return Contest(
        ours=ours,
        rivals=runs,
        moved=size + (2 * size if gradients else 0),  # and back: all of it again, dO, dq, dk and dv
        flops=pairs(tokens, **mask) * h * d * (14 if gradients else 4),  # forward 2 products, backward 5
        check=partial(_check, q, k, v, mask),
    )


def _with_gradients(run: Run, leaves: tuple[Tensor, ...], upstream: Tensor) -> Run:
    def both() -> object:
        out = run()
        assert isinstance(out, Tensor)
        return torch.autograd.grad(out, leaves, upstream.view_as(out))

    return both


def _torch(q: Tensor, k: Tensor, v: Tensor, mask: Near) -> dict[str, Run | str]:
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    tokens = q.shape[2]
    if not mask:
        return {
            "torch SDPA": lambda: scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True).transpose(1, 2)
        }
    causal: dict[str, Run | str] = {}
    if tokens <= LONGEST_CAUSAL:
        causal = {
            "torch SDPA, all keys (another result)": lambda: scaled_dot_product_attention(
                q, k, v, is_causal=True, enable_gqa=True
            ).transpose(1, 2)
        }
    if tokens > LONGEST_MASK:
        return {**causal, "torch SDPA, mask": f"a mask of {tokens} x {tokens} takes {tokens**2 / 1e9:.0f} GB"}
    at = torch.arange(tokens, device=q.device)
    distance = at[:, None] - at
    seen = (distance >= 0) & ((distance < mask["window"]) | (at < mask["sinks"]))
    return {
        **causal,
        "torch SDPA, mask": lambda: scaled_dot_product_attention(
            q, k, v, attn_mask=seen, enable_gqa=True
        ).transpose(1, 2),
    }  # fmt: skip


def _flex(q: Tensor, k: Tensor, v: Tensor, mask: Near) -> dict[str, Run | str]:
    """torch's own compiler of masks, with blocks that nobody sees left out as well."""
    if q.device.type == "cpu":
        return {}
    flex = import_module("torch.nn.attention.flex_attention")

    def seen(b: Tensor, h: Tensor, i: Tensor, j: Tensor) -> Tensor:
        near = (i - j < mask["window"]) | (j < mask["sinks"]) if mask else i == i
        return (i >= j) & near

    def ready() -> Run:
        torch.compiler.reset()  # after eight sizes it would compile no more, and run the same uncompiled
        blocks = flex.create_block_mask(seen, None, None, q.shape[1], q.shape[1], device=q.device, _compile=True)
        attend = torch.compile(flex.flex_attention, dynamic=False)
        turned = [x.transpose(1, 2) for x in (q, k, v)]
        return lambda: attend(*turned, block_mask=blocks, enable_gqa=True).transpose(1, 2)

    return {"torch flex_attention": lazily(ready)}


def _check(q: Tensor, k: Tensor, v: Tensor, mask: Near) -> None:
    """The last queries, with the definition in float64 (their gradients are the tests')."""
    with torch.no_grad():
        out, lse = window_attention(q, k, v, **mask)
        wide = (x.double() for x in (q[:, -CHECKED:], k, v))
        expected = window_attention(*wide, **mask, backend="torch")
    assert_close(out[:, -CHECKED:], expected[0], dtype=q.dtype)
    assert_close(lse[:, -CHECKED:], expected[1], dtype=torch.float32)
