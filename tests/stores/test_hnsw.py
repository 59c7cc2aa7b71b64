"""Many vectors have a graph: it finds nearly all of the nearest, and never what was not admitted."""

import threading
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from memkit_stores.hnsw import Graph
from memkit_stores.nearest import TAIL
from memkit_stores.vectors import STEP, Vectors

Matrix = NDArray[np.float32]

SIZE, WIDTH, ENOUGH = 6000, 24, 1000


def clustered(size: int, seed: int = 0) -> Matrix:
    """Unit vectors around 60 centres, as sentences lie around topics. The same ones first for every size."""
    centres = np.random.default_rng(1).standard_normal((60, WIDTH), dtype=np.float32)
    random = np.random.default_rng(seed)
    drawn = random.random((size, WIDTH + 1), dtype=np.float32)
    points = centres[(drawn[:, 0] * 60).astype(int)] + (drawn[:, 1:] - 0.5) * 2
    return points / np.linalg.norm(points, axis=1, keepdims=True)


MATRIX = clustered(SIZE)
QUESTIONS = clustered(100, seed=2)


def opened(size: int = SIZE) -> Vectors:
    vectors = Vectors(WIDTH, exact_below=ENOUGH)
    vectors.add(np.arange(size), MATRIX[:size], np.arange(size))
    return vectors


def in_graph(vectors: Vectors) -> int:
    return vectors.snapshot().base


def recall(vectors: Vectors, matrix: Matrix, mask: NDArray[np.bool_] | None = None, k: int = 10) -> float:
    """The part of the true nearest that is found. Checks what must hold of every answer on the way."""
    hits = 0
    admitted = np.ones(len(matrix), np.bool_) if mask is None else mask
    expected = min(k, int(admitted.sum()))
    for question in QUESTIONS:
        rows, scores = vectors.nearest(question, k, mask)
        assert len(set(rows.tolist())) == len(rows) == expected
        assert admitted[rows].all()
        np.testing.assert_allclose(scores, matrix[rows] @ question, atol=1e-5)
        ranked = list(zip((-scores).tolist(), rows.tolist(), strict=True))
        assert ranked == sorted(ranked)
        true = np.argsort(-np.where(admitted, matrix @ question, -9), kind="stable")[:expected]
        hits += len(set(true.tolist()) & set(rows.tolist()))
    return hits / (len(QUESTIONS) * expected)


@pytest.fixture(scope="module")
def settled() -> Vectors:
    """Not to be written to."""
    vectors = opened()
    vectors.settle()
    return vectors


def test_the_graph_finds_nearly_all_of_the_nearest(settled: Vectors) -> None:
    assert in_graph(settled) == SIZE
    assert recall(settled, MATRIX) >= 0.98
    assert recall(settled, MATRIX, k=100) >= 0.98


@pytest.mark.parametrize("share", [0.9, 0.5, 0.01, 0.0005])
def test_a_mask_comes_before_the_limit(settled: Vectors, share: float) -> None:
    mask = np.random.default_rng(3).random(SIZE) < share
    assert recall(settled, MATRIX, mask) >= 0.98


def test_a_mask_of_rows_that_are_alike_still_gets_all_it_can(settled: Vectors) -> None:
    """Half of the rows, the ones farthest from the question: hard for a graph that is walked towards the question."""
    for question in QUESTIONS[:20]:
        scores = MATRIX @ question
        mask = scores < np.median(scores)
        rows, _ = settled.nearest(question, 10, mask)
        assert len(rows) == 10
        assert mask[rows].all()


def test_no_search_waits_for_the_graph_and_all_are_exact_until_it_has_caught_up() -> None:
    vectors = opened(size=3000)
    steps = []
    while in_graph(vectors) < 3000 - TAIL:
        assert recall_of_one(vectors, MATRIX[:3000]) == 1
        steps.append(in_graph(vectors))
    assert steps[0] == STEP
    assert {later - earlier for earlier, later in pairwise(steps)} == {STEP}
    assert recall(vectors, MATRIX[:3000]) >= 0.98


def recall_of_one(vectors: Vectors, matrix: Matrix) -> float:
    true = np.argsort(-(matrix @ QUESTIONS[0]), kind="stable")[:10]
    return len(set(vectors.nearest(QUESTIONS[0], 10)[0].tolist()) & set(true.tolist())) / 10


def test_vectors_added_later_are_found_at_once_and_come_into_the_graph() -> None:
    vectors = opened(size=2500)
    vectors.settle()
    for start in range(2500, SIZE, 500):
        vectors.add(np.arange(start, start + 500), MATRIX[start : start + 500], np.arange(start, start + 500))
        assert vectors.nearest(MATRIX[start], 1)[0].tolist() == [start]
    assert in_graph(vectors) > 2500
    vectors.settle()
    assert in_graph(vectors) == SIZE
    assert recall(vectors, MATRIX) >= 0.98


def test_what_is_not_yet_in_the_graph_is_masked_too() -> None:
    vectors = opened(size=2500)
    vectors.settle()
    vectors.add(np.arange(2500, 3400), MATRIX[2500:3400], np.arange(2500, 3400))
    assert recall(vectors, MATRIX[:3400], np.arange(3400) % 4 > 0) >= 0.98
    assert in_graph(vectors) == 2500


