"""What bit masks and ranges of keys mean in sim_topk, and how queries are gathered by their range."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from memkit_kernels import sim_topk
from memkit_kernels.sim_topk import pack_mask
from memkit_kernels.sim_topk.ranges import ranges_of, slots_of


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("n", [1, 31, 32, 33, 100])
def test_a_packed_mask_is_the_bits_of_numpy(n: int) -> None:
    mask = normal(3, n) > 0
    padded = np.pad(mask.numpy(), ((0, 0), (0, -n % 32)))
    expected = np.packbits(padded, axis=1, bitorder="little").view("<i4")
    assert torch.equal(pack_mask(mask), torch.from_numpy(expected))


def test_only_a_bool_mask_is_packed() -> None:
    with pytest.raises(ValueError, match=r"mask must be a bool tensor \[..., N\], not torch.float32 \[2\]"):
        pack_mask(torch.ones(2))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32], ids=str)
@pytest.mark.parametrize("shape", [(9000,), (3, 9000)], ids=str)
def test_bits_shut_out_what_bools_shut_out(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    queries, keys, mask = normal(3, 4), normal(9000, 4, seed=1), normal(*shape, seed=2) > 1
    bits = pack_mask(mask).view(dtype)[..., : -(-9000 // torch.iinfo(dtype).bits)]
    found, expected = sim_topk(queries, keys, 5, mask=bits), sim_topk(queries, keys, 5, mask=mask)
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1], expected[1])


def test_bits_past_the_last_key_are_ignored() -> None:
    scores, indices = sim_topk(torch.ones(1, 1), torch.ones(3, 1), 4, mask=torch.tensor([-1], dtype=torch.int32))
    assert indices.tolist() == [[0, 1, 2, -1]]
    assert scores.tolist() == [[1.0, 1.0, 1.0, -torch.inf]]


@pytest.mark.parametrize("integer", [torch.int32, torch.int64], ids=str)
@pytest.mark.parametrize("metric", ["ip", "cosine", "l2"])
def test_each_query_searches_its_own_range(metric: str, integer: torch.dtype) -> None:
    queries, keys = normal(6, 8), normal(100, 8, seed=1)
    bounds, within = [0, 40, 40, 97], [2, 0, 1, 0, 2, 2]
    mask, bias = normal(6, 100, seed=2) > 0, normal(100, seed=3)
    scores, indices = sim_topk(
        queries, keys, 3, metric=metric, mask=mask, bias=bias,
        cu_seqlens=torch.tensor(bounds, dtype=integer), within=torch.tensor(within, dtype=integer),
    )  # fmt: skip
    for m, space in enumerate(within):
        own = slice(bounds[space], bounds[space + 1])
        score, index = sim_topk(queries[m : m + 1], keys[own], 3, metric=metric, mask=mask[m, own], bias=bias[own])
        torch.testing.assert_close(scores[m], score[0])
        assert indices[m].tolist() == [i + bounds[space] if i >= 0 else -1 for i in index[0].tolist()]
    assert indices[2].tolist() == [-1, -1, -1]


def test_no_ranges_and_no_queries_are_ordinary_cases() -> None:
    nowhere = sim_topk(normal(0, 4), normal(5, 4), 2, cu_seqlens=torch.tensor([0]), within=torch.zeros(0).long())
    assert nowhere[1].shape == (0, 2)


@given(st.data())
def test_every_query_is_in_one_slot_with_its_range(data: st.DataObject) -> None:
    keys = data.draw(st.integers(0, 50))
    bounds = torch.tensor(data.draw(st.lists(st.integers(-5, keys + 5), min_size=1, max_size=5)))
    within = torch.tensor(data.draw(st.lists(st.integers(-1, 5), min_size=1, max_size=20)))
    size, unit = data.draw(st.sampled_from([1, 2, 16])), data.draw(st.sampled_from([4, 16]))
    starts, ends = ranges_of(bounds, within, keys)
    slots = slots_of(starts, ends, len(bounds), size, unit)
    place, column = (slots.order >= 0).nonzero(as_tuple=True)
    queries = slots.order[place, column]
    assert sorted(queries.tolist()) == list(range(len(within)))
    assert torch.equal(slots.starts[place], starts[queries])
    assert torch.equal(slots.ends[place], ends[queries])
    for slot, (start, end) in enumerate(zip(slots.starts.tolist(), slots.ends.tolist(), strict=True)):
        touched = {key // unit for key in range(start, end)}
        assert int(slots.units[slot + 1] - slots.units[slot]) == len(touched)


@pytest.mark.parametrize("bounds", [[0, 10, 5], [-3, 99, 20], [20], [7, 7, 7]], ids=str)
def test_a_range_that_does_not_exist_is_empty_and_no_range_leaves_the_keys(bounds: list[int]) -> None:
    starts, ends = ranges_of(torch.tensor(bounds), torch.tensor([-1, 0, 1, 2, 9]), 20)
    for space, start, end in zip([-1, 0, 1, 2, 9], starts.tolist(), ends.tolist(), strict=True):
        assert 0 <= start <= end <= 20
        if not 0 <= space < len(bounds) - 1:
            assert start == end


KEYS, CU, IN = torch.zeros(40, 3), torch.tensor([0, 20, 40]), torch.tensor([0, 1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cu_seqlens": CU}, "cu_seqlens and within go together"),
        ({"within": IN}, "cu_seqlens and within go together"),
        ({"cu_seqlens": CU.float(), "within": IN}, r"cu_seqlens must be int32 or int64 \[R \+ 1\] .* torch.float32"),
        ({"cu_seqlens": CU[None], "within": IN}, r"cu_seqlens must be .* \[1, 3\]"),
        ({"cu_seqlens": CU[:0], "within": IN}, r"cu_seqlens must be .* \[0\]"),
        ({"cu_seqlens": CU, "within": IN[:1]}, r"within must be int32 or int64 \[2\] .* \[1\]"),
        ({"cu_seqlens": CU, "within": IN + 1}, "within must be 0 to R - 1 = 1, not 1 to 2"),
        ({"cu_seqlens": CU, "within": IN - 1}, "within must be 0 to R - 1 = 1, not -1 to 0"),
        ({"cu_seqlens": CU + 1, "within": IN}, "cu_seqlens must ascend from 0 or more to at most N = 40"),
        ({"cu_seqlens": CU.flip(0), "within": IN}, r"cu_seqlens must ascend .* not \[40, 20, 0\]"),
        ({"mask": torch.zeros(40, dtype=torch.int32)}, r"its bits in uint8 or int32.* not torch.int32 \[40\]"),
        ({"mask": torch.zeros(2, dtype=torch.uint8)}, r"its bits in uint8 or int32.* not torch.uint8 \[2\]"),
        ({"mask": torch.zeros(2, dtype=torch.int64)}, "mask must be a bool tensor .* not torch.int64"),
    ],
    ids=str,
)
def test_a_wrong_range_or_mask_is_refused(options: dict[str, Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sim_topk(torch.zeros(2, 3), KEYS, 1, **options)
