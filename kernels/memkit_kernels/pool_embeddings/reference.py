"""pool_embeddings in plain torch: what the operation means. Also what runs where there is no GPU.

Reads the sequences' bounds, so that on a GPU it waits for the device. Axes: T tokens, N sequences, D features.
"""

from itertools import groupby, pairwise

import torch
from torch import Tensor

from memkit_kernels.sim_topk.int8 import LEVELS, Int8Keys

SHORTEST = (
    1e-12  # a vector's length below counts as this, so that a zero vector stays zero; sentence-transformers' value
)
LEAST = torch.finfo(torch.float32).tiny


def pool_embeddings_reference(
    hidden: Tensor, cu_seqlens: Tensor, *, mode: str, normalise: bool, dtype: torch.dtype
) -> Tensor | Int8Keys:
    """See `memkit_kernels.pool_embeddings.pool_embeddings`; takes its arguments as checked there."""
    wide = torch.float64 if hidden.dtype == torch.float64 else torch.float32
    lengths = [stop - start for start, stop in pairwise(cu_seqlens.tolist())]
    vectors = torch.zeros((len(lengths), hidden.shape[1]), dtype=wide, device=hidden.device)
    row = token = 0
    for length, alike in groupby(lengths):  # neighbours of equal length make one tensor
        count = len(list(alike))
        if length > 0:
            sequences = hidden[token : token + count * length].unflatten(0, (count, length))
            vectors[row : row + count] = pooled(sequences, mode, wide)
        row, token = row + count, token + count * length
    if normalise:
        sizes = vectors.norm(dim=1, keepdim=True).clamp_min(SHORTEST)
        vectors /= sizes.masked_fill_(sizes == torch.inf, torch.nan)  # what overflows has no direction, and is not 0
    return quantised(vectors) if dtype == torch.int8 else vectors.to(dtype)


def pooled(sequences: Tensor, mode: str, wide: torch.dtype) -> Tensor:
    """`[n, L, D]` to `[n, D]`."""
    if mode == "mean":
        return sequences.to(wide).mean(1)
    if mode == "max":
        return sequences.to(wide).amax(1)
    return sequences[:, 0 if mode == "cls" else -1].to(wide)


def quantised(vectors: Tensor) -> Int8Keys:
    """See `memkit_kernels.sim_topk.int8`. A vector that is not finite has values of 0, and its step and norm are NaN."""
    largest = vectors.abs().amax(1)
    finite = largest.isfinite()
    values = (vectors / largest.clamp_min(LEAST)[:, None] * LEVELS).round()
    return Int8Keys(
        values=torch.where(finite[:, None], values, 0.0).to(torch.int8),
        steps=torch.where(finite, largest / LEVELS, torch.nan).to(torch.float32),
        norms=torch.where(finite, vectors.norm(dim=1), torch.nan).to(torch.float32),
    )
