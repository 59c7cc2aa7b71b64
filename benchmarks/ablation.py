"""What each part of the recall formula is worth on LoCoMo: the same evaluation with one part switched off at a time.

    python benchmarks/ablation.py LOCOMO.json [--embedder SPEC] [--cache FOLDER] [--json OUT]

Parts are switched off by setting the constants of `memkit.components.passages.score` to where they do nothing.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import memkit.components.passages as passages
from memkit.components.passages import ranking, score
from memkit.evaluation.cached import Cached
from memkit.evaluation.locomo import evaluate
from memkit.evaluation.machine import machine
from memkit.models.specs import embedder_from
from memkit.values import Event, Record

Change = tuple[object, str, object]


def undated(row: Callable[[Event, int, int], Record]) -> Callable[[Event, int, int], Record]:
    """Rows without the words of their date."""
    return lambda event, start, end: replace(row(event, start, end), words=None)


EMBEDDED = "question embedded as it was asked"
PARTS: dict[str, list[Change]] = {
    "everything": [],
    "without context (REACH 0)": [(score, "REACH", 0)],
    "without names (OTHER 1)": [(score, "OTHER", 1.0)],
    "without the weight of questions (ASKING 1)": [(passages, "ASKING", 1.0)],
    "without the date among the words": [(passages, "_row", undated(passages._row))],
    EMBEDDED: [(ranking.Names, "in_first_person", lambda self, text: text)],
    "without the floor": [(passages, "FLOOR", 0.0), (passages, "FLOOR_WORDS", 0.0)],
}


@contextmanager
def changed(changes: list[Change]) -> Iterator[None]:
    """The constants set, and set back."""
    before = [(place, name, getattr(place, name)) for place, name, _ in changes]
    for place, name, value in changes:
        setattr(place, name, value)
    try:
        yield
    finally:
        for place, name, value in before:
            setattr(place, name, value)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("locomo", type=Path)
    options.add_argument("--embedder")
    options.add_argument("--cache", type=Path, default=Path(".benchmark-cache"))
    options.add_argument("--json", type=Path)
    given = options.parse_args()
    embedder = Cached(embedder_from(given.embedder), given.cache) if given.embedder else None
    report: dict[str, object] = {"machine": machine(), "words": {}, "words and meaning": {}}
    for kind, used in (("words", None), *([("words and meaning", embedder)] if embedder else [])):
        rows = {}
        for name, changes in PARTS.items():
            if used is None and name == EMBEDDED:
                continue  # there is nothing to embed
            with changed(changes):
                rows[name] = evaluate(given.locomo, embedder=used)["categories_1-4"]
            print(f"{kind:18} {name:45} {rows[name]}", flush=True)
        report[kind] = rows
        if embedder is not None:
            embedder.save()
    if given.json:
        given.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
