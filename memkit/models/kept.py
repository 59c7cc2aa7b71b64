"""Replies that are kept in the database, so that a question is not asked twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Protocol

from memkit.messages import Reply, Tokens, ToolCall


class Kept(Protocol):
    """Where the replies of one component in one namespace are kept."""

    async def find(self, keys: Sequence[str], /) -> dict[str, str]:
        """The kept replies, by key. A key that is not known is left out."""
        ...

    async def keep(self, key: str, reply: str, events: Sequence[str], /) -> bool:
        """Keep a reply to a question about these events. False, and nothing is kept, when one of them is gone."""
        ...


def written(reply: Reply) -> str:
    """The reply as text to keep."""
    tokens = reply.tokens
    told = {
        "text": reply.text,
        "calls": [[call.id, call.name, call.arguments] for call in reply.calls],
        "finish": reply.finish,
        "tokens": None if tokens is None else [tokens.prompt, tokens.reply, tokens.cached],
    }
    return json.dumps(told)


def read(text: str) -> Reply | None:
    """The reply that was written; None when the text is something else."""
    try:
        told = json.loads(text)
        used = told["tokens"]
        return Reply(
            text=told["text"],
            calls=tuple(ToolCall(id=id, name=name, arguments=arguments) for id, name, arguments in told["calls"]),
            finish=told["finish"],
            tokens=None if used is None else Tokens(prompt=used[0], reply=used[1], cached=used[2]),
        )
    except (ValueError, KeyError, TypeError, IndexError):
        return None


def after(key: str, reply: str) -> str:
    """The key under which the next reply is kept, when the one under `key` turned out to be of no use: a key keeps its first
    reply for good."""
    return sha256(f"{key} {reply}".encode("utf-8", "surrogatepass")).hexdigest()
