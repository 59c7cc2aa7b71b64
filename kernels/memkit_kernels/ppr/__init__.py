"""Personalised PageRank over an undirected weighted graph: for every node, or for the best ones only.

Does not know what a node stands for. The definition is reference.py, the derivation README.md. Works with numpy alone;
scipy is loaded by the first call where it is installed, torch when tensors are given or a backend asks for it, triton
when a GPU does.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal, cast, get_args

import numpy as np
from numpy.typing import ArrayLike

from memkit_kernels.ppr.graph import Floats, Graph, Ints
from memkit_kernels.ppr.product import Blocks, Product
from memkit_kernels.ppr.question import Question, Top
from memkit_kernels.ppr.search import search
from memkit_kernels.ppr.sweeps import finest, ppr_sweeps
from memkit_kernels.reporting import BackendUnavailable, tell

if TYPE_CHECKING:
    from torch import Tensor

    from memkit_kernels.ppr.batched import Update

__all__ = ["MAX_DAMPING", "BackendUnavailable", "Graph", "Runs", "Sweeps", "Top", "ppr", "ppr_top"]

Runs = Literal["auto", "numpy", "scipy", "torch", "triton"]
Sweeps = Literal["auto", "numpy", "scipy"]

MANY = 16  # as many times as many nodes as seeds
MAX_DAMPING = 0.99  # beyond, rounding in float64 comes near the 1e-9 within which scores count as equal


def ppr(
    graph: Graph,
    reset: Floats | Tensor,
    *,
    damping: float = 0.5,
    tolerance: float | None = None,
    backend: Runs = "auto",
    strict: bool = False,
) -> Floats | Tensor:
    """Return π, of the shape of `reset`: the scores of all nodes for each reset, not negative and of sum 1.

    Axes: N nodes, M resets. `reset` is `[N]` or `[M, N]`, not negative, finite, each with a positive sum; it is scaled
    to sum 1. `damping` is the probability of going on, 0 to 0.99; at each step else, and from a node without
    neighbours, a walk begins again at the reset. igraph and networkx call it damping and alpha.

    An array runs in float64, and the result is an array: by scipy's sparse product where scipy is installed, else by
    numpy's, which takes three times as long ("auto"), or by what `backend` says, a CPU's torch too. A tensor (float32,
    or float64) runs where it is, in its dtype: "auto" is triton on a GPU and torch on a CPU (see
    `memkit_kernels.backend`, also for `strict`). No gradient flows.

    `tolerance` is the L1 distance from the true π that is allowed for each reset. None: 1e-12, or for float32 1e-5, or
    the finest that the dtype can keep at this damping if that is more.
    Source: Haveliwala, WWW 2002; HippoRAG (NeurIPS 2024, ICML 2025) with damping 0.5.
    ValueError for any other shape, dtype, device, value or tolerance; BackendUnavailable from the choice of backend.
    """
    if backend not in get_args(Runs):
        raise ValueError(f"backend must be one of {get_args(Runs)}, not {backend!r}")
    _check_damping(damping)
    if isinstance(reset, np.ndarray) and backend in ("auto", "numpy", "scipy"):
        resets = _scaled(graph, reset)
        product, why = _product(graph, backend)
        tell("ppr", product.runs, why or "an array")
        allowed = _tolerance(tolerance, max(1e-12, finest(damping)), finest(damping))
        return ppr_sweeps(graph, product, resets, damping=damping, tolerance=allowed).reshape(reset.shape)
    if backend == "numpy" or backend == "scipy":
        raise ValueError(f"{backend} takes an array, not {type(reset).__name__}")
    from memkit_kernels.ppr.batched import Run, ppr_torch  # torch is optional, and slow to import

    run = Run(damping=damping, tolerance=tolerance, backend=backend, strict=strict, kernel=_kernel_update)
    return cast("Floats | Tensor", ppr_torch(graph, reset, run))


def ppr_top(
    graph: Graph,
    seeds: ArrayLike,
    mass: ArrayLike,
    k: int = 20,
    *,
    damping: float = 0.5,
    among: np.ndarray | None = None,
    limit: int | None = None,
    backend: Sweeps = "auto",
) -> Top:
    """Return the k nodes with the highest scores for one reset, best first, with a bound that is proven.

    `seeds` are nodes and `mass` their reset, as in `ppr`; the same node given twice has the sum, and other nodes have
    none. `among` (bool `[N]`) admits nodes to the list; the walk goes everywhere. k may exceed N.

    - The nodes are the same as the k best of the exact π. Scores within 1e-9 count as equal, and of equal ones the
      lower node comes first. Nodes that score no more than 1e-9 are not listed.
    - Among themselves they are in the order of their scores, each within `bound` of the true one.
    - With a `limit`, about so many entries are read and no more, and where that proves nothing the result is the best
      known, with `certain` false. Without, it is always true.

    Works near the seeds, without touching the rest of the graph, while bounds can decide; else by sweeps over all of it
    (the rule is in search.py, what it did in the result). In float64; the sweeps by scipy's sparse product where it is
    installed, else by numpy's ("auto"), or by what `backend` says. Threads may share a graph.
    Source: Andersen, Chung, Lang, FOCS 2006 (push); Wu, Jin, Zhang, SIGMOD 2014 (bounds from a growing neighbourhood).
    ValueError for bad seeds, masses, k, damping, mask, limit or backend; BackendUnavailable for "scipy" without it.
    """
    if backend not in get_args(Sweeps):
        raise ValueError(f"backend must be one of {get_args(Sweeps)}, not {backend!r}")
    _check_damping(damping)
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    if limit is not None and limit < 0:
        raise ValueError(f"limit must not be negative, not {limit}")
    if among is not None and (among.shape != (graph.nodes,) or among.dtype != np.bool_):
        raise ValueError(f"among must be bool [{graph.nodes}], not {among.dtype} {list(among.shape)}")
    nodes, masses = np.atleast_1d(np.asarray(seeds)), np.atleast_1d(np.asarray(mass, np.float64))
    if nodes.ndim != 1 or nodes.shape != masses.shape:
        raise ValueError(f"seeds and mass must be lists of one length, not {nodes.shape} and {masses.shape}")
    if not len(nodes):
        raise ValueError("the reset has no mass: no seeds")
    if not np.issubdtype(nodes.dtype, np.integer) or nodes.min() < 0 or nodes.max() >= graph.nodes:
        raise ValueError(f"seeds must be nodes, integers from 0 to {graph.nodes - 1}")
    different, parts = _gathered(graph, nodes, _normalised(masses[None])[0])
    question = Question(seeds=different, parts=parts, k=k, damping=damping, among=among, limit=limit)
    product, why = _product(graph, backend)
    found = search(graph, product, question)
    if found.how == "sweeps":
        tell("ppr_top", product.runs, f"sweeps, {why}" if why else "sweeps")
    else:
        tell("ppr_top", "numpy", found.how)
    return found


def _gathered(graph: Graph, nodes: np.ndarray, masses: Floats) -> tuple[Ints, Floats]:
    """The different nodes that have mass, rising, and what each has."""
    if len(nodes) * MANY > graph.nodes:  # sorting them takes longer than looking through all nodes
        reset = np.bincount(nodes, masses, minlength=graph.nodes)
        seeds = np.flatnonzero(reset > 0)
        return seeds, np.asarray(reset[seeds], np.float64)
    different, which = np.unique(nodes, return_inverse=True)
    parts = np.asarray(np.bincount(which, masses), np.float64)
    return different[parts > 0].astype(np.int64), parts[parts > 0]


def _product(graph: Graph, backend: Sweeps) -> tuple[Product, str]:
    """What sweeps of arrays run on, and why if there is more to say than that they are arrays."""
    if backend == "numpy":
        return Blocks.of(graph), "asked for"
    missing = ("scipy is not installed",)
    if missing not in graph.kept:  # looking for what is not there takes a while
        try:
            from memkit_kernels.ppr.compiled import Compiled  # scipy is optional, and slow to import
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "scipy":
                raise
            graph.kept[missing] = True
        else:
            return Compiled.of(graph), "asked for" if backend == "scipy" else ""
    if backend == "scipy":
        raise BackendUnavailable('scipy is not installed; pip install scipy, or pass backend="numpy"')
    return Blocks.of(graph), missing[0]


def _kernel_update(graph: Graph, like: Tensor) -> Update:
    """The kernel's update, for tensors of this dtype and device."""
    from memkit_kernels.ppr.batched import transition
    from memkit_kernels.ppr.kernel import Pieces, update  # triton is optional, and slow to import

    name = ("pieces", like.device, like.dtype)
    pieces = graph.kept.get(name)
    if not isinstance(pieces, Pieces):
        pieces = Pieces.of(graph.indptr, graph.indices, transition(graph), like)
        graph.kept[name] = pieces
    return partial(update, pieces)


def _check_damping(damping: float) -> None:
    if not 0 <= damping <= MAX_DAMPING:
        raise ValueError(f"damping must be 0 to {MAX_DAMPING}, not {damping}")


def _tolerance(asked: float | None, usual: float, least: float) -> float:
    if asked is None:
        return usual
    if not asked >= least:
        raise ValueError(f"tolerance must be at least {least:.1e} at this damping and dtype, not {asked}")
    return asked


def _scaled(graph: Graph, reset: np.ndarray) -> Floats:
    """The resets as `[M, N]` of float64, each of sum 1."""
    if reset.ndim not in (1, 2) or reset.shape[-1] != graph.nodes or not np.issubdtype(reset.dtype, np.number):
        raise ValueError(f"reset must be numbers [N] or [M, N] with N = {graph.nodes}, not {reset.dtype} {reset.shape}")
    return _normalised(np.atleast_2d(reset).astype(np.float64))


def _normalised(masses: Floats) -> Floats:
    if not (np.isfinite(masses).all() and (masses >= 0).all()):
        raise ValueError("the reset must be finite and not negative")
    most = masses.max(axis=1, initial=0.0, keepdims=True)
    if not (most > 0).all():
        raise ValueError("the reset has no mass: each needs a positive sum")
    masses = masses / most  # so that the sum cannot overflow
    scaled: Floats = masses / masses.sum(axis=1, keepdims=True)
    return scaled
