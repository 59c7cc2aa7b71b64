"""What an audit reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

# In this order they are reported. What each means:
MEANINGS = {
    "secret": "what looks like a password, a key or a card number was told",
    "machinery": "rows were derived from prompts, from tool traffic, or from a recall that was pasted back",
    "ungrounded": "rows say what their sources do not",
    "misquoted": "rows claim to quote a source and do not",
    "duplicate": "the same words were said or kept again",
    "near-duplicate": "nearly the same words were said again",
    "stale": "facts are current that nobody has confirmed for long",
    "deferred": "events could not be absorbed",
    "pending": "events are not absorbed yet",
    "without vector": "rows have no vector in the space in use",
    "old vectors": "vectors of a space that is not in use",
}
KINDS = tuple(MEANINGS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong. `events` are the ids to look at, or to forget: of repetitions all but the first. `count` says how
    many things it is about, if they are not all named. `detail` says it in words, without anything that somebody said."""

    kind: str
    namespace: str | None
    detail: str
    component: str | None = None
    events: tuple[str, ...] = ()
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All findings, the gravest kind first. `events` and `records` (by component) say how much was looked through; `machinery`
    of the events are no memories by what they are (prompts, tool traffic), and `recalled` hold a recall that was pasted back."""

    findings: tuple[Finding, ...]
    events: int
    records: Mapping[str, int]
    machinery: int
    recalled: int

    def __bool__(self) -> bool:
        """Whether anything was found."""
        return bool(self.findings)

    def of(self, kind: str) -> list[Finding]:
        """The findings of one kind."""
        return [one for one in self.findings if one.kind == kind]

    @property
    def counts(self) -> dict[str, int]:
        """How many events or rows the findings are about, by kind; only kinds that were found."""
        counted: Counter[str] = Counter()
        for one in self.findings:
            counted[one.kind] += max(one.count, len(one.events) if one.kind.endswith("duplicate") else 1)
        return {kind: counted[kind] for kind in KINDS if kind in counted}

    @property
    def rates(self) -> dict[str, float]:
        """The same as shares: of all rows where rows are wrong, else of all events."""
        rows = sum(self.records.values())
        of_rows = {"machinery", "ungrounded", "misquoted", "stale", "without vector", "old vectors"}
        return {
            kind: round(count / max(1, rows if kind in of_rows else self.events), 4)
            for kind, count in self.counts.items()
        }
