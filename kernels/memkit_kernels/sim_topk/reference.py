"""sim_topk in plain torch: what the operation means. Also what runs where there is no GPU.

Does not know how to be fused: scores are stored, a block of queries by a block of keys at a time.
Axes: m queries and n keys of a block, D features.
"""

import torch
from torch import Tensor

QUERIES_PER_BLOCK = 256
KEYS_PER_BLOCK = 16_384  # with the above 16 MB of float32 scores, near a CPU's last cache
SHORTEST = 1e-30  # a norm below counts as this, so that a zero vector's cosine is 0 and not NaN


def sim_topk_reference(
    queries: Tensor, keys: Tensor, k: int, *, metric: str, bias: Tensor | None, mask: Tensor | None
) -> tuple[Tensor, Tensor]:
    """See `memkit_kernels.sim_topk.sim_topk`; takes its arguments as checked there."""
    dtype = torch.float64 if keys.dtype == torch.float64 else torch.float32
    scores = torch.full((len(queries), k), -torch.inf, dtype=dtype, device=keys.device)
    indices = torch.full((len(queries), k), -1, dtype=torch.int64, device=keys.device)
    for top in range(0, len(queries), QUERIES_PER_BLOCK):
        rows = slice(top, top + QUERIES_PER_BLOCK)
        for start in range(0, len(keys), KEYS_PER_BLOCK):
            columns = slice(start, start + KEYS_PER_BLOCK)
            block = similarity(queries[rows], keys[columns], metric).to(dtype)
            if bias is not None:
                block += bias[columns].to(dtype)
            block = block.masked_fill_(block.isnan(), -torch.inf)
            if mask is not None:
                block = block.masked_fill_(~(mask[columns] if mask.ndim == 1 else mask[rows, columns]), -torch.inf)
            index = torch.arange(start, start + block.shape[1], device=keys.device).expand_as(block)
            # What is found so far comes first: its indices are lower, so position breaks ties as index does.
            scores[rows], indices[rows] = best(
                torch.cat((scores[rows], block), 1), torch.cat((indices[rows], index), 1), k
            )
    return scores, indices


def similarity(queries: Tensor, keys: Tensor, metric: str) -> Tensor:
    """The scores `[m, n]`, in float32, or float64 where the tensors or the metric need it."""
    # |q|² + |k|² - 2q·k cancels: at |k| = 1e4 |q - k| float32 has no digit left, float64 seven.
    wide = torch.float64 if metric == "l2" or keys.dtype == torch.float64 else torch.float32
    q, k = queries.to(wide), keys.to(wide)
    products = q @ k.T
    if metric == "ip":
        return products
    if metric == "cosine":
        return products / q.norm(dim=1).clamp_min(SHORTEST)[:, None] / k.norm(dim=1).clamp_min(SHORTEST)
    return (2 * products - q.square().sum(1)[:, None] - k.square().sum(1)).clamp_max(0.0)


def best(scores: Tensor, indices: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k best columns of each row, best first, of equal scores the leftmost. Needs k columns and no NaN.

    torch.topk leaves open which of equal scores it takes, and a stable sort of whole rows is 10 times slower.
    """
    kth = scores.topk(k, sorted=False).values.amin(1, keepdim=True)
    above, level = scores > kth, scores == kth
    room = k - above.sum(1, keepdim=True)
    chosen = above | (level & (level.cumsum(1) <= room))
    columns = chosen.nonzero()[:, 1].view(-1, k)
    ranked = scores.gather(1, columns).sort(dim=1, descending=True, stable=True)
    return ranked.values, indices.gather(1, columns).gather(1, ranked.indices)
