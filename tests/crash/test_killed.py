"""SIGKILL at random moments and at chosen statements, with several processes on one database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.rounds import Nursery, Trial


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as nursery:
        yield nursery


@pytest.mark.parametrize("durability", ["disk", "process"])
@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_acknowledged_is_lost_when_writers_are_killed(
    nursery: Nursery, tmp_path: Path, durability: str, seed: int
) -> None:
    trial = Trial(tmp_path, str(tmp_path / "memory.db"), seed, durability)
    for number in range(2):
        assert trial.round(nursery, number=number) == []
    assert trial.kills == 6


@pytest.mark.parametrize("seed", [3, 4])
def test_nothing_is_lost_when_processes_are_killed_while_the_embedder_is_changed(
    nursery: Nursery, tmp_path: Path, seed: int
) -> None:
    trial = Trial(tmp_path, str(tmp_path / "memory.db"), seed, reembedding=True)
    for number in range(2):
        assert trial.round(nursery, number=number) == []
    assert trial.kills == 6


def test_nothing_acknowledged_is_lost_on_postgresql(nursery: Nursery, tmp_path: Path, fresh_postgres_url: str) -> None:
    trial = Trial(tmp_path, fresh_postgres_url, 5)
    for number in range(2):
        assert trial.round(nursery, number=number) == []
    assert trial.kills == 6
