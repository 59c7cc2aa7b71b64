"""The Triton kernel of sim_topk where it searches ranges or eight-bit keys, held to the definition; and how it compiles.

Numbers are small integers: sums of their products are exact in every dtype, and so are they after rounding to a 127th if
the largest magnitude of each key is 127.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from memkit_kernels import sim_topk
from memkit_kernels.backend import interpreted
from memkit_kernels.sim_topk import Int8Keys, Metric, pack_mask, quantise
from memkit_kernels.sim_topk.kernel import sim_topk_triton
from memkit_kernels.sim_topk.maxima.kernel import CONFIGS
from memkit_kernels.sim_topk.reference import Search
from memkit_kernels.testing import surrounded

DTYPES = [torch.float32, torch.float16, *([] if interpreted() else [torch.bfloat16])]


def integers(*shape: int, device: torch.device, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return torch.randint(-3, 4, shape, generator=torch.Generator().manual_seed(seed)).to(device, dtype)


def steep(n: int, d: int, device: torch.device, dtype: torch.dtype = torch.float32) -> Tensor:
    """Keys whose eight-bit form is exact."""
    keys = integers(n, d, device=device, dtype=dtype, seed=1)
    keys[:, 0] = 127.0
    return keys


def assert_defined(queries: Tensor, keys: Tensor, k: int, **options: object) -> Tensor:
    """The kernel finds what the definition says; the indices."""
    found = sim_topk(queries, keys, k, backend="triton", **options)
    defined = sim_topk(queries, keys, k, backend="torch", **options)
    assert torch.equal(found[1], defined[1])
    torch.testing.assert_close(found[0], defined[0], rtol=1e-6, atol=0)
    return found[1]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_each_query_searches_its_own_range(metric: Metric, dtype: torch.dtype, device: torch.device) -> None:
    queries, keys = integers(5, 20, device=device, dtype=dtype), integers(400, 20, device=device, dtype=dtype, seed=1)
    cu_seqlens = torch.tensor([0, 3, 3, 290, 399], device=device, dtype=torch.int32)
    within = torch.tensor([2, 1, 2, 3, 0], device=device, dtype=torch.int32)
    indices = assert_defined(queries, keys, 2, metric=metric, cu_seqlens=cu_seqlens, within=within)
    assert indices[1].tolist() == [-1, -1]


def test_ranges_masks_and_biases_go_together(device: torch.device) -> None:
    queries, keys = integers(3, 20, device=device), integers(300, 20, device=device, seed=1)
    mask, bias = integers(3, 300, device=device, seed=2) > 0, integers(300, device=device, seed=3)
    ranges = {"cu_seqlens": torch.tensor([10, 150, 300]), "within": torch.tensor([1, 0, 1])}
    ranges = {name: tensor.to(device) for name, tensor in ranges.items()}
    assert_defined(queries, keys, 2, mask=mask, bias=bias, **ranges)
    assert_defined(queries, keys, 2, mask=pack_mask(mask), bias=bias, coarse=quantise(keys * 127), **ranges)


def test_queries_of_one_range_share_slots_and_programs_share_ranges(device: torch.device) -> None:
    queries, keys = integers(19, 6, device=device), integers(200, 6, device=device, seed=1)
    within = (torch.arange(19, device=device) % 9 == 1).long()  # 17 of the first range, 2 of the second
    search = Search(keys=keys, metric="ip", cu_seqlens=torch.tensor([0, 130, 200], device=device), within=within)
    found = sim_topk_triton(queries, 1, search, programs=5)
    defined = sim_topk(queries, keys, 1, cu_seqlens=search.cu_seqlens, within=within, backend="torch")
    assert torch.equal(found[0], defined[0])
    assert torch.equal(found[1], defined[1])


def test_what_a_gpu_cannot_be_asked_in_time_is_an_empty_range(device: torch.device) -> None:
    """`within` 7 and bounds past the keys: refused on a CPU, but by the check at the door and not by the kernel."""
    queries, keys = integers(3, 6, device=device), integers(300, 6, device=device, seed=1)
    bounds = torch.tensor([-9, 140, 999, 200], device=device)
    search = Search(keys=keys, metric="ip", cu_seqlens=bounds, within=torch.tensor([7, 1, 2], device=device))
    _, indices = sim_topk_triton(queries, 1, search)
    best = 140 + (queries[1] @ keys[140:].T).argmax()
    assert indices.tolist() == [[-1], [int(best)], [-1]]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("metric", ["ip", "cosine", "l2"])
def test_eight_bit_keys_choose_the_groups(metric: Metric, dtype: torch.dtype, device: torch.device) -> None:
    queries, keys = integers(3, 70, device=device, dtype=dtype), steep(330, 70, device, dtype)
    assert_defined(queries, keys, 1, metric=metric, coarse=quantise(keys))


def test_only_the_chosen_groups_are_read_from_the_keys(device: torch.device) -> None:
    """Else eight bits would save nothing: NaN in all other keys is not seen, and the keys' own scores are returned."""
    rough = steep(320, 8, device)
    rough[100:110, 1] = 100.0
    keys = torch.full((320, 8), torch.nan, device=device)
    keys[96:128] = rough[96:128] + 1.0
    queries = torch.tensor([[0.0, 1.0, *[0.0] * 6]], device=device)
    scores, indices = sim_topk(queries, keys, 1, coarse=quantise(rough), backend="triton")
    assert (scores.item(), indices.item()) == (101.0, 100)


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")  # the interpreter's: inf times 0
def test_a_query_that_is_not_finite_finds_nothing_by_eight_bits(device: torch.device) -> None:
    keys = steep(300, 3, device)
    queries = torch.tensor([[torch.nan, 0.0, 0.0], [torch.inf, 1.0, 0.0], [0.0, 0.0, 0.0]], device=device)
    indices = assert_defined(queries, keys, 1, coarse=quantise(keys))
    assert indices.tolist() == [[-1], [-1], [0]]


