"""Structured replies: asks a model for a value of a shape, and tells it what was wrong until it is right."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from memkit.errors import ModelReplyError, NoSchemaError
from memkit.messages import Message, Reply, Request, Shape
from memkit.models.calls import Calls
from memkit.models.ledger import Who
from memkit.models.schema import problems
from memkit.models.structured import values
from memkit.values import Json

T = TypeVar("T")

FORM = """\
Write your answer as one JSON value that meets the JSON schema below, in one fenced block that begins with ```json. Write \
nothing before or after the block.

{schema}"""
COMPLAINT = """\
That answer cannot be used: {trouble}.

Answer the same question again with the whole JSON value, put right, in one fenced block that begins with ```json, and with \
nothing before or after it. It has to meet this JSON schema:

{schema}"""
TOLD = 5  # troubles of one reply that are named


class UnusableError(ValueError):
    """A reply that is not of the shape; the text tells the model why."""


async def asked(calls: Calls, request: Request, shape: Shape[T], who: Who) -> tuple[T, Reply]:
    """The value, and the reply that it was read from. The request has the shape's schema."""
    trouble: ValueError | None = None
    turns: tuple[Message, ...] = ()
    for _ in range(1 + calls.limits.repairs):
        reply = await _sent(calls, replace(request, messages=request.messages + turns), who)
        if reply.finish == "refusal":
            raise ModelReplyError(f"{calls.model.model!r} refused to answer with {shape.name!r}", raw=reply.text)
        try:
            return value_of(reply, shape), reply
        except UnusableError as error:
            trouble = error
        told = COMPLAINT.format(trouble=trouble, schema=_shown(shape.schema))
        said = reply.text if reply.text.strip() else "(nothing)"  # servers refuse a message without content
        turns = (Message(role="assistant", content=said), Message(role="user", content=told))
    raise ModelReplyError(
        f"{calls.model.model!r} was asked {1 + calls.limits.repairs} times for {shape.name!r}, "
        "and never gave what can be used; what was wrong is in the cause, the last reply in `raw`",
        raw=reply.text,
    ) from trouble


def value_of(reply: Reply, shape: Shape[T]) -> T:
    """The value in a reply. Raises UnusableError when there is none of this shape.

    A list that was cut off counts as far as its items are whole, when the reply hit its longest length and the shape takes it.
    """
    cut_off = reply.finish == "length"
    try:
        found = values(reply.text, cut_off=cut_off)
    except ValueError as error:
        raise UnusableError(_told([str(error)], cut_off)) from error
    first: list[str] = []
    for one in found:
        troubles = list(problems(one.value, shape.schema))
        if not troubles:
            try:
                return shape.read(one.value)
            except ValueError as error:
                troubles = [str(error)]
        first = first or troubles
    raise UnusableError(_told(first, cut_off))


async def _sent(calls: Calls, request: Request, who: Who) -> Reply:
    """Ask by schema where the server knows schemas, and where OpenAI takes it: for objects only."""
    schema = request.schema or {}
    if calls.schemas and schema.get("type") == "object":
        try:
            return await calls.complete(request, who)
        except NoSchemaError:
            calls.schemas = False
    return await calls.complete(_formed(request, schema), who)


def _formed(request: Request, schema: Mapping[str, Json]) -> Request:
    """The request without its schema, which the system message shows instead. Many servers take one such message only, and
    as the first."""
    form = FORM.format(schema=_shown(schema))
    first, rest = request.messages[:1], request.messages[1:]
    if first and first[0].role == "system":
        messages = (replace(first[0], content=f"{first[0].content}\n\n{form}"), *rest)
    else:
        messages = (Message(role="system", content=form), *first, *rest)
    return replace(request, messages=messages, schema=None)


def _shown(schema: Mapping[str, Json]) -> str:
    return json.dumps(dict(schema), ensure_ascii=False, indent=1)


def _told(troubles: list[str], cut_off: bool) -> str:
    told = "; ".join(trouble.rstrip(".") for trouble in troubles[:TOLD])
    if len(troubles) > TOLD:
        told += f"; and {len(troubles) - TOLD} more"
    return f"it was cut off at the longest length that is allowed, so be shorter ({told})" if cut_off else told
