"""SirLLM for text: of a long stream, what surprised a token model is kept, within a budget of tokens.

The published method (Yao, Li, Zhao, ACL 2024, arXiv 2405.12528) drops entries of a language model's cache inside the
model. Here sentences of the journal are kept or dropped instead, for whatever model reads them next. `keep` has the
rules, `units` the sentences, `stream` the reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from memkit import hygiene
from memkit.components.sir_llm.keep import (
    NAME,
    Keep,
    Rule,
    Units,
    decayed,
    interval,
    kept,
    note_of,
    number,
    prompt,
    random,
    recent,
    select,
    surprisal,
)
from memkit.components.sir_llm.relevance import relevance
from memkit.components.sir_llm.rows import Score, columns, last_lines, rows_of, without_echoes
from memkit.components.sir_llm.stream import Place
from memkit.components.sir_llm.units import Span, Unit, spans
from memkit.offload import offload
from memkit.values import Cue, Draft, Event, Hit, Record

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from memkit.ports import Shelf, View

__all__ = ["Keep", "Rule", "SirLLM", "Units", "interval", "kept", "prompt", "random", "recent", "select", "surprisal"]

FLOOR = 0.1  # the best hit's least score, as for passages: below it nothing was found
LEAST_BLOCK = 1_000
PLACES = 8  # namespaces whose models stay in memory, 4 MB each with the adaptive one


class SirLLM:
    """Remembers all of the stream in sentences with their surprisal; recalls from those that the budget keeps.

    Nothing is dropped when a turn is absorbed: every unit becomes a row with its score, and what is kept is selected
    when somebody asks, among the rows that the filter admits. So with another budget, another rule or another `as_of`
    it is selected anew. `rule` is `surprisal`, or one of the baselines `random`, `interval`, `recent`. `unit` is what
    is kept or dropped as one. `score` makes one number of a unit's tokens: "top", the mean of the most surprising
    quarter; "mean"; "max"; or "entropy", the mean of how surprising a token was expected to be. Except for "max", a
    unit of fewer than 8 tokens counts as if it had 8, the others telling nothing: "Oh no!" is no fact. With `lead`,
    the first token of a turn counts as its most surprising one, as in the published code. `block`, in characters,
    bounds what a model has read (at least half of it, but for the stream's beginning) and what it has to read again
    after a restart.

    A row depends on all turns before it, through a chain: it names the turn before as its second source. After
    forgetting, what came after the forgotten turn is therefore read again. After changing options or the scorer,
    `sync(rebuild=True)`.
    """

    name = NAME

    def __init__(
        self,
        *,
        keep: Keep | None = None,
        rule: Rule = surprisal,
        unit: Unit = "sentence",
        score: Score = "top",
        lead: bool = False,
        block: int = 65_536,
    ) -> None:
        if unit not in ("sentence", "phrase"):
            raise ValueError(f'unit is {unit!r}; it is "sentence" or "phrase"')
        if score not in ("top", "mean", "max", "entropy"):
            raise ValueError(f'score is {score!r}; it is "top", "mean", "max" or "entropy"')
        if type(block) is not int or block < LEAST_BLOCK:
            raise ValueError(
                f"block is {block!r}; a whole number of characters: with fewer than {LEAST_BLOCK} a model knows nothing"
            )
        if not callable(rule):
            raise TypeError(f"rule is {rule!r}; it is a function: surprisal, random, interval, recent or one like them")
        if not isinstance(keep, Keep | None):
            raise TypeError(f"keep is {keep!r}; it is a Keep, such as Keep(budget=1024)")
        self._keep, self._rule = keep or Keep(), rule
        self._unit, self._score, self._lead, self._block = unit, score, lead, block
        self._places: dict[tuple[str, str], Place] = {}  # a cache: what a model has read can be read again
        self._lock = Lock()

    async def absorb(self, events: Sequence[Event], view: View, /) -> Draft:
        """See `memkit.ports.Component.absorb`."""
        worth = [(event, found) for event in events if (found := self._units(event))]
        if not worth:
            return Draft()
        shelf = await view.shelf()
        namespace = worth[0][0].namespace
        place = await self._place(namespace, shelf, view)
        records = await offload(self._read, worth, place)
        records = await offload(without_echoes, records, shelf)
        with self._lock:
            self._places[namespace, place.scorer.name] = place
            while len(self._places) > PLACES:
                del self._places[next(iter(self._places))]
        return Draft(tuple(records))

    async def recall(self, cue: Cue, view: View, /) -> list[Hit]:
        """See `memkit.ports.Component.recall`. The hits are kept units, by relevance to the question; of equally
        relevant ones the more surprising comes first."""
        shelf = await view.shelf()
        if not shelf.size:
            return []
        vector = cue.vector
        if vector is None and view.space is not None:
            vector = (await view.embed([cue.text], query=True))[0]
        mask = await offload(shelf.admitted, cue.where)
        rows, worth = await offload(self._kept, shelf, mask)
        score, parts = await offload(relevance, shelf, cue.text, vector, rows)
        order = np.lexsort((rows, -worth, -score))[: cue.k]
        order = order[(score[order] > 0) & (score[order] >= (cue.floor or 0))]
        if cue.floor is None and (not len(order) or score[order[0]] < FLOOR):
            return []
        records = {record.id: record for record in await view.records(shelf.id[rows[order]].tolist())}
        beside = await self._beside(cue, view, shelf, rows[order], mask)
        return [
            Hit(
                record=records[id],
                score=min(1.0, float(score[n])),
                why={**{name: float(part[n]) for name, part in parts.items()}, "surprisal": records[id].weight},
                before=before,
                after=after,
            )
            for n, id, (before, after) in zip(order.tolist(), shelf.id[rows[order]].tolist(), beside, strict=True)
            if id in records  # else it was forgotten a moment ago
        ]

    def _units(self, event: Event) -> list[Span]:
        """What of a turn is to be remembered, cut into units."""
        return [
            (first + start, first + end)
            for first, last in hygiene.spans(event)
            for start, end in spans(event.text[first:last], self._unit)
        ]

    def _read(self, worth: Sequence[tuple[Event, list[Span]]], place: Place) -> list[Record]:
        return [
            record for event, found in worth for record in rows_of(event, found, place, self._score, lead=self._lead)
        ]

    def _kept(self, shelf: Shelf, mask: NDArray[np.bool_] | None) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The rows that are kept of those that the mask admits, and their decayed scores."""
        rows, units = columns(shelf, mask)
        chosen = select(units, self._keep, self._rule)
        return rows[chosen], decayed(units, self._keep)[chosen]

    @staticmethod
    async def _beside(
        cue: Cue, view: View, shelf: Shelf, rows: NDArray[np.int64], mask: NDArray[np.bool_] | None
    ) -> list[tuple[tuple[Record, ...], tuple[Record, ...]]]:
        """The rows before and after each hit in its session that the filter admits, kept or not, in order."""
        sides: tuple[list[list[int]], list[list[int]]] = ([[] for _ in rows], [[] for _ in rows])
        for side, found in enumerate(sides):
            steps = rows
            for _ in range(cue.neighbours):
                steps = np.where(steps < 0, -1, shelf.beside(np.maximum(steps, 0))[side])
                for n, row in enumerate(steps.tolist()):
                    if row >= 0 and (mask is None or mask[row]):
                        found[n].append(int(shelf.id[row]))
        wanted = sorted({id for side in sides for ids in side for id in ids})
        records = {record.id: record for record in await view.records(wanted)} if wanted else {}
        return [
            (
                tuple(records[id] for id in reversed(before) if id in records),
                tuple(records[id] for id in after if id in records),
            )
            for before, after in zip(*sides, strict=True)
        ]

    async def _place(self, namespace: str, shelf: Shelf, view: View) -> Place:
        """A model that has read what the rows say, and nothing else."""
        scorer = view.scorer
        with self._lock:
            known = self._places.pop((namespace, scorer.name), None)
        newest = await view.records(shelf.id[-1:].tolist())
        if not newest:
            return Place(scorer, self._block)
        note = note_of(newest[0])
        if known is not None and known.digest == note["stream"]:
            return known
        place = Place(scorer, self._block, digest=str(note["stream"]))
        lines = await last_lines(shelf, view, self._block)
        place.turns = number(note, "turn") + 1
        place.offset = lines[-1].offset + len(lines[-1].text) + 1
        await offload(place.resume, lines)
        return place
