"""What a component made of some events, in a form in which two namespaces can be compared."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from memkit.absorbing import nodes_of
from memkit.context.recall import Recall
from memkit.engine import Engine
from memkit.memory import Memory
from memkit.testing.contracts.picture import Picture, picture
from memkit.testing.contracts.samples import START, an_event, texts
from memkit.values import Draft, Event, Extraction, Record, Where

_SAID = (
    "I moved to Lisbon in May.",
    "Where does Ana live now?",
    "Ana lives in Lisbon with her dog.",
    "My dog is called Toby, and he is three years old.",
    "no",
    "日本語を勉強しています。",
    "Ça va? Oui, ça va très bien 😀",
    "Call me at 8 on the 8th of May 2024!",
)
Answer = tuple[str, float, tuple[int, ...]]
_WRITTEN = " ".join(f"This is sentence {n} about Lisbon, the dog and the {n}th of May." for n in range(60))


@dataclass(frozen=True, slots=True)
class Made:
    """All that a component made. `extractions` are in the journal's order and are told as rows are: their sources are the
    numbers of their events. `bare` are the names and facts of these that have no vector."""

    rows: list[Told]
    extractions: list[tuple[int, Extraction]]
    bare: list[str]


@dataclass(frozen=True, slots=True)
class Told:
    """A row without what differs between namespaces: ids and times. `sources` are (number of the event, start, end)."""

    sources: tuple[tuple[int, int, int], ...]
    record: Record
    picture: Picture


@st.composite
def conversations(draw: st.DrawFn) -> list[Event]:
    """Turns and now and then a document, in several sessions, oldest first."""
    return [
        an_event(
            draw(st.sampled_from(_SAID) | st.sampled_from(_SAID) | texts.filter(str.strip) | st.just(_WRITTEN)),
            namespace="to be renewed",
            minute=60 * n,
            kind=draw(st.sampled_from(("turn", "turn", "turn", "document"))),
            author=draw(st.sampled_from((None, "Ana", "Ben"))),
            session=draw(st.sampled_from((None, "s", "t"))),
            metadata=draw(st.sampled_from(({}, {}, {"caption": "a dog in Lisbon"}, {"title": "Notes", "n": 1}))),
        )
        for n in range(draw(st.integers(1, 8)))
    ]


def renewed(events: Sequence[Event], namespace: str) -> list[Event]:
    """The same events in another namespace, with ids of their own."""
    return [replace(event, id=uuid.uuid4().hex, namespace=namespace) for event in events]


def held(engine: Engine, component: str, namespace: str, events: Sequence[Event]) -> list[Told]:
    """All rows in shelf order. `events` are those of the journal, in its order; their words are looked for."""
    where = Where(namespace=namespace)
    shelf = engine.store.derived.shelf(component, where, engine.space)
    records = engine.store.derived.records(component, where, shelf.id.tolist())
    numbers = {event.id: n for n, event in enumerate(engine.store.journal.read(where))}
    words = sorted({word for event in events for word in re.findall(r"\w+", event.text)})
    dimension = 1 if engine.space is None else engine.space.dimension
    pictures = picture(shelf, words=words, dimension=dimension)
    return [
        Told(
            sources=tuple((numbers[source.event], source.start, source.end) for source in record.sources),
            record=record,
            picture=one,
        )
        for record, one in zip(records, pictures, strict=True)
    ]


def extracted(engine: Engine, component: str, namespace: str) -> list[tuple[int, Extraction]]:
    """All extractions, each with the number of its event."""
    where = Where(namespace=namespace)
    numbers = {event.id: n for n, event in enumerate(engine.store.journal.read(where))}
    return [(numbers[one.source.event], one) for one in engine.store.derived.extractions(component, where)]


def alike(engine: Engine, component: str, namespace: str, events: Sequence[Event]) -> Made:
    """What the component made, without ids, namespaces and times."""
    extractions = extracted(engine, component, namespace)
    texts = nodes_of(Draft((), tuple(one for _, one in extractions)))
    bare = engine.store.derived.unembedded(namespace, component, texts, engine.space) if engine.space else []
    return Made(
        rows=[
            replace(row, record=replace(row.record, id=0, namespace="", sources=(), at=START, recorded=START))
            for row in held(engine, component, namespace, events)
        ],
        extractions=[
            (number, replace(one, namespace="", source=replace(one.source, event=""))) for number, one in extractions
        ],
        bare=bare,
    )


def recalled(memory: Memory, question: str) -> list[Answer]:
    """What a memory answers."""
    return answers(memory.recall(question, k=3, floor=0), [event.id for event in memory.history()])


def answers(found: Recall, ids: Sequence[str]) -> list[Answer]:
    """The hits: text, score, and the numbers of their events."""
    numbers = {id: n for n, id in enumerate(ids)}
    return [(hit.text, round(hit.score, 4), tuple(numbers[id] for id in hit.events)) for hit in found]
