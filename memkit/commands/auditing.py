"""`memkit audit`: what is wrong with a memory's contents."""

from __future__ import annotations

import importlib
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from memkit.commands import output
from memkit.commands.options import Target, Ways, spread

if TYPE_CHECKING:
    from memkit.audit import Finding, Report

AUDIT = "memkit.audit"  # loads memkit's machinery, for which `memkit --help` shall not wait
FOUND = 1  # the exit code with --fail
SHOWN = 20  # findings of a kind; --json has all
NAMED = 4  # ids of a finding


@spread
def audit(
    target: Target,
    ways: Ways,
    below: Annotated[bool, typer.Option("--below", help="The namespaces under this one as well.")] = False,
    stale: Annotated[
        int, typer.Option("--stale", metavar="DAYS", help="Report current facts that nobody confirmed for so long.")
    ] = 365,
    fail: Annotated[bool, typer.Option("--fail", help="Exit with 1 when anything was found.")] = False,
) -> None:
    """Look for repetitions, unsupported and stale rows, and secrets.

    Works offline and changes nothing. A finding names the events that it is about, so that `memkit forget --id` can
    remove them; no remembered text is printed, and no secret. Without --namespace the whole database is looked through.

    \b
    Examples:
      memkit audit
      memkit audit --namespace ana --stale 90
      memkit audit --db agent.db --json --fail
    """
    with target.open(ways=ways) as memory:
        report: Report = importlib.import_module(AUDIT).audit(
            memory, namespace=target.namespace, below=below, stale=stale
        )
    if target.json:
        output.emit(
            {
                "events": report.events,
                "records": dict(report.records),
                "machinery": report.machinery,
                "recalled": report.recalled,
                "counts": report.counts,
                "rates": report.rates,
                "findings": [asdict(one) for one in report.findings],
            }
        )
    else:
        _show(report)
    if fail and report:
        raise typer.Exit(FOUND)


def _show(report: Report) -> None:
    screen = output.console()
    rows = sum(report.records.values())
    screen.print(
        f"{output.plural(report.events, 'event')} and {output.plural(rows, 'row')} looked through; "
        f"{report.machinery:,} are prompts or tool traffic, {report.recalled:,} hold a pasted recall"
    )
    meanings = importlib.import_module(f"{AUDIT}.findings").MEANINGS
    for kind, count in report.counts.items():
        screen.print(Text.assemble((f"{kind}  ", "bold"), f"{count:,} ({report.rates[kind]:.1%}): {meanings[kind]}"))
        found = report.of(kind)
        for one in found[:SHOWN]:
            screen.print(Text(f"  {_line(one)}", style="dim"))
        if len(found) > SHOWN:
            screen.print(Text(f"  … and {len(found) - SHOWN:,} more; --json has all", style="dim"))
    if not report:
        screen.print(Text("nothing was found", style="green"))


def _line(one: Finding) -> str:
    ids = " ".join(one.events[:NAMED]) + (" …" if len(one.events) > NAMED else "")
    parts = (one.namespace, one.component, one.detail, ids and f"id {ids}")
    return output.harmless("; ".join(part for part in parts if part))
