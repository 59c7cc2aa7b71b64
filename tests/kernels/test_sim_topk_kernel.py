"""The Triton kernel of sim_topk, held to the definition: on a GPU, else in Triton's interpreter.

Sizes are small: the interpreter takes half a second for a search. A search of 64 * k keys and fewer measures them all; so
where the pass over the keys is meant, keys are more.  Numbers are small integers where a result has to be
equal and not just close, since sums of their products are exact in every dtype.
"""

from pathlib import Path

import pytest
import torch
import triton
import triton.language as tl
from torch import Tensor

from memkit_kernels import sim_topk
from memkit_kernels.backend import interpreted, report
from memkit_kernels.sim_topk import Metric, kernel, pack_mask
from memkit_kernels.sim_topk.kernel import sim_topk_triton
from memkit_kernels.sim_topk.maxima.kernel import CONFIGS
from memkit_kernels.sim_topk.reference import Search, similarity
from memkit_kernels.testing import Largest, assert_close, surrounded

INF = torch.inf
Found = tuple[Tensor, Tensor]
DTYPES = [torch.float32, torch.float16, *([] if interpreted() else [torch.bfloat16])]


def integers(*shape: int, device: torch.device, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return torch.randint(-3, 4, shape, generator=torch.Generator().manual_seed(seed)).to(device, dtype)


def normal(*shape: int, device: torch.device, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(device, dtype)


def both(queries: Tensor, keys: Tensor, k: int, **options: object) -> tuple[Found, Found]:
    """What the kernel finds, and what the definition says."""
    with report() as ran:
        found = sim_topk(queries, keys, k, backend="triton", **options)
        defined = sim_topk(queries, keys, k, backend="torch", **options)
    assert [call.backend for call in ran] == ["triton", "torch"]
    return found, defined


def assert_equal(found: Found, defined: Found) -> None:
    assert torch.equal(found[1], defined[1])
    assert torch.equal(found[0], defined[0])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    ("m", "n", "d", "k"),
    [(1, 1, 1, 1), (1, 100, 15, 100), (2, 700, 100, 2), (3, 63, 65, 16), (15, 65, 63, 1), (1, 300, 1, 3)],
    ids=lambda size: str(size),
)
def test_the_kernel_finds_what_the_definition_says(
    m: int, n: int, d: int, k: int, dtype: torch.dtype, device: torch.device
) -> None:
    queries, keys = integers(m, d, device=device, dtype=dtype), integers(n, d, device=device, dtype=dtype, seed=1)
    assert_equal(*both(queries, keys, k))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("metric", ["ip", "cosine", "l2"])
def test_scores_are_close_to_float64_and_belong_to_their_indices(
    metric: Metric, dtype: torch.dtype, device: torch.device
) -> None:
    queries, keys = normal(3, 100, device=device, dtype=dtype), normal(250, 100, device=device, dtype=dtype, seed=1)
    bias = normal(250, device=device, seed=2)
    scores, indices = sim_topk(queries, keys, 3, metric=metric, bias=bias, backend="triton")
    everything = similarity(queries.double(), keys.double(), metric) + bias.double()
    assert_close(scores, everything.topk(3).values, dtype=torch.float32)
    assert_close(scores, everything.gather(1, indices), dtype=torch.float32)
    assert all(len(set(row)) == 3 for row in indices.tolist())


def test_more_queries_than_a_tile_has_are_searched(device: torch.device) -> None:
    assert_equal(*both(integers(35, 3, device=device), integers(65, 3, device=device, seed=1), 1))


def test_ties_go_to_the_lower_index(device: torch.device) -> None:
    keys = torch.ones(500, 4, device=device)
    keys[[7, 250, 499]] = 2.0
    _, indices = sim_topk(torch.ones(2, 4, device=device), keys, 6, backend="triton")
    assert indices.tolist() == [[7, 250, 499, 0, 1, 2]] * 2


def test_minus_zero_ties_with_zero(device: torch.device) -> None:
    queries = torch.tensor([[1.0, 1e-20, 0.0]], device=device)
    keys = torch.tensor([[0.0, -1e-25, 10.0], [0.0, 0.0, 1.0], [0.0, 0.0, 2.0]], device=device)
    found, defined = both(queries, keys, 3, metric="cosine")  # the first, -1e-46, is rounded to -0
    assert_equal(found, defined)
    assert found[1].tolist() == [[0, 1, 2]]


@pytest.mark.parametrize("bits", [1, 8, 32])
@pytest.mark.parametrize("shape", [(250,), (3, 250)], ids=str)
def test_the_mask_comes_before_the_limit(shape: tuple[int, ...], bits: int, device: torch.device) -> None:
    queries, keys = integers(3, 8, device=device), integers(250, 8, device=device, seed=1)
    mask = integers(*shape, device=device, seed=2) > 1
    words = {1: mask, 32: pack_mask(mask), 8: pack_mask(mask).view(torch.uint8)}[bits]
    found, defined = both(queries, keys, 2, mask=words)
    assert_equal(found, defined)
    assert mask.expand(3, 250).gather(1, found[1]).all()


@pytest.mark.parametrize("n", [5, 300])
def test_the_places_left_over_hold_minus_infinity_and_minus_one(n: int, device: torch.device) -> None:
    mask = torch.zeros(n, dtype=torch.bool, device=device)
    mask[[1, n - 2]] = True
    keys = torch.arange(float(n), device=device)[:, None]
    scores, indices = sim_topk(torch.ones(1, 1, device=device), keys, 4, mask=mask, backend="triton")
    assert indices.tolist() == [[n - 2, 1, -1, -1]]
    assert scores.tolist() == [[n - 2.0, 1.0, -INF, -INF]]


@pytest.mark.parametrize("metric", ["ip", "cosine", "l2"])
@pytest.mark.parametrize("n", [8, 150])
def test_nan_never_wins(metric: Metric, n: int, device: torch.device) -> None:
    queries, keys = integers(3, 5, device=device) + 0.5, integers(8, 5, device=device, seed=1) + 0.5
    queries[1, 2] = torch.nan
    keys[[0, 4], [1, 3]] = torch.nan
    keys = torch.cat((torch.full((n - 8, 5), torch.nan, device=device), keys))  # of the groups, all but the last
    found, defined = both(queries, keys, 1 if n > 8 else 8, metric=metric)
    assert torch.equal(found[1], defined[1])
    assert set(found[1][1].tolist()) == {-1}
    assert not {n - 8, n - 4} & set(found[1][0].tolist())


@pytest.mark.parametrize("apart", [1, 70])
def test_a_bias_of_minus_infinity_shuts_out_and_of_infinity_wins(apart: int, device: torch.device) -> None:
    bias = torch.full((5 * apart,), -INF, device=device)
    bias[::apart] = torch.tensor([-INF, 0.0, torch.nan, INF, INF], device=device)
    ones = torch.ones(len(bias), 1, device=device)
    found, defined = both(ones[:1], ones, 4, bias=bias)
    assert_equal(found, defined)
    assert found[1].tolist() == [[3 * apart, 4 * apart, apart, -1]]


def test_a_zero_vector_has_cosine_zero(device: torch.device) -> None:
    keys = torch.tensor([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0]], device=device)
    found, defined = both(keys[:2], keys, 3, metric="cosine")
    assert_equal(found, defined)
    assert found[0].tolist() == [[0.0, 0.0, 0.0], [1.0, 0.0, -1.0]]


