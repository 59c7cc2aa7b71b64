"""What is kept of a stream when the budget is short: a rule for the order, and what all rules have in common.

SirLLM (Yao, Li, Zhao, ACL 2024, arXiv 2405.12528) keeps the first tokens of the stream (attention sinks), then the
tokens that surprised the model most, their surprisal shrinking by a factor with every turn. Its tables compare that
with keeping recent, random and evenly spaced tokens; all four are here, and differ in nothing but the order. Here
units, that is sentences or phrases, stand for tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING

import numpy as np

from memkit.values import Json, Record

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAME = "sir_llm"  # of the component, and of what it notes in a row's metadata


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """How much is kept. `budget` and `recent` count the scorer's tokens, `sinks` units.

    The first `sinks` units of the stream are always kept, be they longer than the budget or not; then the newest
    units, as many as fit `recent`; then units in the order of the rule. What is kept is the longest beginning of that
    list that fits the budget, so that with a larger budget nothing is lost. `decay`, above 0 and at most 1, is the
    factor on a unit's score for each turn since; `seed` is for the rule `random`.

    The defaults are those of SirLLM's Grocery task: 4 sinks, 1020 more tokens, no recent window, decay 1. It took a
    decay of 0.5 to 0.7 for DailyDialog and 0.7 to 0.9 for rock-paper-scissors, by model: where the stream is long and
    what counts changes, a decay below 1 is needed, or what surprised once is kept for ever.
    """

    budget: int = 1024
    sinks: int = 4
    recent: int = 0
    decay: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("budget", "sinks", "recent", "seed"):
            value = getattr(self, name)
            if type(value) is not int or value < 0:
                raise ValueError(f"{name} is {value!r}; it is a whole number of at least 0")
        if not 0 < self.decay <= 1:
            raise ValueError(f"decay is {self.decay}; it is above 0 and at most 1")


@dataclass(frozen=True, slots=True)
class Units:
    """Units as columns of shape [units], in the order of the stream. `score`, at least 0, is how surprising each was
    when it was read; `turn` the number of its turn, not falling; `tokens` its length, at least 1."""

    score: NDArray[np.float64]
    turn: NDArray[np.int64]
    tokens: NDArray[np.int64]


Rule = Callable[[Units, Keep], "NDArray[np.int64]"]  # all units by number, those that are to be kept first at the front


def surprisal(units: Units, keep: Keep) -> NDArray[np.int64]:
    """The most surprising first, after decay; of equal ones the earlier."""
    return np.argsort(-decayed(units, keep), kind="stable")


def random(units: Units, keep: Keep) -> NDArray[np.int64]:
    """In an order drawn with `keep.seed`. What units have been drawn does not change as others are added."""
    return np.argsort(np.random.default_rng(keep.seed).random(len(units.score)), kind="stable")


def interval(units: Units, keep: Keep) -> NDArray[np.int64]:
    """Evenly spaced, coarse to fine: however many of them are kept, the gaps between them are alike (van der Corput
    1935)."""
    size = len(units.score)
    digits = max(1, (size - 1).bit_length())
    order = np.zeros(1 << digits, np.int64)
    for digit in range(digits):
        order |= (np.arange(1 << digits) >> digit & 1) << (digits - 1 - digit)
    return order[order < size]


def recent(units: Units, keep: Keep) -> NDArray[np.int64]:
    """The newest first: with the sinks before them, StreamingLLM (Xiao et al., ICLR 2024)."""
    return np.arange(len(units.score))[::-1].copy()


def decayed(units: Units, keep: Keep) -> NDArray[np.float64]:
    """The logarithm of each score after decay: of the score itself, 0.5 to the power of 2,000 turns would leave
    nothing."""
    if not len(units.turn):
        return np.empty(0, np.float64)
    with np.errstate(divide="ignore"):  # a score of 0 comes last
        told: NDArray[np.float64] = np.log(units.score)
    told += (units.turn[-1] - units.turn) * log(keep.decay)
    return told


def select(units: Units, keep: Keep, rule: Rule = surprisal) -> NDArray[np.int64]:
    """The units that are kept, ascending."""
    size = len(units.score)
    numbers = np.arange(size)
    sinks = numbers[: keep.sinks]
    newest = numbers[::-1][np.cumsum(units.tokens[::-1]) <= keep.recent]
    listed = np.concatenate((sinks, newest, rule(units, keep)))
    _, first = np.unique(listed, return_index=True)
    listed = listed[np.sort(first)]
    fits = np.cumsum(units.tokens[listed]) <= keep.budget
    fits[: len(sinks)] = True
    return np.sort(listed[fits])


def kept(records: Sequence[Record], keep: Keep | None = None, rule: Rule = surprisal) -> list[Record]:
    """What is kept of these rows of the component, in the order of the stream: what `SirLLM.recall` looks through.

    The rows may be any of those in one namespace, as `memory.records(component="sir_llm")` gives them. Rows of other
    components raise ValueError. Echoes are never kept.
    """
    notes = sorted(((note_of(record), record) for record in records), key=lambda pair: number(pair[0], "offset"))
    own = [(note, record) for note, record in notes if not note.get("echo")]
    units = Units(
        np.array([record.weight for _, record in own], np.float64),
        np.array([number(note, "turn") for note, _ in own], np.int64),
        np.array([number(note, "tokens") for note, _ in own], np.int64),
    )
    return [own[place][1] for place in select(units, keep or Keep(), rule).tolist()]


def prompt(records: Sequence[Record]) -> str:
    """Kept rows as text for a prompt: a line for each turn, its author before it, "…" where something is left out."""
    lines: list[str] = []
    last: Record | None = None
    for record in records:
        gap = "… " if record.sources[0].start > 0 else ""
        if last is not None and last.sources[0].event == record.sources[0].event:
            beside = number(note_of(last), "offset") + len(last.text) + 1 == number(note_of(record), "offset")
            lines[-1] += f" {record.text}" if beside else f" … {record.text}"
        else:
            who = record.author or record.role
            lines.append(f"{gap}{record.text}" if who is None else f"{who}: {gap}{record.text}")
        last = record
    return "\n".join(lines)


def note_of(record: Record) -> dict[str, Json]:
    """What the component noted in a row."""
    note = record.metadata.get(NAME)
    if record.component != NAME or not isinstance(note, dict):
        raise ValueError(f"row {record.id} is of component {record.component}; these must be rows of {NAME}")
    return note


def number(note: dict[str, Json], name: str) -> int:
    """A whole number of a note."""
    value = note.get(name)
    if not isinstance(value, int):
        raise ValueError(
            f"a row of {NAME} has {value!r} for {name}: another version wrote it, and it has to be derived anew"
        )
    return value
