"""The pass over the keys: each query's best score in each group of GROUP consecutive keys, and nothing else.

Axes: M queries, N keys, D features, T groups; BM queries and BN keys of a tile. A tile is [keys, queries], so that the
keys fill the matrix unit's long side however few the queries are. A *slot* is BM queries that search one range of keys,
a *unit* UNIT consecutive keys of a slot. Each program takes an equal run of all units; no result depends on the cut.
"""

import triton
import triton.language as tl

from memkit_kernels.sim_topk.reference import SHORTEST
from memkit_kernels.tuning import tuned

UNIT = 128  # keys; every BN and GROUP divides it
PARTS_HELD = 8  # of a row, in registers' and shared memory's reach; a longer row is read by a loop

_SHORTEST = tl.constexpr(SHORTEST)
_UNIT = tl.constexpr(UNIT)
_PARTS_HELD = tl.constexpr(PARTS_HELD)

CONFIGS = [
    triton.Config({"BN": bn, "BYTES": part, "WHOLE": whole, "PER_SM": programs}, num_warps=warps, num_stages=stages)
    for bn, part, whole, programs, warps, stages in (
        (64, 128, False, 2, 4, 4),  # 64 KB at BM 64: runs on any GPU from Ampere on
        (128, 128, False, 2, 4, 4),
        (64, 256, True, 1, 4, 3),
        (64, 256, True, 2, 4, 2),
        (128, 128, False, 3, 4, 3),
    )
]


@triton.jit
def load_rows(pointer, rows, row_ok, row_step, features, D, step):
    """A tile of rows by features, either way round, 0 outside. int64, since rows times a stride passes 2^31 elements."""
    offsets = rows.to(tl.int64) * row_step + features.to(tl.int64) * step
    return tl.load(pointer + offsets, mask=row_ok & (features < D), other=0.0)


