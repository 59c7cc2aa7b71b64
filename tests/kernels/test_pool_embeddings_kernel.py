"""The Triton kernel of pool_embeddings, held to the definition: on a GPU, else in Triton's interpreter."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from memkit_kernels import pool_embeddings
from memkit_kernels.backend import interpreted, report
from memkit_kernels.pool_embeddings import Mode
from memkit_kernels.pool_embeddings.kernel import pool_embeddings_triton, warm
from memkit_kernels.sim_topk.int8 import Int8Keys
from memkit_kernels.testing import assert_close, surrounded

DTYPES = [torch.float32, torch.float16, *([] if interpreted() else [torch.bfloat16])]
LENGTHS = (3, 40, 0, 1, 65)
MODES: list[Mode] = ["mean", "cls", "last", "max"]


def bounds(*lengths: int, device: torch.device) -> Tensor:
    return torch.tensor([0, *lengths]).cumsum(0).to(device, torch.int32)


def normal(tokens: int, d: int, *, device: torch.device, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(tokens, d, generator=torch.Generator().manual_seed(0)).to(device, dtype)


def both(states: Tensor, cu: Tensor, **options: object) -> tuple[Tensor, Tensor]:
    """What the kernel makes, and what the definition says."""
    with report() as ran:
        found = pool_embeddings(states, cu, backend="triton", **options)
        defined = pool_embeddings(states, cu, backend="torch", **options)
    assert [call.backend for call in ran] == ["triton", "torch"]
    return found, defined


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("d", [1, 15, 63, 65, 100])
@pytest.mark.parametrize("mode", MODES)
def test_the_kernel_makes_what_the_definition_says(
    mode: Mode, d: int, dtype: torch.dtype, device: torch.device
) -> None:
    states = normal(sum(LENGTHS), d, device=device, dtype=dtype)
    found, defined = both(states, bounds(*LENGTHS, device=device), mode=mode, normalise=d != 15)
    assert found.dtype == dtype
    assert_close(found, defined, dtype=dtype)


def test_the_mean_of_half_precision_states_is_kept_in_float32_when_asked(device: torch.device) -> None:
    states = normal(100, 48, device=device, dtype=torch.float16)
    found, defined = both(states, bounds(33, 67, device=device), dtype=torch.float32)
    assert_close(found, defined, dtype=torch.float32)


def test_ten_thousand_tokens_are_one_vector(device: torch.device) -> None:
    states = normal(10_000, 24, device=device) + 1.0
    found, defined = both(states, bounds(10_000, device=device), normalise=False)
    assert_close(found, defined, dtype=torch.float32)


def test_int8_differs_by_a_step_at_most(device: torch.device) -> None:
    states = normal(110, 100, device=device)
    found, defined = both(states, bounds(50, 60, device=device), dtype=torch.int8)
    assert isinstance(found, Int8Keys)
    assert isinstance(defined, Int8Keys)
    assert int((found.values.int() - defined.values.int()).abs().max()) <= 1
    assert_close(found.steps, defined.steps, dtype=torch.float32)
    assert_close(found.norms, defined.norms, dtype=torch.float32)


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")  # numpy, which interprets
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_a_vector_whose_length_overflows_is_nan_and_not_zero(device: torch.device) -> None:
    states = torch.tensor([[1e30, 0.0], [3.0, 4.0]], device=device)
    found, defined = both(states, bounds(1, 1, device=device))
    assert isinstance(found, Tensor)
    assert isinstance(defined, Tensor)
    assert found[0].isnan().all()
    torch.testing.assert_close(found, defined, equal_nan=True)


def test_int8_rounds_half_to_even_and_keeps_zero(device: torch.device) -> None:
    states = torch.tensor([[127.0, 0.5, 1.5, -2.5], [0.0, 0.0, 0.0, 0.0]], device=device)
    found, _ = both(states, bounds(1, 1, 0, device=device), normalise=False, dtype=torch.int8)
    assert isinstance(found, Int8Keys)
    assert found.values.tolist() == [[127, 0, 2, -2], [0] * 4, [0] * 4]
    assert found.steps.tolist() == [1.0, 0.0, 0.0]


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")  # numpy, which interprets
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("mode", MODES)
def test_what_is_not_finite_stays_in_its_own_sequence(mode: Mode, bad: float, device: torch.device) -> None:
    states = normal(30, 5, device=device)
    states[[0, 9, 19], 2] = bad
    cu = bounds(20, 10, device=device)
    found, defined = both(states, cu, mode=mode)
    assert torch.equal(found.isnan(), defined.isnan())
    assert_close(found[1:], defined[1:], dtype=torch.float32)
    whole, expected = both(states, cu, mode=mode, dtype=torch.int8)
    assert isinstance(whole, Int8Keys)
    assert isinstance(expected, Int8Keys)
    assert torch.equal(whole.steps.isnan(), expected.steps.isnan())
    assert torch.equal(whole.values[0], expected.values[0])


@pytest.mark.parametrize("mode", MODES)
def test_padding_outside_the_states_is_not_read(mode: Mode, device: torch.device) -> None:
    states, cu = normal(20, 9, device=device), bounds(7, 0, 13, device=device)
    found = pool_embeddings(surrounded(states), surrounded(cu, poison=99), mode=mode, backend="triton")
    assert torch.equal(found, pool_embeddings(states, cu, mode=mode, backend="triton"))


def test_bounds_that_nobody_checked_are_cut_off(device: torch.device) -> None:
    states = normal(6, 5, device=device)
    cu = torch.tensor([-3, 2, 9, 4], device=device)
    found = pool_embeddings_triton(surrounded(states), cu, mode="mean", normalise=False, dtype=torch.float32)
    assert isinstance(found, Tensor)
    expected = torch.stack((states[:2].mean(0), states[2:].mean(0), torch.zeros_like(states[0])))
    assert_close(found, expected, dtype=torch.float32)


def test_any_strides_are_read(device: torch.device) -> None:
    states = normal(12, 60, device=device).T[::2]
    cu = bounds(10, 20, device=device).repeat_interleave(2)[::2]
    found, defined = both(states, cu)
    assert_close(found, defined, dtype=torch.float32)


@pytest.mark.skipif(not interpreted(), reason="a sparse file is a CPU's memory")
def test_offsets_beyond_two_to_the_31_are_reached(tmp_path: Path, device: torch.device) -> None:
    stride = 2**30 + 64
    (tmp_path / "sparse").touch()
    storage = torch.from_file(str(tmp_path / "sparse"), shared=True, size=3 * stride + 4, dtype=torch.float16)
    for strides in ((stride, 1), (1, stride)):
        states = storage.as_strided((4, 4), strides)
        states.copy_(torch.eye(4))
        found = pool_embeddings(states, bounds(2, 2, device=device), normalise=False, backend="triton")
        assert found.tolist() == [[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]]
        states.zero_()


def test_no_tokens_and_no_sequences_are_ordinary_cases(device: torch.device) -> None:
    states = torch.empty(0, 3, device=device)
    assert pool_embeddings(states, bounds(0, 0, device=device), backend="triton").tolist() == [[0.0] * 3] * 2
    assert pool_embeddings(states, bounds(device=device), backend="triton").shape == (0, 3)


def test_two_runs_are_bit_equal_and_so_is_a_sequence_among_others(device: torch.device) -> None:
    states = normal(70, 33, device=device)
    first, second = (pool_embeddings(states, bounds(30, 40, device=device), backend="triton") for _ in range(2))
    alone = pool_embeddings(states[30:], bounds(40, device=device), backend="triton")
    assert torch.equal(first, second)
    assert torch.equal(first[1:], alone)


def test_warming_runs_every_shape_that_it_names(device: torch.device) -> None:
    with report() as ran:
        warm(device, torch.float32)
    assert ran == []  # nothing was chosen: the kernels were launched directly


TYPES = {
    "bounds": "*i64", "steps": "*fp32", "norms": "*fp32", "T": "i32", "D": "i32", "row_step": "i32",
}  # fmt: skip


@pytest.mark.slow
def test_the_kernel_compiles_for_a_gpu(built_for_gpu: Callable[..., list[dict[str, object]]]) -> None:
    asked = []
    for element, kept, mode, bt, bd in (
        ("bf16", "bf16", "mean", 16, 512),
        ("fp32", "i8", "max", 16, 512),
        ("bf16", "i8", "mean", 8, 1024),
    ):
        constants = {
            "NORMALISE": True,
            "INT8": kept == "i8",
            "MODE": mode,
            "BT": bt,
            "BD": bd,
            "step": 1,
            "bound_step": 1,
        }
        types = {**TYPES, "hidden": f"*{element}", "vectors": f"*{kept}"}
        one = {"module": "memkit_kernels.pool_embeddings.kernel", "kernel": "_pool", "warps": 4}
        asked.append({**one, "types": types, "constants": constants})
    built = built_for_gpu(*asked)
    assert all(".target sm_90" in one["ptx"] for one in built)
    assert [one["spilled"] for one in built] == [0, 0, 0]
    assert all(one["shared"] <= 227 * 1024 for one in built)
