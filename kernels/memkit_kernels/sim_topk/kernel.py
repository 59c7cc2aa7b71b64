"""sim_topk in Triton: the best score of each group of keys, then the best groups, then their keys. See README.md.

Axes: M queries, N keys, D features, T groups of keys, K list length (k rounded up to a power of two).
"""

from dataclasses import dataclass, replace

import torch
import triton
from torch import Tensor

from memkit_kernels.sim_topk.checks import KERNEL_DTYPES
from memkit_kernels.sim_topk.int8 import quantise
from memkit_kernels.sim_topk.masks import BITS
from memkit_kernels.sim_topk.maxima.kernel import UNIT, scan
from memkit_kernels.sim_topk.ranges import Slots, ranges_of, slots_of
from memkit_kernels.sim_topk.reference import COARSE_FACTOR, COARSE_GROUP, Search
from memkit_kernels.sim_topk.selection.kernel import choose, finish, measure, narrow

GROUP = 64  # keys; smaller means more maxima, larger more keys that are measured again
CHUNK = 1024  # groups or candidates that are sorted at once
TILE = 8192  # numbers of a group's keys that are measured at once
FUSED = True  # multiply and add round once; said because Triton 3.10 changes the default
WAVES = 4  # programs a multiprocessor that choose groups
BLOCK_BYTES = 1 << 28  # of maxima, and of candidates: queries that need more go one block after the other
TINY = 1e-30


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ranges:
    """Each query's keys, or None: all."""

    starts: Tensor | None = None
    ends: Tensor | None = None
    slots: Slots | None = None


def sim_topk_triton(
    queries: Tensor, k: int, search: Search, *, programs: int | None = None, config: triton.Config | None = None
) -> tuple[Tensor, Tensor]:
    """See `memkit_kernels.sim_topk.sim_topk`.

    `programs`: how many share the pass over the keys; no result depends on it. None fills the device.
    `config`: the pass's tile. None is the fastest that `tuned` found.
    """
    m = len(queries)
    scores = torch.empty((m, k), dtype=torch.float32, device=queries.device)
    indices = torch.empty((m, k), dtype=torch.int64, device=queries.device)
    size = max(1, BLOCK_BYTES // _bytes_a_query(k, search))
    for top in range(0, m, size):  # an empty grid cannot be launched
        rows = slice(top, top + size)
        part = search
        if search.mask is not None and search.mask.ndim == 2:
            part = replace(part, mask=search.mask[rows])
        if search.within is not None:
            part = replace(part, within=search.within[rows])
        with torch.cuda.device_of(queries):
            _search(queries[rows], k, part, scores[rows], indices[rows], programs, config)
    return scores, indices


def warm(device: torch.device, dtype: torch.dtype) -> None:
    """Compile and tune for keys of 384 features of one dtype: each metric, few and many queries, whole and coarse."""
    if dtype not in KERNEL_DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(sorted(map(str, KERNEL_DTYPES)))}, not {dtype}")
    count = 1 << 20 if device.type == "cuda" else 256  # the first search tunes, so it is of a usual size
    keys = torch.randn((count, 384), generator=torch.Generator(device).manual_seed(0), device=device).to(dtype)
    for coarse in (None, quantise(keys)):
        for metric in ("ip", "cosine", "l2"):
            for m in (1, 32, 64):
                sim_topk_triton(keys[:m], 10, Search(keys=keys, metric=metric, coarse=coarse))


def _search(
    queries: Tensor, k: int, search: Search, scores: Tensor, indices: Tensor,
    programs: int | None, config: triton.Config | None,
) -> None:  # fmt: skip
    """One block of queries; writes to `scores` and `indices`."""
    keys, m, group = search.keys, len(queries), _group(search)
    groups = triton.cdiv(len(keys), group)
    wanted = _wanted(k, search)
    ranges = _ranges(search, m, _queries_of_a_tile(m, search))
    chosen = None
    if groups > wanted:  # else every group is measured
        chosen = _chosen(_scanned(queries, search, ranges, groups, programs, config), search, ranges, wanted)
    places = min(groups, wanted)
    found = torch.empty((m, places, group), dtype=torch.int64, device=keys.device)
    if places:
        _measure(found, chosen, queries, search, ranges)
    finish[(m,)](
        found, scores, indices, places * group, k,
        K=_list(k), CHUNK=_chunk(places * group, _list(k)), enable_fp_fusion=FUSED,
    )  # fmt: skip


