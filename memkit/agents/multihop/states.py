"""What is done in each state of the controller: a question to the model, or to the memory, and what is made of the reply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from memkit.agents.multihop import prompt
from memkit.agents.multihop.machine import Act, Move, Progress, drive
from memkit.agents.multihop.search import Search
from memkit.agents.multihop.values import Ended, State
from memkit.messages import Shape
from memkit.scope import check_count
from memkit.values import Hit

T = TypeVar("T")

RETRIES = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StateMachine:
    """Asks the model for the next simple question, finds passages for it and has it answered from them, has the answer
    checked against the passages that it cites, and decides whether that is enough; at most `hops` times.

    Each hop finds `k` passages and takes four calls of the model at most. A state whose reply cannot be used, though the model
    layer has repaired it and asked again, is tried `retries` times more; then it ends with what there is.
    `memkit.agents.multihop.machine.TRANSITIONS` has every way from state to state.
    """

    hops: int = 4
    k: int = 5
    retries: int = RETRIES

    def __post_init__(self) -> None:
        for name, least in (("hops", 1), ("k", 1), ("retries", 0)):
            check_count(name, getattr(self, name), least=least)

    @property
    def asks(self) -> bool:
        """It needs a chat model."""
        return True

    async def run(self, search: Search, found: Sequence[Hit]) -> Ended:
        """Go on from the first recall. See `memkit.agents.multihop.Strategy`."""
        begun = Progress(remaining=search.question, k=self.k)
        last = await drive(search, "decompose", begun, ACTS, hops=self.hops, retries=self.retries)
        if not search.hits:
            return "nothing"
        return "gave up" if last.outcome == "gave up" else "spent" if last.outcome == "spent" else "done"


async def summarised(search: Search, k: int) -> Move:
    """The answer from the `k` best passages of all steps; its marks count the passages cited from 1."""
    acts: Mapping[State, Act] = {"summarise": _summarise}
    return await drive(search, "summarise", Progress(remaining=search.question, k=k), acts, hops=1, retries=RETRIES)


async def _decompose(search: Search, here: Progress) -> Move:
    question = await _ask(
        search,
        "decompose",
        prompt.DECOMPOSED,
        ("question", prompt.quoted(search.question)),
        ("found", prompt.listed(here.facts)),
        ("failed", prompt.quoted("\n".join(here.failed))),
        ("remaining", prompt.quoted(here.remaining) if here.facts else ""),
    )
    return Move(outcome="asked", progress=replace(here, asked=question), asked=here.remaining, said=question)


async def _find(search: Search, here: Progress) -> Move:
    hits = tuple(await search.look(here.asked, here.k))
    there = replace(here, hits=hits, hop=here.hop + 1)
    if not hits:
        return Move(outcome="nothing", progress=_without(there), asked=here.asked)
    return Move(outcome="found", progress=there, asked=here.asked, shown=hits)


async def _answer(search: Search, here: Progress) -> Move:
    """An answer that rests on nothing that was shown is none."""
    shown = search.shown(here.hits)
    told = await _ask(
        search, "answer", prompt.ANSWERED, ("passages", shown.text), ("question", prompt.quoted(here.asked))
    )
    cited, dropped = shown.cited(told.marks)
    there = replace(here, said=told.text, cited=tuple(cited))
    known = bool(told.text and cited)
    return Move(
        outcome="answered" if known else "unknown",
        progress=there if known else _without(there),
        asked=here.asked,
        said=told.text,
        shown=tuple(shown.hits.values()),
        cited=there.cited,
        dropped=tuple(dropped),
    )


async def _check(search: Search, here: Progress) -> Move:
    shown = search.shown(here.cited)
    verdict = await _ask(
        search,
        "check",
        prompt.CHECKED,
        ("passages", shown.text),
        ("question", prompt.quoted(here.asked)),
        ("answer", prompt.quoted(here.said)),
    )
    told = Move(outcome="supported", progress=here, asked=here.asked, said=here.said, shown=here.cited)
    if verdict.yes:
        search.support(here.cited)
        search.facts.append((here.asked, here.said))
        return replace(told, progress=replace(here, facts=tuple(search.facts)))
    if verdict.text and verdict.text not in (here.asked, *here.failed):
        return replace(told, outcome="revised", progress=replace(_without(here), asked=verdict.text), said=verdict.text)
    return replace(told, outcome="unsupported", progress=_without(here))


async def _decide(search: Search, here: Progress) -> Move:
    verdict = await _ask(
        search,
        "decide",
        prompt.DECIDED,
        ("question", prompt.quoted(search.question)),
        ("found", prompt.listed(here.facts)),
    )
    if verdict.yes:
        return Move(outcome="enough", progress=here, asked=search.question)
    there = replace(here, remaining=verdict.text, failed=())
    return Move(outcome="more", progress=there, asked=search.question, said=verdict.text)


async def _summarise(search: Search, here: Progress) -> Move:
    shown = search.shown(search.best(here.k))
    told = await _ask(
        search,
        "summarise",
        prompt.ANSWERED,
        ("passages", shown.text),
        ("found", prompt.listed(search.facts)),
        ("thoughts", prompt.quoted("\n".join(search.thoughts))),
        ("question", prompt.quoted(search.question)),
    )
    text, cited, dropped = shown.renumbered(told)
    return Move(
        outcome="answered" if text else "unknown",
        progress=here,
        asked=search.question,
        said=text,
        shown=tuple(shown.hits.values()),
        cited=tuple(cited) if text else (),
        dropped=tuple(dropped),
    )


async def _ask(search: Search, state: State, shape: Shape[T], *material: tuple[str, str]) -> T:
    return await search.llm.ask(prompt.messages(state, *material), shape, stage=state, options=search.means.options)


def _without(here: Progress) -> Progress:
    """After a question that found nothing."""
    return replace(here, failed=tuple(dict.fromkeys((*here.failed, here.asked))))


ACTS: Mapping[State, Act] = {
    "decompose": _decompose,
    "find": _find,
    "answer": _answer,
    "check": _check,
    "decide": _decide,
}
