"""Writing on without a person: plans are drawn, or a model stands in for the person who reads along.

The stand-in does what RecurrentGPT's human simulator does (arXiv 2305.13304, section 2.3): it chooses a plan and says why,
makes the new paragraph longer, and works the plan out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import Template

from memkit.agents.writer import Writer
from memkit.agents.writer.prompt import prompt
from memkit.agents.writer.recurrent import seed_of
from memkit.components.recurrent_gpt.cell import drawn, text_in
from memkit.components.recurrent_gpt.state import OPTIONS, State
from memkit.messages import Message, Options, Shape
from memkit.ports import Llm
from memkit.values import Json


@dataclass(frozen=True, slots=True)
class Selected:
    """The plan that was chosen, by number, and why."""

    option: int
    reason: str


@dataclass(frozen=True, slots=True)
class Revised:
    """The paragraph made longer, and the plan worked out."""

    paragraph: str
    plan: str


class SimulatedHuman:
    """A model that reads along and decides, in two calls a step."""

    def __init__(self, llm: Llm, *, options: Options | None = None) -> None:
        self._llm = llm
        self._options = options

    async def select(self, memory: str, paragraph: str, plans: Sequence[str]) -> Selected:
        """The best of the plans for what follows the paragraph."""
        listed = "\n\n".join(f"Plan {number}: {text}" for number, text in enumerate(plans, start=1))
        asked = Template(prompt("writer_select")).substitute(memory=memory, paragraph=paragraph, plans=listed)
        return await self._llm.ask(
            [Message(role="user", content=asked)], _SELECTED, stage="select", options=self._options
        )

    async def revise(self, memory: str, paragraph: str, plan: str) -> Revised:
        """The paragraph at about twice its length, and the plan as an outline of five to seven sentences."""
        asked = Template(prompt("writer_revise")).substitute(memory=memory, paragraph=paragraph, plan=plan)
        return await self._llm.ask(
            [Message(role="user", content=asked)], _REVISED, stage="revise", options=self._options
        )


async def write(writer: Writer, steps: int | None = None, *, human: SimulatedHuman | None = None) -> State:
    """Write so many steps, the beginning being one, or to the end of the plan where there is one.

    Without a `human`, plans are drawn, each of the three as likely; the premise's seed settles it. Everything is accepted
    as it comes. When it is stopped, or the model fails, calling it again goes on from there.
    """
    if human is not None and not writer.strategy.rolling:
        raise ValueError("a simulated human chooses plans, and this way of writing has one plan for all")
    if steps is None and writer.strategy.rolling:
        raise ValueError("a story has no end by itself; say how many steps")
    done = 0
    while steps is None or done < steps:
        state = await writer.state()
        if writer.strategy.left(state) == 0:
            return state
        await _step(writer, state, human)
        done += 1
    return await writer.state()


async def _step(writer: Writer, state: State, human: SimulatedHuman | None) -> None:
    plan: int | str | None = None
    undecided = writer.strategy.rolling and state.step > 0 and state.chosen is None and state.proposal is None
    if undecided and state.premise is not None and state.previous is not None:
        if human is None or not state.plans:
            plan = drawn(seed_of(state.premise), writer.story, state.step)
        else:  # the step before was accepted by somebody else: its text stays as it is
            memory = "" if state.memory is None else state.memory.text
            texts = [event.text for event in state.plans]
            selected = await human.select(memory, state.previous.text, texts)
            plan = (await human.revise(memory, state.previous.text, texts[selected.option - 1])).plan
    proposal = await writer.propose(plan, after=state.step)
    if human is None:
        await writer.accept(proposal)
        return
    last = proposal.paragraphs[-1]
    selected = await human.select(proposal.memory, last, proposal.plans)
    revised = await human.revise(proposal.memory, last, proposal.plans[selected.option - 1])
    await writer.accept(proposal, paragraph=revised.paragraph, choose=revised.plan, reason=selected.reason)


def _read_selected(reply: Json) -> Selected:
    told = reply if isinstance(reply, dict) else {}
    option = told.get("plan")
    if isinstance(option, bool) or not isinstance(option, int) or not 1 <= option <= OPTIONS:
        raise ValueError(f"'plan' must be the number of a plan, 1 to {OPTIONS}")
    return Selected(option, text_in(told, "reason"))


def _read_revised(reply: Json) -> Revised:
    told = reply if isinstance(reply, dict) else {}
    return Revised(text_in(told, "paragraph"), text_in(told, "plan"))


_SELECTED = Shape(
    name="selected",
    schema={
        "type": "object",
        "properties": {"plan": {"type": "integer"}, "reason": {"type": "string"}},
        "required": ["plan", "reason"],
        "additionalProperties": False,
    },
    read=_read_selected,
)
_REVISED = Shape(
    name="revised",
    schema={
        "type": "object",
        "properties": {"paragraph": {"type": "string"}, "plan": {"type": "string"}},
        "required": ["paragraph", "plan"],
        "additionalProperties": False,
    },
    read=_read_revised,
)
