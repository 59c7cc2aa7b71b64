"""Keys in eight bits, and the search that begins with them."""

import pytest
import torch
from torch import Tensor

from memkit_kernels import sim_topk
from memkit_kernels.sim_topk import Int8Keys, Metric, quantise
from memkit_kernels.sim_topk.reference import COARSE_GROUP, KEYS_PER_BLOCK, similarity

METRICS: tuple[Metric, ...] = ("ip", "cosine", "l2")


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def documents(n: int, d: int, topics: int) -> Tensor:
    """Unit vectors as embedders give them: topics of unequal size, a common direction, features of unequal scale."""
    generator = torch.Generator().manual_seed(5)
    scale = torch.linspace(1.5, 0.1, d)
    centres = torch.randn((topics, d), generator=generator) * scale + 0.3
    topic = (torch.rand(n, generator=generator) ** 2 * topics).long()
    vectors = centres[topic] + 0.5 * torch.randn((n, d), generator=generator) * scale
    return vectors / vectors.norm(dim=1, keepdim=True)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_a_quantised_key_is_off_by_half_a_step_at_most(dtype: torch.dtype) -> None:
    keys = normal(50, 20, dtype=dtype) * torch.logspace(-4, 4, 50, dtype=dtype)[:, None]
    small = quantise(keys)
    error = (small.values.double() * small.steps.double()[:, None] - keys.double()).abs()
    assert (error <= small.steps.double()[:, None] * 0.5001).all()
    assert small.values.abs().amax(1).tolist() == [127] * 50
    torch.testing.assert_close(small.norms, keys.float().norm(dim=1))


def test_halves_are_rounded_to_even() -> None:
    small = quantise(torch.tensor([[127.0, 0.5, 1.5, 2.5, -0.5, -1.5]]))
    assert small.values.tolist() == [[127, 0, 2, 2, 0, -2]]


@pytest.mark.parametrize("size", [0.0, 1e-40, 1e-45, 3e38])
def test_the_smallest_and_the_largest_keys_are_quantised(size: float) -> None:
    small = quantise(torch.tensor([[size, -size]]))
    assert (small.values.double() * small.steps.double()).abs().max() <= 3.5e38
    assert small.values.abs().max() <= 127
    assert small.steps.isfinite().all()


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_a_key_that_is_not_finite_is_refused_by_its_number(bad: float) -> None:
    keys = torch.zeros(7, 2)
    keys[4, 1] = bad
    with pytest.raises(ValueError, match="every key must be finite in float32 to be quantised; key 4 is not"):
        quantise(keys)


@pytest.mark.parametrize("metric", METRICS)
def test_what_is_found_from_eight_bits_has_exact_scores(metric: Metric) -> None:
    keys, queries = documents(2000, 32, 20), documents(2000, 32, 20)[::400] + 0.01
    scores, indices = sim_topk(queries, keys, 5, metric=metric, coarse=quantise(keys))
    everything = similarity(queries, keys, metric).float()
    torch.testing.assert_close(scores, everything.gather(1, indices))
    assert (scores[:, :-1] >= scores[:, 1:]).all()


@pytest.mark.parametrize("metric", METRICS)
def test_of_documents_nothing_is_missed_that_is_clearly_better(metric: Metric) -> None:
    """A missed key is no better than what was found by more than its eight bits may be off."""
    keys = documents(20_000, 64, 100)
    queries = documents(21_000, 64, 100)[20_000::50]
    small = quantise(keys)
    found = sim_topk(queries, keys, 10, metric=metric, coarse=small)
    exact = sim_topk(queries, keys, 10, metric=metric)
    hits = (found[1][:, :, None] == exact[1][:, None, :]).any(2)
    assert hits.float().mean() == 1.0
    per_step = 2 if metric == "l2" else 1
    bound = per_step * queries.abs().sum(1) * small.steps.max()  # half a step for the found, and for the missed
    assert (exact[0][:, -1] - found[0][:, -1] <= bound).all()


