"""What a model server receives and answers, and what can go wrong on the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from memkit.values import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client sent. Header names are in lower case; the body of a GET is empty."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Json]
    method: str = "POST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the server answers, after `delay` seconds.

    Instead of the JSON `body` there may be a `text`, sent as it is, or `events`, sent one by one as server-sent events, with
    `pause` seconds before each of them and a closing [DONE] if they are `done`. Of what is sent only the first `keep`
    bytes go out, or the first `whole` events, if given. Then the connection is closed, while the headers promise more.
    """

    body: Json
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    keep: int | None = None
    text: str | None = None
    events: tuple[Json, ...] | None = None
    done: bool = True
    pause: float = 0.0
    whole: int | None = None


Route: TypeAlias = Callable[[Request], Reply]
Twist: TypeAlias = Callable[[Reply], Reply]


@dataclass(frozen=True, slots=True)
class Instead:
    """A twist that answers in the model's place: the model is not asked, so that no reply of its script is lost."""

    reply: Reply

    def __call__(self, _: Reply) -> Reply:
        return self.reply


def refused(
    status: int,
    message: str = "",
    *,
    retry_after: float | None = None,
    param: str | None = None,
    code: str | None = None,
) -> Instead:
    """The server answers with this status, and asks to be left alone for `retry_after` seconds. OpenAI's own codes tell
    errors of one status apart: a 429 with "insufficient_quota" will not go away by waiting."""
    error: Json = {"message": message or f"scripted {status}", "type": "scripted", "param": param, "code": code}
    headers: dict[str, str] = {}
    if retry_after is not None:
        headers = {"retry-after-ms": f"{retry_after * 1000:g}", "retry-after": str(math.ceil(retry_after))}
    return Instead(Reply(status=status, body={"error": error}, headers=headers))


def late(seconds: float) -> Twist:
    """The server thinks for a while."""
    return lambda reply: replace(reply, delay=seconds)


def slow(seconds: float) -> Twist:
    """A stream pauses before each of its events."""
    return lambda reply: replace(reply, events=_events(reply), pause=seconds)


def cut_off(keep: int) -> Twist:
    """The connection breaks after so many bytes of the body; in a stream that may be in the middle of a line."""
    return lambda reply: replace(reply, keep=keep)


def broken_off(events: int) -> Twist:
    """The connection breaks after so many events of a stream, between two lines."""
    return lambda reply: replace(reply, events=_events(reply), whole=events)


def ended_early(events: int) -> Twist:
    """A stream ends after so many events as if that had been all: no finish reason, no [DONE], no error."""
    return lambda reply: replace(reply, events=_events(reply)[:events], done=False)


def failed_within(events: int, message: str = "the server had an error") -> Twist:
    """After so many events of a stream comes one that tells of an error, and then nothing."""
    error: Json = {"error": {"message": message, "type": "server_error", "param": None, "code": None}}
    return lambda reply: replace(reply, events=(*_events(reply)[:events], error), done=False)


def altered(change: Callable[[Json], Json]) -> Twist:
    """The server answers with something else than it should; of a stream every event is changed."""
    return lambda reply: replace(
        reply,
        body=change(reply.body),
        events=None if reply.events is None else tuple(change(event) for event in reply.events),
    )


def garbage(text: str = "<html><body>Sign in</body></html>", *, kind: str = "text/html", status: int = 200) -> Instead:
    """Something answers that is no model: a proxy's page, or with `kind` "application/json" broken JSON."""
    return Instead(Reply(status=status, body=None, text=text, headers={"content-type": kind}))


def _events(reply: Reply) -> tuple[Json, ...]:
    if reply.events is None:
        raise ValueError("only a stream can be slow, break off or fail between two events; the client asked for none")
    return reply.events
