"""What a multi-step recall comes to: the passages, the answer, and the trace of how it came about. Frozen values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from memkit.context.quote import line_of
from memkit.context.recall import Recall
from memkit.values import Hit, Source

State = Literal["recall", "think", "decompose", "find", "answer", "check", "decide", "summarise", "end"]

Outcome = Literal[
    "found",  # passages
    "nothing",  # no passage
    "thought",  # IRCoT: a thought to recall with
    "asked",  # a next question
    "answered",
    "unknown",  # the passages do not tell, or what was cited was not shown
    "supported",
    "revised",  # not supported; there is a better question
    "unsupported",
    "more",
    "enough",
    "spent",  # more hops would be needed than are allowed
    "malformed",  # what the model said cannot be used; it is asked again
    "gave up",  # as often as it may be
]

Ended = Literal["done", "spent", "nothing", "gave up", "stopped"]

_SHOWN = 200  # characters of a text in `told`


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step. `asked` is what was looked for or put to the model, `said` what it said to that, `outcome` what was made of it.

    `shown` are the passages that were found, or shown to the model; `cited` those of them that it named. `dropped` are marks
    that it named and that were not shown. `error` is what was wrong with a reply that could not be used.
    """

    state: State
    asked: str
    outcome: Outcome
    said: str = ""
    shown: tuple[Source, ...] = ()
    cited: tuple[Source, ...] = ()
    dropped: tuple[int, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a multi-step recall came to.

    `recall`: the passages of all steps, best first, each once, as from one recall; a score is the passage's best, as a
    share of the best of its step. `answer`: None when nothing was asked of a model, or the passages do not tell.
    Marks in it such as [1] count `citations` from 1; an answer without citations is supported by nothing that was shown.
    `ended`: "done", "spent" (the hop limit), "nothing" (no passage was found), "gave up" (the model's replies could not be used),
    "stopped" (by an error or from outside). `trace` has every step, in order.
    """

    question: str
    recall: Recall
    trace: tuple[Step, ...]
    ended: Ended
    answer: str | None = None
    citations: tuple[Hit, ...] = ()

    @property
    def events(self) -> tuple[str, ...]:
        """The ids of the events that the answer cites, without repetition."""
        return tuple(dict.fromkeys(event for hit in self.citations for event in hit.events))

    @property
    def dropped(self) -> int:
        """How many citations were dropped, since they named what was not shown."""
        return sum(len(step.dropped) for step in self.trace)

    def explain(self) -> str:
        """Tell the steps in plain text, one a line."""
        return "\n".join([*(_told(number, step) for number, step in enumerate(self.trace, 1)), f"{self.ended}."])


def sources_of(hits: Sequence[Hit]) -> tuple[Source, ...]:
    """The place of each hit: the part of an event that it shows."""
    return tuple(hit.sources[0] for hit in hits)


def _told(number: int, step: Step) -> str:
    parts = [f"{number}. {step.state}: {line_of(step.asked, _SHOWN)}"]
    if step.said:
        parts.append(f" → {line_of(step.said, _SHOWN)}")
    count = f"{len(step.cited)} of {len(step.shown)}" if step.cited else f"{len(step.shown)}"
    seen = f", {count} passage{'' if len(step.shown) == 1 else 's'}" if step.shown else ""
    dropped = f", dropped {', '.join(f'[{mark}]' for mark in step.dropped)}" if step.dropped else ""
    error = f": {line_of(step.error, _SHOWN)}" if step.error else ""
    return f"{''.join(parts)} ({step.outcome}{seen}{dropped}{error})"
