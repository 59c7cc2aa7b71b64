"""A finite-state controller (FSM prompting, arXiv 2407.02964; SG-FSM, arXiv 2410.17021): one question of a single step at a
time, and every transition in one table.

The papers give the states; the hop limit, the retries and the reply shapes are memkit's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from memkit.agents.multihop.search import Search
from memkit.agents.multihop.values import Outcome, State
from memkit.errors import ModelReplyError
from memkit.values import Hit

TRANSITIONS: Mapping[tuple[State, Outcome], State] = {
    ("decompose", "asked"): "find",
    ("find", "found"): "answer",
    ("find", "nothing"): "decompose",
    ("answer", "answered"): "check",
    ("answer", "unknown"): "decompose",
    ("check", "supported"): "decide",
    ("check", "revised"): "find",
    ("check", "unsupported"): "decompose",
    ("decide", "more"): "decompose",
    ("decide", "enough"): "summarise",
    # a further hop would be one too many
    ("find", "spent"): "summarise",
    ("answer", "spent"): "summarise",
    ("check", "spent"): "summarise",
    ("decide", "spent"): "summarise",
    # the reply cannot be used: this state alone is tried again, then it ends with what there is
    ("decompose", "malformed"): "decompose",
    ("answer", "malformed"): "answer",
    ("check", "malformed"): "check",
    ("decide", "malformed"): "decide",
    ("summarise", "malformed"): "summarise",
    ("decompose", "gave up"): "end",
    ("answer", "gave up"): "end",
    ("check", "gave up"): "end",
    ("decide", "gave up"): "end",
    ("summarise", "gave up"): "end",
    ("summarise", "answered"): "end",
    ("summarise", "unknown"): "end",
}

HOP: frozenset[State] = frozenset(("decompose", "find"))  # what leads into these asks for a further hop


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where the controller is: what is left to find out, the question of this hop with what it found and what was said to
    it, what is known by now (questions with their answers), and the questions that found nothing. `k` passages a hop."""

    remaining: str
    k: int
    asked: str = ""
    hits: tuple[Hit, ...] = ()
    said: str = ""
    cited: tuple[Hit, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    failed: tuple[str, ...] = ()
    hop: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What a state came to. What is for the trace stands beside what is for the next state."""

    outcome: Outcome
    progress: Progress
    asked: str
    said: str = ""
    shown: tuple[Hit, ...] = ()
    cited: tuple[Hit, ...] = ()
    dropped: tuple[int, ...] = ()
    error: str | None = None


Act = Callable[[Search, Progress], Awaitable[Move]]


async def drive(
    search: Search, state: State, progress: Progress, acts: Mapping[State, Act], *, hops: int, retries: int
) -> Move:
    """Go from state to state as `TRANSITIONS` has it, to the first that is none of `acts`. Returns the last move.

    It ends: every way around the table leads through "find", each of which is a hop, and a state is tried again at most
    `retries` times in a row. What the model raises, other than for a reply that cannot be used, is raised.
    """
    tries = 0
    while True:
        try:
            move = await acts[state](search, progress)
            tries = 0
        except ModelReplyError as e:
            tries += 1
            outcome: Outcome = "malformed" if tries <= retries else "gave up"
            move = Move(outcome=outcome, progress=progress, asked=progress.asked or progress.remaining, error=str(e))
        if TRANSITIONS[state, move.outcome] in HOP and move.progress.hop >= hops:
            move = replace(move, outcome="spent")
        search.note(
            state,
            move.asked,
            move.outcome,
            said=move.said,
            shown=move.shown,
            cited=move.cited,
            dropped=move.dropped,
            error=move.error,
        )
        state, progress = TRANSITIONS[state, move.outcome], move.progress
        if state not in acts:
            return move