def _scanned(
    queries: Tensor, search: Search, ranges: _Ranges, groups: int, programs: int | None, config: triton.Config | None
) -> Tensor:
    """The best score of each group, `[M, T]`; undefined outside a query's range."""
    keys, coarse, slots, m = search.keys, search.coarse, ranges.slots, len(queries)
    maxima = torch.empty((m, groups), dtype=torch.float32, device=keys.device)
    size = _queries_of_a_tile(m, search)
    count = triton.cdiv(m, size) if slots is None else len(slots.order)
    read, factors = (queries, None) if coarse is None else _halved(queries)
    rows = keys if coarse is None else coarse.values
    processors = _processors(keys.device)

    def grid(meta: dict[str, int]) -> tuple[int]:
        return (programs or min(count * triton.cdiv(len(keys), UNIT), meta["PER_SM"] * processors),)

    run, fixed = (scan, {}) if config is None else (scan.fn, config.all_kwargs())
    run[grid](
        read, rows, search.bias, search.mask,
        None if coarse is None else coarse.steps.contiguous(), None if coarse is None else coarse.norms.contiguous(),
        factors, *((None,) * 4 if slots is None else (slots.order, slots.starts, slots.ends, slots.units)), maxima,
        m, len(keys), count, groups, *read.stride(), *rows.stride(), *_steps(search),
        **_mask_kind(search), METRIC=search.metric, GROUP=_group(search), D=keys.shape[1], BM=size,
        enable_fp_fusion=FUSED, **fixed,
    )  # fmt: skip
    return maxima


def _chosen(maxima: Tensor, search: Search, ranges: _Ranges, wanted: int) -> Tensor:
    """The best groups of each query, packed: `[M, K]`."""
    (m, groups), length = maxima.shape, _list(wanted)
    parts = min(triton.cdiv(groups, CHUNK), max(1, WAVES * _processors(maxima.device) // m), max(1, CHUNK // length))
    lists = torch.empty((m, parts, length), dtype=torch.int64, device=maxima.device)
    choose[(m, parts)](
        maxima, ranges.starts, ranges.ends, lists, len(search.keys), groups,
        GROUP=_group(search), K=length, CHUNK=_chunk(groups, length), enable_fp_fusion=FUSED,
    )  # fmt: skip
    if parts == 1:
        return lists[:, 0]
    best = torch.empty((m, length), dtype=torch.int64, device=maxima.device)
    narrow[(m,)](
        lists, best, parts * length, K=length, CHUNK=_chunk(parts * length, length), enable_fp_fusion=FUSED
    )  # fmt: skip
    return best


def _measure(found: Tensor, chosen: Tensor | None, queries: Tensor, search: Search, ranges: _Ranges) -> None:
    """Write the packed scores of the chosen groups' keys; without `chosen`, of all groups'."""
    keys, (m, places, group) = search.keys, found.shape
    measure[(m, places)](
        chosen, queries, keys, search.bias, search.mask, ranges.starts, ranges.ends, found, len(keys), keys.shape[1],
        *queries.stride(), *keys.stride(), *_steps(search),
        **_mask_kind(search), METRIC=search.metric, GROUP=group,
        C=1 if chosen is None else chosen.shape[1], BD=TILE // group, enable_fp_fusion=FUSED,
    )  # fmt: skip


def _ranges(search: Search, m: int, size: int) -> _Ranges:
    if search.cu_seqlens is None or search.within is None:
        return _Ranges()
    starts, ends = ranges_of(search.cu_seqlens, search.within, len(search.keys))
    return _Ranges(starts=starts, ends=ends, slots=slots_of(starts, ends, len(search.cu_seqlens), size, UNIT))


def _bytes_a_query(k: int, search: Search) -> int:
    """Of the larger of the two tables that a query takes: its maxima and its candidates."""
    groups = triton.cdiv(len(search.keys), _group(search))
    return max(1, 4 * groups, 8 * min(groups, _wanted(k, search)) * _group(search))


def _halved(queries: Tensor) -> tuple[Tensor, Tensor]:
    """Queries in float16, each divided by its largest magnitude, and that: eight-bit keys are exact beside them."""
    wide = queries.float()
    largest = torch.linalg.vector_norm(wide, torch.inf, dim=1).clamp_min(TINY)  # inf / inf is NaN, as documented
    return (wide / largest[:, None]).half(), largest


def _queries_of_a_tile(m: int, search: Search) -> int:
    """BM. float32 keys take three products each, whose parts are in registers."""
    most = 32 if search.coarse is None and search.keys.element_size() == 4 else 64
    return min(most, max(16, triton.next_power_of_2(m)))


def _group(search: Search) -> int:
    return GROUP if search.coarse is None else COARSE_GROUP


def _wanted(k: int, search: Search) -> int:
    """How many groups are measured."""
    return k if search.coarse is None else COARSE_FACTOR * k


def _list(k: int) -> int:
    """The length of a list of k: one candidate cannot be sorted."""
    return max(2, triton.next_power_of_2(k))


def _chunk(candidates: int, length: int) -> int:
    """How many are sorted at once."""
    return max(length, min(CHUNK, triton.next_power_of_2(candidates)))


def _mask_kind(search: Search) -> dict[str, object]:
    mask = search.mask
    return {"PER_QUERY": mask is not None and mask.ndim == 2, "BITS": 1 if mask is None else BITS[mask.dtype]}


def _steps(search: Search) -> tuple[int, int, int]:
    """The strides of the bias, of the mask's queries and of its keys."""
    bias, mask = search.bias, search.mask
    steps = (0, 0) if mask is None else mask.stride() if mask.ndim == 2 else (0, mask.stride(0))
    return 0 if bias is None else bias.stride(0), steps[0], steps[1]


def _processors(device: torch.device) -> int:
    if device.type == "cpu":
        return 1  # the interpreter runs programs one after the other
    return torch.cuda.get_device_properties(device).multi_processor_count
