"""What only the vector index on a device has. What it shares with the others is in `test_vectors` and the contracts."""

from __future__ import annotations

import gc
import math
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

from torch.overrides import TorchFunctionMode  # noqa: E402  after it is known that there is a torch

import memkit  # noqa: E402
from memkit.errors import StoreError  # noqa: E402
from memkit.testing.embedders import HashEmbedder  # noqa: E402
from memkit.values import Where  # noqa: E402
from memkit_kernels.reporting import report  # noqa: E402
from memkit_stores import SqlStore  # noqa: E402
from memkit_stores.device import device_named  # noqa: E402
from memkit_stores.kernel_index import KernelIndex, folded  # noqa: E402
from memkit_stores.vectors import Vectors  # noqa: E402

Matrix = NDArray[np.float32]

DEVICE = device_named(None)
WIDTH = 48


def unit(size: int, width: int = WIDTH, seed: int = 0) -> Matrix:
    matrix = np.random.default_rng(seed).standard_normal((size, width), dtype=np.float32)
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def indexed(matrix: Matrix, device: Any = DEVICE) -> KernelIndex:
    index = KernelIndex(matrix.shape[1], device=device)
    index.add(np.arange(len(matrix)), matrix, np.arange(len(matrix)))
    return index


def plain(matrix: Matrix) -> Vectors:
    """FAISS, which compares all."""
    vectors = Vectors(matrix.shape[1], exact_below=10**9)
    vectors.add(np.arange(len(matrix)), matrix, np.arange(len(matrix)))
    return vectors


def reasons(index: KernelIndex, question: Matrix, k: int) -> list[str]:
    """Why what ran, for one search."""
    with report() as ran:
        index.nearest(question, k)
    assert {one.operation for one in ran} == {"sim_topk"}
    return [one.reason for one in ran]


@pytest.fixture(params=["for all at once", "for this device"])
def coarse(request: pytest.FixtureRequest) -> Iterator[None]:
    """A process that lets torch cut the factors of float32 products, by either of the ways to say so."""
    if request.param == "for all at once":
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("medium")
        yield
        torch.set_float32_matmul_precision(before)
    else:
        backend = torch.backends.cuda if DEVICE.type == "cuda" else torch.backends.mkldnn
        before = backend.matmul.fp32_precision
        backend.matmul.fp32_precision = "tf32" if DEVICE.type == "cuda" else "bf16"
        yield
        backend.matmul.fp32_precision = before


# --- the same answers -----------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 10, 50, 124, 128, 129, 900])
@pytest.mark.parametrize("admitted", [None, 0.1, 0.6])
def test_the_answers_are_those_of_faiss_to_the_last_bit(k: int, admitted: float | None) -> None:
    """On a CPU; a GPU adds in another order."""
    matrix = unit(700)
    mask = None if admitted is None else np.random.default_rng(1).random(700) < admitted
    here, there = indexed(matrix, torch.device("cpu")), plain(matrix)
    for question in unit(5, seed=2):
        for own, other in zip(here.nearest(question, k, mask), there.nearest(question, k, mask), strict=True):
            assert own.tolist() == other.tolist()
    every = np.arange(699, -2, -1)
    assert here.similarity(question, every).tolist() == there.similarity(question, every).tolist()


