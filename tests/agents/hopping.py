"""What the tests of multi-step recall share: a small made-up world, and a memory of it whose model follows a script."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import memkit
from memkit import AsyncMemory
from memkit.agents import Findings
from memkit.models.metered import Budget, Limits, Metered
from memkit.testing.scripted import Script, ScriptedModel
from memkit.values import Json

T = TypeVar("T")

QUESTION = "Who founded the shipyard that built the Aurora?"
WORLD = {
    "Aurora": "The Aurora is a sailing ship. The Aurora was built by Halden & Sons in 1899.",
    "Halden & Sons": "Halden & Sons is a shipyard on the island of Fehn. The shipyard was founded by Ida Halden.",
    "Ida Halden": "Ida Halden was born in the town of Orrin.",
    "Orrin": "Orrin lies on the river Sel and has a market.",
    "Bread": "Bread needs flour, water and patience.",
}


def remembering(
    work: Callable[[AsyncMemory], Awaitable[T]],
    script: Script | None = None,
    *,
    world: dict[str, str] = WORLD,
    budget: Budget | None = None,
) -> tuple[T, ScriptedModel]:
    """Do the work with a memory of the world; a reply that cannot be used is repaired by nobody."""
    model = ScriptedModel([] if script is None else script)
    llm = Metered(model, limits=Limits(retries=0, repairs=0), budget=budget)

    async def run() -> T:
        async with await memkit.open_async(":memory:", llm=None if script is None else llm) as memory:
            if world:
                await memory.add([memkit.Document(text=text, title=title) for title, text in world.items()])
            return await work(memory)

    return asyncio.run(run()), model


def says(**members: Json) -> str:
    """A structured reply."""
    return json.dumps(members)


def asks(question: str) -> str:
    return says(question=question)


def answers(text: str, *marks: int) -> str:
    return says(answer=text, citations=list(marks))


def checks(supported: bool, question: str = "") -> str:
    return says(supported=supported, question=question)


def decides(enough: bool, remaining: str = "") -> str:
    return says(enough=enough, remaining=remaining)


HOP = (asks("Who built the Aurora?"), answers("Halden & Sons", 1), checks(True))
LAST_HOP = (asks("Who founded the shipyard Halden & Sons?"), answers("Ida Halden", 1), checks(True), decides(True))


def titles(findings: Findings) -> list[Json]:
    return [hit.metadata["title"] for hit in findings.recall]


def path(findings: Findings) -> list[tuple[str, str]]:
    """The states that were gone through, with what they came to."""
    return [(step.state, step.outcome) for step in findings.trace]


def states(steps: Sequence[str]) -> list[tuple[str, str]]:
    """Written short: "find found"."""
    return [(step.split(" ", 1)[0], step.split(" ", 1)[1]) for step in steps]
