"""boundary_refine's definition and contract, held to adjacency matrices and the metrics as they are defined."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from memkit_kernels import boundary_refine
from memkit_kernels.boundary_refine import Metric, boundary_refine_reference
from memkit_kernels.boundary_refine.reference import score, split

METRICS: list[Metric] = ["modularity", "conductance"]
SMALLEST = 1e-12

Graph = np.ndarray  # the weights of all pairs


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def modularity(graph: Graph, side: np.ndarray) -> float:
    """1 / 4m times the sum of (A_ij - k_i k_j / 2m) over pairs on one side, 2m the sum of A."""
    twice_m, strength = graph.sum(), graph.sum(1)
    expected = np.outer(strength, strength) / twice_m
    together = side[:, None] == side
    return float(((graph - expected) * together).sum() / (2 * twice_m))


def conductance(graph: Graph, side: np.ndarray) -> float:
    """The smaller one of both sides' cut / min(weight inside, all other weight)."""
    found = []
    for one in (side, ~side):
        cut, inside = graph[one][:, ~one].sum(), graph[one][:, one].sum()
        volume = min(inside, graph.sum() - inside)
        found.append(float(cut / (volume if abs(volume) >= SMALLEST else SMALLEST)))
    return min(found)


def pairs(window: Tensor, self_loops: bool) -> Graph:
    graph: Graph = (window.double() @ window.double().T).numpy()
    if not self_loops:
        np.fill_diagonal(graph, 0.0)
    return graph


def by_hand(
    keys: Tensor, boundaries: list[int], metric: Metric, min_size: int = 1, self_loops: bool = True
) -> list[int]:
    """The refinement of one sequence `[T, D]`, with the matrix of all pairs."""
    refined: list[int] = []
    for beta in boundaries:
        alpha = refined[-1] if refined else 0
        half = (beta - alpha) // 2
        start, end = max(alpha - half, 0), min(beta + half, len(keys))
        graph = pairs(keys[start:end], self_loops)
        best, where = -np.inf, beta
        for t in range(alpha + min_size, beta + 1 if alpha + min_size < beta else 0):
            side = np.arange(start, end) < t
            value = modularity(graph, side) if metric == "modularity" else -conductance(graph, side)
            if value > best + 1e-14:
                best, where = value, t
        refined.append(where)
    return refined


@pytest.mark.parametrize("self_loops", [True, False], ids=["loops", "no loops"])
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("tokens", "features", "min_size"), [(63, 5, 1), (65, 3, 4), (40, 2, 2), (100, 15, 1)])
def test_it_is_what_the_matrix_of_all_pairs_gives(
    tokens: int, features: int, min_size: int, metric: Metric, self_loops: bool
) -> None:
    for seed in range(2):
        keys = normal(tokens, features, seed=seed) + 0.3 * seed
        chance = torch.rand(tokens, generator=torch.Generator().manual_seed(seed))
        boundaries = (chance < 0.15).nonzero()[:, 0]
        found = boundary_refine(keys, boundaries, metric=metric, min_size=min_size, self_loops=self_loops)
        assert found.tolist() == by_hand(keys, boundaries.tolist(), metric, min_size, self_loops)


