"""The Triton kernel of linear_surprisal, held to the definition: on a GPU, else in Triton's interpreter.

Sizes are small, but beyond one tile of 64 or 128 rows and words on each axis where it matters.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from memkit_kernels import linear_surprisal
from memkit_kernels.backend import BackendUnavailable, interpreted, report
from memkit_kernels.linear_surprisal import Surprisals, Want
from memkit_kernels.linear_surprisal.kernel import FEW, evenly, linear_surprisal_triton, warm
from memkit_kernels.linear_surprisal.reference import Head
from memkit_kernels.testing import Largest, assert_close, surrounded

ALL: tuple[Want, ...] = ("surprisal", "entropy", "varentropy", "lse", "top1")
FLOATS = ALL[:4]
INF, NAN = torch.inf, torch.nan
DTYPES = [torch.float32, torch.float16, *([] if interpreted() else [torch.bfloat16])]
pytestmark = pytest.mark.filterwarnings("ignore:All-NaN slice:RuntimeWarning")  # the interpreter's numpy, as below


@pytest.fixture(autouse=True)
def numbers_that_are_none() -> Iterator[None]:
    """numpy, which the interpreter runs on, warns of inf - inf and of squares that are inf; a GPU does not."""
    with np.errstate(invalid="ignore", over="ignore"):
        yield


def normal(*shape: int, device: torch.device, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(device, dtype)


def words(n: int, v: int, device: torch.device) -> Tensor:
    return torch.randint(0, v, (n,), generator=torch.Generator().manual_seed(2)).to(device)


def both(x: Tensor, weight: Tensor, target: Tensor | None, **options: object) -> tuple[Surprisals, Surprisals]:
    """What the kernel tells, and what the definition says."""
    options = {"want": ALL} | options
    with report() as ran:
        found = linear_surprisal(x, weight, target, backend="triton", **options)
        defined = linear_surprisal(x, weight, target, backend="torch", **options)
    assert [call.backend for call in ran] == ["triton", "torch"]
    return found, defined


def assert_told(found: Surprisals, defined: Surprisals) -> None:
    for one, other in zip(found[:4], defined[:4], strict=True):
        assert torch.equal(one.isnan(), other.isnan())
        assert_close(one.nan_to_num(nan=0.0, posinf=INF), other.nan_to_num(nan=0.0, posinf=INF), dtype=torch.float32)
    assert torch.equal(found.top1, defined.top1)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    ("n", "v", "d"), [(1, 1, 1), (15, 100, 63), (65, 63, 15), (100, 300, 65)], ids=lambda size: str(size)
)
def test_the_kernel_tells_what_the_definition_says(
    n: int, v: int, d: int, dtype: torch.dtype, device: torch.device
) -> None:
    x, weight = normal(n, d, device=device, dtype=dtype), normal(v, d, device=device, dtype=dtype, seed=1)
    target = words(n, v, device)
    target[n // 2] = v - 1  # in the last tile, which is not full
    assert_told(*both(x, weight, target))


@pytest.mark.parametrize(("scale", "softcap"), [(0.25, None), (2.0, 8.0), (3.0, 1e5)])
def test_scale_cap_and_bias_are_those_of_the_definition(
    scale: float, softcap: float | None, device: torch.device
) -> None:
    x, weight = normal(5, 20, device=device), normal(150, 20, device=device, seed=1)
    bias = normal(150, device=device, seed=3)
    assert_told(*both(x, weight, words(5, 150, device), bias=bias, scale=scale, softcap=softcap))


def test_only_what_is_wanted_is_computed(device: torch.device) -> None:
    x, weight, target = normal(3, 4, device=device), normal(70, 4, device=device, seed=1), words(3, 70, device)
    whole = linear_surprisal(x, weight, target, want=ALL, backend="triton")
    for name in ALL:
        found = linear_surprisal(x, weight, target if name == "surprisal" else None, want=[name], backend="triton")
        assert [field for field in ALL if getattr(found, field) is not None] == [name]
        assert torch.equal(getattr(found, name), getattr(whole, name))


def test_ignored_rows_masked_words_and_large_logits(device: torch.device) -> None:
    weight = torch.tensor([[1e4], [1e4 - 1], [-1e4], [-3e38], [5.0]], device=device)
    bias = torch.tensor([0.0, 0.0, 0.0, 0.0, -INF], device=device)
    target = torch.tensor([0, 1, 2, -100, 4], device=device)
    for softcap in (None, 30.0):
        found, defined = both(torch.ones(5, 1, device=device), weight, target, bias=bias, softcap=softcap)
        assert_told(found, defined)
        assert found.surprisal[3:].tolist() == [0.0, INF]


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_a_row_without_a_distribution_is_nan_and_no_word(bad: float, device: torch.device) -> None:
    x, weight = torch.ones(3, 1, device=device), torch.ones(200, 1, device=device)
    x[1] = bad  # -inf: nothing else
    found, defined = both(x, weight, words(3, 200, device))
    assert_told(found, defined)
    assert torch.stack(found[:4])[:, 1].isnan().all()
    assert found.top1.tolist() == [0, -1, 0]
    bias = torch.zeros(200, device=device)
    bias[170] = bad  # in another tile than the largest
    assert_told(*both(weight[:2], weight, words(2, 200, device), bias=bias))


@pytest.mark.skipif(interpreted(), reason="on a CPU it is a ValueError")
def test_a_target_that_is_no_word_is_nan_on_a_gpu_and_so_is_its_gradient(device: torch.device) -> None:
    x = normal(3, 4, device=device).requires_grad_()
    found = linear_surprisal(x, normal(70, 4, device=device), torch.tensor([1, 70, -1], device=device)).surprisal
    assert found.isnan().tolist() == [False, True, True]
    found[:2].sum().backward()
    assert x.grad.isnan().any(1).tolist() == [False, True, False]


def test_of_equal_logits_the_lowest_word_is_first(device: torch.device) -> None:
    weight = torch.zeros(300, 1, device=device)
    weight[[70, 150, 299]] = 1.0
    x = torch.tensor([[1.0], [-1.0], [0.0]], device=device)
    for splits in (1, 2, 5):
        found = linear_surprisal_triton(
            x, Head(weight, None, 1.0, None), None, ignore_index=-100, want=frozenset({"top1"}), splits=splits
        )
        assert found.top1.tolist() == [70, 0, 0]


def test_no_rows_is_an_ordinary_case(device: torch.device) -> None:
    found, _ = both(torch.ones(0, 4, device=device), torch.ones(5, 4, device=device), words(0, 5, device))
    assert [value.shape for value in found] == [(0,)] * 5


def test_padding_is_not_read_and_any_strides_are(device: torch.device) -> None:
    x, weight, bias = (
        normal(5, 70, device=device),
        normal(140, 70, device=device, seed=1),
        normal(140, device=device, seed=3),
    )
    target = words(5, 140, device)
    plain = linear_surprisal(x, weight, target, bias=bias, want=ALL)
    across = torch.stack((target, target - 999), 1)[:, 0]
    for one, other in ((surrounded(x), surrounded(weight)), (x.T.contiguous().T, weight.T.contiguous().T)):
        found = linear_surprisal(one, other, across, bias=surrounded(bias), want=ALL, backend="triton")
        assert_told(found, plain)


@pytest.mark.skipif(not interpreted(), reason="a sparse file is a CPU's memory")
def test_offsets_beyond_two_to_the_31_are_reached(tmp_path: Path) -> None:
    stride = 2**30 + 64
    (tmp_path / "sparse").touch()
    storage = torch.from_file(str(tmp_path / "sparse"), shared=True, size=3 * stride + 4, dtype=torch.float16)
    for steps in ((stride, 1), (1, stride)):
        far = storage.as_strided((4, 4), steps)
        near = normal(4, 4, device=torch.device("cpu"), dtype=torch.float16)
        far.copy_(near)
        for x, weight in ((far, near), (near, far)):
            found = linear_surprisal(x, weight, torch.arange(4), want=ALL, backend="triton")
            assert_told(found, linear_surprisal(near, near, torch.arange(4), want=ALL))


def test_the_number_of_splits_changes_no_more_than_the_last_bits(device: torch.device) -> None:
    x, weight, target = normal(3, 20, device=device), normal(300, 20, device=device, seed=1), words(3, 300, device)
    one, three, many = (
        linear_surprisal_triton(
            x, Head(weight, None, 1.0, None), target, ignore_index=-100, want=frozenset(ALL), splits=splits
        )
        for splits in (1, 3, 66)  # more than there are tiles, and than the merge takes at once
    )
    assert_told(three, one)
    assert_told(many, one)


@pytest.mark.parametrize("n", [1, 512, 1000, 1024, 2048, 4096, 8192, 40_000, 1_000_000])
def test_splits_leave_no_more_than_a_tenth_of_a_large_gpu_idle(n: int) -> None:
    row_tiles, tiles, places = -(-n // 128), 1002, 264
    splits = evenly(row_tiles, tiles, places=places)
    rounds, longest = -(-row_tiles * splits // places), -(-tiles // splits)
    assert row_tiles * tiles >= 0.9 * places * rounds * longest


def test_splits_are_never_more_than_there_are_tiles_nor_none() -> None:
    assert evenly(1, 3, places=264) == 3
    assert evenly(10_000, 1, places=264) == 1


def test_two_runs_are_bit_equal(device: torch.device) -> None:
    x, weight, target = normal(3, 33, device=device), normal(200, 33, device=device, seed=1), words(3, 200, device)
    first, second = (linear_surprisal(x, weight, target, want=ALL, backend="triton") for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize("described", [False, True])
def test_many_rows_go_by_groups_and_by_descriptors_to_the_same_end(described: bool, device: torch.device) -> None:
    """A descriptor's box reaches over the rows, words and features: of none of the three is there a whole number."""
    if described and not interpreted() and torch.cuda.get_device_capability(device) < (9, 0):
        pytest.skip("no engine for descriptors")
    n, v, d = 2 * FEW + 7, 150, 72
    x, weight = normal(n, d, device=device).half(), normal(v, d, device=device, seed=1).half()
    target = words(n, v, device)
    found = linear_surprisal_triton(
        x, Head(weight, None, 1.0, None), target, ignore_index=-100, want=frozenset(ALL), splits=3, described=described
    )
    assert_told(found, linear_surprisal(x, weight, target, want=ALL, backend="torch"))


