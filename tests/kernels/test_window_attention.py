"""What window_attention means: its definition in torch, and what it refuses."""

import math
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from memkit_kernels import window_attention
from memkit_kernels.testing import ODD_SIZES, assert_close, surrounded
from memkit_kernels.window_attention.reference import QUERIES_PER_BLOCK

INF = torch.inf
Inputs = tuple[Tensor, Tensor, Tensor]
MASKS = {
    "causal": {},
    "everything": {"causal": False},
    "window": {"window": 5},
    "window of one": {"window": 1},
    "sinks and window": {"window": 7, "sinks": 3},
    "sinks beyond the keys": {"window": 2, "sinks": 1000},
    "beyond": {"beyond": 7},
    "a band with sinks": {"window": 9, "beyond": 4, "sinks": 2},
    "both ways": {"causal": False, "window": 4},
    "both ways with sinks": {"causal": False, "window": 4, "sinks": 20},
}
masks = pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def inputs(t: int, s: int, *, b: int = 2, h: int = 4, g: int = 2, d: int = 12, e: int = 7, **options: object) -> Inputs:
    return normal(b, t, h, d, **options), normal(b, s, g, d, seed=1, **options), normal(b, s, g, e, seed=2, **options)


def sees(i: int, j: int, t: int, s: int, *, causal: bool = True, window=None, sinks=0, beyond=0) -> bool:
    """The mask, word for word."""
    p = i + s - t
    return (not causal or j <= p) and (not causal or p - j >= beyond) and (
        window is None or abs(p - j) < window or j < sinks
    )  # fmt: skip


