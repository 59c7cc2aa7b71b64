"""Time personalised PageRank to the exact top 20, beside what others do. Writes JSON after each graph.

    python benchmarks/ppr.py [--nodes 10000 100000 1000000] [--queries 100] [--seconds 20] [--out FILE]

The same as `memkit bench ppr`, for longer; `memkit.evaluation.pagerank` says what the figures are.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from memkit.evaluation.pagerank import bench_ppr


def main() -> None:
    parser = argparse.ArgumentParser(description="Time personalised PageRank; writes JSON.")
    parser.add_argument("--nodes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=20.0, help="for each row, about")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "ppr.json")
    asked = parser.parse_args()

    def write(so_far: Mapping[str, object]) -> None:
        asked.out.write_text(json.dumps({"operation": "ppr", **so_far}, indent=2) + "\n", encoding="utf-8")

    bench_ppr(
        asked.nodes,
        queries=asked.queries,
        seconds=asked.seconds,
        progress=lambda stage: print(stage, file=sys.stderr),
        each=write,
    )


if __name__ == "__main__":
    main()
