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
    measures = (("MuSiQue", "recall@5"), ("HotpotQA", "recall@5"), ("Cranfield", "ndcg@10"))
    found = [
        f"| {name} | {' | '.join(_best(rows, corpus, measure) for corpus, measure in measures)} |"
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
            (
                f"Measured on {machine['date']}, {machine['processor']}, {machine['cores']} cores shared with other work;"
                " [benchmarks/](benchmarks/README.md) has how, and all of it."
            ),
        ]
    )


def _speed(add: dict[str, Any], speed: dict[str, Any], crash: dict[str, Any]) -> list[str]:
    one, many = add["results"]["one"], add["results"]["batch_per_turn"]
    sizes = {size: run["costs"] for size, run in speed["results"]["by_size"].items()}
    users = speed["results"]["one_of_many_users"]["costs"]["dense"]
    near = speed["results"]["by_size"]["100000"]["recall@10"]
    rows = [
        ("one durable add", one["memkit disk"], "bare sqlite3", one["sqlite3 disk"]),
        ("a turn in a batch of 1,000", many["memkit disk"], "bare sqlite3", many["sqlite3 disk"]),
        ("recall by vector, 10,000 records", sizes["10000"]["dense"], "FAISS flat", sizes["10000"]["faiss flat"]),
        ("recall by words, 100,000 records", sizes["100000"]["words"], "FTS5", sizes["100000"]["sqlite fts5"]),
        (
            "recall by words and vector, 100,000 records",
            sizes["100000"]["hybrid"],
            "FAISS flat",
            sizes["100000"]["faiss flat"],
        ),
        ("recall by vector, one of 200 users' namespaces", users, "", None),
    ]
    return [
        "Time of a call in ms, beside what it stands on or replaces, in the same run (FAISS and FTS5 find numbers only; memkit",
        f"returns texts with their lineage and reasons). At 100,000 records {near['dense']:.3f} of the ten nearest are found.",
        "",
        "| | p50 | CPU, best block | beside it | p50 | CPU, best block |",
        "|---|---:|---:|---|---:|---:|",
        *(
            f"| {name} | {mine['p50_ms']:.3f} | {mine['cpu_best_ms']:.3f} | {other} "
            + (f"| {its['p50_ms']:.3f} | {its['cpu_best_ms']:.3f} |" if its else "| | |")
            for name, mine, other, its in rows
        ),
        "",
        *_crashes(crash),
    ]


def _crashes(crash: dict[str, Any]) -> list[str]:
    return [
        (
            f"Killed {crash['kills']} times at random moments, {crash['processes at a time']} processes writing to one file: of "
            f"{crash['adds acknowledged']:,} acknowledged adds and {crash['forgets acknowledged']:,} forgets,"
        ),
        f"{crash['lost or wrong']} lost or wrong (`benchmarks/crash.py`).",
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
        sys.exit(
            0 if new == text else "README.md does not have the numbers of benchmarks/results; run benchmarks/readme.py"
        )
    README.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
