"""The files of vector indexes are caches: whatever happens to them, answers stay right and nothing else is lost."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import memkit
from memkit.testing.embedders import HashEmbedder
from memkit_stores.vectors import Vectors
from tests.crash import grower
from tests.crash.rounds import surroundings

ENOUGH = 20_500  # vectors: from 20,000 on a graph is made


def said(number: int) -> str:
    """The text of a turn."""
    return " ".join(f"w{number * factor % 4_999}" for factor in (1, 7, 31, 101, 997)) + f" number{number}x"


def right(index: Vectors, size: int) -> bool:
    """Whether the index finds each of some vectors as its own nearest."""
    rows = np.linspace(0, size - 1, 25).astype(np.int64)
    return all(index.nearest(grower.matrix()[row], 1)[0][0] == row for row in rows)


def test_a_process_killed_while_it_saves_an_index_leaves_a_whole_file_or_none(tmp_path: Path) -> None:
    chance = random.Random(1)
    for seed in range(3):
        command = [sys.executable, grower.__file__, str(tmp_path), str(seed)]
        with subprocess.Popen(command, env=surroundings(), stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            time.sleep(chance.uniform(0.01, 0.3))
            process.kill()
        for size in (grower.EXACT_BELOW, 600, grower.SIZE):
            assert right(grower.grown(tmp_path, size), size), seed


def test_processes_that_save_the_same_index_leave_a_whole_file(tmp_path: Path) -> None:
    commands = [[sys.executable, grower.__file__, str(tmp_path), str(seed)] for seed in (5, 6)]
    processes = [subprocess.Popen(command, env=surroundings(), stdout=subprocess.PIPE) for command in commands]
    try:
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
        for _ in range(5):
            assert right(grower.grown(tmp_path, grower.SIZE), grower.SIZE)
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A memory with so many vectors that it keeps an index file."""
    path = tmp_path_factory.mktemp("large") / "memory.db"
    with memkit.open(path, embedder=HashEmbedder(16), durability="process") as memory:
        memory.add([said(n) for n in range(ENOUGH)])
        for n in range(90):  # each search moves some vectors into the graph
            memory.recall(said(n))
    assert list(index_folder(path).iterdir())
    return path


def index_folder(path: Path) -> Path:
    return path.with_name(path.name + "-indexes")


def truncated(data: bytes) -> bytes:
    return data[: len(data) // 2]


def emptied(_: bytes) -> bytes:
    return b""


def one_bit_flipped(data: bytes) -> bytes:
    return data[: len(data) // 3] + bytes([data[len(data) // 3] ^ 8]) + data[len(data) // 3 + 1 :]


def replaced(data: bytes) -> bytes:
    return random.Random(4).randbytes(len(data))


@pytest.mark.slow
@pytest.mark.parametrize("damage", [truncated, emptied, one_bit_flipped, replaced])
def test_a_damaged_index_is_not_believed(large: Path, damage: Callable[[bytes], bytes]) -> None:
    (file,) = index_folder(large).iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    with memkit.open(large, embedder=HashEmbedder(16)) as memory:
        for n in (0, 77, 10_000, ENOUGH - 1):
            assert memory.recall(said(n), k=1)[0].text == said(n)
        assert memory.stats().events == ENOUGH
    file.write_bytes(whole)


@pytest.mark.slow
def test_an_index_folder_that_is_gone_is_made_again(large: Path) -> None:
    for file in index_folder(large).iterdir():
        file.unlink()
    index_folder(large).rmdir()
    with memkit.open(large, embedder=HashEmbedder(16)) as memory:
        assert memory.recall(said(4321), k=1)[0].text == said(4321)
        for n in range(90):
            memory.recall(said(n))
    assert list(index_folder(large).iterdir())
