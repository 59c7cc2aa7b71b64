"""`memkit recall` and `memkit context`: what comes out of a memory."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from memkit.commands import options, output, shape, show
from memkit.commands.options import Filters, Target, Ways, spread

if TYPE_CHECKING:
    from memkit.context.prompt import Context, Messages
    from memkit.memory import Memory

NOTHING = 3  # the exit code of a recall that found nothing

Question = Annotated[str, typer.Argument(metavar="TEXT", help="The question. It is text: it has no query syntax.")]
Neighbours = Annotated[
    int, typer.Option("--neighbours", metavar="N", help="Show so many turns before and after each hit as well.")
]
Floor = Annotated[
    float | None,
    typer.Option(
        "--floor", metavar="SCORE", help="Leave out hits below this score, 0 to 1.  [default: the component's]"
    ),
]


class Order(StrEnum):
    """In which order a prompt has the hits."""

    rank = "rank"
    time = "time"


@spread
def recall(
    text: Question,
    target: Target,
    filters: Filters,
    ways: Ways,
    k: Annotated[int, typer.Option("-k", "--hits", metavar="N", help="At most so many hits.")] = 5,
    neighbours: Neighbours = 0,
    floor: Floor = None,
    explain: Annotated[bool, typer.Option("--explain", help="Tell why each hit came.")] = False,
    embedder: options.Embedder = "none",
) -> None:
    """Find what the memory knows of a question, best first.

    Everything that was added before is found; with --llm, components ask the model about it first. Filters come before
    the limit. When nothing reaches the floor, nothing is printed and the exit code is 3.

    \b
    Examples:
      memkit recall "Where does Ana live?" --namespace ana
      memkit recall "paint" --session s1 --since 2024-05-01 --explain
      memkit recall "invoice" --meta 'year=2024' --json
    """
    with target.open(ways=ways, embedder=embedder) as memory:
        wait = ways.llm is not None
        found = memory.recall(text, k=k, neighbours=neighbours, floor=floor, wait=wait, **filters.scope(target))
        _hint(memory, target, embedder)
    if target.json:
        output.emit(shape.of_recall(found))
    elif explain:
        output.console().print(output.harmless(found.explain()))
    elif found:
        show.hits(found)
    else:
        output.remark("nothing found")
    if not found:
        raise typer.Exit(NOTHING)


@spread
def context(
    text: Question,
    target: Target,
    filters: Filters,
    ways: Ways,
    k: Annotated[int, typer.Option("-k", "--hits", metavar="N", help="At most so many hits.")] = 10,
    tokens: Annotated[int, typer.Option("--tokens", metavar="N", help="At most so many tokens, estimated.")] = 800,
    order: Annotated[
        Order | None,
        typer.Option("--order", help="The best hit first, or the oldest.  [default: rank; messages: time]"),
    ] = None,
    messages: Annotated[
        bool, typer.Option("--messages", help="Print chat messages instead, one JSON object a line.")
    ] = False,
    neighbours: Neighbours = 0,
    floor: Floor = None,
    embedder: options.Embedder = "none",
) -> None:
    """Print what a prompt should hold, within a budget of tokens.

    Every text has a source mark such as [1] and its date. What was dropped is told on standard error, with --json in
    the object. When nothing is found the exit code is 3.

    \b
    Examples:
      memkit context "What does Ana eat?" --namespace ana --tokens 400
      memkit context "the launch" --order time --neighbours 1
    """
    with target.open(ways=ways, embedder=embedder) as memory:
        wait = ways.llm is not None
        found = memory.recall(text, k=k, neighbours=neighbours, floor=floor, wait=wait, **filters.scope(target))
        _hint(memory, target, embedder)
    packed: Context | Messages
    if messages:
        packed = found.messages(tokens, order="rank" if order is Order.rank else "time")
    else:
        packed = found.context(tokens, order="time" if order is Order.time else "rank")
    _show(packed, target)
    if not found:
        raise typer.Exit(NOTHING)


def _show(packed: Context | Messages, target: Target) -> None:
    if target.json:
        output.emit(shape.of_messages(packed) if isinstance(packed, list) else shape.of_context(packed))
        return
    if isinstance(packed, list):
        for message in packed:
            output.emit(message)
    elif packed:
        output.console().print(packed.text)
    else:
        output.remark("nothing found" if not packed.dropped else "nothing fits")
    for one in packed.dropped:
        output.remark(f"dropped: {output.harmless(one.hit.text[:60])!r}: {one.reason}")


def _hint(memory: Memory, target: Target, embedder: str) -> None:
    """Say so when vectors lie unused: recall by words alone is meant only where there are none, or on request."""
    if target.json or options.spec(embedder) is not None:
        return
    spaces = memory.stats(**target.place).spaces
    if spaces:
        output.remark(f"by words alone; with --embedder the vectors of {spaces[0].model} are used as well")
