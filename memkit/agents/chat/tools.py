"""The tools that a chat offers to its model: what they are called with, checked, and what they do.

Nothing that a model writes makes a tool fail: what is wrong is told to it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from inspect import isawaitable

from memkit.agents.chat.values import Manner
from memkit.context.quote import line_of
from memkit.context.recall import Recall
from memkit.coroutines import AsyncMemory
from memkit.errors import ModelError
from memkit.intake import check_text
from memkit.messages import Tool, ToolCall
from memkit.values import Event, Json

Confirm = Callable[[Sequence[Event]], bool | Awaitable[bool]]

MOST_CALLS = 8  # of one round; further ones are refused
LONGEST_FACT = 4_000  # characters
LONGEST_QUERY = 1_000
LONGEST_LINE = 1_000  # characters of one recalled text in a tool's result
MOST_FORGOTTEN = 50  # events of one call: what a person is shown at once

_STRANGE = re.compile(r"[^a-zA-Z0-9_-]")
_ID = re.compile(r"[!-~]{1,200}")  # what an id of a call may be: it is kept in the journal, and sent back


def _one_text(name: str, about: str) -> dict[str, Json]:
    return {
        "type": "object",
        "properties": {name: {"type": "string", "description": about}},
        "required": [name],
        "additionalProperties": False,
    }


REMEMBER = Tool(
    name="remember",
    description="Keep one fact for later conversations. What people say is kept anyway: use this for a conclusion or for "
    "something you were asked to remember, in one sentence that can be understood by itself.",
    parameters=_one_text("text", "The fact, one sentence"),
)
RECALL = Tool(
    name="recall",
    description="Search your memory of earlier conversations, when what you were shown does not answer the question.",
    parameters=_one_text("query", "What to look for, in words that it would be told in"),
)
FORGET = Tool(
    name="forget",
    description="Forget things for good, when the person you talk with asks for it. The person is shown them and "
    "decides. Only what your memory has shown under a mark such as [1] during this turn can be forgotten.",
    parameters={
        "type": "object",
        "properties": {
            "ids": {"type": "array", "items": {"type": "string"}, "description": 'Marks or ids, such as ["1", "3"]'}
        },
        "required": ["ids"],
        "additionalProperties": False,
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A tool call that was read: `call` is fit to be sent back to the model, whatever it looked like. `wrong` says what was
    wrong with it; then the rest means nothing. `events` are those that `forget` is to forget."""

    call: ToolCall
    text: str = ""
    events: tuple[str, ...] = ()
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """What recalls showed during a turn: by mark, the ids of the events behind it. Marks up to `top` are taken."""

    marks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    top: int = 0

    @property
    def events(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(event for events in self.marks.values() for event in events))

    def more(self, found: Sequence[tuple[str, ...]]) -> Shown:
        """With what was found now, under the next numbers."""
        marks = {str(number): ids for number, ids in enumerate(found, self.top + 1)}
        return Shown({**self.marks, **marks}, self.top + len(found))


def read_calls(calls: Sequence[ToolCall], offered: Collection[str], shown: Shown, number: int) -> tuple[Asked, ...]:
    """The calls of round `number`, checked; those beyond the one that is refused for being too many are dropped. Ids are
    made where they are missing or used twice."""
    asked: list[Asked] = []
    ids: set[str] = set()
    for place, call in enumerate(calls[: MOST_CALLS + 1]):
        id = call.id if _ID.fullmatch(call.id) and call.id not in ids else f"call_{number}_{place}"
        while id in ids:
            id += "_"
        ids.add(id)
        plain = ToolCall(id=id, name=_STRANGE.sub("_", call.name)[:64] or "unnamed", arguments="{}")
        try:
            if place >= MOST_CALLS:
                raise ValueError(f"these were {len(calls)} calls at once; only the first {MOST_CALLS} were made")
            asked.append(_read(replace(plain, arguments=call.arguments), call.name, offered, shown))
        except ValueError as e:
            asked.append(Asked(call=plain, wrong=str(e)))
    return tuple(asked)


def _read(call: ToolCall, name: str, offered: Collection[str], shown: Shown) -> Asked:
    if name not in offered:
        raise ValueError(f"there is no tool {line_of(name, 64)!r}; there are {', '.join(offered) or 'none'}")
    given = _arguments(call.arguments)
    if name == "forget":
        marks, events = _doomed(given.get("ids"), shown)
        return Asked(call=_plain(call, "ids", marks), events=events)
    what, longest = ("text", LONGEST_FACT) if name == "remember" else ("query", LONGEST_QUERY)
    text = _text(given.get(what), what, longest)
    return Asked(call=_plain(call, what, text), text=text)


