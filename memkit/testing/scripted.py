"""A chat model for tests: it says what it is told to, and keeps what it was asked."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from memkit.errors import UnreachableError
from memkit.messages import Piece, Reply, Request, Tokens
from memkit.models.ledger import prompt_tokens, reply_tokens

Line: TypeAlias = str | Reply | Exception
Script: TypeAlias = Sequence[Line] | Callable[[Request], str | Reply]

_FRAGMENT = re.compile(r"\s*\S{1,12}|\s+")  # what is streamed at once: joined they are the text
_SHOWN = 2_000  # characters of a request in an error


class ScriptError(UnreachableError):
    """The model was asked more often than its script has replies: the test and the code disagree. Like every error of
    this kind it is not held against one event, but raised by the verb that needed the model."""


class ScriptedModel:
    """A chat model that answers from a script, either replies that are served in the order in which requests come, or a
    function from a request to its reply, which many requests at once need.

    A text is a reply that ends by itself, or with tool calls, "calls"; an exception is raised in the reply's place. When no
    reply is left, ScriptError shows what was asked. Tokens that a reply does not tell are estimated, alike in every run; with
    `tells=False` the model tells no tokens at all, as some servers do.

    `requests` holds what was asked so far, in order. Any thread and any event loop may ask; like a model behind a network
    it works on a running loop only, so that a first try without one is not among them.
    """

    def __init__(self, script: Script, *, model: str = "scripted", tells: bool = True) -> None:
        if isinstance(script, str):
            raise TypeError("a script is a list of replies or a function; put the one reply into a list")
        self.requests: list[Request] = []
        self._model = model
        self._tells = tells
        self._function = script if callable(script) else None
        self._lines: Sequence[Line] = () if callable(script) else tuple(script)
        self._lock = threading.Lock()

    @property
    def model(self) -> str:
        return self._model

    @property
    def left(self) -> int:
        """How many replies of a list were not asked for yet."""
        return max(0, len(self._lines) - len(self.requests))

    async def complete(self, request: Request, /) -> Reply:
        """The next reply. See `memkit.ports.ChatModel.complete`."""
        asyncio.get_running_loop()
        with self._lock:
            turn = len(self.requests)
            self.requests.append(request)
        await asyncio.sleep(0)  # lets others run, as waiting for a network does
        if self._function is not None:
            return self._told(request, self._function(request))
        if turn >= len(self._lines):
            text = f"the script has {len(self._lines)} replies, and request {turn + 1} is:\n{shown(request)}"
            raise ScriptError(text, again=False)
        line = self._lines[turn]
        if isinstance(line, Exception):
            raise line
        return self._told(request, line)

    async def stream(self, request: Request, /) -> AsyncIterator[Piece]:
        """The next reply in pieces of at most 12 letters. See `memkit.ports.ChatModel.stream`."""
        reply = await self.complete(request)
        for text in _FRAGMENT.findall(reply.text):
            yield Piece(text=text)
            await asyncio.sleep(0)
        yield Piece(calls=reply.calls, finish=reply.finish, tokens=reply.tokens)

    def _told(self, request: Request, line: str | Reply) -> Reply:
        reply = Reply(text=line) if isinstance(line, str) else line
        if reply.calls and reply.finish == "stop":
            reply = replace(reply, finish="calls")
        if not self._tells:
            return replace(reply, tokens=None)
        if reply.tokens is not None:
            return reply
        return replace(reply, tokens=Tokens(prompt=prompt_tokens(request), reply=reply_tokens(reply)))


def shown(request: Request) -> str:
    """The messages of a request as text for a person; a long one is cut in the middle."""
    text = "\n".join(f"{message.role}: {message.content}" for message in request.messages)
    if len(text) <= _SHOWN:
        return text
    return f"{text[: _SHOWN // 2]}\n[… {len(text) - _SHOWN} characters …]\n{text[-_SHOWN // 2 :]}"
