"""`memkit eval multihop`: how well it finds the passages that an answer is put together from."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from memkit.commands import measuring, options, output

# Loaded when they are needed: `memkit --help` shall not wait for them.
EVALUATION = "memkit.evaluation.multihop"
WAYS = "memkit.evaluation.multihop_ways"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How it is remembered."""

    components: Annotated[
        str,
        typer.Option("--components", metavar="A,B", help="The components that remember, by name; fused if several."),
    ] = "hipporag"
    openie: Annotated[
        str, typer.Option("--openie", metavar="FILE|rules|llm", help="Where hipporag has names and facts from.")
    ] = "rules"
    version: Annotated[int, typer.Option("--version", metavar="1|2", help="Which HippoRAG.")] = 2
    filter: Annotated[
        str, typer.Option("--filter", metavar="rules|llm|none", help="What leaves out facts that do not help.")
    ] = "rules"
    published: Annotated[
        bool, typer.Option("--published", help="All else as in the papers' code, with its oddities.")
    ] = False
    llm: Annotated[
        str | None,
        typer.Option("--llm", metavar="openai:NAME", help="The chat model, for --openie llm and --filter llm."),
    ] = None

    def made(self, folder: str) -> list[Any]:
        """The components, for the set in the folder."""
        made: list[Any] = importlib.import_module(WAYS).ways(
            self.components,
            folder=folder,
            openie=self.openie,
            version=self.version,
            filter=self.filter,
            published=self.published,
            llm=self.llm is not None,
        )
        return made

    @property
    def told(self) -> dict[str, str]:
        """What was chosen, for the report; of a file its name."""
        return {
            "openie": Path(self.openie).name,
            "version": str(self.version),
            "filter": self.filter,
            "published": str(self.published).lower(),
        }


@options.spread
def multihop(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="A folder with questions.json and corpus.json.")],
    ways: Ways,
    embedder: options.Embedder = "none",
    k: Annotated[int, typer.Option("--hits", "-k", metavar="N", help="Hits asked for; at least 10.")] = 20,
    cache: Annotated[
        str | None, typer.Option("--cache", metavar="FOLDER", help="Keep vectors here, but those of questions.")
    ] = None,
    report: measuring.Report = None,
) -> None:
    """Ask questions that need several passages, and count what is recalled.

    The folder holds a set as HippoRAG's repository has them: MuSiQue, HotpotQA, 2WikiMultihopQA. Every passage is a
    document. recall@2, 5 and 10: the part of a question's supporting passages among the first so many; all-recall@5: the
    share of questions with all of them among the first five. No answer is generated.

    \b
    Examples:
      memkit eval multihop musique --components passages
      memkit eval multihop musique --openie musique/openie.json --embedder sentence-transformers/all-MiniLM-L6-v2
    """
    components = ways.made(folder)
    with output.counting("Evaluating") as move:
        measured = importlib.import_module(EVALUATION).evaluate(
            folder,
            components=components,
            embedder=options.spec(embedder),
            llm=ways.llm,
            cache=None if cache is None else Path(cache),
            k=k,
            options=ways.told if "hipporag" in [one.name for one in components] else {},
            progress=move,
        )
    if measuring.written(measured.report, report):
        output.console().print(_table(measured.report))


def _table(report: Mapping[str, Any]) -> Table:
    """The figures, one a row."""
    table = Table(box=None, show_header=False)
    interval, times, indexing = report["recall@5 interval"], report["ms_per_query"], report["indexing"]
    for name in ("recall@2", "recall@5", "recall@10", "all-recall@5", "mrr"):
        bounds = f"  ({interval['low']:.3f}–{interval['high']:.3f})" if name == "recall@5" else ""
        table.add_row(name, f"{report[name]:.3f}{bounds}")
    for name in ("questions", "passages", "skipped", "missing", "repeated", "blank", "deferred"):
        if report[name] or name in ("questions", "passages"):
            table.add_row(name, f"{report[name]:,}")
    for component, counts in report["graph"].items():
        table.add_row(
            f"graph of {component}", ", ".join(f"{count:,} {name}" for name, count in counts.items()).replace("_", " ")
        )
    table.add_row(
        "ms a question",
        f"{times['p50']:.1f} (p95 {times['p95']:.1f}); with embedding {times['p50 with embedding']:.1f}",
    )
    table.add_row(
        "seconds to index",
        f"{indexing['seconds']:.1f}, of these {indexing['embedding_seconds']:.1f} for {indexing['embedded']:,} vectors, "
        f"{indexing['from_cache']:,} of them kept",
    )
    table.add_row("peak memory", f"{report['peak_mb']:,.0f} MB")
    return table
