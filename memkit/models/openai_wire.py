"""OpenAI's chat completions in JSON: what a request looks like, and what a reply must look like. Knows no library."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from memkit.errors import ModelReplyError
from memkit.messages import Finish, Message, Piece, Reply, Request, Tokens, Tool, ToolCall
from memkit.values import Json

# What servers write; "function_call" is OpenAI's older word, the others come from servers that speak its language.
FINISHES: Mapping[str, Finish] = {
    "stop": "stop",
    "eos": "stop",
    "stop_sequence": "stop",
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "calls",
    "function_call": "calls",
    "content_filter": "refusal",
}
NOT_IN_SCHEMA_NAME = re.compile(r"[^A-Za-z0-9_-]+")
NOT_IN_SPEAKER_NAME = re.compile(r"[\s<|\\/>]+")
NAME_LENGTH = 64
MOST_TOKENS = 2**53  # more than that nobody counts, and no price can be multiplied with


def body_of(model: str, request: Request, *, length: str) -> dict[str, Any]:
    """The request as JSON. `length` is the server's word for the longest reply."""
    options = request.options
    body: dict[str, Any] = {"model": model, "messages": [_message(message) for message in request.messages]}
    told = {"temperature": options.temperature, length: options.most, "seed": options.seed}
    body |= {name: value for name, value in told.items() if value is not None}
    if options.stop:
        body["stop"] = list(options.stop)
    if options.tools:
        body["tools"] = [_tool(tool) for tool in options.tools]
    if request.schema is not None:
        wanted: dict[str, Any] = {"name": _name(request.schema_name, NOT_IN_SCHEMA_NAME)}
        wanted |= {"schema": dict(request.schema), "strict": strict(request.schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": wanted}
    return body


def strict(schema: object) -> bool:
    """Whether OpenAI takes the schema as strict: every object in it requires all its properties and allows no others."""
    if not isinstance(schema, Mapping):
        return False
    if schema.get("type") == "object":
        properties = schema.get("properties", {})
        return (
            isinstance(properties, Mapping)
            and schema.get("additionalProperties") is False
            and set(schema.get("required", ())) == set(properties)
            and all(strict(part) for part in properties.values())
        )
    return "items" not in schema or strict(schema["items"])


def reply_of(body: object, raw: str) -> Reply:
    """The reply in a body. Raises ModelReplyError, with `raw`, when there is none in it."""
    try:
        choice = _first(body)
        message = choice["message"]
        if not isinstance(message, dict):
            raise TypeError("the message is no object")
        refusal = _text(message.get("refusal"))
        calls = tuple(
            _call(call, index) for index, call in enumerate(message.get("tool_calls") or ()) if call is not None
        )
        text = _text(message.get("content"))
    except (KeyError, IndexError, TypeError) as error:
        raise ModelReplyError("what came is no chat completion; is base_url right?", raw=raw) from error
    finish = _finish(choice.get("finish_reason") or "stop", calls, refusal)
    return Reply(text=text or refusal, calls=calls, finish=finish, tokens=tokens_of(body))


def tokens_of(body: object) -> Tokens | None:
    """What the body says that the call used, if it does."""
    usage = body.get("usage") if isinstance(body, dict) else None
    if not isinstance(usage, dict):
        return None
    prompt, reply = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    if prompt is None or reply is None:
        return None
    details = usage.get("prompt_tokens_details")
    cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else None
    return Tokens(prompt=prompt, reply=reply, cached=min(cached or 0, prompt))


@dataclass(slots=True)
class Stream:
    """A streamed reply as far as it has come."""

    raw: list[str] = field(default_factory=list)
    calls: dict[tuple[int, int], ToolCall] = field(default_factory=dict)
    latest: dict[int, tuple[int, int]] = field(default_factory=dict)  # the call that an index stands for now
    tokens: Tokens | None = None
    finish: str | None = None
    refused: bool = False

    def take(self, chunk: object) -> str:
        """The text in a chunk. Tool calls, tokens and the finish are gathered for the last piece. Raises
        ModelReplyError when the chunk is none."""
        self.tokens = tokens_of(chunk) or self.tokens
        try:
            if isinstance(chunk, dict) and not chunk["choices"]:
                return ""  # the tokens come in a chunk of their own
            choice = _first(chunk)
            delta = choice.get("delta") or {}
            text, refusal = _text(delta.get("content")), _text(delta.get("refusal"))
            for call in delta.get("tool_calls") or ():
                self._add(call)
            finish = choice.get("finish_reason")
        except (AttributeError, KeyError, IndexError, TypeError) as error:
            self.raw.append(json.dumps(chunk, default=repr))
            raise ModelReplyError("what came is no chat completion; is base_url right?", raw=self.text) from error
        self.finish = finish if isinstance(finish, str) else self.finish
        self.refused = self.refused or bool(refusal)
        self.raw.append(text or refusal)
        return text or refusal

    @property
    def text(self) -> str:
        """All that came so far."""
        return "".join(self.raw)

    def last(self) -> Piece | None:
        """The last piece, or None when the reply was cut off."""
        calls = tuple(self.calls[place] for place in sorted(self.calls))
        if self.finish is None:
            return None
        finish = _finish(self.finish, calls, "refused" if self.refused else "")
        return Piece(calls=calls, finish=finish, tokens=self.tokens)

    def _add(self, given: Any) -> None:
        """Take a part of a tool call. A part is of the call that its index names, or without an index of the last one; one
        with a name and another id begins a new call, since some servers send whole calls, all at index 0 or at none."""
        if given is None:
            return
        told = given.get("index")
        index = told if isinstance(told, int) else max((place[0] for place in self.calls), default=0)
        function = given.get("function") or {}
        known = self.calls.get(self.latest.get(index, (-1, -1)))
        if known is None or (function.get("name") and self._another(given.get("id"), known, numbered=index == told)):
            index = index if known is None or index == told else index + 1
            place = (index, len(self.calls))
            self.latest[index] = place
            self.calls[place] = _call(given, len(self.calls))
        else:
            self.calls[self.latest[index]] = replace(known, arguments=known.arguments + _arguments(function))

    def _another(self, identity: object, known: ToolCall, *, numbered: bool) -> bool:
        if isinstance(identity, str) and identity:
            return identity != known.id
        return not numbered


def _message(message: Message) -> dict[str, Any]:
    told: dict[str, Any] = {"role": message.role, "content": _clean(message.content)}
    if message.name is not None and message.role != "tool":
        told["name"] = _name(_clean(message.name), NOT_IN_SPEAKER_NAME)
    if message.calls:
        told["content"] = told["content"] or None
        told["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": _clean(call.arguments)}}
            for call in message.calls
        ]
    if message.call is not None:
        told["tool_call_id"] = message.call
    return told


