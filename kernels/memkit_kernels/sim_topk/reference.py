"""sim_topk in plain torch: what the operation means. Also what runs where there is no GPU.

Does not know how to be fused: scores are stored, a block of queries by a block of keys at a time.
Axes: m queries and n keys of a block, D features, k results, t groups of keys.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from memkit_kernels.sim_topk.int8 import Int8Keys
from memkit_kernels.sim_topk.masks import allowed, allowed_at

QUERIES_PER_BLOCK = 256
KEYS_PER_BLOCK = 8192  # 12 MB in float32 at D = 384, which stay in a cache while they are converted or measured
SCORES_PER_BLOCK = 1 << 20  # 4 MB; larger blocks mean fewer, which counts where one product takes little time
SHORTEST = 1e-30  # a norm below is that of a zero vector, whose cosine is 0 and not NaN

COARSE_GROUP = 32  # a coarse search keeps or drops this many consecutive keys together
COARSE_FACTOR = 4  # groups kept for each result


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A search as `memkit_kernels.sim_topk.sim_topk` has checked it: everything but the queries and k."""

    keys: Tensor
    metric: str
    bias: Tensor | None = None
    mask: Tensor | None = None
    cu_seqlens: Tensor | None = None
    within: Tensor | None = None
    coarse: Int8Keys | None = None


def sim_topk_reference(queries: Tensor, k: int, search: Search) -> tuple[Tensor, Tensor]:
    """See `memkit_kernels.sim_topk.sim_topk`."""
    find = _through if search.coarse is None else _coarsely
    if search.within is None and 0 < len(queries) <= QUERIES_PER_BLOCK and len(search.keys) > 0:
        # One block: to gather it and to spread its results would take longer than to search a small store.
        rows = torch.arange(len(queries), device=queries.device)
        scores, indices = find(queries, rows, k, search, 0, len(search.keys))
        return scores, indices.masked_fill_(scores == -torch.inf, -1)
    dtype = torch.float64 if queries.dtype == torch.float64 else torch.float32
    scores = torch.full((len(queries), k), -torch.inf, dtype=dtype, device=queries.device)
    indices = torch.full((len(queries), k), -1, dtype=torch.int64, device=queries.device)
    for rows, start, stop in _runs(len(queries), search):  # none is empty
        for some in rows.split(QUERIES_PER_BLOCK):
            scores[some], indices[some] = find(queries[some], some, k, search, start, stop)
    return scores, indices.masked_fill_(scores == -torch.inf, -1)


def _runs(m: int, search: Search) -> Iterator[tuple[Tensor, int, int]]:
    """Queries that search one range of keys, and the range. Empty ranges are left out."""
    device, n = search.keys.device, len(search.keys)
    if search.cu_seqlens is None or search.within is None:
        if m > 0 and n > 0:
            yield torch.arange(m, device=device), 0, n
        return
    bounds = search.cu_seqlens.clamp(0, n).tolist()
    order = search.within.argsort(stable=True)
    spaces, sizes = search.within[order].unique_consecutive(return_counts=True)
    for space, rows in zip(spaces.tolist(), order.split(sizes.tolist()), strict=True):
        if 0 <= space < len(bounds) - 1 and bounds[space] < bounds[space + 1]:
            yield rows, bounds[space], bounds[space + 1]


def _through(queries: Tensor, rows: Tensor, k: int, search: Search, start: int, stop: int) -> tuple[Tensor, Tensor]:
    """The k best of the keys `start` to `stop`, all of them scored."""
    wide = torch.float64 if queries.dtype == torch.float64 else torch.float32
    scores = torch.full((len(queries), k), -torch.inf, dtype=wide, device=queries.device)
    indices = torch.full((len(queries), k), -1, dtype=torch.int64, device=queries.device)
    size = _block(len(queries), search)
    for at in range(start, stop, size):
        end = min(at + size, stop)
        block = similarity(queries, search.keys[at:end], search.metric).to(wide)
        _admit(block, *_extras(rows, search, at, end))
        if at == start:
            found, columns = best(block, min(k, end - at))
            scores[:, : found.shape[1]], indices[:, : found.shape[1]] = found, columns + at
            continue
        better = (block.amax(1) > scores[:, -1]).nonzero().flatten()  # of equal scores the earlier stays
        if len(better) == 0:
            continue
        found, columns = best(block if len(better) == len(block) else block[better], min(k, end - at))
        # What was found before comes first: its indices are lower, so position breaks ties as index does.
        ranked = torch.cat((scores[better], found), 1).sort(dim=1, descending=True, stable=True)
        scores[better] = ranked.values[:, :k]
        indices[better] = torch.cat((indices[better], columns + at), 1).gather(1, ranked.indices[:, :k])
    return scores, indices


