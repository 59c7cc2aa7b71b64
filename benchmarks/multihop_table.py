"""Write the figures in docs/components/hipporag.md from benchmarks/results: `python benchmarks/multihop_table.py [--check]`."""

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "components" / "hipporag.md"
BEGIN, END = "<!-- multihop: begin -->", "<!-- multihop: end -->"
SETS = {"musique": "MuSiQue", "hotpotqa": "HotpotQA"}


def section(result: dict[str, Any]) -> str:
    """What stands between the marks."""
    found = {name: result["quality"][name]["rows"] for name in SETS}
    names = dict.fromkeys(name for rows in found.values() for name in rows)
    machine = result["machine"]
    return "\n".join(
        [
            f"| recall@2 / @5 / @10, recall@5's 95 % interval | {' | '.join(SETS.values())} |",
            f"|---|{'---|' * len(SETS)}",
            *(f"| {name} | {' | '.join(_figures(found[one].get(name)) for one in SETS)} |" for name in names),
            "",
            *_speed(result["speed"]),
            "",
            f"Measured on {machine['date']}, {machine['processor']}, {machine['cores']} cores; `benchmarks/multihop.py`.",
        ]
    )


def _figures(row: dict[str, Any] | None) -> str:
    if row is None:
        return "–"
    low, high = (row["recall@5 interval"][end] for end in ("low", "high"))
    figures = " / ".join(f"{row[name]:.3f}" for name in ("recall@2", "recall@5", "recall@10"))
    return f"{figures} ({low:.2f}–{high:.2f})"


def _speed(speed: dict[str, Any]) -> list[str]:
    index, add, times = speed["index"], speed["add"], speed["recall"]
    ready, alone = add["add until a recall answered, p50 ms"], add["recall, p50 ms"]
    return [
        f"Indexing {index['passages']:,} passages from cached OpenIE with vectors at hand: {index['seconds']:.1f} s, and",
        f"{index['seconds until a recall answered']:.1f} s until a recall has answered; {index['peak_mb']:.0f} MB at the peak.",
        f"One more passage in {add['passages before']:,}: {ready:.0f} ms until a recall that needs it has answered, of which",
        f"a recall by itself is {alone:.1f} ms (medians). A recall of MuSiQue's questions, embedding excluded:",
        f"{times['OpenIE']['p50 ms']:.1f} ms with OpenIE, {times['rules']['p50 ms']:.1f} ms by rules (medians over questions).",
    ]


def main() -> None:
    """Renew the page; with --check, fail if that changes it."""
    text = PAGE.read_text(encoding="utf-8")
    result = json.loads((HERE / "results" / "multihop.json").read_text(encoding="utf-8"))
    head, tail = text.split(BEGIN)[0], text.split(END)[1]
    renewed = f"{head}{BEGIN}\n{section(result)}\n{END}{tail}"
    if "--check" in sys.argv[1:]:
        sys.exit("docs/components/hipporag.md is out of date" if renewed != text else 0)
    PAGE.write_text(renewed, encoding="utf-8")


if __name__ == "__main__":
    main()
