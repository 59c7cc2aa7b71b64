"""Personalised PageRank on numpy, held to a dense solve of its definition. Needs no torch."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memkit_kernels.ppr import Graph, Sweeps, ppr, ppr_top
from memkit_kernels.ppr.ball import Ball
from memkit_kernels.ppr.graph import Floats
from memkit_kernels.ppr.reference import TIE, dense, power, ranked, top
from memkit_kernels.ppr.sweeps import restart
from memkit_kernels.reporting import report

KERNELS = Path(__file__).parents[2] / "kernels"
BACKENDS: tuple[Sweeps, ...] = ("numpy", "scipy")
DAMPINGS = st.sampled_from([0.0, 0.1, 0.5, 0.85, 0.99])
Case = tuple[Graph, Floats]


def random_graph(nodes: int, edges: int, seed: int) -> Graph:
    chance = np.random.default_rng(seed)
    rows, cols = chance.integers(0, nodes, (2, edges))
    return Graph.of(rows, cols, chance.random(edges) + 0.5, nodes=nodes)


def raw(nodes: int, edges: list[tuple[int, int, float]]) -> Graph:
    """Entries as they come, parallel edges kept."""
    both = sorted([(a, b, w) for a, b, w in edges] + [(b, a, w) for a, b, w in edges], key=lambda edge: edge[0])
    counts = np.bincount([a for a, _, _ in both], minlength=nodes)
    return Graph(
        indptr=np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        indices=np.array([b for _, b, _ in both], np.int32),
        weights=np.array([w for _, _, w in both], np.float64),
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A small graph (in parts, with lone nodes, parallel edges, equal weights or weights far apart) and a reset."""
    nodes = draw(st.integers(1, 14))
    weight = draw(
        st.sampled_from([st.just(1.0), st.sampled_from([1.0, 2.0]), st.integers(-6, 6).map(lambda e: 10.0**e)])
    )
    node = st.integers(0, nodes - 1)
    edges = draw(st.lists(st.tuples(node, node, weight), max_size=30))
    graph = raw(nodes, [edge for edge in edges if edge[0] != edge[1]])
    reset = np.zeros(nodes)
    for seed in draw(st.lists(node, min_size=1, max_size=4)):
        reset[seed] += draw(st.sampled_from([1.0, 1.0, 0.3, 7.0]))
    return graph, reset / reset.sum()


# --- the definition -----------------------------------------------------------------------------------


def test_two_nodes_are_solved_by_hand() -> None:
    """π0 = 1/2 + π1/2 and π1 = π0/2."""
    graph = Graph.of([0], [1], nodes=2)
    assert dense(graph, np.array([1.0, 0.0]), damping=0.5) == pytest.approx([2 / 3, 1 / 3])


