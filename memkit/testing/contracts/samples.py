"""Events, rows and filters for the laws: made by hand, and by Hypothesis with every awkward value in the pools."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from memkit.values import Draft, Event, Extraction, Fact, Json, Metadata, Record, Scalar, Source, Space, Where

START = datetime(2024, 5, 8, 9, 30, tzinfo=UTC)
SPACE = Space(model="contract", dimension=4)
OTHER_SPACE = Space(model="contract", dimension=4, query_prefix="query: ")  # another space for its prefix alone

NAMES = ("s1", "S1", "s", "s%", "s_1", "' OR 1=1 --", '"', "é", "e\u0301", "日本", "😀", "a\nb", " ")
KEYS = ("k", "K", "", "a.b", "$", "$.k", '"k"', "k\\", "é", "😀", "0", "[0]")
SCALARS: tuple[Scalar, ...] = (
    None, True, False, 0, 1, -1, 1.0, 0.0, -0.0, 0.1, 1e-7, 2.5, 2**53 + 1, 2**63 - 1, -(2**63),
    "", "0", "1", "1.0", "true", "null", "None", "k", "K", "é", "e\u0301", "it's", '"', "\\", "%", "日本", "😀", "a\nb",
)  # fmt: skip

_numbers = itertools.count(1)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=60)
_values: st.SearchStrategy[Json] = st.one_of(
    st.sampled_from(SCALARS),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(-1e9, 1e9),
    texts,
    st.lists(st.sampled_from(SCALARS), max_size=2),
    st.dictionaries(st.sampled_from(KEYS), st.sampled_from(SCALARS), max_size=2),
)
metadatas: st.SearchStrategy[Metadata] = st.dictionaries(st.sampled_from(KEYS) | texts, _values, max_size=3)
_names = st.none() | st.sampled_from(NAMES)


def fresh_namespace() -> str:
    """A namespace that nothing has been in. Earlier ones are near it: n1, n10."""
    return f"n{next(_numbers)}"


def around(base: str) -> tuple[str, ...]:
    """A namespace, some below it, and some that only look so."""
    return (
        base,
        f"{base}/a",
        f"{base}/a/b",
        f"{base}/A",
        f"{base}/a%",
        f"{base}/日本",
        f"{base}a",
        f"{base}_",
        f"{base}x/{base}",
    )


def an_event(text: str = "hello", *, namespace: str, minute: int = 0, **fields: object) -> Event:
    """An event that happened so many minutes after START and was recorded a day later."""
    at = START + timedelta(minutes=minute)
    made = Event(id=uuid.uuid4().hex, namespace=namespace, text=text, at=at, recorded=at + timedelta(days=1))
    return replace(made, **fields)  # type: ignore[arg-type]  # mypy cannot see into **fields


def a_record(*events: Event, component: str = "c", **fields: object) -> Record:
    """A row that depends on all of the events and shows the first."""
    sources = tuple(Source(event=event.id, start=0, end=len(event.text)) for event in events)
    made = replace(Record.of(events[0], component), sources=sources)
    return replace(made, **fields)  # type: ignore[arg-type]  # mypy cannot see into **fields


def an_extraction(event: Event, *names: str, component: str = "c", **fields: object) -> Extraction:
    """What was read out of the whole of an event."""
    source = Source(event=event.id, start=0, end=len(event.text))
    made = Extraction(source=source, namespace=event.namespace, component=component, names=names)
    return replace(made, **fields)  # type: ignore[arg-type]  # mypy cannot see into **fields


def a_draft(*rows: Record | Extraction, vectors: Mapping[str, NDArray[np.float32]] | None = None) -> Draft:
    records = tuple(row for row in rows if isinstance(row, Record))
    return Draft(records, tuple(row for row in rows if isinstance(row, Extraction)), vectors or {})


def a_vector(*entries: float) -> NDArray[np.float32]:
    return np.array(entries, np.float32)


@st.composite
def some_facts(draw: st.DrawFn, names: st.SearchStrategy[str] = texts) -> Fact:
    """A fact, of which the way it was written may differ."""
    fact = Fact(draw(names), draw(texts), draw(names), embed=draw(st.booleans()))
    shown = draw(st.none() | st.tuples(texts, texts, texts))
    return fact if shown == fact.told else replace(fact, shown=shown)


@st.composite
def some_extractions(
    draw: st.DrawFn, event: Event, stage: int = 0, start: int = 0, end: int | None = None
) -> Extraction:
    """What somebody may have read out of a span of the event; the names are few, so that several events have the same."""
    few = st.sampled_from(("ana", "ben", "lisbon", "日本", "😀", "it's", '"', "('ana', 'is', 'ben')", "é", " ", "\x7f"))
    names = draw(st.lists(few | texts, max_size=4, unique=True))
    shown = draw(st.dictionaries(st.sampled_from(names), texts, max_size=2)) if names else {}
    return Extraction(
        source=Source(event=event.id, start=start, end=len(event.text) if end is None else end),
        namespace=event.namespace,
        component="c",
        names=tuple(names),
        facts=tuple(draw(st.lists(some_facts(few), max_size=3))),
        shown={name: text for name, text in shown.items() if name != text},
        by=draw(st.sampled_from(("rules", "openie", "日本"))),
        stage=stage,
    )


@st.composite
def some_events(draw: st.DrawFn, *, most: int = 12) -> list[Event]:
    """Events of a fresh namespace and those around it; several share a moment."""
    places = around(fresh_namespace())
    return [
        an_event(
            draw(texts),
            namespace=draw(st.sampled_from(places)),
            minute=draw(st.integers(-3, 3)),
            kind=draw(st.sampled_from(("turn", "document", "Turn"))),
            role=draw(_names),
            author=draw(_names),
            session=draw(_names),
            metadata=draw(metadatas),
        )
        for _ in range(draw(st.integers(1, most)))
    ]


@st.composite
def some_filters(draw: st.DrawFn, events: Sequence[Event]) -> Where:
    """A filter that has something to do with the events. Most conditions are left out, so that something is left over."""
    one = draw(st.sampled_from(events))
    moments = st.sampled_from([e.at for e in events]).flatmap(
        lambda at: st.sampled_from([at, at + timedelta(microseconds=1), at - timedelta(microseconds=1)])
    )

    def seldom(strategy: st.SearchStrategy[frozenset[str]]) -> frozenset[str] | None:
        return draw(strategy) if draw(st.integers(0, 3)) == 0 else None

    def sets(own: str | None, pool: Sequence[str]) -> st.SearchStrategy[frozenset[str]]:
        near = st.just(frozenset() if own is None else frozenset({own}))
        return near | st.frozensets(st.sampled_from(pool), max_size=3)

    asked = [(key, value) for key, value in one.metadata.items() if not isinstance(value, (list, dict))]
    same = st.lists(st.sampled_from(asked), max_size=2).map(dict) if asked else st.just({})
    other = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(SCALARS), min_size=1, max_size=2)
    return Where(
        namespace=draw(st.sampled_from([one.namespace, one.namespace.rpartition("/")[0] or one.namespace])),
        below=draw(st.booleans()),
        sessions=seldom(sets(one.session, NAMES)),
        roles=seldom(sets(one.role, NAMES)),
        authors=seldom(sets(one.author, NAMES)),
        kinds=seldom(sets(one.kind, ("turn", "document", "Turn"))),
        ids=seldom(st.frozensets(st.sampled_from([*(e.id for e in events), "unknown"]), max_size=5)),
        since=draw(moments) if draw(st.integers(0, 3)) == 0 else None,
        until=draw(moments) if draw(st.integers(0, 3)) == 0 else None,
        as_of=draw(moments) + timedelta(days=1) if draw(st.integers(0, 3)) == 0 else None,
        metadata=draw(same | other) if draw(st.integers(0, 2)) == 0 else {},
    )


@dataclass(frozen=True, slots=True)
class Filtered:
    """Events and some filters over them."""

    events: list[Event]
    filters: list[Where]


@st.composite
def filtered_events(draw: st.DrawFn) -> Filtered:
    """Events, and six filters over them."""
    events = draw(some_events())
    return Filtered(events, [draw(some_filters(events)) for _ in range(6)])
