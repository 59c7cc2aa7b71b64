"""The Triton kernels of boundary_refine, held to the definition: on a GPU, else in Triton's interpreter.

Both sum in float64, so boundaries have to be equal. Few of them: the interpreter takes a tenth of a second for each.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from memkit_kernels import boundary_refine
from memkit_kernels.backend import BackendUnavailable, interpreted, report
from memkit_kernels.boundary_refine import Metric
from memkit_kernels.boundary_refine.kernel import FEATURES, TOKENS, boundary_refine_triton, warm
from memkit_kernels.testing import surrounded

DTYPES = [torch.float32, torch.float16, torch.float64, *([] if interpreted() else [torch.bfloat16])]
METRICS: list[Metric] = ["modularity", "conductance"]


def normal(*shape: int, device: torch.device, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(device, dtype)


def listed(*boundaries: int, device: torch.device) -> Tensor:
    return torch.tensor(boundaries, dtype=torch.int64, device=device)


def both(keys: Tensor, boundaries: Tensor, **options: object) -> tuple[Tensor, Tensor]:
    """What the kernel gives, and what the definition says."""
    with report() as ran:
        found = boundary_refine(keys, boundaries, backend="triton", **options)
        defined = boundary_refine(keys, boundaries, backend="torch", **options)
    assert [call.backend for call in ran] == ["triton", "torch"]
    assert (found.dtype, found.device, found.shape) == (torch.int64, keys.device, boundaries.shape)
    return found, defined


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    ("tokens", "features", "boundaries", "metric"),
    [
        (1, 1, (0,), "modularity"),
        (15, 63, (3, 14), "conductance"),
        (63, 130, (40, 42, 62), "modularity"),
        (100, 15, (9, 50, 99), "conductance"),
    ],
    ids=["1", "15", "63", "100"],
)
def test_the_kernel_gives_what_the_definition_says(
    tokens: int, features: int, boundaries: tuple[int, ...], metric: Metric, dtype: torch.dtype, device: torch.device
) -> None:
    keys = normal(tokens, features, device=device, dtype=dtype)
    found, defined = both(keys, listed(*boundaries, device=device), metric=metric)
    assert torch.equal(found, defined)


@pytest.mark.parametrize("metric", METRICS)
def test_without_self_loops_and_with_a_least_size_too(metric: Metric, device: torch.device) -> None:
    """An event of several tiles, and features of two."""
    keys = normal(TOKENS * 5, FEATURES + 2, device=device)
    boundaries = listed(5, 20, TOKENS * 4, device=device)
    found, defined = both(keys, boundaries, metric=metric, self_loops=False, min_size=5)
    assert torch.equal(found, defined)
    assert found[0] == 5


def test_the_result_does_not_depend_on_how_much_is_guessed(device: torch.device) -> None:
    keys, boundaries = normal(1, 90, 4, device=device), listed(9, 17, 30, 44, 60, 80, device=device)[None]
    once, twice, often = (boundary_refine_triton(keys, boundaries, None, "modularity", 1, True, n) for n in (1, 2, 7))
    assert torch.equal(twice, once)
    assert torch.equal(often, once)
    assert torch.equal(once[0], boundary_refine(keys[0], boundaries[0], backend="torch"))


def test_rows_of_a_batch_and_packed_sequences_are_refined_each_for_itself(device: torch.device) -> None:
    keys = normal(3, 40, 4, device=device)
    rows = torch.tensor([[10, 20, 39], [39, -1, -1], [0, 9, -5]], device=device)
    found, defined = both(keys, rows)
    assert torch.equal(found, defined)
    packed, lengths = listed(10, 20, 39, 79, 80, 89, -1, device=device), listed(0, 40, 40, 80, 120, device=device)
    found, defined = both(keys.flatten(0, 1), packed, cu_seqlens=lengths)
    assert torch.equal(found, defined)
    assert found[3] - 40 == boundary_refine(keys, rows)[1, 0]


def test_padding_is_not_read_and_any_strides_are(device: torch.device) -> None:
    keys, boundaries = normal(1, 30, 20, device=device), listed(11, 29, device=device)
    plain, _ = both(keys, boundaries[None])
    inside = surrounded(keys[0].T).T[None]
    assert not inside[0].is_contiguous()
    found, _ = both(inside, torch.stack((boundaries, boundaries), 1).T[:1], metric="modularity")
    assert torch.equal(found, plain)


def test_of_equal_candidates_the_first_is_taken(device: torch.device) -> None:
    found, defined = both(torch.ones(30, 3, device=device), listed(25, 29, device=device), min_size=2)
    assert found.tolist() == defined.tolist() == [2, 4]


@pytest.mark.parametrize("metric", METRICS)
def test_zeros_are_what_the_definition_says(metric: Metric, device: torch.device) -> None:
    found, defined = both(torch.zeros(20, 3, device=device), listed(8, device=device), metric=metric)
    assert torch.equal(found, defined)


def test_nan_reaches_no_further_than_its_windows(device: torch.device) -> None:
    keys = normal(60, 4, device=device)
    boundaries = listed(10, 20, 45, 55, device=device)
    plain = boundary_refine(keys, boundaries)
    keys[35] = torch.nan
    found, defined = both(keys, boundaries)
    assert torch.equal(found, defined)
    assert found[:2].tolist() == plain[:2].tolist()
    assert found[2] == 45


OUT_OF_ORDER: list[tuple[list[int], list[int] | None, int]] = [
    ([12, 25, 25, 28], None, 2),
    ([12, 30, 20, 28], None, 1),
    ([12, -1, 20, 28], None, 1),
    ([-(2**40), 2**40, 1, 2], None, 0),
    ([12, 25, 29, 2**40], [0, 20, 30], 3),
    ([12, 25, 28, 29], [0, 20, 2**40], 0),
    ([1, 2, 3, 4], [0], 0),
]


@pytest.mark.parametrize(("given", "cu_seqlens", "good"), OUT_OF_ORDER)
def test_boundaries_out_of_order_end_the_list_and_nothing_outside_is_read(
    given: list[int], cu_seqlens: list[int] | None, good: int, device: torch.device
) -> None:
    keys, boundaries = surrounded(normal(1, 30, 4, device=device)), listed(*given, device=device)[None]
    lengths = None if cu_seqlens is None else listed(*cu_seqlens, device=device)
    expected = torch.full_like(boundaries, -1)
    if good:
        expected[0, :good] = boundary_refine(
            keys[0], boundaries[0, :good], min_size=8, cu_seqlens=lengths, backend="torch"
        )
    assert torch.equal(boundary_refine_triton(keys, boundaries, lengths, "modularity", 8, True, 2), expected)


@pytest.mark.skipif(not interpreted(), reason="a sparse file is a CPU's memory")
@pytest.mark.parametrize("steps", [(0, 2**30 + 64, 1), (0, 1, 2**30 + 64)], ids=["tokens apart", "features apart"])
def test_offsets_beyond_two_to_the_31_are_reached(steps: tuple[int, int, int], tmp_path: Path) -> None:
    (tmp_path / "sparse").touch()
    storage = torch.from_file(str(tmp_path / "sparse"), shared=True, size=4 * 2**30 + 400, dtype=torch.float16)
    keys = storage.as_strided((1, 4, 4), steps)
    keys.copy_(torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 1]]))
    found, defined = both(keys, torch.tensor([[3]]))
    assert found.tolist() == defined.tolist() == [[1]]


@pytest.mark.parametrize(("b", "tokens", "m"), [(0, 5, 2), (2, 5, 0), (2, 0, 1), (0, 0, 0)])
def test_nothing_to_refine_is_an_ordinary_case(b: int, tokens: int, m: int, device: torch.device) -> None:
    found, defined = both(torch.ones(b, tokens, 3, device=device), torch.full((b, m), -1, device=device))
    assert torch.equal(found, defined)


def test_two_runs_are_bit_equal(device: torch.device) -> None:
    keys, boundaries = normal(50, 7, device=device, seed=3), listed(12, 30, 49, device=device)
    first, second = (boundary_refine(keys, boundaries, metric="conductance", backend="triton") for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_warming_compiles_what_a_call_runs(dtype: torch.dtype, device: torch.device) -> None:
    warm(device, dtype)


@pytest.mark.skipif(not interpreted(), reason="a GPU computes it rightly")
def test_bfloat16_in_the_interpreter_is_refused() -> None:
    with pytest.raises(BackendUnavailable, match="bfloat16"):
        boundary_refine(torch.ones(3, 2).bfloat16(), torch.tensor([2]), backend="triton")


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["bf16", "fp32"])
def test_the_kernels_compile_for_a_gpu_that_is_not_here(
    dtype: str, built_for_gpu: Callable[..., list[dict[str, object]]]
) -> None:
    """Without spills, although a tile is in float64."""
    lists = ("given", "lows", "highs", "before", "used", "refined", "begins", "ends")
    types = {"keys": f"*{dtype}", "scratch": "*fp64", **dict.fromkeys(lists, "*i64")}
    types |= dict.fromkeys(("T", "D", "M", "count", "sequences", "minimum", "k_batch", "k_row"), "i32")
    constants = {"METRIC": "modularity", "LOOPS": True, "BT": TOKENS, "BD": FEATURES, "BLOCK": 1024, "k_step": 1}
    shared = {"module": "memkit_kernels.boundary_refine.kernel", "types": types, "constants": constants, "warps": 4}
    for built in built_for_gpu(*({**shared, "kernel": kernel} for kernel in ("_guess", "_settle"))):
        assert built["spilled"] == 0
        assert built["shared"] <= 227 * 1024
        assert "ld.global.v4" in built["ptx"]