def _plain(call: ToolCall, name: str, value: Json) -> ToolCall:
    """The call with the one argument that was read: what else a model writes (NaN, a thousand brackets) is not sent back."""
    return replace(call, arguments=json.dumps({name: value}, ensure_ascii=False))


def _arguments(written: str) -> dict[str, Json]:
    try:
        given = json.loads(written or "{}", object_pairs_hook=_members)
    except (ValueError, RecursionError) as e:
        raise ValueError(f"the arguments are not JSON: {line_of(str(e), 200)}") from None
    if not isinstance(given, dict):
        raise ValueError("the arguments are not a JSON object")
    return given


def _members(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """An object. One of two values that have the same name would be a guess."""
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return members


def _text(value: Json, name: str, longest: int) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"'{name}' needs to be a text, and not an empty one")
    if len(value) > longest:
        raise ValueError(f"'{name}' has {len(value)} characters; at most {longest} are taken")
    return check_text(value, f"'{name}'")


def _doomed(ids: Json, shown: Shown) -> tuple[list[Json], tuple[str, ...]]:
    """The marks, each once, and the events that were shown under them."""
    given = ids if isinstance(ids, list) else [ids]
    if not given or not all(isinstance(id, str | int) and not isinstance(id, bool) for id in given):
        raise ValueError('\'ids\' needs to be a list of marks, such as ["1", "3"]')
    marks = list(dict.fromkeys(str(id).strip().strip("[]") for id in given))
    unknown = [line_of(mark, 20) for mark in marks if mark not in shown.marks]
    if unknown:
        raise ValueError(
            f"nothing was shown under {', '.join(unknown[:5])}; recall first what is to be forgotten, "
            "then name it by its mark"
        )
    doomed = tuple(dict.fromkeys(event for mark in marks for event in shown.marks[mark]))
    if len(doomed) > MOST_FORGOTTEN:
        raise ValueError(f"these are {len(doomed)} things; at most {MOST_FORGOTTEN} can be forgotten at once")
    return [*marks], doomed


class Desk:
    """Carries out what was asked. `confirm` shows a person what is to be forgotten; without it, "forget" is not offered."""

    def __init__(self, memory: AsyncMemory, manner: Manner, confirm: Confirm | None) -> None:
        self._memory = memory
        self._manner = manner
        self._confirm = confirm
        self.refused = False
        every = {tool.name: tool for tool in (REMEMBER, RECALL, FORGET)}
        chosen = [name for name in dict.fromkeys(manner.tools) if name != "forget" or confirm is not None]
        self._tools = tuple(every[name] for name in chosen)

    @property
    def tools(self) -> tuple[Tool, ...]:
        """What is offered: nothing, once the model's server has refused it."""
        return () if self.refused else self._tools

    async def recall(self, query: str) -> Recall | str:
        """What the memory knows; when it cannot tell, why not."""
        try:
            return await self._memory.recall(query, k=self._manner.k)
        except ModelError as e:
            return f"The memory cannot be searched now: {line_of(str(e), 300)}"

    def listed(self, recall: Recall, first: int) -> tuple[str, list[tuple[str, ...]]]:
        """The hits as JSON within the budget, with ids from `first` on, and the events behind each."""
        lines: list[str] = []
        events: list[tuple[str, ...]] = []
        left = self._manner.recall_tokens
        for hit in recall.hits:
            record = hit.record
            told = {
                "id": str(first + len(lines)),
                "date": record.at.date().isoformat(),
                "by": line_of(record.author or record.role or "", 64),
                "quote": line_of(record.text, LONGEST_LINE),
            }
            line = json.dumps({key: value for key, value in told.items() if value}, ensure_ascii=False)
            cost = self._manner.count(line)
            if cost > left:
                continue
            left -= cost
            lines.append(line)
            events.append(hit.events)
        return f"[{', '.join(lines)}]" if lines else "Nothing was found.", events

    async def forget(self, doomed: Sequence[str]) -> str:
        """Ask the person, and forget. What is gone already is not asked about again."""
        events = await self._memory.history(ids=doomed)
        if not events:
            return "This was forgotten already."
        if self._confirm is None:
            return "Nothing was forgotten: nobody can be asked."
        answer = self._confirm(events)
        if isawaitable(answer):
            answer = await answer
        if answer is not True:
            return "The person said no. Nothing was forgotten."
        gone = await self._memory.forget(ids=[event.id for event in events])
        return f"Forgotten: {gone.events}."
