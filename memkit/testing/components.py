"""A component for tests: a row for each event, as little as a component can do, and trouble on cue."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence

import numpy as np

from memkit.ports import View
from memkit.values import Cue, Draft, Event, Hit, Record


class Notes:
    """Keeps every event as it is and finds it by its words, all of them counting alike.

    `trouble` is asked about each event before it is absorbed and may raise. `drafted` may change what was drafted. With
    `seconds` absorbing takes so long on the event loop. `seen` holds the texts of every call so far; like a model
    behind a network this works on an event loop only, so that a first try without one is not among them.
    """

    def __init__(
        self,
        name: str = "notes",
        *,
        trouble: Callable[[Event], None] = lambda event: None,
        drafted: Callable[[Record], Record] = lambda record: record,
        seconds: float = 0.0,
    ) -> None:
        self.name = name
        self.trouble = trouble
        self.drafted = drafted
        self.seen: list[tuple[str, ...]] = []
        self._seconds = seconds
        self._lock = threading.Lock()

    async def absorb(self, events: Sequence[Event], view: View, /) -> Draft:
        """See `memkit.ports.Component.absorb`."""
        await asyncio.sleep(self._seconds)
        asyncio.get_running_loop()
        with self._lock:
            self.seen.append(tuple(event.text for event in events))
        for event in events:
            self.trouble(event)
        return Draft(tuple(self.drafted(Record.of(event, self.name)) for event in events))

    async def recall(self, cue: Cue, view: View, /) -> list[Hit]:
        """See `memkit.ports.Component.recall`. A score is the share of the question's words that a row holds."""
        shelf = await view.shelf()
        found = shelf.postings(cue.text)
        score = np.zeros(shelf.size, np.float32)
        for rows in found.rows:
            score[rows] += np.float32(1 / len(found.terms))
        mask = shelf.admitted(cue.where)
        if mask is not None:
            score[~mask] = 0
        order = np.argsort(-score, kind="stable")[: cue.k]
        order = order[score[order] > (cue.floor or 0)]
        scores = dict(zip(shelf.id[order].tolist(), score[order].tolist(), strict=True))
        return [Hit(record=record, score=min(1.0, scores[record.id])) for record in await view.records(list(scores))]