@triton.jit
def admitted(row_ok, ok, mask, rows, columns, mask_row, mask_step, PER_QUERY: tl.constexpr, BITS: tl.constexpr):
    """Which keys the queries may find. BITS keys share an element of the mask: 1 (bool), 8 or 32."""
    if mask is not None:
        offsets = (columns // BITS).to(tl.int64) * mask_step
        if PER_QUERY:
            offsets += rows.to(tl.int64) * mask_row
            ok = ok & row_ok
        words = tl.load(mask + offsets, mask=ok, other=0)
        if BITS == 1:
            ok = ok & (words != 0)
        else:
            ok = ok & (((words.to(tl.int32) >> (columns % BITS)) & 1) != 0)
    return ok & row_ok


@triton.jit
def _multiplied(products, squares, q, y, METRIC: tl.constexpr):
    """Add one part of the rows' products, and of the keys' squares where the metric needs them."""
    if y.dtype == tl.int8:
        y = y.to(tl.float16)  # exact, and so is each product
    elif METRIC != "ip":
        wide = y.to(tl.float32)
        squares += tl.sum(wide * wide, axis=1, keep_dims=True)
    # "tf32x3" is float32 to about 2^-21 on the matrix unit, and keeps infinities. No effect on 16-bit tensors. The
    # scores only choose groups here; those that are returned are measured in plain float32.
    return tl.dot(y, q, products, input_precision="tf32x3"), squares


@triton.jit
def _scored(
    products, squares, q_square, bias, bias_step, columns, ok, allowed, rows, row_ok, scales, norms, factors,
    METRIC: tl.constexpr,
):  # fmt: skip
    """The scores from the products. "l2" leaves out |q|², which is the same for all keys of a query."""
    if scales is not None:
        products *= tl.load(scales + columns, mask=ok, other=0.0)
        if METRIC != "cosine":  # there the factor would cancel
            products *= tl.load(factors + rows, mask=row_ok, other=0.0)
        if METRIC != "ip":
            norm = tl.load(norms + columns, mask=ok, other=0.0)
            squares = norm * norm
    if METRIC == "cosine":
        products /= tl.maximum(tl.sqrt(q_square), _SHORTEST)
        products /= tl.maximum(tl.sqrt(squares), _SHORTEST)
    if METRIC == "l2":
        products = 2.0 * products - squares
    if bias is not None:
        products += tl.load(bias + columns.to(tl.int64) * bias_step, mask=ok, other=0.0).to(tl.float32)
    return tl.where(allowed & (products > float("-inf")), products, float("-inf"))  # NaN is not above -inf


@triton.jit
def _store_best(scores, maxima, rows, row_ok, start, groups, GROUP: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr):
    """Each group's best of a tile's scores."""
    best = tl.max(tl.reshape(scores, (BN // GROUP, GROUP, BM)), axis=1)
    group = start // GROUP + tl.arange(0, BN // GROUP)[:, None]
    tl.store(maxima + rows.to(tl.int64) * groups + group, best, mask=row_ok & (group < groups))


@triton.jit
def _slot_of(units, slots, unit):
    """The slot that a unit belongs to: units[slot] <= unit < units[slot + 1]."""
    low = 0
    high = slots
    while high - low > 1:
        middle = (low + high) // 2
        before = tl.load(units + middle) <= unit
        low = tl.where(before, middle, low)
        high = tl.where(before, high, middle)
    return low


@triton.jit
def _keys_of(low, high, begin, end):
    """The keys of the units `begin` to `end` of a slot whose keys are `low` to `high`."""
    first = low // _UNIT * _UNIT
    return (first + begin * _UNIT).to(tl.int32), tl.minimum(first + end * _UNIT, high).to(tl.int32)


@triton.jit
def _scan_run(
    q, k, bias, mask, scales, norms, factors, maxima, rows, row_ok, first, stop, low, groups,
    q_row, q_step, k_row, k_step, bias_step, mask_row, mask_step,
    METRIC: tl.constexpr, PER_QUERY: tl.constexpr, BITS: tl.constexpr, GROUP: tl.constexpr, D: tl.constexpr,
    BM: tl.constexpr, BN: tl.constexpr, BD: tl.constexpr, WHOLE: tl.constexpr,
):  # fmt: skip
    """One slot's maxima for the keys `first` to `stop`; keys below `low` are not its own. `rows` is [1, BM]."""
    PARTS: tl.constexpr = (D + BD - 1) // BD
    HELD: tl.constexpr = WHOLE and PARTS <= _PARTS_HELD
    queries = ()
    q_square = tl.zeros((1, BM), tl.float32)
    if HELD or METRIC == "cosine":
        for part in tl.static_range(PARTS):
            x = load_rows(q, rows, row_ok, q_row, part * BD + tl.arange(0, BD)[:, None], D, q_step)
            q_square += tl.sum(x.to(tl.float32) * x.to(tl.float32), axis=0, keep_dims=True)
            if HELD:
                queries = queries + (x,)  # noqa: RUF005  Triton has no other way to lengthen a tuple
    for start in range(first, stop, BN):
        columns = start + tl.arange(0, BN)[:, None]
        ok = columns < stop
        # Asked for before the products, which take longer to arrive.
        allowed = admitted(
            row_ok, ok & (columns >= low), mask, rows, columns, mask_row, mask_step, PER_QUERY, BITS
        )  # fmt: skip
        products = tl.zeros((BN, BM), tl.float32)
        squares = tl.zeros((BN, 1), tl.float32)
        if HELD:
            for part in tl.static_range(PARTS):
                y = load_rows(k, columns, ok, k_row, part * BD + tl.arange(0, BD)[None, :], D, k_step)
                products, squares = _multiplied(products, squares, queries[part], y, METRIC)
        else:
            for d in range(0, D, BD):
                features = d + tl.arange(0, BD)
                x = load_rows(q, rows, row_ok, q_row, features[:, None], D, q_step)
                y = load_rows(k, columns, ok, k_row, features[None, :], D, k_step)
                products, squares = _multiplied(products, squares, x, y, METRIC)
        scores = _scored(
            products, squares, q_square, bias, bias_step, columns, ok, allowed, rows, row_ok, scales, norms, factors,
            METRIC,
        )  # fmt: skip
        _store_best(scores, maxima, rows, row_ok, start, groups, GROUP, BM, BN)


@tuned(CONFIGS, key=["METRIC", "PER_QUERY", "BITS", "GROUP", "D", "BM"])
@triton.jit(do_not_specialize=["M", "N", "slots", "groups"])
def scan(
    q, k, bias, mask, scales, norms, factors, order, starts, ends, units, maxima, M, N, slots, groups,
    q_row, q_step, k_row, k_step, bias_step, mask_row, mask_step,
    METRIC: tl.constexpr, PER_QUERY: tl.constexpr, BITS: tl.constexpr, GROUP: tl.constexpr, D: tl.constexpr,
    BM: tl.constexpr, BN: tl.constexpr, BYTES: tl.constexpr, WHOLE: tl.constexpr, PER_SM: tl.constexpr,
):  # fmt: skip
    """maxima[m, t] for all groups t of query m's range. Grid: any number of programs.

    With `units` None slot s is the queries from s * BM on, and each searches all keys. Else slot s is the queries
    order[s] (-1 is nobody), which search the keys starts[s] to ends[s], and has the units units[s] to units[s + 1].
    """
    BITS_EACH: tl.constexpr = k.dtype.element_ty.primitive_bitwidth
    BD: tl.constexpr = 64 if BITS_EACH == 8 else BYTES * 8 // BITS_EACH  # more spills: eight bits are made sixteen
    HELD: tl.constexpr = WHOLE and BITS_EACH <= 16  # so do float32's three products
    all_units = tl.cdiv(N, _UNIT)
    total = slots * all_units.to(tl.int64)
    if units is not None:
        total = tl.load(units + slots)
    done = total * tl.program_id(0) // tl.num_programs(0)
    last = total * (tl.program_id(0) + 1) // tl.num_programs(0)
    while done < last:
        if units is None:
            slot = done // all_units
            before = slot * all_units
            until = tl.minimum(last, before + all_units)
            rows = (slot * BM + tl.arange(0, BM))[None, :]
            row_ok = rows < M
            low = 0
            high = N
        else:
            slot = _slot_of(units, slots, done)
            before = tl.load(units + slot)
            until = tl.minimum(last, tl.load(units + slot + 1))
            rows = tl.load(order + slot.to(tl.int64) * BM + tl.arange(0, BM))[None, :]
            row_ok = rows >= 0
            low = tl.load(starts + slot).to(tl.int32)
            high = tl.load(ends + slot).to(tl.int32)
        first, stop = _keys_of(low, high, done - before, until - before)
        _scan_run(
            q, k, bias, mask, scales, norms, factors, maxima, rows, row_ok, first, stop, low, groups,
            q_row, q_step, k_row, k_step, bias_step, mask_row, mask_step,
            METRIC, PER_QUERY, BITS, GROUP, D, BM, BN, BD, HELD,
        )  # fmt: skip
        done = until