def _tool(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": _clean(tool.description), "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}


def _clean(text: str) -> str:
    """Without lone surrogates, which cannot be sent."""
    return text.encode("utf-8", "replace").decode()


def _name(name: str, strange: re.Pattern[str]) -> str:
    """A name as OpenAI takes it."""
    return strange.sub("_", name)[:NAME_LENGTH] or "_"


def _first(body: Any) -> dict[str, Any]:
    choice = body["choices"][0]
    if not isinstance(choice, dict):
        raise TypeError("the choice is no object")
    return choice


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case [*parts]:
            return "".join(
                _text(part["text"]) for part in parts if isinstance(part, dict) and part.get("type") == "text"
            )
    raise TypeError("the content is no text")


def _call(given: Any, index: int) -> ToolCall:
    """Servers that give no ids cannot tell their calls apart either; the place does."""
    if not isinstance(given, dict) or not isinstance(given.get("function"), dict):
        raise TypeError("the tool call is no object")
    function = given["function"]
    if not isinstance(function.get("name"), str):
        raise TypeError("the tool call has no name")
    identity = given.get("id")
    return ToolCall(
        id=identity if isinstance(identity, str) and identity else f"call_{index}",
        name=function["name"],
        arguments=_arguments(function),
    )


def _arguments(function: Mapping[str, Any]) -> str:
    """What a call, or a part of one, has for arguments, which some servers send as an object."""
    arguments = function.get("arguments")
    return json.dumps(arguments) if isinstance(arguments, dict) else _text(arguments)


def _finish(told: object, calls: tuple[ToolCall, ...], refusal: str) -> Finish:
    finish = FINISHES.get(str(told), "stop")
    if refusal:
        return "refusal"
    return "calls" if calls and finish == "stop" else finish


def _count(value: object) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value < MOST_TOKENS else None  # type: ignore[operator, return-value]


def json_of(raw: str) -> Json:
    """The JSON in a body. Raises ModelReplyError when it is something else."""
    try:
        body: Json = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ModelReplyError("what came is no JSON; is base_url right?", raw=raw) from error
    return body
