"""Thoughts drawn by a chat model, after a turn was answered: which turns it is shown when, and what is taken of its reply.

The schedule depends on the order of the journal alone. An answer is drawn together with the user's turn before it. A
user's turn that is not answered is drawn when the next turn comes. A document, and a turn without such a role, is drawn at
once. What a tool or a system prompt said is passed over.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from memkit.components.think_in_memory import prompts, thoughts
from memkit.components.think_in_memory.grounding import Turns, parts
from memkit.components.think_in_memory.relations import canonical, single
from memkit.components.think_in_memory.sentences import sentence
from memkit.components.think_in_memory.thoughts import Thought, drawn_row, row_of
from memkit.errors import ModelError
from memkit.hygiene import memorable
from memkit.messages import Options, Shape
from memkit.ports import Llm, View
from memkit.values import Event, Json, Record, Source

_log = logging.getLogger("memkit")
_TEXTS = ("sentence", "head", "relation", "tail", "quote")
_LONGEST = 1_000  # characters of a sentence, head, relation or tail
_SCHEMA: Mapping[str, Json] = {
    "type": "object",
    "properties": {
        "thoughts": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    **{name: {"type": "string"} for name in _TEXTS},
                    "turn": {"type": "integer"},
                    "single": {"type": "boolean"},
                    "ends": {"type": "boolean"},
                },
                "required": [*_TEXTS, "turn", "single", "ends"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["thoughts"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A thought as a model gave it. `turn` counts from 1."""

    sentence: str
    head: str
    relation: str
    tail: str
    quote: str
    turn: int
    single: bool
    ends: bool


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is shown to the model at once. `at` is the event after which it is."""

    turns: Turns
    at: Event


def _read(reply: Json) -> list[Said]:
    listed = reply.get("thoughts") if isinstance(reply, dict) else None
    if not isinstance(listed, list):
        raise ValueError('the reply must be an object with a list "thoughts"')
    return [_read_one(one, n) for n, one in enumerate(listed, start=1)]


def _read_one(one: Json, n: int) -> Said:
    if not isinstance(one, dict):
        raise ValueError(f"thought {n} must be an object")
    texts: dict[str, str] = {}
    for name in _TEXTS:
        value = one.get(name)
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f'"{name}" of thought {n} must be a text that is not empty')
        texts[name] = value
    turn, alone, ends = one.get("turn"), one.get("single"), one.get("ends")
    if type(turn) is not int:
        raise ValueError(f'"turn" of thought {n} must be a whole number')
    if not isinstance(alone, bool) or not isinstance(ends, bool):
        raise ValueError(f'"single" and "ends" of thought {n} must be true or false')
    return Said(**texts, turn=turn, single=alone, ends=ends)


SHAPE = Shape(name="thoughts", schema=_SCHEMA, read=_read)


async def by_model(events: Sequence[Event], view: View, llm: Llm) -> list[Record]:
    """The rows of the events. Raises the ModelError of the first draw that failed: nothing is kept then, and replies that came
    are not asked for again."""
    rows: list[Record] = []
    drawings: list[Drawing] = []
    for event in events:
        if memorable(event):
            before = await _before(event, view)
            drawings += _due(event, before)
            if before is not None:
                rows.append(drawn_row(event, before))
    asked = [one for one in drawings if any(one.turns.shown(n).strip() for n in range(len(one.turns.events)))]
    if not asked:
        return rows
    replies = await llm.ask_all(
        [prompts.draw([(turns.who(n), turns.shown(n)) for n in range(len(turns.events))]) for turns in _turns(asked)],
        SHAPE,
        stage="thoughts",
        options=Options(temperature=0),
        sources=[[event.id for event in turns.events] for turns in _turns(asked)],
    )
    for drawing, reply in zip(asked, replies, strict=True):
        if isinstance(reply, ModelError):
            raise reply
        rows += kept(drawing, reply)
    return rows


def kept(drawing: Drawing, said: Sequence[Said]) -> list[Record]:
    """The rows of the thoughts that the turns support. How many were rejected, and why, is logged; what they said is not."""
    rows: dict[tuple[object, ...], Record] = {}
    rejected: Counter[str] = Counter()
    for one in said:
        made = grounded(drawing.turns, one)
        if isinstance(made, str):
            rejected[made] += 1
            continue
        turn, thought = made
        key = (turn, thought.ends, thought.head, thought.relation, thought.tail)
        rows.setdefault(key, row_of(thought, drawing.turns.events[turn], also=_also(drawing, turn)))
    if rejected:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(rejected.items()))
        _log.info("think_in_memory: %d of %d thoughts were rejected: %s", rejected.total(), len(said), reasons)
    places = {event.id: n for n, event in enumerate(drawing.turns.events)}
    return sorted(rows.values(), key=lambda row: (places[row.sources[0].event], row.sources[0].start))


def grounded(turns: Turns, said: Said) -> tuple[int, Thought] | str:
    """The number of the turn from 0 and its thought, or why there is none."""
    turn = said.turn - 1
    if not 0 <= turn < len(turns.events):
        return "of a turn that was not shown"
    span = turns.find(turn, said.quote)
    if span is None:
        return "quote what was not said"
    if not turns.asserts(turn, *span):
        return "quote a question or a refusal"
    head, tail = turns.resolved(turn, said.head), turns.resolved(turn, said.tail)
    relation = canonical(said.relation)
    if max(map(len, (head, relation, tail, said.sentence))) > _LONGEST:
        return "are too long"
    if not (turns.support(head) and turns.support(tail)):
        return "have a head or tail that was not said"
    if turns.unfounded(said.sentence, head, relation, tail):
        return "have a name or number that was not said"
    plain = sentence(head, relation, tail, ends=said.ends)
    own = turns.worded(said.sentence, plain) and (head.casefold() in said.sentence.casefold())
    return turn, Thought(
        sentence=said.sentence.strip() if own else plain,
        head=head,
        relation=relation,
        tail=tail,
        start=span[0],
        end=span[1],
        single=single(relation, said.single),
        ends=said.ends,
    )


async def _before(event: Event, view: View) -> Event | None:
    """The last turn before the event in its session that is one: calls of tools stand between."""
    found = await view.before(event, 1)
    while found and not memorable(found[0]):
        found = await view.before(found[0], 1)
    return found[0] if found else None


def _due(event: Event, before: Event | None) -> list[Drawing]:
    """What is drawn now that the event came after this one."""
    asked = before is not None and _waits(before)
    if _answers(event):
        return [Drawing(one, event) for one in parts(before, event)] if before is not None and asked else []
    due = parts(before) if before is not None and asked else []
    return [Drawing(one, event) for one in (due if _waits(event) else [*due, *parts(event)])]


def _waits(event: Event) -> bool:
    """Whether it is a turn that may be answered."""
    return event.kind != "document" and (event.role or "").lower() in thoughts.USERS


def _answers(event: Event) -> bool:
    return event.kind != "document" and (event.role or "").lower() in thoughts.ASSISTANTS


def _also(drawing: Drawing, turn: int) -> list[Source]:
    """What a thought of the turn depends on besides: the other turn that the model was shown, and the event without which
    it would not have been shown anything yet. (A long turn's later parts are shown alone, and depend on that one.)"""
    others = [event for n, event in enumerate(drawing.turns.events) if n != turn]
    sources = [Source(event=event.id, start=0, end=len(event.text)) for event in others]
    if all(event.id != drawing.at.id for event in drawing.turns.events):
        sources.append(Source(event=drawing.at.id, start=0, end=0))
    return sources


def _turns(drawings: Sequence[Drawing]) -> list[Turns]:
    return [drawing.turns for drawing in drawings]
