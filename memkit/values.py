"""The values that travel between memkit's parts. They are frozen and know nothing of stores, models or components.

Times are aware datetimes in UTC. Spans count characters (Unicode code points) of the event's text, end exclusive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Scalar = str | int | float | bool | None
Json = Scalar | list["Json"] | dict[str, "Json"]
Metadata = Mapping[str, Json]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HEAVIEST = 1_000  # of an edge of a graph, for each passage that supports it; sums of more would not be exact for long


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A text that was written rather than said: it is split at sentence borders, and its title helps to find it.

    `title` and `caption` are also searched; every key of `metadata` can be filtered by.
    """

    text: str
    title: str | None = None
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that was said, written or done, exactly as it came in. The journal is made of these.

    `at` is when it happened, `recorded` when the journal took it. `key` makes adding idempotent: a second event with
    the same key in the same namespace is not stored. `position` orders the journal; it is 0 before the journal took
    the event. Two keys of `metadata` are searched with the text: `title` and `caption` (what an attached picture shows).
    """

    id: str
    namespace: str
    text: str
    at: datetime
    recorded: datetime
    kind: str = "turn"
    role: str | None = None
    author: str | None = None
    session: str | None = None
    key: str | None = None
    metadata: Metadata = field(default_factory=dict)
    position: int = 0

    @property
    def sources(self) -> tuple[Source, ...]:
        """An event is its own only source."""
        return (Source(event=self.id, start=0, end=len(self.text)),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The part of an event that a derived row came from."""

    event: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A row that a component derived from events.

    `text` is what a hit shows. The vector is made from `index` (None: the text), the words that the row is found by
    from `words` (None: what the vector is made from). `marks` are exact keys that `Shelf.marked` finds the row by:
    no question ever meets them. Of words and marks only hashes are stored, so that rows are read back without. `weight`
    is a factor on the row's score. With `embed` the row wants a vector: when the component has not given one (`vector`,
    shape [dimension]) and the memory has an embedder, the engine makes it. `sources` name every event the row depends
    on, the event it shows first: forgetting follows them. The other fields are what filters look at.
    """

    text: str
    sources: tuple[Source, ...]
    namespace: str
    component: str
    at: datetime
    recorded: datetime
    kind: str = "passage"
    role: str | None = None
    author: str | None = None
    session: str | None = None
    metadata: Metadata = field(default_factory=dict)
    index: str | None = None
    words: str | None = None
    marks: tuple[str, ...] = ()
    weight: float = 1.0
    embed: bool = True
    vector: NDArray[np.float32] | None = None
    id: int = 0

    @staticmethod
    def of(event: Event, component: str, *, start: int = 0, end: int | None = None) -> Record:
        """A record that shows `event.text[start:end]` and inherits the event's session, role, author, times, metadata."""
        stop = len(event.text) if end is None else end
        return Record(
            text=event.text[start:stop],
            sources=(Source(event=event.id, start=start, end=stop),),
            namespace=event.namespace,
            component=component,
            at=event.at,
            recorded=event.recorded,
            kind=event.kind,
            role=event.role,
            author=event.author,
            session=event.session,
            metadata=event.metadata,
        )

    @property
    def embedded(self) -> str:
        """The text that the vector is made from."""
        return self.text if self.index is None else self.index


@dataclass(frozen=True, slots=True, eq=False)
class Surprisal:
    """How surprising a text was, token by token. Shapes are [tokens].

    Token i is `text[start[i]:end[i]]`; tokens follow each other, though characters between them may belong to
    none. `bits`: −log2 p(token); `entropy`: that of the distribution that the token was drawn from, in bits; both float32.
    """

    start: NDArray[np.int32]
    end: NDArray[np.int32]
    bits: NDArray[np.float32]
    entropy: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Fact:
    """That a subject has a relation to an object. The three texts are what the fact is known by: equal texts, one fact.

    `subject` and `object` are names, and ends of an edge of the graph. `shown` is the fact as it was written, where that
    differs. With `embed` it wants a vector, of `embedded`.
    """

    subject: str
    relation: str
    object: str
    shown: tuple[str, str, str] | None = None
    embed: bool = True

    @property
    def embedded(self) -> str:
        """The text that the vector is made from: the triple as Python writes it, as in HippoRAG's own code."""
        return str((self.subject, self.relation, self.object))

    @property
    def told(self) -> tuple[str, str, str]:
        """The fact as it was written."""
        return self.shown or (self.subject, self.relation, self.object)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """The names and facts that were read out of one span of one event: what a graph is made of.

    `names` are those that the passage is linked to by a context edge, the ends of its facts among them if the component
    wants it so; without repetition. Of several extractions of the same span the one with the highest `stage` counts.
    `by` says who read it ("rules", "openie", a model's name). `shown` has names as they were written, where that differs.
    """

    source: Source
    namespace: str
    component: str
    names: tuple[str, ...]
    facts: tuple[Fact, ...] = ()
    shown: Mapping[str, str] = field(default_factory=dict)
    by: str = "rules"
    stage: int = 0


