"""The Triton kernel of gather_attention, held to the definition: on a GPU, else in Triton's interpreter."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from memkit_kernels import gather_attention
from memkit_kernels.backend import interpreted, report
from memkit_kernels.gather_attention.kernel import gather_attention_triton, warm
from memkit_kernels.testing import assert_close

INF = torch.inf
DTYPES = [torch.float32, torch.float16, *([] if interpreted() else [torch.bfloat16])]
Attended = tuple[Tensor, Tensor]


def normal(*shape: int, device: torch.device, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(device, dtype)


def entries(*shape: int, rows: int, device: torch.device, seed: int = 0) -> Tensor:
    """Tables with repetitions and holes."""
    return torch.randint(-1, rows, shape, generator=torch.Generator().manual_seed(seed)).to(device)


def both(q: Tensor, k: Tensor, v: Tensor, table: Tensor, **options: object) -> tuple[Attended, Attended]:
    """What the kernel gives, and what the definition says."""
    with report() as ran:
        attended = gather_attention(q, k, v, table, backend="triton", **options)
        defined = gather_attention(q, k, v, table, backend="torch", **options)
    assert [call.backend for call in ran] == ["triton", "torch"]
    return attended, defined


def inside(values: Tensor, poison: float = torch.nan) -> Tensor:
    """A view with these values inside a buffer of poison that is one cell larger before and two after, on each axis:
    with 130 more, as `surrounded` has, four axes would take gigabytes."""
    padded = torch.nn.functional.pad(values, (1, 2) * values.ndim, value=poison)
    return padded[tuple(slice(1, 1 + size) for size in values.shape)]


def assert_agree(attended: Attended, defined: Attended) -> None:
    assert_close(attended[0], defined[0], dtype=attended[0].dtype)
    assert_close(attended[1], defined[1], dtype=torch.float32)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    ("b", "t", "heads", "d", "e", "length"),
    [(1, 1, (1, 1), 1, 1, 1), (2, 1, (4, 2), 15, 63, 100), (1, 15, (6, 2), 65, 16, 63), (2, 3, (2, 2), 16, 100, 300)],
    ids=lambda size: str(size),
)
def test_the_kernel_attends_as_the_definition_says(
    b: int, t: int, heads: tuple[int, int], d: int, e: int, length: int, dtype: torch.dtype, device: torch.device
) -> None:
    h, g = heads
    q = normal(b, t, h, d, device=device, dtype=dtype)
    k, v = (normal(65, g, size, device=device, dtype=dtype, seed=size) for size in (d, e))
    table = entries(b, length, rows=65, device=device)
    table[:, 0] = 3
    assert_agree(*both(q, k, v, table))


@pytest.mark.parametrize("page", [2, 5, 64, 100])
@pytest.mark.parametrize("per_head", [False, True], ids=["shared list", "a list a key head"])
def test_pages_and_lists_of_key_heads(page: int, per_head: bool, device: torch.device) -> None:
    q = normal(2, 2, 4, 16, device=device)
    k, v = normal(4, page, 2, 16, device=device, seed=1), normal(4, page, 2, 16, device=device, seed=2)
    table = entries(2, 2, 3, rows=4, device=device).int() if per_head else entries(2, 3, rows=4, device=device)
    table[..., 0] = 1
    assert_agree(*both(q, k, v, table))
    assert_agree(*both(q, k, v, table, counts=torch.tensor([page + 1, 1], device=device), scale=-0.3))


@pytest.mark.parametrize("rows", [17, 40, 130])
def test_tiles_of_many_queries(rows: int, device: torch.device) -> None:
    q, k = normal(1, rows, 2, 16, device=device), normal(70, 1, 16, device=device, seed=1)
    assert_agree(*both(q[:, : rows // 2 + 1], k, k, entries(1, 65, rows=70, device=device)))


def test_wide_features(device: torch.device) -> None:
    q, k = normal(1, 1, 1, 200, device=device), normal(40, 1, 200, device=device, seed=1)
    table = entries(1, 35, rows=40, device=device)
    assert_agree(*both(q, k, k, table))
    assert_agree(*both(q.half()[..., :130], k.half()[..., :130], k.half(), table))


def test_the_number_of_splits_changes_rounding_alone(device: torch.device) -> None:
    q, k, v = (normal(*shape, device=device, seed=len(shape)) for shape in ((2, 1, 4, 16), (300, 2, 16), (300, 2, 16)))
    table, counts = entries(2, 1, 290, rows=300, device=device), torch.tensor([290, 70], device=device)
    pages = k[:, None], v[:, None]
    one, three, nine = (gather_attention_triton(q, *pages, table, counts, 0.25, splits=n) for n in (1, 3, 9))
    assert_agree(three, one)
    assert_agree(nine, one)


def test_two_runs_are_bit_equal(device: torch.device) -> None:
    q, k, table = (
        normal(1, 2, 4, 33, device=device),
        normal(300, 2, 33, device=device),
        entries(1, 290, rows=300, device=device),
    )
    first, second = (gather_attention(q, k, k, table, backend="triton") for _ in range(2))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])


@pytest.mark.parametrize("per_head", [False, True])
def test_what_the_kernel_is_not_told_to_check_becomes_nan(per_head: bool, device: torch.device) -> None:
    """The function checks a CPU's tables; a GPU's it does not wait for, so the kernel must not stay silent."""
    q, k = normal(3, 1, 4, 16, device=device), normal(300, 1, 2, 16, device=device)
    table = entries(3, 2 if per_head else 1, 290, rows=300, device=device)
    table[1, 0, 200] = 300
    table[2, 0, 280] = 2**31 - 1  # beyond what counts
    counts = torch.tensor([290, 290, 270], device=device)
    out, lse = gather_attention_triton(q, k, k, table, counts, 0.25)
    spoilt = out[1, :, :2] if per_head else out[1]
    assert spoilt.isnan().all()
    assert (lse[1, :, :2] if per_head else lse[1]).isnan().all()
    assert out[[0, 2]].isfinite().all()
    assert not per_head or out[1, :, 2:].isfinite().all()
    out, lse = gather_attention_triton(q, k, k, table, torch.tensor([-1, 290, 291], device=device), 0.25)
    assert out.isnan().all(dim=-1)[[0, 2]].all()
    assert lse[[0, 2]].isnan().all()


def test_who_sees_nothing_gets_zero_and_minus_infinity(device: torch.device) -> None:
    q, k = normal(3, 2, 2, 8, device=device), normal(9, 1, 8, device=device)
    table = torch.full((3, 200), -1, device=device)
    table[1:] = 4
    attended, defined = both(q, k, k, table, counts=torch.tensor([200, 0, 1], device=device))
    assert_agree(attended, defined)
    assert attended[0][:2].eq(0).all()
    assert attended[1][:2].eq(-INF).all()


@pytest.mark.filterwarnings(
    "ignore:invalid value encountered in matmul"
)  # numpy's, where a row of no query meets infinity
def test_infinite_and_nan_scores_are_told(device: torch.device) -> None:
    k, v = normal(9, 2, 4, device=device), normal(9, 2, 4, device=device, seed=1)
    k[3, 1], v[5, 0, 2] = torch.nan, torch.nan
    q, table = normal(1, 2, 2, 4, device=device), torch.tensor([[1, 3, 5]], device=device)
    attended, defined = both(q, k, v, table)
    assert torch.equal(attended[0].isnan(), defined[0].isnan())
    assert torch.equal(attended[1].isnan(), defined[1].isnan())
    assert attended[0].isnan().sum() == 2 * (1 + 4)
    k, v = torch.tensor([[[INF]], [[0.0]]], device=device), torch.tensor([[[5.0]], [[7.0]]], device=device)
    out, lse = gather_attention(
        torch.tensor([1.0, -1.0], device=device).view(1, 2, 1, 1),
        k,
        v,
        torch.tensor([[0, 1]], device=device),
        backend="triton",
    )
    assert out.isnan().flatten().tolist() == lse.isnan().flatten().tolist() == [True, False]
    assert out[0, 1].item() == 7.0


def test_neither_padding_nor_what_is_not_named_is_read(device: torch.device) -> None:
    q, k, v = (
        normal(2, 3, 4, 10, device=device),
        normal(20, 3, 2, 10, device=device),
        normal(20, 3, 2, 7, device=device),
    )
    table, counts = entries(2, 2, 9, rows=10, device=device), torch.tensor([25, 4], device=device)
    table[..., 0] = 0
    plain = gather_attention(q, k, v, table, counts=counts)
    k[10:] = v[10:] = torch.nan
    within = gather_attention(
        inside(q), inside(k), inside(v), inside(table, poison=99), counts=inside(counts, poison=99),
        backend="triton",
    )  # fmt: skip
    assert_agree(within, plain)


@pytest.mark.skipif(not interpreted(), reason="a sparse file is a CPU's memory")
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_offsets_beyond_two_to_the_31_are_reached(axis: int, tmp_path: Path) -> None:
    (tmp_path / "sparse").touch()
    steps = [4, 4, 4, 1]
    steps[axis] = 2**30 + 64
    shape = [1, 1, 1, 4]
    shape[axis] = 4
    storage = torch.from_file(str(tmp_path / "sparse"), shared=True, size=3 * steps[axis] + 16, dtype=torch.float16)
    k = storage.as_strided(shape, steps)
    k.copy_(torch.arange(16.0).view(shape))
    q = torch.ones(1, 1, shape[2], 4, dtype=torch.float16)
    table = torch.arange(shape[0])[None]
    attended, defined = both(q, k, k, table)
    assert_agree(attended, defined)
    assert attended[1].max() > 20  # the last was seen


@pytest.mark.skipif(not interpreted(), reason="a sparse file is a CPU's memory")
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_queries_beyond_two_to_the_31_elements_are_reached(axis: int, tmp_path: Path) -> None:
    (tmp_path / "sparse").touch()
    steps, shape = [4, 4, 4, 1], [1, 1, 1, 4]
    steps[axis], shape[axis] = 2**30 + 64, 4
    storage = torch.from_file(str(tmp_path / "sparse"), shared=True, size=3 * steps[axis] + 16, dtype=torch.float16)
    q = storage.as_strided(shape, steps)
    q.copy_(torch.arange(16.0).view(shape))
    k = torch.ones(2, 1, 4, dtype=torch.float16)
    attended, defined = both(q, k, k, torch.arange(2).expand(shape[0], 2))
    assert_agree(attended, defined)
    assert attended[1].max() > 20  # the last was seen


@pytest.mark.skipif(not interpreted(), reason="a sparse file is a CPU's memory")
def test_entries_beyond_two_to_the_31_elements_are_reached(tmp_path: Path) -> None:
    (tmp_path / "sparse").touch()
    storage = torch.from_file(str(tmp_path / "sparse"), shared=True, size=3 * (2**30 + 64) + 1, dtype=torch.int32)
    table = storage.as_strided((1, 4), (1, 2**30 + 64))
    table.copy_(torch.arange(4)[None])
    attended, defined = both(torch.ones(1, 1, 1, 4), torch.arange(16.0).view(4, 1, 4), torch.ones(4, 1, 4), table)
    assert_agree(attended, defined)


@pytest.mark.parametrize(("b", "t", "n", "length"), [(0, 2, 3, 4), (2, 0, 3, 4), (2, 2, 0, 4), (1, 1, 3, 0)])
def test_nothing_to_do_is_an_ordinary_case(b: int, t: int, n: int, length: int, device: torch.device) -> None:
    table = torch.full((b, length), 0 if n else -1, device=device)
    ones = torch.ones(n, 2, 5, device=device)
    assert_agree(*both(torch.ones(b, t, 4, 5, device=device), ones, ones, table))


def test_gradients_flow_through_the_kernel(device: torch.device) -> None:
    table = entries(2, 20, rows=30, device=device)
    table[:, 0] = 0
    wanted = normal(2, 2, 4, 7, device=device, seed=3), normal(2, 2, 4, device=device, seed=4)
    grads = []
    for backend in ("triton", "torch"):
        q, k, v = (normal(*shape, device=device).requires_grad_() for shape in ((2, 2, 4, 5), (30, 2, 5), (30, 2, 7)))
        grads.append(torch.autograd.grad(gather_attention(q, k, v, table, backend=backend), [q, k, v], wanted))
    for through, defined in zip(*grads, strict=True):
        assert_close(through, defined, dtype=torch.float32)


@pytest.mark.skipif(interpreted(), reason="compiles nothing in the interpreter")
def test_warming_up_runs(device: torch.device) -> None:
    warm(device, torch.float16)


NUMBERS = ("B", "T", "tokens", "pages", "splits", "q_b", "q_t", "q_h", "table_b", "table_g")
ROWS = tuple(f"{name}_{axis}" for name in "kv" for axis in ("page", "row", "g"))


@pytest.mark.slow
def test_the_kernel_compiles_for_a_gpu(built_for_gpu: Callable[..., list[dict[str, object]]]) -> None:
    asked = []
    for dtype, bm, bn, warps, page in (("bf16", 16, 64, 4, 1), ("bf16", 128, 64, 8, 64), ("fp32", 16, 32, 4, 1)):
        types = dict.fromkeys("qkv", f"*{dtype}") | {"table": "*i32", "out": "*fp32", "lse": "*fp32", "scale": "fp32"}
        constants = {
            "counts": None,
            "q_d": 1,
            "k_d": 1,
            "v_d": 1,
            "table_l": 1,
            "counts_b": 0,
            "G": 8,
            "R": 4,
            "PAGE": page,
        }
        constants |= {"D": 128, "E": 128, "BM": bm, "BD": 128, "BE": 128, "BN": bn}
        shared = {"module": "memkit_kernels.gather_attention.kernel", "kernel": "_attend", "stages": 2, "warps": warps}
        asked.append(shared | {"types": types | dict.fromkeys(NUMBERS + ROWS, "i32"), "constants": constants})
    decode, prefill, exact = built_for_gpu(*asked)
    assert "mma.sync" in decode["ptx"]
    assert "wgmma" in prefill["ptx"]
    assert decode["shared"] <= 99 * 1024
    for built in (decode, prefill, exact):
        assert "cp.async" in built["ptx"]  # rows are under way while the tile before is multiplied
        assert built["spilled"] == 0
        assert built["shared"] <= 227 * 1024
