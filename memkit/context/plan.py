"""What a prompt can show of a recall: every text once, with its mark, and which neighbours come with which hit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Literal

from memkit.values import Hit, Record, Source

Order = Literal["rank", "time"]
Key = tuple[tuple[Source, ...], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A text with its mark. Its records all say the same; the first is shown."""

    mark: int
    records: tuple[Record, ...]

    @property
    def sources(self) -> tuple[Source, ...]:
        return tuple(dict.fromkeys(source for record in self.records for source in record.sources))


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Hits that are shown together, since they say the same: their ranks, from 0, and the marks of what is shown for
    them, the text between its neighbours, in the order in which it was said."""

    ranks: tuple[int, ...]
    mark: int
    window: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All hits by rank; what can be shown by its mark; and which hits go together, best first."""

    hits: tuple[Hit, ...]
    entries: Mapping[int, Entry]
    groups: tuple[Group, ...]

    @property
    def neighbours(self) -> bool:
        """Whether any hit came with neighbours."""
        return any(len(group.window) > 1 for group in self.groups)


def plan(hits: Sequence[Hit]) -> Plan:
    """Give marks: to a hit its rank, from 1; to neighbours the numbers after that, in the order in which they come up.

    A row that came up twice has one mark, as hit or neighbour and from whichever component. Hits of the same text by
    the same speaker share the mark of the best of them, unless they came with neighbours: the place matters then.
    """
    marks: dict[Key, int] = {}
    same: dict[tuple[str, str | None, str | None], int] = {}
    groups: dict[int, list[int]] = {}
    records: dict[int, list[Record]] = {}
    for rank, hit in enumerate(hits, 1):
        mark = marks.get(_key(hit.record))
        if mark is None:
            alone = not (hit.before or hit.after)
            mark = same.setdefault((hit.text, hit.record.author, hit.record.role), rank) if alone else rank
            marks[_key(hit.record)] = mark
            records.setdefault(mark, []).append(hit.record)
        groups.setdefault(mark, []).append(rank - 1)
    unused = count(len(hits) + 1)
    for record in (record for hit in hits for record in (*hit.before, *hit.after)):
        if _key(record) not in marks:
            marks[_key(record)] = mark = next(unused)
            records[mark] = [record]
    return Plan(
        hits=tuple(hits),
        entries={mark: Entry(mark=mark, records=tuple(said)) for mark, said in records.items()},
        groups=tuple(
            Group(ranks=tuple(ranks), mark=mark, window=_window([hits[rank] for rank in ranks], marks))
            for mark, ranks in groups.items()
        ),
    )


def blocks(plan: Plan, windows: Iterable[Sequence[int]], order: Order) -> list[list[int]]:
    """Join the windows that share a mark, so that no mark comes twice; a block is in the order in which it was said.

    Blocks come by the best hit in them, or with "time" by when their first text was said.
    """
    found: dict[int, list[int]] = {}
    owner: dict[int, int] = {}
    for number, window in enumerate(windows):
        touched = sorted({owner[mark] for mark in window if mark in owner})
        block = list(window)
        for other in touched:
            block = _merged(found.pop(other), block)
        home = touched[0] if touched else number
        found[home] = block
        owner.update(dict.fromkeys(block, home))
    ranked = [found[number] for number in sorted(found)]
    if order == "rank":
        return ranked
    return sorted(ranked, key=lambda block: _moment(plan.entries[block[0]].records[0]))


def _moment(record: Record) -> tuple[datetime, datetime, int]:
    return record.at, record.recorded, record.id


def _window(hits: Sequence[Hit], marks: Mapping[Key, int]) -> tuple[int, ...]:
    window: list[int] = []
    for hit in hits:
        around = (marks[_key(record)] for record in (*hit.before, hit.record, *hit.after))
        window = _merged(window, list(dict.fromkeys(around)))
    return tuple(window)


def _merged(first: Sequence[int], second: Sequence[int]) -> list[int]:
    """Both sequences in one, without repetition. What the second adds stays beside what both have."""
    merged, known = list(first), set(first)
    fresh: list[int] = []
    place = len(merged)
    for mark in second:
        if mark not in known:
            fresh.append(mark)
            continue
        place = merged.index(mark)
        merged[place:place] = fresh
        place += len(fresh) + 1
        fresh = []
    merged[place:place] = fresh
    return merged


def _key(record: Record) -> Key:
    return record.sources, record.text
