"""`memkit eval` and `memkit bench`: how well it remembers, and how fast."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from memkit.commands import options, output

# The modules that measure load memkit's whole machinery with them, and `memkit --help` shall not wait for that.
MODULES = {
    "locomo": "memkit.evaluation.locomo",
    "tasks": "memkit.evaluation.tasks",
    "bench": "memkit.evaluation.bench",
}
STDOUT = "-"


def _writable(report: str | None) -> str | None:
    """The file, if it can be written: not to find out after minutes of measuring."""
    if report is not None and report != STDOUT:
        if Path(report).is_dir():
            raise typer.BadParameter(f"{report} is a folder; name a file")
        if not Path(report).parent.is_dir():
            raise typer.BadParameter(f"there is no folder {Path(report).parent}")
    return report


Report = Annotated[
    str | None,
    typer.Option(
        "--json",
        metavar="[OUT]",
        callback=_writable,
        help="Write the result as JSON to this file, or print it and nothing else.",
    ),
]

Seeds = Annotated[int, typer.Option("--seeds", metavar="N", help="So many scripts from seeds 0, 1, …; at least 2.")]
Budget = Annotated[int, typer.Option("--tokens", metavar="N", help="The budget of a context, in estimated tokens.")]
Contestants = Annotated[
    str,
    typer.Option("--components", metavar="A,B+C", help="Components by name; several joined by + are one memory."),
]
TAKING_PART = "think_in_memory,sir_llm"

evaluation = typer.Typer(help="Measure how well recall finds what it should.", no_args_is_help=True)
benchmark = typer.Typer(help="Measure how fast it adds, recalls and imports.", no_args_is_help=True)


@evaluation.command()
def locomo(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Conversations in LoCoMo's format.")],
    embedder: options.Embedder = "none",
    components: Annotated[
        str, typer.Option("--components", metavar="A,B", help="The components that remember, by name.")
    ] = "passages",
    report: Report = None,
) -> None:
    """Ask the questions of LoCoMo and count how often their evidence is recalled.

    Each conversation gets a namespace of a temporary database, each turn is an event. For every question with usable
    evidence: recall@5, 10 and 20 of the evidence turns, and the reciprocal rank of the first. No answer is generated.

    \b
    Examples:
      memkit eval locomo locomo.json
      memkit eval locomo locomo.json --embedder sentence-transformers/all-MiniLM-L6-v2 --json result.json
    """
    names = tuple(name.strip() for name in components.split(","))
    module = importlib.import_module(MODULES["locomo"])
    with output.counting("Evaluating") as move:
        result = module.evaluate(file, embedder=options.spec(embedder), components=names, progress=move)
    if written(result, report):
        output.console().print(_table(result))


@evaluation.command()
def grocery(
    components: Contestants = TAKING_PART,
    embedder: options.Embedder = "none",
    seeds: Seeds = 5,
    tokens: Budget = 400,
    report: Report = None,
) -> None:
    """State what to buy, ask twenty other things, ask what it was.

    Dialogues are generated, nothing is downloaded, no language model takes part: a fixed rule answers from the context.
    Beside the components stand verbatim passages, the last turns, a flat file with grep, and the full history.

    \b
    Examples:
      memkit eval grocery
      memkit eval grocery --components sir_llm:surprisal,sir_llm:random --json result.json
    """
    _task("grocery", components, embedder, seeds, tokens, report)


@evaluation.command()
def facts(
    components: Contestants = TAKING_PART,
    embedder: options.Embedder = "none",
    seeds: Seeds = 5,
    tokens: Budget = 400,
    report: Report = None,
) -> None:
    """Facts that change, end, are forgotten, and depend on others.

    Five people talk for months; then it is asked what is so now, what was so then, and what nobody said. Generated and
    answered as in `memkit eval grocery`, with the same contestants beside the components.

    \b
    Examples:
      memkit eval facts
      memkit eval facts --components passages+think_in_memory --seeds 3
    """
    _task("facts", components, embedder, seeds, tokens, report)


@benchmark.command()
def add(report: Report = None) -> None:
    """The cost of one durable add and of a batch.

    Beside the same rows in bare sqlite3, in write-ahead mode.

    \b
    Example:
      memkit bench add --json add.json
    """
    _bench(report, _measures().bench_add())


@benchmark.command()
def recall(embedder: options.Embedder = "none", report: Report = None) -> None:
    """The time of a recall among 1,000 to 100,000 records.

    Beside bare FAISS, flat and HNSW, and SQLite's own full-text search. Takes minutes. Without an embedder the vectors
    are made up.

    \b
    Example:
      memkit bench recall --json recall.json
    """
    _bench(report, _measures().bench_recall(embedder=options.spec(embedder), progress=output.remark))


@benchmark.command("import")
def import_(report: Report = None) -> None:
    """The speed of bringing a large export in, and of opening it.

    With 10,000 and 100,000 events: adding, absorbing with and without vectors, opening, the first recall. Takes minutes.

    \b
    Example:
      memkit bench import --json import.json
    """
    _bench(report, _measures().bench_import(progress=output.remark))


@benchmark.command()
def ppr(
    nodes: Annotated[
        list[int], typer.Option("--nodes", metavar="N", min=100, help="Graphs of so many nodes; may be given again.")
    ] = [10_000, 100_000],  # noqa: B006  typer copies it
    report: Report = None,
) -> None:
    """The time of personalised PageRank, to the exact 20 best.

    On random graphs: even ones, with hubs, and as HippoRAG 2 builds them with a reset on every passage. Beside scipy,
    networkx and, where it is installed, igraph. Takes minutes.

    \b
    Example:
      memkit bench ppr --nodes 10000 --json ppr.json
    """
    _bench(report, _measures().bench_ppr(nodes, progress=output.remark))


def _task(task: str, components: str, embedder: str, seeds: int, tokens: int, report: str | None) -> None:
    names = tuple(name.strip() for name in components.split(","))
    with output.counting("Evaluating") as move:
        result = importlib.import_module(MODULES["tasks"]).evaluate(
            task, components=names, embedder=options.spec(embedder), seeds=seeds, tokens=tokens, progress=move
        )
    if written(result, report):
        output.console().print(_shares(result))
        for sentence in result["verdicts"]:
            output.console().print(sentence)


def _measures() -> ModuleType:
    return importlib.import_module(MODULES["bench"])


def _bench(report: str | None, result: Mapping[str, object]) -> None:
    if written(result, report):
        for path, value in _leaves(result):
            output.console().print(Text.assemble((f"{path}  ", "dim"), f"{value}"))


def written(result: Mapping[str, object], report: str | None) -> bool:
    """Write the result where it was asked for. False when it is on standard output, which then holds nothing else."""
    if report == STDOUT:
        output.emit(result)
        return False
    if report is not None:
        Path(report).write_text(json.dumps(result, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return True


def _table(result: Mapping[str, object]) -> Table:
    """The figures of an evaluation: of all questions, of those that have an answer, and by category."""
    columns = ("questions", "recall@5", "recall@10", "recall@20", "mrr")
    table = Table("", *columns, box=None, header_style="dim")
    rows: list[tuple[str, object]] = [("categories 1-4", result["categories_1-4"])]
    by_category = result["by_category"]
    assert isinstance(by_category, Mapping)
    rows += [(f"category {name}", figures) for name, figures in by_category.items()]
    for name, figures in [*rows, ("all", result)]:
        assert isinstance(figures, Mapping)
        table.add_row(
            name, *(f"{figures[column]:.3f}" if column != "questions" else f"{figures[column]:,}" for column in columns)
        )
    return table


def _shares(result: Mapping[str, Any]) -> Table:
    """The shares of right answers with their intervals: a row for each kind of question, a column for each contestant."""
    rows = result["results"]
    table = Table("", *rows, box=None, header_style="dim")
    for kind in next(iter(rows.values()))["kinds"]:
        shares = [row["kinds"][kind] for row in rows.values()]
        table.add_row(kind, *(f"{one['mean']:.2f} ({one['low']:.2f}–{one['high']:.2f})" for one in shares))
    table.add_row("tokens", *(f"{row['tokens']:,.0f}" for row in rows.values()))
    table.add_row("ms a question", *(f"{row['ms_per_question']:.1f}" for row in rows.values()))
    return table


def _leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Every figure of a nested result with its place, such as "recall / 10000 / p50"."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path} / {name}" if path else str(name))
    elif isinstance(value, list):
        for number, inner in enumerate(value, start=1):
            yield from _leaves(inner, f"{path} / {number}")
    else:
        yield path, f"{value:.4g}" if isinstance(value, float) else value
