"""From ranked rows to what a user is shown of them: each thing said once, with what was said around it.

For components whose hits are passages. It knows no ranking.
"""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from memkit.ports import Shelf, View
from memkit.values import Record

if TYPE_CHECKING:
    from numpy.typing import NDArray

Sides = tuple[tuple[Record, ...], tuple[Record, ...]]

_MARKS = dict.fromkeys(map(ord, string.punctuation + "“”‘’…–—«»„。、，！？"), " ")


@dataclass(slots=True)
class Chosen:
    """A ranked row that becomes a hit: its place in the ranking, and how many lower ones repeated it."""

    place: int
    record: Record
    repeats: int = 0


async def chosen(view: View, shelf: Shelf, rows: NDArray[np.int64], k: int) -> list[Chosen]:
    """The first `k` of the ranked rows that do not repeat one before them. A row that was forgotten a moment ago is passed
    over; no more rows are read than it takes."""
    found: dict[tuple[str | None, ...], Chosen] = {}
    start = 0
    while start < len(rows) and len(found) < k:
        stop = min(len(rows), start + k - len(found))
        ids = shelf.id[rows[start:stop]].tolist()
        by_id = {record.id: record for record in await view.records(ids)}
        for place, id in enumerate(ids, start):
            if id in by_id:
                fold(found, place, by_id[id], k)
        start = stop
    return list(found.values())


def fold(found: dict[tuple[str | None, ...], Chosen], place: int, record: Record, k: int) -> None:
    """Add a row to the chosen ones, or count it with the one that it repeats. At most k are chosen.

    A row repeats another when the same person says the same words in the same order, whatever the case, punctuation and
    spaces. One word more or less may be a "not": that is no repetition.
    """
    key = (record.author, record.role, " ".join(record.text.casefold().translate(_MARKS).split()) or record.text)
    if key in found:
        found[key].repeats += 1
    elif len(found) < k:
        found[key] = Chosen(place, record)


async def beside(
    view: View, shelf: Shelf, rows: NDArray[np.int64], count: int, mask: NDArray[np.bool_] | None
) -> list[Sides]:
    """For each row up to `count` rows before it and after it in its strand that the mask admits, in the order they were said."""
    if not count:
        return [((), ())] * len(rows)
    wanted = [
        (_stepped(shelf, row, 0, count, mask)[::-1], _stepped(shelf, row, 1, count, mask)) for row in rows.tolist()
    ]
    ids = sorted({id for sides in wanted for side in sides for id in side})
    records = {record.id: record for record in await view.records(ids)}
    return [
        (tuple(records[id] for id in before if id in records), tuple(records[id] for id in after if id in records))
        for before, after in wanted
    ]


def _stepped(shelf: Shelf, row: int, side: int, count: int, mask: NDArray[np.bool_] | None) -> list[int]:
    """The ids of the next rows at one side, the nearest first."""
    found: list[int] = []
    for _ in range(count):
        row = int(shelf.beside(np.array([row]))[side][0])
        if row < 0:
            break
        if mask is None or mask[row]:
            found.append(int(shelf.id[row]))
    return found
