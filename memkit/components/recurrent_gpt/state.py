"""A story's state as the events of its session tell it. Pure functions; whatever is read here is plain text of the journal.

    kind           metadata                       what it is
    premise        strategy, seed, second_person  what the story is to be, in a person's words
    title, outline                                of the whole; the first chapter's outline, or AgentWrite's plan
    paragraph      step                           the text, numbered from 1
    summary        step                           a summary of that paragraph, where long-term memory is made of these
    short-memory   step, rationale                what has to be kept in mind after that paragraph
    plan           step, option 1 to 3            what may happen next after that paragraph
    plan           step, chosen true              what shall happen next: one of the three, revised or in own words
    chapter        step                           a heading before that paragraph

The newest event of its kind, step and option is what holds. So an edit is another event, and is undone by forgetting it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from memkit.values import Event, Json, Metadata

OPTIONS = 3  # plans to choose from, after every step
KINDS = ("premise", "title", "outline", "chapter", "paragraph", "summary", "short-memory", "plan")
_WHOLE = frozenset({"premise", "title", "outline"})  # these have no step


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """What an event is a version of. `option` is None for a plan that was chosen, and for what is no plan."""

    kind: str
    step: int | None = None
    option: int | None = None

    @property
    def name(self) -> str:
        """A short name for a key, unique within a story."""
        return "-".join(str(part) for part in (self.kind, self.step, self.option) if part is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a model proposes and nobody has accepted yet: the paragraphs up to `step`, and what belongs to them.

    `instruction` is the plan that it followed, `recalled` the ids of the events that were shown beside it, `new_character`
    whether it was told that somebody new may come in. `summaries` are of the paragraphs read, by step.
    """

    step: int
    paragraphs: tuple[str, ...] = ()
    memory: str = ""
    rationale: str = ""
    plans: tuple[str, ...] = ()
    title: str = ""
    outline: str = ""
    summaries: tuple[tuple[int, str], ...] = ()
    instruction: str = ""
    new_character: bool = False
    recalled: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The paragraphs as one text."""
        return "\n\n".join(self.paragraphs)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Where a story stands. `step` is the number of its last paragraph, 0 before there is one; `previous` that paragraph,
    `memory` the short-term memory after it, `plans` what may come next, by option, and `chosen` what shall. `proposal`
    waits to be accepted or rejected."""

    step: int = 0
    premise: Event | None = None
    title: Event | None = None
    outline: Event | None = None
    previous: Event | None = None
    memory: Event | None = None
    plans: tuple[Event, ...] = ()
    chosen: Event | None = None
    proposal: Proposal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An event to be: without ids, times and place. `name` tells it from the others of its act."""

    name: str
    kind: str
    text: str
    metadata: Metadata


def step_of(event: Event) -> int | None:
    """The step that an event's metadata names: a whole number from 1 on, or None."""
    step = event.metadata.get("step")
    return step if isinstance(step, int) and not isinstance(step, bool) and step >= 1 else None


def slot_of(event: Event) -> Slot | None:
    """What the event is a version of; None when it is no part of a story's state."""
    if event.kind in _WHOLE:
        return Slot(kind=event.kind)
    step = step_of(event)
    if event.kind not in KINDS or step is None:
        return None
    option = event.metadata.get("option")
    if event.kind != "plan" or event.metadata.get("chosen") is True:
        return Slot(kind=event.kind, step=step)
    if isinstance(option, bool) or option not in range(1, OPTIONS + 1):
        return None
    assert isinstance(option, int)
    return Slot(kind="plan", step=step, option=option)


def newest(events: Iterable[Event]) -> dict[Slot, Event]:
    """The version of everything that holds. The events come oldest first."""
    return {slot: event for event in events if (slot := slot_of(event)) is not None}


