"""ppr in torch and in Triton, held to numpy: on a GPU, else on a CPU and in Triton's interpreter."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
Tensor = torch.Tensor
pytest.importorskip("triton")

from memkit_kernels.backend import BackendUnavailable, interpreted, report  # noqa: E402
from memkit_kernels.ppr import Graph, ppr  # noqa: E402
from memkit_kernels.ppr.batched import Run, Update, ppr_torch, transition  # noqa: E402
from memkit_kernels.ppr.kernel import Pieces, neighbour_mean, update, warm  # noqa: E402
from memkit_kernels.testing import assert_close  # noqa: E402

DTYPES = [torch.float32, torch.float64]
L1 = {torch.float32: 2e-5, torch.float64: 1e-11}


def random_graph(nodes: int, edges: int, seed: int = 0) -> Graph:
    """The last node has no neighbours, if there is more than one."""
    chance = np.random.default_rng(seed)
    rows, cols = chance.integers(0, max(1, nodes - 1), (2, edges))
    return Graph.of(rows, cols, chance.random(edges) + 0.5, nodes=nodes)


def resets_for(graph: Graph, count: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    chance = np.random.default_rng(1)
    resets = chance.random((count, graph.nodes)) * (chance.random((count, graph.nodes)) < 0.3)
    resets[:, 0] += 0.1
    return torch.from_numpy(resets).to(device, dtype)


def mean_of(graph: Graph, x: torch.Tensor, piece: int = 512) -> tuple[torch.Tensor, torch.Tensor]:
    """What the kernel gives, and what loops over rows would."""
    step = transition(graph)
    expected = np.zeros(x.shape)
    rows = np.repeat(np.arange(graph.nodes), np.diff(graph.indptr))
    np.add.at(expected, rows, step[:, None] * x.double().cpu().numpy()[graph.indices])
    pieces = Pieces.of(graph.indptr, graph.indices, step, x, piece)
    return neighbour_mean(pieces, x), torch.from_numpy(expected)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("nodes", "count"), [(1, 1), (15, 65), (63, 15), (100, 1)], ids=str)
def test_the_kernel_is_the_mean_over_neighbours(
    nodes: int, count: int, dtype: torch.dtype, device: torch.device
) -> None:
    graph = random_graph(nodes, 3 * nodes)
    found, expected = mean_of(graph, resets_for(graph, count, dtype, device).T.contiguous())
    assert_close(found, expected, dtype=dtype)


@pytest.mark.parametrize("piece", [1, 3, 16])
def test_long_rows_are_summed_in_pieces(piece: int, device: torch.device) -> None:
    hub = Graph.of(np.zeros(64, np.int64), np.arange(1, 65), np.arange(1, 65), nodes=66)
    found, expected = mean_of(hub, resets_for(hub, 5, torch.float64, device).T.contiguous(), piece)
    assert_close(found, expected, dtype=torch.float64)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("in_place", [False, True], ids=["apart", "in place"])
def test_a_step_of_the_iteration_is_one_launch_for_rows_and_pieces(
    in_place: bool, dtype: torch.dtype, device: torch.device
) -> None:
    """Rows of one piece, rows of many, and one without entries."""
    hub = Graph.of(np.zeros(40, np.int64), np.arange(1, 41), np.arange(1, 41), nodes=42)
    x, source, before = (resets_for(hub, 9, dtype, device).T.contiguous() * scale for scale in (1.0, 0.25, 4.0))
    factors = torch.tensor([0.5, 1.25], dtype=dtype, device=device)
    mean, expected = mean_of(hub, x, 7)
    after = source.double().cpu() + 0.5 * expected
    out = before.clone() if in_place else torch.empty_like(before)
    pieces = Pieces.of(hub.indptr, hub.indices, transition(hub), x, 7)
    update(pieces, x, source, None, factors, plain := torch.empty_like(x))
    assert_close(plain, after, dtype=dtype)
    update(pieces, x, source, out if in_place else before, factors, out)
    was = before.double().cpu()
    assert_close(out, was + 1.25 * (after - was), dtype=dtype)
    assert_close(mean, expected, dtype=dtype)


def test_an_iteration_that_has_to_look_again_goes_on_where_it_was(device: torch.device) -> None:
    """One edge has most of the weight, so that the error shrinks slower than the first look expects."""
    star = Graph.of([0, 0, 0, 0, 1], [1, 2, 3, 4, 5], [1, 1, 1, 1, 100], nodes=6)
    resets = torch.eye(6, dtype=torch.float64, device=device)[-2:]
    looks = []

    def kernel(graph: Graph, like: torch.Tensor) -> Update:
        pieces = Pieces.of(graph.indptr, graph.indices, transition(graph), like)

        def counted(x: Tensor, source: Tensor, before: Tensor | None, factors: Tensor, out: Tensor) -> None:
            looks.append(before is None)
            update(pieces, x, source, before, factors, out)

        return counted

    run = Run(damping=0.9, tolerance=1e-3, backend="triton", strict=True, kernel=kernel)
    found = np.asarray(ppr_torch(star, resets, run).cpu())
    assert sum(looks) == 4  # the first step, and three looks
    assert np.abs(found - ppr(star, resets.cpu().numpy(), damping=0.9)).sum(1).max() < 1e-3


def test_warming_compiles_what_a_call_runs(device: torch.device) -> None:
    for dtype in (torch.bfloat16, torch.float64):
        warm(device, dtype)


def test_two_runs_of_the_kernel_are_bit_equal(device: torch.device) -> None:
    graph = random_graph(15, 60)
    x = resets_for(graph, 3, torch.float32, device).T.contiguous()
    assert torch.equal(mean_of(graph, x, 4)[0], mean_of(graph, x, 4)[0])


@pytest.mark.skipif(not interpreted(), reason="a sparse file is a CPU's memory")
def test_rows_beyond_two_to_the_31_numbers_are_reached(tmp_path: Path) -> None:
    """Two columns' worth of neighbours, 2^30 numbers apart."""
    columns = 2**30 + 8
    (tmp_path / "x").touch()
    x = torch.from_file(str(tmp_path / "x"), shared=True, size=3 * columns, dtype=torch.float32).view(3, columns)
    x[2, :4] = torch.arange(1.0, 5.0)
    (tmp_path / "y").touch()
    y = torch.from_file(str(tmp_path / "y"), shared=True, size=3 * columns, dtype=torch.float32).view(3, columns)
    graph = Graph.of([0], [2], nodes=3)
    pieces = Pieces.of(graph.indptr, graph.indices, transition(graph), x)
    from memkit_kernels.ppr.kernel import _sweep

    _sweep[(3, 1)](
        *pieces.first, pieces.indices, pieces.weights, x, None, None, None, y, y, 3, columns, BK=16, BM=16
    )  # fmt: skip
    assert y[0, :5].tolist() == [1.0, 2.0, 3.0, 4.0, 0.0]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("backend", ["torch", "triton"])
