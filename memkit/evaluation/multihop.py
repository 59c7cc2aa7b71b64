"""`memkit eval multihop`: does recall find all the passages that an answer is put together from?

The questions and passages come from the user (see `multihop_sets`): none of them is part of memkit. Each passage is remembered as
a document, then each question is asked. The memory gets the question's text and nothing else; which passages support it is
used only afterwards, to count.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TypedDict, Unpack

from memkit.evaluation.cached import Cached
from memkit.evaluation.corpora import Passage
from memkit.evaluation.machine import Machine, machine
from memkit.evaluation.measures import distinct
from memkit.evaluation.multihop_figures import DEPTHS, Outcome, interval, means
from memkit.evaluation.multihop_report import Counts, Indexing, Milliseconds, MultihopReport, Settings, counts, peak_mb
from memkit.evaluation.multihop_sets import Asked, Hops, read
from memkit.evaluation.timing import percentile
from memkit.evaluation.watched import Watched
from memkit.memory import Memory
from memkit.models.specs import embedder_from, llm_from
from memkit.ports import ChatModel, Component, Embedder, Weaves
from memkit.values import Deferred, Document
from memkit.wiring import components_from, open_memory

K = 20  # hits asked for: a long passage is several, and ten different ones are looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What came of a question, and the seconds that it took: with, and without embedding it."""

    outcome: Outcome
    seconds: float
    without_embedding: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The report, and each question's outcome in the order of the file, to compare two ways question by question."""

    report: MultihopReport
    outcomes: tuple[Outcome, ...]