def test_where_keys_differ_by_less_than_a_step_some_are_missed() -> None:
    """It is an approximation: among 4,000 keys that eight bits cannot tell apart, groups are taken as they come."""
    keys = torch.cat((torch.ones(4000, 1), torch.linspace(1e-3, 2e-3, 4000)[:, None]), 1)
    queries = torch.tensor([[0.0, 1.0]])
    exact, found = sim_topk(queries, keys, 1), sim_topk(queries, keys, 1, coarse=quantise(keys))
    assert exact[1].tolist() == [[3999]]
    assert found[1].tolist() != exact[1].tolist()
    assert 0 < float(exact[0] - found[0]) <= 1 / 127


def test_the_groups_cross_blocks_ranges_and_masks() -> None:
    n = KEYS_PER_BLOCK + 3 * COARSE_GROUP + 7
    keys = normal(n, 6)
    keys[[40, 41, n - 1, n - 2]] = torch.tensor([9.0, 8.0, 9.5, 8.5])[:, None]
    mask = torch.ones(n, dtype=torch.bool)
    mask[n - 1] = False
    options = {"cu_seqlens": torch.tensor([41, n - 1, n]), "within": torch.tensor([0, 1]), "mask": mask}
    queries = torch.ones(2, 6)
    _, indices = sim_topk(queries, keys, 2, coarse=quantise(keys), **options)
    assert indices.tolist() == [[n - 2, 41], [-1, -1]]


def test_a_bias_decides_among_eight_bit_keys_too() -> None:
    keys, bias = torch.ones(1000, 4), torch.zeros(1000)
    bias[[700, 90]] = torch.tensor([2.0, 1.0])
    _, indices = sim_topk(torch.ones(1, 4), keys, 3, coarse=quantise(keys), bias=bias)
    assert indices.tolist() == [[700, 90, 0]]


@pytest.mark.parametrize("metric", METRICS)
def test_a_query_that_is_not_finite_finds_nothing(metric: Metric) -> None:
    keys = normal(200, 3)
    queries = torch.tensor([[torch.nan, 0.0, 0.0], [torch.inf, 1.0, 0.0], [1.0, 0.0, 0.0]])
    _, indices = sim_topk(queries, keys, 2, metric=metric, coarse=quantise(keys))
    assert (indices[:2] == -1).all()
    assert (indices[2] >= 0).all()


@pytest.mark.parametrize(("m", "n"), [(0, 5), (3, 0), (0, 0)])
def test_no_queries_or_no_keys_is_an_ordinary_case(m: int, n: int) -> None:
    keys = torch.ones(n, 4)
    scores, indices = sim_topk(torch.ones(m, 4), keys, 2, coarse=quantise(keys))
    assert indices.tolist() == ([[0, 1]] if n else [[-1, -1]]) * m
    assert scores.shape == (m, 2)


SMALL = quantise(torch.ones(5, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sim_topk(torch.ones(1, 3), torch.ones(6, 3), 1, coarse=SMALL), r"int8 \[6, 3\] on cpu, not \[5, 3\]"),
        (lambda: sim_topk(torch.ones(1, 3), torch.ones(5, 3), 33, coarse=SMALL), "1 to 32 with coarse keys, not 33"),
        (lambda: quantise(torch.ones(3)), r"float tensor \[N, D\], not torch.float32 \[3\]"),
        (lambda: quantise(torch.ones(3, 2).int()), "float tensor .* not torch.int32"),
        (lambda: Int8Keys(values=torch.ones(3, 2), steps=SMALL.steps, norms=SMALL.norms), "values must be int8"),
        (
            lambda: Int8Keys(values=SMALL.values, steps=SMALL.steps[:4], norms=SMALL.norms),
            r"steps must be float32 \[5\] on cpu, not torch.float32 \[4\]",
        ),
        (lambda: Int8Keys(values=SMALL.values, steps=SMALL.steps, norms=SMALL.norms.double()), "norms must be float32"),
    ],
)
def test_wrong_eight_bit_keys_are_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
