"""An event that a component cannot absorb is tried again, then set aside with its error; it holds up nobody else."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from memkit import ModelError, StoreError
from memkit.engine import Engine
from memkit.memory import Memory
from memkit.models.checked import Checked
from memkit.ports import Component, View
from memkit.testing.components import Notes
from memkit.testing.embedders import (
    FaultyEmbedder,
    HashEmbedder,
    all_zero,
    not_a_number,
    one_dimension_short,
    one_too_few,
)
from memkit.values import Cue, Draft, Event, Hit, Record, Source, Where
from memkit.view import Workshop
from memkit_stores import SqlStore

NOON = datetime(2024, 5, 8, 12, tzinfo=UTC)


FAULTS = (ModelError("down"), one_too_few, one_dimension_short, not_a_number, all_zero)


class Trouble:
    """Fails on events whose text holds "bad", so many times each, or always."""

    def __init__(self, times: int | None = None, error: Exception | None = None) -> None:
        self.times = times
        self.error = error or ValueError("a bad event")
        self.attempts = 0

    def __call__(self, event: Event) -> None:
        if "bad" in event.text and (self.times is None or self.attempts < self.times):
            self.attempts += 1
            raise self.error


@pytest.fixture
def opened() -> Iterator[Callable[..., Memory]]:
    """A memory with these components, whose second and third attempts come at once."""
    with ExitStack() as stack:

        def open_memory(*components: Component, embedder: Checked | None = None) -> Memory:
            store = SqlStore(":memory:")
            if embedder is not None:
                store.spaces.use(embedder.space, whole=False)
            engine = Engine(Workshop(store, embedder), components, pauses=(0, 0), clock=lambda: NOON)
            return stack.enter_context(Memory(engine))

        yield open_memory


def rows(memory: Memory, component: str = "notes") -> list[str]:
    derived, scope = memory._engine.store.derived, Where(namespace="default")
    ids = derived.shelf(component, scope, memory._engine.space).id.tolist()
    return [record.text for record in derived.records(component, scope, ids)]


SAID = ["one", "two", "a bad one", "four", "five"]


def test_an_event_that_fails_is_deferred_with_its_error_and_the_others_are_there(opened: Callable[..., Memory]) -> None:
    trouble = Trouble()
    memory = opened(Notes(trouble=trouble))
    ids = memory.add(SAID).ids
    assert [hit.text for hit in memory.recall("five")] == ["five"]
    assert rows(memory) == ["one", "two", "four", "five"]
    (entry,) = memory.stats().deferred
    assert (entry.event, entry.component, entry.namespace) == (ids[2], "notes", "default")
    assert (entry.error, entry.attempts, entry.at) == ("ValueError: a bad event", 3, NOON)
    assert memory.stats().pending == {"notes": 0}
    assert trouble.attempts == 4  # with the others, and three times alone


def test_a_deferred_event_is_left_alone_until_it_is_asked_for(opened: Callable[..., Memory]) -> None:
    trouble = Trouble()
    memory = opened(Notes(trouble=trouble))
    memory.add(SAID)
    memory.recall("one")
    before = trouble.attempts
    memory.add("six")
    memory.recall("six")
    memory.sync()
    assert trouble.attempts == before


@pytest.mark.parametrize("times", [1, 2, 3])
def test_an_event_that_fails_at_first_is_absorbed_in_its_place(opened: Callable[..., Memory], times: int) -> None:
    memory = opened(Notes(trouble=Trouble(times)))
    memory.add(SAID)
    memory.recall("one")
    assert rows(memory) == SAID
    assert memory.stats().deferred == ()


def test_other_components_absorb_what_one_cannot(opened: Callable[..., Memory]) -> None:
    memory = opened(Notes("weak", trouble=Trouble()), Notes("strong"))
    memory.add(SAID)
    assert {hit.component for hit in memory.recall("bad")} == {"strong"}
    assert rows(memory, "strong") == SAID
    assert [entry.component for entry in memory.stats().deferred] == ["weak"]


def test_a_retry_that_succeeds_clears_the_queue_and_the_row_takes_its_place(opened: Callable[..., Memory]) -> None:
    trouble = Trouble()
    memory = opened(Notes(trouble=trouble))
    memory.add(SAID)
    memory.recall("one")
    trouble.times = 0
    assert memory.sync(retry=True).deferred == ()
    assert rows(memory) == SAID
    assert [hit.text for hit in memory.recall("bad")] == ["a bad one"]


class Whispers:
    """Each row has the words of the row before it as well: a chain. Fails while there is trouble."""

    name = "whispers"
    trouble = True

    async def absorb(self, events: Sequence[Event], view: View, /) -> Draft:
        shelf = await view.shelf()
        last = await view.records(shelf.id[-1:].tolist())
        rows: list[Record] = []
        for event in events:
            if self.trouble and "bad" in event.text:
                raise ValueError("a bad event")
            row = Record.of(event, self.name)
            before = (rows or last)[-1:]
            text = " < ".join([event.text, *(one.text for one in before)])
            rows.append(replace(row, text=text, sources=(*row.sources, *(s for one in before for s in one.sources))))
        return Draft(tuple(rows))

    async def recall(self, cue: Cue, view: View, /) -> list[Hit]:
        return []


def test_a_chain_is_derived_again_from_a_deferred_event_on(opened: Callable[..., Memory]) -> None:
    """Else the row would name later events, and go with them when they are forgotten."""
    whispers = Whispers()
    memory = opened(whispers)
    ids = memory.add(["one", "a bad one", "three", "another bad one"]).ids
    memory.sync()
    assert [row.text for row in memory.records()] == ["one", "three < one"]
    whispers.trouble = False
    stats = memory.sync(retry=True)
    assert (stats.deferred, stats.pending) == ((), {"whispers": 0})
    assert [row.text for row in memory.records()] == [
        "one",
        "a bad one < one",
        "three < a bad one < one",
        "another bad one < three < a bad one < one",
    ]
    memory.forget(ids=[ids[2]])
    assert [row.text for row in memory.records()] == ["one", "a bad one < one", "another bad one < a bad one < one"]


def test_a_retry_that_fails_says_so(opened: Callable[..., Memory]) -> None:
    trouble = Trouble()
    memory = opened(Notes(trouble=trouble))
    memory.add(SAID)
    memory.recall("one")
    trouble.error = TypeError("still bad")
    (entry,) = memory.sync(retry=True).deferred
    assert (entry.error, entry.attempts) == ("TypeError: still bad", 4)


def test_a_retry_reaches_the_namespace_it_is_asked_for(opened: Callable[..., Memory]) -> None:
    trouble = Trouble()
    memory = opened(Notes(trouble=trouble))
    for path in ("ana", "ben"):
        memory[path].add("a bad one")
        memory[path].recall("one")
    trouble.times = 0
    assert memory["ana"].sync(retry=True).deferred == ()
    assert [entry.namespace for entry in memory.stats().deferred] == ["ben"]


def test_a_deferred_event_waits_for_a_memory_that_has_the_component(opened: Callable[..., Memory]) -> None:
    memory = opened(Notes(trouble=Trouble()))
    memory.add(SAID)
    memory.recall("one")
    other = Memory(Engine(Workshop(memory._engine.store), [Notes("other")], pauses=()))
    assert len(other.sync(retry=True).deferred) == 1


def test_a_component_that_breaks_the_rules_has_nothing_stored(opened: Callable[..., Memory]) -> None:
    stranger = (Source(event="unknown", start=0, end=1),)
    breaches: list[Callable[[Record], Record]] = [
        lambda record: replace(record, sources=()),
        lambda record: replace(record, sources=stranger),
        lambda record: replace(record, sources=(*record.sources, *stranger)),
        lambda record: replace(record, namespace="another"),
        lambda record: replace(record, component="another"),
        lambda record: replace(record, sources=(replace(record.sources[0], end=1000),)),
        lambda record: replace(record, sources=(replace(record.sources[0], start=-1),)),
        lambda record: replace(record, sources=(replace(record.sources[0], start=3, end=2),)),
    ]
    for breach in breaches:
        memory = opened(Notes(drafted=breach), Notes("good"))
        memory.add(["one", "two"])
        memory.recall("one")
        assert [entry.error.partition(":")[0] for entry in memory.stats().deferred] == ["AbsorbError"] * 2
        assert rows(memory, "good") == ["one", "two"]
        assert memory.stats().records == {"notes": 0, "good": 2}


def test_a_retry_of_a_draft_that_cannot_be_stored_goes_on_with_the_next(opened: Callable[..., Memory]) -> None:
    notes = Notes(drafted=lambda record: replace(record, sources=(Source(event="unknown", start=0, end=1),)))
    memory = opened(notes)
    memory.add(["one", "two"])
    memory.recall("one")
    notes.drafted = lambda record: (
        replace(record, sources=(Source(event="unknown", start=0, end=1),)) if record.text == "one" else record
    )
    (entry,) = memory.sync(retry=True).deferred
    assert (entry.error.partition(":")[0], entry.attempts) == ("AbsorbError", 4)
    assert rows(memory) == ["two"]


@pytest.mark.parametrize(
    "vector", [np.ones(7, np.float32), np.ones((1, 8), np.float32), np.full(8, np.nan, np.float32)], ids=str
)
def test_a_vector_that_does_not_fit_the_space_is_the_component_s_fault(
    opened: Callable[..., Memory], vector: np.ndarray
) -> None:
    """Stored, it would make every later recall fail."""
    embedder = Checked(HashEmbedder(8))
    memory = opened(Notes(drafted=lambda record: replace(record, vector=vector)), embedder=embedder)
    memory.add("one")
    assert list(memory.recall("one")) == []
    assert [entry.error.partition(":")[0] for entry in memory.stats().deferred] == ["AbsorbError"]


def test_trouble_with_the_database_is_not_the_event_s_fault(opened: Callable[..., Memory]) -> None:
    memory = opened(Notes(trouble=Trouble(error=StoreError("disk full"))))
    memory.add(SAID)
    with pytest.raises(StoreError, match="disk full"):
        memory.recall("one")
    assert memory.stats().deferred == ()
    assert memory.stats().pending == {"notes": 5}


@pytest.mark.parametrize("fault", FAULTS, ids=["error", *(fault.__name__ for fault in FAULTS[1:])])
def test_an_embedder_that_fails_once_loses_nothing(opened: Callable[..., Memory], fault: object) -> None:
    embedder = FaultyEmbedder(HashEmbedder(8), [fault])  # type: ignore[list-item]
    memory = opened(Notes(), embedder=Checked(embedder))
    memory.add(SAID)
    memory.recall("one")
    assert rows(memory) == SAID
    assert memory.stats().unembedded == 0
    assert memory.stats().deferred == ()


@pytest.mark.parametrize("fault", FAULTS, ids=["error", *(fault.__name__ for fault in FAULTS[1:])])
def test_while_the_embedder_answers_nobody_events_wait_and_none_is_deferred(
    opened: Callable[..., Memory], fault: object
) -> None:
    embedder = FaultyEmbedder(HashEmbedder(8), [fault] * 4)  # type: ignore[list-item]
    memory = opened(Notes(), embedder=Checked(embedder))
    memory.add(SAID)
    with pytest.raises(ModelError):
        memory.recall("one")
    assert memory.stats().pending == {"notes": 5}
    assert rows(memory) == []
    memory.recall("one")
    assert rows(memory) == SAID
    assert memory.stats().deferred == ()


def test_a_text_that_the_embedder_cannot_take_is_deferred_alone(opened: Callable[..., Memory]) -> None:
    class Picky(HashEmbedder):
        async def embed(self, texts, /, *, query):  # type: ignore[no-untyped-def]
            if any("bad" in text for text in texts):
                raise ModelError("that text is too much for me")
            return await super().embed(texts, query=query)

    memory = opened(Notes(), embedder=Checked(Picky(8)))
    memory.add(SAID)
    memory.recall("one")
    assert rows(memory) == ["one", "two", "four", "five"]
    assert [entry.error for entry in memory.stats().deferred] == ["ModelError: that text is too much for me"]


def test_the_error_that_is_kept_does_not_quote_the_event(opened: Callable[..., Memory]) -> None:
    """What memkit itself says of a draft: it may outlive the event."""
    memory = opened(Notes(drafted=lambda record: replace(record, namespace="another")))
    memory.add("the secret ingredient is nutmeg")
    memory.recall("nutmeg")
    assert "nutmeg" not in memory.stats().deferred[0].error


def test_the_order_of_components_does_not_matter_for_who_fails(opened: Callable[..., Memory]) -> None:
    for components in (
        (Notes("weak", trouble=Trouble()), Notes("strong")),
        (Notes("strong"), Notes("weak", trouble=Trouble())),
    ):
        memory = opened(*components)
        memory.add(SAID)
        memory.sync()
        assert rows(memory, "strong") == SAID
        assert len(rows(memory, "weak")) == 4