def test_gradients_behind_the_kernel_are_those_of_the_definition(device: torch.device) -> None:
    sides = []
    for backend in ("triton", "torch"):
        x, weight = normal(6, 9, device=device).requires_grad_(), normal(70, 9, device=device, seed=1).requires_grad_()
        found = linear_surprisal(x, weight, words(6, 70, device), softcap=9.0, want=ALL, backend=backend)
        torch.stack(found[:4]).sum().backward()
        sides.append((x.grad, weight.grad))
    for found, defined in zip(*sides, strict=True):
        assert_close(found, defined, dtype=torch.float32)


def test_the_logits_are_never_stored(device: torch.device) -> None:
    x, head = torch.ones(16, 1, device=device), Head(torch.ones(400, 1, device=device), None, 1.0, None)
    with Largest() as largest:
        linear_surprisal_triton(x, head, None, ignore_index=-100, want=frozenset({"varentropy", "top1"}), splits=2)
    assert largest.nbytes <= head.weight.nbytes  # which the interpreter copies; the logits would be 16 times as large


@pytest.mark.skipif(not interpreted(), reason="a GPU computes it rightly")
def test_bfloat16_in_the_interpreter_is_refused_and_not_computed_wrongly() -> None:
    x = torch.ones(1, 1, dtype=torch.bfloat16)
    with pytest.raises(BackendUnavailable, match="interpreter computes bfloat16 products wrongly"):
        linear_surprisal(x, x, torch.tensor([0]), backend="triton")


