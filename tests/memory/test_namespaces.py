"""A namespace is a wall: 200 users in one database, and each has a memory as if alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import memkit
from memkit.testing.contracts.samples import an_event
from memkit.testing.embedders import HashEmbedder
from memkit.values import Event, Where

USERS, TURNS = 200, 10
EMBEDDER = HashEmbedder(32)


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[memkit.Memory]:
    """200 users who say nearly the same; the file is small, and every index sees all of them."""
    where = str(tmp_path_factory.mktemp("crowded") / "memory.db")
    with filled(where) as memory:
        yield memory


@pytest.fixture
def crowded_postgres(fresh_postgres_url: str) -> Iterator[memkit.Memory]:
    with filled(fresh_postgres_url) as memory:
        yield memory


@contextmanager
def filled(where: str) -> Iterator[memkit.Memory]:
    with memkit.open(where, embedder=EMBEDDER, durability="process") as memory:
        memory.add([turn for user in range(USERS) for turn in turns(user)])
        memory.sync()
        yield memory


def turns(user: int) -> list[Event]:
    """What one user says: the words are everybody's, the secret is the user's own."""
    return [
        an_event(
            f"my dog likes treat{n} and secret{user}",
            namespace=f"users/{user}",
            minute=n,
            session=f"s{n % 2}",
            author=f"u{user}",
        )
        for n in range(TURNS)
    ]


def check(memory: memkit.Memory) -> None:
    for user in (0, 1, 19, 199):
        bound = memory["users"][str(user)]
        own = {f"my dog likes treat{n} and secret{user}" for n in range(TURNS)}
        for question in ("my dog likes treat", "dog", f"secret{(user + 1) % USERS} dog"):
            found = bound.recall(question, k=TURNS, floor=0)
            assert {hit.text for hit in found} == own, question
            assert all(hit.record.namespace == f"users/{user}" for hit in found)
        vector = EMBEDDER.vectors(["dog likes"])[0]
        assert {hit.text for hit in bound.recall("zzz", k=TURNS, vector=vector, floor=0)} == own
        filtered = bound.recall("my dog likes treat", k=4, session="s1", floor=0)
        assert len(filtered) == 4
        assert {hit.record.session for hit in filtered} == {"s1"}
        assert len(bound.history()) == TURNS


def test_each_of_200_users_gets_k_hits_and_never_another_s(crowded: memkit.Memory) -> None:
    check(crowded)


def test_each_of_200_users_gets_k_hits_on_postgresql(crowded_postgres: memkit.Memory) -> None:
    check(crowded_postgres)


def test_below_reaches_all_of_them_and_a_filter_still_comes_first(crowded: memkit.Memory) -> None:
    found = crowded.recall("secret77 dog", k=10, namespace="users", below=True, floor=0)
    assert {hit.record.namespace for hit in found} == {"users/77"}
    some = crowded.recall("dog", k=10, namespace="users", below=True, author="u3", floor=0)
    assert [hit.record.author for hit in some] == ["u3"] * 10
    narrow = crowded.recall(
        "my dog likes treat", k=20, namespace="users", below=True, author=["u5", "u6"], session="s0", floor=0
    )
    assert sorted({hit.record.author for hit in narrow}) == ["u5", "u6"]
    assert len(narrow) == 10
    assert list(crowded.recall("dog", namespace="users", floor=0)) == []
    assert list(crowded.recall("dog", namespace="users/7", below=True, author="u77", floor=0)) == []


def test_metadata_and_text_cannot_change_the_namespace(tmp_path: Path) -> None:
    with memkit.open(tmp_path / "memory.db") as memory:
        memory["ana"].add("hello dog", metadata={"namespace": "ben", "component": "other"}, session="ben")
        assert list(memory["ben"].recall("dog")) == []
        assert [hit.record.namespace for hit in memory["ana"].recall("dog", metadata={"namespace": "ben"})] == ["ana"]


def test_a_bound_memory_reaches_nothing_outside(tmp_path: Path) -> None:
    with memkit.open(tmp_path / "memory.db") as memory:
        memory.add("outside")
        memory["acme"].add("of acme")
        ana = memory["acme"]["ana"]
        ana.add("of ana")
        memory["acme/anabel"].add("of anabel")
        assert repr(ana) == repr(memory["acme/ana"])
        assert [event.text for event in ana.history(below=True)] == ["of ana"]
        assert [event.text for event in memory["acme"].history(below=True)] == ["of acme", "of ana", "of anabel"]
        assert [event.text for event in memory["acme"].history(namespace="ana")] == ["of ana"]
        stray = memory["acme"].history()[0]
        with pytest.raises(ValueError, match="cannot be added"):
            ana.add(stray)
        for path in ("/ben", "ben/", "ben//x", ""):
            with pytest.raises(ValueError, match="path"):
                ana.history(namespace=path)
        assert ana.history(namespace="../ben") == []  # two dots are a name like any other
        assert ana.forget(everything=True).events == 1
        assert memory.stats().events == 3


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_forgetting_one_of_200_users_leaves_the_others(
    database: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    where = str(tmp_path / "memory.db") if database == "sqlite" else request.getfixturevalue("fresh_postgres_url")
    with filled(where) as memory:
        before = memory.stats()
        ids = [hit.record.id for hit in memory.recall("dog", namespace="users/8", k=10, floor=0)]
        result = memory.forget(namespace="users/7", verify=True)
        assert (result.events, result.records, result.proven) == (TURNS, TURNS, True)
        after = memory.stats()
        assert (before.events - after.events, before.namespaces - after.namespaces) == (TURNS, 1)
        assert list(memory.recall("dog", namespace="users/7")) == []
        assert [hit.record.id for hit in memory.recall("dog", namespace="users/8", k=10, floor=0)] == ids
        found = memory.recall("secret7", namespace="users", below=True, k=3, floor=0)
        assert all("secret7 " not in f"{hit.text} " for hit in found)


def test_vectors_of_one_user_are_searched_exactly_among_their_own(crowded: memkit.Memory) -> None:
    store = crowded._engine.store
    shelf = store.derived.shelf("passages", Where(namespace="users/42"), EMBEDDER.space)
    assert shelf.size == TURNS
    question = EMBEDDER.vectors(["my dog likes treat3 and secret42"])[0]
    rows, scores = shelf.nearest(question, TURNS, None)
    assert len(rows) == TURNS
    assert np.all(np.diff(scores) <= 0)
    assert scores[0] == pytest.approx(1.0, abs=1e-5)