@pytest.mark.parametrize(
    ("matrix", "question"),
    [
        (np.repeat(unit(30), 20, axis=0), unit(1, seed=3)[0]),
        (np.tile(unit(1), (600, 1)) + np.float32(1e-6) * unit(600, seed=4), unit(1)[0]),
        (unit(600) * np.float32(1e-22), unit(1, seed=3)[0] * np.float32(1e-22)),
        (unit(600) * np.float32(1e19), unit(1, seed=3)[0] * np.float32(1e21)),
        (unit(600), np.zeros(WIDTH, np.float32)),
        (unit(600), np.full(WIDTH, np.nan, np.float32)),
        (unit(600), np.full(WIDTH, np.inf, np.float32)),
    ],
    ids=["ties", "near ties", "products near 0", "products beyond the range", "zeros", "nan", "infinity"],
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # of numpy, about NaN
def test_numbers_that_are_hard_to_tell_apart_have_the_answers_of_faiss(matrix: Matrix, question: Matrix) -> None:
    here, there = indexed(matrix, torch.device("cpu")), plain(matrix)
    for k in (1, 10, 77):
        for own, other in zip(here.nearest(question, k), there.nearest(question, k), strict=True):
            assert own.tolist() == other.tolist()


def test_what_cannot_be_told_apart_by_candidates_is_compared_with_all_and_said() -> None:
    question = unit(1, seed=3)[0]
    open_ended = "all vectors are compared"
    assert not any(open_ended in reason for reason in reasons(indexed(unit(600)), question, 10))
    assert open_ended in reasons(indexed(np.repeat(unit(30), 20, axis=0)), question, 10)[-1]
    tiny = np.float32(1e-22)  # products below the normal range of float32, which some devices take for 0
    assert open_ended in reasons(indexed(unit(600) * tiny), question * tiny, 10)[-1]
    (reason,) = reasons(indexed(unit(600)), question, 129)
    assert reason == "129 nearest are wanted, more than its 128: all vectors are compared"


def test_a_process_whose_products_are_coarse_gets_exact_answers_too(coarse: None) -> None:
    matrix, question = unit(600), unit(1, seed=3)[0]
    assert "all vectors are compared" in reasons(indexed(matrix), question, 50)[-1]
    own, other = (index.nearest(question, 50) for index in (indexed(matrix), plain(matrix)))
    assert own[0].tolist() == other[0].tolist()
    np.testing.assert_allclose(own[1], other[1], rtol=1e-5)


def test_a_long_vector_widens_the_bound_only_while_it_is_there() -> None:
    matrix = np.concatenate((unit(600), unit(1) * np.float32(1e5)))
    question = unit(1, seed=3)[0]
    index = indexed(matrix)
    assert len(reasons(index, question, 10)) == 2
    index.add(np.arange(601, 602), unit(1), np.arange(1))
    assert len(reasons(index, question, 10)) == 2
    index.compact(np.arange(602) != 600)
    assert len(reasons(index, question, 10)) == 1


@pytest.mark.parametrize("width", [1, 2, 3, 16, 17, 384, 385])
def test_a_folded_product_does_not_depend_on_where_a_vector_lies(width: int) -> None:
    """What a GPU's products are made of; here on any device."""
    matrix, question = unit(300, width), unit(1, width, seed=5)[0]
    keys = torch.tensor(matrix, device=DEVICE)
    whole = folded(keys, question)
    np.testing.assert_allclose(whole, matrix.astype(np.float64) @ question, atol=1e-6)
    slots = np.random.default_rng(6).permutation(300)[:77]
    assert folded(keys, question, slots).tolist() == whole[slots].tolist()
    assert folded(keys[100:101], question).tolist() == [whole[100]]
    assert len(folded(keys[:0], question)) == 0


def test_more_vectors_than_are_folded_at_once_are_all_there() -> None:
    keys = torch.arange(70_000, dtype=torch.float32, device=DEVICE)[:, None].expand(-1, 2)
    assert folded(keys, np.array([1, 0], np.float32)).tolist() == list(range(70_000))
    slots = np.arange(69_999, -1, -1)
    assert folded(keys, np.array([0, 1], np.float32), slots).tolist() == slots.tolist()


# --- memory ---------------------------------------------------------------------------------------


def test_appending_copies_what_is_there_seldom() -> None:
    """A block has a new place when everything is copied."""
    matrix, index = unit(3000), KernelIndex(WIDTH, device=DEVICE)
    places = set()
    for row in range(3000):
        index.add(np.array([row]), matrix[row : row + 1], np.array([row]))
        places.add(index.snapshot().keys.tensor.data_ptr())
    assert len(places) < 25
    assert index.nbytes < 2 * matrix.nbytes
    question = unit(1, seed=3)[0]
    assert index.nearest(question, 9)[0].tolist() == plain(matrix).nearest(question, 9)[0].tolist()


def test_the_memory_of_removed_vectors_is_overwritten_when_nobody_looks_at_them() -> None:
    index = indexed(unit(50) + 2)
    before = index.snapshot()
    memory = before.keys.tensor.view(-1)  # torch's own reference: it keeps the memory, not its content
    index.compact(np.arange(50) % 2 == 0)
    assert len(before.nearest(np.ones(WIDTH, np.float32), 50)[0]) == 50
    assert (memory != 0).all()
    del before
    gc.collect()
    assert (memory == 0).all()
    assert len(index) == 25


def test_what_was_copied_to_a_roomier_place_is_overwritten_where_it_was() -> None:
    index = indexed(unit(50) + 2)
    memory = index.snapshot().keys.tensor.view(-1)
    index.add(np.arange(50, 150), unit(100), np.arange(100))
    gc.collect()
    assert (memory == 0).all()


def test_forgetting_overwrites_a_device_at_once_and_closing_does() -> None:
    embedder = HashEmbedder()
    with memkit.open(":memory:", embedder=embedder, vectors="kernel") as memory:
        first, _ = (memory.add(f"the {word} is on the table").ids[0] for word in ("teapot", "lamp"))
        assert len(memory.recall("teapot", k=5)) == 2
        keys = the_index().snapshot().keys.tensor
        memory.forget(ids=first)
        gc.collect()
        assert (keys == 0).all()
        keys = the_index().snapshot().keys.tensor
        assert len(keys) == 1
        assert [hit.text for hit in memory.recall("teapot", k=5, floor=0)] == ["the lamp is on the table"]
    gc.collect()
    assert (keys == 0).all()


def the_index() -> KernelIndex:
    """The only one in the process that has vectors."""
    gc.collect()
    (found,) = (one for one in gc.get_objects() if type(one) is KernelIndex and len(one))
    return found


def test_an_index_is_filled_and_searched_inside_inference_mode_and_outside() -> None:
    matrix, question = unit(400), unit(1, seed=3)[0]
    with torch.inference_mode():
        index = indexed(matrix[:200])
        index.add(np.arange(200, 300), matrix[200:300], np.arange(100))
        inside = index.nearest(question, 5)[0].tolist()
    assert inside == plain(matrix[:300]).nearest(question, 5)[0].tolist()
    index.add(np.arange(300, 400), matrix[300:], np.arange(100))
    assert index.nearest(question, 5)[0].tolist() == plain(matrix).nearest(question, 5)[0].tolist()
    index.compact(np.arange(400) >= 200)
    with torch.inference_mode():
        assert index.nearest(question, 5)[0].tolist() == plain(matrix[200:]).nearest(question, 5)[0].tolist()


# --- at once --------------------------------------------------------------------------------------


def test_searches_see_one_moment_while_vectors_come_and_go() -> None:
    """Each row's vector says which row it is: an answer that mixed two moments would show."""
    index, stop, wrong = KernelIndex(16, device=DEVICE), threading.Event(), list[str]()
    question = np.eye(1, 16, dtype=np.float32)[0]

    def numbered(first: int, size: int) -> Matrix:
        matrix = np.zeros((size, 16), np.float32)
        matrix[:, 0] = np.arange(first, first + size)
        return matrix

    def search() -> None:
        while not stop.is_set():
            seen = index.snapshot()
            expected = seen.similarity(question, np.arange(len(seen.slots)))
            if not (np.diff(expected) > 0).all():  # rows ascend, and so do the numbers in their vectors
                wrong.append("rows are mixed up")
            rows, scores = seen.nearest(question, 7)
            if rows.tolist() != list(range(seen.count - 1, max(seen.count - 8, -1), -1)):
                wrong.append(f"{rows} of {seen.count}")
            if scores.tolist() != expected[rows].tolist():
                wrong.append("products of another moment")

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        last, random = 1, np.random.default_rng(7)
        for turn in range(150):
            size, there = int(random.integers(1, 40)), len(index)
            index.add(np.arange(there, there + size), numbered(last, size), np.arange(size))
            last += size
            if turn % 10 == 9:
                index.compact(random.random(len(index)) < 0.5)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert wrong == []


# --- what goes wrong ------------------------------------------------------------------------------


class NoRoom(TorchFunctionMode):
    """A device whose memory is used up: torch says so when it is asked for some."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is torch.empty and math.prod(args[0]):
            raise torch.OutOfMemoryError("tried to allocate")
        return function(*args, **(kwargs or {}))


def test_a_device_without_room_is_reported_and_nothing_is_lost() -> None:
    index, question = indexed(unit(40)), unit(1, seed=3)[0]
    before = index.nearest(question, 50)[0].tolist()
    with NoRoom():
        with pytest.raises(StoreError, match=f"the memory of {DEVICE} is used up"):
            index.add(np.arange(40, 90), unit(50, seed=1), np.arange(50))
        with pytest.raises(StoreError, match="is used up"):
            index.compact(np.arange(40) < 30)
    assert index.nearest(question, 50)[0].tolist() == before
    index.add(np.arange(40, 90), unit(50, seed=1), np.arange(50))
    index.compact(np.arange(90) != 3)
    assert len(index) == 89


def test_a_shelf_that_met_a_device_without_room_is_whole_the_next_time(tmp_path: Path) -> None:
    place, embedder = tmp_path / "memory.db", HashEmbedder()
    with memkit.open(place, embedder=embedder) as memory:
        memory.add(["one lamp", "two lamps"])
        memory.sync()
        with closing(SqlStore(str(place), vectors="kernel")) as store:
            scope = ("passages", Where(namespace="default"), embedder.space)
            question = np.ones(embedder.space.dimension, np.float32)
            with NoRoom(), pytest.raises(StoreError, match="is used up"):
                store.derived.shelf(*scope)
            assert (store.derived.shelf(*scope).similarity(question, np.arange(2)) != -1).all()
            memory.add("three lamps")
            memory.sync()
            with NoRoom(), pytest.raises(StoreError, match="is used up"):
                store.derived.shelf(*scope)
            assert len(store.derived.shelf(*scope).nearest(question, 5, None)[0]) == 3


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_vectors_that_are_no_numbers_are_refused_and_nothing_is_added(bad: float) -> None:
    index, matrix = indexed(unit(5)), unit(3)
    matrix[1, 7] = bad
    with pytest.raises(ValueError, match="vector 1 of those to be added holds NaN or infinity"):
        index.add(np.arange(5, 8), matrix, np.arange(3))
    assert len(index) == len(index.snapshot().keys.tensor) == 5


@pytest.mark.parametrize(
    "name", ["gpu", "kernel:", "kernel:tpu", "kernel:cpu:0", "kernel:cuda:x", "Kernel", "pgvector:1"]
)
def test_a_choice_that_is_none_is_refused_and_no_file_is_made(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"can be .cpu|can be .memory"):
        memkit.open(tmp_path / "memory.db", vectors=name)
    assert list(tmp_path.iterdir()) == []


def test_a_device_that_is_not_there_is_reported_and_no_file_is_made(tmp_path: Path) -> None:
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    with pytest.raises(StoreError, match=f"no device cuda:{there}: torch .* finds {there} CUDA devices"):
        memkit.open(tmp_path / "memory.db", vectors=f"kernel:cuda:{there}")
    assert list(tmp_path.iterdir()) == []


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # as it is where it is not installed
    for module in ("device", "kernel_index"):
        monkeypatch.delitem(sys.modules, f"memkit_stores.{module}")
    with pytest.raises(ImportError, match='needs the extra "gpu"'):
        memkit.open(":memory:", vectors="kernel")
    memkit.open(":memory:").close()


def test_torch_is_not_imported_unless_it_is_asked_for() -> None:
    code = "import memkit, sys; memkit.open(':memory:').close(); sys.exit('torch' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, env=environment)


# --- a memory that has it -------------------------------------------------------------------------


def test_a_memory_says_what_searches_its_vectors() -> None:
    with memkit.open(":memory:") as memory:
        assert memory.stats().vectors == "memory"
    with memkit.open(":memory:", vectors="kernel:cpu") as memory:
        assert memory.stats().vectors == "kernel on cpu"


def test_two_memories_on_one_file_that_search_differently_see_the_same(tmp_path: Path) -> None:
    place, embedder = tmp_path / "memory.db", HashEmbedder()
    with (
        closing(memkit.open(place, embedder=embedder)) as faiss,
        closing(memkit.open(place, embedder=embedder, vectors="kernel:cpu")) as kernel,
    ):
        ids = faiss.add([f"note {n} about item {n % 13}" for n in range(120)]).ids
        asked: dict[str, Any] = {"text": "note about item 5", "k": 40, "floor": 0}
        assert told(kernel.recall(**asked)) == told(faiss.recall(**asked))
        kernel.forget(ids=ids[5])
        faiss.add("note 120 about item 5")
        assert told(kernel.recall(**asked)) == told(faiss.recall(**asked))
        assert "note 5 about item 5" not in [hit.text for hit in kernel.recall(**asked)]


def told(recall: Any) -> list[tuple[str, float]]:
    return [(hit.text, hit.score) for hit in recall]
