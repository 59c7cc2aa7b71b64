"""What differs between a call that is not recorded and the recorded one that is most like it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher, unified_diff

from memkit.messages import Request
from memkit.testing.tape import Call, Embedding, request_told
from memkit.values import Space

_COMPARED = 4_000  # characters of a call that likeness is measured by
_SHOWN = 6_000  # characters of a difference


def nearest_call(model: str, request: Request, recorded: Iterable[Call]) -> str:
    """The difference as a unified diff; without any recorded call, what was asked."""
    asked = _lines_of_call(model, request)
    return _nearest(asked, [_lines_of_call(call.model, call.request) for call in recorded])


def nearest_text(space: Space, text: str, recorded: Iterable[Embedding], *, query: bool) -> str:
    """The same for a text that was to be embedded."""
    asked = _lines_of_text(space, text, query=query)
    return _nearest(asked, [_lines_of_text(made.space, made.text, query=made.query) for made in recorded])


def _nearest(asked: Sequence[str], recorded: Sequence[Sequence[str]]) -> str:
    if not recorded:
        return _cut("\n".join(["Nothing of the kind is recorded. Asked was:", *asked]))
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2("\n".join(asked)[:_COMPARED])

    def likeness(lines: Sequence[str]) -> float:
        matcher.set_seq1("\n".join(lines)[:_COMPARED])
        return matcher.quick_ratio()

    nearest = max(recorded, key=likeness)
    diff = unified_diff(nearest, asked, "recorded", "asked", lineterm="", n=2)
    return _cut("\n".join(["The nearest recorded call differs:", *diff]))


def _lines_of_call(model: str, request: Request) -> list[str]:
    told = request_told(request)
    lines = [f"model: {model}"]
    for message in request.messages:
        lines += [f"{message.role}{f' ({message.name})' if message.name else ''}:"]
        lines += [f"  {line}" for line in message.content.split("\n")]
        lines += [f"  calls {call.name} as {call.id}: {call.arguments}" for call in message.calls]
        lines += [f"  answers {message.call}"] if message.call else []
    for part in ("options", "schema", "schema_name"):
        if told.get(part):
            lines += [f"{part}:", *json.dumps(told[part], indent=2, sort_keys=True, ensure_ascii=False).split("\n")]
    return lines


def _lines_of_text(space: Space, text: str, *, query: bool) -> list[str]:
    return [f"space: {space}", f"embedded as a {'question' if query else 'document'}:", *text.split("\n")]


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}\n[… {len(text) - _SHOWN} more characters]"