def test_k_rows_come_back_also_where_the_graph_finds_fewer() -> None:
    """Three thousand copies of one vector are linked to each other and to little else."""
    matrix = np.concatenate((np.repeat(MATRIX[:1], 3000, axis=0), MATRIX[:1500]))
    vectors = Vectors(WIDTH, exact_below=ENOUGH)
    vectors.add(np.arange(4500), matrix, np.arange(4500))
    vectors.settle()
    mask = np.arange(4500) < 2700
    for question in (MATRIX[0], -MATRIX[0]):
        rows, scores = vectors.nearest(question, 10, mask)
        assert len(set(rows.tolist())) == 10
        assert mask[rows].all()
        np.testing.assert_allclose(scores, MATRIX[0] @ question, atol=1e-5)


def test_few_vectors_have_no_graph() -> None:
    vectors = opened(size=ENOUGH - 1)
    vectors.settle()
    assert recall(vectors, MATRIX[: ENOUGH - 1]) == 1
    assert in_graph(vectors) == 0
    assert not vectors.save()


def test_rows_without_a_vector_are_no_trouble_to_the_graph() -> None:
    rows = np.arange(2500) * 2 + 1
    vectors = Vectors(WIDTH, exact_below=ENOUGH)
    vectors.add(rows, MATRIX[:2500], rows)
    vectors.settle()
    for number, question in enumerate(MATRIX[:50]):
        assert vectors.nearest(question, 3)[0][0] == 2 * number + 1
        mask = np.ones(5000, np.bool_)
        mask[2 * number + 1] = False
        found = vectors.nearest(question, 3, mask)[0]
        assert len(found) == 3
        assert (found % 2 == 1).all()
        assert 2 * number + 1 not in found


@pytest.mark.parametrize("lost", [0.02, 0.3])
def test_a_compacted_graph_holds_no_removed_vector_and_finds_the_others(lost: float) -> None:
    vectors = opened(size=4000)
    while in_graph(vectors) < 4000 - TAIL:  # so that some are in the graph and some are not
        vectors.nearest(QUESTIONS[0], 1)
    before = vectors.snapshot()
    keep = np.random.default_rng(4).random(4000) >= lost
    vectors.compact(keep)
    now = vectors.snapshot()
    assert (now.graph is None) == (lost > 0.1), "it is built anew when too much of it is empty"
    assert before.graph is not None
    if now.graph is not None:
        held = now.graph.gather(np.arange(now.base))
        assert not set(map(bytes, held)) & set(map(bytes, MATRIX[:4000][~keep]))
    assert recall(vectors, MATRIX[:4000][keep]) >= 0.98
    everything, _ = vectors.nearest(QUESTIONS[0], 4000)
    assert sorted(everything.tolist()) == list(range(keep.sum()))
    mask = np.random.default_rng(5).random(keep.sum()) < 0.5
    assert recall(vectors, MATRIX[:4000][keep], mask) >= 0.98
    rows = np.arange(keep.sum())
    np.testing.assert_allclose(vectors.similarity(QUESTIONS[0], rows), MATRIX[:4000][keep] @ QUESTIONS[0], atol=1e-5)


def test_an_old_snapshot_names_its_own_rows_after_compacting() -> None:
    vectors = opened(size=2000)
    without_graph = vectors.snapshot()
    vectors.settle()
    with_graph = vectors.snapshot()
    vectors.compact(np.arange(2000) >= 50)
    for row in range(100, 120):
        assert without_graph.nearest(MATRIX[row], 1)[0].tolist() == [row]
        assert with_graph.nearest(MATRIX[row], 1)[0].tolist() == [row]
        assert vectors.nearest(MATRIX[row], 1)[0].tolist() == [row - 50]


def test_an_old_snapshot_uses_the_graph_and_does_not_see_later_rows() -> None:
    vectors = opened(size=2000)
    before = vectors.snapshot()
    vectors.add(np.arange(2000, 2500), MATRIX[2000:2500], np.arange(2000, 2500))
    vectors.settle()
    for question in MATRIX[2000:2020]:
        rows, scores = before.nearest(question, 10)
        assert rows.max() < 2000
        np.testing.assert_allclose(scores, MATRIX[rows] @ question, atol=1e-5)


def test_searches_go_on_while_vectors_are_added_and_the_graph_grows() -> None:
    vectors = opened(size=1500)
    wrong: list[str] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            now = vectors.snapshot()
            rows, scores = now.nearest(MATRIX[7], 5)
            if rows[0] != 7 or len(rows) != 5 or rows.max() >= len(now.slots) or abs(scores[0] - 1) > 1e-5:
                wrong.append(f"{rows} {scores}")

    readers = [threading.Thread(target=ask) for _ in range(3)]
    for reader in readers:
        reader.start()
    for start in range(1500, 4500, 100):
        vectors.add(np.arange(start, start + 100), MATRIX[start : start + 100], np.arange(start, start + 100))
    vectors.settle()
    vectors.compact(np.arange(4500) < 4400)
    done.set()
    for reader in readers:
        reader.join()
    assert not wrong
    assert in_graph(vectors) == 4500
    assert len(vectors) == 4400


def test_a_graph_alone_finds_what_was_put_in() -> None:
    graph = Graph(WIDTH)
    graph.extend(MATRIX[:300])
    found = graph.search(MATRIX[5], 3, effort=32, below=300, admitted=None)
    assert 5 in found
    assert set(graph.search(MATRIX[5], 300, effort=300, below=4, admitted=None).tolist()) <= {0, 1, 2, 3}
