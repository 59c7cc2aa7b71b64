"""What the model may answer when it tidies a bucket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from memkit.messages import Shape
from memkit.values import Json

_NUMBERS: Mapping[str, Json] = {"type": "array", "items": {"type": "integer"}}


@dataclass(frozen=True, slots=True)
class Group:
    """Lines that a model put together, by their numbers from 1, and the line it made of them."""

    numbers: tuple[int, ...]
    text: str


def _integers(value: Json) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(type(n) is int for n in value):
        raise ValueError('"lines" must be a list of whole numbers')
    return tuple(n for n in value if isinstance(n, int))


def _read_forget(reply: Json) -> tuple[int, ...]:
    if not isinstance(reply, dict):
        raise ValueError('the reply must be an object with a list "lines"')
    return _integers(reply.get("lines"))


def _read_merge(reply: Json) -> list[Group]:
    groups = reply.get("groups") if isinstance(reply, dict) else None
    if not isinstance(groups, list):
        raise ValueError('the reply must be an object with a list "groups"')
    found = []
    for one in groups:
        text = one.get("line") if isinstance(one, dict) else None
        if not isinstance(one, dict) or not isinstance(text, str) or not text.strip():
            raise ValueError('each group must be an object with "lines" and a text "line"')
        found.append(Group(_integers(one.get("lines")), text.strip()))
    return found


def _object(**properties: Json) -> Mapping[str, Json]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


FORGET = Shape(name="forget", schema=_object(lines=dict(_NUMBERS)), read=_read_forget)
_GROUP = dict(_object(lines=dict(_NUMBERS), line={"type": "string"}))
MERGE = Shape(name="merge", schema=_object(groups={"type": "array", "items": _GROUP}), read=_read_merge)