def test_a_walk_that_cannot_go_on_begins_again_at_the_reset() -> None:
    """Node 2 is alone: half of the reset goes there, and what arrives comes back as the reset."""
    graph, reset = Graph.of([0], [1], nodes=3), np.array([0.5, 0.0, 0.5])
    scores = ppr(graph, reset)
    stepped = np.array([scores[1], scores[0], 0.0]) + scores[2] * reset
    assert scores == pytest.approx(0.5 * reset + 0.5 * stepped, abs=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
@given(case=cases(), damping=DAMPINGS)
def test_sweeps_and_power_iteration_come_to_the_dense_solution(case: Case, damping: float, backend: Sweeps) -> None:
    graph, reset = case
    exact = dense(graph, reset, damping=damping)
    found = ppr(graph, reset, damping=damping, backend=backend)
    assert np.abs(found - exact).sum() < 1e-9
    assert np.abs(power(graph, reset, damping=damping, tolerance=1e-10) - exact).sum() < 1e-9
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(1.0, abs=1e-9)


@given(cases(), DAMPINGS, st.randoms(use_true_random=False))
def test_renumbering_the_nodes_renumbers_the_scores(case: Case, damping: float, chance: object) -> None:
    graph, reset = case
    number = np.arange(graph.nodes)
    chance.shuffle(number)  # type: ignore[attr-defined]
    rows = np.repeat(np.arange(graph.nodes), np.diff(graph.indptr))
    once = rows < graph.indices
    other = Graph.of(number[rows[once]], number[graph.indices[once]], graph.weights[once], nodes=graph.nodes)
    moved = np.empty_like(reset)
    moved[number] = reset
    assert ppr(other, moved, damping=damping)[number] == pytest.approx(ppr(graph, reset, damping=damping), abs=1e-9)


def test_scores_are_linear_in_the_reset() -> None:
    graph = random_graph(40, 90, 1)  # connected or not: no node is alone below
    linked = np.flatnonzero(graph.degrees)
    one, two = np.zeros((2, 40))
    one[linked[:3]], two[linked[5:7]] = 1 / 3, 1 / 2
    mixed = ppr(graph, 0.25 * one + 0.75 * two)
    assert mixed == pytest.approx(0.25 * ppr(graph, one) + 0.75 * ppr(graph, two), abs=1e-12)


def test_walks_are_reversible() -> None:
    """π_u(v) degree(u) = π_v(u) degree(v), which the bounds of the search rest on."""
    graph = random_graph(30, 80, 2)
    linked = graph.degrees > 0
    scores = ppr(graph, np.eye(30), damping=0.85)
    flows = (scores * graph.degrees[:, None])[linked][:, linked]
    assert flows == pytest.approx(flows.T, abs=1e-10)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("count", [0, 1, 2, 3, 15])
def test_a_batch_is_its_resets_one_by_one(count: int, backend: Sweeps) -> None:
    graph, resets = random_graph(65, 150, 3), np.random.default_rng(3).random((count, 65))
    together = ppr(graph, resets, backend=backend)
    assert together.shape == (count, 65)
    for scores, reset in zip(together, resets, strict=True):
        assert scores == pytest.approx(dense(graph, reset / reset.sum(), damping=0.5), abs=1e-12)


def test_a_batch_that_is_worked_on_in_groups_is_its_resets_one_by_one() -> None:
    graph, resets = random_graph(40_000, 100_000, 3), np.random.default_rng(3).random((10, 40_000))  # 4, 4, 1, 1
    assert ppr(graph, resets) == pytest.approx(np.stack([ppr(graph, reset) for reset in resets]), abs=1e-12)


def test_a_reset_is_scaled_whatever_its_size() -> None:
    graph, reset = random_graph(20, 50, 4), np.arange(20)
    assert ppr(graph, reset * 9e306) == pytest.approx(ppr(graph, reset), abs=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_blocks_of_entries_end_where_rows_do(backend: Sweeps) -> None:
    """A hub longer than a block, before many short rows. 70,000 squared passes 2^32: pairs of nodes need int64."""
    nodes = 70_000
    graph = Graph.of(np.zeros(nodes - 1, np.int32), np.arange(1, nodes, dtype=np.int32), nodes=nodes)
    reset = np.zeros(nodes)
    reset[1] = 1.0
    scores = ppr(graph, reset, backend=backend)
    hub = 1 / 3  # h = (leaves)/2 and leaves = 1/2 + h/2
    assert scores[0] == pytest.approx(hub, abs=1e-12)
    assert scores[1:3] == pytest.approx([0.5 + hub / 2 / (nodes - 1), hub / 2 / (nodes - 1)], abs=1e-12)


# --- the best ones ------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=200)
@given(case=cases(), damping=DAMPINGS, k=st.integers(1, 20), near=st.booleans())
def test_the_best_are_those_of_the_dense_solution(
    case: Case, damping: float, k: int, near: bool, backend: Sweeps
) -> None:
    """Near the seeds only, or by the rule, which takes sweeps for small graphs."""
    graph, reset = case
    exact = dense(graph, reset, damping=damping)
    seeds = np.flatnonzero(reset)
    found = ppr_top(graph, seeds, reset[seeds], k, damping=damping, limit=10**6 if near else None, backend=backend)
    assert np.abs(found.scores - exact[found.nodes]).max(initial=0.0) <= found.bound + 1e-12
    if found.certain:
        assert set(found.nodes.tolist()) == set(top(exact, k).tolist())
    assert near or found.certain


@settings(max_examples=300)
@given(cases(), DAMPINGS, st.sampled_from([1.0, 0.1, 1e-2, 1e-4]), st.integers(0, 40), st.integers(1, 3))
def test_the_bounds_of_every_node_hold_wherever_the_ball_stops(
    case: Case, damping: float, threshold: float, limit: int, times: int
) -> None:
    graph, reset = case
    seeds = np.flatnonzero((reset > 0) & (graph.degrees > 0))
    lone = float(reset[graph.degrees == 0].sum())
    source = float(restart(lone, damping)) * reset[seeds] / graph.degrees[seeds]
    exact = dense(graph, reset, damping=damping)
    place = np.zeros(graph.nodes, np.int32)
    ball = Ball(graph, place, seeds, source, damping)
    for again in range(times):
        ball.grow(threshold * float(source.max(initial=0.0)) / 4**again, limit)
        bounds = ball.solve()
        met = bounds.nodes
        # In x = score / degree, as they are made: there rounding is 1e-16 of the largest.
        rounding = 1e-13 * float(source.max(initial=0.0)) * graph.degrees / (1 - damping)
        assert (bounds.low <= exact[met] + rounding[met]).all()
        assert (exact[met] <= bounds.high + rounding[met]).all()
        others = (place == 0) & (graph.degrees > 0)
        assert (exact[others] <= bounds.beyond * graph.degrees[others] + rounding[others]).all()
        assert ball.read <= limit
    ball.close()
    assert not place.any()


@given(cases(), st.integers(1, 5), st.data())
def test_a_mask_admits_nodes_to_the_list_and_not_to_the_walk(case: Case, k: int, data: st.DataObject) -> None:
    graph, reset = case
    among = np.array(data.draw(st.lists(st.booleans(), min_size=graph.nodes, max_size=graph.nodes)), bool)
    exact = np.where(among, dense(graph, reset, damping=0.5), 0.0)
    seeds = np.flatnonzero(reset)
    assert set(ppr_top(graph, seeds, reset[seeds], k, among=among).nodes) == set(top(exact, k))


@pytest.mark.parametrize("damping", [0.5, 0.85])
@pytest.mark.parametrize("power_law", [False, True], ids=["even", "hubs"])
def test_the_top_20_of_a_large_graph_is_the_exact_one(damping: float, power_law: bool) -> None:
    chance, nodes = np.random.default_rng(5), 20_000
    ends = chance.random((2, 5 * nodes))
    rows, cols = (nodes * ends ** (3.3 if power_law else 1.0)).astype(np.int64)
    graph = Graph.of(rows, cols, chance.random(5 * nodes) + 0.5, nodes=nodes)
    for _ in range(8):
        seeds, mass = chance.choice(np.flatnonzero(graph.degrees), 5, replace=False), chance.random(5)
        reset = np.zeros(nodes)
        reset[seeds] = mass
        exact = ppr(graph, reset, damping=damping)
        found = ppr_top(graph, seeds, mass, damping=damping)
        assert found.certain
        assert sorted(found.nodes) == sorted(top(exact, 20))
        assert np.abs(found.scores - exact[found.nodes]).max() <= found.bound


def test_a_search_near_the_seeds_reads_as_much_in_a_larger_graph() -> None:
    read = []
    for nodes in (20_000, 200_000):
        graph, entries = random_graph(nodes, 5 * nodes, 6), []
        for seed in range(12):
            found = ppr_top(graph, np.arange(5) + 100 * seed, np.ones(5))
            entries.append(found.entries)
        read.append(np.median(entries))
    assert read[1] < 2 * read[0]
    assert read[1] < graph.entries / 100


def test_equal_scores_are_settled_by_the_lower_node_without_reading_on() -> None:
    """Thirty leaves of one seed in a large graph: no bound separates them, but each could be another."""
    nodes = 50_000
    chance = np.random.default_rng(7)
    rows, cols = chance.integers(100, nodes, (2, 5 * nodes))
    leaves = np.arange(40, 70)
    graph = Graph.of(
        np.concatenate((rows, np.zeros(30, np.int64), [0, 0])),
        np.concatenate((cols, leaves[::-1], [200, 300])),
        nodes=nodes,
    )
    found = ppr_top(graph, [0], [1.0], 10)
    assert found.how == "near the seeds"
    assert found.certain
    assert set(found.nodes) == {0, *top_of_star(graph)}


def top_of_star(graph: Graph) -> list[int]:
    reset = np.zeros(graph.nodes)
    reset[0] = 1.0
    return [int(node) for node in top(ppr(graph, reset), 10) if node]


def test_of_two_that_stand_alike_in_a_small_part_of_a_large_graph_the_lower_is_taken() -> None:
    """5 - 3 - 1 - 2 - 4, seed 1: 2 and 3 have equal scores and different neighbours."""
    chance = np.random.default_rng(8)
    rows, cols = chance.integers(10, 50_000, (2, 100_000))
    graph = Graph.of(np.concatenate((rows, [5, 3, 1, 2])), np.concatenate((cols, [3, 1, 2, 4])), nodes=50_000)
    assert ppr_top(graph, [1], [1.0], 2).nodes.tolist() == [1, 2]
    assert ppr_top(graph, [1], [1.0], 4).nodes.tolist() == [1, 2, 3, 4]
    assert ppr_top(graph, [1], [1.0], 9).nodes.tolist() == [1, 2, 3, 4, 5]  # nobody else is reached


def test_a_node_that_scores_next_to_nothing_takes_no_place_from_one_that_scores_little_more() -> None:
    """2 scores 1.5e-9 and 1 scores 0.7e-9: within 1e-9 of each other, but 1 is not listed at all."""
    graph = Graph.of([0, 0, 0], [3, 1, 2], [1.0, 3e-9, 6e-9], nodes=4)
    exact = dense(graph, np.array([1.0, 0.0, 0.0, 0.0]), damping=0.5)
    assert exact[1] < TIE < exact[2] < exact[1] + TIE
    for limit in (None, 10**6):
        assert ppr_top(graph, [0], [1.0], 3, limit=limit).nodes.tolist() == [0, 3, 2]


def test_dense_seeds_go_by_sweeps_at_once() -> None:
    """A reset on every passage, as HippoRAG 2 has it."""
    graph = random_graph(3000, 15_000, 9)
    found = ppr_top(graph, np.arange(3000), np.random.default_rng(9).random(3000))
    assert found.how == "sweeps"
    assert found.entries <= 20 * graph.entries


def test_a_limit_is_kept_and_what_is_not_proven_is_not_called_certain() -> None:
    graph = random_graph(20_000, 100_000, 10)
    little = ppr_top(graph, np.arange(5), np.ones(5), limit=300)
    assert little.entries <= 300
    assert not little.certain
    assert len(little.nodes) == 20
    none = ppr_top(graph, np.arange(5), np.ones(5), limit=0)
    assert (none.nodes.tolist(), none.entries, none.certain) == ([0, 1, 2, 3, 4], 0, False)


def test_seeds_without_neighbours_keep_what_they_have() -> None:
    graph = Graph.of([0, 1], [1, 2], nodes=5)
    found = ppr_top(graph, [4, 3], [3.0, 1.0], 9)
    assert found.nodes.tolist() == [4, 3]
    assert found.scores == pytest.approx([0.75, 0.25])


def test_a_seed_given_twice_has_the_sum_and_one_without_mass_is_none() -> None:
    graph = random_graph(30, 60, 11)
    twice, once = ppr_top(graph, [3, 7, 3, 9], [1, 2, 1, 0], 5), ppr_top(graph, [7, 3], [1, 1], 5)
    assert twice.nodes.tolist() == once.nodes.tolist()
    assert twice.scores == pytest.approx(once.scores, abs=1e-12)


def test_a_chain_of_close_scores_is_ranked_group_by_group() -> None:
    scores = 0.5 - TIE * np.array([0.0, 0.6, 1.2, 1.8, 5.0])
    assert ranked(np.array([9, 8, 3, 2, 1]), scores).tolist() == [1, 0, 3, 2, 4]


# --- running ------------------------------------------------------------------------------------------


def test_two_runs_are_bit_equal_and_work_arrays_come_back_zeroed() -> None:
    graph = random_graph(20_000, 100_000, 12)
    first, second = (ppr_top(graph, np.arange(5), np.ones(5)) for _ in range(2))
    assert (first.nodes == second.nodes).all()
    assert (first.scores == second.scores).all()
    assert len(graph.spare) == 1
    assert not graph.spare[0].any()


def test_threads_share_a_graph() -> None:
    graph = random_graph(20_000, 100_000, 13)
    seeds = [np.arange(5) + 50 * i for i in range(24)]
    alone = [ppr_top(graph, s, np.ones(5)).nodes.tolist() for s in seeds]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda s: ppr_top(graph, s, np.ones(5)).nodes.tolist(), seeds)) == alone
    assert not any(work.any() for work in graph.spare)


