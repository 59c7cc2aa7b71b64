"""linear_surprisal in Triton: a pass over the vocabulary (scan/kernel.py), in splits, and here their merge. See README.md.

Axes and sums are those of scan/kernel.py.
"""

from collections.abc import Callable
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.tools.tensor_descriptor import TensorDescriptor

from memkit_kernels.linear_surprisal.reference import Head, Surprisals
from memkit_kernels.linear_surprisal.scan.kernel import INF, LAST, moved, scan
from memkit_kernels.tuning import tuned

Hook = Callable[[dict[str, Any]], None]

TILE_BYTES = 128  # of features that a tile takes at once: what shared memory swizzles over
L2_SHARE = 16 * 2**20  # bytes of x whose row tiles go through the vocabulary together; a Hopper's L2 is 50 MB
FEW = 64  # rows up to which the weights' bytes, and not their products, are the bound
WIDE = 1024  # features from which the products, and not what follows each tile, decide which tile is the best
ROUNDS = 8  # of programs at most; more of them write more sums than they save idle time
MERGE_ROWS, MERGE_SPLITS = 8, 64  # the merge's tile
FUSED = True  # multiply and add round once; said because Triton 3.10 changes the default


@triton.jit
def _largest(parts, row_at, row_ok, splits, CHUNK: tl.constexpr):
    """m over all splits."""
    largest = tl.full(row_at.shape, -INF, tl.float32)
    for start in range(0, splits, CHUNK):
        split = start + tl.arange(0, CHUNK)[None, :]
        m = tl.load(parts + row_at + split, mask=row_ok & (split < splits), other=-INF)
        largest = tl.maximum(largest, tl.max(m, axis=1, keep_dims=True))
    return largest


@triton.jit
def _sums(
    parts, tops, rows, row_ok, N, splits, ENTROPY: tl.constexpr, VARENTROPY: tl.constexpr, CHUNK: tl.constexpr,
):  # fmt: skip
    """m and the sums over all splits, and the lowest word with logit m."""
    row_at, plane = rows.to(tl.int64) * splits, N.to(tl.int64) * splits
    largest = _largest(parts, row_at, row_ok, splits, CHUNK)
    base = tl.where(largest == -INF, 0.0, largest)  # nothing but -inf
    e, ze, zze = tl.zeros(rows.shape, tl.float32), tl.zeros(rows.shape, tl.float32), tl.zeros(rows.shape, tl.float32)
    top = tl.full(rows.shape, LAST, tl.int32)
    for start in range(0, splits, CHUNK):
        split = start + tl.arange(0, CHUNK)[None, :]
        at, ok = row_at + split, row_ok & (split < splits)
        m = tl.load(parts + at, mask=ok, other=-INF)
        part_e = tl.load(parts + plane + at, mask=ok, other=0.0)
        part_ze, part_zze = part_e, part_e
        if ENTROPY:
            part_ze = tl.load(parts + 2 * plane + at, mask=ok, other=0.0)
        if VARENTROPY:
            part_zze = tl.load(parts + 3 * plane + at, mask=ok, other=0.0)
        by = tl.where(m == -INF, 0.0, m - base)
        part_e, part_ze, part_zze = moved(by, part_e, part_ze, part_zze, ENTROPY, VARENTROPY)
        e += tl.sum(part_e, axis=1, keep_dims=True)
        ze += tl.sum(part_ze, axis=1, keep_dims=True)
        zze += tl.sum(part_zze, axis=1, keep_dims=True)
        if tops is not None:
            found = tl.load(tops + at, mask=ok & (m == largest), other=LAST)
            top = tl.minimum(top, tl.min(found, axis=1, keep_dims=True))
    return largest, e, ze, zze, top


