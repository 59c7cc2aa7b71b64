"""What rows mean when they are read: which facts they tell, what took whose place, what a tidied line stands for.

Only rows that can matter are read: those that share a key or their words with a candidate, found by their marks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from memkit.components.think_in_memory import thoughts
from memkit.components.think_in_memory.relations import tail_key
from memkit.components.think_in_memory.thoughts import Key
from memkit.components.think_in_memory.timeline import Fact, timeline
from memkit.ports import Shelf, View
from memkit.values import Record, Where

TIDIED = "tidied"  # the mark of every row that stands for others; with a bucket behind it, of those in that bucket

Line = tuple[str, str, str]  # a namespace, what a row says, and the event that it came from first


@dataclass(frozen=True, slots=True)
class Meaning:
    """`facts`: by the id of each statement that tells one. `hidden`: the rows that others stand for, each with that row.
    `void`: rows that stand for nothing, because a line of theirs has changed, or another row was quicker."""

    facts: Mapping[int, Fact]
    hidden: Mapping[Line, Record]
    void: frozenset[int]

    def instead(self, row: Record, where: Where) -> Record | None:
        """The row that is shown in this one's place, or says that it should not be shown; None when it is shown itself.

        A fact that was merged is in the merged line, however often it was said; one that was set aside comes back when
        it is said anew. A merged line that the filter leaves out takes nobody's place.
        """
        fact = self.facts.get(row.id)
        by = [self.hidden.get(line_of(one)) for one in ([row] if fact is None else fact.records)]
        merged = [one for one in by if one is not None and one.kind == thoughts.MERGED and where.admits(one)]
        if merged:
            return merged[0]
        return by[0] if all(one is not None and one.kind == thoughts.FORGOTTEN for one in by) else None


def line_of(row: Record) -> Line:
    """What a tidied row knows a line by: it survives that rows are derived again."""
    return row.namespace, thoughts.identity(row), row.sources[0].event


class Reader:
    """Reads what rows of one shelf mean among all that was recorded by `as_of`. `tidied_by` are the marks of the rows that may
    stand for others. What was read once is not read again: one reader serves one question."""

    def __init__(
        self, view: View, shelf: Shelf, as_of: datetime | None, *, tidied_by: Iterable[str] = (TIDIED,)
    ) -> None:
        self._view = view
        self._shelf = shelf
        self._as_of = as_of
        self._tidied_by = tuple(tidied_by)
        self._rows: dict[int, Record] = {}
        self._keys: set[Key] = set()
        self._facts: dict[int, Fact] = {}

    async def rows(self, ids: Sequence[int]) -> list[Record]:
        """The rows with these ids, in this order; those that were forgotten meanwhile are left out."""
        fresh = await self._view.records([id for id in ids if id not in self._rows])
        self._rows.update({row.id: row for row in fresh})
        return [self._rows[id] for id in ids if id in self._rows]

    async def meaning(self, rows: Sequence[Record]) -> Meaning:
        """What these rows mean."""
        tidied = self._until(await self._marked(self._tidied_by))
        fresh = {key for row in [*rows, *tidied] for key in keys_of(row)} - self._keys
        if fresh:
            marks = [thoughts.key_mark(key) for key in sorted(fresh)]
            rivals = await self._marked(marks)
            said = {f"said:{thoughts.field(row, 'said')}" for row in rivals if not thoughts.by_user(row)}
            if said:
                rivals = await self._marked([*marks, *sorted(said)])
            for fact in timeline(self._until(rivals)):
                if thoughts.key_of(fact.head, fact.relation) in fresh:  # of others not all statements are here
                    self._facts.update({row.id: fact for row in fact.records})
            self._keys |= fresh
        return Meaning(self._facts, *_stood_for(tidied, self._facts.values()))

    async def _marked(self, marks: Iterable[str]) -> list[Record]:
        """The rows with any of the marks, in the order of the journal."""
        found = [self._shelf.marked(mark) for mark in marks]
        places = np.unique(np.concatenate(found)) if found else np.empty(0, np.int32)
        return await self.rows(self._shelf.id[places].tolist())

    def _until(self, rows: Sequence[Record]) -> list[Record]:
        return [row for row in rows if self._as_of is None or row.recorded <= self._as_of]


def keys_of(row: Record) -> list[Key]:
    """The keys that decide whether the row holds: its own, or those of the lines that it stands for."""
    if row.kind in (thoughts.THOUGHT, thoughts.ENDING):
        return [thoughts.key_of(thoughts.field(row, "head"), thoughts.field(row, "relation"))]
    return [thoughts.key_of(head, relation) for head, relation, _ in triples(row)]


def triples(row: Record) -> list[tuple[str, str, str]]:
    """The facts that a merged row tells, as (head, relation, tail)."""
    return [_triple(one) for one in _list(row, "facts")]


def lines(row: Record) -> list[Line]:
    """The rows that a tidied row stands for."""
    events = dict.fromkeys(source.event for source in row.sources)
    return [(row.namespace, str(says), event) for says in _list(row, "lines") for event in events]


def _stood_for(tidied: Sequence[Record], facts: Iterable[Fact]) -> tuple[dict[Line, Record], frozenset[int]]:
    """Earlier rows come first: of two processes that tidied the same lines, one counts. A merged line holds as long as
    every fact in it does."""
    if not tidied:
        return {}, frozenset()
    current = {_told(fact) for fact in facts if fact.current}
    hidden: dict[Line, Record] = {}
    void: set[int] = set()
    for row in sorted(tidied, key=lambda one: one.id):
        mine = lines(row)
        told = (
            (row.namespace, *thoughts.key_of(head, relation), tail_key(tail)) for head, relation, tail in triples(row)
        )
        stale = any(one not in current for one in told)
        if stale or any(line in hidden for line in mine):
            void.add(row.id)
        else:
            hidden.update(dict.fromkeys(mine, row))
    return hidden, frozenset(void)


def _told(fact: Fact) -> tuple[str, str, str, str]:
    return (fact.records[0].namespace, *thoughts.key_of(fact.head, fact.relation), tail_key(fact.tail))


def _list(row: Record, name: str) -> list[object]:
    value = row.metadata.get(name)
    return list(value) if isinstance(value, list) else []


def _triple(one: object) -> tuple[str, str, str]:
    texts = [str(part) for part in one] if isinstance(one, list) else []
    head, relation, tail = (*texts, "", "", "")[:3]
    return head, relation, tail
