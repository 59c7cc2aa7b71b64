"""A thought, and the row that it is kept in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

from memkit.components.think_in_memory.relations import canonical, family, folded, name_key, tail_key
from memkit.hygiene import fingerprint
from memkit.values import Event, Record, Source

NAME = "think_in_memory"  # stored
THOUGHT, ENDING, MERGED, FORGOTTEN, DRAWN = "thought", "ending", "merged", "forgotten", "drawn"  # kinds of rows, stored
USERS = frozenset({"user", "human"})
ASSISTANTS = frozenset({"assistant", "ai"})
STATED = "stated"  # the mark of every row that recall may show

Key = tuple[str, str]  # a head and a family of relations


@dataclass(frozen=True, slots=True, kw_only=True)
class Thought:
    """What was drawn from one turn: a sentence with its relation triple, and the span `text[start:end]` that says it.

    `relation` is canonical. With `single` the head has one such tail at a time; with `ends` it was said that this does
    not hold, or no longer.
    """

    sentence: str
    head: str
    relation: str
    tail: str
    start: int
    end: int
    single: bool = False
    ends: bool = False


def speaker(event: Event) -> str:
    """Who says "I" in the event: its author, else "user", or "assistant"."""
    return event.author or ("assistant" if (event.role or "").lower() in ASSISTANTS else "user")


def by_user(row: Record) -> bool:
    """Whether a person said it: an assistant or a tool never overrules one."""
    return row.role is None or row.role.lower() not in ASSISTANTS | {"tool", "function", "system", "developer"}


def row_of(thought: Thought, event: Event, *, also: Sequence[Source] = ()) -> Record:
    """The row of a thought: shown and embedded as its sentence, found by the words of the turn as well.

    It inherits the event's fields and metadata; the triple is added to the metadata, under names of its own.
    """
    quote = event.text[thought.start : thought.end]
    said = fingerprint(quote)
    record = Record.of(event, NAME, start=thought.start, end=thought.end)
    marks = (f"key:{_name(key_of(thought.head, thought.relation))}", f"head:{name_key(thought.head)}", f"said:{said}")
    return replace(
        record,
        text=thought.sentence,
        sources=(*record.sources, *also),
        kind=ENDING if thought.ends else THOUGHT,
        metadata={
            **event.metadata,
            "head": thought.head,
            "relation": thought.relation,
            "tail": thought.tail,
            "single": thought.single,
            "said": said,
        },
        words="" if thought.ends else f"{thought.sentence}\n{quote}",
        marks=marks if thought.ends else (*marks, STATED),
        embed=not thought.ends,
    )


def drawn_row(event: Event, *others: Event) -> Record:
    """A row that shows nothing: it says that what was drawn at the event depends on the others, even if it was nothing,
    so that forgetting one of them draws again."""
    sources = tuple(Source(event=one.id, start=0, end=0) for one in (event, *others))
    return replace(Record.of(event, NAME, end=0), kind=DRAWN, sources=sources, metadata={}, embed=False, words="")


def field(row: Record, name: str) -> str:
    """A text of the row's metadata, "" if it has none."""
    value = row.metadata.get(name)
    return value if isinstance(value, str) else ""


def key_of(head: str, relation: str) -> Key:
    """What statements that may contradict each other share."""
    return name_key(head), family(canonical(relation))


def key_mark(key: Key) -> str:
    """The mark of the rows with the key."""
    return f"key:{_name(key)}"


def identity(row: Record) -> str:
    """16 hex digits of what the row says. Together with the event it came from they name a line of a bucket, and stay the
    same when rows are derived again."""
    triple = (field(row, "head"), field(row, "relation"), field(row, "tail"))
    told = "\0".join((row.kind, row.text, name_key(triple[0]), folded(triple[1]), tail_key(triple[2])))
    return blake2b(told.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _name(key: Key) -> str:
    return "|".join(key)