@pytest.mark.parametrize("self_loops", [True, False], ids=["loops", "no loops"])
def test_dot_products_of_sums_are_the_metrics_as_defined(self_loops: bool) -> None:
    window = normal(12, 4)
    graph = pairs(window, self_loops)
    for t in range(1, 12):
        side = np.arange(12) < t
        a, b = window[:t].sum(0), window[t:].sum(0)
        loops = [(part * part).sum() * (not self_loops) for part in (window[:t], window[t:])]
        parts = (a @ a - loops[0], b @ b - loops[1], a @ b)
        assert float(score(*parts, "modularity")) == pytest.approx(modularity(graph, side), abs=1e-12)
        assert -float(score(*parts, "conductance")) == pytest.approx(conductance(graph, side), abs=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_planted_events_are_found_from_boundaries_that_come_late(metric: Metric) -> None:
    true = torch.tensor([20, 41, 60, 83])
    event = torch.bucketize(torch.arange(100), true, right=True)
    keys = torch.eye(5)[event] + 0.01 * normal(100, 5)
    late = true + torch.tensor([3, 0, 5, 2])
    assert boundary_refine(keys, late, metric=metric).tolist() == true.tolist()


@pytest.mark.parametrize("metric", METRICS)
def test_there_are_as_many_boundaries_rising_and_none_is_later(metric: Metric) -> None:
    keys, boundaries = normal(200, 3), torch.arange(0, 200, 7, dtype=torch.int32)
    refined = boundary_refine(keys, boundaries, metric=metric, min_size=3)
    assert (refined.dtype, refined.shape) == (torch.int64, boundaries.shape)
    assert (refined.diff() > 0).all()
    assert (refined <= boundaries).all()


def test_an_event_not_longer_than_min_size_keeps_its_boundary() -> None:
    keys = normal(30, 4)
    assert boundary_refine(keys, torch.tensor([0, 5, 9, 14]), min_size=5).tolist() == [0, 5, 9, 14]
    assert boundary_refine(keys, torch.tensor([1, 2, 3]), min_size=1).tolist() == [1, 2, 3]


def test_of_equal_candidates_the_first_is_taken() -> None:
    """Equal keys: every split has modularity 0."""
    assert boundary_refine(torch.ones(20, 3), torch.tensor([8, 15]), min_size=2).tolist() == [2, 4]


def test_where_nothing_can_be_compared_the_boundary_stays() -> None:
    assert boundary_refine(torch.zeros(20, 3), torch.tensor([8])).tolist() == [8]
    assert boundary_refine(torch.zeros(20, 3), torch.tensor([8]), metric="conductance").tolist() == [1]  # all have 0
    for metric in METRICS:
        for spoiled in (torch.nan, torch.inf):
            keys = normal(90, 4)
            plain = boundary_refine(keys, torch.tensor([10, 20, 30, 40, 70, 80]), metric=metric)
            keys[58] = spoiled
            refined = boundary_refine(keys, torch.tensor([10, 20, 30, 40, 70, 80]), metric=metric)
            assert refined[:4].tolist() == plain[:4].tolist()
            assert refined[4] == 70


def test_rows_of_a_batch_are_refined_each_for_itself() -> None:
    keys = normal(3, 50, 4)
    boundaries = torch.tensor([[10, 20, 30, 45], [49, -1, -1, -1], [3, 9, -7, -1]])
    refined = boundary_refine(keys, boundaries, min_size=2)
    for row, count in enumerate((4, 1, 2)):
        assert refined[row, :count].tolist() == by_hand(keys[row], boundaries[row, :count].tolist(), "modularity", 2)
        assert refined[row, count:].tolist() == [-1] * (4 - count)


@pytest.mark.parametrize("metric", METRICS)
def test_packed_sequences_are_refined_each_for_itself(metric: Metric) -> None:
    """An empty one too, one without a boundary, and one that begins with one."""
    lengths, boundaries = [30, 0, 1, 25, 12], [[7, 20], [], [], [0, 9, 24], [6]]
    keys = normal(sum(lengths), 3)
    starts = [sum(lengths[:n]) for n in range(6)]
    packed = [starts[n] + boundary for n, own in enumerate(boundaries) for boundary in own]
    refined = boundary_refine(
        keys, torch.tensor([*packed, -1, -1]), metric=metric, cu_seqlens=torch.tensor(starts, dtype=torch.int32)
    )
    alone = [
        starts[n] + boundary
        for n, own in enumerate(boundaries)
        for boundary in by_hand(keys[starts[n] : starts[n + 1]], own, metric)
    ]
    assert refined.tolist() == [*alone, -1, -1]


def test_nothing_to_refine_is_an_ordinary_case() -> None:
    empty = torch.zeros(0, dtype=torch.int64)
    assert boundary_refine(torch.ones(0, 3), empty).shape == (0,)
    assert boundary_refine(torch.ones(5, 3), empty).shape == (0,)
    assert boundary_refine(torch.ones(0, 3), empty, cu_seqlens=torch.tensor([0])).shape == (0,)
    assert boundary_refine(torch.ones(0, 3), torch.tensor([-1]), cu_seqlens=torch.tensor([0, 0])).tolist() == [-1]
    assert boundary_refine(torch.ones(0, 5, 3), torch.ones(0, 2, dtype=torch.int64)).shape == (0, 2)
    assert boundary_refine(torch.ones(2, 5, 3), torch.ones(2, 0, dtype=torch.int64)).shape == (2, 0)


def test_what_a_gpu_gives_for_boundaries_out_of_order_is_minus_one_from_there_on() -> None:
    """The dispatch raises on a CPU; the definition says what a GPU does."""

    def refined(boundaries: list[int], cu_seqlens: list[int] | None = None) -> list[int]:
        packed = None if cu_seqlens is None else torch.tensor(cu_seqlens)
        given = torch.tensor([boundaries])
        found: list[int] = boundary_refine_reference(torch.ones(1, 9, 2), given, packed, "modularity", 9, True)[
            0
        ].tolist()
        return found

    assert refined([2, 5, 5, 7]) == [2, 5, -1, -1]
    assert refined([2, 9, 3]) == [2, -1, -1]
    assert refined([2, -1, 3]) == [2, -1, -1]
    assert refined([2, 5], [0, 4, 9]) == [2, 5]
    for broken in ([0, 4, 8], [1, 9], [0, 9, 4, 9], [0], [0, 2**40]):
        assert refined([2, 5], broken) == [-1, -1]


def test_no_matrix_of_all_pairs_is_needed() -> None:
    """A window of 30,000 tokens, whose matrix would have 900 million numbers."""
    keys = torch.eye(2)[(torch.arange(30_000) >= 9_000).long()]
    assert split(keys, 0, 15_000, "conductance", 1, True) == 9_000


GOOD = {"keys": torch.ones(9, 2), "boundaries": torch.tensor([3, 5])}
BAD: list[tuple[str, dict[str, object], str]] = [
    ("one axis", {"keys": torch.ones(9)}, r"keys must be \[T, D\] or \[B, T, D\].*not \[9\]"),
    ("integer keys", {"keys": torch.ones(9, 2, dtype=torch.int32)}, "float64, not .* of torch.int32"),
    ("no features", {"keys": torch.ones(9, 0)}, "D of at least 1"),
    (
        "one list for two rows",
        {"keys": torch.ones(2, 9, 2)},
        r"boundaries must be .* \[2, 'M'\].*not torch.int64 \[2\]",
    ),
    ("boundaries as floats", {"boundaries": torch.ones(2)}, "int32 or int64.*torch.float32"),
    ("flags", {"boundaries": torch.ones(9, dtype=torch.bool)}, "int32 or int64.*torch.bool"),
    (
        "out of order",
        {"boundaries": torch.tensor([5, 3])},
        "boundaries must rise, from 0 to T - 1 = 8.*3 at 1 does not",
    ),
    ("twice the same", {"boundaries": torch.tensor([5, 5])}, "5 at 1 does not"),
    ("beyond the tokens", {"boundaries": torch.tensor([5, 9])}, "9 at 1 does not"),
    ("a hole in the list", {"boundaries": torch.tensor([-1, 3])}, "3 at 1 does not"),
    ("another metric", {"metric": "cut"}, "metric must be one of .*'cut'"),
    ("no tokens an event", {"min_size": 0}, "min_size must be an integer of at least 1, not 0"),
    ("half a token an event", {"min_size": 1.5}, "min_size must be an integer of at least 1, not 1.5"),
    ("another backend", {"backend": "cuda"}, "backend must be one of .*'cuda'"),
    ("another device", {"boundaries": torch.ones(2, dtype=torch.int64, device="meta")}, "boundaries must be on cpu"),
    ("lengths that fall", {"cu_seqlens": torch.tensor([0, 6, 4, 9])}, r"rise from 0 to T = 9, not \[0, 6, 4, 9\]"),
    ("lengths that end early", {"cu_seqlens": torch.tensor([0, 6])}, "rise from 0 to T = 9"),
    ("no lengths", {"cu_seqlens": torch.zeros(0, dtype=torch.int64)}, r"cu_seqlens must be .* \[N \+ 1\]"),
    ("lengths as floats", {"cu_seqlens": torch.tensor([0.0, 9.0])}, "cu_seqlens must be int32 or int64.*float32"),
    (
        "lengths elsewhere",
        {"cu_seqlens": torch.zeros(2, dtype=torch.int64, device="meta")},
        "cu_seqlens must be on cpu",
    ),
    (
        "lengths of a batch",
        {"keys": torch.ones(1, 9, 2), "boundaries": torch.tensor([[3]]), "cu_seqlens": torch.tensor([0, 9])},
        r"with cu_seqlens, keys must be \[T, D\], not \[1, 9, 2\]",
    ),
]


@pytest.mark.parametrize(("change", "message"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_bad_input_is_refused(change: dict[str, object], message: str) -> None:
    call: Callable[..., object] = boundary_refine
    with pytest.raises(ValueError, match=message):
        call(**{**GOOD, **change})
