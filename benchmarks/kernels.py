"""Time the kernels' operations against what one would write without them. Prints JSON.

    python benchmarks/kernels.py [--keys 100000] [--features 384] [--queries 64] [--k 10] [--repeats 20]

It needs memkit installed, or PYTHONPATH=kernels.

All rows of one run share inputs, machine and process. A time is the median of the repeats, in milliseconds.
`bytes_float32` and `flops` are what the operation needs at least: each input read once, each result written once. On a
GPU `of_copy_bandwidth` is the share of the bandwidth that a large copy reached in the same run.
"""

import argparse
import importlib
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

import torch
from torch import Tensor

from memkit_kernels import sim_topk

METRICS = ("ip", "cosine", "l2")
NOT_MEASURED = "not measured"
COPY_BYTES = 2**30  # many times a GPU's L2


def milliseconds(work: Callable[[], object], repeats: int, device: str) -> float:
    """The median time of one call, after one that warms up; on a GPU by its own clock and with a cold L2."""
    if device == "cuda":
        testing = importlib.import_module("triton.testing")  # not there on every CPU
        return float(testing.do_bench(work, return_mode="median"))
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start))
    return round(statistics.median(times), 3)


def matmul_then_topk(queries: Tensor, keys: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The unfused way: all scores in memory, ties as they fall."""
    scores, indices = (queries @ keys.T).topk(k)
    return scores, indices


def faiss_search(queries: Tensor, keys: Tensor, k: int) -> Callable[[], object] | None:
    """A search of faiss's flat index, which is built outside the time; None without faiss."""
    try:
        faiss = importlib.import_module("faiss")
    except ModuleNotFoundError:
        return None
    index = faiss.IndexFlatIP(keys.shape[1])
    index.add(keys.numpy())
    faiss.omp_set_num_threads(torch.get_num_threads())
    return lambda: index.search(queries.numpy(), k)


def on_the_cpu(queries: Tensor, keys: Tensor, k: int, repeats: int) -> dict[str, float | str]:
    flat = faiss_search(queries, keys, k)
    rows: dict[str, float | str] = {
        f"sim_topk torch {metric}": milliseconds(lambda m=metric: sim_topk(queries, keys, k, metric=m), repeats, "cpu")
        for metric in METRICS
    }
    rows["torch matmul+topk ip"] = milliseconds(lambda: matmul_then_topk(queries, keys, k), repeats, "cpu")
    rows["faiss flat ip"] = milliseconds(flat, repeats, "cpu") if flat else NOT_MEASURED
    return rows


def on_the_gpu(queries: Tensor, keys: Tensor, k: int, repeats: int) -> dict[str, float | str]:
    """In bfloat16, as a store on a GPU would keep its keys."""
    names = [f"sim_topk {backend} {metric}" for backend in ("triton", "torch") for metric in METRICS]
    names += ["torch matmul+topk ip", "copy GB/s", "of_copy_bandwidth ip"]
    if not torch.cuda.is_available():
        return dict.fromkeys(names, NOT_MEASURED)
    q, n = queries.cuda().bfloat16(), keys.cuda().bfloat16()
    rows: dict[str, float | str] = {}
    for name in names[:6]:
        _, backend, metric = name.split()
        search = lambda b=backend, m=metric: sim_topk(q, n, k, metric=m, backend=b)  # noqa: E731
        rows[name] = milliseconds(search, repeats, "cuda")
    rows["torch matmul+topk ip"] = milliseconds(lambda: matmul_then_topk(q, n, k), repeats, "cuda")
    source = torch.ones(COPY_BYTES, dtype=torch.int8, device="cuda")
    target = torch.empty_like(source)
    copied = 2 * COPY_BYTES / milliseconds(lambda: target.copy_(source), repeats, "cuda") / 1e6
    searched = (q.nbytes + n.nbytes) / float(rows["sim_topk triton ip"]) / 1e6
    return rows | {"copy GB/s": round(copied), "of_copy_bandwidth ip": round(searched / copied, 3)}


def installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def machine() -> dict[str, object]:
    return {
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        **{name: installed(name) for name in ("torch", "triton", "faiss-cpu")},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Time sim_topk; prints JSON.")
    for name, default in (("keys", 100_000), ("features", 384), ("queries", 64), ("k", 10), ("repeats", 20)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    seed = torch.Generator().manual_seed(0)
    keys = torch.nn.functional.normalize(torch.randn(asked.keys, asked.features, generator=seed))
    results = []
    for m in (1, asked.queries):
        queries = torch.nn.functional.normalize(torch.randn(m, asked.features, generator=seed))
        results.append(
            {
                "queries": m,
                "bytes_float32": queries.nbytes + keys.nbytes + 12 * m * asked.k,
                "flops": 2 * m * keys.numel(),
                "cpu_float32_ms": on_the_cpu(queries, keys, asked.k, asked.repeats),
                "gpu_bfloat16_ms": on_the_gpu(queries, keys, asked.k, asked.repeats),
            }
        )
    print(
        json.dumps({"operation": "sim_topk", "asked": vars(asked), "machine": machine(), "results": results}, indent=2)
    )


if __name__ == "__main__":
    main()
