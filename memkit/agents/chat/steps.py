"""A turn in the journal: the keys that let nothing in twice, and the tool steps, written and read again.

A tool step is two kinds of event. "call" holds what the model asked for in one round, and goes in before
anything is done; "result" holds what came of one of its calls. Neither repeats a remembered text: a fact to remember is an
event of its own, a recall's result is the ids of what it found. So forgetting an event leaves no copy in them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from memkit.agents.chat.tools import Asked
from memkit.messages import Message, ToolCall
from memkit.values import Event, Json

CALL, RESULT, FACT = "call", "result", "note"
KINDS = (CALL, RESULT, FACT, "turn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a turn is answered: in which session, under which key, by whom. `turn` is the id of what was said."""

    session: str
    key: str
    by: str | None
    turn: str

    def key_of(self, *what: str | int) -> str:
        """The journal's key for a part of the answer, the same after any crash."""
        return named(self.session, self.key, self.by, *what)

    def message(self, kind: str, text: str, *what: str | int, **more: Json) -> dict[str, object]:
        """An event of this answer, ready to be added."""
        return {
            "role": "assistant",
            "content": text,
            "author": self.by,
            "session": self.session,
            "kind": kind,
            "key": self.key_of(kind, *what),
            "metadata": {"turn": self.turn, "by": self.by, **more},
        }


def named(session: str, *what: str | int | None) -> str:
    """A key of the journal. It has a fixed length, whatever the names in it are."""
    told = json.dumps([session, *what])
    return f"chat {blake2b(told.encode(), digest_size=20).hexdigest()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One round of tool calls. `results` are by place in `asked`; a call whose result is missing is still to be made."""

    number: int
    asked: tuple[Asked, ...]
    results: Mapping[int, str]

    def messages(self, said: str, results: Sequence[str]) -> list[Message]:
        """The round as the model sees it. `said` is what it said with the calls, where that is still known."""
        calls = tuple(asked.call for asked in self.asked)
        told = [Message(role="tool", content=text, call=call.id) for call, text in zip(calls, results, strict=True)]
        return [Message(role="assistant", content=said, calls=calls), *told]


def call_events(place: Place, step: Step, recalled: Sequence[str]) -> list[dict[str, object]]:
    """What goes into the journal, in one transaction, before the calls of a round are made. The facts to remember are among
    it: they are remembered if and only if the round is known."""
    facts = [
        place.message(FACT, asked.text, step.number, n, round=step.number, place=n, recalled=list(recalled))
        for n, asked in enumerate(step.asked)
        if _remembers(asked)
    ]
    calls: list[Json] = [_told(asked) for asked in step.asked]
    summary = "; ".join(_summary(asked) for asked in step.asked)
    return [*facts, place.message(CALL, summary, step.number, round=step.number, calls=calls)]


def result_event(place: Place, number: int, n: int, text: str, recalled: Sequence[str]) -> dict[str, object]:
    """What goes into the journal when a call was made."""
    return place.message(RESULT, text, number, n, round=number, place=n, recalled=list(recalled))


def steps_of(events: Sequence[Event]) -> list[Step]:
    """The rounds that the journal has of an answer, in order."""
    facts = {(event.metadata["round"], event.metadata["place"]): event.text for event in events if event.kind == FACT}
    results: dict[Json, dict[int, str]] = {}
    for event in events:
        if event.kind == RESULT:
            results.setdefault(event.metadata["round"], {})[int(str(event.metadata["place"]))] = event.text
    steps: list[Step] = []
    for event in events:
        if event.kind == CALL:
            number = int(str(event.metadata["round"]))
            calls = event.metadata["calls"]
            asked = [
                _asked(call, facts.get((number, n)))
                for n, call in enumerate(calls if isinstance(calls, list) else [])
                if isinstance(call, dict)
            ]
            steps.append(Step(number=number, asked=tuple(asked), results=results.get(number, {})))
    return sorted(steps, key=lambda step: step.number)


def _remembers(asked: Asked) -> bool:
    return not asked.wrong and asked.call.name == "remember"


def _told(asked: Asked) -> dict[str, Json]:
    told: dict[str, Json] = {"id": asked.call.id, "name": asked.call.name}
    if asked.wrong:
        return {**told, "wrong": asked.wrong}
    if asked.call.name == "recall":
        told["query"] = asked.text
    if asked.call.name == "forget":
        told["arguments"] = asked.call.arguments
        told["events"] = list(asked.events)
    return told


def _asked(told: Mapping[str, Json], fact: str | None) -> Asked:
    id, name, wrong = (str(told.get(part, "")) for part in ("id", "name", "wrong"))
    if wrong:
        return Asked(call=ToolCall(id=id, name=name, arguments="{}"), wrong=wrong)
    if name == "forget":
        events = told.get("events")
        ids = tuple(str(event) for event in events) if isinstance(events, list) else ()
        return Asked(call=ToolCall(id=id, name=name, arguments=str(told.get("arguments", "{}"))), events=ids)
    what = "text" if name == "remember" else "query"
    text = (fact or "(forgotten since)") if name == "remember" else str(told.get("query", ""))
    return Asked(call=ToolCall(id=id, name=name, arguments=json.dumps({what: text}, ensure_ascii=False)), text=text)


def _summary(asked: Asked) -> str:
    if asked.wrong:
        return f"{asked.call.name}, refused"
    if asked.call.name == "recall":
        return f"recall: {asked.text}"
    return f"forget {len(asked.events)}" if asked.call.name == "forget" else asked.call.name
