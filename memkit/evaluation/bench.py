"""`memkit bench`: what adding, recalling, importing and PageRank cost, beside the bare libraries underneath, in one run.

Each function makes its own memory in a temporary folder and returns plain values: "machine", "settings" and "results".
"""

from __future__ import annotations

from memkit.evaluation.adding import bench_add
from memkit.evaluation.importing import bench_import
from memkit.evaluation.pagerank import bench_ppr
from memkit.evaluation.recalling import bench_recall

__all__ = ["bench_add", "bench_import", "bench_ppr", "bench_recall"]
