"""Compare ways of finding what several passages tell together, and time HippoRAG; writes benchmarks/results/multihop.json.

    python benchmarks/multihop.py [quality speed] --data FOLDER [--cache FOLDER] [--embedder SPEC]

FOLDER holds musique (with openie.json) and hotpotqa; see README.md beside this. Baselines get the same texts and vectors,
and their rows are shown where they win, too. Vectors, but those of questions, are kept in the cache.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from baselines import Bm25, fused, nearest
from numpy.typing import NDArray
from quality import embedded
from tasks import _packaged

import memkit
from memkit.evaluation.cached import Cached
from memkit.evaluation.machine import machine
from memkit.evaluation.multihop import evaluate
from memkit.evaluation.multihop_figures import Outcome, interval, means
from memkit.evaluation.multihop_report import counts, peak_mb
from memkit.evaluation.multihop_sets import read
from memkit.evaluation.multihop_ways import ways
from memkit.evaluation.timing import percentile
from memkit.models.specs import embedder_from
from memkit.ports import Embedder
from memkit.values import Document, Space

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "multihop.json"
BASIS = 1_000  # passages that one is added to
ADDED = 60
TIMES = 5

Rows = dict[str, tuple[dict[str, Any], tuple[Outcome, ...]]]


def quality(data: Path, embedder: Embedder, cache: Path, tell: Callable[[str], None]) -> dict[str, Any]:
    """Every row on every set, and each against the best baseline, question by question."""
    found = {}
    for name in ("musique", "hotpotqa"):
        folder = data / name
        rows = _baselines(folder, embedder, cache)
        for row, (settings, used) in _rows(folder).items():
            tell(f"{name}: {row}")
            measured = evaluate(
                folder, components=ways(**settings), embedder=embedder if used else None, cache=cache if used else None
            )
            rows[row] = ({**measured.report}, measured.outcomes)
        found[name] = _compared(rows)
    return found


def _rows(folder: Path) -> dict[str, tuple[dict[str, Any], bool]]:
    """Settings by the name of the row, and whether there are vectors."""
    rows: dict[str, tuple[dict[str, Any], bool]] = {
        "passages, words": ({"names": "passages"}, False),
        "passages, words and vectors": ({"names": "passages"}, True),
        "hipporag, rules, words": ({"names": "hipporag"}, False),
        "hipporag, rules": ({"names": "hipporag"}, True),
        "hipporag and passages, rules, fused": ({"names": "hipporag,passages"}, True),
        "hipporag 1, rules": ({"names": "hipporag", "version": 1}, True),
    }
    openie = folder / "openie.json"
    if openie.exists():
        read_ = {"names": "hipporag", "openie": str(openie)}
        rows |= {
            "hipporag 2 as published without its filter, OpenIE": (
                {**read_, "published": True, "filter": "none"},
                True,
            ),
            "hipporag 1 as published, OpenIE": ({**read_, "published": True, "filter": "none", "version": 1}, True),
            "hipporag, OpenIE": (read_, True),
            "hipporag, OpenIE, words": (read_, False),
        }
    return rows


def _baselines(folder: Path, embedder: Embedder, cache: Path) -> Rows:
    """BM25, the vectors alone, and both fused, over title and text."""
    hops = read(folder)
    texts = [f"{one.title}\n{one.text}" for one in hops.passages]
    asked = [one.text for one in hops.questions]
    kept = Cached(embedder, cache)
    vectors, questions = embedded(kept, texts, query=False), embedded(embedder, asked, query=True)
    kept.save()
    bm25 = Bm25(texts)
    words = [bm25.rank(question) for question in asked]
    meaning = [nearest(vectors, question) for question in questions]
    both = [fused(*pair) for pair in zip(words, meaning, strict=True)]
    rows: Rows = {}
    for name, rankings in (("BM25", words), ("vectors", meaning), ("BM25 and vectors by RRF", both)):
        outcomes = tuple(Outcome.of(r, q.gold) for r, q in zip(rankings, hops.questions, strict=True))
        figures = {**means(outcomes), "recall@5 interval": interval([one.at_5 for one in outcomes]), "baseline": True}
        rows[name] = (figures, outcomes)
    return rows


def _compared(rows: Rows) -> dict[str, Any]:
    """Each row's figures, with the difference of its recall@5 from the best baseline's and its 95 % interval."""
    best = max(
        (name for name, (told, _) in rows.items() if "baseline" in told), key=lambda name: rows[name][0]["recall@5"]
    )
    its = rows[best][1]
    return {
        "best baseline": best,
        "rows": {
            name: {
                **{key: value for key, value in told.items() if key != "machine"},
                "recall@5 over the best baseline": interval(
                    [one.at_5 - other.at_5 for one, other in zip(outcomes, its, strict=True)]
                ),
            }
            for name, (told, outcomes) in rows.items()
        },
    }


class Absent:
    """The place of a model that is not there: what it makes is in a cache, or it is an error."""

    def __init__(self, space: Space) -> None:
        self.space = space

    async def embed(self, texts: Sequence[str], /, *, query: bool) -> NDArray[np.float32]:
        raise LookupError(f"{len(texts)} texts have no vector in the cache; measure quality first")


def speed(data: Path, embedder: Embedder, cache: Path, tell: Callable[[str], None]) -> dict[str, Any]:
    """Indexing with nothing else in the process, and adding one passage to a thousand."""
    found = {}
    for name in ("index", "add"):
        tell(name)
        given = json.dumps({"data": str(data), "cache": str(cache), "space": asdict(embedder.space)})
        done = subprocess.run(
            [sys.executable, __file__, name], input=given, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"{name} failed:\n{done.stderr}")
        found[name] = json.loads(done.stdout)
    tell("recall")
    return {**found, "recall": recall(data / "musique", embedder, cache)}


def recall(folder: Path, embedder: Embedder, cache: Path) -> dict[str, Any]:
    """Milliseconds of a recall of five passages, without the embedding of the question: each question's best of `TIMES`. Its
    vectors are made beforehand: threads of a model that has just worked keep the processors busy for a while."""
    asked = [one.text for one in read(folder).questions]
    found: dict[str, Any] = {"questions": len(asked), "k": 5}
    for name, openie in (("OpenIE", str(folder / "openie.json")), ("rules", "rules")):
        remembering = Remembering(embedder, Cached(embedder, cache))
        with (
            tempfile.TemporaryDirectory() as place,
            memkit.open(
                Path(place) / "memory.db", components=ways("hipporag", openie=openie), embedder=remembering
            ) as memory,
        ):
            memory.add([Document(title=one.title, text=one.text) for one in read(folder).passages])
            memory.sync()
            for question in asked:
                memory.recall(question, k=5)
            time.sleep(1)
            best = [min(_recalled(memory, question) for _ in range(TIMES)) for question in asked]
        found[name] = {f"{p} ms": round(1e3 * percentile(best, at), 3) for p, at in (("p50", 50), ("p95", 95))}
    return found


class Remembering:
    """Documents from a cache; a question's vectors are made once."""

    def __init__(self, embedder: Embedder, cache: Cached) -> None:
        self._embedder, self._cache = embedder, cache
        self._asked: dict[tuple[str, ...], NDArray[np.float32]] = {}
        self.space = embedder.space

    async def embed(self, texts: Sequence[str], /, *, query: bool) -> NDArray[np.float32]:
        if not query:
            return await self._cache.embed(texts, query=False)
        if (key := tuple(texts)) not in self._asked:
            self._asked[key] = await self._embedder.embed(texts, query=True)
        return self._asked[key]