def test_l2_measures_near_duplicates_by_their_differences(device: torch.device) -> None:
    keys = torch.full((9, 8), 1000.0, device=device)
    keys[:, 0] += torch.arange(9, 0, -1, device=device) / 16
    found, defined = both(torch.full((1, 8), 1000.0, device=device), keys, 9, metric="l2")
    assert_equal(found, defined)


def test_what_rounding_may_exchange_is_bounded(device: torch.device) -> None:
    """Far from the origin |q|² + |k|² - 2q·k keeps few digits of |q - k|², and that chooses the groups."""
    queries, keys = normal(3, 8, device=device) + 300, normal(400, 8, device=device, seed=1) + 300
    scores, indices = sim_topk(queries, keys, 3, metric="l2", backend="triton")
    everything = similarity(queries, keys, "l2")  # in float64
    torch.testing.assert_close(scores, everything.gather(1, indices).float(), rtol=1e-5, atol=0)
    error = 1e-6 * 2 * 8 * 300**2  # 1.4; any three keys would be worse by 10
    right = everything.topk(3).values
    assert (scores <= right + 1e-3).all()
    assert (scores >= right - 2 * error).all()
    assert (scores[:, :-1] >= scores[:, 1:]).all()


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_padding_outside_the_tensors_is_not_read(metric: Metric, device: torch.device) -> None:
    queries, keys = integers(3, 70, device=device), integers(240, 70, device=device, seed=1)
    bias, mask = integers(240, device=device, seed=2), integers(3, 240, device=device, seed=3) > -2
    plain = sim_topk(queries, keys, 2, metric=metric, bias=bias, mask=mask)
    within = sim_topk(
        surrounded(queries), surrounded(keys), 2, metric=metric,
        bias=surrounded(bias), mask=surrounded(mask, poison=True), backend="triton",
    )  # fmt: skip
    assert_equal(within, plain)


def test_any_strides_are_read(device: torch.device) -> None:
    queries = integers(40, 6, device=device).T[::2]
    keys = integers(40, 400, device=device, seed=1).T[::2]
    bias = integers(1, device=device, seed=2).expand(200)
    mask = (integers(200, 3, device=device, seed=3) > -3).T
    assert_equal(*both(queries, keys, 2, bias=bias, mask=mask))


