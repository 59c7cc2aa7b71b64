"""What `add` accepts, and how it becomes events. Everything is checked here, before anything is written."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, TypeGuard, runtime_checkable

from memkit.values import Document, Event, Json, Metadata, utc

LONGEST = 64_000_000  # characters of one event: a library of a thousand books; beyond it something went wrong
_LONGEST_NAME = 1_000  # bytes of a namespace, session, author, role, kind, key or id: an index holds two of them
_DEEPEST = 50  # dicts and lists of metadata within each other


@runtime_checkable
class _PageLike(Protocol):
    """A langchain-core Document, known by its shape: importing langchain to ask would cost a second."""

    page_content: str
    metadata: dict[str, Json]


@runtime_checkable
class _MessageLike(Protocol):
    """A langchain-core message, known by its shape."""

    type: str
    content: str | list[str | dict[str, Json]]


Addable = str | Mapping[str, object] | Document | Event | _PageLike | _MessageLike

_ROLES = {"human": "user", "ai": "assistant"}  # langchain's names for what every chat API calls otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the caller of `add` said of all the events at once. None: not said."""

    namespace: str
    recorded: datetime
    session: str | None = None
    role: str | None = None
    author: str | None = None
    kind: str | None = None
    at: datetime | None = None
    key: str | None = None
    metadata: Metadata | None = None


def is_one(what: object) -> TypeGuard[Addable]:
    """Whether `what` is a single thing to add rather than several. Bytes are one thing, which is then refused."""
    return isinstance(what, (str, bytes, bytearray, Mapping, Document, Event, _PageLike, _MessageLike))


def to_events(items: Iterable[Addable], given: Given, *, first: int = 0) -> Iterator[Event]:
    """An event for each item, checked. Errors name the item by its number, counted from `first`."""
    for number, item in enumerate(items, start=first):
        try:
            event = to_event(item, given)
            check(event)
        except (TypeError, ValueError) as e:
            raise type(e)(f"item {number}: {e}") from None
        yield event


def to_event(item: Addable, given: Given) -> Event:
    """One event. What the item says of itself goes before what was said of all."""
    if isinstance(item, Event):
        return item
    if isinstance(item, str):
        return _event(item, given, kind="turn", role="user")
    if isinstance(item, Document):
        title = {} if item.title is None else {"title": check_text(item.title, "the title")}
        return _event(item.text, given, kind="document", metadata={**title, **_data(item.metadata)})
    if isinstance(item, Mapping):
        return _from_message(item, given)
    if isinstance(item, _PageLike):
        return _event(item.page_content, given, kind="document", metadata=_data(item.metadata))
    if isinstance(item, _MessageLike):
        own = replace(given, role=_ROLES.get(item.type, item.type))
        return _event(_text_of(item.content), own, kind="turn")
    raise TypeError(
        f"cannot add {kind_of(item)}; add a text, a message such as {{'role': 'user', 'content': '…'}}, "
        "a Document, an Event, or a list of these"
    )


def check(event: Event) -> None:
    """Raise ValueError or TypeError when the event cannot be stored or found again."""
    check_text(event.text, "the text")
    if not event.text.strip():
        raise ValueError("the text is empty; there is nothing to remember")
    if len(event.text) > LONGEST:
        raise ValueError(f"the text has {len(event.text)} characters; at most {LONGEST} fit in one event: split it")
    for name in ("session", "role", "author", "kind", "key", "id"):
        value = getattr(event, name)
        if value is not None:
            check_text(value, name)
            if not value or len(value.encode()) > _LONGEST_NAME:
                raise ValueError(f"{name} has {len(value.encode())} bytes; it needs 1 to {_LONGEST_NAME}")
    check_namespace(event.namespace)
    for name, moment in (("at", event.at), ("recorded", event.recorded)):
        if not isinstance(moment, datetime):
            raise TypeError(f"{name} is {kind_of(moment)}; in an Event it must be a datetime")
        if moment.tzinfo is None:
            raise ValueError(f"{name} has no time zone; in an Event it needs one")
    check_json(dict(_data(event.metadata)), "metadata")


def check_namespace(path: str) -> str:
    """The namespace itself, or ValueError: names between slashes, none of them empty, without control characters."""
    check_text(path, "namespace")
    if not path or path.startswith("/") or path.endswith("/") or "//" in path:
        raise ValueError(f"namespace {path!r} is not a path such as 'acme/ana': names between single slashes")
    if len(path.encode()) > _LONGEST_NAME:
        raise ValueError(f"the namespace has {len(path.encode())} bytes; at most {_LONGEST_NAME} are allowed")
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in path):
        raise ValueError(f"namespace {path!r} holds a control character")
    return path


def kind_of(value: object) -> str:
    """What a value is, for an error: "None", "an int", "a dict"."""
    name = type(value).__name__
    return "None" if value is None else f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def to_moment(value: object, name: str) -> datetime:
    """A time that a caller gave, in UTC. Raises TypeError or ValueError, which name it, when it is none."""
    if not isinstance(value, (str, datetime)):
        raise TypeError(f"{name} is {kind_of(value)}; it must be a datetime or an ISO 8601 text")
    try:
        return utc(value)
    except ValueError:
        raise ValueError(f"{name} is {value!r}; it must be a datetime or a text such as '2024-05-01T12:30'") from None
    except OverflowError:
        raise ValueError(f"{name} is {value}, which in UTC lies outside the years 1 to 9999") from None


