"""merge_attention: its definition against attention to all keys at once, its contract and its gradients."""

import pytest
import torch
from torch import Tensor

from memkit_kernels import merge_attention
from memkit_kernels.backend import BackendUnavailable, report
from memkit_kernels.testing import assert_close

INF = torch.inf
F64 = torch.float64


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = F64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=F64).to(dtype)


def attention(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """One softmax over the keys given: q `[T, D]`, k `[S, D]`, v `[S, E]`. Without keys 0 and -inf."""
    scores = q @ k.T
    return scores.softmax(1) @ v, scores.logsumexp(1)


@pytest.mark.parametrize("seed", range(5))
def test_any_partition_of_the_keys_gives_attention_to_all_of_them(seed: int) -> None:
    q, k, v = normal(7, 5, seed=seed), normal(40, 5, seed=seed + 1), normal(40, 3, seed=seed + 2)
    part = torch.randint(0, 6, (40,), generator=torch.Generator().manual_seed(seed))
    part[part == 3] = 2  # so that a part is empty
    outs, lses = zip(*(attention(q, k[part == p], v[part == p]) for p in range(6)), strict=True)
    assert torch.isinf(lses[3]).all()
    out, lse = merge_attention(outs, lses)
    expected_out, expected_lse = attention(q, k, v)
    assert_close(out, expected_out, dtype=F64)
    assert_close(lse, expected_lse, dtype=F64)


def test_merging_in_stages_is_merging_at_once() -> None:
    outs, lses = normal(4, 6, 5), normal(4, 6, seed=1) * 50
    halves = [merge_attention(outs[part], lses[part]) for part in (slice(0, 2), slice(2, 4))]
    staged, at_once = merge_attention(*zip(*halves, strict=True)), merge_attention(outs, lses)
    assert_close(staged[0], at_once[0], dtype=F64)
    assert_close(staged[1], at_once[1], dtype=F64)


def test_one_part_is_itself_and_a_stack_is_its_parts() -> None:
    outs, lses = normal(3, 2, 4, 5, dtype=torch.float32), normal(3, 2, 4, seed=1, dtype=torch.float32)
    alone = merge_attention([outs[0]], [lses[0]])
    assert torch.equal(alone[0], outs[0])
    assert torch.equal(alone[1], lses[0])
    stacked, separate = merge_attention(outs, lses), merge_attention(list(outs), tuple(lses))
    assert torch.equal(stacked[0], separate[0])
    assert torch.equal(stacked[1], separate[1])


def test_a_part_that_saw_no_key_adds_nothing_even_if_its_out_is_nan() -> None:
    outs = torch.stack([torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.full((2, 2), torch.nan)])
    out, lse = merge_attention(outs, torch.tensor([[0.5, -INF], [-INF, -INF]]))
    assert out.tolist() == [[1.0, 2.0], [0.0, 0.0]]
    assert lse.tolist() == [0.5, -INF]


@pytest.mark.parametrize("wrong", [INF, torch.nan])
def test_an_lse_that_is_no_number_spoils_its_own_row_alone(wrong: float) -> None:
    out, lse = merge_attention(torch.ones(2, 2, 3), torch.tensor([[wrong, 0.0], [0.0, 0.0]]))
    assert out[0].isnan().all()
    assert lse[0].isnan()
    assert_close(out[1], torch.ones(3), dtype=torch.float32)
    assert_close(lse[1], torch.tensor(2.0).log(), dtype=torch.float32)


def test_nan_in_a_part_that_counts_spoils_its_own_feature_alone() -> None:
    out, lse = merge_attention([torch.tensor([torch.nan, 1.0]), torch.ones(2)], [torch.tensor(0.0), torch.tensor(0.0)])
    assert out[0].isnan()
    assert_close(out[1], torch.tensor(1.0), dtype=torch.float32)
    assert lse.isfinite()


def test_far_apart_log_sum_exps_neither_overflow_nor_vanish() -> None:
    outs = torch.tensor([[[1.0]], [[2.0]]])
    out, lse = merge_attention(outs, torch.tensor([[3e38], [-3e38]]))
    assert out.tolist() == [[1.0]]
    assert lse.item() == pytest.approx(3e38)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, F64], ids=str)
