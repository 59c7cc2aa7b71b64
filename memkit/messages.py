"""What is said to a chat model and what it says: frozen values that know no library.

The field names are those of OpenAI's chat API, in the singular.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Generic, Literal, TypeVar

from memkit.values import Json

T = TypeVar("T")

Role = Literal["system", "user", "assistant", "tool"]
Finish = Literal["stop", "length", "calls", "refusal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A model asks for a tool. `arguments` is what it wrote, which should be a JSON object and need not be."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message. `name` tells speakers of one role apart. An assistant's message may ask for `calls`; a tool's message
    answers the one of them that `call` names."""

    role: Role
    content: str
    name: str | None = None
    calls: tuple[ToolCall, ...] = ()
    call: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """Something that a model may ask for. `parameters` is a JSON schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape(Generic[T]):
    """What a structured reply has to be. `read` makes the value of it, and raises ValueError, with what is wrong and
    how to put it right, for what the schema could not say; the model is shown that text when it is asked again."""

    name: str
    schema: Mapping[str, Json]
    read: Callable[[Json], T]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to answer. `temperature` None leaves it to the model; `most` is the longest reply in tokens."""

    temperature: float | None = None
    most: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    tools: tuple[Tool, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Everything that an adapter sends. With `schema`, the reply should be JSON that meets it; `schema_name` names it."""

    messages: tuple[Message, ...]
    options: Options = field(default_factory=Options)
    schema: Mapping[str, Json] | None = None
    schema_name: str = "reply"

    def key(self, model: str) -> str:
        """Names this request to this model by content: equal if and only if all of it is equal."""
        o = self.options
        told = {
            "model": model,
            "messages": [
                [m.role, m.content, m.name, [[c.id, c.name, c.arguments] for c in m.calls], m.call]
                for m in self.messages
            ],
            "options": [o.temperature, o.most, o.seed, list(o.stop)],
            "tools": [[tool.name, tool.description, dict(tool.parameters)] for tool in o.tools],
            "schema": None if self.schema is None else [self.schema_name, dict(self.schema)],
        }
        return sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What a call used. `cached` of the `prompt` tokens were read from the server's cache."""

    prompt: int = 0
    reply: int = 0
    cached: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole reply. `tokens` is None when the server did not tell. With `finish` "length" the text is cut off."""

    text: str
    calls: tuple[ToolCall, ...] = ()
    finish: Finish = "stop"
    tokens: Tokens | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of a streamed reply. The last one has `finish`, all tool calls whole, and the tokens if they are known."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    finish: Finish | None = None
    tokens: Tokens | None = None