def run_alone(code: str) -> str:
    """What it prints in a fresh interpreter that has `ppr`, `ppr_top`, `Graph` and a chain of three."""
    before = (
        f"import sys; sys.path.insert(0, {str(KERNELS)!r})\n"
        "import numpy as np\n"
        "from memkit_kernels import ppr\n"
        "from memkit_kernels.ppr import BackendUnavailable, Graph, ppr_top\n"
        "from memkit_kernels.reporting import report\n"
        "chain = Graph.of([0, 1], [1, 2], nodes=3).grown([0], [3], [1.0], nodes=4)\n"
    )
    command = [sys.executable, "-c", before + code]
    return subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ}).stdout


def test_the_import_loads_numpy_alone_and_no_search_loads_torch() -> None:
    heavy = "print({'torch', 'triton', 'scipy'} & set(sys.modules))"
    assert run_alone(heavy) == "set()\n"
    assert run_alone(f"ppr(chain, np.ones(4)); ppr_top(chain, [0], [1.0]); {heavy}") == "{'scipy'}\n"
    assert run_alone(f"ppr(chain, np.ones(4), backend='numpy'); {heavy}") == "set()\n"


def test_without_scipy_numpy_does_it_and_the_report_says_so() -> None:
    code = (
        "sys.modules['scipy'] = None\n"
        "with report() as ran:\n"
        "    ppr(chain, np.ones(4)); found = ppr_top(chain, [0], [1.0], 2)\n"
        "for call in ran: print(call.operation, call.backend, call.reason)\n"
        "print(found.nodes.tolist())\n"
        "for ask in (lambda: ppr(chain, np.ones(4), backend='scipy'), lambda: ppr_top(chain, [0], [1.0], backend='scipy')):\n"
        "    try: ask()\n"
        "    except BackendUnavailable as error: print(error)\n"
    )
    missing = 'scipy is not installed; pip install scipy, or pass backend="numpy"'
    assert run_alone(code).splitlines() == [
        "ppr numpy scipy is not installed",
        "ppr_top numpy sweeps, scipy is not installed",
        "[0, 1]",
        missing,
        missing,
    ]