def test_torch_and_triton_come_to_what_numpy_does(backend: str, dtype: torch.dtype, device: torch.device) -> None:
    graph = random_graph(9, 15)
    resets = resets_for(graph, 3, dtype, device)
    with report() as ran:
        found = ppr(graph, resets, backend=backend, tolerance=None if dtype == torch.float32 else 1e-11)
    assert (found.dtype, found.device.type, found.shape) == (dtype, device.type, resets.shape)
    expected = ppr(graph, resets.double().cpu().numpy())
    assert np.abs(found.double().cpu().numpy() - expected).sum(1).max() < L1[dtype]
    assert [(call.operation, call.backend) for call in ran] == [("ppr", backend)]


@pytest.mark.parametrize("damping", [0.0, 0.5, 0.85, 0.99])
def test_torch_agrees_at_every_damping_and_for_one_reset(damping: float, device: torch.device) -> None:
    graph = random_graph(200, 500)
    reset = resets_for(graph, 1, torch.float64, device)[0]
    found = ppr(graph, reset, damping=damping, backend="torch")
    expected = ppr(graph, reset.cpu().numpy(), damping=damping)
    assert np.abs(found.cpu().numpy() - expected).sum() < 1e-9


def test_an_array_may_be_taken_through_torch() -> None:
    graph = random_graph(65, 150)
    resets = np.random.default_rng(2).random((4, 65))
    found = ppr(graph, resets, backend="torch")
    assert isinstance(found, np.ndarray)
    assert found == pytest.approx(ppr(graph, resets), abs=1e-11)


def test_no_resets_give_no_scores(device: torch.device) -> None:
    graph = random_graph(15, 30)
    for backend in ("torch", "triton"):
        assert ppr(graph, torch.ones(0, 15, device=device), backend=backend).shape == (0, 15)


def test_bad_tensors_are_refused(device: torch.device) -> None:
    graph = random_graph(5, 9)
    for reset, message in (
        (torch.ones(4, device=device), "with N = 5"),
        (torch.ones(5, device=device, dtype=torch.float16), "float32 or float64"),
        (torch.ones(5, device=device, dtype=torch.bfloat16), "float32 or float64"),
        (torch.zeros(2, 5, device=device), "no mass"),
        (torch.full((5,), torch.nan, device=device), "finite"),
        (-torch.ones(5, device=device), "not negative"),
        ([1.0] * 5, "an array or a tensor"),
    ):
        with pytest.raises(ValueError, match=message):
            ppr(graph, reset)
    with pytest.raises(ValueError, match="numpy takes an array"):
        ppr(graph, torch.ones(5, device=device), backend="numpy")
    with pytest.raises(ValueError, match=r"tolerance must be at least 4.0e-06 .* torch.float32"):
        ppr(graph, torch.ones(5, device=device), tolerance=1e-9)


def test_a_kernel_that_cannot_run_is_refused_and_not_replaced() -> None:
    with pytest.raises(BackendUnavailable, match="no support here for meta"):
        raise_for_meta()


def raise_for_meta() -> None:
    from memkit_kernels.backend import choose
    from memkit_kernels.ppr.batched import DTYPES as TAKEN

    choose("ppr", torch.empty(0, device="meta"), TAKEN, backend="triton", strict=False)


@pytest.mark.parametrize("dtype", ["fp32", "fp64"])
def test_the_kernel_compiles_for_a_gpu_that_is_not_here(
    dtype: str, built_for_gpu: Callable[..., list[dict[str, object]]]
) -> None:
    """The interpreter accepts what the compiler refuses."""
    types = dict.fromkeys(("begins", "ends", "targets"), "*i64") | {"indices": "*i32", "N": "i32", "M": "i32"}
    types |= dict.fromkeys(("weights", "x", "source", "before", "factors", "out", "parts"), f"*{dtype}")
    asked = {
        "module": "memkit_kernels.ppr.kernel", "kernel": "_sweep", "types": types,
        "constants": {"BK": 16, "BM": 64}, "warps": 2,
    }  # fmt: skip
    (built,) = built_for_gpu(asked)
    assert f"ld.global.v{4 if dtype == 'fp32' else 2}" in built["ptx"]
    assert built["spilled"] == 0