def new_id() -> str:
    """32 hexadecimal digits, unique everywhere, later ones greater: 48 bits of clock (ms), 80 of chance."""
    return f"{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"


def _event(
    text: str,
    given: Given,
    *,
    kind: str,
    role: str | None = None,
    metadata: Metadata | None = None,
) -> Event:
    """`kind` and `role` are for want of anything said; `metadata` is the item's own."""
    return Event(
        id=new_id(),
        namespace=given.namespace,
        text=text,
        at=given.at or given.recorded,
        recorded=given.recorded,
        kind=kind if given.kind is None else given.kind,
        role=role if given.role is None else given.role,
        author=given.author,
        session=given.session,
        key=given.key,
        metadata={**({} if given.metadata is None else _data(given.metadata)), **(metadata or {})},
    )


_MESSAGE = frozenset({"role", "content", "name", "author", "session", "at", "key", "kind", "metadata"})


def _from_message(message: Mapping[str, object], given: Given) -> Event:
    unknown = sorted(str(name) for name in message if name not in _MESSAGE)
    if unknown:
        raise ValueError(f"a message has no {', '.join(unknown)}; it has {', '.join(sorted(_MESSAGE))}")
    if "content" not in message:
        raise ValueError("a message needs 'content'")
    said = {name: message[name] for name in ("role", "session", "kind", "key") if message.get(name) is not None}
    for name, value in said.items():
        if not isinstance(value, str):
            raise TypeError(f"{name} is {kind_of(value)}; it must be a text")
    at, metadata, author = message.get("at"), message.get("metadata"), message.get("author", message.get("name"))
    if author is not None and not isinstance(author, str):
        raise TypeError(f"author is {kind_of(author)}; it must be a text")
    own = replace(
        given,
        **said,  # type: ignore[arg-type]
        author=given.author if author is None else author,
        at=given.at if at is None else to_moment(at, "at"),
    )
    data = {} if metadata is None else _data(metadata)
    return _event(_text_of(message["content"]), own, kind="turn", role="user", metadata=data)


def _data(metadata: object) -> Metadata:
    if not isinstance(metadata, Mapping):
        raise TypeError(f"metadata is {kind_of(metadata)}; it must be a dict")
    return metadata


def _text_of(content: object) -> str:
    """The text of a chat message: a text, or the text parts of a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence) and all(isinstance(part, (str, Mapping)) for part in content):
        parts = [part if isinstance(part, str) else part.get("text") for part in content]
        return "\n".join(part for part in parts if isinstance(part, str))
    raise TypeError(f"content is {kind_of(content)}; it must be a text or a list of parts")


def check_text(text: object, name: str) -> str:
    """The text itself; TypeError or ValueError, which name it, when it is none or no database could keep it."""
    if not isinstance(text, str):
        raise TypeError(f"{name} is {kind_of(text)}; it must be a text")
    if "\0" in text:
        raise ValueError(f"{name} holds a NUL character at {text.index(chr(0))}; remove it")
    try:
        text.encode()
    except UnicodeEncodeError as e:
        raise ValueError(
            f"{name} holds a lone surrogate at {e.start}, half of a character; decode the text with errors='replace'"
        ) from None
    return text


def check_json(value: object, place: str, *, depth: int = 0) -> None:
    """Raise TypeError or ValueError, which say where, for what JSON cannot hold or memkit does not keep."""
    if depth > _DEEPEST:
        raise ValueError(f"metadata is nested more than {_DEEPEST} deep; store that part as a text")
    if isinstance(value, str):
        check_text(value, place)
    elif isinstance(value, dict):
        for key, inner in value.items():
            check_text(key, f"a key of {place}")
            check_json(inner, f"{place}[{key!r}]", depth=depth + 1)
    elif isinstance(value, list):
        for n, inner in enumerate(value):
            check_json(inner, f"{place}[{n}]", depth=depth + 1)
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise ValueError(f"{place} is beyond 64 bits; store it as a text")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{place} is {value}, which JSON cannot hold")
    else:
        raise TypeError(f"{place} is {kind_of(value)}; it must be text, number, bool, None, list or dict")


# valid in JSON, but Python's splitlines() and some readers of JSON Lines take them for the end of a line
_LINE_ENDS = {ord(end): f"\\u{ord(end):04x}" for end in "\x85\u2028\u2029"}


def to_line(event: Event) -> str:
    """An event as one line of JSON, without loss."""
    return json.dumps(
        {
            "id": event.id,
            "namespace": event.namespace,
            "text": event.text,
            "at": event.at.isoformat(),
            "recorded": event.recorded.isoformat(),
            "kind": event.kind,
            "role": event.role,
            "author": event.author,
            "session": event.session,
            "key": event.key,
            "metadata": event.metadata,
        },
        ensure_ascii=False,
    ).translate(_LINE_ENDS)


def read_export(lines: Iterable[str]) -> Iterator[Event]:
    """The events of an export, to be given to `add`: those that are there already are recognised by their ids."""
    if isinstance(lines, str):
        raise TypeError("give the lines one by one: an open file, or text.split('\\n')")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
            event = Event(**{**fields, **{name: to_moment(fields[name], name) for name in ("at", "recorded")}})
            check(event)
        except KeyError as e:
            raise ValueError(f"line {number} is not of a memkit export: it has no {e}") from None
        except (RecursionError, TypeError, ValueError) as e:
            raise ValueError(f"line {number} is not of a memkit export: {e}") from None
        yield event
