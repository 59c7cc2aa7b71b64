"""`memkit forget | status | export | reembed`: looking after a memory."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

import memkit
from memkit.commands import options, output, shape, show
from memkit.commands.options import Filters, Target, Ways, spread


@spread
def forget(
    target: Target,
    filters: Filters,
    ways: Ways,
    everything: Annotated[bool, typer.Option("--everything", help="All of the namespace.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Search every table, index and file for the forgotten texts afterwards.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask, even on a terminal.")] = False,
) -> None:
    """Forget events and all that came of them, for good.

    What to forget is said by conditions, by --namespace alone, or by --everything. On a terminal you are asked first. With
    --verify the exit code is 1 when a trace of a forgotten text was found. The rows of every component go; with
    --components, those that had other sources as well are made anew at once.

    \b
    Examples:
      memkit forget --id 0190c2f4a7d61f0b8f6a3c2e5d4b7a91 --verify
      memkit forget --session s1 --until 2024-06-01 --namespace ana
      memkit forget --namespace ana --below --everything --yes
    """
    if not (filters.narrow or everything or target.namespace):
        raise ValueError("forget what? Give --id, --session, --since, … or --namespace, or --everything")
    with target.open(ways=ways) as memory:
        if not yes and not target.json and sys.stdin.isatty() and sys.stderr.isatty():
            count = sum(1 for _ in memory.export(**filters.scope(target)))
            if not typer.confirm(f"Forget {output.plural(count, 'event')} for good?", err=True):
                output.remark("nothing was forgotten")
                raise typer.Exit(1)
        result = memory.forget(verify=verify, everything=everything, **filters.scope(target))
    if target.json:
        output.emit(shape.of_forgotten(result))
    else:
        show.forgotten(result)
    if result.traces:
        raise typer.Exit(1)


@spread
def status(
    target: Target,
    ways: Ways,
    sync: Annotated[
        bool, typer.Option("--sync", help="First let the components absorb, and embed, what they have not yet.")
    ] = False,
    retry: Annotated[bool, typer.Option("--retry", help="The same, and try the deferred events again.")] = False,
    embedder: options.Embedder = "none",
) -> None:
    """Tell what is held, what is pending, and what failed.

    An event that a component could not absorb is tried three times and then deferred; it stays in the journal, and
    --retry tries it again. Without --namespace the status is of the whole database, else of the namespace and those below.

    \b
    Examples:
      memkit status
      memkit status --namespace ana --retry --embedder openai:text-embedding-3-small
      memkit status --sync --components passages,think_in_memory --llm openai:gpt-5-mini
    """
    with target.open(ways=ways, embedder=embedder) as memory:
        stats = memory.sync(retry=retry, **target.place) if sync or retry else memory.stats(**target.place)
    if target.json:
        output.emit(shape.of_stats(stats))
    else:
        show.stats(stats)


@spread
def export(
    target: Target,
    filters: Filters,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write to this file.  [default: standard output]")
    ] = None,
) -> None:
    """Write the events as JSON Lines, one event a line, without loss.

    `memkit import` reads them back. With --json the events come as one object instead, which has to fit in memory;
    with --json and --out the object says what was written. A file that exists is replaced, once all is written.

    \b
    Examples:
      memkit export > backup.jsonl          (every namespace)
      memkit export --namespace acme --below --since 2024-01-01 --out acme.jsonl
    """
    with target.open() as memory:
        lines = memory.export(**filters.scope(target))
        if out is not None:
            count = _write(lines, out)
            done = {"events": count, "out": str(out)}
            output.emit(done) if target.json else output.remark(f"{output.plural(count, 'event')} written to {out}")
        elif target.json:
            sys.stdout.write(f'{{"events": [{", ".join(list(lines))}]}}\n')
        else:
            sys.stdout.writelines(f"{line}\n" for line in lines)


@spread
def reembed(
    embedder: Annotated[
        str,
        typer.Argument(metavar="SPEC", help='"openai:NAME", or the name or folder of a sentence-transformers model.'),
    ],
    target: Target,
    discard: Annotated[bool, typer.Option("--discard", help="Remove the old vectors after the switch.")] = False,
) -> None:
    """Make all vectors anew with another embedder.

    They are built beside the old ones, while the memory can be used; when all of the database has them, they are used
    instead. After an interruption the same command goes on where it stopped. Switching back is the same command with
    the old embedder: its vectors are still there, unless --discard removed them.

    \b
    Examples:
      memkit reembed sentence-transformers/all-MiniLM-L6-v2
      memkit reembed openai:text-embedding-3-small --db agent.db --discard
    """
    if options.spec(embedder) is None:
        raise ValueError("name the embedder to change to; a memory without --embedder is recalled by words as it is")
    if target.namespace is not None:
        raise ValueError("an embedder is for the whole database; leave --namespace out")
    target.check()
    with output.counting("Embedding") as move:
        space = memkit.reembed(target.db, embedder, discard=discard, progress=move)
    if target.json:
        output.emit({"space": asdict(space), "discarded": discard})
    else:
        output.console().print(f"now in use: {space.model}, {space.dimension} dimensions")


def _write(lines: Iterable[str], out: Path) -> int:
    """Write the lines beside the file, then put it in place: no half of an export is ever taken for one."""
    part = out.with_name(f"{out.name}.part")
    count = 0
    try:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            for count, line in enumerate(lines, start=1):  # noqa: B007  counted to the last
                file.write(f"{line}\n")
        os.replace(part, out)
    finally:
        part.unlink(missing_ok=True)
    return count