def test_the_result_has_the_dtype_of_outs_and_the_lse_is_wide(dtype: torch.dtype) -> None:
    kept = F64 if dtype == F64 else torch.float32
    out, lse = merge_attention(normal(3, 4, 5, dtype=dtype), normal(3, 4, dtype=kept))
    assert out.dtype == dtype
    assert lse.dtype == kept
    assert_close(
        out, merge_attention(normal(3, 4, 5, dtype=dtype).double(), normal(3, 4, dtype=kept).double())[0], dtype=dtype
    )


@pytest.mark.parametrize("shape", [(0, 4), (3, 0, 2, 4), (4,)], ids=str)
def test_leading_axes_may_be_empty_or_missing(shape: tuple[int, ...]) -> None:
    out, lse = merge_attention([torch.ones(shape)] * 2, [torch.zeros(shape[:-1])] * 2)
    assert out.shape == shape
    assert lse.shape == shape[:-1]


def test_gradients_are_those_of_the_formula() -> None:
    outs, lses = normal(3, 2, 4).requires_grad_(), normal(3, 2, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(merge_attention, (outs, lses))

    def separate(*tensors: Tensor) -> tuple[Tensor, Tensor]:
        return merge_attention(tensors[:3], tensors[3:])

    assert torch.autograd.gradcheck(
        separate, (*outs.detach().clone().requires_grad_(), *lses.detach().requires_grad_())
    )


def test_a_part_that_saw_no_key_gets_no_gradient() -> None:
    outs = torch.stack([torch.ones(2, 3), torch.full((2, 3), torch.nan)]).requires_grad_()
    lses = torch.tensor([[0.0, -INF], [-INF, -INF]]).requires_grad_()
    out, lse = merge_attention(outs, lses)
    (out.sum() + lse[0]).backward()
    assert torch.equal(outs.grad, torch.tensor([[[1.0] * 3, [0.0] * 3], [[0.0] * 3] * 2]))
    assert torch.equal(lses.grad, torch.tensor([[1.0, 0.0], [0.0, 0.0]]))


def test_the_backend_that_ran_is_reported() -> None:
    with report() as ran:
        merge_attention([torch.ones(1)], [torch.tensor(0.0)])
    assert [(call.operation, call.backend) for call in ran] == [("merge_attention", "torch")]
    with pytest.raises(BackendUnavailable, match="float64"):
        merge_attention(torch.ones(1, 1, dtype=F64), torch.ones(1, dtype=F64), backend="triton")


ROW = torch.ones(2, 3)
SUM = torch.zeros(2)


@pytest.mark.parametrize(
    ("outs", "lses", "said"),
    [
        ([], [], "at least one"),
        ([ROW, ROW], [SUM], "the same parts"),
        (torch.ones(2, 2, 3), [SUM, SUM], "both be sequences"),
        (torch.ones(3), torch.zeros(3), r"at least \[P, E\]"),
        ([torch.ones(2, 0)], [SUM], "E of at least 1"),
        ([ROW.int()], [SUM], "float32"),
        ([ROW, ROW[:1]], [SUM, SUM[:1]], r"outs\[1\] must be \[2, 3\]"),
        ([ROW, ROW.half()], [SUM, SUM], r"outs\[1\].*torch.float16"),
        ([ROW], [torch.zeros(3)], r"lses\[0\] must be \[2\]"),
        ([ROW.half()], [SUM.half()], r"lses\[0\].*torch.float32"),
        ([ROW, ROW.to("meta")], [SUM, SUM], r"outs\[1\].*on meta"),
        ([ROW], [SUM.to("meta")], r"lses\[0\].*on meta"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_input_is_refused_and_named(outs: object, lses: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        merge_attention(outs, lses)


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(ValueError, match="backend must be one of"):
        merge_attention([ROW], [SUM], backend="cuda")
