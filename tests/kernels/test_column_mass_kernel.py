"""The Triton kernel of column_mass, held to the definition: on a GPU, else in Triton's interpreter."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from memkit_kernels import column_mass, window_attention
from memkit_kernels.backend import interpreted, report
from memkit_kernels.column_mass.kernel import _MASS
from memkit_kernels.testing import assert_close, surrounded

INF = torch.inf
DTYPES = [torch.float32, torch.float16, *([] if interpreted() else [torch.bfloat16])]


def normal(*shape: int, device: torch.device, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(device, dtype)


def inputs(t: int, s: int, *, h: int = 1, g: int = 1, d: int = 12, b: int = 1, **options) -> tuple[Tensor, Tensor]:
    return normal(b, t, h, d, **options), normal(b, s, g, d, seed=1, **options)


def lse_of(q: Tensor, k: Tensor, **mask: object) -> Tensor:
    return window_attention(q, k, k, backend="torch", **mask)[1]


def both(q: Tensor, k: Tensor, lse: Tensor, **mask: object) -> tuple[Tensor, Tensor]:
    """What the kernel finds, and what the definition says in float64."""
    with report() as ran:
        found = column_mass(q, k, lse, backend="triton", **mask)
    assert [call.backend for call in ran] == ["triton"]
    return found, column_mass(q.double(), k.double(), lse, backend="torch", **mask)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    ("t", "s", "mask"),
    [
        (1, 1, {}),
        (15, 63, {}),
        (65, 65, {"window": 17, "sinks": 2}),
        (100, 15, {"window": 5}),
        (40, 40, {"window": 30, "beyond": 5, "sinks": 18}),
        (15, 100, {"causal": False}),
        (65, 63, {"causal": False, "window": 6, "sinks": 20}),
    ],
    ids=["one", "last queries", "sinks and window", "more queries", "band", "everything", "both ways"],
)
def test_the_kernel_computes_what_the_definition_says(
    t: int, s: int, mask: dict[str, object], dtype: torch.dtype, device: torch.device
) -> None:
    q, k = inputs(t, s, device=device, dtype=dtype)
    found, expected = both(q, k, lse_of(q, k, **mask), **mask)
    assert found.dtype == torch.float32
    assert_close(found, expected, dtype=torch.float32)


@pytest.mark.parametrize(("h", "g", "d"), [(8, 1, 1), (6, 2, 15), (3, 3, 100)])
def test_heads_and_features_may_be_any(h: int, g: int, d: int, device: torch.device) -> None:
    q, k = inputs(9, 21, h=h, g=g, d=d, b=2, device=device, dtype=torch.float16)
    assert_close(*both(q, k, lse_of(q, k, window=6), window=6), dtype=torch.float32)


@pytest.mark.parametrize("mask", [{}, {"causal": False, "window": 5, "sinks": 20}, {"window": 9, "sinks": 3}], ids=str)
def test_packed_sequences_are_each_by_itself(mask: dict[str, object], device: torch.device) -> None:
    q, k = inputs(100, 100, device=device, dtype=torch.float16)
    mask = {"cu_seqlens": torch.tensor([0, 0, 1, 20, 20, 90, 100], device=device), **mask}
    assert_close(*both(q, k, lse_of(q, k, **mask), **mask), dtype=torch.float32)


@pytest.mark.parametrize(("b", "t", "s"), [(0, 3, 3), (2, 0, 5), (2, 3, 0)])
def test_nothing_adds_nothing(b: int, t: int, s: int, device: torch.device) -> None:
    q, k = inputs(t, s, b=b, device=device)
    assert torch.equal(column_mass(q, k, q[..., 0], backend="triton"), torch.zeros(b, s, 1, device=device))


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")  # numpy, of infinity minus infinity
def test_a_query_with_an_infinite_sum_adds_nothing_and_nan_reaches_what_sees_it(device: torch.device) -> None:
    q, k = inputs(30, 30, device=device, dtype=torch.float16)
    lse = lse_of(q, k, window=3)
    lse[:, 4], lse[:, 9] = -INF, INF
    q[:, [4, 9]] = torch.nan
    found, expected = both(q, k, lse, window=3)
    assert_close(found, expected, dtype=torch.float32)
    q[:, 20] = k[:, 6] = torch.nan
    assert both(q, k, lse, window=3)[0].isnan()[0, :, 0].nonzero().flatten().tolist() == [6, 18, 19, 20]


def inside(x: Tensor) -> Tensor:
    """In a buffer of NaN: around the features of all heads, and before and after all tokens."""
    return surrounded(x.flatten(2).flatten(0, 1)).unflatten(1, x.shape[2:]).unflatten(0, x.shape[:2])


def test_strides_and_surroundings_do_not_matter(device: torch.device) -> None:
    q, k = inputs(30, 33, h=4, g=2, b=2, device=device, dtype=torch.float16)
    lse = lse_of(q, k, window=9)
    expected = column_mass(q, k, lse, window=9, backend="triton")
    for change in (inside, lambda x: x.permute(*range(x.ndim)[::-1]).contiguous().permute(*range(x.ndim)[::-1])):
        assert torch.equal(column_mass(change(q), change(k), change(lse), window=9, backend="triton"), expected)


@pytest.mark.skipif(not interpreted(), reason="a sparse file is a CPU's memory")
def test_offsets_beyond_two_to_the_31_are_reached(tmp_path: Path, device: torch.device) -> None:
    stride = 2**30 + 64
    (tmp_path / "sparse").touch()
    storage = torch.from_file(str(tmp_path / "sparse"), shared=True, size=3 * stride + 64, dtype=torch.float16)
    q, k = inputs(4, 4, d=4, device=device, dtype=torch.float16)
    lse = lse_of(q, k)
    expected = column_mass(q, k, lse, backend="triton")
    for steps in ((4 * stride, stride, 8, 1), (4 * stride, 4, 8, stride)):
        far = storage.as_strided(q.shape, steps)
        far.copy_(q)
        assert torch.equal(column_mass(far, k, lse, backend="triton"), expected)
        far.copy_(k)
        assert torch.equal(column_mass(q, far, lse, backend="triton"), expected)


def test_two_runs_are_bit_equal(device: torch.device) -> None:
    q, k = inputs(100, 100, device=device, dtype=torch.float16)
    first, second = (column_mass(q, k, q[..., 0].float(), backend="triton") for _ in range(2))
    assert torch.equal(first, second)


NUMBERS = ("T", "S", "H", "R", "window", "sinks", "beyond",
           *(f"{x}_{a}" for x in ("q", "k", "lse") for a in ("batch", "row", "head")))  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "unit"), [("bf16", "wgmma"), ("fp32", None)])
def test_the_kernel_compiles_for_a_gpu(
    dtype: str, unit: str | None, built_for_gpu: Callable[..., list[dict[str, object]]]
) -> None:
    shipped = _MASS["exact" if dtype == "fp32" else "usual"].configs[0]
    types = {"q": f"*{dtype}", "k": f"*{dtype}", "lse": "*fp32", "mass": "*fp32", "first": "*i32", "end": "*i32"}
    constants = {"q_step": 1, "k_step": 1, "D": 128, "BD": 128, "CAUSAL": True, "WINDOWED": True, **shipped.kwargs}
    (built,) = built_for_gpu(
        {"module": "memkit_kernels.column_mass.kernel", "kernel": "_mass", "constants": constants,
         "types": {**types, **dict.fromkeys(NUMBERS, "i32"), "scale": "fp32"},
         "warps": shipped.num_warps, "stages": shipped.num_stages}
    )  # fmt: skip
    assert built["spilled"] == 0
    assert built["shared"] <= 99 * 1024  # what the smaller GPUs have
    assert unit is None or unit in built["ptx"]
