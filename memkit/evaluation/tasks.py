"""`memkit eval grocery` and `memkit eval facts`: what a memory delivers for a question, beside what one would do without one.

No language model takes part. Generated scripts (`grocery`, `facts`) are told turn by turn to every contestant
(`contestants`); each question's context is rendered within one budget of tokens, and a fixed rule (`reader`) answers from it.
A figure is the share of right answers, as the mean over the seeds with its 95 % interval (Student's t over their means).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import mean, median
from typing import TypedDict

from memkit.components.sir_llm import Keep, SirLLM
from memkit.evaluation.contestants import RULES, Contestant, Listing, Remembering, everything, grep, last_turns
from memkit.evaluation.facts import facts
from memkit.evaluation.grocery import grocery
from memkit.evaluation.reader import first_mention, newest_statement
from memkit.evaluation.script import Ask, Removal, Script
from memkit.evaluation.verdict import interval, verdicts
from memkit.ports import Component, Embedder
from memkit.values import Event
from memkit.wiring import components_from, open_memory

# Why a component is not here.
ELSEWHERE = {
    "recurrent_gpt": "it remembers the paragraphs of a story, which only a language model writes, and nothing that is said"
}
LAST, GREP, CEILING = "last turns", "flat file and grep", "full history"
# What any memory has to beat: verbatim passages, and SirLLM's own controls.
BASELINES = frozenset({"passages", LAST, GREP, "sir_llm:random", "sir_llm:interval", "sir_llm:recent"})
SEEDS = 5
BUDGET = 400  # tokens of a context
ALL = "all"
Read = Callable[[str, Ask, Sequence[str]], str]
TASKS: Mapping[str, tuple[Callable[[int], list[Script]], Read]] = {
    "grocery": (grocery, first_mention),
    "facts": (facts, newest_statement),
}


class Share(TypedDict):
    """The share of right answers with the ends of its 95 % interval, over so many questions; and by seed."""

    mean: float
    low: float
    high: float
    questions: int
    by_seed: list[float]


class Row(TypedDict):
    """What came of one contestant. `tokens` of a context, on average; the milliseconds are medians."""

    baseline: bool
    kinds: dict[str, Share]
    tokens: float
    ms_per_question: float
    ms_per_turn: float


class TaskReport(TypedDict):
    task: str
    settings: dict[str, str | int | None]
    results: dict[str, Row]
    verdicts: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One question, answered: by which seed, of which kind, rightly or not, and what it cost."""

    seed: int
    kind: str
    right: bool
    tokens: int
    seconds: float


def evaluate(
    task: str,
    *,
    components: Sequence[str] = ("passages",),
    embedder: Embedder | str | None = None,
    seeds: int = SEEDS,
    tokens: int = BUDGET,
    progress: Callable[[int, int], None] | None = None,
) -> TaskReport:
    """Run a task, "grocery" or "facts", with memories of the named components and the baselines.

    An entry of `components` is a name, or several joined by "+" for a memory with all of them; "sir_llm:surprisal", ":random",
    ":interval" and ":recent" stand for all that SirLLM keeps by that rule, whatever is asked. Verbatim passages, the last
    turns, and a flat file with grep stand beside them in any case, and the full history as the ceiling, which alone has no
    budget. Scripts depend on the seed alone (0, 1, …). `progress` is called with the scripts that were run, and with how
    many there are. Raises ValueError for a task or a component that does not exist, for one that takes no part, for a budget
    below one token, and for fewer than two seeds: one has no interval.
    """
    if task not in TASKS:
        raise ValueError(f"there is no task {task!r}; there are {', '.join(TASKS)}")
    if seeds < 2:
        raise ValueError(f"seeds is {seeds}; an interval needs at least two")
    if tokens < 1:
        raise ValueError(f"tokens is {tokens}; a context needs at least one")
    generate, read = TASKS[task]
    scripts = [(seed, script) for seed in range(seeds) for script in generate(seed)]
    with ExitStack() as stack:
        contestants, space = _contestants(stack, components, embedder, tokens)
        results = _measured(contestants, scripts, read, tokens, seeds, progress)
    return {
        "task": task,
        "settings": {
            "seeds": seeds,
            "tokens": tokens,
            "embedder": space,
            "scripts": len(scripts),
            "turns": sum(script.turns for _, script in scripts),
        },
        "results": results,
        "verdicts": verdicts(
            {name: {kind: share["by_seed"] for kind, share in row["kinds"].items()} for name, row in results.items()},
            BASELINES,
            CEILING,
        ),
    }


