"""Many vectors have a graph: it finds nearly all of the nearest, never what was not admitted, and its file is only a cache."""

import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from memkit.errors import StoreError
from memkit_stores.hnsw import Graph
from memkit_stores.nearest import TAIL
from memkit_stores.vectors import STEP, Vectors

Matrix = NDArray[np.float32]

# --- the graph ------------------------------------------------------------------------------------

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


def opened(folder: Path | None = None, *, size: int = SIZE, matrix: Matrix = MATRIX, first_id: int = 10) -> Vectors:
    vectors = Vectors(matrix.shape[1], exact_below=ENOUGH, folder=folder, name="test")
    vectors.add(np.arange(size), matrix[:size], np.arange(first_id, first_id + size))
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


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A folder with the file of a graph of the first 2,000 vectors."""
    vectors = opened(tmp_path, size=2000)
    vectors.settle()
    assert vectors.save()
    return tmp_path


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
    mask = np.random.default_rng(5).random(keep.sum()) < 0.5
    assert recall(vectors, MATRIX[:4000][keep], mask) >= 0.98
    rows = np.arange(keep.sum())
    np.testing.assert_allclose(vectors.similarity(QUESTIONS[0], rows), MATRIX[:4000][keep] @ QUESTIONS[0], atol=1e-5)


def test_an_old_snapshot_names_its_own_rows_after_compacting() -> None:
    vectors = opened(size=2000)
    vectors.settle()
    before = vectors.snapshot()
    vectors.compact(np.arange(2000) >= 50)
    assert [int(before.nearest(MATRIX[row], 1)[0][0]) for row in range(100, 120)] == list(range(100, 120))
    assert [int(vectors.nearest(MATRIX[row], 1)[0][0]) for row in range(100, 120)] == list(range(50, 70))


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


# --- its file -------------------------------------------------------------------------------------


def test_a_graph_is_taken_from_its_file_and_what_came_later_is_added(saved: Path) -> None:
    vectors = opened(saved, size=2200)
    assert recall(vectors, MATRIX[:2200]) >= 0.98
    assert in_graph(vectors) == 2000, "none but the 2,000 from the file"
    assert not vectors.save(), "nothing new"
    vectors.settle()
    assert vectors.save()
    assert [path.name for path in saved.iterdir()] == ["test.hnsw"]
    again = opened(saved, size=2200)
    again.nearest(QUESTIONS[0], 1)
    assert in_graph(again) == 2200


def test_half_a_graph_is_kept_too(tmp_path: Path) -> None:
    vectors = opened(tmp_path)
    vectors.nearest(QUESTIONS[0], 1)
    assert vectors.save()
    again = opened(tmp_path)
    again.nearest(QUESTIONS[0], 1)
    assert in_graph(again) == STEP
    again.settle()
    assert recall(again, MATRIX) >= 0.98


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    vectors = opened(tmp_path / "file" / "below", size=2000)
    with pytest.raises(StoreError, match="cannot read the index"):
        vectors.settle()


def test_the_file_holds_no_vector(saved: Path) -> None:
    content = (saved / "test.hnsw").read_bytes()
    assert not any(row.tobytes()[:12] in content for row in MATRIX[:200])


def test_forgetting_deletes_the_file_and_saving_writes_one_without_the_forgotten(saved: Path) -> None:
    vectors = opened(saved, size=2000)
    vectors.nearest(QUESTIONS[0], 1)
    keep = np.arange(2000) % 50 > 0
    vectors.compact(keep)
    assert list(saved.iterdir()) == []
    assert vectors.save()
    kept = MATRIX[:2000][keep]
    again = Vectors(WIDTH, exact_below=ENOUGH, folder=saved, name="test")
    again.add(np.arange(len(kept)), kept, np.arange(10, 2010)[keep])
    before = again.snapshot()
    assert recall(again, kept) >= 0.98
    assert in_graph(again) == 2000, "with the 40 empty slots"
    assert before.nearest(QUESTIONS[0], 3)[0].tolist() == again.nearest(QUESTIONS[0], 3)[0].tolist()
    again.add(np.array([len(kept)]), MATRIX[5000:5001], np.array([9999]))
    assert again.nearest(MATRIX[5000], 1)[0].tolist() == [len(kept)]


def test_removing_rows_without_a_vector_leaves_the_file(tmp_path: Path) -> None:
    vectors = Vectors(WIDTH, exact_below=ENOUGH, folder=tmp_path, name="test")
    vectors.add(np.arange(1, 2001), MATRIX[:2000], np.arange(10, 2010))
    vectors.settle()
    assert vectors.save()
    vectors.compact(np.arange(2001) > 0)
    assert vectors.nearest(MATRIX[3], 1)[0].tolist() == [3]
    again = opened(tmp_path, size=2000)
    again.nearest(QUESTIONS[0], 1)
    assert in_graph(again) == 2000


DAMAGE = {
    "empty": lambda content: b"",
    "foreign": lambda content: b"something else altogether\n" * 1000,
    "a header only": lambda content: content[:72],
    "longer": lambda content: content + b"\0",
    **{f"cut at {part}": lambda content, part=part: content[: int(len(content) * part)] for part in (0.0001, 0.01, 0.5, 0.999)},
    **{
        f"flipped at {part}": lambda content, part=part: flipped(content, int((len(content) - 1) * part))
        for part in (0, 0.00005, 0.0001, 0.001, 0.1, 0.5, 0.9, 1)
    },
}  # fmt: skip


def flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_removed_and_the_graph_built_anew(saved: Path, damage: str) -> None:
    file = saved / "test.hnsw"
    file.write_bytes(DAMAGE[damage](file.read_bytes()))
    vectors = opened(saved, size=2000)
    assert recall_of_one(vectors, MATRIX[:2000]) == 1
    assert not file.exists()
    assert in_graph(vectors) == STEP


@pytest.mark.parametrize(
    "changes",
    [
        {"first_id": 11},
        {"size": 1999},
        {"matrix": np.concatenate((MATRIX[1:2], MATRIX[1:]))},
        {"matrix": np.ascontiguousarray(MATRIX[:, :20])},
    ],
    ids=["other ids", "fewer rows", "another vector", "another dimension"],
)
def test_a_file_of_other_vectors_is_removed(saved: Path, changes: dict[str, object]) -> None:
    vectors = opened(saved, **{"size": 2000, **changes})  # type: ignore[arg-type]
    width = vectors.snapshot().dimension
    vectors.nearest(QUESTIONS[0][:width], 1)
    assert not (saved / "test.hnsw").exists()
    assert in_graph(vectors) == STEP


def test_a_graph_alone_finds_what_was_put_in() -> None:
    graph = Graph(WIDTH)
    graph.extend(MATRIX[:300])
    found = graph.search(MATRIX[5], 3, effort=32, below=300, admitted=None)
    assert 5 in found
    assert set(graph.search(MATRIX[5], 300, effort=300, below=4, admitted=None).tolist()) <= {0, 1, 2, 3}