def test_eight_bit_keys_of_any_strides_are_read_and_no_padding(device: torch.device) -> None:
    queries, keys = integers(2, 40, device=device), steep(300, 40, device)
    small = quantise(keys)
    padded = Int8Keys(
        values=surrounded(small.values, poison=99).mT.contiguous().mT,
        steps=surrounded(small.steps), norms=surrounded(small.norms),
    )  # fmt: skip
    assert_defined(queries, keys, 1, metric="l2", coarse=padded)


POINTERS = {
    "bias": "*fp32", "mask": "*i32", "maxima": "*fp32", "order": "*i64", "starts": "*i64", "ends": "*i64",
    "units": "*i64", "lists": "*i64", "best_of": "*i64", "chosen": "*i64", "found": "*i64", "scores": "*fp32",
    "indices": "*i64", "scales": "*fp32", "norms": "*fp32", "factors": "*fp32",
}  # fmt: skip
NUMBERS = ("M", "N", "slots", "groups", "candidates", "kept", "q_row", "k_row", "mask_row")
ONES = {"q_step": 1, "k_step": 1, "bias_step": 1, "mask_step": 1, "PER_QUERY": False, "BITS": 32, "D": 384}


def scanning(keys: str, metric: Metric, queries: int, config: int, **constants: object) -> dict[str, object]:
    """What compiles the pass over the keys."""
    coarse = keys == "i8"
    types = {"q": "*fp16" if coarse else f"*{keys}", "k": f"*{keys}", **POINTERS, **dict.fromkeys(NUMBERS, "i32")}
    constants |= ONES | CONFIGS[config].kwargs | {"METRIC": metric, "BM": queries, "GROUP": 32 if coarse else 64}
    constants |= {} if coarse else {"scales": None, "norms": None, "factors": None}
    module, tile = "memkit_kernels.sim_topk.maxima.kernel", CONFIGS[config]
    return {
        "module": module, "kernel": "scan", "types": types, "constants": constants,
        "warps": tile.num_warps, "stages": tile.num_stages,
    }  # fmt: skip


def selecting(kernel: str, **constants: object) -> dict[str, object]:
    """What compiles a later pass."""
    types = {"q": "*bf16", "k": "*bf16", **POINTERS, **dict.fromkeys((*NUMBERS, "D"), "i32")}
    constants |= {name: value for name, value in ONES.items() if name != "D"} | {"GROUP": 64}
    module = "memkit_kernels.sim_topk.selection.kernel"
    return {"module": module, "kernel": kernel, "types": types, "constants": constants, "warps": 4}


@pytest.mark.slow
def test_the_kernels_compile_for_a_gpu(built_for_gpu: Callable[..., list[dict[str, object]]]) -> None:
    nowhere = {"order": None, "starts": None, "ends": None, "units": None}
    built = built_for_gpu(
        scanning("bf16", "ip", 16, 0, **nowhere),
        scanning("fp32", "l2", 32, 0, **nowhere),
        scanning("i8", "ip", 64, 0, **nowhere),
        scanning("bf16", "cosine", 64, 2),
        selecting("choose", K=16, CHUNK=1024),
        selecting("finish", K=16, CHUNK=1024),
        selecting("measure", METRIC="cosine", C=16, BD=128),
    )
    assert [kernel["spilled"] for kernel in built] == [0] * 7
    for kernel in built[:4]:
        assert "wgmma.mma_async" in kernel["ptx"]  # Hopper's matrix unit
        assert "cp.async" in kernel["ptx"]  # keys are on their way while others are multiplied
    assert built[3]["shared"] <= 227 * 1024
    assert all(kernel["shared"] <= 99 * 1024 for kernel in built[:3])  # the first config, on any GPU
