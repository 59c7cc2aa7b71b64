"""Vectors of two embedders never meet, and going from one to the other loses nothing, whenever it is interrupted."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import memkit
from memkit import ModelError, SpaceError
from memkit.ports import Embedder
from memkit.testing.embedders import FaultyEmbedder, HashEmbedder
from memkit.values import Space
from memkit_stores import SqlStore

OLD, NEW = HashEmbedder(8), HashEmbedder(16, seed=1)
SAID = [f"note {n}" for n in range(600)]  # more than two batches


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database on which every fsync costs nothing worth testing here."""
    if request.param == "sqlite":
        return str(tmp_path / "memory.db")
    url: str = request.getfixturevalue("fresh_postgres_url")
    return url


@contextmanager
def opened(where: str, embedder: Embedder | None = None) -> Iterator[memkit.Memory]:
    with memkit.open(where, embedder=embedder, durability="process") as memory:
        yield memory


def filled(where: str, embedder: Embedder | None) -> None:
    with opened(where, embedder) as memory:
        memory.add(SAID)
        memory.sync()


def spaces(where: str) -> list[tuple[Space, bool]]:
    store = SqlStore(where)
    try:
        return store.spaces.every()
    finally:
        store.close()


def nearest(where: str, embedder: HashEmbedder) -> str:
    """What is found by a vector alone: no word of the question occurs anywhere."""
    with opened(where, embedder) as memory:
        vector = embedder.vectors(["note 599"])[0]
        found = memory.recall("zzz", vector=vector, k=600, floor=0)
        return "note 599" if "note 599" in {hit.text for hit in found if hit.why["meaning rank"] == 1} else ""


def test_a_memory_of_words_gets_its_vectors_from_the_next_sync_with_an_embedder(where: str) -> None:
    filled(where, None)
    with opened(where, OLD) as memory:
        assert memory.stats().unembedded == 600
        assert memory.recall("599")[0].text == "note 599"  # by words, meanwhile
        memory.add("late")
        assert memory.sync().unembedded == 0
    assert nearest(where, OLD) == "note 599"


def test_a_memory_with_vectors_can_be_used_without_the_embedder_and_catches_up(where: str) -> None:
    filled(where, OLD)
    with opened(where) as memory:
        memory.add("said without an embedder")
        assert memory.recall("said without")[0].text == "said without an embedder"
        assert memory.stats().unembedded == 1
    with opened(where, OLD) as memory:
        assert memory.sync().unembedded == 0


def test_another_embedder_is_refused_and_nothing_changes(where: str) -> None:
    filled(where, OLD)
    before = spaces(where)
    others = (NEW, HashEmbedder(9), HashEmbedder(8, seed=2))
    for other in others:
        with pytest.raises(SpaceError, match="memkit reembed"), opened(where, other):
            pass
    assert spaces(where) == before == [(OLD.space, True)]
    assert nearest(where, OLD) == "note 599"


def test_reembedding_builds_beside_switches_and_can_switch_back(where: str) -> None:
    filled(where, OLD)
    steps: list[tuple[int, int]] = []
    assert memkit.reembed(where, NEW, progress=lambda done, total: steps.append((done, total))) == NEW.space
    assert steps == [(256, 600), (512, 600), (600, 600)]
    assert spaces(where) == [(OLD.space, False), (NEW.space, True)]
    assert nearest(where, NEW) == "note 599"
    with pytest.raises(SpaceError), opened(where, OLD):
        pass
    with opened(where, NEW) as memory:
        memory.add("said after the switch")
        memory.sync()
    again: list[tuple[int, int]] = []
    assert memkit.reembed(where, OLD, progress=lambda done, total: again.append((done, total))) == OLD.space
    assert again == [(1, 1)]
    assert nearest(where, OLD) == "note 599"


def test_reembedding_that_is_interrupted_goes_on_where_it_stopped(where: str) -> None:
    filled(where, OLD)
    failing = FaultyEmbedder(NEW, [None, ModelError("the model went away")])
    with pytest.raises(ModelError, match="went away"):
        memkit.reembed(where, failing)
    assert spaces(where) == [(OLD.space, True), (NEW.space, False)]
    assert nearest(where, OLD) == "note 599"  # the memory is used meanwhile
    with opened(where, OLD) as memory:
        memory.add("said meanwhile")
        memory.sync()
    resumed = FaultyEmbedder(NEW)
    memkit.reembed(where, resumed)
    assert sum(map(len, resumed.calls)) == 601 - 256
    assert nearest(where, NEW) == "note 599"
    with opened(where, NEW) as memory:
        assert memory.stats().unembedded == 0


def test_the_old_vectors_can_be_discarded(where: str) -> None:
    filled(where, OLD)
    memkit.reembed(where, NEW, discard=True)
    assert spaces(where) == [(NEW.space, True)]
    assert nearest(where, NEW) == "note 599"
    recount: list[int] = []
    memkit.reembed(where, OLD, progress=lambda done, total: recount.append(total))
    assert recount[-1] == 600  # they are made anew


def test_a_process_that_still_has_the_old_embedder_is_told(where: str) -> None:
    filled(where, OLD)
    with opened(where, OLD) as old, opened(where, OLD) as fresh:
        old.recall("note 3")
        memkit.reembed(where, NEW)
        for memory in (old, fresh):  # one has a shelf in memory, the other has none
            with pytest.raises(SpaceError, match="close it and open it again"):
                memory.recall("note 3")
            ids = memory.add("said by a process of yesterday").ids  # nothing that is said is lost
            with pytest.raises(SpaceError):
                memory.sync()
            memory.forget(ids=ids[0])


def test_forgetting_reaches_the_vectors_of_every_space(where: str) -> None:
    filled(where, OLD)
    memkit.reembed(where, NEW)
    with opened(where, NEW) as memory:
        result = memory.forget(everything=True, verify=True)
        assert (result.events, result.records, result.traces) == (600, 600, ())
    with opened(where, NEW) as memory:
        assert list(memory.recall("note 3")) == []
        assert memory.stats().records == {"passages": 0}
    assert memkit.reembed(where, OLD) == OLD.space