def _contestants(
    stack: ExitStack, components: Sequence[str], embedder: Embedder | str | None, tokens: int
) -> tuple[list[Contestant], str | None]:
    """Everybody who takes part, and the model of the vectors. The memories are closed with the stack."""
    contestants: list[Contestant] = [Listing(LAST, last_turns), Listing(GREP, grep)]
    space = None
    for names, ways in _together(("passages", *components)).items():
        made = _made(names, tokens)
        memory = stack.enter_context(open_memory(":memory:", components=made, embedder=embedder, durability="process"))
        contestants.append(Remembering(memory, ways))
        space = next((one.model for one in memory.stats().spaces), None)
    return [*contestants, Listing(CEILING, everything)], space


def _measured(
    contestants: Sequence[Contestant],
    scripts: Sequence[tuple[int, Script]],
    read: Read,
    tokens: int,
    seeds: int,
    progress: Callable[[int, int], None] | None,
) -> dict[str, Row]:
    results: dict[str, Row] = {}
    done = 0
    for contestant in contestants:
        answered: dict[str, list[Answered]] = {name: [] for name in contestant.ways}
        telling: list[float] = []
        for seed, script in scripts:
            _run(contestant, seed, script, read, tokens, answered, telling)
            done += 1
            if progress is not None:
                progress(done, len(contestants) * len(scripts))
        results.update({name: _row(name, every, telling, seeds) for name, every in answered.items()})
    return results


def _together(names: Sequence[str]) -> dict[str, list[str]]:
    """The contestants by the components that they need: those with the same share a memory."""
    found: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        needed, colon, rule = name.partition(":")
        if colon and (needed != SirLLM.name or rule not in RULES):
            raise ValueError(f"there is no contestant {name!r}; after {SirLLM.name}: may stand {', '.join(RULES)}")
        for one in needed.split("+"):
            if one in ELSEWHERE:
                raise ValueError(f"{one} takes no part in these tasks: {ELSEWHERE[one]}")
        found.setdefault(needed, []).append(name)
    return found


def _made(names: str, tokens: int) -> list[Component]:
    """Components by their names. What SirLLM keeps has the budget that everybody's context has."""
    made = components_from(names.replace("+", ","))
    return [SirLLM(keep=Keep(budget=tokens)) if isinstance(one, SirLLM) else one for one in made]


def _run(
    contestant: Contestant,
    seed: int,
    script: Script,
    read: Read,
    tokens: int,
    answered: Mapping[str, list[Answered]],
    telling: list[float],
) -> None:
    """Play a script to a contestant. Answers are appended by way, and to `telling` the seconds that a turn took to tell."""
    contestant.start(script.name)
    waiting: list[Event] = []
    for step in script.steps:
        if isinstance(step, Event):
            waiting.append(step)
            continue
        if waiting:
            started = time.perf_counter()
            contestant.tell(waiting)
            telling.append((time.perf_counter() - started) / len(waiting))
            waiting.clear()
        if isinstance(step, Removal):
            contestant.forget(step.ids)
            continue
        for name, way in contestant.ways.items():
            started = time.perf_counter()
            context = way(step.text, tokens, step.as_of)
            seconds = time.perf_counter() - started
            right = read(context.text, step, script.people) == step.right
            answered[name].append(
                Answered(seed=seed, kind=step.kind, right=right, tokens=context.used, seconds=seconds)
            )


def _row(name: str, answered: Sequence[Answered], telling: Sequence[float], seeds: int) -> Row:
    kinds = sorted({one.kind for one in answered})
    return {
        "baseline": name in BASELINES,
        "kinds": {
            **{kind: _share([one for one in answered if one.kind == kind], seeds) for kind in kinds},
            ALL: _share(answered, seeds),
        },
        "tokens": round(mean(one.tokens for one in answered), 1),
        "ms_per_question": round(1e3 * median(one.seconds for one in answered), 3),
        "ms_per_turn": round(1e3 * median(telling), 3),
    }


def _share(answered: Sequence[Answered], seeds: int) -> Share:
    """Over the seeds that have such a question; of one seed alone there is no interval, and both ends are the mean."""
    by_seed = [
        mean(one.right for one in answered if one.seed == seed)
        for seed in range(seeds)
        if any(one.seed == seed for one in answered)
    ]
    middle, low, high = interval(by_seed) if len(by_seed) > 1 else (by_seed[0],) * 3
    return {
        "mean": round(middle, 4),
        "low": round(max(0.0, low), 4),
        "high": round(min(1.0, high), 4),
        "questions": len(answered),
        "by_seed": [round(share, 4) for share in by_seed],
    }
