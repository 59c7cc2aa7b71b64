"""One story in a memory: what was accepted, in a namespace of its own, and behind a wall what is only proposed.

Everything that changes the story is one act: events of one transaction that share `act` in their metadata and have keys made
of it. So an act happens once, whoever tries it again, and is undone by forgetting its events.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from memkit.components.recurrent_gpt.state import (
    KINDS,
    Entry,
    Proposal,
    Slot,
    State,
    entries,
    follows,
    newest,
    proposal_of,
    state_of,
)
from memkit.coroutines import AsyncMemory
from memkit.errors import MemkitError
from memkit.values import Event, Hit, Json

DRAFTS = "drafts"  # the namespace below the story's
DRAFT = "draft"  # the kind of what lies there
WINDOW = 64  # events read to learn the state: more than a step has
_WHOLE = ("premise", "title", "outline")


class Canon:
    """What was accepted of one story."""

    def __init__(self, memory: AsyncMemory, story: str) -> None:
        if story.rpartition("/")[2] == DRAFTS:
            raise ValueError(f"a story cannot be called {story!r}: that is where the proposals of another would lie")
        self.story = story
        self.memory = memory[story]

    async def state(self) -> State:
        """Where the story stands. Reads the events of the last step and what came after, however long the story is."""
        whole = await self.memory.history(session=self.story, kind=_WHOLE)
        for power in count():
            last = WINDOW * 4**power
            events = await self.memory.history(session=self.story, last=last)
            if len(events) < last or any(e.kind == "paragraph" and e.metadata.get("new") is True for e in events):
                return state_of([*whole, *events])
        raise AssertionError  # `count` does not end

    async def add(self, listed: Sequence[Entry], act: str, *, role: str) -> None:
        """Add the events of one act, all or none. When that was done already, nothing happens. Raises MemkitError, and
        adds nothing, when somebody else did something different under the same name."""
        receipt = await self.memory.add(
            [
                {
                    "content": entry.text,
                    "kind": entry.kind,
                    "role": role,
                    "session": self.story,
                    "key": f"{act}/{entry.name}",
                    "metadata": {**entry.metadata, "act": act},
                }
                for entry in listed
            ]
        )
        if receipt.known and not await self.holds(listed, act):
            mine = [id for id in receipt.ids if id not in receipt.known]
            if mine:
                await self.memory.forget(ids=mine)
            raise MemkitError(
                f"{self.story!r} was changed by somebody else meanwhile ({act}); look at it and try again"
            )

    async def holds(self, listed: Sequence[Entry], act: str) -> bool:
        """Whether the act was done with just these texts."""
        stored = {event.key: event.text for event in await self.memory.history(metadata={"act": act})}
        return all(stored.get(f"{act}/{entry.name}") == entry.text for entry in listed)

    async def version(self, slot: Slot) -> Event | None:
        """The newest version of something."""
        narrower = {} if slot.step is None else {"step": slot.step}
        events = await self.memory.history(session=self.story, kind=slot.kind, metadata=narrower)
        return newest(events).get(slot)

    async def paragraphs(self) -> list[Event]:
        """The newest version of every paragraph, in order."""
        held = newest(await self.memory.history(session=self.story, kind="paragraph"))
        return [held[slot] for slot in sorted(held, key=lambda slot: slot.step or 0)]

    async def recall(self, text: str, *, k: int, component: str | None = None) -> list[Hit]:
        """The best hits of one component, or of all, among paragraphs and summaries."""
        kinds = ("paragraph", "summary")
        return list(await self.memory.recall(text, k=k, component=component, session=self.story, kind=kinds))

    async def undo(self) -> tuple[Event, ...]:
        """Forget the events of the last act. They are returned, so that they can be looked at or put back."""
        last = await self.memory.history(session=self.story, last=1)
        if not last:
            return ()
        act = last[0].metadata.get("act")
        if not isinstance(act, str):  # added by hand
            await self.memory.forget(ids=last[0].id)
            return tuple(last)
        events = await self.memory.history(session=self.story, metadata={"act": act})
        await self.memory.forget(ids=[event.id for event in events])
        return tuple(events)


class Drafts:
    """What is proposed for one story. A namespace is a wall: no question to the story reaches this."""

    def __init__(self, canon: Canon) -> None:
        self._story = canon.story
        self._memory = canon.memory[DRAFTS]

    async def pending(self, state: State) -> Proposal | None:
        """The proposal that goes on from this state, if there is one."""
        by_act: dict[str, list[Event]] = {}
        for event in await self._memory.history(kind=DRAFT):
            if event.metadata.get("as") in KINDS:  # the reasons, and what others put here, are no proposals
                by_act.setdefault(str(event.metadata.get("act")), []).append(event)
        proposals = [_proposal(events) for events in by_act.values()]
        return next((proposal for proposal in proposals if follows(proposal, state)), None)

    async def keep(self, proposal: Proposal, state: State) -> Proposal:
        """Keep a proposal until it is accepted or rejected. Returns what is kept: when another process was quicker, that is
        its proposal. Old ones, which no longer go on from the story, are removed."""
        act = act_of(proposal)
        old = [event.id for event in await self._memory.history(kind=DRAFT) if event.metadata.get("act") != act]
        if old:
            await self._memory.forget(ids=old)
        await self._memory.add(
            [
                {
                    "content": entry.text,
                    "kind": DRAFT,
                    "role": "assistant",
                    "session": self._story,
                    "key": f"{act}/{entry.name}",
                    "metadata": {
                        **entry.metadata,
                        "as": entry.kind,
                        "act": act,
                        "name": entry.name,
                        "of": proposal.step,
                    },
                }
                for entry in entries(proposal)
            ]
        )
        return await self.pending(state) or proposal

    async def reject(self, proposal: Proposal, reason: str | None) -> None:
        """Remove the proposal. A reason is kept, and shown to the model that writes the next one, until one is accepted."""
        act = act_of(proposal)
        if reason:
            metadata: dict[str, Json] = {"as": "reason", "act": act, "of": proposal.step}
            await self._memory.add(reason, kind=DRAFT, session=self._story, metadata=metadata)
        events = await self._memory.history(kind=DRAFT, metadata={"act": act})
        gone = [event.id for event in events if event.metadata.get("as") != "reason"]
        if gone:
            await self._memory.forget(ids=gone)

    async def reasons(self, state: State) -> tuple[str, ...]:
        """Why earlier proposals for what comes next were rejected, where somebody said so."""
        events = await self._memory.history(kind=DRAFT, metadata={"as": "reason"})
        told = [(int(str(event.metadata["of"])), event.text) for event in events]
        return tuple(text for of, text in told if of > state.step or (of == 0 and state.outline is None))

    async def clear(self, act: str | None = None) -> tuple[Event, ...]:
        """Remove what is proposed by one act, or altogether, with the reasons. Returns it."""
        metadata = {} if act is None else {"act": act}
        events = await self._memory.history(kind=DRAFT, metadata=metadata)
        if events:
            await self._memory.forget(ids=[event.id for event in events])
        return tuple(events)


def act_of(proposal: Proposal) -> str:
    """The name of the act of accepting the proposal."""
    return f"step-{proposal.step}"


def edit_of(slot: Slot, replaced: Event | None) -> str:
    """The name of the act of replacing a version of something, or of giving the first."""
    return f"first-{slot.name}" if replaced is None else f"edit-{replaced.id}"


def _proposal(events: Sequence[Event]) -> Proposal:
    listed = [
        Entry(name=str(e.metadata["name"]), kind=str(e.metadata["as"]), text=e.text, metadata=e.metadata)
        for e in events
    ]
    return proposal_of(listed, int(str(events[0].metadata["of"])))