@pytest.mark.skipif(interpreted(), reason="there is nothing to compile or to tune")
def test_a_warm_device_knows_the_kernel(device: torch.device) -> None:
    warm(device, torch.float16)


NUMBERS = ("N", "V", "group_rows", "x_row", "weight_row", "splits", "ignore_index")
ROW = ("own", "parts", "surprisal", "entropy", "varentropy", "lse")
TYPES = {
    **dict.fromkeys(NUMBERS, "i32"), **dict.fromkeys(ROW, "*fp32"), "bias": "*fp32", "target": "*i64",
    "tops": "*i32", "top1": "*i64", "scale": "fp32",
}  # fmt: skip
STEPS = {"x_step": 1, "weight_step": 1, "bias_step": 1, "target_step": 1}
USUAL = {"D": 4096, "IS_WIDE": True, "SCALED": False, "CAPPED": False, "DESCRIBED": False, "softcap": 1.0}
ENTROPY = {"ENTROPY": True, "VARENTROPY": False, "TOP1": False, "tops": None, "bias": None}


@pytest.mark.slow
def test_the_kernels_compile_for_a_gpu(built_for_gpu: Callable[..., list[dict[str, object]]]) -> None:
    search = {"module": "memkit_kernels.linear_surprisal.scan.kernel", "kernel": "scan", "warps": 4}
    constants = {**STEPS, **USUAL, **ENTROPY}

    def scan(dtype: str, bm: int, bv: int, bd: int, stages: int) -> dict[str, object]:
        tile = {"BM": bm, "BV": bv, "BD": bd}
        return search | {
            "types": TYPES | {"x": f"*{dtype}", "weight": f"*{dtype}"},
            "constants": constants | tile,
            "stages": stages,
        }

    merge = {
        "module": "memkit_kernels.linear_surprisal.kernel", "kernel": "_merge", "warps": 4, "types": TYPES,
        "constants": {"target_step": 1, "ENTROPY": True, "VARENTROPY": True, "BM": 8, "CHUNK": 64},
    }  # fmt: skip
    many, full, merging = built_for_gpu(scan("bf16", 128, 128, 64, 3), scan("fp32", 64, 64, 32, 3), merge)
    assert "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16" in many["ptx"]
    assert "tf32" not in full["ptx"]
    for built in (many, full, merging):
        assert built["spilled"] == 0
        assert built["shared"] <= 99 * 1024
