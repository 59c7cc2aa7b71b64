"""What is wrong with what components derived: rows that are no memories, that their sources do not support, or that are stale."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b

from memkit.audit.findings import Finding
from memkit.audit.grounding import misquoted, unsupported
from memkit.audit.secrets import secrets
from memkit.components.think_in_memory import thoughts
from memkit.components.think_in_memory.timeline import timeline
from memkit.hygiene import spans
from memkit.values import Event, Record

_MOST_WORDS = 5  # named of an unsupported row


class RowAudit:
    """Is shown the rows of one place after the other in pages, each with the events that they name; `close` ends a place.
    Facts that were not confirmed since the given moment are stale."""

    def __init__(self, *, since: datetime) -> None:
        self._since = since
        self._counted: Counter[str] = Counter()
        self._found: list[Finding] = []
        self._seen: set[bytes] = set()
        self._thoughts: list[Record] = []

    @property
    def counts(self) -> dict[str, int]:
        """How many rows were seen, by component."""
        return dict(self._counted)

    def see(self, rows: Sequence[Record], events: Mapping[str, Event]) -> None:
        for row in rows:
            self._counted[row.component] += 1
            for kind, detail in self._wrong(row, events):
                self._found.append(_finding(kind, row, detail))
            if row.component == thoughts.NAME:
                self._thoughts.append(row)

    def close(self) -> None:
        """All rows of a place have been seen: what can be said of them together."""
        for fact in timeline(self._thoughts):
            last = max(row.at for row in (*fact.records, *fact.echoes))
            if fact.current and last < self._since:
                detail = f"current since {fact.since.date()}, last confirmed on {last.date()}"
                self._found.append(_finding("stale", fact.records[-1], detail))
        self._thoughts.clear()
        self._seen.clear()

    def findings(self) -> Iterator[Finding]:
        yield from self._found

    def _wrong(self, row: Record, events: Mapping[str, Event]) -> Iterable[tuple[str, str]]:
        if _learned_from_machinery(row, events):
            yield "machinery", "a row of what is no memory; rebuild the component, or forget the event"
            return
        if misquoted(row, events):
            yield "misquoted", "a row shows another text than the part of the event that it names"
        elif row.text and (words := unsupported(row, events)):
            told = "" if secrets(row.text) else f": {', '.join(words[:_MOST_WORDS])}"
            yield "ungrounded", f"a row says what its sources do not{told}"
        told_by = repr((row.component, row.kind, row.sources, row.text)).encode("utf-8", "surrogatepass")
        digest = blake2b(told_by, digest_size=8).digest()
        if digest in self._seen and row.text:
            yield "duplicate", "a row is there twice"
        self._seen.add(digest)


def _learned_from_machinery(row: Record, events: Mapping[str, Event]) -> bool:
    """Whether the row shows nothing that is worth remembering of the event it names first."""
    first = row.sources[0]
    event = events.get(first.event)
    if event is None or first.start == first.end:
        return False
    return not any(first.start < end and start < first.end for start, end in spans(event))


def _finding(kind: str, row: Record, detail: str) -> Finding:
    events = tuple(dict.fromkeys(source.event for source in row.sources))
    return Finding(kind=kind, namespace=row.namespace, component=row.component, events=events, detail=detail)
