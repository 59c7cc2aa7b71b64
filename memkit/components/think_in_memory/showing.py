"""From ranked rows to hits: what holds, each fact once, with what is to be known about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from memkit.components.think_in_memory import thoughts
from memkit.components.think_in_memory.reading import Meaning
from memkit.components.think_in_memory.searching import Ranked
from memkit.components.think_in_memory.timeline import Fact
from memkit.values import Hit, Record, Where


@dataclass(frozen=True, slots=True)
class Shown:
    """What may be shown of what rows mean. With `everything`, also what holds no longer or was tidied away."""

    means: Meaning
    where: Where
    everything: bool

    def of(self, row: Record) -> tuple[Record, Fact | None] | None:
        """The row to show for this one, with its fact; None when it tells nothing that holds."""
        fact = self.means.facts.get(row.id)
        if row.kind == thoughts.MERGED:
            held = row.id not in self.means.void
            return (row, None) if held and (self.everything or self._stays(row)) else None
        if fact is None or not (self.everything or (fact.current and self._stays(row))):
            return None
        admitted = [one for one in fact.records if self.where.admits(one)]  # the row itself is among them
        return (admitted[0], fact) if admitted else None

    def _stays(self, row: Record) -> bool:
        return self.means.instead(row, self.where) is None


def hits(rows: Sequence[Record], shown: Shown, ranked: Ranked, place: Mapping[int, int]) -> Iterator[Hit]:
    """A hit for each row that is shown, in the order of the rows. `place` is that of each row's id in the ranking."""
    for row in rows:
        what = shown.of(row)
        if what is None:
            continue
        record, fact = what
        n = place[row.id]
        why: dict[str, float | str] = {ranked.why: round(float(ranked.scores[n]), 4), **ranked.notes}
        if ranked.bucket[n] >= 0:
            why["bucket"] = int(ranked.bucket[n])
        why.update(_history(fact) if fact is not None else _joined(record))
        instead = shown.means.instead(row, shown.where)
        if instead is not None:
            why["set aside" if instead.kind == thoughts.FORGOTTEN else "merged into"] = instead.text
        yield Hit(record=record, score=float(ranked.scores[n]), why=why)


def _history(fact: Fact) -> Iterator[tuple[str, float | str]]:
    yield "holds since", fact.since.isoformat()
    if fact.until is not None:
        yield "until", fact.until.isoformat()
    if fact.superseded_by is not None:
        yield "superseded by", fact.superseded_by.text
    if fact.ended_by is not None:
        yield "ended by", fact.ended_by.text
    if fact.instead_of:
        yield "instead of", ", ".join(row.text for row in fact.instead_of)
    if len(fact.records) > 1:
        yield "said again", len(fact.records) - 1
    if fact.echoes:
        yield "echoes", len(fact.echoes)


def _joined(row: Record) -> Iterator[tuple[str, float | str]]:
    lines = row.metadata.get("lines")
    yield "merged lines", len(lines) if isinstance(lines, list) else 0