def _recalled(memory: memkit.Memory, question: str) -> float:
    started = time.perf_counter()
    memory.recall(question, k=5)
    return time.perf_counter() - started


def index(folder: Path, embedder: Embedder) -> dict[str, Any]:
    """Seconds from the first `add` until a recall answers, and megabytes before it and at the peak."""
    hops = read(folder)
    components = ways("hipporag", openie=str(folder / "openie.json"))
    before = peak_mb()
    with (
        tempfile.TemporaryDirectory() as place,
        memkit.open(
            Path(place) / "memory.db", components=components, embedder=embedder, durability="process"
        ) as memory,
    ):
        started = time.perf_counter()
        memory.add([Document(title=one.title, text=one.text) for one in hops.passages])
        memory.sync()
        indexed = time.perf_counter() - started
        memory.recall("", vector=np.ones(embedder.space.dimension, np.float32))
        ready = time.perf_counter() - started
        peak = peak_mb()
        held = counts(memory.graph())
    return {
        "passages": len(hops.passages),
        "seconds": round(indexed, 3),
        "seconds until a recall answered": round(ready, 3),
        "peak_mb": peak,
        "peak_mb before": before,
        "graph": held,
    }


def add(folder: Path, embedder: Embedder) -> dict[str, Any]:
    """Milliseconds of adding one passage to a thousand and recalling then, beside a recall without anything new."""
    passages = [Document(title=one.title, text=one.text) for one in read(folder).passages]
    components = ways("hipporag", openie=str(folder / "openie.json"))
    asked = np.ones(embedder.space.dimension, np.float32)
    times: dict[str, list[float]] = {"add": [], "add until a recall answered": [], "recall": []}
    with (
        tempfile.TemporaryDirectory() as place,
        memkit.open(
            Path(place) / "memory.db", components=components, embedder=embedder, durability="process"
        ) as memory,
    ):
        memory.add(passages[:BASIS])
        memory.sync()
        memory.recall("", vector=asked)
        for passage in passages[BASIS : BASIS + ADDED]:
            started = time.perf_counter()
            memory.add(passage)
            added = time.perf_counter()
            memory.recall("", vector=asked)
            ready = time.perf_counter()
            memory.recall("", vector=asked)
            times["add"].append(added - started)
            times["add until a recall answered"].append(ready - started)
            times["recall"].append(time.perf_counter() - ready)
    told: dict[str, Any] = {
        f"{name}, {p} ms": round(1e3 * percentile(values, percent), 3)
        for name, values in times.items()
        for p, percent in (("p50", 50), ("p95", 95))
    }
    return {"passages before": BASIS, "added": ADDED, **told}


