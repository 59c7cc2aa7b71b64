"""What every step of a multi-step recall works with: the memory, what was found so far, the model, and the trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from memkit.agents.multihop.prompt import Shown
from memkit.agents.multihop.values import Ended, Findings, Outcome, State, Step, sources_of
from memkit.context.recall import Recall
from memkit.coroutines import AsyncMemory
from memkit.messages import Options
from memkit.ports import Llm
from memkit.scope import Scope
from memkit.tokens import Count, estimate
from memkit.values import Cue, Hit, Source

Place = tuple[tuple[Source, ...], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What the questions of one `MultiHop` are answered with."""

    memory: AsyncMemory
    llm: Llm | None
    tokens: int
    options: Options
    count: Count = estimate


@dataclass(slots=True)
class Search:
    """One question under way. `hits` holds each passage once, with its best score, in the order in which they were found;
    `thoughts` and `facts` (questions with their answers) are what was worked out on the way."""

    means: Means
    question: str
    component: str | None
    scope: Scope
    hits: dict[Place, Hit] = field(default_factory=dict)
    trace: list[Step] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    facts: list[tuple[str, str]] = field(default_factory=list)
    checked: set[Place] = field(default_factory=set)
    cue: Cue | None = None
    seconds: float = 0.0

    @property
    def llm(self) -> Llm:
        assert self.means.llm is not None  # checked before a question is begun
        return self.means.llm

    async def look(self, text: str, k: int, *, share: float = 1.0) -> list[Hit]:
        """Recall with the text and keep what is found; the hits' scores are shares of the best of them, times `share`.

        Scores of two recalls cannot be compared as they are: hence the share, as HippoRAG scales each step's to [0, 1].
        """
        recall = await self.means.memory.recall(text, k=k, component=self.component, **self.scope)
        if self.cue is None:
            self.cue = recall.cue
        self.seconds += sum(recall.seconds.values())
        top = recall.hits[0].score if recall.hits else 0.0
        step = len(self.trace) + 1
        hits: dict[Place, Hit] = {}
        for hit in recall:
            score = share * hit.score / top if top > 0 else 0.0
            hits.setdefault(_place(hit), replace(hit, score=score, why={**hit.why, "step": step}))
        for place, hit in hits.items():
            if place not in self.hits or hit.score > self.hits[place].score:
                self.hits[place] = hit
        return list(hits.values())

    async def find(self, text: str, k: int, *, share: float = 1.0) -> list[Hit]:
        """`look`, and a step of the trace."""
        hits = await self.look(text, k, share=share)
        self.note("recall", text, "found" if hits else "nothing", shown=hits)
        return hits

    def support(self, hits: Sequence[Hit]) -> None:
        """Put passages that were checked to support an answer before all others."""
        for hit in hits:
            self.checked.add(_place(hit))
            self.hits[_place(hit)] = replace(hit, score=1.0, why={**hit.why, "checked": "supports an answer"})

    def best(self, k: int) -> tuple[Hit, ...]:
        """The k passages with the best scores; of equal ones those that were checked, then the first found."""
        return tuple(sorted(self.hits.values(), key=lambda hit: (-hit.score, _place(hit) not in self.checked))[:k])

    def shown(self, hits: Sequence[Hit]) -> Shown:
        """The passages as the model is shown them."""
        return Shown.of(hits, self.means.tokens, self.means.count)

    def note(
        self,
        state: State,
        asked: str,
        outcome: Outcome,
        *,
        said: str = "",
        shown: Sequence[Hit] = (),
        cited: Sequence[Hit] = (),
        dropped: Sequence[int] = (),
        error: str | None = None,
    ) -> None:
        """Add a step to the trace."""
        self.trace.append(
            Step(
                state=state,
                asked=asked,
                outcome=outcome,
                said=said,
                shown=sources_of(shown),
                cited=sources_of(cited),
                dropped=tuple(dropped),
                error=error,
            )
        )

    def findings(self, k: int, ended: Ended, answer: str | None = None, cited: Sequence[Hit] = ()) -> Findings | None:
        """What it came to; None when not even the first recall was made."""
        if self.cue is None:
            return None
        cue = replace(self.cue, text=self.question, k=k, vector=None)
        return Findings(
            question=self.question,
            recall=Recall(hits=self.best(k), cue=cue, seconds={"recalling": self.seconds}),
            trace=tuple(self.trace),
            ended=ended,
            answer=answer,
            citations=tuple(cited),
        )


def _place(hit: Hit) -> Place:
    return hit.sources, hit.text