def brute_force(q: Tensor, k: Tensor, v: Tensor, scale: float | None = None, **mask: object) -> tuple[Tensor, Tensor]:
    """Each query by itself."""
    (b, t, h, d), (s, g) = q.shape, k.shape[1:3]
    keys, values = (x.repeat_interleave(h // g, 2) for x in (k, v))
    out, lse = torch.zeros(b, t, h, v.shape[3], dtype=q.dtype), torch.full((b, t, h), -INF, dtype=q.dtype)
    for i in range(t):
        seen = [j for j in range(s) if sees(i, j, t, s, **mask)]
        if seen:
            scores = (keys[:, seen] * q[:, i, None]).sum(3) * (d**-0.5 if scale is None else scale)  # [B, seen, H]
            out[:, i] = (scores.softmax(1)[..., None] * values[:, seen]).sum(1)
            lse[:, i] = scores.logsumexp(1)
    return out, lse


@masks
@pytest.mark.parametrize(("t", "s"), [(16, 16), (4, 16), (16, 4)])
def test_each_query_attends_to_what_it_sees(t: int, s: int, mask: dict[str, object]) -> None:
    q, k, v = inputs(t, s)
    for found, expected in zip(window_attention(q, k, v, **mask), brute_force(q, k, v, **mask), strict=True):
        assert_close(found, expected, dtype=torch.float64)


@pytest.mark.parametrize("size", ODD_SIZES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_a_window_of_everything_is_causal_attention(size: int, dtype: torch.dtype) -> None:
    q, k, v = inputs(size, size, dtype=dtype)
    v = v.clamp(-1, 1)  # else one step of a 16-bit result is more than is allowed
    out, lse = window_attention(q, k, v, window=size)
    wide = (x.double().transpose(1, 2) for x in (q, k, v))
    expected = F.scaled_dot_product_attention(*wide, is_causal=True, enable_gqa=True).transpose(1, 2)
    assert_close(out, expected, dtype=dtype)
    assert out.dtype == dtype
    assert lse.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)


def test_the_window_and_what_is_beyond_it_are_merged_to_full_attention() -> None:
    q, k, v = inputs(40, 40)
    near, far = window_attention(q, k, v, window=9), window_attention(q, k, v, beyond=9)
    whole, total = window_attention(q, k, v)
    assert_close(torch.logaddexp(near[1], far[1]), total, dtype=torch.float64)
    merged = sum(out * (lse - total).exp()[..., None] for out, lse in (near, far))
    assert_close(merged, whole, dtype=torch.float64)


@masks
def test_packed_sequences_are_each_by_itself(mask: dict[str, object]) -> None:
    q, k, v = inputs(50, 50, b=1)
    ends = [0, 0, 1, 20, 20, 50, 50]
    out, lse = window_attention(q, k, v, cu_seqlens=torch.tensor(ends, dtype=torch.int32), **mask)
    for start, end in pairwise(ends):
        cut = slice(start, end)
        alone = window_attention(q[:, cut], k[:, cut], v[:, cut], **mask)
        assert torch.equal(out[:, cut], alone[0])
        assert torch.equal(lse[:, cut], alone[1])


@masks
def test_the_last_queries_alone_are_the_last_rows_of_all(mask: dict[str, object]) -> None:
    q, k, v = inputs(QUERIES_PER_BLOCK + 44, QUERIES_PER_BLOCK + 44, b=1)
    out, lse = window_attention(q, k, v, **mask)
    for size in (1, 63, QUERIES_PER_BLOCK + 32):
        last = window_attention(q[:, -size:], k, v, **mask)
        assert_close(last[0], out[:, -size:], dtype=torch.float64)
        assert_close(last[1], lse[:, -size:], dtype=torch.float64)


@pytest.mark.parametrize(("b", "t", "s"), [(0, 3, 3), (2, 0, 5), (2, 3, 0), (2, 0, 0)])
def test_no_batch_no_queries_or_no_keys_is_an_ordinary_case(b: int, t: int, s: int) -> None:
    out, lse = window_attention(*inputs(t, s, b=b), window=3, sinks=1)
    assert torch.equal(out, torch.zeros(b, t, 4, 7, dtype=torch.float64))
    assert torch.equal(lse, torch.full((b, t, 4), -INF, dtype=torch.float64))


def test_no_sequences_are_an_ordinary_case() -> None:
    out, lse = window_attention(*inputs(0, 0, b=1), cu_seqlens=torch.tensor([0]))
    assert (out.shape, lse.shape) == ((1, 0, 4, 7), (1, 0, 4))


def test_what_is_not_seen_may_be_anything() -> None:
    q, k, v = inputs(20, 20, b=1)
    clean = window_attention(q, k, v, window=4)
    for number in (torch.nan, INF, -INF):
        dirty_k, dirty_v = k.clone(), v.clone()
        dirty_k[:, 9] = dirty_v[:, 9, 0] = number
        for found, expected in zip(window_attention(q, dirty_k, dirty_v, window=4), clean, strict=True):
            others = [*range(9), *range(13, 20)]
            assert torch.equal(found[:, others], expected[:, others])
        assert not window_attention(q, k, dirty_v, window=4)[0][:, 9:13, :2].isfinite().any()
        assert (
            not window_attention(q, dirty_k.abs(), v, window=4)[0][:, 9:13].isfinite().all(-1).any() or number == -INF
        )


def test_strides_and_surroundings_do_not_matter() -> None:
    q, k, v = inputs(20, 20)
    expected = window_attention(q, k, v, window=5)
    for other in (
        tuple(
            surrounded(x.flatten(2).flatten(0, 1)).unflatten(1, x.shape[2:]).unflatten(0, x.shape[:2])
            for x in (q, k, v)
        ),
        tuple(x.permute(3, 2, 0, 1).contiguous().permute(2, 3, 1, 0) for x in (q, k, v)),
    ):
        for found, wanted in zip(window_attention(*other, window=5), expected, strict=True):
            assert_close(found, wanted, dtype=torch.float64)


@masks
@pytest.mark.parametrize(
    ("t", "s", "ends"), [(7, 9, None), (6, 4, None), (7, 7, [0, 1, 1, 7])], ids=["", "t>s", "packed"]
)
def test_gradients_flow_through_both_results(t: int, s: int, ends: list[int] | None, mask: dict[str, object]) -> None:
    tensors = [x.requires_grad_() for x in inputs(t, s, b=1, h=2, g=1, d=3, e=2)]
    cu_seqlens = None if ends is None else torch.tensor(ends)

    def run(*tensors: Tensor) -> Inputs:
        out, lse = window_attention(*tensors, cu_seqlens=cu_seqlens, **mask)
        return out, lse.masked_fill(lse == -INF, 0.0)  # a difference of infinities is no number

    assert torch.autograd.gradcheck(run, tensors, fast_mode=True)  # along random directions


def test_the_scale_is_a_number_of_the_callers() -> None:
    q, k, v = inputs(9, 9)
    for found, expected in zip(window_attention(q, k, v, scale=-2.5), brute_force(q, k, v, scale=-2.5), strict=True):
        assert_close(found, expected, dtype=torch.float64)


Q, K, V = (torch.zeros(1, 5, heads, 8) for heads in (4, 2, 2))
REFUSED = {
    r"q must be \[B, T, H, D\]": {"q": torch.zeros(5, 4, 8)},
    "with one B and one D": {"k": torch.zeros(1, 5, 2, 9)},
    "a multiple of k's heads": {"k": torch.zeros(1, 5, 3, 8)},
    "1 to 256 features": {"q": torch.zeros(1, 5, 4, 300), "k": torch.zeros(1, 5, 2, 300)},
    "S 1000000000 at most": {"k": torch.zeros(1, 1, 2, 8).expand(1, 2**30, 2, 8)},
    "T H may be 2000000000 and": {"q": torch.zeros(1, 1, 4, 8).expand(1, 2**29, 4, 8)},
    "q and k must share one dtype": {"k": K.half()},
    "share one dtype of .*float16": {"q": Q.int(), "k": K.int(), "v": V.int()},
    r"v must be \[B, S, G, E\]": {"v": torch.zeros(1, 4, 2, 8)},
    "v must be torch.float32": {"v": V.half()},
    "q and k must be on one device": {"k": K.to("meta")},
    "v must be .* on cpu": {"v": V.to("meta")},
    "backend must be one of": {"backend": "cuda"},
    "scale must be finite, not nan": {"scale": math.nan},
    "scale must be finite, not inf": {"scale": math.inf},
    "causal must be a bool": {"causal": 1},
    "window must be None or an integer of at least 1, not 0": {"window": 0},
    "window must be .* not 2.0": {"window": 2.0},
    "sinks must be an integer of at least 0": {"sinks": -1},
    "beyond must be an integer of at least 0": {"beyond": True},
    "beyond must be 0 where causal is False": {"beyond": 1, "causal": False},
    "B must be 1 and T equal S": {"q": Q[:, :4], "cu_seqlens": torch.tensor([0, 5])},
    r"cu_seqlens must be int32 or int64 \[N \+ 1\]": {"cu_seqlens": torch.tensor([0.0, 5.0])},
    "cu_seqlens must be on cpu": {"cu_seqlens": torch.tensor([0, 5], device="meta")},
    r"cu_seqlens must rise from 0 to the 5 tokens, not \[0, 4\]": {"cu_seqlens": torch.tensor([0, 4])},
    r"cu_seqlens must rise .* not \[0, 3, 2, 5\]": {"cu_seqlens": torch.tensor([0, 3, 2, 5])},
    r"rise from 0 .* not \[1, 2, 3, 4, \.\.\., 6, 7, 8, 9\]": {"cu_seqlens": torch.arange(1, 10)},
}


@pytest.mark.parametrize(("says", "change"), REFUSED.items(), ids=range(len(REFUSED)))
def test_bad_input_is_refused_with_what_was_expected_and_what_came(says: str, change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=says):
        window_attention(**{"q": Q, "k": K, "v": V, **change})
