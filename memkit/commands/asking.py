"""`memkit recall` and `memkit context`: what comes out of a memory."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from memkit.commands import options, output, shape
from memkit.commands.options import Filters, Target, spread

if TYPE_CHECKING:
    from memkit.context.prompt import Context, Messages
    from memkit.context.recall import Recall
    from memkit.values import Hit, Record

NOTHING = 3  # the exit code of a recall that found nothing

Question = Annotated[str, typer.Argument(metavar="TEXT", help="The question. It is text: it has no query syntax.")]
Neighbours = Annotated[
    int, typer.Option("--neighbours", metavar="N", help="Show so many turns before and after each hit as well.")
]
Floor = Annotated[
    float | None,
    typer.Option("--floor", metavar="SCORE", help="Leave out hits below this score, 0 to 1.  [default: the component's]"),
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
    k: Annotated[int, typer.Option("-k", "--hits", metavar="N", help="At most so many hits.")] = 5,
    neighbours: Neighbours = 0,
    floor: Floor = None,
    explain: Annotated[bool, typer.Option("--explain", help="Tell why each hit came.")] = False,
    embedder: options.Embedder = "none",
) -> None:
    """Find what the memory knows of a question, best first.

    Everything that was added before is found. Filters come before the limit. When nothing reaches the floor, nothing
    is printed and the exit code is 3.

    \b
    Examples:
      memkit recall "Where does Ana live?" --namespace ana
      memkit recall "paint" --session s1 --since 2024-05-01 --explain
      memkit recall "invoice" --meta 'year=2024' --json
    """
    with target.open(embedder=embedder) as memory:
        found = memory.recall(text, k=k, neighbours=neighbours, floor=floor, **target.place, **filters.scope)
        _hint(memory.stats(**target.place).unembedded, embedder)
    if target.json:
        output.emit(shape.of_recall(found))
    elif explain:
        output.console().print(output.harmless(found.explain()))
    elif found:
        _print(found)
    else:
        output.remark("nothing found")
    if not found:
        raise typer.Exit(NOTHING)
