"""Write the results as Markdown, to be quoted: `python benchmarks/table.py [RESULTS.json …]` (default: all of results/)."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

Cells = dict[str, object]


def rows(value: Mapping[str, Any], place: tuple[str, ...] = ()) -> Iterator[tuple[str, Cells]]:
    """A row for each object that holds plain values, named by where it is."""
    plain = {name: inner for name, inner in value.items() if not isinstance(inner, Mapping | list)}
    if plain:
        yield " / ".join(place) or "all", plain
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            yield from rows(inner, (*place, name))


def tables(result: Mapping[str, Any]) -> Iterator[str]:
    """The rows with the same columns go into one table."""
    found: dict[tuple[str, ...], list[tuple[str, Cells]]] = {}
    for name, cells in rows({name: inner for name, inner in result.items() if name not in ("machine", "settings")}):
        found.setdefault(tuple(cells), []).append((name, cells))
    for columns, lines in found.items():
        head = ["", *columns]
        yield "\n".join(
            [
                f"| {' | '.join(head)} |",
                f"|{'|'.join(['---', *['---:'] * len(columns)])}|",
                *(f"| {' | '.join([name, *map(shown, cells.values())])} |" for name, cells in lines),
            ]
        )


def shown(value: object) -> str:
    """Numbers with as many digits as mean something."""
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3f}" if abs(value) >= 0.1 else f"{value:.4f}"


def main() -> None:
    for file in [Path(name) for name in sys.argv[1:]] or sorted((HERE / "results").glob("*.json")):
        result = json.loads(file.read_text(encoding="utf-8"))
        print(f"## {file.stem}\n")
        for table in tables(result):
            print(f"{table}\n")
        for note in ("settings", "machine"):
            if note in result:
                print(f"{note.capitalize()}: {', '.join(f'{name} {value}' for name, value in result[note].items())}.\n")


if __name__ == "__main__":
    main()