def evaluate(
    folder: str | PathLike[str],
    *,
    components: Sequence[str | Component] = ("passages",),
    embedder: Embedder | str | None = None,
    llm: ChatModel | str | None = None,
    cache: Path | None = None,
    k: int = K,
    options: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Measured:
    """Remember the passages of a set and measure how well recall finds what supports its questions.

    recall@2, 5 and 10 are the parts of a question's supporting passages among the first so many different passages,
    "all-recall@5" the share of questions of which all are among the first five, "mrr" the mean reciprocal rank of the first;
    "recall@5 interval" has the 95 % bootstrap interval over the questions. Nothing is left out by a floor, as rankings
    are compared. "skipped" questions have no supporting passage in the corpus; "missing" counts the supporting passages that are
    lacking of the others, which count for nothing; "repeated" and "blank" passages are not indexed. "deferred"
    are passages that a component could not absorb.

    "ms_per_query" is without the embedder's time, and with; "first" is that of the recall before the first question, when
    caches are built. "indexing" is adding and absorbing; vectors of passages, names and facts are kept in the folder `cache`, and
    `from_cache` were there. "peak_mb" is the most that this process ever had in memory, the embedder's model included.
    `options` are written into the report. `progress` is called with the passages and questions that are done, and how many there
    are. Raises ValueError for a folder without a set (see `multihop_sets.read`), for less than ten hits, for components that do
    not exist, and when one could not absorb any passage.
    """
    if k < max(DEPTHS):
        raise ValueError(f"k is {k}; recall is measured down to {max(DEPTHS)} passages")
    chosen = components_from(components)
    hops = read(folder)
    model = embedder_from(embedder) if isinstance(embedder, str) else embedder
    chat = llm_from(llm) if isinstance(llm, str) else llm
    kept = None if cache is None or model is None else Cached(model, cache)
    watched = None if model is None else Watched(model, kept)
    before = machine()
    with (
        tempfile.TemporaryDirectory(prefix="memkit-multihop-") as place,
        open_memory(
            Path(place) / "memory.db", components=chosen, embedder=watched, llm=chat, durability="process"
        ) as memory,
    ):
        run = _Run(memory, watched, k)
        answered = list(run.through(hops, progress))
        peak = peak_mb()
        graphs = {one.name: counts(memory.graph(one.name)) for one in chosen if isinstance(one, Weaves)}
    if kept is not None:
        kept.save()
    settings = _settings(chosen, model, chat, k, options)
    return _measured(hops, answered, run, settings, graph=graphs, peak_mb=peak, machine=before)


def _settings(
    components: Sequence[Component],
    embedder: Embedder | None,
    llm: ChatModel | None,
    k: int,
    options: Mapping[str, str] | None,
) -> Settings:
    return {
        "components": [one.name for one in components],
        "embedder": None if embedder is None else embedder.space.model,
        "llm": None if llm is None else llm.model,
        "k": k,
        "options": dict(options or {}),
    }


class _Rest(TypedDict):
    """What stands in the report as it was found."""

    graph: dict[str, Counts]
    peak_mb: float
    machine: Machine


def _measured(
    hops: Hops, answered: Sequence[Answered], run: _Run, settings: Settings, **rest: Unpack[_Rest]
) -> Measured:
    outcomes = tuple(one.outcome for one in answered)
    report: MultihopReport = {
        "questions": len(outcomes),
        "passages": len(hops.passages),
        **means(outcomes),
        "recall@5 interval": interval([one.at_5 for one in outcomes]),
        "ms_per_query": _milliseconds(answered, run.first),
        "indexing": run.indexing,
        "deferred": run.deferred,
        "skipped": hops.skipped,
        "missing": sum(one.missing for one in hops.questions),
        "repeated": hops.repeated,
        "blank": hops.blank,
        "settings": settings,
        **rest,
    }
    return Measured(report=report, outcomes=outcomes)


class _Run:
    """A memory that is filled with passages and then asked. `first` is how long the recall after filling took, in seconds."""

    def __init__(self, memory: Memory, embedder: Watched | None, k: int) -> None:
        self._memory = memory
        self._embedder = embedder
        self._k = k
        self._numbers: dict[str, int] = {}
        self.indexing: Indexing = {"seconds": 0.0, "embedding_seconds": 0.0, "embedded": 0, "from_cache": 0}
        self.first = 0.0
        self.deferred = 0

    def through(self, hops: Hops, progress: Callable[[int, int], None]) -> Iterator[Answered]:
        """Remember the passages, then ask the questions."""
        total = len(hops.passages) + len(hops.questions)
        progress(0, total)
        self.index(hops.passages)
        for done, question in enumerate(hops.questions, start=len(hops.passages)):
            progress(done, total)
            yield self.ask(question)
        progress(total, total)

    def index(self, passages: Sequence[Passage]) -> None:
        """Remember the passages, let the components absorb them, and recall something once."""
        started = time.perf_counter()
        receipt = self._memory.add([Document(text=one.text, title=one.title.strip() or None) for one in passages])
        self._memory.sync()
        seconds = time.perf_counter() - started
        self._numbers = {event: number for number, event in enumerate(receipt.ids)}
        watched = self._embedder
        self.indexing = {
            "seconds": round(seconds, 3),
            "embedding_seconds": round(watched.seconds, 3) if watched else 0.0,
            "embedded": watched.documents if watched else 0,
            "from_cache": watched.documents - watched.made if watched else 0,
        }
        self._check(self._memory.stats().deferred, len(passages))
        started = time.perf_counter()
        self._ranking(passages[0].title or passages[0].text[:100])
        self.first = time.perf_counter() - started

    def _check(self, deferred: Sequence[Deferred], passages: int) -> None:
        """Count what could not be absorbed; nothing is measured when a component absorbed nothing."""
        self.deferred = len(deferred)
        for name, count in Counter(one.component for one in deferred).items():
            if count == passages:
                error = next(one.error for one in deferred if one.component == name)
                raise ValueError(f"{name} could not absorb any of {passages:,} passages: {error}")

    def ask(self, question: Asked) -> Answered:
        embedding = self._embedder.seconds if self._embedder else 0.0
        started = time.perf_counter()
        ranking = self._ranking(question.text)
        seconds = time.perf_counter() - started
        embedding = (self._embedder.seconds if self._embedder else 0.0) - embedding
        outcome = Outcome.of(ranking, question.gold)
        return Answered(outcome=outcome, seconds=seconds, without_embedding=seconds - embedding)

    def _ranking(self, text: str) -> list[int]:
        hits = self._memory.recall(text, k=self._k, floor=0)
        return distinct(self._numbers[event] for hit in hits for event in hit.events)


def _milliseconds(answered: Sequence[Answered], first: float) -> Milliseconds:
    with_it, without = [one.seconds for one in answered], [one.without_embedding for one in answered]
    return {
        "p50": round(1e3 * percentile(without, 50), 3),
        "p95": round(1e3 * percentile(without, 95), 3),
        "p50 with embedding": round(1e3 * percentile(with_it, 50), 3),
        "p95 with embedding": round(1e3 * percentile(with_it, 95), 3),
        "first": round(1e3 * first, 3),
    }
