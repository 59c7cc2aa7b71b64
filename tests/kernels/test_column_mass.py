"""What column_mass means: its definition in torch, and what it refuses."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from memkit_kernels import column_mass, window_attention
from memkit_kernels.testing import ODD_SIZES, assert_close

INF = torch.inf
MASKS = {
    "causal": {},
    "everything": {"causal": False},
    "sinks and window": {"window": 7, "sinks": 3},
    "a band with sinks": {"window": 9, "beyond": 4, "sinks": 2},
    "both ways with sinks": {"causal": False, "window": 4, "sinks": 20},
}
masks = pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def attention(q: Tensor, k: Tensor, **mask: object) -> tuple[Tensor, Tensor]:
    """The whole matrix, `[B, T, H, S]`, and lse. With unit vectors as values what attention returns is its weights."""
    (b, s, g, _), values = k.shape, torch.eye(k.shape[1], dtype=k.dtype)
    return window_attention(q, k, values[None, :, None].expand(b, s, g, s), **mask)


@masks
@pytest.mark.parametrize(("t", "s"), [(16, 16), (4, 16), (16, 4)])
def test_it_is_the_column_sums_of_the_attention_matrix(t: int, s: int, mask: dict[str, object]) -> None:
    q, k = normal(2, t, 4, 12), normal(2, s, 2, 12, seed=1)
    matrix, lse = attention(q, k, **mask)
    assert_close(column_mass(q, k, lse, **mask), matrix.sum(1).transpose(1, 2), dtype=torch.float64)


@pytest.mark.parametrize("size", ODD_SIZES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_all_of_it_is_one_for_each_query_that_sees_something(size: int, dtype: torch.dtype) -> None:
    q, k = normal(1, size, 4, 12, dtype=dtype), normal(1, size, 2, 12, seed=1, dtype=dtype)
    _, lse = attention(q, k, window=30, beyond=7)
    mass = column_mass(q, k, lse, window=30, beyond=7)
    assert mass.dtype == lse.dtype
    expected = torch.full((1, 4), float(max(0, size - 7)))
    assert_close(mass.sum(1), expected, dtype=torch.float64 if dtype == torch.float64 else torch.float32)


@masks
def test_packed_sequences_are_each_by_itself(mask: dict[str, object]) -> None:
    q, k = normal(1, 50, 4, 12), normal(1, 50, 2, 12, seed=1)
    ends = [0, 0, 1, 20, 20, 50]
    lse = attention(q, k, cu_seqlens=torch.tensor(ends), **mask)[1]
    mass = column_mass(q, k, lse, cu_seqlens=torch.tensor(ends), **mask)
    for start, end in pairwise(ends):
        cut = slice(start, end)
        assert torch.equal(mass[:, cut], column_mass(q[:, cut], k[:, cut], lse[:, cut], **mask))


def test_two_branches_with_the_merged_sum_are_the_whole() -> None:
    q, k = normal(1, 40, 4, 12), normal(1, 40, 2, 12, seed=1)
    lse = attention(q, k)[1]
    parts = column_mass(q, k, lse, window=9) + column_mass(q, k, lse, beyond=9)
    assert_close(parts, column_mass(q, k, lse), dtype=torch.float64)


def test_a_query_with_an_infinite_sum_adds_nothing() -> None:
    q, k = normal(1, 9, 2, 4), normal(1, 9, 1, 4, seed=1)
    lse = attention(q, k)[1]
    whole = column_mass(q, k, lse)
    q[:, [2, 5]] = torch.nan
    lse[:, 2], lse[:, 5] = -INF, INF
    rest = attention(normal(1, 9, 2, 4), k)[0][:, [2, 5]].sum(1).transpose(1, 2)
    assert_close(column_mass(q, k, lse), whole - rest, dtype=torch.float64)


def test_nan_reaches_what_its_query_sees_and_its_key_alone() -> None:
    q, k = normal(1, 9, 2, 4), normal(1, 9, 1, 4, seed=1)
    lse = attention(q, k)[1]
    spoilt = q.clone()
    spoilt[:, 4] = torch.nan
    assert column_mass(spoilt, k, lse, window=3).isnan()[0, :, 0].nonzero().flatten().tolist() == [2, 3, 4]
    k[:, 6] = torch.nan
    assert column_mass(q, k, lse, window=3).isnan()[0, :, 0].nonzero().flatten().tolist() == [6]


@pytest.mark.parametrize(("b", "t", "s"), [(0, 3, 3), (2, 0, 5), (2, 3, 0)])
def test_nothing_adds_nothing(b: int, t: int, s: int) -> None:
    mass = column_mass(torch.ones(b, t, 2, 4), torch.ones(b, s, 1, 4), torch.zeros(b, t, 2))
    assert torch.equal(mass, torch.zeros(b, s, 2))


def test_no_gradient_flows() -> None:
    q = normal(1, 5, 2, 4).requires_grad_()
    assert not column_mass(q, normal(1, 5, 2, 4), torch.zeros(1, 5, 2)).requires_grad


REFUSED = {
    r"lse must be a float32 or float64 tensor \[B, T, H\] = \[1, 5, 2\]": {"lse": torch.zeros(1, 5, 3)},
    "not torch.float16": {"lse": torch.zeros(1, 5, 2).half()},
    r"on cpu, not torch.float32 \[1, 5, 2\] on meta": {"lse": torch.zeros(1, 5, 2, device="meta")},
    "a multiple of k's heads": {"k": torch.zeros(1, 5, 3, 8)},
    "window must be None or an integer of at least 1": {"window": 0},
    "cu_seqlens must rise": {"cu_seqlens": torch.tensor([0, 4])},
}


@pytest.mark.parametrize(("says", "change"), REFUSED.items(), ids=range(len(REFUSED)))
def test_bad_input_is_refused_with_what_was_expected_and_what_came(says: str, change: dict[str, object]) -> None:
    good = {"q": torch.zeros(1, 5, 2, 8), "k": torch.zeros(1, 5, 1, 8), "lse": torch.zeros(1, 5, 2)}
    with pytest.raises(ValueError, match=says):
        column_mass(**good | change)
