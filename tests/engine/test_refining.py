"""Components that read a second time, with the chat model: the first reading is there at once, the second when it is done."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from memkit import Memory, ModelError, ModelReplyError, UnreachableError
from memkit.engine import Engine
from memkit.messages import Message, Request
from memkit.models.checked import Checked
from memkit.models.metered import Metered
from memkit.ports import View
from memkit.testing.components import Notes
from memkit.testing.embedders import HashEmbedder, Vectors
from memkit.testing.scripted import ScriptedModel
from memkit.values import Draft, Event, Extraction, Fact, Record, Where
from memkit.view import Workshop
from memkit_stores import SqlStore


class TwoReadings(Notes):
    """Notes each event at once, and reads names out of it by splitting; the model's reading is its reply, split."""

    refines = True

    async def absorb(self, events: Sequence[Event], view: View, /) -> Draft:
        rows = (await super().absorb(events, view)).records
        return Draft(rows, tuple(self._read(event, event.text, 0) for event in events))

    async def refine(self, events: Sequence[Event], view: View, /) -> Draft:
        assert view.llm is not None
        read = []
        for event in events:
            asked = [Message(role="user", content=event.text)]
            reply = await view.llm.complete(asked, stage="second", sources=[event.id])
            if reply.text == "no":
                raise ModelReplyError("the model says no", raw=reply.text)
            read.append(self._read(event, reply.text, 1))
        return Draft((), tuple(read))

    def _read(self, event: Event, text: str, stage: int) -> Extraction:
        names = tuple(dict.fromkeys(text.split()))
        facts = tuple(Fact(names[0], "with", other) for other in names[1:])
        return Extraction(
            source=event.sources[0],
            namespace=event.namespace,
            component=self.name,
            names=names,
            facts=facts,
            stage=stage,
            by="the model" if stage else "rules",
        )


class Wrong(Notes):
    """Drafts an extraction that it may not draft."""

    def __init__(self, extraction: Callable[[Event, str], Extraction]) -> None:
        super().__init__("wrong")
        self._extraction = extraction

    async def absorb(self, events: Sequence[Event], view: View, /) -> Draft:
        return Draft((), tuple(self._extraction(event, self.name) for event in events))


@pytest.fixture
def opened() -> Iterator[Callable[..., Memory]]:
    with ExitStack() as stack:

        def open_memory(llm: ScriptedModel | None, component: Notes | None = None, where: str = ":memory:") -> Memory:
            metered = None if llm is None else Metered(llm)
            shop = Workshop(SqlStore(where), None, metered)
            return stack.enter_context(Memory(Engine(shop, (component or TwoReadings("two"),), pauses=())))

        yield open_memory


def upper(request: Request) -> str:
    return request.messages[-1].content.upper()


def readings(memory: Memory) -> list[tuple[int, tuple[str, ...]]]:
    found = memory._engine.store.derived.extractions("two", Where(namespace="default"))
    return [(one.stage, one.names) for one in found]


def test_recall_has_the_first_reading_and_does_not_wait_for_the_second(opened: Callable[..., Memory]) -> None:
    model = ScriptedModel(upper)
    memory = opened(model)
    memory.add("ana lisbon")
    assert len(memory.recall("ana")) == 1
    assert model.requests == []
    assert readings(memory) == [(0, ("ana", "lisbon"))]
    assert memory.stats().pending == {"two": 0, "two/llm": 1}
    assert memory.stats().records == {"two": 1}


def test_sync_reads_again_and_both_readings_are_kept(opened: Callable[..., Memory]) -> None:
    model = ScriptedModel(upper)
    memory = opened(model)
    memory.add(["ana lisbon", "ben porto"])
    assert memory.sync().pending == {"two": 0, "two/llm": 0}
    assert readings(memory) == [
        (0, ("ana", "lisbon")),
        (1, ("ANA", "LISBON")),
        (0, ("ben", "porto")),
        (1, ("BEN", "PORTO")),
    ]
    memory.sync()
    assert len(model.requests) == 2  # nothing was asked twice


def test_waiting_for_it_reads_again_too(opened: Callable[..., Memory]) -> None:
    memory = opened(ScriptedModel(upper))
    memory.add("ana lisbon")
    memory.recall("ana", wait=True)
    assert (1, ("ANA", "LISBON")) in readings(memory)


def test_a_memory_that_gets_a_model_later_reads_again_what_it_had(
    opened: Callable[..., Memory], tmp_path: Path
) -> None:
    where = str(tmp_path / "m.db")
    with opened(None, where=where) as memory:
        memory.add("ana lisbon")
        assert memory.sync().pending == {"two": 0}
    with opened(ScriptedModel(upper), where=where) as memory:
        assert memory.stats().pending == {"two": 0, "two/llm": 1}
        memory.sync()
        assert readings(memory) == [(0, ("ana", "lisbon")), (1, ("ANA", "LISBON"))]