def test_the_report_says_what_ran() -> None:
    small, large = random_graph(20, 40, 14), random_graph(20_000, 100_000, 14)
    with report() as ran:
        ppr(small, np.ones(20))
        ppr(small, np.ones(20), backend="numpy")
        ppr_top(small, [0], [1.0])
        ppr_top(small, [0], [1.0], backend="numpy")
        ppr_top(large, [0], [1.0], 3)
    assert [(call.operation, call.backend, call.reason) for call in ran] == [
        ("ppr", "scipy", "an array"),
        ("ppr", "numpy", "asked for"),
        ("ppr_top", "scipy", "sweeps"),
        ("ppr_top", "numpy", "sweeps, asked for"),
        ("ppr_top", "numpy", "near the seeds"),
    ]


# --- what is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_a_reset_that_is_no_distribution_is_refused(value: float) -> None:
    graph = Graph.of([0], [1], nodes=2)
    with pytest.raises(ValueError, match="finite and not negative"):
        ppr(graph, np.array([1.0, value]))
    with pytest.raises(ValueError, match="finite and not negative"):
        ppr_top(graph, [0, 1], [1.0, value])
    with pytest.raises(ValueError, match="no mass"):
        ppr(graph, np.array([[1.0, 1.0], [0.0, 0.0]]))


