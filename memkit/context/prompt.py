"""What hits become in front of a model: one text, or chat messages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from memkit.context.pack import Dropped, Packed
from memkit.context.plan import Entry, Plan
from memkit.context.quote import quote
from memkit.context.tokens import Count
from memkit.hygiene import NOTE
from memkit.values import Hit, Record, Source

MESSAGE_TOKENS = 4  # what chat formats put around one message: three or four tokens in OpenAI's, ChatML, Llama 3

_ROLES = {"user": "user", "human": "user", "assistant": "assistant", "ai": "assistant", "model": "assistant"}
_CITATION = re.compile(r"\[([0-9]{1,9}(?:\s?[,;]\s?[0-9]{1,9})*+)\]")

Blocks = Sequence[Sequence[tuple[Entry, str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A text for a prompt; `str()` gives it.

    `used` counts its tokens, by the counter that was asked for. `kept` and `dropped` are the hits by rank, each in one
    of them; `shortened` are those among `kept` of which only the beginning, or not all neighbours, had room. `sources`
    tells for each mark in the text which events, and which characters of them, it stands for.
    """

    text: str
    used: int
    kept: tuple[Hit, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    shortened: tuple[Hit, ...] = ()
    sources: Mapping[int, tuple[Source, ...]] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.text

    def __bool__(self) -> bool:
        return bool(self.text)

    def cited(self, answer: str) -> tuple[Source, ...]:
        """What an answer refers to by marks such as [2] or [1, 3], in its order. Unknown marks are ignored."""
        return _cited(answer, self.sources)


class Messages(list[dict[str, str]]):
    """Chat messages, a plain list of {"role", "content"}, and what became of the hits: see `Context`."""

    def __init__(self, packed: Packed[list[dict[str, str]]], sources: Mapping[int, tuple[Source, ...]]) -> None:
        super().__init__(packed.made)
        self.used = packed.used
        self.kept = packed.kept
        self.dropped = packed.dropped
        self.shortened = packed.shortened
        self.sources = sources

    def cited(self, answer: str) -> tuple[Source, ...]:
        """See `Context.cited`."""
        return _cited(answer, self.sources)


@dataclass(frozen=True, slots=True)
class TextForm:
    """One text: a line for each entry, and `gap` between blocks."""

    count: Count
    gap: str

    @property
    def fixed(self) -> int:
        """What a counter adds to every text, once, less the gap that the last line does not have."""
        return 2 * self.count("") - self.count(self.gap)

    def line(self, entry: Entry, text: str | None = None, /) -> str:
        return quote(entry.mark, entry.records, text=text)

    def cost(self, entry: Entry, line: str, /) -> int:
        return self.count(line + self.gap) - self.count("")

    def make(self, blocks: Blocks, /) -> tuple[str, int]:
        text = _joined(blocks, self.gap)
        return text, self.count(text) if text else 0


@dataclass(frozen=True, slots=True)
class ChatForm:
    """First a system message with the note and all that is no one's turn to speak, then a message for each turn."""

    count: Count

    @property
    def fixed(self) -> int:
        return self.count(NOTE + "\n\n") + MESSAGE_TOKENS

    def line(self, entry: Entry, text: str | None = None, /) -> str:
        return quote(entry.mark, entry.records, speaker=chat_role(entry.records[0]) is None, text=text)

    def cost(self, entry: Entry, line: str, /) -> int:
        if chat_role(entry.records[0]) is None:
            return self.count(line + "\n\n")
        return self.count(line) + MESSAGE_TOKENS

    def make(self, blocks: Blocks, /) -> tuple[list[dict[str, str]], int]:
        if not blocks:
            return [], 0
        quoted = [[(entry, line) for entry, line in block if chat_role(entry.records[0]) is None] for block in blocks]
        notes = _joined([block for block in quoted if block], "\n\n")
        messages = [{"role": "system", "content": f"{NOTE}\n\n{notes}" if notes else NOTE}]
        for entry, line in (shown for block in blocks for shown in block):
            role = chat_role(entry.records[0])
            if role is not None:
                messages.append({"role": role, "content": line})
        return messages, sum(self.count(message["content"]) + MESSAGE_TOKENS for message in messages)


def chat_role(record: Record) -> str | None:
    """The role of a message for a turn of the user or the assistant; None for documents, derived texts, anybody else."""
    return _ROLES.get((record.role or "").lower()) if record.kind == "turn" else None


def sources_of(plan: Plan, marks: Sequence[int]) -> dict[int, tuple[Source, ...]]:
    return {mark: plan.entries[mark].sources for mark in marks}


def _joined(blocks: Blocks, gap: str) -> str:
    return gap.join("\n".join(line for _, line in block) for block in blocks)


def _cited(answer: str, sources: Mapping[int, tuple[Source, ...]]) -> tuple[Source, ...]:
    marks = (int(mark) for citation in _CITATION.findall(answer) for mark in re.findall("[0-9]+", citation))
    return tuple(dict.fromkeys(source for mark in marks for source in sources.get(mark, ())))