def _block(m: int, search: Search) -> int:
    """How many keys m queries are compared with at once."""
    if search.metric == "l2":
        return KEYS_PER_BLOCK // 4  # float64
    if search.metric == "ip" and search.keys.dtype in (torch.float32, torch.float64):
        return max(KEYS_PER_BLOCK, SCORES_PER_BLOCK // m)  # keys are read once and copied nowhere
    return KEYS_PER_BLOCK


def _coarsely(queries: Tensor, rows: Tensor, k: int, search: Search, start: int, stop: int) -> tuple[Tensor, Tensor]:
    """The k best of the keys in the groups that look best by their eight-bit keys."""
    found = [
        _measured(query[None], row, columns[(columns >= start) & (columns < stop)], k, search)
        for query, row, columns in zip(
            queries, rows.tolist(), _best_groups(queries, rows, k, search, start, stop), strict=True
        )
    ]
    return torch.cat([scores for scores, _ in found]), torch.cat([indices for _, indices in found])


def _measured(query: Tensor, row: int, columns: Tensor, k: int, search: Search) -> tuple[Tensor, Tensor]:
    """One query's k best among some keys, in ascending order, as `[1, k]`."""
    wide = torch.float64 if query.dtype == torch.float64 else torch.float32
    scores = similarity(query, search.keys[columns], search.metric).to(wide)
    _admit(
        scores,
        None if search.bias is None else search.bias[columns],
        None if search.mask is None else allowed_at(search.mask, row, columns),
    )
    ranked, place = best(scores, min(k, len(columns)))
    short = (0, k - len(place[0]))
    return torch.nn.functional.pad(ranked, short, value=-torch.inf), torch.nn.functional.pad(columns[place], short)


def _best_groups(
    queries: Tensor, rows: Tensor, k: int, search: Search, start: int, stop: int
) -> Iterator[Tensor]:  # fmt: skip
    """For each query the keys, ascending, of the groups with the best coarse scores."""
    assert search.coarse is not None
    maxima = []
    for at in range(start // COARSE_GROUP * COARSE_GROUP, stop, KEYS_PER_BLOCK):
        begin, end = max(at, start), min(at + KEYS_PER_BLOCK, stop)
        block = coarse_similarity(queries, search.coarse, begin, end, search.metric)
        _admit(block, *_extras(rows, search, begin, end))
        padded = torch.nn.functional.pad(block, (begin - at, -(end - at) % COARSE_GROUP), value=-torch.inf)
        maxima.append(padded.unflatten(1, (-1, COARSE_GROUP)).amax(2))
    table = torch.cat(maxima, 1)
    scores, groups = best(table, min(COARSE_FACTOR * k, table.shape[1]))
    members = torch.arange(COARSE_GROUP, device=table.device)
    for score, group in zip(scores, groups, strict=True):
        chosen = group[score > -torch.inf].sort().values + start // COARSE_GROUP
        yield (chosen[:, None] * COARSE_GROUP + members).flatten()


def _extras(rows: Tensor, search: Search, start: int, stop: int) -> tuple[Tensor | None, Tensor | None]:
    """The bias of the keys `start` to `stop`, and whether they may be found."""
    bias = None if search.bias is None else search.bias[start:stop]
    return bias, None if search.mask is None else allowed(search.mask, rows, start, stop)


def _admit(scores: Tensor, bias: Tensor | None, mask: Tensor | None) -> None:
    """Add the bias, and give -inf to what may not be found."""
    if bias is not None:
        scores += bias.to(scores.dtype)
    scores.nan_to_num_(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
    if mask is not None:
        scores.masked_fill_(~mask, -torch.inf)


def similarity(queries: Tensor, keys: Tensor, metric: str) -> Tensor:
    """The scores `[m, n]`, in float32, or float64 where the tensors or the metric need it."""
    # |q|² + |k|² - 2q·k cancels: at |k| = 1e4 |q - k| float32 has no digit left, float64 seven.
    wide = torch.float64 if metric == "l2" or keys.dtype == torch.float64 else torch.float32
    q, k = queries.to(wide), keys.to(wide)
    if metric == "cosine":
        q = q / divisors(torch.linalg.vector_norm(q, dim=1, keepdim=True))
    products: Tensor = q @ k.T
    if metric == "cosine":
        products /= divisors(torch.linalg.vector_norm(k, dim=1))
    if metric == "l2":
        # einsum, unlike square().sum(), makes no second copy of the keys
        products = 2 * products - torch.einsum("md,md->m", q, q)[:, None] - torch.einsum("nd,nd->n", k, k)
        products.clamp_max_(0.0)
    return products


def divisors(norms: Tensor) -> Tensor:
    """What a cosine is divided by: infinity for a zero vector, which gives 0, and NaN for one whose squares overflow."""
    return norms.masked_fill(norms.isinf(), torch.nan).masked_fill(norms < SHORTEST, torch.inf)


def coarse_similarity(queries: Tensor, coarse: Int8Keys, start: int, stop: int, metric: str) -> Tensor:
    """What the scores `[m, n]` of the keys `start` to `stop` look like from eight bits, in float32.

    "l2" without -|q|², which changes no order. A query that is not finite has no score.
    """
    q = queries.float()
    q = torch.where(q.isfinite().all(1, keepdim=True), q, torch.nan)
    products: Tensor = q @ coarse.values[start:stop].float().T
    products *= coarse.steps[start:stop]
    if metric == "cosine":
        products /= divisors(torch.linalg.vector_norm(q, dim=1, keepdim=True))
        products /= divisors(coarse.norms[start:stop])
    if metric == "l2":
        products = 2 * products - coarse.norms[start:stop].square()
    return products


def best(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k best scores of each row and their columns, best first, of equal ones the leftmost.

    Needs at least k columns and no NaN. Which columns of score -inf are taken is left open.
    """
    if k == scores.shape[1]:
        return scores.sort(dim=1, descending=True, stable=True)
    # torch.topk leaves open which of equal scores it takes, and in which order. Where the last place is contested, and
    # only there, the row is sorted, which takes far longer.
    top = scores.topk(k + 1)
    if not (top.values[:, 1:] == top.values[:, :-1]).any():
        return top.values[:, :k], top.indices[:, :k]
    last, next_one = top.values[:, k - 1], top.values[:, k]
    contested = (last == next_one) & (last > -torch.inf)
    columns = top.indices[:, :k]
    columns[contested] = scores[contested].sort(dim=1, descending=True, stable=True).indices[:, :k]
    columns = columns.sort(dim=1).values
    ranked = scores.gather(1, columns).sort(dim=1, descending=True, stable=True)
    return ranked.values, columns.gather(1, ranked.indices)