PARTS: Mapping[str, Callable[[Path, Embedder], dict[str, Any]]] = {"index": index, "add": add}


def main() -> None:
    if len(sys.argv) == 2 and sys.argv[1] in PARTS:  # a process of its own: see `speed`
        given = json.loads(sys.stdin.read())
        kept = Cached(Absent(Space(**given["space"])), Path(given["cache"]))
        print(json.dumps(PARTS[sys.argv[1]](Path(given["data"]) / "musique", kept)))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=["quality", "speed", []], help="default: both")
    parser.add_argument("--data", type=Path, default=os.environ.get("MEMKIT_DATA"), help="default: $MEMKIT_DATA")
    parser.add_argument("--embedder", default=None, help="a model or a folder with one (default: all-MiniLM-L6-v2)")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "memkit-vectors")
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    if asked.data is None:
        parser.error("there is no data; name its folder with --data or MEMKIT_DATA")
    embedder = embedder_from(asked.embedder or _packaged())
    result = json.loads(asked.out.read_text(encoding="utf-8")) if asked.out.exists() else {}
    for name in asked.what or ("quality", "speed"):
        part = quality if name == "quality" else speed
        result[name] = part(asked.data, embedder, asked.cache, lambda stage: print(stage, file=sys.stderr, flush=True))
        result["machine"] = machine()
        asked.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
