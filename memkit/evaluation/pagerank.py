"""`memkit bench ppr`: personalised PageRank to the exact 20 best nodes, beside what others do."""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TypedDict

import numpy as np

from memkit.evaluation.machine import Machine, machine
from memkit.evaluation.walkers import OTHERS, Kind, Question, Walker, graph_of, questions_of
from memkit_kernels.ppr import Graph, Top, ppr, ppr_top
from memkit_kernels.ppr.reference import top
from memkit_kernels.reporting import report

K, BLOCK, BATCH = 20, 10, 64
KINDS: tuple[Kind, ...] = ("even", "hubs", "passages")
DAMPINGS = (0.5, 0.85)
NOT_MEASURED = "not measured"
CHECKED_SECONDS = 8.0  # what finding the exact 20 best of a graph's questions may take
BATCHED_AT_MOST = 10_000  # nodes: on a CPU, 64 resets on 100,000 nodes take many seconds
PASSAGES_AT_MOST = 100_000
RESETS = 10_000_000  # numbers in resets that are made beforehand
LIMIT = 20_000  # entries, for the row that shows what is found without proof

Row = dict[str, object]


class PprSettings(TypedDict):
    nodes: list[int]
    queries: int
    seconds: float
    k: int


class PprReport(TypedDict):
    machine: Machine
    settings: PprSettings
    results: dict[str, dict[str, Row]]


def bench_ppr(
    nodes: Sequence[int] = (10_000, 100_000),
    *,
    queries: int = 100,
    seconds: float = 5.0,
    progress: Callable[[str], None] = lambda stage: None,
    each: Callable[[PprReport], None] = lambda so_far: None,
) -> PprReport:
    """The time of one question about graphs of so many nodes: "even", with "hubs", and of "passages" (`walkers.graph_of`).

    `p50_ms` and `p95_ms` are the wall time of a call; `cpu_best_ms` the median CPU time of the best block of ten calls, which
    is what a call costs when nothing else wants the machine; `queries` those that fitted into the seconds of a row.
    `overlap` is the share of the exact 20 best (by `ppr` to 1e-12) that was found, `all_20` the share of questions where all
    were. scipy's row is a power iteration to an L1 step of 1e-10. All rows of a graph share questions and process.
    What needs a library that is not installed, or a GPU, is "not measured". `each` gets what is known after each graph.
    """
    libraries = {name: _installed(name) for name in ("scipy", "igraph", "networkx", "triton")}
    found: PprReport = {
        "machine": {**machine(), **libraries},
        "settings": {"nodes": list(nodes), "queries": queries, "seconds": seconds, "k": K},
        "results": {},
    }
    for count in nodes:
        for kind in KINDS:
            if kind == "passages" and count > PASSAGES_AT_MOST:
                continue
            progress(f"{kind}, {count:,} nodes")
            graph = graph_of(kind, count)
            asked = questions_of(kind, graph, queries)
            for damping in DAMPINGS:
                rows = dict(_rows(graph, asked, damping, seconds))
                found["results"][f"{kind} {count} damping {damping}"] = {"graph": {"entries": graph.entries}, **rows}
            if kind == "even" and count <= BATCHED_AT_MOST:
                found["results"][f"{kind} {count} batches"] = dict(_batched(graph, seconds))
            each(found)
    return found


