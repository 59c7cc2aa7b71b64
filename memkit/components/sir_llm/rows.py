"""From what was read to rows, and back: what a row notes, and how that is had again without fetching all rows.

A row's `weight` is the unit's score. Its marks say whether it opens a turn, how many tokens it has (in binary
digits), what it says, and whether it is an echo. `metadata["sir_llm"]` says the same and more to whoever reads the
row: `turn`, `offset` (both in the namespace's stream), `tokens`, `bits`, `scorer`, and `stream`, which names all that
had been read once its turn was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from memkit.components.sir_llm.keep import NAME, Units, note_of, number
from memkit.components.sir_llm.stream import Line, Place, Told
from memkit.components.sir_llm.units import Span
from memkit.hygiene import fingerprint
from memkit.values import Event, Json, Record

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from memkit.ports import Shelf, View

Score = Literal["top", "mean", "max", "entropy"]

SHARE, FEWEST = 0.25, 8  # a unit is as surprising as its top quarter; one of fewer than 8 tokens counts as if it had 8
PAGE = 256  # rows fetched at once when a model is made again
DIGITS = 16
OPENS, ECHO, TOKENS, SAID = "opens", "echo", "tokens", "said"  # marks


def rows_of(event: Event, found: Sequence[Span], place: Place, score: Score, *, lead: bool) -> Iterator[Record]:
    """A row for each unit of a turn. Reading it moves the place on."""
    before, turn = place.last, place.turns
    told = place.read(event, found)
    most = max((float(one.bits.max()) for one in told if len(one.bits)), default=0.0) if lead else 0.0
    title, caption = (event.metadata.get(name) for name in ("title", "caption"))
    for n, one in enumerate(told):
        tokens = min(max(1, len(one.bits)), (1 << DIGITS) - 1)
        note: dict[str, Json] = {
            "turn": turn,
            "offset": one.line.offset,
            "tokens": tokens,
            "bits": round(float(one.bits.sum()), 3),
            "stream": place.digest,
            "scorer": place.scorer.name,
        }
        shown = one.line.text
        if isinstance(caption, str) and caption:
            shown = f"{shown} ({caption})"
        if isinstance(title, str) and title:
            shown = f"{title}\n{shown}"
        record = Record.of(event, NAME, start=one.line.source.start, end=one.line.source.end)
        yield replace(
            record,
            sources=record.sources if before is None else (*record.sources, before),
            metadata={**event.metadata, NAME: note},
            index=None if shown == record.text else shown,
            weight=weight(one, score, most if n == 0 else 0.0),
            marks=tuple(_marks(record, tokens, opens=n == 0)),
        )


def weight(told: Told, score: Score, lead: float) -> float:
    """One number for a unit, at least 0, exact in float32. `lead` replaces the bits of the first token if it is
    more."""
    values = (told.entropy if score == "entropy" else told.bits).astype(np.float64)
    if not len(values):
        return 0.0
    if lead and score != "entropy":
        values[0] = max(values[0], lead)
    if score == "max":
        return float(np.float32(values.max()))
    size = max(len(values), FEWEST)
    if score == "top":
        size = int(np.ceil(size * SHARE))
        values = np.sort(values)[::-1][:size]
    return float(np.float32(values.sum() / size))


def _marks(record: Record, tokens: int, *, opens: bool) -> Iterator[str]:
    """What `recall` has to know of every row, so that it need not fetch them all: the digits of a number, one each."""
    if opens:
        yield OPENS
    for digit in range(DIGITS):
        if tokens >> digit & 1:
            yield f"{TOKENS} {1 << digit}"
    yield f"{SAID} {fingerprint(record.text)}"


def without_echoes(records: Sequence[Record], shelf: Shelf) -> list[Record]:
    """The rows, marked where somebody other than the user says again what an earlier row says: that is never kept."""
    said: set[str] = set()
    marked: list[Record] = []
    for record in records:
        mark = record.marks[-1]
        known = mark in said or len(shelf.marked(mark)) > 0
        said.add(mark)
        telling = any(map(str.isalnum, record.text))  # all texts of signs alone have one fingerprint
        if known and telling and record.role is not None and record.role.lower() != "user":
            note = {**note_of(record), "echo": True}
            record = replace(record, marks=(*record.marks, ECHO), metadata={**record.metadata, NAME: note})
        marked.append(record)
    return marked


def columns(shelf: Shelf, mask: NDArray[np.bool_] | None) -> tuple[NDArray[np.int64], Units]:
    """The rows that the mask admits, without echoes, and what the rules have to know of them, without fetching
    them."""
    admitted = np.ones(shelf.size, np.bool_) if mask is None else mask.copy()
    admitted[shelf.marked(ECHO)] = False
    opens = np.zeros(shelf.size, np.int64)
    opens[shelf.marked(OPENS)] = 1
    tokens = np.zeros(shelf.size, np.int64)
    for digit in range(DIGITS):
        tokens[shelf.marked(f"{TOKENS} {1 << digit}")] += 1 << digit
    rows = np.flatnonzero(admitted)
    return rows, Units(shelf.weight[rows].astype(np.float64), np.cumsum(opens)[rows], tokens[rows])


async def last_lines(shelf: Shelf, view: View, block: int) -> list[Line]:
    """The last lines of the stream, from the rows: all that a model has to have read to go on."""
    lines: list[Line] = []
    for stop in range(shelf.size, 0, -PAGE):
        ids = shelf.id[max(0, stop - PAGE) : stop].tolist()
        lines = [
            Line(row.sources[0], row.text, number(note_of(row), "offset")) for row in await view.records(ids)
        ] + lines
        if lines and lines[0].offset < lines[-1].offset // block * block - block // 2:
            break
    return lines