def test_a_reply_that_cannot_be_used_is_deferred_under_the_second_readings_name(opened: Callable[..., Memory]) -> None:
    said = {"ana lisbon": "ANA", "ben porto": "no"}
    model = ScriptedModel(lambda request: said[request.messages[-1].content])
    memory = opened(model)
    memory.add(["ben porto", "ana lisbon"])
    (entry,) = memory.sync().deferred
    assert (entry.component, entry.error) == ("two/llm", "ModelReplyError: the model says no")
    assert readings(memory) == [(0, ("ben", "porto")), (0, ("ana", "lisbon")), (1, ("ANA",))]
    memory.forget(ids=[entry.event])
    assert memory.stats().deferred == ()


def test_what_was_deferred_is_read_when_asked_to_retry(opened: Callable[..., Memory]) -> None:
    memory = opened(ScriptedModel([ModelError("too long"), "BEN"]))
    memory.add("ben porto")
    (entry,) = memory.sync().deferred
    assert (entry.component, entry.error) == ("two/llm", "ModelError: too long")
    assert memory.sync(retry=True).deferred == ()
    assert readings(memory) == [(0, ("ben", "porto")), (1, ("BEN",))]


def test_when_the_model_answers_nobody_the_first_reading_stays_and_the_second_waits(
    opened: Callable[..., Memory],
) -> None:
    memory = opened(ScriptedModel([UnreachableError("down", again=False)] * 9))
    memory.add("ana lisbon")
    with pytest.raises(UnreachableError):
        memory.sync()
    assert memory.stats().pending == {"two": 0, "two/llm": 1}
    assert memory.stats().deferred == ()
    assert len(memory.recall("ana")) == 1


def test_rebuilding_makes_both_readings_again_from_the_replies_that_are_kept(opened: Callable[..., Memory]) -> None:
    model = ScriptedModel(upper)
    memory = opened(model)
    memory.add("ana lisbon")
    before = (memory.sync(), readings(memory))[1]
    memory.sync(rebuild=True)
    assert readings(memory) == before
    assert len(model.requests) == 1


def test_forgetting_takes_both_readings_along(opened: Callable[..., Memory]) -> None:
    memory = opened(ScriptedModel(upper))
    gone = memory.add("ana lisbon").ids
    memory.add("ben lisbon")
    memory.sync()
    assert memory.forget(ids=list(gone), verify=True).proven
    assert readings(memory) == [(0, ("ben", "lisbon")), (1, ("BEN", "LISBON"))]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"component": "another"}, "may only write its own rows"),
        ({"namespace": "elsewhere"}, "may only write its own rows"),
        ({"names": ("ana", "")}, "an empty name"),
        ({"facts": (Fact("ana", "likes", ""),)}, "an empty name"),
        ({"names": ("ana", "ana")}, "a name twice"),
    ],
    ids=["another component", "another namespace", "empty name", "empty end", "twice"],
)
def test_an_extraction_that_breaks_the_rules_defers_its_event(
    opened: Callable[..., Memory], change: dict[str, object], complaint: str
) -> None:
    def made(event: Event, component: str) -> Extraction:
        plain = Extraction(source=event.sources[0], namespace=event.namespace, component=component, names=("ana",))
        return replace(plain, **change)  # type: ignore[arg-type]

    memory = opened(None, Wrong(made))
    memory.add("ana")
    (entry,) = memory.sync().deferred
    assert complaint in entry.error


def test_a_span_that_the_event_does_not_have_defers_it(opened: Callable[..., Memory]) -> None:
    def made(event: Event, component: str) -> Extraction:
        source = replace(event.sources[0], end=99)
        return Extraction(source=source, namespace=event.namespace, component=component, names=("ana",))

    memory = opened(None, Wrong(made))
    memory.add("ana")
    (entry,) = memory.sync().deferred
    assert "characters 0 to 99" in entry.error


def test_a_second_reading_may_draft_records_of_its_own(opened: Callable[..., Memory]) -> None:
    class Rows(TwoReadings):
        async def refine(self, events: Sequence[Event], view: View, /) -> Draft:
            return Draft(tuple(replace(Record.of(event, self.name), text="again") for event in events))

    memory = opened(ScriptedModel(upper), Rows("two"))
    memory.add("ana")
    memory.sync()
    assert [record.text for record in memory.records("two")] == ["ana", "again"]


class Interrupting(HashEmbedder):
    """Does something before it embeds, once."""

    def __init__(self) -> None:
        super().__init__(16)
        self.first: Callable[[], object] | None = None

    async def embed(self, texts: Sequence[str], /, *, query: bool) -> Vectors:
        first, self.first = self.first, None
        if first is not None:
            first()
        return await super().embed(texts, query=query)


def test_a_name_that_is_forgotten_while_it_is_read_again_gets_its_vector() -> None:
    embedder = Interrupting()
    store = SqlStore(":memory:")
    store.spaces.use(embedder.space, whole=True)
    memory = Memory(Engine(Workshop(store, Checked(embedder)), (TwoReadings("two"),)))
    first = memory.add("Ana Porto").ids
    memory.recall("Ana")
    memory.add("Ana Lisbon")
    embedder.first = lambda: store.upkeep.forget(Where(namespace="default", ids=frozenset(first)), verify=False)
    memory.recall("Ana")
    assert embedder.first is None
    assert memory.stats().unembedded == 0
    memory.close()
