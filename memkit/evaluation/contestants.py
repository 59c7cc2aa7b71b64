"""What is compared in the tasks: memories of memkit's, and what one would do without any.

All of them are told the same turns, and render what they deliver in the same way within the same budget of tokens, so that the
reader meets nothing but differences in what is delivered. Only `everything`, the ceiling, has no budget.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from memkit.components.passages import Passages
from memkit.components.sir_llm import Keep, Rule, SirLLM, interval, kept, random, recent, surprisal
from memkit.context.prompt import Context
from memkit.context.quote import quote
from memkit.context.recall import Recall
from memkit.context.tokens import estimate
from memkit.memory import Memory
from memkit.values import Cue, Event, Hit, Record, Where

HITS = 20  # asked of a memory: more than the budget takes in most questions
UNLIMITED = 10**9
RULES: Mapping[str, Rule] = {"surprisal": surprisal, "random": random, "interval": interval, "recent": recent}

# What nobody would grep for.
_STOP = frozenset(
    "a am an and are at be been before before by day did do does for from had has have i in is it live me my now of on or s say "
    "should that the these this to was were what where which who with".split()
)
_WORD = re.compile(r"\w+")


Way = Callable[[str, int, datetime | None], Context]  # the context of a question, within a budget, as of a time or now


class Contestant(Protocol):
    """Something that is told turns and gives back contexts for questions, in one way or in several, by name."""

    @property
    def ways(self) -> Mapping[str, Way]: ...

    def start(self, script: str, /) -> None:
        """Begin with an empty memory."""
        ...

    def tell(self, turns: Sequence[Event], /) -> None:
        """Take the turns in, and be done with everything that needs doing before the next question."""
        ...

    def forget(self, ids: Collection[str], /) -> None: ...


class Remembering:
    """A memory with its components, in a namespace for each script. `ways` are names: without ":" what it recalls, with it all
    that SirLLM keeps by that rule."""

    def __init__(self, memory: Memory, ways: Sequence[str]) -> None:
        self._memory = memory
        self._script = ""
        self.ways = {name: self._keeping(name.partition(":")[2]) if ":" in name else self._recalled for name in ways}

    def start(self, script: str, /) -> None:
        self._script = script

    def tell(self, turns: Sequence[Event], /) -> None:
        self._memory.add(list(turns))
        self._memory.sync(namespace=self._script)

    def forget(self, ids: Collection[str], /) -> None:
        self._memory.forget(ids=list(ids), namespace=self._script)

    def _recalled(self, question: str, tokens: int, as_of: datetime | None) -> Context:
        return self._memory.recall(question, k=HITS, namespace=self._script, as_of=as_of).context(tokens)

    def _keeping(self, rule: str) -> Way:
        """All that SirLLM keeps of the stream by one of its rules, in the order of the stream: its prompt. No question is
        needed. Dates and marks are added to what is kept, so that it keeps less than the budget."""

        def way(question: str, tokens: int, as_of: datetime | None) -> Context:
            rows = list(self._memory.records(SirLLM.name, namespace=self._script, as_of=as_of))
            budget = tokens
            while True:
                hits = [Hit(record=row, score=1.0) for row in kept(rows, Keep(budget=budget), RULES[rule])]
                shown = _shown(question, hits, UNLIMITED)
                if shown.used <= tokens or budget == 0:
                    return shown
                budget = budget * tokens * 19 // (shown.used * 20)

        return way


class Listing:
    """All turns in a list, of which a function makes the context."""

    def __init__(self, name: str, made: Callable[[Sequence[Event], str, int], Context]) -> None:
        self._turns: list[Event] = []
        self._made = made
        self.ways = {name: self._way}

    def start(self, script: str, /) -> None:
        self._turns = []

    def tell(self, turns: Sequence[Event], /) -> None:
        self._turns += turns

    def forget(self, ids: Collection[str], /) -> None:
        self._turns = [turn for turn in self._turns if turn.id not in ids]

    def _way(self, question: str, tokens: int, as_of: datetime | None) -> Context:
        return self._made([turn for turn in self._turns if as_of is None or turn.recorded <= as_of], question, tokens)


def last_turns(turns: Sequence[Event], question: str, tokens: int) -> Context:
    """The newest turns that fit into the budget, as a chat without a memory has them."""
    chosen: list[Event] = []
    for turn in reversed(turns):
        tokens -= estimate(quote(len(chosen) + 1, [_record(turn)]) + "\n")
        if tokens < 0:
            break
        chosen.append(turn)
    return _rendered(question, chosen, UNLIMITED)


def grep(turns: Sequence[Event], question: str, tokens: int) -> Context:
    """A flat file, one line a turn with its day and speaker, and grep: the lines with most of the question's words, newest
    first on ties. Case does not count, whole words do, and words that nobody would grep for are left out."""
    words = set(_WORD.findall(question.casefold())) - _STOP
    found = []
    for place, turn in enumerate(turns):
        line = f"{turn.at.date()} {turn.author or turn.role}: {turn.text}"
        matched = len(words.intersection(_WORD.findall(line.casefold())))
        if matched:
            found.append((matched, place, turn))
    best = sorted(found, key=lambda one: (-one[0], -one[1]))
    return _rendered(question, [turn for _, _, turn in best[:HITS]], tokens)


def everything(turns: Sequence[Event], question: str, tokens: int) -> Context:
    """The whole history in order, whatever it costs: no memory can deliver more."""
    return _rendered(question, turns, UNLIMITED)


def _rendered(question: str, turns: Sequence[Event], tokens: int) -> Context:
    return _shown(question, [Hit(record=_record(turn), score=1.0) for turn in turns], tokens)


def _shown(question: str, hits: Sequence[Hit], tokens: int) -> Context:
    where = Where(namespace=hits[0].record.namespace if hits else "default")
    return Recall(hits=tuple(hits), cue=Cue(text=question, where=where)).context(tokens)


def _record(turn: Event) -> Record:
    return Record.of(turn, Passages.name)
