"""What of a plan fits into a budget of tokens. It knows neither what an entry looks like nor how it is counted."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from memkit.context.plan import Entry, Group, Order, Plan, blocks
from memkit.context.quote import ELLIPSIS
from memkit.values import Hit

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

# The closers are possessive and the dots before them are tried one by one, so that the search stays linear.
_SENTENCE_END = re.compile(r"""[.!?…]["'”’»)\]]*+(?=\s|\Z)|[。！？]|\n""")
_WORD_END = re.compile(r"\S(?=\s|\Z)")


@dataclass(frozen=True, slots=True)
class Dropped:
    """A hit that is not shown, and why not, in words."""

    hit: Hit
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed(Generic[T]):
    """What was made of the hits that fit. `used` is at most the budget; hits are in rank order, `marks` ascend."""

    made: T
    used: int
    kept: tuple[Hit, ...]
    dropped: tuple[Dropped, ...]
    shortened: tuple[Hit, ...]
    marks: tuple[int, ...]


class Form(Protocol[T_co]):
    """How entries become a prompt. `fixed` tokens come with the first entry, `cost` with each line."""

    @property
    def fixed(self) -> int: ...
    def line(self, entry: Entry, text: str | None = None, /) -> str: ...
    def cost(self, entry: Entry, line: str, /) -> int: ...
    def make(self, blocks: Sequence[Sequence[tuple[Entry, str]]], /) -> tuple[T_co, int]: ...


def pack(plan: Plan, tokens: int, form: Form[T], order: Order) -> Packed[T]:
    """Keep what fits, best hits first.

    A hit goes in with its neighbours if all of them fit, else alone, else not at all; then the next one is tried, so
    a short hit may be kept after a long one was dropped. Only the very first hit is cut when it does not fit alone: at
    the end of a sentence, else of a word, else anywhere. Lines are counted one by one, and at last the whole is
    counted: while that is above the budget, the last hit that was kept is dropped after all.
    """
    if tokens < 0:
        raise ValueError(f"tokens is {tokens}; a budget is not negative")
    lines = {mark: form.line(entry) for mark, entry in plan.entries.items()}
    kept, dropped = _fill(plan, tokens - form.fixed, form, lines)
    while True:
        shown = frozenset(mark for one in kept for mark in one.brought)
        windows = blocks(plan, [[mark for mark in one.group.window if mark in shown] for one in kept], order)
        made, used = form.make([[(plan.entries[mark], lines[mark]) for mark in block] for block in windows])
        if used <= tokens or not kept:
            break
        reason = f"with it, the whole takes {used} tokens of {tokens}"
        dropped.update(dict.fromkeys(kept.pop().group.ranks, reason))
    short = (rank for one in kept if one.cut or not shown.issuperset(one.group.window) for rank in one.group.ranks)
    return Packed(
        made=made,
        used=used,
        kept=tuple(hit for rank, hit in enumerate(plan.hits) if rank not in dropped),
        dropped=tuple(Dropped(plan.hits[rank], reason) for rank, reason in sorted(dropped.items())),
        shortened=tuple(plan.hits[rank] for rank in sorted(short)),
        marks=tuple(sorted(shown)),
    )


@dataclass(frozen=True, slots=True)
class _Kept:
    """A group that fits, and the marks that came into the prompt with it."""

    group: Group
    brought: tuple[int, ...]
    cut: bool = False


def _fill(plan: Plan, left: int, form: Form[object], lines: dict[int, str]) -> tuple[list[_Kept], dict[int, str]]:
    """The groups that fit, best first, and why the others do not, by rank. A line that had to be cut is replaced."""
    costs = {mark: form.cost(plan.entries[mark], line) for mark, line in lines.items()}
    budget = left + min(
        0, form.fixed
    )  # what a caller would call left: without the gap that the last line does not have
    kept: list[_Kept] = []
    dropped: dict[int, str] = {}
    seen: set[int] = set()
    for group in plan.groups:
        whole = tuple(mark for mark in group.window if mark not in seen)
        alone = tuple(mark for mark in whole if mark == group.mark)
        brought = next((marks for marks in (whole, alone) if sum(costs[mark] for mark in marks) <= left), None)
        cut = None
        if brought is None and group is plan.groups[0]:
            cut = _cut(plan.entries[group.mark], left, form)
        if cut is not None:
            lines[group.mark] = cut
            costs[group.mark] = form.cost(plan.entries[group.mark], cut)
            brought = alone
        if brought is None:
            dropped.update(
                dict.fromkeys(group.ranks, f"takes {costs[group.mark]} tokens, {max(min(left, budget), 0)} are left")
            )
            continue
        kept.append(_Kept(group, brought, cut is not None))
        left -= sum(costs[mark] for mark in brought)
        seen.update(brought)
    return kept, dropped


def _cut(entry: Entry, left: int, form: Form[object]) -> str | None:
    """The line of the longest beginning of the entry's text that fits; None if nothing does."""
    text = entry.records[0].text.strip()

    def line(end: int) -> str:
        return form.line(entry, f"{text[:end].rstrip()} {ELLIPSIS}")

    def cost(end: int) -> int:
        return form.cost(entry, line(end))

    for ends in _ends(text):
        fitting = bisect_right(ends, left, key=cost)
        if fitting and cost(ends[fitting - 1]) <= left:
            return line(ends[fitting - 1])
    return None


def _ends(text: str) -> Iterator[Sequence[int]]:
    """Where a text may be cut: behind its sentences, behind its words, anywhere."""
    for border in (_SENTENCE_END, _WORD_END):
        yield [found.end() for found in border.finditer(text) if found.end() < len(text)]
    yield range(1, len(text))
