"""The rolling strategy: RecurrentGPT's cell, over a story's short-term and long-term memory (arXiv 2305.13304)."""

from __future__ import annotations

from dataclasses import replace

from memkit.agents.writer.canon import Canon
from memkit.components.recurrent_gpt import RecurrentGPT, Unit
from memkit.components.recurrent_gpt.cell import (
    NEW_CHARACTER,
    Bounds,
    Reads,
    brings_character,
    opening_messages,
    opening_shape,
    step_messages,
    step_shape,
)
from memkit.components.recurrent_gpt.state import Proposal, State
from memkit.messages import Options
from memkit.ports import Llm
from memkit.values import Event

TOP_K = 2  # paragraphs of long-term memory that a step reads; the published value


class Recurrent:
    """Step by step, each after a plan for it; the memory must have the component `RecurrentGPT`.

    `top_k` paragraphs of long-term memory are read in a step; `new_character` is the share of steps that are told that
    somebody new may come in. `bounds` are how long the short-term memory may be and what a prompt shows of a long paragraph. With
    `unit="summary"` every step also sums up the paragraph that it reads: give the component the same. `options` go
    with every call; the published code has a temperature of 0.5.
    """

    name = "recurrent"
    rolling = True

    def __init__(
        self,
        *,
        top_k: int = TOP_K,
        new_character: float = NEW_CHARACTER,
        bounds: Bounds | None = None,
        unit: Unit = "paragraph",
        options: Options | None = None,
    ) -> None:
        if top_k < 1 or not 0 <= new_character <= 1:
            raise ValueError(f"top_k is {top_k} and new_character {new_character}; at least 1, and a share, are needed")
        self._top_k = top_k
        self._share = new_character
        self._bounds = bounds or Bounds()
        self._summary = unit == "summary"
        self._options = options

    def left(self, state: State) -> int | None:
        """A story has no end by itself."""
        return None

    def check(self, kind: str, text: str) -> None:
        """See `Strategy.check`: a short-term memory stays within the bounds."""
        if kind == "short-memory":
            self._bounds.check(text)

    async def propose(self, canon: Canon, state: State, llm: Llm, rejected: tuple[str, ...]) -> Proposal:
        """One call of the cell, or the one that a story begins with."""
        stats = await canon.memory.stats()
        if RecurrentGPT.name not in stats.pending:
            raise ValueError("this needs long-term memory: open the memory with components=[RecurrentGPT(), …]")
        premise = state.premise
        assert premise is not None  # the writer saw to it
        second_person = premise.metadata.get("second_person") is True
        if not state.step:
            messages = opening_messages(
                premise.text, self._bounds, second_person=second_person, summaries=self._summary, rejected=rejected
            )
            shape = opening_shape(self._bounds, summaries=self._summary)
            return await llm.ask(messages, shape, stage="opening", options=self._options)
        step = state.step + 1
        plan = _text(state.chosen)
        hits = await canon.recall(plan, k=self._top_k, component=RecurrentGPT.name)
        reads = Reads(
            premise=premise.text,
            memory=_text(state.memory),
            previous=_text(state.previous),
            plan=plan,
            recalled=tuple(hit.text for hit in hits),
            new_character=brings_character(seed_of(premise), canon.story, step, self._share),
            second_person=second_person,
            rejected=rejected,
        )
        made = await llm.ask(
            step_messages(reads, self._bounds, summary=self._summary),
            step_shape(step, self._bounds, summary=self._summary),
            stage="step",
            options=self._options,
        )
        recalled = tuple(hit.events[0] for hit in hits)
        return replace(made, instruction=plan, new_character=reads.new_character, recalled=recalled)


def seed_of(premise: Event) -> int:
    """What settles a story's chances."""
    seed = premise.metadata.get("seed")
    return seed if isinstance(seed, int) else 0


def _text(event: Event | None) -> str:
    return "" if event is None else event.text
