"""What a cassette holds, as lines of JSON: calls of models with what came back.

A line is written so that a person can read and a diff can show it: keys are sorted, what is empty is left out, vectors are
base64 of little-endian float32. No line holds an address, a key or a time.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from memkit.errors import MemkitError, ModelError, ModelReplyError, NoSchemaError
from memkit.messages import Message, Options, Reply, Request, Tokens, Tool, ToolCall
from memkit.values import Json, Space

HEAD = {"kind": "memkit cassette", "version": 1}
HEAD_LINE = json.dumps(HEAD, sort_keys=True)

Outcome: TypeAlias = Reply | ModelError


class CassetteError(MemkitError):
    """The file is not a cassette, or damaged. The text names the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request to a chat model and what came of it: a reply, or an error that belongs to this request."""

    model: str
    request: Request
    outcome: Outcome

    @property
    def key(self) -> str:
        return self.request.key(self.model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding:
    """A text and its vector, shape [dimension], as a question or as a document."""

    space: Space
    query: bool
    text: str
    vector: NDArray[np.float32]

    @property
    def key(self) -> str:
        return embedding_key(self.space, self.text, query=self.query)


@dataclass(slots=True)
class Tape:
    """The recorded calls by their content keys, and what models and spaces there are, also those without a call."""

    models: set[str] = field(default_factory=set)
    spaces: dict[str, Space] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    embeddings: dict[str, Embedding] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """The file, line by line, in an order that depends on nothing but what it holds."""
        yield HEAD_LINE
        for name in sorted(self.models):
            yield model_line(name)
        for _, space in sorted(self.spaces.items()):
            yield space_line(space)
        for _, call in sorted(self.calls.items()):
            yield call_line(call)
        made = sorted(self.embeddings.values(), key=lambda e: (space_key(e.space), e.query, e.text))
        for embedding in made:
            yield embedding_line(embedding)

    def read(self, path: Path) -> None:
        """Add what a file holds. Raises CassetteError, naming the line, for what is no cassette, or contradicts what was
        read before."""
        lines = path.read_bytes().removesuffix(b"\n").split(b"\n")
        if lines == [b""]:
            raise CassetteError(f"{path} is empty; a cassette has a head: record it again")
        for number, line in enumerate(lines, 1):
            try:
                given = json.loads(line)
                if number == 1:
                    if given != HEAD:
                        raise ValueError(f"a cassette begins with {HEAD_LINE}")
                else:
                    self._take(given)
            except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
                what = f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else str(error)
                raise CassetteError(f"{path}, line {number}, is not from a cassette: {what}") from error

    def _take(self, given: Mapping[str, Any]) -> None:
        match given.get("kind"):
            case "model":
                self.models.add(given["model"])
            case "space":
                space = Space(**{name: given[name] for name in asdict(_SPACE)})
                self.spaces[space_key(space)] = space
            case "chat":
                call = _call_of(given)
                if call_line(self.calls.setdefault(call.key, call)) != call_line(call):
                    raise ValueError("there is another reply to the same request")
            case "embedding":
                space = self.spaces[given["space"]]
                vector = np.frombuffer(base64.b64decode(given["vector"], validate=True), "<f4").astype(np.float32)
                if vector.shape != (space.dimension,):
                    raise ValueError(f"a vector of {space.model!r} has {space.dimension} numbers, not {vector.size}")
                made = Embedding(space=space, query=given["query"], text=given["text"], vector=vector)
                if embedding_line(self.embeddings.setdefault(made.key, made)) != embedding_line(made):
                    raise ValueError("there is another vector of the same text")
            case kind:
                raise ValueError(f"there are no lines of kind {kind!r}")


_SPACE = Space(model="", dimension=0)  # for the names of the fields


def space_key(space: Space) -> str:
    """Names a space by content."""
    return sha256(json.dumps(asdict(space), sort_keys=True).encode()).hexdigest()[:16]


def embedding_key(space: Space, text: str, *, query: bool) -> str:
    """Names an embedding by content: equal if and only if space, kind of text and text are equal."""
    return sha256(json.dumps([asdict(space), query, text], sort_keys=True).encode()).hexdigest()


def model_line(name: str) -> str:
    return _line({"kind": "model", "model": name})


def space_line(space: Space) -> str:
    return _line({"kind": "space", "id": space_key(space), **asdict(space)})


def call_line(call: Call) -> str:
    head = {"kind": "chat", "model": call.model, "request": request_told(call.request)}
    outcome = call.outcome
    if isinstance(outcome, Reply):
        told = _without_empty({"text": outcome.text, "calls": [asdict(call) for call in outcome.calls]})
        tokens = {} if outcome.tokens is None else {"tokens": asdict(outcome.tokens)}
        return _line(head | {"reply": told | tokens | {"finish": outcome.finish}})
    return _line(head | {"error": _error_told(outcome)})


def embedding_line(made: Embedding) -> str:
    packed = base64.b64encode(made.vector.astype("<f4").tobytes()).decode()
    told = {"query": made.query, "space": space_key(made.space), "text": made.text, "vector": packed}
    return _line({"kind": "embedding", **told})


def request_told(request: Request) -> dict[str, Json]:
    """A request as JSON, without what is empty."""
    o = request.options
    told: dict[str, Any] = {
        "messages": [
            {"role": m.role, "content": m.content}
            | _without_empty({"name": m.name, "calls": [asdict(call) for call in m.calls], "call": m.call})
            for m in request.messages
        ],
        "options": _without_empty(
            {"temperature": o.temperature, "most": o.most, "seed": o.seed, "stop": list(o.stop)}
            | {
                "tools": [
                    {"name": t.name, "description": t.description, "parameters": dict(t.parameters)} for t in o.tools
                ]
            }
        ),
    }
    if request.schema is not None:
        told |= {"schema": dict(request.schema), "schema_name": request.schema_name}
    return told


def _call_of(given: Mapping[str, Any]) -> Call:
    asked = given["request"]
    options = dict(asked["options"])
    stop, tools = tuple(options.pop("stop", ())), tuple(Tool(**tool) for tool in options.pop("tools", ()))
    request = Request(
        messages=tuple(
            Message(**message | {"calls": tuple(ToolCall(**call) for call in message.get("calls", ()))})
            for message in asked["messages"]
        ),
        options=Options(**options, stop=stop, tools=tools),
        schema=asked.get("schema"),
        schema_name=asked.get("schema_name", "reply"),
    )
    return Call(model=given["model"], request=request, outcome=_outcome_of(given))


def _outcome_of(given: Mapping[str, Any]) -> Outcome:
    if "error" in given:
        return _error_of(given["error"])
    reply = given["reply"]
    return Reply(
        text=reply.get("text", ""),
        calls=tuple(ToolCall(**call) for call in reply.get("calls", ())),
        finish=reply["finish"],
        tokens=Tokens(**reply["tokens"]) if "tokens" in reply else None,
    )


def fresh(error: ModelError) -> ModelError:
    """The error as a cassette tells it, to be raised: without the place where it was raised before."""
    return _error_of(_error_told(error))


def _error_told(error: ModelError) -> dict[str, Json]:
    match error:
        case ModelReplyError():
            return {"kind": "reply", "text": str(error), "raw": error.raw}
        case NoSchemaError():
            return {"kind": "no schema", "text": str(error)}
        case _:
            return {"kind": "refused", "text": str(error)}


def _error_of(given: Mapping[str, Any]) -> ModelError:
    match given["kind"]:
        case "reply":
            return ModelReplyError(given["text"], raw=given["raw"])
        case "no schema":
            return NoSchemaError(given["text"])
        case "refused":
            return ModelError(given["text"])
        case kind:
            raise ValueError(f"there are no errors of kind {kind!r}")


def _without_empty(told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if value is not None and value not in ("", [])}


def _line(told: Mapping[str, Any]) -> str:
    line = json.dumps(told, sort_keys=True, ensure_ascii=False)
    try:
        line.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can say
        return json.dumps(told, sort_keys=True)
    return line