@triton.jit(do_not_specialize=["N", "V", "splits", "ignore_index"])
def _merge(
    parts, tops, own, target, surprisal, entropy, varentropy, lse, top1, N, V, splits, ignore_index, target_step,
    ENTROPY: tl.constexpr, VARENTROPY: tl.constexpr, BM: tl.constexpr, CHUNK: tl.constexpr,
):  # fmt: skip
    """What is wanted (the pointers that are not None) of BM rows, from their splits' sums. Grid: row tiles."""
    rows = tl.program_id(0) * BM + tl.arange(0, BM)[:, None]
    ok = rows < N
    largest, e, ze, zze, top = _sums(parts, tops, rows, ok, N, splits, ENTROPY, VARENTROPY, CHUNK)
    alive = e > 0.0  # not NaN, and something but -inf
    e, largest = tl.where(alive, e, float("nan")), tl.where(alive, largest, float("nan"))
    log_e, mean = tl.log(e), ze / e
    if lse is not None:
        tl.store(lse + rows, largest + log_e, mask=ok)
    if entropy is not None:
        tl.store(entropy + rows, log_e - mean, mask=ok)
    if varentropy is not None:
        spread = zze / e - mean * mean
        tl.store(varentropy + rows, tl.where(spread < 0.0, 0.0, spread), mask=ok)
    if top1 is not None:
        tl.store(top1 + rows, tl.where(alive, top, -1).to(tl.int64), mask=ok)
    if surprisal is not None:
        label = tl.load(target + rows.to(tl.int64) * target_step, mask=ok, other=0)
        logit = tl.load(own + rows, mask=ok & (label >= 0) & (label < V), other=float("nan"))
        tl.store(surprisal + rows, tl.where(label == ignore_index, 0.0, largest - logit + log_e), mask=ok)


def _boxes(arguments: dict[str, Any]) -> None:
    """The descriptors' boxes for a tile: run before each launch, since the tile is chosen after they are made."""
    arguments["x"].block_shape = [arguments["BM"], arguments["BD"]]
    arguments["weight"].block_shape = [arguments["BV"], arguments["BD"]]


def _tiles(*tiles: tuple[int, int, int, int], before: Hook | None = None) -> list[triton.Config]:
    """BM, BV, warps and stages of each. The first fits 99 KB of shared memory."""
    return [
        triton.Config({"BM": bm, "BV": bv}, num_warps=warps, num_stages=stages, pre_hook=before)
        for bm, bv, warps, stages in tiles
    ]


# Two tiles of 128 x 128 run on a Hopper's multiprocessor at once, so that one's sums overlap with the other's products;
# 128 x 256 has more products for each byte that comes from L2.
_by_descriptor = tuned(
    _tiles((128, 128, 4, 3), (128, 128, 8, 4), (128, 256, 8, 3), (128, 256, 8, 4), (256, 128, 8, 3), before=_boxes),
    key=["IS_WIDE"],
)(scan)
_many = tuned(_tiles((128, 128, 4, 3), (128, 128, 8, 3), (128, 256, 8, 3), (256, 128, 8, 3)), key=["IS_WIDE"])(scan)
_few = tuned(_tiles((64, 64, 4, 4), (64, 128, 4, 3), (64, 128, 4, 4), (64, 256, 8, 4)), key=["IS_WIDE"])(scan)
_float32 = tuned(_tiles((64, 64, 4, 3), (64, 128, 8, 3), (128, 64, 8, 3)), key=["IS_WIDE"])(scan)


def linear_surprisal_triton(
    x: Tensor,
    head: Head,
    target: Tensor | None,
    *,
    ignore_index: int,
    want: frozenset[str],
    splits: int | None = None,
    described: bool | None = None,
) -> Surprisals:
    """See `memkit_kernels.linear_surprisal.linear_surprisal`; takes its arguments as checked there.

    `splits`: into how many parts the vocabulary is cut; None fills the device. `described`: whether tiles are fetched by
    descriptors, which needs tensors that `_describable`; None: where the device has an engine for them.
    """
    (n, d), v = x.shape, len(head.weight)
    told = _unwritten(n, want, x.device)
    if n == 0:
        return told  # an empty grid cannot be launched
    labels = None if told.surprisal is None else target
    splits = splits or _splits(n, v, x.device)
    varentropy = told.varentropy is not None
    entropy = varentropy or told.entropy is not None
    parts = torch.empty((2 + entropy + varentropy, n, splits), dtype=torch.float32, device=x.device)
    tops = None if told.top1 is None else torch.empty((n, splits), dtype=torch.int32, device=x.device)
    own = None if labels is None else torch.empty(n, dtype=torch.float32, device=x.device)
    label_step = 0 if labels is None else labels.stride(0)
    bias_step = 0 if head.bias is None else head.bias.stride(0)
    search, fetched = _route(x, head.weight, described)
    with torch.cuda.device_of(x):
        search[lambda tile: (triton.cdiv(n, tile["BM"]) * splits,)](
            *fetched, head.bias, labels, parts, tops, own, n, v, L2_SHARE // (d * x.element_size()),
            head.scale, head.softcap or 1.0, *x.stride(), *head.weight.stride(), bias_step, label_step,
            D=d, IS_WIDE=d >= WIDE, SCALED=head.scale != 1.0, CAPPED=head.softcap is not None,
            ENTROPY=entropy, VARENTROPY=varentropy, TOP1=told.top1 is not None, DESCRIBED=search is _by_descriptor,
            BD=TILE_BYTES // x.element_size(), enable_fp_fusion=FUSED,
        )  # fmt: skip
        _merge[(triton.cdiv(n, MERGE_ROWS),)](
            parts, tops, own, labels, *told, n, v, splits, ignore_index, label_step,
            ENTROPY=entropy, VARENTROPY=varentropy, BM=MERGE_ROWS, CHUNK=MERGE_SPLITS, enable_fp_fusion=FUSED,
        )  # fmt: skip
    return told


