"""Boundaries of events moved to where the keys between them belong together best, in linear time.

Does not know what a surprise is, nor how the boundaries were found. The definition is reference.py, the derivation
README.md.
"""

from typing import Literal, get_args

import torch
from torch import Tensor

from memkit_kernels.backend import Backend, choose, undisturbed
from memkit_kernels.boundary_refine.reference import boundary_refine_reference, rises

__all__ = ["Metric", "boundary_refine", "boundary_refine_reference"]

Metric = Literal["modularity", "conductance"]

DTYPES = frozenset({torch.float16, torch.bfloat16, torch.float32, torch.float64})
INTEGERS = (torch.int32, torch.int64)


@undisturbed(tensors=2, gradients=False)
def boundary_refine(
    keys: Tensor,
    boundaries: Tensor,
    *,
    metric: Metric = "modularity",
    min_size: int = 1,
    self_loops: bool = True,
    cu_seqlens: Tensor | None = None,
    backend: Backend = "auto",
    strict: bool = False,
) -> Tensor:
    """Return the refined boundaries, int64, in the shape of `boundaries`: as many, rising, none later than it was.

    Axes: T tokens, D features, M boundaries. `keys` is `[T, D]` (float16, bfloat16, float32, float64), not rotated: for
    several layers and heads side by side in D, which the caller reshapes. `boundaries` are integers `[M]`: the first
    token of each event but the first, rising, from 0 to T - 1. T and M may be 0. Any strides. Either

    - B rows of T tokens at once: keys `[B, T, D]`, boundaries `[B, M]`, filled up with negative numbers at the end; or
    - sequences packed one after the other: `cu_seqlens` `[N + 1]`, integers from 0 to T, with keys `[T, D]` and
      boundaries `[M]` (filled up likewise) counted from the first token of all; each belongs to the sequence it is in.

    Places that were filled up hold -1. In each sequence, from the first boundary on: let β be the boundary, α the refined
    one before it (or the sequence's start), h = ⌊(β - α) / 2⌋. The window [α - h, β + h), as far as there are tokens, is a
    graph with an edge A_ij = k_i · k_j between any two tokens, and (`self_loops`) from each to itself. Each t from
    α + `min_size` to β splits it into what is before t and what is not. The boundary becomes the t of highest modularity
    or lowest conductance, of equal ones the first. An event not longer than `min_size` keeps its boundary.

    - Sums are in float64. Where no t has a finite value (a key of the window is NaN or infinite, or, for modularity, the
      keys' sum is 0) the boundary stays. So NaN reaches no further than the windows that it is in. A volume nearer to 0
      than 1e-12 counts as 1e-12.
    - A boundary that is out of order or beyond T, or `cu_seqlens` that do not rise from 0 to T: ValueError on a CPU. On a
      GPU, which this function does not wait for, -1 from that boundary on, or everywhere.

    `backend` and `strict`: see `memkit_kernels.backend`; torch reads the boundaries on the host. Bit-equal from run to
    run. No gradient flows.
    Source: Fountas et al., EM-LLM (ICLR 2025), section 3.2 and Algorithm 1, whose range of t this is (their code leaves out
    β itself, so that a good boundary has to move); without its matrix of all pairs, see README.md.
    ValueError for any other shape, dtype, device, metric or min_size; BackendUnavailable from the choice of backend.
    """
    _check(keys, boundaries, metric, min_size, backend)
    packed = None if cu_seqlens is None else _packed(keys, cu_seqlens)
    rows = (keys, boundaries.long()) if keys.ndim == 3 else (keys[None], boundaries.long()[None])
    if boundaries.device.type == "cpu":
        _check_order(rows[1], keys.shape[-2])
    if choose("boundary_refine", keys, DTYPES, backend=backend, strict=strict) == "torch":
        refine = boundary_refine_reference
    else:
        from memkit_kernels.boundary_refine.kernel import boundary_refine_triton  # triton is optional, slow to import

        refine = boundary_refine_triton
    return refine(*rows, packed, metric, min_size, self_loops).reshape(boundaries.shape)


def _check(keys: Tensor, boundaries: Tensor, metric: str, min_size: object, backend: str) -> None:
    if keys.ndim not in (2, 3) or keys.shape[-1] == 0 or keys.dtype not in DTYPES:
        names = ", ".join(sorted(map(str, DTYPES)))
        raise ValueError(
            f"keys must be [T, D] or [B, T, D] with D of at least 1, of {names}, not {list(keys.shape)} of {keys.dtype}"
        )
    if boundaries.dtype not in INTEGERS or boundaries.ndim != keys.ndim - 1 or boundaries.shape[:-1] != keys.shape[:-2]:
        raise ValueError(
            f"boundaries must be int32 or int64 {[*keys.shape[:-2], 'M']} for keys {list(keys.shape)}, "
            f"not {boundaries.dtype} {list(boundaries.shape)}"
        )
    if boundaries.device != keys.device:
        raise ValueError(f"boundaries must be on {keys.device} as keys are, not on {boundaries.device}")
    if metric not in get_args(Metric):
        raise ValueError(f"metric must be one of {get_args(Metric)}, not {metric!r}")
    if not isinstance(min_size, int) or min_size < 1:
        raise ValueError(f"min_size must be an integer of at least 1, not {min_size!r}")
    if backend not in get_args(Backend):
        raise ValueError(f"backend must be one of {get_args(Backend)}, not {backend!r}")


def _packed(keys: Tensor, cu_seqlens: Tensor) -> Tensor:
    """cu_seqlens in int64, checked as far as may be without waiting for a GPU."""
    if keys.ndim != 2:
        raise ValueError(f"with cu_seqlens, keys must be [T, D], not {list(keys.shape)}")
    if cu_seqlens.dtype not in INTEGERS or cu_seqlens.ndim != 1 or not len(cu_seqlens):
        raise ValueError(f"cu_seqlens must be int32 or int64 [N + 1], not {cu_seqlens.dtype} {list(cu_seqlens.shape)}")
    if cu_seqlens.device != keys.device:
        raise ValueError(f"cu_seqlens must be on {keys.device} as keys are, not on {cu_seqlens.device}")
    wide = cu_seqlens.long().contiguous()
    if wide.device.type == "cpu" and not bool(rises(wide, len(keys))):
        raise ValueError(f"cu_seqlens must rise from 0 to T = {len(keys)}, not {wide.tolist()}")
    return wide


def _check_order(boundaries: Tensor, tokens: int) -> None:
    """On a CPU alone: a GPU would have to be waited for."""
    before = torch.nn.functional.pad(boundaries, (1, 0), value=-1)[:, :-1]
    filled = boundaries < 0
    started = filled.long().cumsum(1) > 0
    wrong = torch.where(started, ~filled, (boundaries <= before) | (boundaries >= tokens))
    if bool(wrong.any()):
        row, place = wrong.nonzero()[0].tolist()
        raise ValueError(
            f"boundaries must rise, from 0 to T - 1 = {tokens - 1}, with negative ones at the end alone; "
            f"{int(boundaries[row, place])} at {place} does not"
        )
