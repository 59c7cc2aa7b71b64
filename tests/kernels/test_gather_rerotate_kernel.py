"""The Triton kernel of gather_rerotate, held to the definition: on a GPU, else in Triton's interpreter."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from memkit_kernels import gather_rerotate
from memkit_kernels.backend import BackendUnavailable, interpreted, report
from memkit_kernels.gather_rerotate import Layout, gather_rerotate_reference
from memkit_kernels.gather_rerotate.kernel import gather_rerotate_triton, warm
from memkit_kernels.testing import assert_close, surrounded

Found = tuple[Tensor, Tensor]
DTYPES = [torch.float32, torch.float16, *([] if interpreted() else [torch.bfloat16])]
LAYOUTS: list[Layout] = ["halves", "pairs"]


def normal(*shape: int, device: torch.device, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(device, dtype)


def places(count: int, *shape: int, device: torch.device, seed: int = 2) -> Tensor:
    """Any rows, some twice, and some holes."""
    return torch.randint(-2, count, shape, generator=torch.Generator().manual_seed(seed)).to(device)


def shifts(*shape: int, device: torch.device, far: int = 10**6) -> Tensor:
    return torch.randint(-far, far, shape, generator=torch.Generator().manual_seed(3)).to(device)


def frequencies(count: int, device: torch.device) -> Tensor:
    return (10000.0 ** -(torch.arange(count) / count)).to(device)


def both(keys: Tensor, index: Tensor, shift: Tensor, inv_freq: Tensor, values: Tensor, layout: Layout) -> list[Found]:
    """What the kernel gives, and what the definition says, of float64 keys where they are float32."""
    exact = keys.double() if keys.dtype == torch.float32 else keys
    exact_values = values.to(exact.dtype)
    with report() as ran:
        found = gather_rerotate(keys, index, shift, inv_freq, values=values, layout=layout, backend="triton")
        defined = gather_rerotate(exact, index, shift, inv_freq, values=exact_values, layout=layout, backend="torch")
    assert [call.backend for call in ran] == ["triton", "torch"]
    return [found, defined]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("b", "n", "kept", "g", "d", "f", "e"),
    [(1, 1, 1, 1, 2, 1, 1), (2, 15, 100, 3, 65, 32, 15), (3, 100, 15, 5, 63, 15, 130), (1, 63, 65, 1, 300, 65, 100)],
)
def test_the_kernel_gives_what_the_definition_says(
    b: int, n: int, kept: int, g: int, d: int, f: int, e: int, layout: Layout, dtype: torch.dtype, device: torch.device
) -> None:
    keys, values = (
        normal(b, n, g, d, device=device, dtype=dtype),
        normal(b, n, g, e, device=device, dtype=dtype, seed=1),
    )
    index, shift = places(n, b, kept, device=device), shifts(b, kept, device=device)
    found, defined = both(keys, index, shift, frequencies(f, device), values, layout)
    assert_close(found[0], defined[0], dtype=dtype)
    assert torch.equal(found[1], defined[1].to(dtype))
    assert found[0].dtype == dtype


def test_angles_far_away_are_as_exact_as_the_definition(device: torch.device) -> None:
    """Each quarter of the turn, and shifts that float32 cannot hold."""
    shift = torch.cat((torch.arange(-20, 20), torch.tensor([2**31 + 7, -(2**40) - 3, 2**62]))).to(device)
    keys, index = normal(1, 2, 6, device=device), torch.zeros(len(shift), dtype=torch.int64, device=device)
    inv_freq = torch.tensor([1.0, 0.7853981633974483, 1e-7], device=device, dtype=torch.float64)
    found, _ = gather_rerotate(keys, index, shift, inv_freq, backend="triton")
    defined, _ = gather_rerotate(keys.double(), index, shift, inv_freq, backend="torch")
    assert float((found - defined).abs().max()) < 2e-6


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_shift_of_zero_copies_bit_for_bit(layout: Layout, dtype: torch.dtype, device: torch.device) -> None:
    keys = normal(15, 3, 10, device=device, dtype=dtype)
    index = torch.arange(14, -1, -1, device=device, dtype=torch.int32)
    moved, nothing = gather_rerotate(
        keys, index, torch.zeros_like(index), frequencies(4, device), layout=layout, backend="triton"
    )
    assert torch.equal(moved, keys[index.long()])
    assert nothing is None


@pytest.mark.parametrize("layout", LAYOUTS)
def test_padding_is_not_read_and_any_strides_are(layout: Layout, device: torch.device) -> None:
    keys, values = normal(20, 3, 10, device=device), normal(20, 3, 7, device=device, seed=1)
    index, shift = places(20, 33, device=device), shifts(33, device=device)
    plain = gather_rerotate(keys, index, shift, frequencies(4, device), layout=layout, values=values, backend="triton")
    twice = torch.full((33, 2), 2**40, device=device)  # what lies between is no row
    twice[:, 0] = index
    strided = gather_rerotate(
        surrounded(keys.permute(2, 0, 1)).permute(1, 2, 0), twice[:, 0], shift.repeat_interleave(3)[::3],
        surrounded(frequencies(4, device)), layout=layout, values=surrounded(values), backend="triton",
    )  # fmt: skip
    assert torch.equal(strided[0], plain[0])
    assert torch.equal(strided[1], plain[1])


def test_rows_outside_are_nan_and_holes_are_zero_and_neither_is_read(device: torch.device) -> None:
    keys = torch.full((1, 3, 1, 5), torch.nan, device=device)
    keys[0, 1] = 1.0
    index = torch.tensor([[3, 2**40, -1, -(2**40), 1]], device=device)
    moved, copied = gather_rerotate_triton(
        keys, keys, index, torch.ones_like(index), torch.ones(2, device=device), "halves"
    )
    defined, _ = gather_rerotate_reference(
        keys, keys, index, torch.ones_like(index), torch.ones(2, device=device), "halves"
    )
    for rows in (moved, copied, defined):
        assert rows is not None
        assert rows[0, :2].isnan().all()
        assert rows[0, 2:4].tolist() == [[[0.0] * 5]] * 2
    assert_close(moved[0, 4], defined[0, 4], dtype=torch.float32)


def test_a_frequency_that_is_not_finite_spoils_its_features_alone(device: torch.device) -> None:
    inv_freq = torch.tensor([1.0, torch.inf, torch.nan], device=device)
    index = torch.zeros(1, dtype=torch.int64, device=device)
    moved, _ = gather_rerotate(torch.ones(1, 1, 8, device=device), index, index, inv_freq, backend="triton")
    assert moved[0, 0].isnan().tolist() == [False, True, True, False, True, True, False, False]


@pytest.mark.skipif(not interpreted(), reason="a sparse file is a CPU's memory")
def test_offsets_beyond_two_to_the_31_are_reached(tmp_path: Path) -> None:
    stride = 2**30 + 64
    (tmp_path / "sparse").touch()
    storage = torch.from_file(str(tmp_path / "sparse"), shared=True, size=3 * stride + 8, dtype=torch.float16)
    index, shift = torch.tensor([3, 0, 3]), torch.tensor([1, 2, -5])
    for strides in ((stride, 4, 1), (2, stride, 1), (1, 4, stride)):
        keys = (
            storage.as_strided((4, 1, 4), strides) if strides[0] == stride else storage.as_strided((4, 1, 2), strides)
        )
        keys = keys if strides[1] != stride else storage.as_strided((4, 2, 2), strides)
        keys.copy_(normal(*keys.shape, device=torch.device("cpu")))
        inv_freq = torch.ones(keys.shape[2] // 2)
        found, defined = both(keys, index, shift, inv_freq, keys, "halves")
        assert_close(found[0], defined[0], dtype=torch.float16)
        assert torch.equal(found[1], defined[1])


@pytest.mark.parametrize(
    ("b", "n", "kept", "g"), [(0, 3, 2, 2), (2, 0, 0, 1), (1, 4, 0, 2), (1, 4, 3, 0), (1, 0, 2, 1)]
)
def test_nothing_to_move_is_an_ordinary_case(b: int, n: int, kept: int, g: int, device: torch.device) -> None:
    keys, index = torch.ones(b, n, g, 4, device=device), torch.full((b, kept), -1, device=device)
    found, defined = both(keys, index, index, torch.ones(2, device=device), keys, "pairs")
    assert torch.equal(found[0], defined[0].float())
    assert found[0].shape == found[1].shape == (b, kept, g, 4)


def test_two_runs_are_bit_equal_forward_and_backward(device: torch.device) -> None:
    keys, values = normal(65, 2, 20, device=device), normal(65, 2, 9, device=device, seed=1)
    index, shift = places(65, 200, device=device), shifts(200, device=device)

    def run() -> tuple[Tensor, ...]:
        inputs = [keys.clone().requires_grad_(), values.clone().requires_grad_()]
        found = gather_rerotate(inputs[0], index, shift, frequencies(10, device), values=inputs[1], backend="triton")
        sum((part.square().sum() for part in found), torch.zeros((), device=device)).backward()
        return (*found, *(part.grad for part in inputs if part.grad is not None))

    for first, second in zip(run(), run(), strict=True):
        assert torch.equal(first, second)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_kernels_gradient_is_the_definitions(layout: Layout, device: torch.device) -> None:
    keys, values = normal(2, 15, 3, 9, device=device), normal(2, 15, 3, 4, device=device, seed=1)
    index, shift = places(15, 2, 40, device=device), shifts(2, 40, device=device)
    grads = []
    for backend, dtype in (("triton", torch.float32), ("torch", torch.float64)):
        inputs = [x.to(dtype, copy=True).requires_grad_() for x in (keys, values)]
        moved, copied = gather_rerotate(
            inputs[0], index, shift, frequencies(4, device), layout=layout, values=inputs[1], backend=backend
        )
        weights = [normal(*part.shape, device=device, seed=5).to(dtype) for part in (moved, copied)]
        ((moved * weights[0]).sum() + (copied * weights[1]).sum()).backward()
        grads.append([x.grad for x in inputs])
    for found, defined in zip(*grads, strict=True):
        assert found is not None
        assert defined is not None
        assert_close(found, defined, dtype=torch.float32)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_warming_compiles_what_a_call_runs(dtype: torch.dtype, device: torch.device) -> None:
    warm(device, dtype)


@pytest.mark.skipif(not interpreted(), reason="a GPU computes it rightly")
def test_bfloat16_in_the_interpreter_is_refused() -> None:
    index = torch.zeros(1, dtype=torch.int64)
    with pytest.raises(BackendUnavailable, match="bfloat16"):
        gather_rerotate(torch.ones(1, 1, 2).bfloat16(), index, index, torch.ones(1), backend="triton")


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["bf16", "fp32"])
def test_the_kernel_compiles_for_a_gpu_that_is_not_here(
    dtype: str, built_for_gpu: Callable[..., list[dict[str, object]]]
) -> None:
    """Without spills, and with loads of 16 bytes a thread, for both layouts."""
    pointers = dict.fromkeys(("keys", "values", "moved", "copied"), f"*{dtype}")
    numbers = ("N", "L", "G", "D", "E", "F", "k_batch", "k_row", "k_head", "v_batch", "v_row", "v_head")
    types = {**pointers, "index": "*i64", "shift": "*i64", "inv_freq": "*fp32"}
    types |= dict.fromkeys((*numbers, "i_batch", "s_batch"), "i32")
    constants = {"BF": 64, "BD": 0, "BE": 128, "TILE": 1024, "HEADS": 4}
    constants |= dict.fromkeys(("k_step", "v_step", "i_step", "s_step", "f_step"), 1)
    shared = {"module": "memkit_kernels.gather_rerotate.kernel", "kernel": "_move", "types": types, "warps": 4}
    for built in built_for_gpu(*({**shared, "constants": {**constants, "LAYOUT": layout}} for layout in LAYOUTS)):
        assert built["spilled"] == 0
        assert built["shared"] <= 227 * 1024
        assert "ld.global.v4" in built["ptx"]
        assert "0d3FC45F306DC9C883" in built["ptx"]  # 1 / 2 pi in float64: in float32 a million tokens are 0.03 off
