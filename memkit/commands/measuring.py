"""`memkit eval` and `memkit bench`: how well it remembers, and how fast."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from memkit.commands import options, output

# The modules that measure load memkit's whole machinery with them, and `memkit --help` shall not wait for that.
MODULES = {"locomo": "memkit.evaluation.locomo", "bench": "memkit.evaluation.bench"}
STDOUT = "-"

Report = Annotated[
    str | None,
    typer.Option(
        "--json", metavar="[OUT]", help="Write the result as JSON to this file, or print it and nothing else."
    ),
]

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
    if _written(result, report):
        output.console().print(_table(result))


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


def _measures() -> ModuleType:
    return importlib.import_module(MODULES["bench"])


def _bench(report: str | None, result: Mapping[str, object]) -> None:
    if _written(result, report):
        for path, value in _leaves(result):
            output.console().print(Text.assemble((f"{path}  ", "dim"), f"{value}"))


def _written(result: Mapping[str, object], report: str | None) -> bool:
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
