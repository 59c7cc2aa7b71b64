"""Writing a long text in steps, each of which somebody accepts: see docs/writing.md."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import replace

from memkit.agents.writer.canon import Canon, Drafts, act_of, edit_of
from memkit.agents.writer.export import to_markdown
from memkit.agents.writer.recurrent import Recurrent
from memkit.agents.writer.strategy import Strategy
from memkit.components.recurrent_gpt.state import (
    KINDS,
    OPTIONS,
    Entry,
    Proposal,
    Slot,
    State,
    chosen_entry,
    entries,
    follows,
)
from memkit.coroutines import AsyncMemory
from memkit.errors import MemkitError
from memkit.ports import Llm
from memkit.values import Event, Json, Metadata

_WHOLE = ("premise", "title", "outline")  # one of each for the whole text


class Writer:
    """A text in the making, in the namespace `story` of a memory.

    A model proposes, somebody accepts or rejects; only what was accepted is part of the story. Everything is kept as
    it happens: a writer made after a crash goes on where the last one stopped, with the open proposal, if there is one.
    Several may work on a story at once: of two that do the same thing differently, one gets MemkitError and has
    changed nothing.

    `llm` is what proposes (default: the memory's own). `strategy` is how: `Recurrent()` unless told otherwise, or `AgentWrite()`.
    Raises ModelError and its kinds as `memkit.ports.Llm` does; then nothing has changed, and the same call can be made again.
    """

    def __init__(
        self, memory: AsyncMemory, story: str, *, llm: Llm | None = None, strategy: Strategy | None = None
    ) -> None:
        if not inspect.iscoroutinefunction(getattr(memory, "add", None)):
            raise TypeError(f"a writer works on an AsyncMemory, of memkit.open_async, not on a {type(memory).__name__}")
        self.story = story
        self.strategy: Strategy = Recurrent() if strategy is None else strategy
        self._canon = Canon(memory, story)
        self._drafts = Drafts(self._canon)
        self._llm = llm

    @property
    def llm(self) -> Llm:
        """What proposes. Raises ValueError when there is no model."""
        llm = self._canon.memory.llm if self._llm is None else self._llm
        if llm is None:
            raise ValueError("writing needs a model: open the memory with llm=…, or give the writer one")
        return llm

    async def begin(self, premise: str, *, seed: int = 0, second_person: bool = False) -> State:
        """Say what the text is to be: genre and topic of a story, or the whole instruction for AgentWrite.

        `seed` settles what is left to chance, so that a run can be repeated. With `second_person` the story is interactive
        fiction: the reader is its main character. Raises ValueError when the story has begun with another premise.
        """
        metadata: Metadata = {"strategy": self.strategy.name, "seed": seed, "second_person": second_person}
        entry = Entry(name="premise", kind="premise", text=premise.strip(), metadata=metadata)
        if not entry.text:
            raise ValueError("the premise is empty; say what the text is to be")
        before = (await self._canon.state()).premise
        if before is None:
            await self._canon.add([entry], "begin", role="user")
        elif before.text != entry.text:
            raise ValueError(
                f"{self.story!r} has begun already: {before.text[:100]!r}; undo that, or take another name"
            )
        return await self.state()

    async def state(self) -> State:
        """Where the text stands, and what is proposed."""
        state = await self._canon.state()
        return replace(state, proposal=await self._drafts.pending(state))

    async def propose(self, plan: int | str | None = None, *, after: int | None = None) -> Proposal:
        """Let the model propose what comes next: the beginning first, then a step at a time. An open proposal comes back as
        it is, without asking the model.

        `plan` is one of the three plans by number, or one in own words (in interactive fiction: what the player does);
        it is kept as the chosen one. It can be left out when one was chosen. `after` is the step that the caller saw last:
        when somebody else has gone on from there, MemkitError says so. Raises ValueError when there
        is nothing to propose: no premise, no plan, an open proposal that follows another plan, a plan written to its end.
        """
        state = await self.state()
        self._check_begun(state)
        if after not in (None, state.step):
            raise MemkitError(f"{self.story!r} is at step {state.step}, no longer at {after}; look at it and try again")
        if plan is not None and not (self.strategy.rolling and state.step):
            raise ValueError("there is no plan to choose here; edit the outline or the premise instead")
        wanted = None if plan is None else _choice(plan, [event.text for event in state.plans])
        if state.proposal is not None:
            if wanted is None or wanted[0] == state.proposal.instruction:
                return state.proposal
            raise ValueError(f"a proposal for step {state.proposal.step} is open; accept or reject it first")
        if wanted is not None:
            state = await self._choose(state, *wanted)
        elif self.strategy.rolling and state.step and state.chosen is None:
            raise ValueError(f"choose a plan: 1 to {OPTIONS}, or one in your own words")
        rejected = await self._drafts.reasons(state)
        made = await self.strategy.propose(self._canon, state, self.llm, rejected)
        now = await self._canon.state()
        if not follows(made, now):
            raise MemkitError(f"{self.story!r} went on while the model was writing; look at it and propose again")
        return await self._drafts.keep(made, now)

    async def accept(
        self,
        proposal: Proposal,
        *,
        paragraph: str | None = None,
        memory: str | None = None,
        choose: int | str | None = None,
        reason: str | None = None,
    ) -> State:
        """Make a proposal part of the text, in one transaction. Doing it twice is doing it once.

        `paragraph` and `memory` stand in for the proposed ones (of several paragraphs, the last). For other changes give
        `dataclasses.replace(proposal, …)`. `choose` is the plan to follow next, by number or in own words, and `reason` why.
        Raises ValueError for a version that cannot be taken, and MemkitError when the text has gone on without this.
        """
        final = _revised(proposal, paragraph, memory)
        listed = entries(final)
        if choose is not None:
            if not self.strategy.rolling:
                raise ValueError("there is no plan to choose here: one plan is for all")
            text, option = _choice(choose, final.plans)
            listed.append(chosen_entry(final.step, text, option=option, reason=reason))
        for entry in listed:
            self._check(entry.kind, entry.text.strip())
        state, act = await self._canon.state(), act_of(final)
        if follows(final, state):
            await self._canon.add(listed, act, role="assistant")
        elif not await self._canon.holds(listed, act):
            raise MemkitError(
                f"the proposal for step {final.step} does not go on from step {state.step}, where {self.story!r} is now; "
                "propose again"
            )
        await self._drafts.clear(act)
        return await self._canon.state()

    async def reject(self, proposal: Proposal, reason: str | None = None) -> State:
        """Drop a proposal. It leaves nothing behind but the reason, if there is one, which the next proposal is to mind."""
        await self._drafts.reject(proposal, None if reason is None else reason.strip())
        return await self.state()

    async def edit(self, kind: str, text: str, *, step: int | None = None, option: int | None = None) -> State:
        """Put a version of your own in the place of what holds; `undo` brings that back.

        `kind` is "paragraph", "short-memory", "plan" (with `option` one of the three, without it the chosen one),
        "summary", "chapter" (a heading before a paragraph), "title", "outline" or "premise"; `step` counts paragraphs
        from 1 (default: the last). An open proposal stays as it is.
        """
        state = await self._canon.state()
        self._check_begun(state)
        slot = _slot(kind, step, option, state)
        self._check(kind, text.strip())
        replaced = await self._canon.version(slot)
        if replaced is not None and replaced.text == text.strip():
            return await self.state()
        known: dict[str, Json] = {} if replaced is None else dict(replaced.metadata)
        for name in ("new", "act", "recalled"):  # these tell of the version replaced
            known.pop(name, None)
        own: dict[str, Json] = {} if slot.step is None else {"step": slot.step}
        if kind == "plan":
            own.update({"chosen": True} if slot.option is None else {"option": slot.option})
        entry = Entry(name=slot.name, kind=kind, text=text.strip(), metadata={**known, **own})
        await self._canon.add([entry], edit_of(slot, replaced), role="user")
        return await self.state()

    async def undo(self) -> tuple[Event, ...]:
        """Take back the last thing that was done: an open proposal, else the last step, choice or edit. Returns the events
        that were forgotten; none when there is nothing to take back."""
        open_one = (await self.state()).proposal is not None
        dropped = await self._drafts.clear()
        return dropped if open_one else await self._canon.undo()

    async def export(self) -> str:
        """The accepted text in Markdown: title, chapters, paragraphs in their newest versions."""
        events = await self._canon.memory.history(session=self.story, kind=("title", "chapter", "paragraph"))
        return to_markdown(events)

    async def _choose(self, state: State, text: str, option: int | None) -> State:
        if state.chosen is not None and state.chosen.text == text:
            return state
        act = edit_of(Slot(kind="plan", step=state.step), state.chosen)
        await self._canon.add([chosen_entry(state.step, text, option=option)], act, role="user")
        return await self._canon.state()

    def _check(self, kind: str, text: str) -> None:
        if not text:
            raise ValueError(f"the {kind} is empty; to take something back, undo it")
        self.strategy.check(kind, text)

    def _check_begun(self, state: State) -> None:
        if state.premise is None:
            raise ValueError(f"{self.story!r} has not begun; say what it is to be")
        begun = state.premise.metadata.get("strategy", self.strategy.name)
        if begun != self.strategy.name:
            raise ValueError(f"{self.story!r} was begun with {begun}; go on with that")


def _choice(plan: int | str, plans: Sequence[str]) -> tuple[str, int | None]:
    """The text of a plan that was given by number or in own words, and the number."""
    if isinstance(plan, str):
        if not plan.strip():
            raise ValueError("the plan is empty")
        return plan.strip(), None
    if type(plan) is not int or not 1 <= plan <= len(plans):
        raise ValueError(f"there is no plan {plan!r}; there are 1 to {len(plans)}, or your own words")
    return plans[plan - 1], plan


def _revised(proposal: Proposal, paragraph: str | None, memory: str | None) -> Proposal:
    if (paragraph is not None and not proposal.paragraphs) or (memory is not None and not proposal.memory):
        raise ValueError("the proposal has no such part; use dataclasses.replace for the parts that it has")
    if paragraph is not None:
        proposal = replace(proposal, paragraphs=(*proposal.paragraphs[:-1], paragraph.strip()))
    return proposal if memory is None else replace(proposal, memory=memory.strip() or " ")


def _slot(kind: str, step: int | None, option: int | None, state: State) -> Slot:
    """What a person wants to edit. Raises ValueError when there is no such thing."""
    if kind not in KINDS:
        raise ValueError(f"there is no {kind!r} to edit; there are {', '.join(KINDS)}")
    if option is not None and (kind != "plan" or not 1 <= option <= OPTIONS):
        raise ValueError(f"option is {option}; plans have 1 to {OPTIONS}, and nothing else has one")
    if kind in _WHOLE:
        if step is not None:
            raise ValueError(f"the {kind} is of the whole text; it has no step")
        return Slot(kind=kind)
    step = state.step if step is None else step
    if not 1 <= step <= state.step:
        raise ValueError(f"there is no step {step}; there are {state.step}")
    return Slot(kind=kind, step=step, option=option)
