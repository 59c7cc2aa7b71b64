"""`memkit eval locomo`: does recall find the turns that answer questions about long conversations?

The data is LoCoMo (Maharana et al., ACL 2024) or anything in its format (see `conversations`), and comes from the user: none
of it is part of memkit. Each conversation is remembered in a namespace of its own, turn by turn in the order of its
sessions; then each question is asked. The memory gets the question's text and nothing else: answers are never read,
and evidence and category are used only afterwards, to count.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TypedDict

from memkit.evaluation.conversations import Conversation, Question, Turn, read
from memkit.evaluation.measures import Figures, Outcome, distinct, figures
from memkit.evaluation.timing import percentile
from memkit.memory import Memory
from memkit.ports import Component, Embedder
from memkit.wiring import components_from, open_memory

K = 20  # hits asked for: recall is measured down to there
ANSWERABLE = (1, 2, 3, 4)  # multi-hop, temporal, open-domain, single-hop; the questions of category 5 mislead


class Seconds(TypedDict):
    adding: float
    absorbing: float
    recalling: float
    recall_p50_ms: float
    recall_p95_ms: float


class Settings(TypedDict):
    embedder: str | None
    components: list[str]
    k: int


LocomoReport = TypedDict(
    "LocomoReport",
    {
        "questions": int,
        "recall@5": float,
        "recall@10": float,
        "recall@20": float,
        "mrr": float,
        "categories_1-4": Figures,
        "by_category": dict[str, Figures],
        "seconds": Seconds,
        "by_conversation": dict[str, Figures],
        "settings": Settings,
        "turns": int,
        "skipped": int,
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question that was asked: of which category, what came of it, and how long it took."""

    category: int
    outcome: Outcome
    seconds: float


def evaluate(
    path: str | PathLike[str],
    *,
    embedder: Embedder | str | None = None,
    components: Sequence[str | Component] = ("passages",),
    k: int = K,
    progress: Callable[[int, int], None] | None = None,
) -> LocomoReport:
    """Remember the conversations of a file in LoCoMo's format and measure how well recall finds the evidence.

    For every question: recall@5, 10 and 20, the part of its evidence turns among the first so many distinct turns, and the
    reciprocal rank of the first one. Hits are expanded to the turns they came from, in rank order, so that a long hit takes
    as many places as it has turns; neighbours count for nothing. `k` hits are asked for, as any user
    would: where the floor leaves a question without hits, that counts against it.

    The figures at the top are the means over all questions with usable evidence, of all categories; "categories_1-4"
    leaves out the misleading ones; "by_conversation" has categories 1 to 4 of each. "skipped" counts the questions
    without usable evidence. Of "seconds", adding, absorbing and recalling are sums; the percentiles are of one
    question, with the embedding of its text.

    `progress` is called with the turns and questions that are done, and with how many there are. Raises ValueError for a file
    that is missing or of another format, and for components that do not exist.
    """
    chosen = components_from(components)
    conversations = read(path)
    if not any(conversation.questions for conversation in conversations):
        raise ValueError(f"no question in {path} has evidence that names a turn of its conversation")
    count = _Count(conversations, progress)
    spent = {"adding": 0.0, "absorbing": 0.0}
    asked: dict[str, list[Asked]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="memkit-locomo-") as folder,
        open_memory(Path(folder) / "memory.db", components=chosen, embedder=embedder, durability="process") as memory,
    ):
        for number, conversation in enumerate(conversations, start=1):
            bound = memory[f"conversation-{number}"]
            turns = _remember(bound, conversation, spent)
            count.further(len(turns))
            name = conversation.name if conversation.name not in asked else f"{conversation.name} ({number})"
            asked[name] = _ask(bound, conversation.questions, turns, k, count)
        space = memory.stats().spaces
    return _report(
        asked,
        seconds=spent,
        settings={"embedder": space[0].model if space else None, "components": [one.name for one in chosen], "k": k},
        turns=sum(len(conversation.turns) for conversation in conversations),
        skipped=sum(conversation.skipped for conversation in conversations),
    )


class _Count:
    """Tells the caller how far the work is."""

    def __init__(self, conversations: Iterable[Conversation], tell: Callable[[int, int], None] | None) -> None:
        self._total = sum(len(one.turns) + len(one.questions) for one in conversations)
        self._done = 0
        self._tell = tell

    def further(self, steps: int) -> None:
        self._done += steps
        if self._tell is not None:
            self._tell(self._done, self._total)


def _remember(memory: Memory, conversation: Conversation, spent: dict[str, float]) -> dict[str, str]:
    """Store the turns and let the components absorb them. Returns which event is which turn."""
    started = time.perf_counter()
    receipt = memory.add([_message(turn) for turn in conversation.turns])
    added = time.perf_counter()
    memory.sync()
    spent["adding"] += added - started
    spent["absorbing"] += time.perf_counter() - added
    return dict(zip(receipt.ids, (turn.name for turn in conversation.turns), strict=True))


def _message(turn: Turn) -> dict[str, object]:
    caption = {} if turn.caption is None else {"caption": turn.caption}
    return {
        "content": turn.text,
        "author": turn.author,
        "session": turn.session,
        "at": turn.at,
        "metadata": {"dia_id": turn.name, **caption},
    }


def _ask(memory: Memory, questions: Iterable[Question], turns: Mapping[str, str], k: int, count: _Count) -> list[Asked]:
    asked = []
    for question in questions:
        started = time.perf_counter()
        hits = memory.recall(question.text, k=k)
        seconds = time.perf_counter() - started
        ranking = distinct(turns[event] for hit in hits for event in hit.events)
        outcome = Outcome.of(ranking, question.evidence)
        asked.append(Asked(category=question.category, outcome=outcome, seconds=seconds))
        count.further(1)
    return asked


def _report(
    asked: Mapping[str, Sequence[Asked]], *, seconds: Mapping[str, float], settings: Settings, turns: int, skipped: int
) -> LocomoReport:
    every = [one for several in asked.values() for one in several]
    times = [one.seconds for one in every]
    return {
        **figures(one.outcome for one in every),
        "categories_1-4": _answerable(every),
        "by_category": {
            str(category): figures(one.outcome for one in every if one.category == category)
            for category in sorted({one.category for one in every})
        },
        "by_conversation": {name: _answerable(several) for name, several in asked.items()},
        "seconds": {
            "adding": round(seconds["adding"], 4),
            "absorbing": round(seconds["absorbing"], 4),
            "recalling": round(sum(times), 4),
            "recall_p50_ms": round(1e3 * percentile(times, 50), 3),
            "recall_p95_ms": round(1e3 * percentile(times, 95), 3),
        },
        "settings": settings,
        "turns": turns,
        "skipped": skipped,
    }


def _answerable(asked: Iterable[Asked]) -> Figures:
    return figures(one.outcome for one in asked if one.category in ANSWERABLE)
