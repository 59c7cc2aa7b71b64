"""The Triton kernels of window_attention, held to the definition: on a GPU, else in Triton's interpreter."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import triton
import triton.language as tl
from torch import Tensor

from memkit_kernels import window_attention
from memkit_kernels.backend import interpreted, report
from memkit_kernels.testing import Largest, assert_close, surrounded
from memkit_kernels.window_attention.backward import _D_KEYS, _D_QUERIES
from memkit_kernels.window_attention.kernel import _FORWARD
from memkit_kernels.window_attention.mask import Mask
from memkit_kernels.window_attention.tiles import bounds, key_tiles, numbers, padded, row_tiles, seen_from, sight

INF = torch.inf
Inputs = tuple[Tensor, Tensor, Tensor]
DTYPES = [torch.float32, torch.float16, *([] if interpreted() else [torch.bfloat16])]
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def normal(*shape: int, device: torch.device, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(device, dtype)


def inputs(t: int, s: int, *, b: int = 1, h: int = 1, g: int = 1, d: int = 12, e: int = 7, **options) -> Inputs:
    """Values of at most 1, since else one step of a 16-bit result is more than is allowed."""
    q, k = normal(b, t, h, d, **options), normal(b, s, g, d, seed=1, **options)
    return q, k, normal(b, s, g, e, seed=2, **options).clamp(-1, 1)


def both(tensors: Inputs, **options: object) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """out, lse, dq, dk, dv of the kernel, and of the definition in float64."""
    found = []
    for backend, dtype in (("triton", tensors[0].dtype), ("torch", torch.float64)):
        leaves = [x.detach().to(dtype).requires_grad_() for x in tensors]
        with report() as ran:
            out, lse = window_attention(*leaves, backend=backend, **options)
        assert [call.backend for call in ran] == [backend]
        upstream = normal(*out.shape, device=out.device, seed=3).to(out.dtype)
        upstream_lse = normal(*lse.shape, device=lse.device, seed=4).to(lse.dtype)
        gradients = torch.autograd.grad((out, lse), leaves, (upstream, upstream_lse))
        found.append((out.detach(), lse.detach(), *gradients))
    return found[0], found[1]


def assert_agree(found: tuple[Tensor, ...], expected: tuple[Tensor, ...], dtype: torch.dtype) -> None:
    assert found[1].dtype == torch.float32
    for n, (got, wanted) in enumerate(zip(found, expected, strict=True)):
        # Sums of products that were rounded to 16 bits, in the backward pass twice.
        assert_close(
            got, wanted, dtype=torch.float32 if n == 1 else dtype if n == 0 or dtype.itemsize > 2 else torch.bfloat16
        )


@dtypes
@pytest.mark.parametrize(
    ("t", "s", "mask"),
    [
        (1, 1, {}),
        (15, 63, {}),
        (65, 65, {"window": 17, "sinks": 2}),
        (100, 15, {"window": 5}),
        (31, 31, {"beyond": 9}),
        (40, 40, {"window": 30, "beyond": 5, "sinks": 18}),
        (15, 100, {"causal": False}),
        (65, 63, {"causal": False, "window": 6, "sinks": 20}),
    ],
    ids=["one", "last queries", "sinks and window", "more queries", "beyond", "band", "everything", "both ways"],
)
def test_the_kernels_compute_what_the_definition_says(
    t: int, s: int, mask: dict[str, object], dtype: torch.dtype, device: torch.device
) -> None:
    assert_agree(*both(inputs(t, s, device=device, dtype=dtype), **mask), dtype)


@pytest.mark.parametrize(("d", "e"), [(1, 1), (15, 65), (100, 16)])
def test_features_need_not_be_a_power_of_two(d: int, e: int, device: torch.device) -> None:
    tensors = inputs(20, 20, b=2, h=2, g=2, d=d, e=e, device=device, dtype=torch.float16)
    assert_agree(*both(tensors, window=9, sinks=1), torch.float16)


@pytest.mark.parametrize("heads", [(8, 1), (6, 2)])
def test_query_heads_share_key_heads(heads: tuple[int, int], device: torch.device) -> None:
    tensors = inputs(9, 21, b=2, h=heads[0], g=heads[1], device=device, dtype=torch.float16)
    assert_agree(*both(tensors, window=6), torch.float16)


@pytest.mark.parametrize(
    "mask",
    [{}, {"causal": False}, {"window": 9, "sinks": 3}, {"causal": False, "window": 5, "sinks": 20}],
    ids=["causal", "everything", "sinks and window", "both ways"],
)
@pytest.mark.parametrize("ends", [[0, 0, 1, 20, 20, 21, 60], [0, 3, 40, 60, 60]], ids=["short first", "long first"])
def test_packed_sequences_are_each_by_itself(ends: list[int], mask: dict[str, object], device: torch.device) -> None:
    tensors = inputs(60, 60, device=device, dtype=torch.float16)
    assert_agree(*both(tensors, cu_seqlens=torch.tensor(ends, device=device), **mask), torch.float16)


@pytest.mark.parametrize("kind", [torch.int32, torch.int64], ids=str)
def test_each_token_finds_its_sequence(kind: torch.dtype, device: torch.device) -> None:
    lengths = torch.tensor([0, 5, 0, 1, 300, 0, 0, 2, 17, 0])
    ends = torch.cat((torch.zeros(1, dtype=torch.int64), lengths.cumsum(0))).to(device, kind)
    first, end = bounds(ends, 325)
    assert torch.equal(first.cpu(), (ends[:-1].cpu()).repeat_interleave(lengths).int())
    assert torch.equal(end.cpu(), (ends[1:].cpu()).repeat_interleave(lengths).int())


def test_a_token_of_no_sequence_sees_nothing_and_nothing_outside_is_read(device: torch.device) -> None:
    """What a GPU makes of cu_seqlens that are wrong: their values are not looked at on the host."""
    for ends in ([2, 5], [2], [-4, 5, 900], [900, 3]):
        first, end = bounds(torch.tensor(ends, device=device), 8)
        assert bool(((first >= 0) & (end <= 8)).all())
    first, end = bounds(torch.tensor([2, 5], device=device), 8)
    assert (first.tolist(), end.tolist()) == ([0, 1, 2, 2, 2, 5, 6, 7], [0, 1, 5, 5, 5, 5, 6, 7])


@pytest.mark.parametrize(("b", "t", "s"), [(0, 3, 3), (2, 0, 5), (2, 3, 0), (2, 0, 0)])
def test_no_batch_no_queries_or_no_keys_is_an_ordinary_case(b: int, t: int, s: int, device: torch.device) -> None:
    leaves = [x.requires_grad_() for x in inputs(t, s, b=b, device=device)]
    found = window_attention(*leaves, window=3, sinks=1, backend="triton")
    for got, wanted in zip(found, window_attention(*leaves, window=3, sinks=1, backend="torch"), strict=True):
        assert torch.equal(got, wanted)
    for gradient, leaf in zip(torch.autograd.grad(found[0].sum() + found[1].sum(), leaves), leaves, strict=True):
        assert torch.equal(gradient, torch.zeros_like(leaf))


def test_no_sequences_are_an_ordinary_case(device: torch.device) -> None:
    out, lse = window_attention(
        *inputs(0, 0, device=device), cu_seqlens=torch.tensor([0], device=device), backend="triton"
    )
    assert (out.shape, lse.shape) == ((1, 0, 1, 7), (1, 0, 1))


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")  # numpy, of infinity minus infinity
@pytest.mark.parametrize("spoil", ["q", "k", "v"])
def test_what_is_not_seen_may_be_anything(spoil: str, device: torch.device) -> None:
    """In the gradients too: the definition is given clean tensors, and has to agree wherever nothing spoilt is seen."""
    tensors = inputs(40, 40, device=device, dtype=torch.float16)
    options = {"window": 4, "sinks": 2, "cu_seqlens": torch.tensor([0, 12, 40], device=device)}
    _, clean = both(tensors, **options)
    for at, number in ((20, torch.nan), (21, INF)):
        dirty = {name: x.clone() for name, x in zip("qkv", tensors, strict=True)}
        dirty[spoil][:, at, :, 0] = number
        found = of_kernel(tuple(dirty.values()), **options)
        seers = [at] if spoil == "q" else [*range(at, at + 4)]
        keys = sorted({j for i in seers for j in (12, 13, *range(i - 3, i + 1))})  # that share a query with it
        for n, (got, wanted) in enumerate(zip(found, clean, strict=True)):
            others = [i for i in range(40) if i not in (keys if n > 2 else seers)]
            assert_close(got[:, others], wanted[:, others], dtype=torch.bfloat16)
        if spoil != "k" or number is torch.nan:  # a key of infinity may score -inf, which weighs nothing
            assert not found[0][:, seers, :, 0].isfinite().any()


def of_kernel(tensors: Inputs, **options: object) -> tuple[Tensor, ...]:
    leaves = [x.detach().requires_grad_() for x in tensors]
    out, lse = window_attention(*leaves, backend="triton", **options)
    upstream = (
        normal(*out.shape, device=out.device, seed=3).to(out.dtype),
        normal(*lse.shape, device=lse.device, seed=4),
    )
    return out.detach(), lse.detach(), *torch.autograd.grad((out, lse), leaves, upstream)


def inside(x: Tensor) -> Tensor:
    """`[B, T, H, D]` in a buffer of NaN: around the features of all heads, and before and after all tokens."""
    return surrounded(x.flatten(2).flatten(0, 1)).unflatten(1, x.shape[2:]).unflatten(0, x.shape[:2])


def test_strides_and_surroundings_do_not_matter(device: torch.device) -> None:
    tensors = inputs(30, 33, b=2, device=device, dtype=torch.float16)
    expected = of_kernel(tensors, window=9)
    for change in (inside, lambda x: x.permute(3, 2, 0, 1).contiguous().permute(2, 3, 1, 0)):
        leaves = [x.requires_grad_() for x in tensors]
        out, lse = window_attention(*(change(x) for x in leaves), window=9, backend="triton")
        upstream = inside(normal(*out.shape, device=device, seed=3).half()), normal(*lse.shape, device=device, seed=4)
        found = out.detach(), lse.detach(), *torch.autograd.grad((out, lse), leaves, upstream)
        for got, wanted in zip(found, expected, strict=True):
            assert torch.equal(got, wanted)


def test_an_upstream_gradient_of_one_expanded_number_is_read(device: torch.device) -> None:
    leaves = [x.requires_grad_() for x in inputs(9, 9, device=device)]
    out, _ = window_attention(*leaves, backend="triton")
    wanted = torch.autograd.grad(window_attention(*leaves, backend="torch")[0].sum(), leaves)
    for got, expected in zip(torch.autograd.grad(out.sum(), leaves), wanted, strict=True):
        assert_close(got, expected, dtype=torch.float32)


@pytest.mark.skipif(not interpreted(), reason="a sparse file is a CPU's memory")
def test_offsets_beyond_two_to_the_31_are_reached(tmp_path: Path, device: torch.device) -> None:
    stride = 2**30 + 64
    (tmp_path / "sparse").touch()
    storage = torch.from_file(str(tmp_path / "sparse"), shared=True, size=3 * stride + 64, dtype=torch.float16)
    tensors = [x.half() for x in inputs(4, 4, d=4, e=4, device=device)]
    expected = of_kernel(tuple(tensors))
    for steps in ((4 * stride, stride, 8, 1), (4 * stride, 4, 8, stride)):
        for n, x in enumerate(tensors):
            far = storage.as_strided(x.shape, steps)
            far.copy_(x)
            for got, wanted in zip(of_kernel((*tensors[:n], far, *tensors[n + 1 :])), expected, strict=True):
                assert torch.equal(got, wanted)


def test_two_runs_are_bit_equal(device: torch.device) -> None:
    tensors = inputs(40, 40, device=device, dtype=torch.float16)
    first, second = (of_kernel(tensors, window=11, sinks=2) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one, other)


def test_the_scores_are_never_stored(device: torch.device) -> None:
    tensors = inputs(64, 64, h=1, d=4, e=4, device=device, dtype=torch.float16)
    with Largest() as largest:
        of_kernel(tensors, window=60)
    assert largest.nbytes <= 64 * 4 * 4  # a row of features in float32; the scores would have 16 times that


@triton.jit
def visits(
    of_queries, of_keys, T, S, window, sinks, beyond,
    CAUSAL: tl.constexpr, WINDOWED: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    """Which keys each tile of queries visits, and which queries each tile of keys."""
    tile = tl.program_id(0)
    token = tile * SIZE + tl.arange(0, SIZE)
    first, end = tl.zeros((SIZE,), tl.int32), tl.zeros((SIZE,), tl.int32) + S
    near, near_end, sink_end = sight(token + S - T, first, end, window, sinks, beyond, CAUSAL, WINDOWED)
    low0, high0, low, high, full, full_end = key_tiles(near, near_end, first, sink_end, token < T, SIZE)
    tl.store(of_queries + tile * 6, low0)
    tl.store(of_queries + tile * 6 + 1, high0)
    tl.store(of_queries + tile * 6 + 2, low)
    tl.store(of_queries + tile * 6 + 3, high)
    tl.store(of_queries + tile * 6 + 4, full)
    tl.store(of_queries + tile * 6 + 5, full_end)
    low_at, high_at = seen_from(token, first, end, T, S, window, sinks, beyond, CAUSAL, WINDOWED)
    low, high, full, full_end = row_tiles(low_at, high_at, token < S, T, S, 1, SIZE)
    tl.store(of_keys + tile * 4, low)
    tl.store(of_keys + tile * 4 + 1, high)
    tl.store(of_keys + tile * 4 + 2, full)
    tl.store(of_keys + tile * 4 + 3, full_end)


@pytest.mark.parametrize(("t", "s"), [(120, 120), (120, 60)])
@pytest.mark.parametrize(
    "mask",
    [
        Mask(), Mask(beyond=20), Mask(window=20, sinks=3), Mask(window=50, sinks=40), Mask(window=50, beyond=30, sinks=3),
        Mask(causal=False), Mask(causal=False, window=40, sinks=20), Mask(window=5, beyond=30, sinks=3),
    ],
    ids=range(8),
)  # fmt: skip
def test_tiles_that_nobody_sees_are_not_visited(mask: Mask, t: int, s: int, device: torch.device) -> None:
    """So the cost is that of the window and the sinks. And what is seen is visited, and what is full needs no mask."""
    size, count = 16, -(-max(t, s) // 16)
    of_queries, of_keys = (torch.zeros((count, n), dtype=torch.int32, device=device) for n in (6, 4))
    visits[(count,)](of_queries, of_keys, t, s, *numbers(t, s, mask), mask.causal, mask.window is not None, size)
    seen = mask.seen(torch.arange(t) + s - t, torch.arange(s))
    for at, (low0, high0, low, high, full, full_end) in zip(range(0, t, size), of_queries.tolist(), strict=False):
        rows = seen[at : at + size]
        assert not rows[:, [j for j in range(s) if not (low0 <= j < high0 or low <= j < high)]].any()
        assert rows[:, full:full_end].all()
        assert high0 <= low <= full <= full_end <= high
        if mask.window is not None:
            both_sides = 1 if mask.causal else 2
            assert high - low <= max(both_sides * mask.window, mask.sinks) + 2 * size
            assert high0 - low0 <= mask.sinks
    for at, (low, high, full, full_end) in zip(range(0, s, size), of_keys.tolist(), strict=False):
        columns = seen[:, at : at + size]
        assert not columns[[i for i in range(t) if not low <= i < high]].any()
        assert columns[full:full_end].all()
        assert low <= full <= full_end <= max(low, high)
        if mask.window is not None and at >= mask.sinks:
            assert high - low <= (1 if mask.causal else 2) * mask.window + 2 * size


def test_features_are_padded_to_what_a_dot_takes() -> None:
    assert [padded(size) for size in (1, 16, 17, 100, 256)] == [16, 16, 32, 128, 256]


TENSORS = ("q", "k", "v", "out", "d_out", "dq", "dk", "dv")
NUMBERS = ("T", "S", "G", "R", "window", "sinks", "beyond",
           *(f"{x}_{a}" for x in ("q", "k", "v", "do") for a in ("batch", "row", "head")))  # fmt: skip
STEPS = dict.fromkeys(("q_step", "k_step", "v_step", "do_step"), 1)


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "unit"), [("bf16", "mma"), ("fp32", None)])
def test_the_kernels_compile_for_a_gpu(
    dtype: str, unit: str | None, built_for_gpu: Callable[..., list[dict[str, object]]]
) -> None:
    types = dict.fromkeys(TENSORS, f"*{dtype}") | dict.fromkeys(("lse", "delta", "d_lse"), "*fp32") | {"scale": "fp32"}
    types |= dict.fromkeys(("first", "end"), "*i32") | dict.fromkeys(NUMBERS, "i32")
    constants = {**STEPS, "D": 128, "E": 128, "BD": 128, "BE": 128, "CAUSAL": True, "WINDOWED": True}
    here = "memkit_kernels.window_attention"
    asked = []
    for module, kernel, table in (
        ("kernel", "_forward", _FORWARD), ("backward", "_d_queries", _D_QUERIES), ("backward", "_d_keys", _D_KEYS),
    ):  # fmt: skip
        shipped = table["exact" if dtype == "fp32" else "usual"].configs[0]
        tile = {"BM": shipped.kwargs["BM"], "BN": shipped.kwargs["BN"]}
        asked.append(
            {"module": f"{here}.{module}", "kernel": kernel, "types": types, "constants": constants | tile,
             "warps": shipped.num_warps, "stages": shipped.num_stages}
        )  # fmt: skip
    for built in built_for_gpu(*asked):
        assert built["spilled"] == 0
        assert built["shared"] <= 99 * 1024  # what the smaller GPUs have
        assert unit is None or unit in built["ptx"]
