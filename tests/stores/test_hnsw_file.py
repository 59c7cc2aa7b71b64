"""The file of a graph is a cache: it saves building the graph anew, holds no vector, and is never trusted."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from memkit.errors import StoreError
from memkit_stores import SqlStore
from memkit_stores.hnsw import ABANDONED, sweep
from memkit_stores.vectors import STEP, Vectors

Matrix = NDArray[np.float32]

SIZE, WIDTH, ENOUGH = 6000, 24, 1000
MATRIX = np.random.default_rng(0).standard_normal((SIZE, WIDTH), dtype=np.float32)
MATRIX /= np.linalg.norm(MATRIX, axis=1, keepdims=True)


def opened(folder: Path, *, size: int = SIZE, matrix: Matrix = MATRIX, first_id: int = 10) -> Vectors:
    vectors = Vectors(matrix.shape[1], exact_below=ENOUGH, folder=folder, name="test")
    vectors.add(np.arange(size), matrix[:size], np.arange(first_id, first_id + size))
    return vectors


def in_graph(vectors: Vectors) -> int:
    return vectors.snapshot().base


def found_again(vectors: Vectors, matrix: Matrix = MATRIX, times: int = 100) -> bool:
    """Whether each of the first vectors is nearest to itself."""
    return all(vectors.nearest(matrix[row], 3)[0][0] == row for row in range(times))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A folder with the file of a graph of the first 2,000 vectors."""
    vectors = opened(tmp_path, size=2000)
    vectors.settle()
    assert vectors.save()
    return tmp_path


def test_a_graph_is_taken_from_its_file_and_what_came_later_is_added(saved: Path) -> None:
    vectors = opened(saved, size=2200)
    assert found_again(vectors)
    assert in_graph(vectors) == 2000, "none but the 2,000 from the file"
    assert not vectors.save(), "nothing new"
    vectors.settle()
    assert vectors.save()
    assert [path.name for path in saved.iterdir()] == ["test.hnsw"]
    again = opened(saved, size=2200)
    again.nearest(MATRIX[0], 1)
    assert in_graph(again) == 2200


def test_half_a_graph_is_kept_too(tmp_path: Path) -> None:
    vectors = opened(tmp_path)
    vectors.nearest(MATRIX[0], 1)
    assert vectors.save()
    again = opened(tmp_path)
    again.nearest(MATRIX[0], 1)
    assert in_graph(again) == STEP
    again.settle()
    assert found_again(again)


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
    vectors.nearest(MATRIX[0], 1)
    keep = np.arange(2000) % 50 > 0
    vectors.compact(keep)
    assert list(saved.iterdir()) == []
    assert vectors.save()
    kept = MATRIX[:2000][keep]
    again = Vectors(WIDTH, exact_below=ENOUGH, folder=saved, name="test")
    again.add(np.arange(len(kept)), kept, np.arange(10, 2010)[keep])
    before = again.snapshot()
    assert found_again(again, kept)
    assert in_graph(again) == 2000, "with the 40 empty slots"
    assert before.nearest(MATRIX[0], 3)[0].tolist() == again.nearest(MATRIX[0], 3)[0].tolist()
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
    again.nearest(MATRIX[0], 1)
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
    assert found_again(vectors, times=1)
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
    vectors.nearest(MATRIX[0][:width], 1)
    assert not (saved / "test.hnsw").exists()
    assert in_graph(vectors) == STEP


def test_what_a_killed_process_left_half_written_is_removed_when_it_is_old(tmp_path: Path) -> None:
    """A young one may be another process's, which is writing it just now."""
    path = tmp_path / "memory.db"
    folder = tmp_path / "memory.db-indexes"
    folder.mkdir()
    now = time.time()
    ages = {"a.hnsw1.new": 2 * ABANDONED, "a.hnsw2.new": 60, "a.hnsw": 2 * ABANDONED, "notes.new": 2 * ABANDONED}
    for name, age in ages.items():
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (now - age, now - age))
    SqlStore(str(path)).close()
    assert sorted(file.name for file in folder.iterdir()) == ["a.hnsw", "a.hnsw2.new", "notes.new"]


KILLED = """
import os, sys
from pathlib import Path
import numpy as np
from memkit_stores.vectors import Vectors
vectors = Vectors(16, exact_below=10, folder=Path(sys.argv[1]), name="test")
vectors.add(np.arange(20), np.eye(20, 16, dtype=np.float32), np.arange(20))
vectors.settle()
sys.addaudithook(lambda event, _: os._exit(9) if event == "os.rename" else None)  # just before the file has its name
vectors.save()
"""


def test_a_process_that_is_killed_while_it_saves_leaves_what_is_swept(tmp_path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False).returncode == 9
    (file,) = tmp_path.iterdir()
    assert file.stat().st_size > 0
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == [file], "it may still be written"
    os.utime(file, (0, 0))
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []
