"""The Triton kernels of merge_attention, held to the definition: on a GPU, else in Triton's interpreter."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from memkit_kernels import merge_attention
from memkit_kernels.backend import interpreted, report
from memkit_kernels.merge_attention.kernel import TOGETHER, merge_stacked, warm
from memkit_kernels.testing import assert_close, surrounded

INF = torch.inf
DTYPES = [torch.float32, torch.float16, *([] if interpreted() else [torch.bfloat16])]
SIZES = [(1, 1, 1), (2, 15, 63), (3, 65, 100), (16, 5, 15), (5, 3, 300)]
Merged = tuple[Tensor, Tensor]


def normal(*shape: int, device: torch.device, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(device, dtype)


def both(outs: object, lses: object) -> tuple[Merged, Merged]:
    """What the kernel gives, and what the definition says."""
    with report() as ran:
        merged = merge_attention(outs, lses, backend="triton")
        defined = merge_attention(outs, lses, backend="torch")
    assert [call.backend for call in ran] == ["triton", "torch"]
    return merged, defined


def assert_agree(merged: Merged, defined: Merged) -> None:
    assert_close(merged[0], defined[0], dtype=defined[0].dtype)
    assert_close(merged[1], defined[1], dtype=torch.float32)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("p", "n", "e"), SIZES, ids=lambda size: str(size))
def test_the_kernels_merge_as_the_definition_says(
    p: int, n: int, e: int, dtype: torch.dtype, device: torch.device
) -> None:
    outs, lses = normal(p, n, e, device=device, dtype=dtype), 5 * normal(p, n, device=device, seed=1)
    assert_agree(*both(outs, lses))
    separate, defined = both(outs.unbind(), lses.unbind())
    assert_agree(separate, defined)


def test_more_parts_than_one_launch_takes_are_merged_too(device: torch.device) -> None:
    outs, lses = normal(TOGETHER + 4, 3, 5, device=device), normal(TOGETHER + 4, 3, device=device, seed=1)
    assert_agree(*both(outs, lses))
    assert_agree(*both(outs.unbind(), lses.unbind()))


@pytest.mark.parametrize("stacked", [True, False])
def test_a_part_that_saw_no_key_adds_nothing_even_if_its_out_is_nan(stacked: bool, device: torch.device) -> None:
    outs = torch.ones(3, 4, 2, device=device)
    lses = torch.zeros(3, 4, device=device)
    lses[0, :2] = lses[1, 1] = lses[2, 1] = -INF
    outs[lses == -INF] = torch.nan
    lses[1, 2], lses[2, 3] = torch.nan, INF
    merged, defined = both(outs, lses) if stacked else both(outs.unbind(), lses.unbind())
    assert_agree((merged[0][:2], merged[1][:2]), (defined[0][:2], defined[1][:2]))
    assert merged[0][1].tolist() == [0.0, 0.0]
    assert merged[1][1] == -INF
    assert merged[0][2:].isnan().all()
    assert merged[1][2:].isnan().all()
    assert defined[1][2:].isnan().all()


def test_the_result_may_have_another_dtype_than_the_parts(device: torch.device) -> None:
    outs, lses = normal(3, 5, 4, device=device), normal(3, 5, device=device, seed=1)
    out, lse = merge_stacked(outs, lses, torch.float16)
    expected, total = merge_attention(outs, lses, backend="torch")
    assert out.dtype == torch.float16
    assert_close(out, expected, dtype=torch.float16)
    assert_close(lse, total, dtype=torch.float32)


@pytest.mark.parametrize("stacked", [True, False])
def test_padding_outside_the_tensors_is_not_read(stacked: bool, device: torch.device) -> None:
    outs, lses = normal(3, 9, 10, device=device), normal(3, 9, device=device, seed=1)
    plain = merge_attention(outs, lses, backend="torch")
    if stacked:
        within = merge_attention(surrounded(outs), surrounded(lses), backend="triton")
    else:
        within = merge_attention([*map(surrounded, outs)], [*map(surrounded, lses)], backend="triton")
    assert_agree(within, plain)


def test_any_strides_are_read_and_parts_may_differ_in_them(device: torch.device) -> None:
    outs = [
        normal(4, 3, 6, device=device),
        normal(6, 3, 4, device=device).permute(2, 1, 0),
        normal(6, 4, 3, device=device).permute(1, 2, 0),
    ]
    lses = [normal(4, 3, device=device), normal(3, 4, device=device).T, normal(1, 3, device=device).expand(4, 3)]
    assert_agree(*both(outs, lses))
    assert_agree(
        *both(normal(6, 5, 4, 3, device=device).permute(2, 1, 3, 0), normal(3, 5, 4, device=device).permute(2, 1, 0))
    )


@pytest.mark.skipif(not interpreted(), reason="a sparse file is a CPU's memory")
def test_offsets_beyond_two_to_the_31_are_reached(tmp_path: Path) -> None:
    stride = 2**30 + 64
    (tmp_path / "sparse").touch()
    storage = torch.from_file(str(tmp_path / "sparse"), shared=True, size=3 * stride + 4, dtype=torch.float16)
    apart = storage.as_strided((4, 4), (stride, 1))
    apart.copy_(torch.arange(16.0).view(4, 4))
    zeros = torch.zeros(4, 1)
    out, _ = merge_attention(apart[:, None], zeros, backend="triton")
    assert out.tolist() == [[6.0, 7.0, 8.0, 9.0]]
    out, _ = merge_attention([apart, apart], [zeros[:, 0], zeros[:, 0]], backend="triton")
    assert torch.equal(out, apart)


@pytest.mark.parametrize("shape", [(0, 4), (3, 0, 2, 4), (4,)], ids=str)
def test_leading_axes_may_be_empty_or_missing(shape: tuple[int, ...], device: torch.device) -> None:
    outs, lses = torch.ones((2, *shape), device=device), torch.zeros((2, *shape[:-1]), device=device)
    assert_agree(*both(outs, lses))
    assert_agree(*both(outs.unbind(), lses.unbind()))


def test_two_runs_are_bit_equal(device: torch.device) -> None:
    outs, lses = normal(5, 9, 33, device=device), normal(5, 9, device=device, seed=1)
    first, second = (merge_attention(outs, lses, backend="triton") for _ in range(2))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])


def test_gradients_flow_through_the_kernel(device: torch.device) -> None:
    wanted = normal(4, 5, device=device, seed=2), normal(4, device=device, seed=3)
    grads = []
    for backend in ("triton", "torch"):
        outs = [normal(4, 5, device=device, seed=part).requires_grad_() for part in range(3)]
        lses = [normal(4, device=device, seed=part + 5).requires_grad_() for part in range(3)]
        grads.append(torch.autograd.grad(merge_attention(outs, lses, backend=backend), [*outs, *lses], wanted))
    for through, defined in zip(*grads, strict=True):
        assert_close(through, defined, dtype=torch.float32)


@pytest.mark.skipif(interpreted(), reason="compiles nothing in the interpreter")
def test_warming_up_runs(device: torch.device) -> None:
    warm(device, torch.float16)


@pytest.mark.slow
def test_the_kernels_compile_for_a_gpu(built_for_gpu: Callable[..., list[dict[str, object]]]) -> None:
    tile = {"BN": 16, "BE": 128}
    asked = []
    for dtype in ("bf16", "fp32"):
        ends = {"out_to": f"*{dtype}", "lse_to": "*fp32", "N": "i32", "E": "i32"}
        steps = dict.fromkeys(("part_step", "row_step", "lse_part", "lse_row"), "i32")
        stacked = {"outs": f"*{dtype}", "lses": "*fp32", "P": "i32", **ends, **steps}
        separate = {"outs": [f"*{dtype}"] * 3, "lses": ["*fp32"] * 3, "row_steps": ["i32"] * 3, **ends}
        separate |= {"steps": ["i32"] * 3, "lse_steps": ["i32"] * 3}
        shared = {"module": "memkit_kernels.merge_attention.kernel", "warps": 4}
        asked.append(shared | {"kernel": "_merge_stacked", "types": stacked, "constants": {**tile, "BP": 4, "step": 1}})
        asked.append(shared | {"kernel": "_merge_separate", "types": separate, "constants": {**tile, "P": 3}})
    for built in built_for_gpu(*asked):
        assert ".target sm_90" in built["ptx"]
        assert built["spilled"] == 0
        assert built["shared"] <= 227 * 1024
