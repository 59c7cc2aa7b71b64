"""Time the index on a device beside FAISS comparing all, one question after another. Writes JSON.

    python benchmarks/index.py [--device cpu] [--sizes 1000 10000 100000] [--rounds 20] [--out FILE]

Vectors are normal, of length 1 and 384 dimensions; k is 10. Both have the same vectors in one process and take turns, a block
of questions each. Times are wall times of one question; each answer is checked to be the same rows in the same order.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from statistics import median, quantiles

import numpy as np
import torch
from numpy.typing import NDArray

from memkit.evaluation.machine import machine
from memkit_stores.kernel_index import KernelIndex
from memkit_stores.vectors import Vectors

HERE = Path(__file__).parent
DIMENSION, QUESTIONS, K = 384, 25, 10


def main() -> None:
    given = _arguments()
    chance = np.random.default_rng(0)
    rows = [_measured(_vectors(chance, size), _vectors(chance, QUESTIONS), given) for size in given.sizes]
    told = {"operation": "index", "machine": machine(), "settings": {"device": given.device, "k": K}, "rows": rows}
    given.out.write_text(json.dumps(told, indent=1) + "\n")
    print(json.dumps(rows, indent=1))


def _measured(
    vectors: NDArray[np.float32], questions: NDArray[np.float32], given: argparse.Namespace
) -> dict[str, float]:
    rows = np.arange(len(vectors))
    indexes = {
        "kernel": KernelIndex(DIMENSION, device=torch.device(given.device)),
        "faiss": Vectors(DIMENSION, exact_below=len(vectors) + 1),
    }
    for index in indexes.values():
        index.add(rows, vectors, rows)
    for question in questions:
        found = [index.nearest(question, K)[0] for index in indexes.values()]
        assert np.array_equal(*found), "the indexes disagree"
    times: dict[str, list[float]] = {name: [] for name in indexes}
    for _ in range(given.rounds):
        for name, index in indexes.items():
            for question in questions:
                start = time.perf_counter()
                index.nearest(question, K)
                times[name].append(1e3 * (time.perf_counter() - start))
    told: dict[str, float] = {"vectors": len(vectors)}
    for name, taken in times.items():
        told |= {f"{name}_p50_ms": round(median(taken), 4), f"{name}_p95_ms": round(quantiles(taken, n=20)[-1], 4)}
    return told


def _vectors(chance: np.random.Generator, count: int) -> NDArray[np.float32]:
    drawn = chance.standard_normal((count, DIMENSION), dtype=np.float32)
    vectors: NDArray[np.float32] = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return vectors


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time the index on a device beside FAISS.")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "index.json")
    return parser.parse_args()


if __name__ == "__main__":
    main()
