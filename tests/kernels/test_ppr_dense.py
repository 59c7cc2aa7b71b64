"""The best nodes for a reset on many nodes, as HippoRAG 2 has it on every passage."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memkit_kernels.ppr import Graph, Sweeps, Top, ppr, ppr_top
from memkit_kernels.ppr.compiled import Compiled
from memkit_kernels.ppr.graph import Floats
from memkit_kernels.ppr.product import Blocks
from memkit_kernels.ppr.reference import dense, top

BACKENDS: tuple[Sweeps, ...] = ("numpy", "scipy")
DAMPINGS = st.sampled_from([0.0, 0.3, 0.5, 0.85, 0.99])


def passages_graph(passages: int, seed: int) -> tuple[Graph, np.ndarray]:
    """Ten nodes to a passage: names of its own, names that many have, facts between them; and which are passages.

    A hundredth of the passages name nothing.
    """
    chance = np.random.default_rng(seed)
    names = 9 * passages
    own = np.arange(names).reshape(passages, 9)
    inside = np.concatenate((own, (names * chance.random((passages, 3)) ** 4).astype(np.int64)), axis=1)
    subject, thing = chance.integers(0, 12, (2, passages, 9))
    facts = np.take_along_axis(inside, subject, 1).ravel(), np.take_along_axis(inside, thing, 1).ravel()
    speaking = chance.random(passages) > 0.01
    linked = np.repeat(np.arange(names, names + passages)[speaking], 12), inside[speaking].ravel()
    graph = Graph.of(
        np.concatenate((linked[0], facts[0])),
        np.concatenate((linked[1], facts[1])),
        np.concatenate((np.ones(len(linked[0])), np.full(len(facts[0]), 2.0))),
        nodes=names + passages,
    )
    return graph, np.arange(graph.nodes) >= names


def reset_for(among: np.ndarray, chance: np.random.Generator, rounded: int | None = None) -> Floats:
    """Five names and every passage by its score of 0 to 1, the best with 0.05."""
    reset = np.zeros(len(among))
    scores = chance.random(int(among.sum()))
    reset[among] = 0.05 * (scores if rounded is None else np.round(scores, rounded))
    reset[chance.choice(np.flatnonzero(~among), 5)] += chance.random(5)
    return reset / reset.sum()


def asked(graph: Graph, reset: Floats, k: int, among: np.ndarray | None, **options: object) -> Top:
    seeds = np.flatnonzero(reset)
    return ppr_top(graph, seeds, reset[seeds], k, among=among, **options)  # type: ignore[arg-type]


def listed(scores: Floats, among: np.ndarray | None, k: int) -> set[int]:
    return set(top(scores if among is None else np.where(among, scores, 0.0), k).tolist())


@st.composite
def dense_cases(draw: st.DrawFn) -> tuple[Graph, Floats, np.ndarray | None]:
    """Up to 30 nodes in parts and alone, with few different weights, so that scores are often equal; most have mass."""
    nodes = draw(st.integers(1, 30))
    chance = np.random.default_rng(draw(st.integers(0, 10**6)))
    rows, cols = chance.integers(0, max(1, nodes - draw(st.integers(0, 3))), (2, draw(st.integers(0, 60))))
    graph = Graph.of(
        rows, cols, chance.choice(draw(st.sampled_from([[1.0], [1.0, 2.0], [0.01, 90.0]])), len(rows)), nodes=nodes
    )
    reset = chance.choice(draw(st.sampled_from([[1.0], [1.0, 0.0, 3.0], chance.random(9).tolist()])), nodes)
    reset[draw(st.integers(0, nodes - 1))] += 1.0
    among = draw(st.sampled_from([None, chance.random(nodes) < 0.5, np.ones(nodes, bool), np.zeros(nodes, bool)]))
    return graph, reset / reset.sum(), among


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=300)
@given(case=dense_cases(), damping=DAMPINGS, k=st.integers(1, 12))
def test_the_best_for_a_dense_reset_are_those_of_the_dense_solution(
    case: tuple[Graph, Floats, np.ndarray | None], damping: float, k: int, backend: Sweeps
) -> None:
    graph, reset, among = case
    exact = dense(graph, reset, damping=damping)
    found = asked(graph, reset, k, among, damping=damping, backend=backend)
    assert found.certain
    assert set(found.nodes.tolist()) == listed(exact, among, k)
    assert np.abs(found.scores - exact[found.nodes]).max(initial=0.0) <= found.bound + 1e-12


@pytest.mark.parametrize("damping", [0.5, 0.85])
@pytest.mark.parametrize("k", [1, 5, 20, 200])
def test_the_best_passages_are_the_exact_ones(k: int, damping: float) -> None:
    for seed in range(6):
        graph, among = passages_graph(120 + 40 * seed, seed)
        reset = reset_for(among, np.random.default_rng(seed))
        exact = ppr(graph, reset, damping=damping)
        for mask in (among, None):
            found = asked(graph, reset, k, mask, damping=damping)
            assert (found.certain, found.how) == (True, "sweeps")
            assert set(found.nodes.tolist()) == listed(exact, mask, k)
            assert np.abs(found.scores - exact[found.nodes]).max() <= found.bound + 1e-12


def test_passages_of_equal_score_are_settled_by_the_lower_one() -> None:
    """Sixty passages that name the same three things, with the same reset."""
    chance = np.random.default_rng(1)
    alike = np.repeat(np.arange(100, 160), 3), np.tile([1, 2, 3], 60)
    others = np.arange(160, 400), chance.integers(4, 100, 240)
    graph = Graph.of(np.concatenate((alike[0], others[0])), np.concatenate((alike[1], others[1])), nodes=400)
    among = np.arange(400) >= 100
    reset = np.where(among, 0.01, 0.0)
    reset[[1, 2, 3]] = 1.0
    found = asked(graph, reset, 20, among)
    assert sorted(found.nodes) == list(range(100, 120))
    assert found.certain


def test_scores_that_are_seldom_different_are_ranked_exactly() -> None:
    """Masses of one digit, names of one passage: many passages have equal scores, and many nearly equal ones."""
    for seed in range(8):
        graph, among = passages_graph(150, 50 + seed)
        reset = reset_for(among, np.random.default_rng(seed), rounded=1)
        exact = dense(graph, reset, damping=0.5)
        for k in (3, 17, 90):
            assert set(asked(graph, reset, k, among).nodes.tolist()) == listed(exact, among, k)


def test_passages_that_name_nothing_keep_what_the_reset_gives_them() -> None:
    graph, among = passages_graph(300, 4)
    alone = np.flatnonzero(among & (graph.degrees == 0))
    assert len(alone)
    reset = reset_for(among, np.random.default_rng(4))
    reset[alone[0]] += 0.5
    reset /= reset.sum()
    found = asked(graph, reset, 3, among)
    assert found.nodes[0] == alone[0]
    assert found.scores[0] == pytest.approx(0.5 * reset[alone[0]] / (1 - 0.5 * reset[alone].sum()), abs=1e-12)


def test_hubs_do_not_make_a_dense_reset_uncertain() -> None:
    chance, nodes = np.random.default_rng(5), 20_000
    rows, cols = (nodes * chance.random((2, 5 * nodes)) ** 3.3).astype(np.int64)
    graph = Graph.of(rows, cols, chance.random(5 * nodes) + 0.5, nodes=nodes)
    among = chance.random(nodes) < 0.1
    for _ in range(4):
        reset = reset_for(among, chance)
        exact = ppr(graph, reset)
        for mask in (among, None):
            found = asked(graph, reset, 20, mask)
            assert found.certain
            assert set(found.nodes.tolist()) == listed(exact, mask, 20)


def test_seeds_may_come_in_any_order_and_more_than_once() -> None:
    graph, among = passages_graph(60, 6)
    reset = reset_for(among, np.random.default_rng(6))
    seeds = np.flatnonzero(reset)
    twice = np.concatenate((seeds[::-1], seeds))
    found, expected = ppr_top(graph, twice, reset[twice] / 2, 9), asked(graph, reset, 9, None)
    assert found.nodes.tolist() == expected.nodes.tolist()
    assert found.scores == pytest.approx(expected.scores, abs=2 * found.bound + 1e-12)


def test_threads_share_what_a_graph_keeps_for_its_sweeps() -> None:
    graph, among = passages_graph(400, 7)
    resets = [reset_for(among, np.random.default_rng(seed)) for seed in range(24)]
    with ThreadPoolExecutor(8) as pool:  # begun on a graph that keeps nothing yet
        together = list(pool.map(lambda reset: asked(graph, reset, 20, among), resets))
    for found, reset in zip(together, resets, strict=True):
        alone = asked(graph, reset, 20, among)
        assert (found.nodes == alone.nodes).all()
        assert (found.scores == alone.scores).all()


def test_scipy_reads_the_graphs_own_arrays() -> None:
    graph, _ = passages_graph(50, 9)
    matrix = Compiled.of(graph).matrix
    assert np.shares_memory(matrix.data, graph.weights)
    assert np.shares_memory(matrix.indices, graph.indices)
    assert Compiled.of(graph).matrix is matrix


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
def test_both_products_are_that_of_the_full_matrix(dtype: type) -> None:
    made, _ = passages_graph(40, 10)
    graph = Graph(indptr=made.indptr, indices=made.indices, weights=made.weights.astype(dtype))
    full = np.zeros((graph.nodes, graph.nodes))
    full[np.repeat(np.arange(graph.nodes), np.diff(graph.indptr)), graph.indices] = graph.weights
    for x in (np.random.default_rng(1).random(graph.nodes), np.random.default_rng(1).random((graph.nodes, 5))):
        for product in (Blocks.of(graph), Compiled.of(graph)):
            sums = product.sums(x)
            assert sums.dtype == np.float64
            assert sums == pytest.approx(full @ x, rel=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_sweeps_stop_when_the_best_passages_are_proven(backend: Sweeps) -> None:
    """To 1e-9 it takes about sixteen."""
    graph, among = passages_graph(500, 8)
    for seed in range(5):
        found = asked(graph, reset_for(among, np.random.default_rng(seed)), 20, among, backend=backend)
        assert found.entries <= 12 * graph.entries
