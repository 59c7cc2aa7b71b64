"""What a recall gives back: hits, why they came, and what a prompt can be made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import overload

from memkit.context.explain import explain
from memkit.context.pack import pack
from memkit.context.plan import Order, plan
from memkit.context.prompt import ChatForm, Context, Messages, TextForm, sources_of
from memkit.context.tokens import Count, estimate
from memkit.values import Cue, Hit


@dataclass(frozen=True, kw_only=True, eq=False)
class Recall(Sequence[Hit]):
    """The hits, best first, as a sequence: it has a length, an order and is true if there is one.

    `cue` is what was asked. `seconds` tells how long each stage took, by name.
    """

    hits: tuple[Hit, ...]
    cue: Cue
    seconds: Mapping[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.hits)

    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Hit, ...]: ...
    def __getitem__(self, index: int | slice) -> Hit | tuple[Hit, ...]:
        return self.hits[index]

    def explain(self) -> str:
        """Tell in plain text why each hit came; without hits, that nothing was above the floor."""
        return explain(self.hits, self.cue, self.seconds)

    def context(self, tokens: int = 800, *, order: Order = "rank", count: Count = estimate) -> Context:
        """The hits as text for a prompt, at most `tokens` long by `count`.

        A hit takes a line, `[1] 2024-05-08, Ana: I moved to Lisbon.`, its mark being its rank. Neighbours stand before
        and after it with marks of their own, and a blank line parts what was said in different places. Nothing is shown
        twice: neighbours of several hits are joined, and hits of the same text by the same speaker share a line that
        tells the first and the last date and how often.

        `order` is "rank", the best hit first, or "time", by when it was said; it does not change what is kept. Hits are
        tried best first. One that does not fit with its neighbours is shown alone; one that does not fit alone is
        dropped as a whole, and later, shorter ones may still fit. Only the best hit is cut when it is longer than the
        budget: behind a sentence where one fits, with an ellipsis.

        The lines of a remembered text are indented, so that they look neither like a mark nor like a turn of the chat,
        and special tokens of chat models are broken. That is all: a model may still obey what a text says.

        `count` gives the tokens of a text; by default they are estimated. Raises ValueError for a negative budget or an
        order that does not exist.
        """
        _check(order)
        planned = plan(self.hits)
        packed = pack(planned, tokens, TextForm(count, "\n\n" if planned.neighbours else "\n"), order)
        return Context(
            text=packed.made,
            used=packed.used,
            kept=packed.kept,
            dropped=packed.dropped,
            shortened=packed.shortened,
            sources=sources_of(planned, packed.marks),
        )

    def messages(self, tokens: int = 800, *, order: Order = "time", count: Count = estimate) -> Messages:
        """The hits as chat messages: a list of {"role", "content"} for the `messages` of a chat API.

        First comes a system message. It says that all this is remembered and holds, as `context` shows them, the
        documents and whatever else neither the user nor the assistant said. Then each turn of theirs, hit or neighbour,
        is a message in its role, with mark, date and author before the text. By default they are in order of time; put
        them before the present conversation.

        The rules of `context` hold. `used` sums the tokens of the contents and four for each message; without hits,
        or if none fits, there are no messages.
        """
        _check(order)
        planned = plan(self.hits)
        packed = pack(planned, tokens, ChatForm(count), order)
        return Messages(packed, sources_of(planned, packed.marks))


def _check(order: str) -> None:
    if order not in ("rank", "time"):
        raise ValueError(f'order is {order!r}; it must be "rank" or "time"')
