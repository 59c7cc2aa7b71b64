"""Long-term memory of a story: what becomes a row when, what an edit does, and the laws of components.

The laws are tried on events that no writer would journal in that order: steps out of order, twice, missing, edited
before and after they are read.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import memkit
from memkit import Passages, RecurrentGPT
from memkit.components.recurrent_gpt import Unit
from memkit.ports import Component, Embedder, Store, View
from memkit.testing.contracts import ComponentContract
from memkit.testing.contracts.law import law
from memkit.testing.contracts.samples import fresh_namespace
from memkit.testing.embedders import HashEmbedder
from memkit.values import Cue, Draft, Event, Hit
from memkit_stores import SqlStore

WORDS = "lamp|harbour|otter|letter|twins|ferry|clock|island|radio|storm".split("|")


def a_paragraph(step: int, text: str, **metadata: object) -> dict[str, object]:
    return {"content": text, "kind": "paragraph", "session": "s", "metadata": {"step": step, **metadata}}


@pytest.fixture
def memory() -> Iterator[memkit.Memory]:
    with memkit.open(":memory:", components=[RecurrentGPT()], embedder=HashEmbedder(64)) as memory:
        yield memory


def texts(memory: memkit.Memory) -> list[str]:
    memory.sync()
    return [row.text for row in memory.records(component="recurrent_gpt")]


# --- what becomes a row ------------------------------------------------------------------------------


def test_a_paragraph_is_remembered_once_the_next_one_is_written(memory: memkit.Memory) -> None:
    memory.add(a_paragraph(1, "The ferry comes.", new=True))
    assert texts(memory) == []
    assert len(memory.recall("the ferry")) == 0
    memory.add(a_paragraph(2, "Nobody gets off.", new=True))
    assert texts(memory) == ["The ferry comes."]
    events = memory.history()
    (row,) = memory.records(component="recurrent_gpt")
    assert [source.event for source in row.sources] == [events[0].id, events[1].id]
    assert (row.kind, row.session, row.metadata["step"]) == ("paragraph", "s", 1)
    memory.forget(ids=events[1].id)
    assert texts(memory) == []


def test_it_is_the_newest_version_that_is_remembered(memory: memkit.Memory) -> None:
    memory.add([a_paragraph(1, "The ferry comes.", new=True), a_paragraph(1, "The ferry is late.")])
    memory.add(a_paragraph(2, "Nobody gets off."))
    assert texts(memory) == ["The ferry is late."]
    memory.forget(ids=memory.history()[1].id)
    assert texts(memory) == ["The ferry comes."]


def test_an_edit_of_what_was_read_already_takes_its_place_until_it_is_undone(memory: memkit.Memory) -> None:
    memory.add([a_paragraph(n, f"{WORDS[n]} and {WORDS[n - 1]}", new=True) for n in range(1, 6)])
    before = [hit.text for hit in memory.recall("an otter", k=9)]
    moment = memory.history()[-1].recorded
    (edited,) = memory.add(a_paragraph(2, "A seal, not an otter.")).ids
    found = [hit.text for hit in memory.recall("an otter", k=9)]
    assert found[0] == "A seal, not an otter."
    assert sorted(found[1:]) == sorted(text for text in before if text != "otter and harbour")
    assert [hit.text for hit in memory.recall("an otter", k=9, as_of=moment)] == before
    memory.forget(ids=edited)
    assert [hit.text for hit in memory.recall("an otter", k=9)] == before


def test_a_paragraph_is_not_remembered_again_because_the_next_one_is_edited(memory: memkit.Memory) -> None:
    memory.add([a_paragraph(1, "The ferry comes.", new=True), a_paragraph(2, "Nobody gets off.", new=True)])
    memory.add([a_paragraph(2, "Two get off."), a_paragraph(2, "Three get off.")])
    assert texts(memory) == ["The ferry comes."]
    memory.forget(ids=memory.history()[1].id)
    assert texts(memory) == ["The ferry comes."]


def test_as_of_the_time_before_it_was_read_a_paragraph_is_not_remembered(memory: memkit.Memory) -> None:
    memory.add(a_paragraph(1, "The ferry comes.", new=True))
    before = memory.history()[-1].recorded
    memory.add(a_paragraph(2, "Nobody gets off.", new=True))
    assert len(memory.recall("the ferry")) == 1
    assert len(memory.recall("the ferry", as_of=before)) == 0


def test_stories_in_two_sessions_and_namespaces_do_not_mix(memory: memkit.Memory) -> None:
    for place in ("a", "a/b"):
        for session in ("s", "t", None):
            for n in (1, 2, 3):
                event = {**a_paragraph(n, f"{place} {session} {n} lamp"), "session": session}
                memory[place].add({name: value for name, value in event.items() if value is not None})
    assert sorted(hit.text for hit in memory["a"].recall("lamp", k=50, below=True)) == sorted(
        f"{place} {session} {n} lamp" for place in ("a", "a/b") for session in ("s", "t", None) for n in (1, 2)
    )
    assert len(memory["a"].recall("lamp", k=50, session="s")) == 2


@pytest.mark.parametrize("step", [0, -1, True, 1.0, "1", None, [1]], ids=str)
def test_what_has_no_number_is_no_part_of_the_story(memory: memkit.Memory, step: object) -> None:
    memory.add([a_paragraph(1, "One."), {**a_paragraph(2, "Two."), "metadata": {"step": step}}, "just a turn"])
    memory.add({**a_paragraph(2, "A plan."), "kind": "plan"})
    assert texts(memory) == []
    assert memory.stats().deferred == ()


def test_an_edit_far_from_the_end_of_a_long_story_finds_who_read_it(memory: memkit.Memory) -> None:
    memory.add([a_paragraph(n, f"paragraph {n}", new=True) for n in range(1, 400)])
    memory.add([f"a remark {n}" for n in range(200)], session="s")
    memory.add(a_paragraph(3, "The otter is edited in."))
    memory.add(a_paragraph(399, "The last one, edited before it is read."))
    assert "The otter is edited in." in texts(memory)
    assert memory.recall("the otter is edited in", k=1)[0].text == "The otter is edited in."
    assert "The last one, edited before it is read." not in texts(memory)


# --- recall ------------------------------------------------------------------------------------------


def test_recall_is_the_order_of_the_cosines_and_k_may_be_more_than_there_is() -> None:
    embedder = HashEmbedder(64)
    with memkit.open(":memory:", components=[RecurrentGPT()], embedder=embedder) as memory:
        said = [" ".join(WORDS[(n * k) % len(WORDS)] for k in range(1, 6)) + f" {n}" for n in range(1, 41)]
        memory.add([a_paragraph(n, text, new=True) for n, text in enumerate(said, 1)])
        cue = "the otter and the letter in the storm"
        cosines = embedder.vectors(said[:-1]) @ embedder.vectors([cue])[0]
        expected = sorted(range(39), key=lambda n: (-round(float(cosines[n]), 6), n))
        for k in (1, 2, 7, 100):
            found = memory.recall(cue, k=k)
            assert [hit.metadata["step"] for hit in found] == [n + 1 for n in expected[:k]]
        assert found[0].score == pytest.approx(cosines.max(), abs=1e-5)
        assert len(found) == 39


def test_without_an_embedder_rows_are_found_by_words() -> None:
    with memkit.open(":memory:", components=[RecurrentGPT()]) as memory:
        memory.add([a_paragraph(n, f"The {word} is far away.") for n, word in enumerate(WORDS, 1)])
        found = memory.recall("Where is the otter hiding?", k=5)
        assert found[0].text == "The otter is far away."
        assert 0 < found[0].score < 1
        assert len(memory.recall("zebra", k=5)) == 0


def test_the_same_words_at_two_steps_are_shown_once(memory: memkit.Memory) -> None:
    memory.add([a_paragraph(n, text) for n, text in enumerate(["The lamp.", "An otter.", "the lamp", "End.", "…"], 1)])
    assert [hit.metadata["step"] for hit in memory.recall("the lamp", k=9)] == [1, 2, 4]


def test_neighbours_are_the_steps_beside_in_their_newest_versions(memory: memkit.Memory) -> None:
    memory.add([a_paragraph(n, f"{WORDS[n]} {n}", new=True) for n in range(1, 8)])
    memory.add(a_paragraph(3, "letter 3, edited"))
    (hit,) = memory.recall("twins", k=1, neighbours=2)
    assert [record.text for record in hit.before] == ["otter 2", "letter 3, edited"]
    assert [record.text for record in hit.after] == ["ferry 5", "clock 6"]
    (hit,) = memory.recall("clock", k=1, neighbours=3)
    assert [record.text for record in hit.after] == []


def test_edits_of_all_that_is_near_do_not_hide_what_is_further_away(memory: memkit.Memory) -> None:
    memory.add([a_paragraph(1, "otter"), a_paragraph(2, "a ferry"), a_paragraph(3, "the end")])
    for n in range(60):
        memory.add(a_paragraph(1, f"otter otter otter {n}"))
    memory.add(a_paragraph(1, "a clock"))
    found = memory.recall("otter", k=2)
    assert sorted(hit.text for hit in found) == ["a clock", "a ferry"]


def test_a_unit_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="'paragraph' or 'summary'"):
        RecurrentGPT(unit="page")  # type: ignore[arg-type]


# --- the laws ----------------------------------------------------------------------------------------


class Retold:
    """The component, told other events than there are: turns become paragraphs of the steps 1 to 3, and summaries."""

    name = "recurrent_gpt"

    def __init__(self, inner: RecurrentGPT) -> None:
        self._inner = inner

    async def absorb(self, events: Sequence[Event], view: View, /) -> Draft:
        return await self._inner.absorb([retold(event) for event in events], RetoldView(view))

    async def recall(self, cue: Cue, view: View, /) -> list[Hit]:
        return await self._inner.recall(cue, view)


class RetoldView:
    """A view whose journal is retold as well."""

    def __init__(self, view: View) -> None:
        self._view = view

    async def before(self, event: Event, count: int, /) -> list[Event]:
        return [retold(one) for one in await self._view.before(event, count)]

    def __getattr__(self, name: str) -> object:
        return getattr(self._view, name)


def retold(event: Event) -> Event:
    kind = "summary" if "title" in event.metadata else "paragraph"
    new = {"new": True} if event.author == "Ana" else {}
    return replace(event, kind=kind, metadata={**event.metadata, **new, "step": 1 + len(event.text) % 3})


class StoryContract(ComponentContract):
    """The laws with an embedder, on SQLite."""

    @pytest.fixture
    def embedder(self) -> Embedder:
        return HashEmbedder(16)

    def test_the_stories_of_the_laws_have_rows(self, memory: memkit.Memory) -> None:
        memory["story"].add(["a", "bb", "a", "ccc", "bb"], session="s")
        assert memory["story"].sync().records["recurrent_gpt"] >= 3


class TestWholeParagraphs(StoryContract):
    @pytest.fixture
    def component(self) -> Component:
        return Retold(RecurrentGPT())


class TestSummaries(StoryContract):
    @pytest.fixture
    def component(self) -> Component:
        return Retold(RecurrentGPT(unit="summary"))


class TestByWords(ComponentContract):
    @pytest.fixture
    def component(self) -> Component:
        return Retold(RecurrentGPT())


class TestOnPostgres(StoryContract):
    @pytest.fixture
    def component(self) -> Component:
        return Retold(RecurrentGPT(unit="summary"))

    @pytest.fixture
    def store(self, fresh_postgres_url: str) -> Iterator[Store]:
        with closing(SqlStore(fresh_postgres_url)) as store:
            yield store


@law(60)
@given(
    steps=st.lists(st.tuples(st.integers(1, 4), st.booleans()), min_size=1, max_size=9),
    gone=st.sets(st.integers(0, 8), min_size=1, max_size=4),
)
@pytest.mark.parametrize("unit", ["paragraph", "summary"])
def test_forgetting_any_events_of_a_story_leaves_what_would_be_there_without(
    shared: dict[Unit, memkit.Memory], steps: list[tuple[int, bool]], gone: set[int], unit: Unit
) -> None:
    """With steps that are mostly in a row, as the contract's are not."""
    once, never = shared[unit][fresh_namespace()], shared[unit][fresh_namespace()]
    events = [
        {**a_paragraph(step, f"text {n}", **({"new": True} if new else {})), "kind": kind(n, unit)}
        for n, (step, new) in enumerate(steps)
    ]
    ids = once.add(events).ids
    once.sync()
    if doomed := [id for n, id in enumerate(ids) if n in gone]:
        once.forget(ids=doomed)
    for n, event in enumerate(events):
        if n not in gone:
            never.add(event)
            never.sync()
    assert rows(once) == rows(never)


@pytest.fixture(scope="module")
def shared() -> Iterator[dict[Unit, memkit.Memory]]:
    units: tuple[Unit, ...] = ("paragraph", "summary")
    memories = {unit: memkit.open(":memory:", components=[RecurrentGPT(unit=unit)]) for unit in units}
    yield memories
    for memory in memories.values():
        memory.close()


def kind(number: int, unit: str) -> str:
    return "summary" if unit == "summary" and number % 3 == 2 else "paragraph"


def rows(memory: memkit.Memory) -> list[str]:
    """Every row with the texts it depends on."""
    memory.sync()
    by_id = {event.id: event.text for event in memory.history()}
    return sorted(
        json.dumps([row.text, row.metadata["step"], [by_id[source.event] for source in row.sources]])
        for row in memory.records(component="recurrent_gpt")
    )


def test_it_stands_beside_passages(memory: memkit.Memory) -> None:
    with memkit.open(":memory:", components=[Passages(), RecurrentGPT()]) as both:
        both.add([a_paragraph(1, "The otter sleeps."), a_paragraph(2, "The lamp goes out.")])
        assert {hit.component for hit in both.recall("the otter", k=5)} == {"passages", "recurrent_gpt"}
