"""sim_topk in plain torch: what the operation means. Also what runs where there is no GPU.

Does not know how to be fused: scores are stored, a block of queries by a block of keys at a time.
Axes: m queries and n keys of a block, D features.
"""

import torch
from torch import Tensor

QUERIES_PER_BLOCK = 256
KEYS_PER_BLOCK = 4096  # 12 MB in float64 at D = 384: what fits a CPU's cache
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
            block.masked_fill_(block.isnan(), -torch.inf)
            if mask is not None:
                block.masked_fill_(~(mask[columns] if mask.ndim == 1 else mask[rows, columns]), -torch.inf)
            # What is found so far comes first: its indices are lower, so position breaks ties as index does.
            scores[rows], place = best(torch.cat((scores[rows], block), 1), k)
            before = indices[rows].gather(1, place.clamp_max(k - 1))
            indices[rows] = torch.where(place < k, before, place - k + start)
    return scores, indices.masked_fill_(scores == -torch.inf, -1)


def similarity(queries: Tensor, keys: Tensor, metric: str) -> Tensor:
    """The scores `[m, n]`, in float32, or float64 where the tensors or the metric need it."""
    # |q|² + |k|² - 2q·k cancels: at |k| = 1e4 |q - k| float32 has no digit left, float64 seven.
    wide = torch.float64 if metric == "l2" or keys.dtype == torch.float64 else torch.float32
    q, k = queries.to(wide), keys.to(wide)
    if metric == "cosine":
        q = q / q.norm(dim=1, keepdim=True).clamp_min(SHORTEST)
    products: Tensor = q @ k.T
    if metric == "cosine":
        products /= k.norm(dim=1).clamp_min(SHORTEST)
    if metric == "l2":
        # einsum, unlike square().sum(), makes no second copy of the keys
        products = 2 * products - torch.einsum("md,md->m", q, q)[:, None] - torch.einsum("nd,nd->n", k, k)
        products.clamp_max_(0.0)
    return products


def best(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k best scores of each row and their columns, best first, of equal ones the leftmost.

    Needs more than k columns and no NaN. Which columns of score -inf are taken is left open.
    """
    # torch.topk leaves open which of equal scores it takes. Where the last place is contested, and only there, the
    # row is sorted, which takes far longer.
    top = scores.topk(k + 1)
    last, next_one = top.values[:, k - 1], top.values[:, k]
    contested = (last == next_one) & (last > -torch.inf)
    columns = top.indices[:, :k]
    columns[contested] = scores[contested].sort(dim=1, descending=True, stable=True).indices[:, :k]
    columns = columns.sort(dim=1).values
    ranked = scores.gather(1, columns).sort(dim=1, descending=True, stable=True)
    return ranked.values, columns.gather(1, ranked.indices)
