"""The graph that PageRank walks on: made of edges, checked, and grown by more."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memkit_kernels.ppr import Graph, ppr, ppr_top

ONE = 2**20  # weights are counted in parts of 2^-20
Edge = tuple[int, int, int]


def of(edges: list[Edge], nodes: int) -> Graph:
    rows, cols, parts = (np.array(part, np.int64) for part in zip(*edges, strict=True)) if edges else ([], [], [])
    return Graph.of(rows, cols, np.asarray(parts) / ONE, nodes=nodes)


def same(one: Graph, other: Graph) -> bool:
    """Bit for bit, and of the same types."""
    return all(
        getattr(one, name).dtype == getattr(other, name).dtype
        and np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("indptr", "indices", "weights", "degrees", "heaviest")
    )


def raw(nodes: int, edges: list[tuple[int, int, float]], dtype: type = np.float64) -> Graph:
    """Entries as they come, parallel edges kept."""
    both = sorted([(a, b, w) for a, b, w in edges] + [(b, a, w) for a, b, w in edges], key=lambda edge: edge[0])
    counts = np.bincount([a for a, _, _ in both], minlength=nodes)
    return Graph(
        indptr=np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        indices=np.array([b for _, b, _ in both], np.int32),
        weights=np.array([w for _, _, w in both], dtype),
    )


# --- growing ------------------------------------------------------------------------------------------


@st.composite
def stages(draw: st.DrawFn) -> list[tuple[int, list[Edge]]]:
    """Numbers of nodes that rise, and the edges that come with each; negative parts only take away what is there."""
    found: list[tuple[int, list[Edge]]] = []
    nodes, there = 0, {}
    for _ in range(draw(st.integers(1, 4))):
        nodes += draw(st.integers(0, 6))
        edges: list[Edge] = []
        if nodes:
            node = st.integers(0, nodes - 1)
            for a, b in draw(st.lists(st.tuples(node, node), max_size=12)):
                has = there.get((min(a, b), max(a, b)), 0)
                least = -has if a != b else 0
                part = draw(st.sampled_from([least, least // 2, 0, 1, 7, ONE, 2 * ONE]))
                there[min(a, b), max(a, b)] = has + part
                edges.append((a, b, part))
        found.append((nodes, edges))
    return found


def grown(graph: Graph, edges: list[Edge], nodes: int) -> Graph:
    rows, cols, parts = np.array(edges, np.int64).reshape(-1, 3).T
    return graph.grown(rows, cols, parts / ONE, nodes=nodes)


def square(graph: Graph) -> np.ndarray:
    """W in full, parallel entries added."""
    weights = np.zeros((graph.nodes, graph.nodes))
    np.add.at(weights, (np.repeat(np.arange(graph.nodes), np.diff(graph.indptr)), graph.indices), graph.weights)
    return weights


def by_hand(sums: dict[tuple[int, int], int], nodes: int) -> np.ndarray:
    weights = np.zeros((nodes, nodes))
    for (a, b), part in sums.items():
        if a != b:
            weights[a, b] = weights[b, a] = part / ONE
    return weights


@settings(max_examples=300)
@given(stages())
def test_a_grown_graph_is_the_graph_of_everything_together(steps: list[tuple[int, list[Edge]]]) -> None:
    graph, sums = of([], 0), dict[tuple[int, int], int]()
    for nodes, edges in steps:
        before = graph.indptr.tobytes(), graph.indices.tobytes(), graph.weights.tobytes()
        more = grown(graph, edges, nodes)
        assert before == (graph.indptr.tobytes(), graph.indices.tobytes(), graph.weights.tobytes())
        for a, b, part in edges:
            sums[min(a, b), max(a, b)] = sums.get((min(a, b), max(a, b)), 0) + part
        whole = of([(a, b, part) for (a, b), part in sums.items()], nodes)
        assert same(more, whole)
        assert (square(whole) == by_hand(sums, nodes)).all()
        Graph(indptr=more.indptr, indices=more.indices, weights=more.weights)  # refuses what is no undirected graph
        graph = more


@pytest.mark.parametrize("nodes", [3_000, 200_000], ids=str)
def test_a_large_graph_grows_too(nodes: int) -> None:
    """200,000 nodes need two digits of sorting."""
    chance = np.random.default_rng(1)
    edges = np.stack((*chance.integers(0, nodes, (2, 30_000)), chance.integers(1, ONE, 30_000)), 1)
    more = np.stack((*chance.integers(0, nodes + 50, (2, 900)), chance.integers(1, ONE, 900)), 1)
    small = of(edges.tolist(), nodes)
    large = grown(small, more.tolist(), nodes + 50)
    assert same(large, of([*edges.tolist(), *more.tolist()], nodes + 50))
    less = grown(large, (more * [1, 1, -1]).tolist(), nodes + 50)
    assert same(less, of(edges.tolist(), nodes + 50))
    assert grown(large, [], nodes + 50).indices is large.indices  # nothing new: nothing is copied but the weights


def test_a_grown_graph_is_walked_like_any_other() -> None:
    chance = np.random.default_rng(2)
    edges = np.stack((*chance.integers(0, 900, (2, 4_000)), chance.integers(1, ONE, 4_000)), 1).tolist()
    first = of(edges[:3_000], 900)
    reset = chance.random(1_000)
    ppr(first, reset[:900])  # what the old graph keeps for its sweeps is not the new one's
    more = grown(first, edges[3_000:], 1_000)
    whole = of(edges, 1_000)
    assert (ppr(more, reset) == ppr(whole, reset)).all()
    found, expected = (ppr_top(graph, [1, 2, 950], [1.0, 2.0, 0.5]) for graph in (more, whole))
    assert (found.nodes == expected.nodes).all()
    assert (found.scores == expected.scores).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
def test_a_graph_of_entries_in_any_order_grows_once_they_are_sorted(dtype: type) -> None:
    graph = raw(4, [(2, 1, 1.0), (0, 1, 0.5), (0, 1, 0.25)], dtype)
    more = graph.grown([0, 3], [1, 0], [0.25, 2.0], nodes=5)
    assert same(more, Graph.of([2, 0, 3], [1, 1, 0], [1.0, 1.0, 2.0], nodes=5))


@pytest.mark.parametrize(
    ("edge", "nodes", "message"),
    [
        (([0], [1], [1.0]), 2, "of 3 nodes cannot grow to 2"),
        (([0], [1], [-1.5]), 3, "cannot lose more"),
        (([0, 1], [1, 0], [-1.0, -0.5]), 3, "cannot lose more"),
        (([0], [2], [-0.5]), 3, "cannot lose more"),
        (([0], [3], [1.0]), 3, r"outside 0\.\.2"),
        (([0], [1], [np.nan]), 3, "finite"),
        (([0], [1], [1e308]), 3, "infinity"),
    ],
    ids=["fewer nodes", "more than there is", "twice", "where there is none", "outside", "nan", "too much"],
)
def test_what_a_graph_cannot_grow_by_is_refused(edge: tuple[list[float], ...], nodes: int, message: str) -> None:
    graph = Graph.of([0, 1], [1, 2], [1.0, 1.7e308], nodes=3)
    with pytest.raises(ValueError, match=message):
        graph.grown(*edge, nodes=nodes)


# --- making -------------------------------------------------------------------------------------------


def test_edges_given_several_times_add_up_and_loops_are_dropped() -> None:
    graph = Graph.of([0, 1, 1, 2], [1, 0, 1, 1], [1.0, 2.0, 5.0, 0.0], nodes=3)
    assert (graph.indptr.tolist(), graph.indices.tolist(), graph.weights.tolist()) == ([0, 1, 2, 2], [1, 0], [3.0, 3.0])
    assert graph.degrees.tolist() == [3.0, 3.0, 0.0]


def test_parallel_entries_count_as_their_sum() -> None:
    parallel, summed = raw(3, [(0, 1, 1.0), (0, 1, 2.0), (1, 2, 1.0)]), raw(3, [(0, 1, 3.0), (1, 2, 1.0)])
    assert ppr(parallel, np.eye(3)) == pytest.approx(ppr(summed, np.eye(3)), abs=1e-12)


def test_a_graph_may_be_empty_and_a_reset_may_not() -> None:
    empty = Graph.of([], [], nodes=0)
    with pytest.raises(ValueError, match="no mass"):
        ppr(empty, np.zeros(0))
    with pytest.raises(ValueError, match="no mass"):
        ppr_top(empty, [], [])
    assert ppr(Graph.of([], [], nodes=2), np.array([1.0, 3.0])).tolist() == [0.25, 0.75]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"indptr": np.array([0, 1, 2], np.int32)}, "must be int64"),
        ({"weights": np.array([1, 1])}, "float32 or float64"),
        ({"indptr": np.array([0, 1])}, "rise from 0"),
        ({"indptr": np.array([0, 3, 2])}, "rise from 0"),
        ({"indices": np.array([1, 2], np.int32)}, "outside 0..1"),
        ({"indices": np.array([0, 1], np.int32)}, "own neighbour"),
        ({"weights": np.array([1.0, np.nan])}, "positive and finite"),
        ({"weights": np.array([0.0, 0.0])}, "positive and finite"),
        ({"weights": np.array([1.0, 2.0])}, "both of its rows"),
        (
            {"indptr": np.array([0, 1, 1]), "indices": np.array([1], np.int32), "weights": np.ones(1)},
            "both of its rows",
        ),
    ],
    ids=["int32", "integers", "short", "falling", "outside", "loop", "nan", "zero", "uneven", "one-way"],
)
def test_what_is_no_undirected_graph_is_refused(change: dict[str, np.ndarray], message: str) -> None:
    good = {"indptr": np.array([0, 1, 2]), "indices": np.array([1, 0], np.int32), "weights": np.ones(2)}
    Graph(**good)
    with pytest.raises(ValueError, match=message):
        Graph(**{**good, **change})


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        (([0], [1], [-1.0]), "not negative"),
        (([0], [1], [np.inf]), "finite"),
        (([0], [2], [1.0]), "outside 0..1"),
        (([0.5], [1], [1.0]), "integers"),
        (([0, 1], [1], [1.0]), "one length"),
    ],
    ids=["negative", "infinite", "outside", "fraction", "length"],
)
def test_bad_edges_are_refused(edges: tuple[list[float], ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Graph.of(*edges, nodes=2)
