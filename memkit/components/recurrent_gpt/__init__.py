"""A story's long-term memory: the paragraphs that were read on the way, recalled by the plan for the next one.

After RecurrentGPT (Zhou et al. 2023, arXiv 2305.13304), whose recurrent cell is in `cell`, its state in `state`. The rows here
are the cell's long-term memory, and no model is needed for them. `memkit.agents.writer` runs the cell.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from memkit.components.recurrent_gpt.rank import by_meaning, by_words
from memkit.components.recurrent_gpt.state import step_of
from memkit.hygiene import fingerprint, memorable
from memkit.offload import offload
from memkit.values import Cue, Draft, Event, Hit, Record, Where

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from memkit.components.recurrent_gpt.rank import Ranked
    from memkit.ports import Shelf, View

Unit = Literal["paragraph", "summary"]

LOOK_BACK = 16  # events read at first when an earlier one is looked for: one step's; four times as many the next time
SPARE = 8  # rows beyond k that are looked at: some are of paragraphs that were edited since


class RecurrentGPT:
    """Remembers a paragraph once the next one is written, and recalls those nearest to a plan.

    Events of kind "paragraph" with a whole number `step` in their metadata are the story of their session. A paragraph
    becomes a row when one of the next step follows it: the paragraph just written is in the prompt anyway. The row names
    both as its sources. A later event of the same step is a new version; recall shows the newest, as of the time
    that is asked about. An event with `new` true in its metadata says that it is the first of its step, and saves
    looking for what came after its predecessors.

    With `unit="summary"` a row shows the newest "summary" event of the step, if there is one, as the paper has it;
    its code keeps whole paragraphs, and so does the default. A paragraph edited after its summary is shown whole
    until there is a newer summary.
    """

    name = "recurrent_gpt"

    def __init__(self, *, unit: Unit = "paragraph") -> None:
        if unit not in ("paragraph", "summary"):
            raise ValueError(f"unit is {unit!r}; it can be 'paragraph' or 'summary'")
        self._kinds = {"paragraph", unit}

    async def absorb(self, events: Sequence[Event], view: View, /) -> Draft:
        """See `memkit.ports.Component.absorb`. Looks back in the journal, so that batches mean nothing."""
        return Draft(tuple([row for event in events for row in await self._rows(event, view)]))

    async def recall(self, cue: Cue, view: View, /) -> list[Hit]:
        """The `cue.k` rows with the highest cosine to the cue, whatever it is; by words when there is no embedder, and
        then only rows that share one. Fewer when there are fewer. See `memkit.ports.Component.recall`."""
        shelf = await view.shelf()
        if not shelf.size:
            return []
        vector = cue.vector
        if vector is None and view.space is not None:
            vector = (await view.embed([cue.text], query=True))[0]
        masks = await offload(_masks, shelf, cue.where)
        count = 2 * cue.k + SPARE
        while True:
            if vector is not None:
                ranked = await offload(by_meaning, shelf, vector, count, masks[0])
            else:
                ranked = await offload(by_words, shelf, cue.text, count, masks[0])
            hits = await _hits(cue, view, shelf, ranked, masks)
            if len(hits) == cue.k or len(ranked) < count:
                return hits
            count *= 4

    async def _rows(self, event: Event, view: View) -> list[Record]:
        step = self._numbered(event)
        if step is None:
            return []
        if event.kind == "summary":
            told = await self._nearest(event, view, {("paragraph", step)})
            return [_row(event, step, told)]
        rows = []
        past = {(kind, step - 1) for kind in self._kinds} | {("paragraph", step)}
        read = await self._nearest(event, view, past)
        if read is not None and read.kind == "paragraph" and step_of(read) == step - 1:
            rows.append(_row(read, step - 1, event))
        if event.metadata.get("new") is not True:
            reader = await self._nearest(event, view, {("paragraph", step + 1)})
            if reader is not None:
                rows.append(_row(event, step, reader))
        return rows

    def _numbered(self, event: Event) -> int | None:
        """The step of an event that counts here."""
        return step_of(event) if event.kind in self._kinds and memorable(event) else None

    async def _nearest(self, event: Event, view: View, wanted: set[tuple[str, int]]) -> Event | None:
        """The last event before this one that has one of these kinds and steps."""
        async for earlier in _backwards(event, view):
            step = self._numbered(earlier)
            if step is not None and (earlier.kind, step) in wanted:
                return earlier
        return None


async def _backwards(event: Event, view: View) -> AsyncIterator[Event]:
    """The events before this one in its session, the last first."""
    count, reached = LOOK_BACK, event.position
    while True:
        found = await view.before(event, count)
        for earlier in reversed(found):
            if earlier.position < reached:
                reached = earlier.position
                yield earlier
        if len(found) < count:
            return
        count *= 4


def _row(shown: Event, step: int, other: Event | None) -> Record:
    """A row that shows an event and needs another one beside it."""
    row = replace(Record.of(shown, RecurrentGPT.name), marks=(_mark(shown.namespace, shown.session, step),))
    if other is None:
        return row
    return replace(row, sources=(*shown.sources, *other.sources), recorded=max(shown.recorded, other.recorded))


def _mark(namespace: str, session: str | None, step: int) -> str:
    return "step:" + json.dumps([namespace, session, step])


Masks = tuple["NDArray[np.bool_] | None", "NDArray[np.bool_] | None"]


def _masks(shelf: Shelf, where: Where) -> Masks:
    """The rows that may be hits, and those that had been recorded by the time that is asked about."""
    past = Where(namespace=where.namespace, below=where.below, as_of=where.as_of)
    return shelf.admitted(where), shelf.admitted(past)


async def _hits(cue: Cue, view: View, shelf: Shelf, ranked: Ranked, masks: Masks) -> list[Hit]:
    """The first `cue.k` that are the newest of their step and repeat none before them."""
    hits: list[Hit] = []
    seen: set[str] = set()
    for start in range(0, len(ranked), cue.k):
        part = ranked[start : start + cue.k]
        records = {record.id: record for record in await view.records([int(shelf.id[one.row]) for one in part])}
        for one in part:
            record = records.get(int(shelf.id[one.row]))  # None: it was forgotten a moment ago
            if record is None or len(hits) == cue.k or one.score < (cue.floor or 0):
                continue
            words = fingerprint(record.text) if any(map(str.isalnum, record.text)) else record.text
            if words in seen or _newest(shelf, record, 0, masks[1]) != one.row:
                continue
            seen.add(words)
            before, after = await _beside(cue, view, shelf, record, masks)
            hits.append(Hit(record=record, score=one.score, why=one.why, before=before, after=after))
    return hits


def _newest(shelf: Shelf, record: Record, offset: int, past: NDArray[np.bool_] | None) -> int | None:
    """The row that shows the newest version of a step, which is so many steps from the record's."""
    step = record.metadata["step"]
    assert isinstance(step, int)  # `step_of` saw to it
    rows = shelf.marked(_mark(record.namespace, record.session, step + offset))
    if past is not None:
        rows = rows[past[rows]]
    return int(rows[-1]) if len(rows) else None


async def _beside(
    cue: Cue, view: View, shelf: Shelf, record: Record, masks: Masks
) -> tuple[tuple[Record, ...], tuple[Record, ...]]:
    """The steps before and after, as many as the cue asks for, without those that the filter does not admit."""

    def ids(offsets: range) -> Iterator[int]:
        for offset in offsets:
            row = _newest(shelf, record, offset, masks[1])
            if row is not None and (masks[0] is None or masks[0][row]):
                yield int(shelf.id[row])

    reach = cue.neighbours
    if not reach:
        return (), ()
    before = await view.records(list(ids(range(-reach, 0))))
    return tuple(before), tuple(await view.records(list(ids(range(1, reach + 1)))))