def test_other_bad_arguments_are_refused() -> None:
    graph, reset = Graph.of([0], [1], nodes=2), np.ones(2)
    for damping in (-0.1, 1.0, np.nan):
        with pytest.raises(ValueError, match="damping"):
            ppr(graph, reset, damping=damping)
    with pytest.raises(ValueError, match="with N = 2"):
        ppr(graph, np.ones(3))
    with pytest.raises(ValueError, match="tolerance must be at least"):
        ppr(graph, reset, tolerance=1e-20)
    with pytest.raises(ValueError, match="backend must be one of"):
        ppr(graph, reset, backend="cuda")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="backend must be one of"):
        ppr_top(graph, [0], [1.0], backend="torch")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="scipy takes an array, not list"):
        ppr(graph, [1.0, 1.0], backend="scipy")  # type: ignore[arg-type]
    for seeds, mass, options, message in (
        ([2], [1.0], {}, "seeds must be nodes"),
        ([-1], [1.0], {}, "seeds must be nodes"),
        ([0.5], [1.0], {}, "seeds must be nodes"),
        ([0], [1.0, 2.0], {}, "one length"),
        ([0], [1.0], {"k": 0}, "k must be"),
        ([0], [1.0], {"limit": -1}, "limit"),
        ([0], [1.0], {"among": np.ones(3, bool)}, "among"),
    ):
        with pytest.raises(ValueError, match=message):
            ppr_top(graph, seeds, mass, **options)
