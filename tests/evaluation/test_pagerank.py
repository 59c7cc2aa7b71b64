"""PageRank is timed beside what others do, and what is timed gives the right answer."""

import json

import numpy as np
import pytest

from memkit.evaluation import pagerank, walkers
from memkit_kernels.ppr.reference import dense

KINDS: tuple[walkers.Kind, ...] = ("even", "hubs", "passages")


def test_every_way_is_timed_and_the_best_are_all_found() -> None:
    stages: list[str] = []
    so_far: list[int] = []
    report = pagerank.bench_ppr(
        (150,), queries=3, seconds=0.1, progress=stages.append, each=lambda found: so_far.append(len(found["results"]))
    )
    assert stages == ["even, 150 nodes", "hubs, 150 nodes", "passages, 150 nodes"]
    assert so_far == [3, 5, 7]  # with the batches
    rows = report["results"]["passages 150 damping 0.5"]
    assert {"ppr_top", "ppr 1e-09", "ppr 1e-12", "scipy power iteration", "networkx pagerank", "igraph prpack"} <= set(
        rows
    )
    assert all(
        rows["ppr_top"]["overlap"] == 1 for name, rows in report["results"].items() if not name.endswith("batches")
    )
    assert {"ppr scipy [64, N]", "ppr numpy [64, N]"} <= set(report["results"]["even 150 batches"])
    assert report["settings"] == {"nodes": [150], "queries": 3, "seconds": 0.1, "k": 20}
    assert json.loads(json.dumps(report)) == report


@pytest.mark.parametrize("kind", KINDS)
def test_a_graph_and_its_questions_are_the_same_every_time(kind: walkers.Kind) -> None:
    one, other = walkers.graph_of(kind, 400), walkers.graph_of(kind, 400)
    assert one.nodes == 400
    assert (one.indices == other.indices).all()
    assert (one.weights == other.weights).all()
    for first, second in zip(walkers.questions_of(kind, one, 2), walkers.questions_of(kind, other, 2), strict=True):
        assert (first.reset(400) == second.reset(400)).all()
        assert (first.among is None) == (kind != "passages")


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_is_compared_with_walks_the_same_graph(kind: walkers.Kind) -> None:
    graph = walkers.graph_of(kind, 200)
    (one,) = walkers.questions_of(kind, graph, 1)
    exact = dense(graph, one.reset(200), damping=0.5)
    listed = exact if one.among is None else np.where(one.among, exact, 0)
    walk = walkers.scipy_power(graph, 0.5, 5)
    assert walk is not None
    assert set(np.asarray(walk(one)).tolist()) == set(np.argsort(-listed)[:5].tolist())
    walk = walkers.networkx_pagerank(graph, 0.5, 5)
    assert walk is not None
    scores = walk(one)
    assert isinstance(scores, dict)
    assert [scores[node] for node in range(200)] == pytest.approx(exact, abs=1e-4)  # networkx stops at 1e-6 a node


def test_networkx_is_not_asked_what_would_take_minutes() -> None:
    graph = walkers.graph_of("even", walkers.NETWORKX_AT_MOST + 1)
    assert walkers.networkx_pagerank(graph, 0.5, 20) is None