@dataclass(frozen=True, slots=True)
class Draft:
    """What a component wants stored for the events it was shown. The engine commits all of it, or nothing.

    `vectors` are those of names and of facts (by `Fact.embedded`) that are new; the engine makes them.
    """

    records: tuple[Record, ...] = ()
    extractions: tuple[Extraction, ...] = ()
    vectors: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weave:
    """How the edges of a graph weigh, and which names count as synonyms. The defaults are HippoRAG 2's (ICML 2025, and its code).

    `fact`: of an edge between the ends of a fact, for each passage that tells it (the original adds 1 in each
    direction). `context`: between a passage and a name in it; None for a graph of names alone (HippoRAG 1). `synonym`: times
    the cosine, for each direction in which one name is among the other's nearest. Two names are synonyms when their
    cosine is at least `threshold` (None: there are none) and one is among the `most` nearest of the other, which has at
    least `letters` letters or digits (as in the original, the one may have fewer). With `replace` a synonym's weight
    takes the place of that of the facts, in each direction by itself, as in the original; otherwise they add up.
    """

    fact: float = 2.0
    context: float | None = 1.0
    synonym: float = 1.0
    threshold: float | None = 0.8
    most: int = 100
    letters: int = 3
    replace: bool = False

    def __post_init__(self) -> None:
        """ValueError for a number that cannot be meant."""
        for name in ("fact", "context", "synonym"):
            weight = getattr(self, name)
            if weight is not None and not 0 <= weight <= HEAVIEST:
                raise ValueError(f"{name} is a weight, from 0 to {HEAVIEST}, not {weight}")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold is a cosine, from 0 to 1, not {self.threshold}")
        for name in ("most", "letters"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class Name:
    """Something that passages tell of: its text, which is what it is known by, and as it was written."""

    text: str
    shown: str


@dataclass(frozen=True, slots=True)
class Told:
    """A fact with the passages of the graph that tell it, by their places, ascending. `weight` is how many do, also of those
    that a part of the graph has left out."""

    fact: Fact
    passages: tuple[int, ...]
    weight: float


@dataclass(frozen=True, slots=True)
class Mention:
    """A context edge: that a passage is linked to a name, both by their places, and how heavily."""

    passage: int
    name: int
    weight: float


@dataclass(frozen=True, slots=True)
class Synonym:
    """That two names, by their places, a before b, mean the same, and the cosine of their vectors."""

    a: int
    b: int
    cosine: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KnowledgeGraph:
    """What was read out of passages, as one value. Places count from 0.

    The ends of every fact are texts of `names`. Names with different texts, facts with different texts, and passages with
    different ids are different ones; `names` has each text once.
    """

    names: tuple[Name, ...] = ()
    passages: tuple[Record, ...] = ()
    facts: tuple[Told, ...] = ()
    mentions: tuple[Mention, ...] = ()
    synonyms: tuple[Synonym, ...] = ()


class Row(Protocol):
    """What a filter can look at: events and records both have it."""

    @property
    def namespace(self) -> str: ...
    @property
    def session(self) -> str | None: ...
    @property
    def role(self) -> str | None: ...
    @property
    def author(self) -> str | None: ...
    @property
    def kind(self) -> str: ...
    @property
    def at(self) -> datetime: ...
    @property
    def recorded(self) -> datetime: ...
    @property
    def metadata(self) -> Metadata: ...
    @property
    def sources(self) -> tuple[Source, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """The one filter. `admits` is its definition; SQL is a translation of it and is tested against it.

    A set that is None asks nothing; an empty set admits nothing. `since` is inclusive, `until` exclusive, both on
    `at`. `as_of` admits what had been recorded by then (inclusive). `ids` are event ids. `metadata` values are scalars
    and must be equal in value and type, as JSON has them: 1 is 1.0, but not true and not "1".
    """

    namespace: str
    below: bool = False
    sessions: frozenset[str] | None = None
    roles: frozenset[str] | None = None
    authors: frozenset[str] | None = None
    kinds: frozenset[str] | None = None
    ids: frozenset[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    as_of: datetime | None = None
    metadata: Mapping[str, Scalar] = field(default_factory=dict)

    def admits(self, row: Row) -> bool:
        """Whether the row is in scope and passes every condition."""
        return (
            self.covers(row.namespace)
            and _in(row.session, self.sessions)
            and _in(row.role, self.roles)
            and _in(row.author, self.authors)
            and _in(row.kind, self.kinds)
            and (self.ids is None or any(source.event in self.ids for source in row.sources))
            and (self.since is None or row.at >= self.since)
            and (self.until is None or row.at < self.until)
            and (self.as_of is None or row.recorded <= self.as_of)
            and all(key in row.metadata and _equal(row.metadata[key], value) for key, value in self.metadata.items())
        )

    def covers(self, namespace: str) -> bool:
        """Whether the namespace is this one, or with `below` lies under it."""
        return namespace == self.namespace or (self.below and namespace.startswith(self.namespace + "/"))

    @property
    def narrows(self) -> bool:
        """Whether anything is asked beyond the namespace."""
        return bool(self.metadata) or any(
            value is not None
            for value in (
                self.sessions,
                self.roles,
                self.authors,
                self.kinds,
                self.ids,
                self.since,
                self.until,
                self.as_of,
            )
        )


def _in(value: str | None, admitted: frozenset[str] | None) -> bool:
    return admitted is None or value in admitted


def _equal(stored: Json, asked: Scalar) -> bool:
    if isinstance(stored, bool) or isinstance(asked, bool):
        return stored is asked
    if isinstance(stored, (int, float)) and isinstance(asked, (int, float)):
        return stored == asked
    return type(stored) is type(asked) and stored == asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """A question to the memory. `vector`, shape [dimension], stands in for embedding the text; `neighbours` asks for
    that many rows of the same session before and after each hit."""

    text: str
    where: Where
    k: int = 5
    neighbours: int = 0
    floor: float | None = None
    vector: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A record that answers a cue. `score` is in [0, 1] and comparable within one recall; `why` holds what it was made
    of, by name. `before` and `after` are the neighbours that were asked for, in the order they were said."""

    record: Record
    score: float
    why: Mapping[str, float | str] = field(default_factory=dict)
    before: tuple[Record, ...] = ()
    after: tuple[Record, ...] = ()

    @property
    def text(self) -> str:
        return self.record.text

    @property
    def component(self) -> str:
        return self.record.component

    @property
    def sources(self) -> tuple[Source, ...]:
        return self.record.sources

    @property
    def at(self) -> datetime:
        return self.record.at

    @property
    def author(self) -> str | None:
        return self.record.author

    @property
    def session(self) -> str | None:
        return self.record.session

    @property
    def metadata(self) -> Metadata:
        return self.record.metadata

    @property
    def events(self) -> tuple[str, ...]:
        """The ids of the events that the hit came from, without repetition, the one it shows first."""
        return tuple(dict.fromkeys(source.event for source in self.record.sources))


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What `add` did. `ids` has one event id per input, in order; `known` are those that were there already, by key
    or by id, and were not stored again."""

    ids: tuple[str, ...]
    known: frozenset[str] = frozenset()

    @property
    def added(self) -> int:
        """How many events are new in the journal."""
        return len(set(self.ids) - self.known)  # one key twice in a call is one event


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """An embedding space: vectors of two spaces are never compared. Prefixes are put before texts when embedded."""

    model: str
    dimension: int
    normalised: bool = True
    document_prefix: str = ""
    query_prefix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferred:
    """An event that a component could not absorb, set aside with the error of the last attempt."""

    namespace: str
    component: str
    event: str
    error: str
    attempts: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A place where a forgotten text was still found."""

    place: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What `forget` did. `records` are counted without what was read out of the events (`Extraction`), which goes, too.
    `replayed` counts the (namespace, component) pairs that have to absorb events again, because a row had other sources
    as well.

    `traces` is None when nothing was verified; an empty tuple says that every table, index and file was searched
    (they are named in `searched`) and nothing was left of the texts, metadata, authors, sessions and keys that occurs
    nowhere else. Of texts shorter than 8 bytes only the rows are searched.
    """

    events: int
    records: int
    replayed: int = 0
    traces: tuple[Trace, ...] | None = None
    searched: tuple[str, ...] = ()

    @property
    def proven(self) -> bool:
        """True when the erasure was verified and nothing was left."""
        return self.traces == ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CallUsage:
    """What a chat model was asked for by one component (or agent) in one stage.

    `calls` were answered, `failures` were not; `retries` are attempts beyond the first. `prompt`, `cached` (of them)
    and `reply` are tokens, of which those of `estimated` calls are estimates because the server did not tell. `cost` is in the
    currency of the prices, None when the price is unknown. `kept` counts the questions that a kept reply answered.
    """

    model: str
    component: str
    stage: str
    calls: int = 0
    failures: int = 0
    retries: int = 0
    prompt: int = 0
    cached: int = 0
    reply: int = 0
    estimated: int = 0
    cost: float | None = None
    seconds: float = 0.0
    kept: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """What a memory holds. `records` and `pending` are by component; `pending` counts events not yet absorbed;
    `unembedded` rows that want a vector in the space in use and have none. `spaces` has the one in use first. `usage`
    is what the chat model was asked for since the memory was opened, of all namespaces. `vectors` says what searches the
    vectors in this process: "memory", "pgvector", or such as "kernel on cuda:0"."""

    namespaces: int
    events: int
    records: Mapping[str, int]
    pending: Mapping[str, int]
    deferred: tuple[Deferred, ...]
    spaces: tuple[Space, ...]
    unembedded: int
    bytes: int
    usage: tuple[CallUsage, ...] = ()
    vectors: str = "memory"


def utc(value: datetime | str) -> datetime:
    """An aware UTC datetime from a datetime or an ISO 8601 text. One without a zone is taken as UTC."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
