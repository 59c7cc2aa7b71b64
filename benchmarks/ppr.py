"""Time personalised PageRank to the exact top 20, beside what others do. Writes JSON.

    python benchmarks/ppr.py [--nodes 10000 100000 1000000] [--queries 100] [--seconds 20] [--out FILE]

Graphs have a mean degree of 10 and weights from 0.5 to 1.5: `even`, both ends of an edge drawn evenly, and `hubs`, drawn
by a power law (rank to the -0.7; the largest node of a million has about 47,000 neighbours). A query is five seeds of equal
mass. All rows of a graph share queries, machine and process.

`p50_ms`, `p95_ms` wall time of a call; `cpu_best_ms` the median CPU time of the best block of ten calls, which is what a
call costs when nothing else wants the machine. `queries` those that fitted into the seconds. `overlap` the share of the exact
top 20 (from `ppr` to 1e-12) that was found, `all_20` the share of queries where all were. networkx, scipy and igraph are
measured where they are installed; scipy's is a power iteration to an L1 step of 1e-10. What needs a GPU is "not measured"
without one.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from memkit.evaluation.machine import machine
from memkit_kernels.ppr import Graph, Top, ppr, ppr_top
from memkit_kernels.ppr.reference import top

K, SEEDS, BLOCK, BATCH = 20, 5, 10, 64
NOT_MEASURED = "not measured"
CHECKED_SECONDS = 8.0  # what finding the exact top 20 of a graph's queries may take
NETWORKX_AT_MOST = 100_000
BATCHED_AT_MOST = 10_000  # on a CPU, 64 resets on 100,000 nodes take many seconds
LIMIT = 20_000  # entries, for the row that shows what is found without proof
Row = dict[str, object]


def random_graph(nodes: int, kind: str) -> Graph:
    chance = np.random.default_rng(nodes)
    ends = chance.random((2, 5 * nodes))
    if kind == "hubs":
        likely = np.cumsum(np.arange(1.0, nodes + 1) ** -0.7)
        ends = np.searchsorted(likely, ends * likely[-1]).astype(np.float64) / nodes
    place = chance.permutation(nodes)
    rows, cols = place[np.minimum((ends * nodes).astype(np.int64), nodes - 1)]
    return Graph.of(rows, cols, chance.random(5 * nodes) + 0.5, nodes=nodes)


def timed(work: Callable[[np.ndarray], object], queries: list[np.ndarray], seconds: float) -> tuple[Row, list[object]]:
    work(queries[-1])  # warms up
    wall, cpu, results = [], [], []
    started = time.perf_counter()
    for query in queries:
        begin, begin_cpu = time.perf_counter(), time.process_time()
        results.append(work(query))
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


def reset_of(graph: Graph, seeds: np.ndarray) -> np.ndarray:
    reset = np.zeros(graph.nodes)
    reset[seeds] = 1 / len(seeds)
    return reset


def exact(graph: Graph, queries: list[np.ndarray], damping: float) -> list[set[int]]:
    """The exact top 20 of as many queries as there is time for, three at least."""
    found: list[set[int]] = []
    started = time.perf_counter()
    for seeds in queries:
        found.append(set(top(ppr(graph, reset_of(graph, seeds), damping=damping), K).tolist()))
        if time.perf_counter() - started > CHECKED_SECONDS and len(found) >= 3:
            break
    return found


def agreement(results: list[object], truth: list[set[int]]) -> Row:
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


def scipy_power(graph: Graph, damping: float) -> Callable[[np.ndarray], object] | None:
    try:
        sparse = importlib.import_module("scipy.sparse")
    except ModuleNotFoundError:
        return None
    inverse = np.divide(1, graph.degrees, out=np.zeros(graph.nodes), where=graph.degrees > 0)
    size = (graph.nodes, graph.nodes)
    step = sparse.csr_matrix((graph.weights * inverse[graph.indices], graph.indices, graph.indptr), shape=size)

    def work(seeds: np.ndarray) -> object:
        reset = reset_of(graph, seeds)
        scores, change = reset, 1.0
        while change > 1e-10:
            after = (1 - damping) * reset + damping * (step @ scores)
            scores, change = after, float(np.abs(after - scores).sum())
        return np.argpartition(-scores, K)[:K]

    return work


def igraph_prpack(graph: Graph, damping: float) -> Callable[[np.ndarray], object] | None:
    try:
        igraph = importlib.import_module("igraph")
    except ModuleNotFoundError:
        return None
    rows, cols, weights = edges(graph)
    other = igraph.Graph(n=graph.nodes, edges=np.stack((rows, cols), 1))
    other.es["weight"] = weights
    return lambda seeds: other.personalized_pagerank(
        damping=damping, reset_vertices=seeds.tolist(), weights="weight", directed=False
    )


def networkx_pagerank(graph: Graph, damping: float) -> Callable[[np.ndarray], object] | None:
    if graph.nodes > NETWORKX_AT_MOST:
        return None
    networkx = importlib.import_module("networkx")
    other = networkx.Graph()
    other.add_nodes_from(range(graph.nodes))
    other.add_weighted_edges_from(zip(*(part.tolist() for part in edges(graph)), strict=True))
    return lambda seeds: networkx.pagerank(other, alpha=damping, personalization=dict.fromkeys(seeds.tolist(), 1.0))


def edges(graph: Graph) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = np.repeat(np.arange(graph.nodes), np.diff(graph.indptr))
    once = rows < graph.indices
    return rows[once], graph.indices[once], graph.weights[once]


def measured(graph: Graph, queries: list[np.ndarray], damping: float, seconds: float) -> Iterator[tuple[str, Row]]:
    truth = exact(graph, queries, damping)
    uniform = np.ones(SEEDS)
    row, results = timed(lambda seeds: ppr_top(graph, seeds, uniform, K, damping=damping), queries, seconds)
    yield "ppr_top", row | agreement(results, truth)
    row, results = timed(
        lambda seeds: ppr_top(graph, seeds, uniform, K, damping=damping, limit=LIMIT), queries, seconds
    )
    yield f"ppr_top limit={LIMIT}", row | agreement(results, truth)
    yield "ppr", timed(lambda seeds: ppr(graph, reset_of(graph, seeds), damping=damping), queries, seconds / 4)[0]
    if damping == 0.5:
        for name, prepare in (
            ("scipy power iteration", scipy_power),
            ("igraph prpack", igraph_prpack),
            ("networkx pagerank", networkx_pagerank),
        ):
            work = prepare(graph, damping)
            yield name, timed(work, queries, seconds / 4)[0] if work else {"p50_ms": NOT_MEASURED}


def batched(graph: Graph, seconds: float) -> Iterator[tuple[str, Row]]:
    """64 resets at once, of which a tenth of the nodes are seeds, as HippoRAG 2's passages are."""
    chance = np.random.default_rng(2)
    resets = chance.random((BATCH, graph.nodes)) * (chance.random(graph.nodes) < 0.1)
    one = [resets] * 4
    yield f"ppr numpy [{BATCH}, N]", timed(lambda many: ppr(graph, many), one, seconds / 4)[0]
    try:
        torch = importlib.import_module("torch")
    except ModuleNotFoundError:
        return
    tensor = torch.from_numpy(resets)
    yield f"ppr torch cpu [{BATCH}, N]", timed(lambda _: ppr(graph, tensor, backend="torch"), one, seconds / 4)[0]
    for backend in ("torch", "triton"):
        name = f"ppr {backend} gpu float32 [{BATCH}, N]"
        if not torch.cuda.is_available():
            yield name, {"p50_ms": NOT_MEASURED}
            continue
        on_gpu = tensor.float().cuda()
        yield (
            name,
            timed(lambda _, g=on_gpu, b=backend: (ppr(graph, g, backend=b), torch.cuda.synchronize()), one, 5)[0],
        )


def installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def write(asked: argparse.Namespace, results: list[Row]) -> None:
    also = {name: installed(name) for name in ("scipy", "igraph", "networkx", "triton")}
    about = {name: value for name, value in vars(asked).items() if name != "out"}
    whole = {"operation": "ppr", "asked": about, "machine": machine() | also, "results": results}
    asked.out.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Time personalised PageRank; writes JSON.")
    parser.add_argument("--nodes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=20.0, help="for each row")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "ppr.json")
    asked = parser.parse_args()
    results: list[Row] = []
    for nodes in asked.nodes:
        for kind in ("even", "hubs"):
            graph = random_graph(nodes, kind)
            chance = np.random.default_rng(1)
            linked = np.flatnonzero(graph.degrees)
            queries = [chance.choice(linked, SEEDS, replace=False) for _ in range(asked.queries)]
            of_graph = {"graph": kind, "nodes": nodes, "entries": graph.entries}
            for damping in (0.5, 0.85):
                rows = dict(measured(graph, queries, damping, asked.seconds))
                results.append({**of_graph, "damping": damping, "rows": rows})
            if kind == "even" and nodes <= BATCHED_AT_MOST:
                results.append({**of_graph, "damping": 0.5, "rows": dict(batched(graph, asked.seconds))})
            write(asked, results)  # after each graph: a million nodes take minutes


if __name__ == "__main__":
    main()
