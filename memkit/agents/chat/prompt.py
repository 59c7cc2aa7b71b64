"""What a chat's model is sent: the habits with what was recalled, the latest turns word for word, the turn, and its tools.

What was recalled stands in the first message, quoted line by line under marks. It never speaks in anybody's role.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

from memkit.context.prompt import MESSAGE_TOKENS
from memkit.context.quote import ELLIPSIS, line_of
from memkit.context.recall import Recall
from memkit.messages import Message, Role
from memkit.tokens import Count
from memkit.values import Event, Hit, Record

SPOKEN = ("user", "assistant")
STOPPED = "[The reply was stopped here.]"
SHORTEST = 40  # tokens: less than that of a turn that has no room says nothing

_STRANGE = re.compile(r"[^a-zA-Z0-9_-]+")
_LONGEST_NAME = 64  # of a message's `name` in OpenAI's API, which also takes no other characters than these


@dataclass(frozen=True, slots=True)
class Recent:
    """The latest turns that fit, oldest first. Only the first may be cut; `whole` has the ids of the others."""

    events: tuple[Event, ...]
    whole: frozenset[str]
    full: bool  # whether the budget, not the history, was the limit


@cache
def prompt(name: str) -> str:
    """The text of one of the prompts beside this module."""
    return files("memkit.agents").joinpath("prompts", f"{name}.md").read_text(encoding="utf-8").strip()


def system(habits: str | None, name: str | None, recalled: str) -> Message:
    """The first message."""
    parts = [prompt("chat") if habits is None else habits]
    if name is not None:
        parts.append(f"Your name in this conversation is {line_of(name, _LONGEST_NAME)}.")
    if recalled:
        parts.append(prompt("chat_recalled").replace("{recalled}", recalled))
    return Message(role="system", content="\n\n".join(parts))


def recent(before: Sequence[Event], tokens: int, count: Count) -> Recent:
    """The last of these turns whose texts fit into the budget. The one that does not is cut at its end."""
    chosen: list[Event] = []
    whole: set[str] = set()
    left = tokens
    for event in reversed(before):
        # no text has 40 characters a token, and counting those of a whole book would take longer than the turn
        cost = MESSAGE_TOKENS + (count(event.text) if len(event.text) <= 40 * max(left, 1) else left)
        if cost > left:
            if left > SHORTEST + MESSAGE_TOKENS:
                chosen.append(_cut(event, left - MESSAGE_TOKENS, count))
            return Recent(tuple(reversed(chosen)), frozenset(whole), full=True)
        left -= cost
        chosen.append(event)
        whole.add(event.id)
    return Recent(tuple(reversed(chosen)), frozenset(whole), full=False)


def _cut(event: Event, left: int, count: Count) -> Event:
    """The beginning of a turn that fits."""
    text = event.text[: 8 * left]
    while (cost := count(text)) > left - 1:
        text = text[: min(len(text) - 1, len(text) * (left - 1) // cost)]
    return replace(event, text=f"{text.rstrip()} {ELLIPSIS}")


def without(recall: Recall, shown: Collection[str], k: int) -> Recall:
    """The first `k` hits that show something else than these events, without these as neighbours."""

    def other(record: Record) -> bool:
        return not all(source.event in shown for source in record.sources)

    def bare(hit: Hit) -> Hit:
        if all(map(other, hit.before)) and all(map(other, hit.after)):
            return hit
        return replace(hit, before=tuple(filter(other, hit.before)), after=tuple(filter(other, hit.after)))

    hits = [bare(hit) for hit in recall.hits if other(hit.record)]
    return replace(recall, hits=tuple(hits[:k]), cue=replace(recall.cue, k=k))


def spoken(turns: Sequence[Event], me: str | None) -> list[Message]:
    """The turns as messages. Everybody but this assistant is a user; who has a name is told apart by it."""
    speakers = [event.author for event in turns if event.author is not None]
    names = _api_names(dict.fromkeys(speakers))
    return [_message(event, me, names) for event in turns]


def _message(event: Event, me: str | None, names: dict[str, str | None]) -> Message:
    mine = event.role == "assistant" and event.author == me
    role: Role = "assistant" if mine else "user"
    text = f"{event.text}\n{STOPPED}" if event.metadata.get("finish") == "interrupted" else event.text
    author = None if mine else event.author
    if author is None and not mine and event.role == "assistant":
        author = "assistant"
    name = author if author is None else names.get(author, author)
    if author is not None and name is None:
        text = f"{line_of(author, _LONGEST_NAME)}: {text}"
    return Message(role=role, content=text, name=name)


def _api_names(authors: Collection[str]) -> dict[str, str | None]:
    """For each author the name that OpenAI's API takes; None, so that the name goes into the text, for one that is not
    ASCII or that would be mistaken for another."""
    names = {
        author: _STRANGE.sub("_", author).strip("_")[:_LONGEST_NAME] if author.isascii() else "" for author in authors
    }
    taken = list(names.values())
    return {author: name if name and taken.count(name) == 1 else None for author, name in names.items()}
