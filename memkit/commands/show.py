"""What was found, forgotten and held, for people to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from memkit.commands import output
from memkit.commands.output import harmless, plural

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memkit.values import Forgotten, Hit, Record, Stats


def hits(found: Iterable[Hit]) -> None:
    """The hits with their neighbours, best first; if they are of several components, which each is of."""
    screen, listed = output.console(), list(found)
    several = len({hit.component for hit in listed}) > 1
    for rank, hit in enumerate(listed, start=1):
        by = f"  {hit.component}" if several else ""
        screen.print(Text.assemble((f"{rank}. {hit.score:.2f}", "bold"), by, ("  " + about(hit), "dim")))
        for record in hit.before:
            screen.print(Text(_indented(record), style="dim"))
        screen.print(Text(_indented(hit.record)))
        for record in hit.after:
            screen.print(Text(_indented(record), style="dim"))


def about(hit: Hit) -> str:
    """When, by whom and where it was said, and the id to forget it by."""
    record = hit.record
    title = record.metadata.get("title")
    where = (
        record.at.date().isoformat(),
        record.author or record.role,
        record.session and f"session {record.session}",
        title if isinstance(title, str) else None,
        f"id {hit.events[0]}",
    )
    return harmless(", ".join(part for part in where if part))


def forgotten(result: Forgotten) -> None:
    """What was removed, where it was searched for, and what was found there."""
    screen = output.console()
    screen.print(f"{plural(result.events, 'event')} and {plural(result.records, 'derived row')} forgotten")
    if result.traces is None:
        return
    screen.print(f"searched: {', '.join(result.searched)}")
    for trace in result.traces:
        screen.print(Text(f"still found in {trace.place}: {harmless(trace.detail)}", style="red"))
    if result.proven:
        screen.print(Text("no byte of it is left", style="green"))


def stats(held: Stats) -> None:
    """A line for each figure; the deferred events with their errors."""
    rows = [
        ("events", f"{held.events:,} in {plural(held.namespaces, 'namespace')}"),
        ("size", output.size(held.bytes)),
        *((f"rows of {name}", f"{count:,}") for name, count in held.records.items()),
        *((f"pending for {name}", f"{count:,}") for name, count in held.pending.items()),
        ("without vector", f"{held.unembedded:,}"),
        ("deferred", f"{len(held.deferred):,}"),
        *(
            ("vectors" if n == 0 else "vectors beside", f"{space.model}, {space.dimension} dimensions")
            for n, space in enumerate(held.spaces)
        ),
    ]
    width = max(len(name) for name, _ in rows)
    screen = output.console()
    for name, value in rows:
        screen.print(Text.assemble((f"{name:<{width}}  ", "dim"), harmless(value)))
    for entry in held.deferred:
        place = f"{entry.component} could not absorb event {entry.event} of {entry.namespace}"
        screen.print(Text(f"  {harmless(place)}", style="yellow"))
        screen.print(
            f"    {harmless(entry.error)} ({plural(entry.attempts, 'attempt')}, last at {entry.at:%Y-%m-%d %H:%M} UTC)"
        )


def _indented(record: Record) -> str:
    return "\n".join(f"   {line}" for line in harmless(record.text).splitlines() if line.strip())
