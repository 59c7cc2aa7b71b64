"""What is wrong with a memory's contents, found offline: repetitions, rows that their sources do not support, what is stale
or was never finished, machinery and pasted recalls that were learned, and secrets that somebody told it.

    report = audit(memory)
    memory.forget(ids=[id for one in report.of("secret") for id in one.events], verify=True)

Nothing is changed and no model is asked. A finding names events, and what is wrong in general words: no text is in the report,
but for a few words that a row made up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice

from memkit.audit.events import EventAudit
from memkit.audit.findings import KINDS, Finding, Report
from memkit.audit.rows import RowAudit
from memkit.intake import read_export
from memkit.memory import Memory
from memkit.scope import Scope
from memkit.values import Event, Record, Stats

__all__ = ["KINDS", "Finding", "Report", "audit"]

STALE = 365  # days
LONGEST = 365_000  # days: a thousand years, of which any calendar knows
PAGE = 500  # rows that are checked at once, with the events that they name


def audit(
    memory: Memory,
    *,
    namespace: str | None = None,
    below: bool = False,
    stale: int = STALE,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Report:
    """Look through all that a memory holds, or a namespace of it and with `below` those under it.

    An unbound memory without `namespace` is looked through as a whole. A current fact that nobody confirmed for `stale` days is
    reported. Events and rows are read in pages; what is kept of each are a few numbers. Raises ValueError
    for less than a day, and for more than 365,000.
    """
    if not 1 <= stale <= LONGEST:
        raise ValueError(f"stale is {stale}; it is a number of days, at least 1 and at most {LONGEST}")
    scope = Scope() if namespace is None else Scope(namespace=namespace, below=below)
    told = EventAudit()
    for event in read_export(memory.export(**scope)):
        told.see(event)
    derived = RowAudit(since=clock() - timedelta(days=stale))
    for place in _places(memory, scope, told.namespaces):
        for rows in _pages(memory.records(**place)):
            derived.see(rows, _sources(memory, rows, place))
        derived.close()
    found = [*told.findings(), *derived.findings(), *_unfinished(memory.stats(**scope), namespace)]
    return Report(
        findings=tuple(sorted(found, key=lambda one: (KINDS.index(one.kind), one.namespace or ""))),
        events=told.events,
        records=derived.counts,
        machinery=told.machinery,
        recalled=told.recalled,
    )


def _places(memory: Memory, scope: Scope, namespaces: Iterable[str]) -> list[Scope]:
    """The scopes whose rows are to be read: an unbound memory reads a namespace at a time."""
    whole = not scope and memory._binding.namespace is None
    return [Scope(namespace=path) for path in namespaces] if whole else [scope]


def _pages(records: Iterator[Record]) -> Iterator[list[Record]]:
    while page := list(islice(records, PAGE)):
        yield page


def _sources(memory: Memory, rows: Iterable[Record], place: Scope) -> Mapping[str, Event]:
    """The events that the rows name."""
    ids = {source.event for row in rows for source in row.sources}
    asked: Scope = {**place, "ids": ids}
    return {event.id: event for event in memory.history(**asked)}


def _unfinished(stats: Stats, namespace: str | None) -> Iterator[Finding]:
    for name, count in stats.pending.items():
        if count:
            yield Finding(
                kind="pending",
                namespace=namespace,
                component=name,
                count=count,
                detail="events are not absorbed yet; sync",
            )
    for entry in stats.deferred:
        yield Finding(
            kind="deferred",
            namespace=entry.namespace,
            component=entry.component,
            events=(entry.event,),
            detail=f"could not be absorbed in {entry.attempts} attempts; sync with retry",
        )
    if stats.unembedded and stats.spaces:
        yield Finding(
            kind="without vector",
            namespace=namespace,
            count=stats.unembedded,
            detail=f"rows have none of {stats.spaces[0].model}",
        )
    for space in stats.spaces[1:]:
        yield Finding(
            kind="old vectors",
            namespace=None,
            detail=f"those of {space.model} are still there; reembed can discard them",
        )