@pytest.mark.skipif(not interpreted(), reason="a sparse file is a CPU's memory")
def test_offsets_beyond_two_to_the_31_are_reached(tmp_path: Path) -> None:
    stride = 2**30 + 64
    (tmp_path / "sparse").touch()
    storage = torch.from_file(str(tmp_path / "sparse"), shared=True, size=3 * stride + 4, dtype=torch.float16)
    keys = storage.as_strided((4, 4), (stride, 1))
    keys.copy_(torch.eye(4))
    found = sim_topk(torch.arange(4.0)[None].half(), keys, 4, backend="triton")
    assert found[1].tolist() == [[3, 2, 1, 0]]
    across = storage.as_strided((4, 4), (1, stride))
    across.copy_(torch.eye(4))
    found = sim_topk(torch.arange(4.0)[None].half(), across, 4, metric="l2", backend="triton")
    assert found[0].tolist() == [[-9.0, -11.0, -13.0, -15.0]]


@pytest.mark.parametrize(("m", "n"), [(0, 5), (3, 0), (0, 0)])
def test_no_queries_or_no_keys_is_an_ordinary_case(m: int, n: int, device: torch.device) -> None:
    found, defined = both(torch.ones(m, 4, device=device), torch.ones(n, 4, device=device), 2, metric="l2")
    assert_equal(found, defined)
    assert found[0].shape == found[1].shape == (m, 2)


def test_the_number_of_programs_does_not_change_the_result(device: torch.device) -> None:
    queries, search = normal(2, 20, device=device), Search(keys=normal(600, 20, device=device, seed=1), metric="l2")
    one, three, seven = (sim_topk_triton(queries, 2, search, programs=programs) for programs in (1, 3, 7))
    assert_equal(three, one)
    assert_equal(seven, one)  # more than there are units of keys


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: "-".join(map(str, config.kwargs.values())))
def test_every_tile_finds_the_same(config: triton.Config, device: torch.device) -> None:
    queries, keys = integers(2, 150, device=device).half(), integers(300, 150, device=device, seed=1).half()
    found = sim_topk_triton(queries, 1, Search(keys=keys, metric="cosine"), config=config)
    defined = sim_topk(queries, keys, 1, metric="cosine", backend="torch")
    assert torch.equal(found[1], defined[1])
    assert_close(found[0], defined[0], dtype=torch.float32)


def test_blocks_of_queries_share_nothing(device: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    queries, keys = integers(3, 8, device=device), integers(200, 8, device=device, seed=1)
    mask = integers(3, 200, device=device, seed=2) > 0
    ranges = {"cu_seqlens": torch.tensor([0, 90, 200], device=device), "within": torch.tensor([1, 0, 1])}
    ranges["within"] = ranges["within"].to(device)
    monkeypatch.setattr(kernel, "BLOCK_BYTES", 2 * 8 * 2 * 64)  # two queries of two groups of candidates
    assert_equal(*both(queries, keys, 2, mask=mask, **ranges))


def test_two_runs_are_bit_equal(device: torch.device) -> None:
    queries, keys = normal(3, 33, device=device), normal(200, 33, device=device, seed=1)
    first, second = (sim_topk(queries, keys, 2, metric="cosine", backend="triton") for _ in range(2))
    assert_equal(first, second)


def test_the_scores_are_never_stored(device: torch.device) -> None:
    queries, keys = torch.ones(4, 1, device=device), torch.ones(4000, 1, device=device)
    with Largest() as largest:
        sim_topk_triton(queries, 1, Search(keys=keys, metric="ip"))
    assert largest.nbytes <= keys.nbytes  # the interpreter copies them; all scores would be four times that


@triton.jit
def product(left, right, out, SIZE: tl.constexpr):
    at = tl.arange(0, SIZE)[:, None] * SIZE + tl.arange(0, SIZE)[None, :]
    tl.store(out + at, tl.dot(tl.load(left + at), tl.load(right + at)))


@pytest.mark.skipif(not interpreted(), reason="the interpreter's fault")
def test_canary_the_interpreter_still_computes_bfloat16_products_wrongly() -> None:
    """When this fails Triton has mended it: let bfloat16 in, in backend.py and in DTYPES here."""
    left, right, out = normal(16, 16, device="cpu"), normal(16, 16, device="cpu", seed=1), torch.empty(16, 16)
    product[(1,)](left.half(), right.half(), out, SIZE=16)
    assert_close(out, left.half().float() @ right.half().float(), dtype=torch.float32)
    left, right = left.bfloat16(), right.bfloat16()
    product[(1,)](left, right, out, SIZE=16)
    with pytest.raises(AssertionError, match="of the RMS"):
        assert_close(out, left.float() @ right.float(), dtype=torch.bfloat16)