def state_of(events: Iterable[Event]) -> State:
    """The state that these events of one story lead to, oldest first."""
    held = newest(events)
    step = max((slot.step or 0 for slot in held if slot.kind == "paragraph"), default=0)
    options = (held.get(Slot(kind="plan", step=step, option=option)) for option in range(1, OPTIONS + 1))
    return State(
        step=step,
        premise=held.get(Slot(kind="premise")),
        title=held.get(Slot(kind="title")),
        outline=held.get(Slot(kind="outline")),
        previous=held.get(Slot(kind="paragraph", step=step)),
        memory=held.get(Slot(kind="short-memory", step=step)),
        plans=tuple(plan for plan in options if plan is not None),
        chosen=held.get(Slot(kind="plan", step=step)),
    )


def follows(proposal: Proposal, state: State) -> bool:
    """Whether the proposal goes on from just this state."""
    if not proposal.paragraphs:
        return state.step == 0 == proposal.step and state.outline is None
    return proposal.step == state.step + len(proposal.paragraphs)


def entries(proposal: Proposal) -> list[Entry]:
    """The events that accepting the proposal adds, in order."""
    step = proposal.step
    listed: list[Entry] = []
    for kind, text in (("title", proposal.title), ("outline", proposal.outline)):
        if text:
            listed.append(Entry(name=kind, kind=kind, text=text, metadata={}))
    told: dict[str, Json] = {"recalled": list(proposal.recalled)} if proposal.recalled else {}
    if proposal.instruction:
        told["follows"] = proposal.instruction
    if proposal.new_character:
        told["new_character"] = True
    summaries = dict(proposal.summaries)  # one stands before the next paragraph: then that need not be remembered whole
    for number, text in enumerate(proposal.paragraphs, start=step - len(proposal.paragraphs) + 1):
        if number - 1 in summaries:
            summed = {"step": number - 1}
            listed.append(
                Entry(name=f"summary-{number - 1}", kind="summary", text=summaries[number - 1], metadata=summed)
            )
        metadata = {"step": number, "new": True, **told}
        listed.append(Entry(name=f"paragraph-{number}", kind="paragraph", text=text, metadata=metadata))
    if proposal.memory:
        why: Metadata = {"rationale": proposal.rationale} if proposal.rationale else {}
        kept: Metadata = {"step": step, **why}
        listed.append(Entry(name="short-memory", kind="short-memory", text=proposal.memory, metadata=kept))
    for option, text in enumerate(proposal.plans, start=1):
        choice: Metadata = {"step": step, "option": option}
        listed.append(Entry(name=f"plan-{option}", kind="plan", text=text, metadata=choice))
    return listed


def chosen_entry(step: int, text: str, *, option: int | None = None, reason: str | None = None) -> Entry:
    """The plan that shall be followed after this step."""
    metadata: dict[str, Json] = {"step": step, "chosen": True}
    if option is not None:
        metadata["option"] = option
    if reason:
        metadata["reason"] = reason
    return Entry(name="chosen", kind="plan", text=text, metadata=metadata)


def proposal_of(listed: Sequence[Entry], step: int) -> Proposal:
    """What `entries` made these of."""
    by_kind: dict[str, list[Entry]] = {}
    for entry in listed:
        by_kind.setdefault(entry.kind, []).append(entry)
    paragraphs = by_kind.get("paragraph", [])
    first: Mapping[str, Json] = paragraphs[0].metadata if paragraphs else {}
    memory = by_kind.get("short-memory", [])
    recalled = first.get("recalled")
    return Proposal(
        step=step,
        paragraphs=tuple(entry.text for entry in paragraphs),
        memory=memory[0].text if memory else "",
        rationale=str(memory[0].metadata.get("rationale", "")) if memory else "",
        plans=tuple(entry.text for entry in by_kind.get("plan", [])),
        title=_first(by_kind, "title"),
        outline=_first(by_kind, "outline"),
        summaries=tuple((int(str(entry.metadata["step"])), entry.text) for entry in by_kind.get("summary", [])),
        instruction=str(first.get("follows", "")),
        new_character=first.get("new_character") is True,
        recalled=tuple(map(str, recalled)) if isinstance(recalled, list) else (),
    )


def _first(by_kind: Mapping[str, Sequence[Entry]], kind: str) -> str:
    return by_kind[kind][0].text if kind in by_kind else ""
