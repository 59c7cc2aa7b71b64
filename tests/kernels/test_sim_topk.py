"""What sim_topk means: its definition in torch, and what it refuses."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from memkit_kernels import sim_topk
from memkit_kernels.sim_topk import MAX_K, Metric
from memkit_kernels.sim_topk.reference import KEYS_PER_BLOCK, QUERIES_PER_BLOCK, best
from memkit_kernels.testing import ODD_SIZES, assert_close, surrounded

METRICS: tuple[Metric, ...] = ("ip", "cosine", "l2")
INF = torch.inf


def brute_force(queries: Tensor, keys: Tensor, metric: Metric) -> Tensor:
    """All scores [M, N] in float64, each pair by itself."""
    q, k = queries.double()[:, None], keys.double()[None]
    if metric == "l2":
        return -(q - k).square().sum(2)
    products = (q * k).sum(2)
    return products if metric == "ip" else products / (q.norm(dim=2) * k.norm(dim=2))


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


@pytest.mark.parametrize("size", ODD_SIZES)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_the_best_of_all_pairs_are_found(size: int, metric: Metric, dtype: torch.dtype) -> None:
    queries, keys = normal(7, size, dtype=dtype), normal(size, size, seed=1, dtype=dtype)
    k = min(5, size)
    expected = brute_force(queries, keys, metric).sort(dim=1, descending=True, stable=True)
    scores, indices = sim_topk(queries, keys, k, metric=metric)
    assert_close(scores, expected.values[:, :k], dtype=scores.dtype)
    assert torch.equal(indices, expected.indices[:, :k])


def test_scores_are_float32_unless_the_tensors_are_float64() -> None:
    for dtype, wanted in [(torch.bfloat16, torch.float32), (torch.float32, torch.float32), (torch.float64,) * 2]:
        scores, indices = sim_topk(normal(2, 3, dtype=dtype), normal(4, 3, dtype=dtype), 2)
        assert (scores.dtype, indices.dtype) == (wanted, torch.int64)


def test_the_result_does_not_depend_on_the_blocks() -> None:
    queries, keys = normal(QUERIES_PER_BLOCK + 3, 2), normal(KEYS_PER_BLOCK + 5, 2, seed=1).round(decimals=1)
    scores, indices = sim_topk(queries.round(), keys, 9, metric="l2")
    expected = brute_force(queries.round()[-5:], keys, "l2").float().sort(dim=1, descending=True, stable=True)
    assert_close(scores[-5:], expected.values[:, :9], dtype=torch.float32)
    assert torch.equal(indices[-5:], expected.indices[:, :9])


def test_equal_keys_in_two_blocks_are_found_in_order() -> None:
    keys = torch.zeros(KEYS_PER_BLOCK + 2, 1)
    keys[[5, KEYS_PER_BLOCK - 1, KEYS_PER_BLOCK + 1]] = 1.0
    _, indices = sim_topk(torch.ones(1, 1), keys, 4)
    assert indices.tolist() == [[5, KEYS_PER_BLOCK - 1, KEYS_PER_BLOCK + 1, 0]]


@given(st.lists(st.sampled_from([-INF, -1.0, -0.0, 0.0, 1.0, INF]), min_size=2, max_size=12), st.data())
def test_the_best_are_the_head_of_a_stable_sort(row: list[float], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(row) - 1))
    scores = torch.tensor([row])
    expected = scores.sort(dim=1, descending=True, stable=True)
    values, columns = best(scores, k)
    assert torch.equal(values, expected.values[:, :k])
    admissible = values > -INF
    assert torch.equal(columns[admissible], expected.indices[:, :k][admissible])


def test_l2_tells_near_duplicates_apart_where_float32_products_could_not() -> None:
    keys = torch.full((4, 8), 1000.0)
    keys[:, 0] += torch.tensor([0.5, 0.25, 0.75, 0.125])
    scores, indices = sim_topk(torch.full((1, 8), 1000.0), keys, 4, metric="l2")
    assert indices.tolist() == [[3, 1, 0, 2]]
    assert scores.tolist() == [[-0.015625, -0.0625, -0.25, -0.5625]]


def test_a_namespace_is_a_slice_of_the_keys() -> None:
    queries, keys = normal(3, 8), normal(50, 8, seed=1)
    only = torch.zeros(50, dtype=torch.bool)
    only[20:35] = True
    masked, sliced = sim_topk(queries, keys, 4, mask=only), sim_topk(queries, keys[20:35], 4)
    assert torch.equal(masked[0], sliced[0])
    assert torch.equal(masked[1], sliced[1] + 20)


def test_padding_outside_the_tensors_is_not_read() -> None:
    queries, keys, bias = normal(3, 5), normal(7, 5, seed=1), normal(7, seed=2)
    mask = bias > -0.5
    plain = sim_topk(queries, keys, 4, bias=bias, mask=mask)
    within = sim_topk(
        surrounded(queries), surrounded(keys), 4, bias=surrounded(bias), mask=surrounded(mask, poison=True)
    )
    assert torch.equal(plain[0], within[0])
    assert torch.equal(plain[1], within[1])


def test_no_gradient_flows() -> None:
    scores, _ = sim_topk(normal(2, 3).requires_grad_(), normal(4, 3), 1)
    assert not scores.requires_grad


Q, K = torch.zeros(2, 3), torch.zeros(5, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sim_topk(Q[0], K, 1), r"queries must be \[M, D\].* not \[3\] and \[5, 3\]"),
        (lambda: sim_topk(Q, K[:, :2], 1), r"with one D .* not \[2, 3\] and \[5, 2\]"),
        (lambda: sim_topk(Q[:, :0], K[:, :0], 1), "D of at least 1"),
        (lambda: sim_topk(Q, K.half(), 1), "share one dtype .* not torch.float32 and torch.float16"),
        (lambda: sim_topk(Q.int(), K.int(), 1), "not torch.int32"),
        (lambda: sim_topk(Q, K.to("meta"), 1), "on one device, not cpu and meta"),
        (lambda: sim_topk(Q, K, 0), "k must be an integer from 1 to 128, not 0"),
        (lambda: sim_topk(Q, K, MAX_K + 1), "k must be an integer from 1 to 128, not 129"),
        (lambda: sim_topk(Q, K, 2.5), "not 2.5"),
        (lambda: sim_topk(Q, K, True), "not True"),
        (lambda: sim_topk(Q, torch.zeros(1, 3).expand(2_000_000_001, 3), 1), "at most 2000000000 keys"),
        (lambda: sim_topk(Q, K, 1, metric="dot"), "metric must be one of .* not 'dot'"),  # type: ignore[arg-type]
        (lambda: sim_topk(Q, K, 1, backend="cuda"), "backend must be one of .* not 'cuda'"),  # type: ignore[arg-type]
        (lambda: sim_topk(Q, K, 1, bias=torch.zeros(2)), r"bias must be .* \[5\] on cpu, not torch.float32 \[2\]"),
        (lambda: sim_topk(Q, K, 1, bias=torch.zeros(5).int()), "bias must be a float tensor .* not torch.int32"),
        (lambda: sim_topk(Q, K, 1, mask=torch.zeros(5)), "mask must be a bool tensor .* not torch.float32"),
        (lambda: sim_topk(Q, K, 1, mask=torch.zeros(2).bool()), r"\[5\] or \[M, N\] = \[2, 5\] .* \[2\] on cpu"),
    ],
)
def test_a_wrong_argument_is_refused_with_what_was_expected(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("size", [0.0, 1e-30])
def test_the_cosine_of_a_vector_without_length_is_zero(size: float) -> None:
    scores, _ = sim_topk(torch.full((1, 4), size), torch.full((1, 4), size), 1, metric="cosine")
    assert scores.tolist() == [[0.0]]


def test_a_vector_whose_squares_overflow_has_no_cosine() -> None:
    keys = torch.tensor([[1e30, 0.0], [1.0, 1.0]])
    assert sim_topk(torch.ones(1, 2), keys, 2, metric="cosine")[1].tolist() == [[1, -1]]
    assert sim_topk(torch.full((1, 2), 1e30), keys, 2, metric="cosine")[1].tolist() == [[-1, -1]]
