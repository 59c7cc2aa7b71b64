"""Write the README's "Numbers" from benchmarks/results: `python benchmarks/readme.py [--check]`."""

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
BEGIN, END = "<!-- numbers: begin -->", "<!-- numbers: end -->"


def section() -> str:
    """What stands between the marks."""
    locomo, documents, speed = (_read(name) for name in ("locomo", "documents", "recall"))
    add, crash = _read("add"), _read("crash")
    machine = locomo["machine"]
    quality = [
        f"| {name} | {figures['recall@5']:.3f} | {figures['recall@10']:.3f} | {figures['mrr']:.3f} |"
        for name, figures in _conversations(locomo)
    ]
    found = [
        f"| {name} | {_best(rows, 'MuSiQue', 'recall@5')} | {_best(rows, 'HotpotQA', 'recall@5')} | {_best(rows, 'Cranfield', 'ndcg@10')} |"
        for name, rows in _methods(documents["results"]).items()
    ]
    return "\n".join(
        [
            "Evidence found in long conversations (LoCoMo, five conversations, 760 questions of categories 1 to 4; vectors are",
            "all-MiniLM-L6-v2's; no language model anywhere):",
            "",
            "| | recall@5 | recall@10 | MRR |",
            "|---|---:|---:|---:|",
            *quality,
            "",
            "Passages found in documents:",
            "",
            "| | MuSiQue recall@5 | HotpotQA recall@5 | Cranfield nDCG@10 |",
            "|---|---:|---:|---:|",
            *found,
            "",
            *_speed(add, speed, crash),
            f"Measured on {machine['date']}, {machine['processor']}, {machine['cores']} cores shared with other work;"
            " [benchmarks/](benchmarks/README.md) has how, and all of it.",
        ]
    )


def _speed(add: dict[str, Any], speed: dict[str, Any], crash: dict[str, Any]) -> list[str]:
    one = add["results"]["one add"]
    many = add["results"]["1,000 in one call, per turn"]
    cells = speed["results"]
    return [
        "Time of a call, with what it stands on measured in the same run (ms; CPU of the best block, p50 of the wall clock):",
        "",
        "| | memkit, CPU | memkit, p50 | beside it |",
        "|---|---:|---:|---|",
        f"| one durable add | {one['memkit, disk']['cpu_best_ms']:.3f} | {one['memkit, disk']['p50_ms']:.2f} "
        f"| bare sqlite3: {one['sqlite3, disk']['cpu_best_ms']:.3f}, {one['sqlite3, disk']['p50_ms']:.2f} |",
        f"| a turn in a batch of 1,000 | {many['memkit, disk']['cpu_best_ms']:.3f} | | |",
        *(f"| {name} | {row['cpu_best_ms']:.2f} | {row['p50_ms']:.2f} | {beside} |" for name, row, beside in _recalls(cells)),
        "",
        f"Killed {crash['kills']} times at random moments while several processes wrote: {crash['lost']} acknowledged events lost.",
        "",
    ]


def _conversations(locomo: dict[str, Any]) -> list[tuple[str, dict[str, float]]]:
    mine = [(f"**memkit, {name}**", run["categories_1-4"]) for name, run in locomo["memkit"].items()]
    return mine + list(locomo["baselines, categories 1-4"].items())


def _methods(results: dict[str, Any]) -> dict[str, dict[str, Any]]:
    names = next(iter(results.values()))
    return {name: {corpus: rows[name] for corpus, rows in results.items()} for name in names}


def _best(rows: dict[str, Any], corpus: str, measure: str) -> str:
    return f"{rows[corpus][measure]:.3f}"


def _read(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((HERE / "results" / f"{name}.json").read_text(encoding="utf-8"))
    return read


def main() -> None:
    text = README.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    new = f"{before}{BEGIN}\n{section()}\n{END}{rest.split(END)[1]}"
    if "--check" in sys.argv:
        sys.exit(0 if new == text else "README.md does not have the numbers of benchmarks/results; run benchmarks/readme.py")
    README.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
