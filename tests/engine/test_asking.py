"""Components that ask a chat model: nobody waits for them unasked, a reply is paid for once, and trouble loses nothing."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from memkit import BudgetError, Memory, ModelError, ModelReplyError, UnreachableError
from memkit.engine import Engine
from memkit.messages import Message, Request, Shape
from memkit.models.metered import Budget, Metered
from memkit.ports import View
from memkit.testing.components import Notes
from memkit.testing.scripted import ScriptedModel
from memkit.values import Draft, Event, Json, Record
from memkit.view import Workshop
from memkit_stores import SqlStore


def told(value: Json) -> str:
    if not isinstance(value, dict) or not isinstance(value.get("note"), str):
        raise ValueError('answer with {"note": "…"}')
    return str(value["note"])


NOTE = Shape(name="note", schema={"type": "object", "properties": {"note": {"type": "string"}}}, read=told)


class Scribe(Notes):
    """Keeps what the model says of each event. With `pairs` it shows the model the event before as well."""

    asks = True

    def __init__(self, name: str = "scribe", *, pairs: bool = False) -> None:
        super().__init__(name)
        self._pairs = pairs

    async def absorb(self, events: Sequence[Event], view: View, /) -> Draft:
        assert view.llm is not None
        groups = [[*(await view.before(event, 1) if self._pairs else ()), event] for event in events]
        replies = await view.llm.ask_all(
            [[Message(role="user", content=" | ".join(one.text for one in group))] for group in groups],
            NOTE,
            stage="notes",
            sources=[[one.id for one in group] for group in groups],
        )
        rows = []
        for group, reply in zip(groups, replies, strict=True):
            if isinstance(reply, ModelError):
                raise reply
            row = Record.of(group[-1], self.name)
            rows.append(replace(row, text=reply, sources=row.sources + tuple(one.sources[0] for one in group[:-1])))
        return Draft(tuple(rows))


class Tidy(Notes):
    """Sums up what it has in one row, once."""

    async def consolidate(self, view: View, /) -> Draft:
        shelf = await view.shelf()
        records = await view.records(shelf.id.tolist())
        if not records or any(record.kind == "sum" for record in records):
            return Draft()
        sources = tuple(source for record in records for source in record.sources)
        return Draft((replace(records[0], id=0, kind="sum", text=f"{len(records)} notes", sources=sources),))


def echo(request: Request) -> str:
    return '{"note": "noted: ' + request.messages[-1].content + '"}'


@pytest.fixture
def opened() -> Iterator[Callable[..., Memory]]:
    with ExitStack() as stack:

        def open_memory(llm: Metered | None, *components: Notes, where: Path | str = ":memory:") -> Memory:
            shop = Workshop(SqlStore(str(where)), None, llm)
            return stack.enter_context(Memory(Engine(shop, components, pauses=(0, 0))))

        yield open_memory


def texts(memory: Memory, component: str = "scribe") -> list[str]:
    return [record.text for record in memory.records(component)]


def rows(memory: Memory) -> list[Record]:
    """All rows but for their ids; of two components either may be the first to absorb."""
    return sorted((replace(record, id=0) for record in memory.records()), key=lambda row: (row.component, row.text))


def test_recall_does_not_wait_for_a_component_that_asks_a_model(opened: Callable[..., Memory]) -> None:
    model = ScriptedModel(echo)
    memory = opened(Metered(model), Notes(), Scribe())
    memory.add("We moved to Lisbon.")
    assert [hit.component for hit in memory.recall("Lisbon")] == ["notes"]
    assert model.requests == []
    assert memory.stats().pending == {"notes": 0, "scribe": 1}


def test_recall_waits_when_it_is_told_to(opened: Callable[..., Memory]) -> None:
    memory = opened(Metered(ScriptedModel(echo)), Notes(), Scribe())
    memory.add("We moved to Lisbon.")
    assert {hit.component for hit in memory.recall("Lisbon", wait=True)} == {"notes", "scribe"}


def test_a_component_that_could_ask_is_waited_for_when_there_is_no_model(opened: Callable[..., Memory]) -> None:
    class Offline(Notes):
        asks = True

    memory = opened(None, Offline("offline"))
    memory.add("We moved to Lisbon.")
    assert [hit.component for hit in memory.recall("Lisbon")] == ["offline"]


def test_sync_brings_it_up_to_date_and_counts_what_it_asked_for(opened: Callable[..., Memory]) -> None:
    memory = opened(Metered(ScriptedModel(echo)), Scribe())
    memory.add(["one", "two"])
    (usage,) = memory.sync().usage
    assert (usage.component, usage.stage, usage.calls, usage.kept) == ("scribe", "notes", 2, 0)
    assert usage.prompt > 0
    assert texts(memory) == ["noted: one", "noted: two"]


@pytest.mark.parametrize("wrong", [UnreachableError("no connection", again=False), BudgetError("too dear")])
def test_when_the_model_answers_nobody_the_events_wait(opened: Callable[..., Memory], wrong: Exception) -> None:
    def answer(request: Request) -> str:
        if trouble:
            raise trouble[0]
        return echo(request)

    trouble = [wrong]
    memory = opened(Metered(ScriptedModel(answer)), Notes(), Scribe())
    memory.add(["one", "two"])
    with pytest.raises(type(wrong)):
        memory.sync()
    assert [hit.text for hit in memory.recall("two")] == ["two"]  # the others are not held up
    assert memory.stats().deferred == ()
    assert memory.stats().pending["scribe"] == 2
    trouble.clear()
    assert memory.sync().pending["scribe"] == 0
    assert texts(memory) == ["noted: one", "noted: two"]


def test_an_event_that_the_model_cannot_make_anything_of_is_deferred(opened: Callable[..., Memory]) -> None:
    def answer(request: Request) -> str:
        return "no idea" if "two" in request.messages[0].content else echo(request)

    memory = opened(Metered(ScriptedModel(answer)), Scribe())
    memory.add(["one", "two", "three"])
    (entry,) = memory.sync().deferred
    assert entry.error.startswith("ModelReplyError")
    assert "no idea" not in entry.error  # the reply may quote what will be forgotten
    assert texts(memory) == ["noted: one", "noted: three"]


def test_a_reply_is_paid_for_once(opened: Callable[..., Memory], tmp_path: Path) -> None:
    where = tmp_path / "memory.db"
    with opened(Metered(ScriptedModel(echo)), Scribe(), where=where) as memory:
        memory.add(["one", "two"])
        memory.sync()
    model = ScriptedModel(echo)
    again = opened(Metered(model), Scribe(), where=where)
    again.sync(rebuild=True)
    assert texts(again) == ["noted: one", "noted: two"]
    assert model.requests == []
    again.add("three")
    again.sync()
    assert len(model.requests) == 1


def test_a_reply_goes_when_what_it_was_about_is_forgotten(opened: Callable[..., Memory], tmp_path: Path) -> None:
    model = ScriptedModel(echo)
    memory = opened(Metered(model), Scribe(pairs=True), where=tmp_path / "memory.db")
    first, second, _ = memory.add(["my PIN is 918273", "yours is good", "thank you"], session="s").ids
    memory.sync()
    asked = len(model.requests)
    assert asked == 3
    forgotten = memory.forget(ids=first, verify=True)
    assert forgotten.proven, forgotten.traces
    memory.sync()
    assert texts(memory) == ["noted: yours is good", "noted: yours is good | thank you"]
    assert len(model.requests) == asked + 1  # the second is another question now, the third is not
    assert all(record.sources[0].event != first for record in memory.records())
    assert second in {source.event for record in memory.records() for source in record.sources}


def test_a_rebuild_makes_every_row_anew(opened: Callable[..., Memory]) -> None:
    notes, other = Notes(), Notes("other")
    memory = opened(None, notes, other)
    memory["ana"].add(["one", "two"])
    memory["ben"].add("three")
    memory["ana"].sync()
    memory["ben"].sync()
    before = rows(memory["ana"])
    notes.drafted = lambda record: replace(record, text=record.text.upper())
    memory["ana"].sync(rebuild=True)
    assert texts(memory["ana"], "notes") == ["ONE", "TWO"]
    assert texts(memory["ana"], "other") == ["one", "two"]
    assert texts(memory["ben"], "notes") == ["three"]
    notes.drafted = lambda record: record
    memory["ana"].sync(rebuild=True)
    assert rows(memory["ana"]) == before


def test_a_component_tidies_up_when_it_is_synced_and_what_it_made_is_forgotten_with_its_sources(
    opened: Callable[..., Memory],
) -> None:
    memory = opened(None, Tidy())
    first, *_ = memory.add(["one", "two"]).ids
    memory.recall("one")
    assert texts(memory, "notes") == ["one", "two"]
    memory.sync()
    assert texts(memory, "notes") == ["one", "two", "2 notes"]
    memory.forget(ids=first)
    assert texts(memory, "notes") == ["two"]
    memory.sync()
    assert texts(memory, "notes") == ["two", "1 notes"]


@pytest.mark.parametrize("session", ["s", None])
def test_the_view_shows_the_events_before_one_in_its_session(
    opened: Callable[..., Memory], session: str | None
) -> None:
    memory = opened(None, Notes())
    other = "t" if session is None else None
    for n in range(150):
        memory.add(f"here {n}", session=session)
        memory.add(f"there {n}", session=other)
    here = memory.history()[2 * 100]
    view = memory._engine.shop.view("notes", memory._binding.where({}))
    assert [event.text for event in asyncio.run(view.before(here, 3))] == ["here 97", "here 98", "here 99"]
    assert len(asyncio.run(view.before(here, 1000))) == 100
    assert asyncio.run(view.before(memory.history()[0], 5)) == []


def test_the_view_shows_nothing_of_another_namespace(opened: Callable[..., Memory]) -> None:
    memory = opened(None, Notes())
    memory["ana"].add("secret", session="s")
    memory["ben"].add("hello", session="s")
    (event,) = memory["ben"].history()
    view = memory._engine.shop.view("notes", memory["ben"]._binding.where({}))
    assert asyncio.run(view.before(event, 5)) == []


def test_a_budget_stops_an_import_in_the_middle_and_a_larger_one_goes_on(
    opened: Callable[..., Memory], tmp_path: Path
) -> None:
    where = tmp_path / "memory.db"
    with opened(Metered(ScriptedModel(echo), budget=Budget(calls=3)), Scribe(), where=where) as memory:
        memory.add([f"turn {n}" for n in range(10)])
        with pytest.raises(BudgetError):
            memory.sync()
    model = ScriptedModel(echo)
    again = opened(Metered(model), Scribe(), where=where)
    again.sync()
    assert texts(again) == [f"noted: turn {n}" for n in range(10)]
    assert len(model.requests) == 7  # the three that were paid for were kept


def test_a_reply_that_cannot_be_used_says_what_it_was() -> None:
    metered = Metered(ScriptedModel(["{}", "[]", "nothing", "never asked for"]))
    with pytest.raises(ModelReplyError) as failed:
        asyncio.run(metered.bound("test").ask([Message(role="user", content="hi")], NOTE, stage="test"))
    assert failed.value.raw == "nothing"


def test_one_component_can_be_asked_alone(opened: Callable[..., Memory]) -> None:
    memory = opened(None, Notes(), Notes("other"))
    memory.add(["one two", "two"])
    alone = memory.recall("one two", component="other")
    assert [(hit.component, hit.score) for hit in alone] == [("other", 1.0), ("other", 0.5)]  # its own scores
    assert {hit.component for hit in memory.recall("one two")} == {"notes", "other"}
    with pytest.raises(ValueError, match="there is no component 'third'"):
        memory.recall("one", component="third")
