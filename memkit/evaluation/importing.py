"""`memkit bench import`: bringing a large export in, and opening what is there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TypedDict

from memkit.evaluation.machine import Machine, machine
from memkit.evaluation.material import Material, Prepared, gather
from memkit.intake import Given, read_export, to_events, to_line
from memkit.wiring import open_memory


class ImportSettings(TypedDict):
    sizes: list[int]
    material: str
    repeats: int


class ImportReport(TypedDict):
    machine: Machine
    settings: ImportSettings
    results: dict[str, dict[str, float]]


def bench_import(
    sizes: Sequence[int] = (10_000, 100_000),
    *,
    repeats: int = 3,
    data: Path | None = None,
    progress: Callable[[str], None] = lambda stage: None,
) -> ImportReport:
    """How fast an export comes in and is absorbed, and how long the first answer of a memory just opened takes.

    - "add_per_s": events a second, streamed from the lines of an export into the journal.
    - "absorb_words_per_s", "absorb_vectors_per_s": without an embedder, and with one that has every vector at hand; the
      graph of the vectors, where there are enough for one, is made in that time.
    - "graph_s": loading the rows and making that graph again after its file was deleted.
    - "open_ms", "first_words_ms", "first_dense_ms": opening the closed file again, and the first recall of a kind then.
      The file is still in the machine's memory. Medians of `repeats`.
    - "import_ms": what `import memkit` adds to the start of Python.

    Vectors are made up, of 384 dimensions.
    """
    before = machine()
    folder = data or (Path(os.environ["MEMKIT_DATA"]) if os.environ.get("MEMKIT_DATA") else None)
    material = gather(max(sizes), data=folder, embedder=None, cache=None)
    results = {"import": {"import_ms": _import_ms(repeats)}}
    for size in sizes:
        progress(f"{size:,} events")
        with tempfile.TemporaryDirectory(prefix="memkit-bench-") as scratch:
            results[str(size)] = _bring_in(material, size, Path(scratch), repeats)
    return {
        "machine": before,
        "settings": {"sizes": list(sizes), "material": material.origin, "repeats": repeats},
        "results": results,
    }


def _bring_in(material: Material, size: int, folder: Path, repeats: int) -> dict[str, float]:
    lines = list(_export(material, size))
    question, vector = material.questions[0], material.asked[0]
    found: dict[str, float] = {}
    with open_memory(folder / "words.db", durability="process") as memory:
        found["add_per_s"] = size / _timed(lambda: memory.add(read_export(lines)))
        found["absorb_words_per_s"] = size / _timed(memory.sync)
    prepared = Prepared(material)
    with open_memory(folder / "vectors.db", embedder=prepared, durability="process") as memory:
        memory.add(read_export(lines))
        found["absorb_vectors_per_s"] = size / _timed(memory.sync)
    graphs = folder / "vectors.db-indexes"
    if graphs.is_dir():
        shutil.rmtree(graphs)
        with open_memory(folder / "vectors.db", embedder=prepared) as memory:
            found["graph_s"] = _timed(memory.sync)
    opening, words, dense = [], [], []
    for _ in range(repeats):
        opening.append(_timed(lambda: open_memory(folder / "words.db").close()))
        with open_memory(folder / "words.db") as memory:
            words.append(_timed(lambda: memory.recall(question)))
        with open_memory(folder / "vectors.db", embedder=prepared) as memory:
            dense.append(_timed(lambda: memory.recall("", vector=vector)))
    found["open_ms"], found["first_words_ms"], found["first_dense_ms"] = (
        1e3 * median(seconds) for seconds in (opening, words, dense)
    )
    return {name: round(value, 2) for name, value in found.items()}


def _export(material: Material, size: int) -> Iterator[str]:
    now = datetime.now(UTC)
    given = Given(namespace="default", recorded=now)
    yield from map(to_line, to_events(material.turns(size), given))


def _import_ms(repeats: int) -> float:
    """The median of starting Python with it, less that of starting Python."""
    bare, mine = [], []
    for _ in range(5 * repeats):
        bare.append(_timed(lambda: _python("pass")))
        mine.append(_timed(lambda: _python("import memkit")))
    return round(1e3 * (median(mine) - median(bare)), 1)


def _python(code: str) -> None:
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