def _unwritten(n: int, want: frozenset[str], device: torch.device) -> Surprisals:
    """Memory for what is wanted."""
    dtypes = {name: torch.int64 if name == "top1" else torch.float32 for name in want}
    return Surprisals(**{name: torch.empty(n, dtype=dtype, device=device) for name, dtype in dtypes.items()})


def _route(x: Tensor, weight: Tensor, described: bool | None) -> tuple[triton.runtime.Autotuner, tuple[Any, Any]]:
    """The scan for such tensors, and x and weight as it takes them."""
    if described is None:
        engine = x.is_cuda and torch.cuda.get_device_capability(x.device) >= (9, 0)
        described = engine and len(x) > FEW and _describable(x) and _describable(weight)
    if described:
        smallest = [1, TILE_BYTES // x.element_size()]  # `_boxes` sets the right one
        return _by_descriptor, tuple(TensorDescriptor.from_tensor(given, smallest) for given in (x, weight))
    if x.dtype == torch.float32:
        return _float32, (x, weight)
    return _few if len(x) <= FEW else _many, (x, weight)


def _describable(matrix: Tensor) -> bool:
    """Whether a descriptor can tell of it: 16-bit rows without gaps, each beginning at a multiple of 16 bytes."""
    row, step = matrix.stride()
    size = matrix.element_size()
    aligned = row * size % 16 == 0 and matrix.data_ptr() % 16 == 0
    return size == 2 and step == 1 and aligned and matrix.shape[1] <= row < 2**39


def _splits(n: int, v: int, device: torch.device) -> int:
    """The number of splits that fills the device, if two tiles of 128 x 128 run on each multiprocessor."""
    if device.type == "cpu":
        return 2  # the interpreter runs them one after the other; two, so that tests merge
    return evenly(-(-n // 128), -(-v // 128), places=2 * torch.cuda.get_device_properties(device).multi_processor_count)


def evenly(row_tiles: int, tiles: int, *, places: int) -> int:
    """The number of splits of `tiles` with which `places` are done first: rounds of programs, times the tiles that the
    longest program goes through. Only those that just fill up to ROUNDS rounds can be it."""
    some = {min(tiles, max(1, places * rounds // row_tiles)) for rounds in range(1, ROUNDS + 1)}
    return min(sorted(some), key=lambda splits: -(-row_tiles * splits // places) * -(-tiles // splits))


def warm(device: torch.device, dtype: torch.dtype) -> None:
    """Compile and tune for this device and dtype, by one call of each kind at a usual size. Takes up to 300 MB."""
    for features in (WIDE // 2, 4 * WIDE):
        weight = torch.randn((32_000, features), dtype=dtype, device=device) / features**0.5
        for rows in (1, 2048):
            x = torch.randn((rows, features), dtype=dtype, device=device)
            labels = torch.arange(rows, device=device)
            for want in ({"surprisal", "entropy"}, {"surprisal"}, set(Surprisals._fields)):  # the first is tuned
                linear_surprisal_triton(
                    x, Head(weight, None, 1.0, None), labels, ignore_index=-100, want=frozenset(want)
                )
