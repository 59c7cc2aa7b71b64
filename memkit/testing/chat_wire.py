"""OpenAI's chat completions on the wire: what a body asks for, and the bodies and events that answer it.

What OpenAI refuses is refused here as well, so that a client which passes a test does not fail at the real server.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from memkit.messages import Message, Options, Reply, Request, Tokens, Tool, ToolCall
from memkit.values import Json

FINISH = {"stop": "stop", "length": "length", "calls": "tool_calls", "refusal": "stop"}
ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
FRAGMENT = 8  # characters of a tool call's arguments that are streamed at once

Body = Mapping[str, Any]  # JSON from outside: what is missing or of another type is found by reading it


class Refusal(ValueError):
    """The body is not a request that the server takes; `param` names the part of it that is wrong."""

    def __init__(self, message: str, param: str) -> None:
        super().__init__(message)
        self.param = param


def request_of(body: Body) -> Request:
    """What the body asks for. Raises Refusal for what OpenAI answers with a 400."""
    try:
        return _request(body)
    except (AttributeError, KeyError, TypeError) as error:
        raise Refusal(f"Something is missing, or of the wrong type: {error}", "body") from error


def _request(body: Body) -> Request:
    given = body.get("messages")
    if not isinstance(given, list) or not given:
        raise Refusal("'messages' must be a list of at least one message.", "messages")
    messages = tuple(_message(message, f"messages[{index}]") for index, message in enumerate(given))
    if body.get("n") not in (None, 1):
        raise Refusal("This server gives one choice.", "n")
    if body.get("stream_options") is not None and not body.get("stream"):
        raise Refusal("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")
    stop = body.get("stop") or ()
    name, schema = _schema(body.get("response_format"), messages)
    return Request(
        messages=messages,
        options=Options(
            temperature=body.get("temperature"),
            most=body.get("max_completion_tokens") or body.get("max_tokens"),
            seed=body.get("seed"),
            stop=(stop,) if isinstance(stop, str) else tuple(stop),
            tools=tuple(_tool(tool, f"tools[{index}]") for index, tool in enumerate(body.get("tools") or ())),
        ),
        schema=schema,
        schema_name=name,
    )


def _message(given: Any, place: str) -> Message:
    if not isinstance(given, dict) or given.get("role") not in ROLES:
        raise Refusal(f"'{place}.role' must be one of {', '.join(ROLES)}.", f"{place}.role")
    role = ROLES[given["role"]]
    calls = tuple(
        ToolCall(id=call["id"], name=call["function"]["name"], arguments=call["function"]["arguments"])
        for call in given.get("tool_calls") or ()
    )
    call = given.get("tool_call_id")
    if role == "tool" and not isinstance(call, str):
        raise Refusal("A tool's message must say which call it answers.", f"{place}.tool_call_id")
    return Message(
        role=role,  # type: ignore[arg-type]  # a value of ROLES
        content=_content(given.get("content"), f"{place}.content", optional=bool(calls)),
        name=given.get("name"),
        calls=calls,
        call=call,
    )


def _content(given: Any, place: str, *, optional: bool) -> str:
    match given:
        case str():
            return given
        case None if optional:
            return ""
        case [*parts] if parts and all(isinstance(part, dict) and part.get("type") == "text" for part in parts):
            return "".join(part["text"] for part in parts)
    raise Refusal(f"Invalid value for '{place}': expected a string or a list of texts.", place)


def _tool(given: Any, place: str) -> Tool:
    if not isinstance(given, dict) or given.get("type") != "function":
        raise Refusal(f"'{place}.type' must be 'function'.", f"{place}.type")
    function = given["function"]
    if not NAME.fullmatch(function["name"]):
        raise Refusal(f"'{place}.function.name' must match ^[a-zA-Z0-9_-]{{1,64}}$.", f"{place}.function.name")
    parameters = function.get("parameters") or {}
    if function.get("strict"):
        _check_strict(parameters, f"{place}.function.parameters", function["name"])
    return Tool(name=function["name"], description=function.get("description") or "", parameters=parameters)


def _schema(given: Any, messages: Sequence[Message]) -> tuple[str, Mapping[str, Json] | None]:
    """The name and the schema that the reply should meet; for a mere JSON object the schema says just that."""
    match given:
        case None | {"type": "text"}:
            return "reply", None
        case {"type": "json_object"}:
            if not any("json" in message.content.lower() for message in messages):
                raise Refusal("'messages' must contain the word 'json' in some form.", "messages")
            return "reply", {"type": "object"}
        case {"type": "json_schema", "json_schema": {"name": str(name), "schema": dict(schema)} as wanted}:
            if not NAME.fullmatch(name):
                raise Refusal("The name must match ^[a-zA-Z0-9_-]{1,64}$.", "response_format.json_schema.name")
            if wanted.get("strict"):
                _check_strict(schema, "response_format.json_schema.schema", name)
            return name, schema
    raise Refusal("Invalid 'response_format'.", "response_format")


def _check_strict(schema: Any, place: str, name: str) -> None:
    """A strict schema is an object, and every object in it names all its properties as required and allows no others."""
    if schema.get("type") != "object":
        raise Refusal(f"Invalid schema '{name}': it must be of type 'object'.", place)
    for part in _parts(schema):
        properties = part.get("properties")
        if part.get("type") != "object" and properties is None:
            continue
        if part.get("additionalProperties") is not False:
            raise Refusal(f"Invalid schema '{name}': 'additionalProperties' must be false in every object.", place)
        if set(part.get("required", ())) != set(properties or {}):
            raise Refusal(f"Invalid schema '{name}': 'required' must name every property of an object.", place)


def _parts(schema: Any) -> Iterator[dict[str, Any]]:
    """The schema and all schemas inside it."""
    if isinstance(schema, dict):
        yield schema
        for key, value in schema.items():
            inner = value.values() if key in ("properties", "$defs", "definitions") else [value]
            for part in inner:
                yield from _parts(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _parts(part)


def completion(reply: Reply, *, id: str, model: str, created: int) -> dict[str, Json]:
    """The body that holds a whole reply."""
    refusal = reply.finish == "refusal"
    message: dict[str, Json] = {
        "role": "assistant",
        "content": None if refusal or (reply.calls and not reply.text) else reply.text,
        "refusal": reply.text if refusal else None,
    }
    if reply.calls:
        message["tool_calls"] = [_call(call) for call in reply.calls]
    choice: Json = {"index": 0, "message": message, "logprobs": None, "finish_reason": FINISH[reply.finish]}
    head: dict[str, Json] = {"id": id, "object": "chat.completion", "created": created, "model": model}
    usage: dict[str, Json] = {} if reply.tokens is None else {"usage": _usage(reply.tokens)}
    return head | {"choices": [choice]} | usage


def chunks(
    texts: Sequence[str], reply: Reply, *, id: str, model: str, created: int, usage: bool
) -> tuple[dict[str, Json], ...]:
    """The events that stream a reply whose text comes in these parts. With `usage`, a last one tells the tokens, if they
    are known, and all others say that they do not."""
    head: dict[str, Json] = {"id": id, "object": "chat.completion.chunk", "created": created, "model": model}
    tail: dict[str, Json] = {"usage": None} if usage else {}

    def chunk(delta: dict[str, Json], finish: str | None = None) -> dict[str, Json]:
        choice: Json = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return head | {"choices": [choice]} | tail

    said = "refusal" if reply.finish == "refusal" else "content"
    deltas: list[dict[str, Json]] = [{"role": "assistant", "content": None if reply.calls and not reply.text else ""}]
    deltas += [{said: text} for text in texts if text]
    for index, call in enumerate(reply.calls):
        deltas.append({"tool_calls": [{"index": index} | _call(call, arguments="")]})
        for start in range(0, len(call.arguments), FRAGMENT):
            fragment: Json = {"arguments": call.arguments[start : start + FRAGMENT]}
            deltas.append({"tool_calls": [{"index": index, "function": fragment}]})
    events = [*map(chunk, deltas), chunk({}, FINISH[reply.finish])]
    if usage and reply.tokens is not None:
        events.append(head | {"choices": [], "usage": _usage(reply.tokens)})
    return tuple(events)


def _call(call: ToolCall, *, arguments: str | None = None) -> dict[str, Json]:
    told = call.arguments if arguments is None else arguments
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": told}}


def _usage(tokens: Tokens) -> dict[str, Json]:
    return {
        "prompt_tokens": tokens.prompt,
        "completion_tokens": tokens.reply,
        "total_tokens": tokens.prompt + tokens.reply,
        "prompt_tokens_details": {"cached_tokens": tokens.cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }
