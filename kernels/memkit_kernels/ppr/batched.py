"""ppr in torch: the sweeps of sweeps.py for many resets at once, on any device, in float32 or float64.

Axes: N nodes, E entries, M resets.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from memkit_kernels.backend import Backend, choose
from memkit_kernels.ppr.graph import Graph
from memkit_kernels.ppr.sweeps import finest, restart, steps_at_most

DTYPES = frozenset({torch.float32, torch.float64})
SINGLE = 1e8  # float32 is that much coarser than float64
LOOK_EVERY = 2  # steps between two looks at the error, each of which waits for the device


Update = Callable[[Tensor, Tensor, Tensor | None, Tensor, Tensor], None]
"""`update(x, source, before, factors, out)`, all `[N, M]` but the factors d and w `[2]`: out = before + w (source + d P x
- before), or without `before` source + d P x. `out` may be `before`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How to run, as asked. `kernel` makes the update that Triton computes, for a graph and tensors like that one."""

    damping: float
    tolerance: float | None
    backend: Backend
    strict: bool
    kernel: Callable[[Graph, Tensor], Update]


@torch.no_grad()
def ppr_torch(graph: Graph, reset: Tensor | np.ndarray, run: Run) -> Tensor | np.ndarray:
    """See `memkit_kernels.ppr.ppr`. An array is taken to the CPU's torch in float64, and its result is an array."""
    if isinstance(reset, np.ndarray):
        if not np.issubdtype(reset.dtype, np.number):
            raise ValueError(f"reset must be numbers, not {reset.dtype}")
        given = torch.from_numpy(np.ascontiguousarray(reset, np.float64))
        return np.asarray(ppr_torch(graph, given, run))
    if not isinstance(reset, Tensor):
        raise ValueError(f"reset must be an array or a tensor, not {type(reset).__name__}")
    if reset.dtype not in DTYPES:
        raise ValueError(f"reset must be float32 or float64, not {reset.dtype}")
    if reset.ndim not in (1, 2) or reset.shape[-1] != graph.nodes:
        raise ValueError(f"reset must be [N] or [M, N] with N = {graph.nodes}, not {list(reset.shape)}")
    allowed = _tolerance(run.tolerance, run.damping, reset.dtype)
    resets = _scaled(reset.reshape(-1, graph.nodes))
    runs = choose("ppr", reset, DTYPES, backend=run.backend, strict=run.strict)
    update = run.kernel(graph, resets) if runs == "triton" else _sparse_update(graph, resets)
    return _solve(graph, resets, update, run.damping, allowed).reshape(reset.shape)


def _solve(graph: Graph, resets: Tensor, update: Update, damping: float, tolerance: float) -> Tensor:
    """π `[M, N]`. Written as sweeps.ppr_sweeps is, whose derivation holds here too."""
    if not resets.numel():
        return resets.clone()
    degrees = torch.as_tensor(graph.degrees, dtype=resets.dtype, device=resets.device)[:, None]
    columns, alone = resets.T.contiguous(), degrees == 0
    scale = torch.as_tensor(restart((columns * alone).sum(0).double().cpu().numpy(), damping)).to(resets)
    source = torch.where(alone, 0, scale * columns / degrees.masked_fill(alone, 1))
    first = _first_look(tolerance, damping)
    factors = _factors(damping).to(resets)
    buffers, after = (torch.empty_like(source), torch.empty_like(source)), torch.empty_like(source)
    before = x = source
    for step, factor in enumerate(factors):
        out = buffers[step % 2]  # which is `before` from the third step on
        if step >= first and (step - first) % LOOK_EVERY == 0:
            update(x, source, None, factor, after)
            change = (degrees * (after - x).abs()).sum(0).max()
            if damping * float(change) <= (1 - damping) * tolerance:
                return torch.where(alone, scale * columns, degrees * after).T.contiguous()
            out.copy_(before + factor[1] * (after - before))
        else:
            update(x, source, before if step else None, factor, out)
        x, before = out, x
    raise ArithmeticError(f"the iteration did not come within {tolerance} of its end; ask for less precision")


def _first_look(tolerance: float, damping: float) -> int:
    """One step after the error's rate would have it there: it starts above the tolerance's unit, and mostly that is enough."""
    return math.ceil(math.log(tolerance) / math.log(damping / (1 + math.sqrt(1 - damping**2)))) + 1 if damping else 0


def _factors(damping: float) -> Tensor:
    """`[steps, 2]`: the damping and Chebyshev's weight of each step."""
    weights = [1.0]
    for step in range(1, steps_at_most(damping)):
        weights.append(1 / (1 - damping**2 / 2) if step == 1 else 1 / (1 - damping**2 * weights[-1] / 4))
    return torch.tensor([(damping, weight) for weight in weights], dtype=torch.float64)


def _scaled(resets: Tensor) -> Tensor:
    if not bool((resets.isfinite() & (resets >= 0)).all()):
        raise ValueError("the reset must be finite and not negative")
    most = resets.amax(1, keepdim=True) if resets.shape[1] else resets.new_zeros(len(resets), 1)
    if not bool((most > 0).all()):
        raise ValueError("the reset has no mass: each needs a positive sum")
    scaled = resets / most
    return scaled / scaled.sum(1, keepdim=True)


def _tolerance(asked: float | None, damping: float, dtype: torch.dtype) -> float:
    coarser = SINGLE if dtype == torch.float32 else 1.0
    least = finest(damping) * coarser
    if asked is None:
        return max(1e-12 if dtype == torch.float64 else 1e-5, least)
    if not asked >= least:
        raise ValueError(f"tolerance must be at least {least:.1e} at this damping in {dtype}, not {asked}")
    return asked


def transition(graph: Graph) -> np.ndarray:
    """`[E]`: the entries of P, in the order of the graph's."""
    return graph.weights / np.repeat(graph.degrees, np.diff(graph.indptr))


def _sparse_update(graph: Graph, resets: Tensor) -> Update:
    """The update by torch's own sparse product."""
    name = ("sparse", resets.device, resets.dtype)
    step = graph.kept.get(name)
    if not isinstance(step, Tensor):
        rows = np.repeat(np.arange(graph.nodes), np.diff(graph.indptr))
        entries = torch.from_numpy(np.stack((rows, graph.indices.astype(np.int64))))
        values = torch.from_numpy(transition(graph)).to(resets.dtype)
        size = (graph.nodes, graph.nodes)
        step = torch.sparse_coo_tensor(entries, values, size, check_invariants=False).to(resets.device).coalesce()
        graph.kept[name] = step
    matrix = step

    def update(x: Tensor, source: Tensor, before: Tensor | None, factors: Tensor, out: Tensor) -> None:
        after = torch.addcmul(source, factors[0], torch.sparse.mm(matrix, x))
        out.copy_(after if before is None else torch.addcmul(before, factors[1], after - before))

    return update
