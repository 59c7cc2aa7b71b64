"""Every event is absorbed once by every component, whoever asks for it and however often."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from memkit.engine import Engine
from memkit.memory import Memory
from memkit.ports import Store
from memkit.testing.components import Notes
from memkit.testing.threads import at_once
from memkit.values import Event, Where
from memkit.view import Workshop
from memkit_stores import SqlStore

SAID = [f"note {n}" for n in range(30)]


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that can be opened several times."""
    if request.param == "sqlite":
        return str(tmp_path / "memory.db")
    url: str = request.getfixturevalue("fresh_postgres_url")
    return url


@pytest.fixture
def opened(where: str) -> Iterator[Callable[..., Memory]]:
    """Opens the database once more, as another process would, with these components."""
    with ExitStack() as stack:

        def open_memory(*components: Notes) -> Memory:
            store = stack.enter_context(closing(SqlStore(where)))
            return stack.enter_context(Memory(Engine(Workshop(store), components, pauses=())))

        yield open_memory


def rows(store: Store, component: str = "notes", namespace: str = "default") -> list[str]:
    scope = Where(namespace=namespace)
    ids = store.derived.shelf(component, scope, None).id.tolist()
    return [record.text for record in store.derived.records(component, scope, ids)]


@pytest.mark.parametrize("seconds", [0.0, 0.02])
def test_threads_that_recall_at_once_absorb_everything_once(opened: Callable[..., Memory], seconds: float) -> None:
    notes = Notes(seconds=seconds)
    memory = opened(notes)
    memory.add(SAID)
    at_once([lambda: memory.recall("note 7")] * 6)
    assert rows(memory._engine.store) == SAID
    assert [text for call in notes.seen for text in call] == SAID  # the other threads waited


@pytest.mark.parametrize("seconds", [0.0, 0.02])
def test_engines_on_one_database_commit_everything_once(opened: Callable[..., Memory], seconds: float) -> None:
    """They do not wait for each other: whose commit comes late throws its draft away."""
    memories = [opened(Notes(seconds=seconds)) for _ in range(3)]
    for start in range(0, len(SAID), 10):
        memories[0].add(SAID[start : start + 10])
        at_once([lambda memory=memory: memory.recall("note 7") for memory in memories])  # type: ignore[misc]
    for memory in memories:
        assert rows(memory._engine.store) == SAID


def test_adding_while_others_recall_loses_nothing_and_doubles_nothing(opened: Callable[..., Memory]) -> None:
    adding, asking = opened(Notes()), opened(Notes())

    def add(own: int) -> Callable[[], object]:
        return lambda: [adding.add(f"{own} {n}") for n in range(10)]

    at_once([add(0), add(1), *[lambda: [asking.recall("note") for _ in range(10)]] * 2])
    asking.sync()
    assert sorted(rows(asking._engine.store)) == sorted(f"{own} {n}" for own in (0, 1) for n in range(10))
    assert rows(asking._engine.store) == [event.text for event in adding.history()]


def test_what_was_added_is_recalled_at_once_in_the_same_and_in_another_process(opened: Callable[..., Memory]) -> None:
    here, there = opened(Notes()), opened(Notes())
    for n in range(5):
        here.add(f"the answer to question{n} is {n}")
        assert (
            here.recall(f"question{n}")[0].text
            == there.recall(f"question{n}")[0].text
            == f"the answer to question{n} is {n}"
        )


def test_a_component_that_comes_later_starts_from_the_beginning(opened: Callable[..., Memory]) -> None:
    first = opened(Notes("first"))
    first.add(SAID)
    first.sync()
    both = opened(Notes("first"), Notes("second"))
    assert both.stats().pending == {"first": 0, "second": 30}
    both.recall("note 3")
    assert rows(both._engine.store, "first") == rows(both._engine.store, "second") == SAID


def test_catching_up_reaches_the_scope_of_the_recall_and_no_further(opened: Callable[..., Memory]) -> None:
    memory = opened(Notes())
    for path in ("acme", "acme/ana", "acme/ben", "acmes"):
        memory.add(f"note of {path}", namespace=path)
    memory.recall("note", namespace="acme/ana")
    assert memory.stats().pending == {"notes": 3}
    memory.recall("note", namespace="acme", below=True)
    assert memory.stats().pending == {"notes": 1}
    memory.sync()
    assert memory.stats().pending == {"notes": 0}


def test_an_event_that_is_forgotten_while_it_is_absorbed_leaves_nothing(where: str) -> None:
    """Between reading the events and committing their rows somebody forgets one of them."""
    with closing(SqlStore(where)) as other:

        def forget(event: Event) -> None:
            if event.text == "note 3":
                other.upkeep.forget(Where(namespace="default", ids=frozenset({event.id})), verify=False)

        notes = Notes(trouble=forget)
        with Memory(Engine(Workshop(SqlStore(where)), [notes], pauses=(0, 0))) as memory:
            memory.add(SAID[:6])
            memory.recall("note")
            assert rows(other) == ["note 0", "note 1", "note 2", "note 4", "note 5"]
            assert memory.stats().deferred == ()
            assert memory.stats().pending == {"notes": 0}


def test_a_namespace_that_is_forgotten_while_it_is_absorbed_is_empty(where: str) -> None:
    with closing(SqlStore(where)) as other:

        def forget(event: Event) -> None:
            if event.text == "note 3":
                other.upkeep.forget(Where(namespace="default"), verify=False)

        with Memory(Engine(Workshop(SqlStore(where)), [Notes(trouble=forget)], pauses=(0, 0))) as memory:
            memory.add(SAID[:6])
            assert list(memory.recall("note")) == []
            assert rows(other) == []
            assert memory.stats().events == 0
            memory.add("note again")
            assert [hit.text for hit in memory.recall("note")] == ["note again"]
