"""ppr of many resets at once, beside power iterations and cuGraph."""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from importlib.util import find_spec

import numpy as np
import torch
from torch import Tensor

from memkit_kernels.bench.cases import Bar, Case, Contest, Kind, absent, lazily
from memkit_kernels.ppr import Graph, ppr
from memkit_kernels.ppr.batched import Run, Update, ppr_torch, transition
from memkit_kernels.ppr.sweeps import sweeps_for

DAMPING, TOLERANCE = 0.5, 1e-5
QUERIES, SEEDS = 64, 5
EDGES = 10  # for each node
NODES: dict[Kind, tuple[int, ...]] = {"cpu": (500, 2000, 8000, 16_000), "cuda": (16_000, 64_000, 256_000, 1_000_000)}
CHECKED = 2  # resets held to float64


def cases(kind: Kind) -> Iterable[Case]:
    """A graph of random edges, the worst for a cache, and 64 resets of 5 seeds. On a CPU arrays of float64, by scipy."""
    for nodes in NODES[kind]:
        dtype = torch.float32 if kind == "cuda" else torch.float64
        yield Case(
            operation="ppr", variant=f"{QUERIES} resets, to {TOLERANCE:.0e}, {str(dtype).removeprefix('torch.')}",
            size={"N": nodes, "E": 2 * EDGES * nodes, "M": QUERIES}, along="N", dtype=dtype,
            prepare=partial(_prepare, nodes, dtype),
            bar=Bar(of="copy bandwidth", least=0.6) if nodes == 1_000_000 else None,
        )  # fmt: skip


def _prepare(nodes: int, dtype: torch.dtype, device: torch.device) -> Contest:
    chance = np.random.default_rng(0)
    graph = Graph.of(*chance.integers(0, nodes, (2, EDGES * nodes)), nodes=nodes)
    array = np.zeros((QUERIES, nodes))
    np.put_along_axis(array, chance.integers(0, nodes, (QUERIES, SEEDS)), 1.0, axis=1)
    resets = torch.from_numpy(array).to(device, dtype)
    given = resets if device.type == "cuda" else array

    def ours() -> object:
        return ppr(graph, given, damping=DAMPING, tolerance=TOLERANCE)

    def check() -> None:
        found, exact = np.asarray(torch.as_tensor(ours()).double().cpu()), ppr(graph, array[:CHECKED], damping=DAMPING)
        far = float(np.abs(found[:CHECKED] - exact).sum(1).max())
        assert far <= 2 * TOLERANCE, f"{far:.1e} from what float64 gives"

    rivals: dict[str, Callable[[], object] | str] = {"torch.sparse, power iteration": _torch_sparse(graph, resets)}
    if device.type == "cuda":
        rivals["cuGraph, one reset after the other"] = _cugraph(graph, array)
        sweeps = _sweeps(graph, resets)
    else:
        rivals["scipy, power iteration"] = _scipy(graph, array)
        sweeps = sweeps_for(TOLERANCE, DAMPING)
    return Contest(
        ours=ours,
        rivals=rivals,
        moved=sweeps * sweep_bytes(nodes, graph.entries, QUERIES, dtype.itemsize),
        flops=sweeps * (2 * graph.entries + 4 * nodes) * QUERIES,
        check=check,
    )


def sweep_bytes(nodes: int, entries: int, resets: int, size: int) -> int:
    """What one sweep moves: entries, the row of x that each gathers, rows' bounds; source, before and the result."""
    return entries * (4 + size + resets * size) + 24 * nodes + 3 * nodes * resets * size


def _sweeps(graph: Graph, resets: Tensor) -> int:
    """How many sweeps the kernel makes for these resets."""
    made, kernel = [], importlib.import_module("memkit_kernels.ppr.kernel")  # triton, which a CPU's cases do not need

    def counting(graph: Graph, like: Tensor) -> Update:
        pieces = kernel.Pieces.of(graph.indptr, graph.indices, transition(graph), like)

        def counted(x: Tensor, source: Tensor, before: Tensor | None, factors: Tensor, out: Tensor) -> None:
            made.append(1)
            kernel.update(pieces, x, source, before, factors, out)

        return counted

    ppr_torch(graph, resets, Run(damping=DAMPING, tolerance=TOLERANCE, backend="triton", strict=True, kernel=counting))
    return len(made)


def _power_steps() -> int:
    """Each shrinks the error, at most 2 at first, by the damping."""
    return math.ceil(math.log(TOLERANCE / 2) / math.log(DAMPING))


def _torch_sparse(graph: Graph, resets: Tensor) -> Callable[[], object]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        walk = torch.sparse_csr_tensor(
            torch.from_numpy(graph.indptr), torch.from_numpy(graph.indices.astype(np.int64)),
            torch.from_numpy(_columns(graph)), (graph.nodes, graph.nodes), check_invariants=False,
        ).to(resets.device, resets.dtype)  # fmt: skip
    begin = (1 - DAMPING) * (resets / resets.sum(1, keepdim=True)).T.contiguous()

    def run() -> Tensor:
        x = begin / (1 - DAMPING)
        for _ in range(_power_steps()):
            x = torch.add(begin, walk @ x, alpha=DAMPING)
        return x.T.contiguous()

    return run


def _scipy(graph: Graph, resets: np.ndarray) -> Callable[[], object] | str:
    if find_spec("scipy") is None:
        return absent("scipy")
    sparse = importlib.import_module("scipy.sparse")
    walk = sparse.csr_array((_columns(graph), graph.indices, graph.indptr), shape=(graph.nodes, graph.nodes))
    begin = (1 - DAMPING) * np.ascontiguousarray((resets / resets.sum(1, keepdims=True)).T)

    def run() -> np.ndarray:
        x = begin / (1 - DAMPING)
        for _ in range(_power_steps()):
            x = begin + DAMPING * (walk @ x)
        return np.ascontiguousarray(x.T)

    return run


def _cugraph(graph: Graph, resets: np.ndarray) -> Callable[[], object] | str:
    if find_spec("cugraph") is None or find_spec("cudf") is None:
        return absent("cugraph", "it comes with RAPIDS")
    return lazily(partial(_walked, graph, resets))


def _walked(graph: Graph, resets: np.ndarray) -> Callable[[], object]:
    """cuGraph's own graph and seeds, made."""
    cugraph, cudf = importlib.import_module("cugraph"), importlib.import_module("cudf")
    rows = np.repeat(np.arange(graph.nodes, dtype=np.int32), np.diff(graph.indptr))
    edges = cudf.DataFrame({"from": rows, "to": graph.indices, "weight": graph.weights.astype(np.float32)})
    walked = cugraph.Graph(directed=True)
    walked.from_cudf_edgelist(edges, source="from", destination="to", edge_attr="weight", store_transposed=True)
    places = [np.flatnonzero(reset) for reset in resets]
    seeds = [
        cudf.DataFrame({"vertex": at.astype(np.int32), "values": reset[at].astype(np.float32)})
        for at, reset in zip(places, resets, strict=True)
    ]
    return lambda: [cugraph.pagerank(walked, alpha=DAMPING, personalization=own, tol=TOLERANCE) for own in seeds]


def _columns(graph: Graph) -> np.ndarray:
    """`[E]`: each entry over the degree of its column, so that a product is a step of all walks."""
    return graph.weights / graph.degrees[graph.indices]