def _rows(graph: Graph, asked: list[Question], damping: float, seconds: float) -> Iterator[tuple[str, Row]]:
    truth = _exact(graph, asked, damping)

    def near(limit: int | None) -> Walker:
        return lambda one: ppr_top(graph, one.seeds, one.mass, K, damping=damping, among=one.among, limit=limit)

    row, results = _timed(near(None), asked, seconds)
    yield "ppr_top", row | _agreement(results, truth)
    row, results = _timed(near(LIMIT), asked, seconds / 4)
    yield f"ppr_top limit={LIMIT}", row | _agreement(results, truth)
    few = asked[: max(3, RESETS // graph.nodes)]
    for tolerance in (1e-9, 1e-12):
        yield f"ppr {tolerance:.0e}", _timed(_whole(graph, few, damping, tolerance), few, seconds / 4)[0]
    if damping == DAMPINGS[0]:
        for name, prepare in OTHERS.items():
            walk = prepare(graph, damping, K)
            yield name, _timed(walk, asked, seconds / 4)[0] if walk else {"p50_ms": NOT_MEASURED}


def _whole(graph: Graph, asked: list[Question], damping: float, tolerance: float) -> Walker:
    """All scores, of resets that are made beforehand."""
    resets = {id(one): one.reset(graph.nodes) for one in asked}
    return lambda one: ppr(graph, resets[id(one)], damping=damping, tolerance=tolerance)


def _timed(work: Walker, asked: list[Question], seconds: float) -> tuple[Row, list[object]]:
    work(asked[-1])  # warms up
    wall, cpu, results = [], [], []
    started = time.perf_counter()
    for one in asked:
        begin, begin_cpu = time.perf_counter(), time.process_time()
        results.append(work(one))
        wall.append(1e3 * (time.perf_counter() - begin))
        cpu.append(1e3 * (time.process_time() - begin_cpu))
        if time.perf_counter() - started > seconds and len(wall) >= 3:
            break
    blocks = [statistics.median(cpu[at : at + BLOCK]) for at in range(0, len(cpu), BLOCK)]
    row: Row = {
        "p50_ms": round(statistics.median(wall), 3),
        "p95_ms": round(float(np.quantile(wall, 0.95)), 3),
        "cpu_best_ms": round(min(blocks), 3),
        "queries": len(wall),
    }
    return row, results


def _exact(graph: Graph, asked: list[Question], damping: float) -> list[set[int]]:
    """The exact best of as many questions as there is time for, three at least."""
    found: list[set[int]] = []
    started = time.perf_counter()
    for one in asked:
        scores = np.asarray(ppr(graph, one.reset(graph.nodes), damping=damping))
        found.append(set(top(scores if one.among is None else np.where(one.among, scores, 0), K).tolist()))
        if time.perf_counter() - started > CHECKED_SECONDS and len(found) >= 3:
            break
    return found


def _agreement(results: list[object], truth: list[set[int]]) -> Row:
    tops = [result for result in results if isinstance(result, Top)]
    shares = [len(true & set(found.nodes.tolist())) / len(true) for found, true in zip(tops, truth, strict=False)]
    return {
        "overlap": round(statistics.mean(shares), 4),
        "all_20": round(statistics.mean(share == 1 for share in shares), 3),
        "checked": len(shares),
        "certain": round(statistics.mean(found.certain for found in tops), 3),
        "near_the_seeds": round(statistics.mean(found.how == "near the seeds" for found in tops), 3),
        "entries_read": int(statistics.median(found.entries for found in tops)),
    }


def _batched(graph: Graph, seconds: float) -> Iterator[tuple[str, Row]]:
    """64 resets at once, of which a tenth of the nodes are seeds, as HippoRAG 2's passages are."""
    chance = np.random.default_rng(2)
    resets = chance.random((BATCH, graph.nodes)) * (chance.random(graph.nodes) < 0.1)
    with report() as ran:
        ppr(graph, resets[:1])
    yield f"ppr {ran[0].backend} [{BATCH}, N]", _repeated(lambda: ppr(graph, resets), seconds)
    if ran[0].backend != "numpy":
        yield f"ppr numpy [{BATCH}, N]", _repeated(lambda: ppr(graph, resets, backend="numpy"), seconds)
    try:
        torch = importlib.import_module("torch")
    except ModuleNotFoundError:
        return
    tensor = torch.from_numpy(resets)
    yield f"ppr torch cpu [{BATCH}, N]", _repeated(lambda: ppr(graph, tensor, backend="torch"), seconds)
    names = {backend: f"ppr {backend} gpu float32 [{BATCH}, N]" for backend in ("torch", "triton")}
    if not torch.cuda.is_available():
        for name in names.values():
            yield name, {"p50_ms": NOT_MEASURED}
        return
    on_gpu = tensor.float().cuda()
    yield names["torch"], _repeated(lambda: (ppr(graph, on_gpu, backend="torch"), torch.cuda.synchronize()), seconds)
    yield names["triton"], _repeated(lambda: (ppr(graph, on_gpu, backend="triton"), torch.cuda.synchronize()), seconds)


def _repeated(work: Callable[[], object], seconds: float) -> Row:
    """The same four times."""
    nothing = Question(seeds=np.zeros(0, np.int64), mass=np.zeros(0))
    return _timed(lambda _: work(), [nothing] * 4, seconds / 4)[0]


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
