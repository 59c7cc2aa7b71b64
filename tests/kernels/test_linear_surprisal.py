"""What linear_surprisal means: its definition in torch, its gradients, and what it refuses."""

import math
from collections.abc import Iterator
from itertools import product

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from memkit_kernels import linear_surprisal
from memkit_kernels.linear_surprisal import Surprisals, Want
from memkit_kernels.linear_surprisal.gradient import differentiable
from memkit_kernels.linear_surprisal.reference import ROWS_PER_BLOCK, WORDS_PER_BLOCK, Head, linear_surprisal_reference
from memkit_kernels.testing import ODD_SIZES, assert_close, surrounded

ALL: tuple[Want, ...] = ("surprisal", "entropy", "varentropy", "lse", "top1")
FLOATS: tuple[Want, ...] = ("surprisal", "entropy", "varentropy", "lse")
INF, NAN = torch.inf, torch.nan


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Several only wait for each other at such sizes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def words(n: int, v: int, seed: int = 2) -> Tensor:
    return torch.randint(0, v, (n,), generator=torch.Generator().manual_seed(seed))


def told(logits: Tensor, target: Tensor) -> Surprisals:
    """Everything of each row of logits, by loops over its words."""
    rows = []
    for row, word in zip(logits.double().tolist(), target.tolist(), strict=True):
        most = max(row)
        lse = most + math.log(math.fsum(math.exp(z - most) for z in row))
        logs = [z - lse for z in row]
        entropy = -math.fsum(math.exp(log) * log for log in logs)
        spread = math.fsum(math.exp(log) * (log + entropy) ** 2 for log in logs)
        rows.append((-logs[word], entropy, spread, lse, row.index(most)))
    return Surprisals(*(torch.tensor(column, dtype=torch.float64) for column in zip(*rows, strict=True)))


def assert_told(found: Surprisals, expected: Surprisals, dtype: torch.dtype) -> None:
    for name in FLOATS:
        assert_close(getattr(found, name), getattr(expected, name), dtype=dtype)
    assert torch.equal(found.top1, expected.top1.long())


@pytest.mark.parametrize("size", ODD_SIZES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_each_row_is_told_as_a_loop_over_its_words_tells_it(size: int, dtype: torch.dtype) -> None:
    x, weight, target = normal(7, size, dtype=dtype), normal(size, size, seed=1, dtype=dtype), words(7, size)
    found = linear_surprisal(x, weight, target, want=ALL)
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    assert {value.dtype for value in found[:4]} == {wide}
    assert_told(found, told(x.double() @ weight.double().T, target), wide)


def test_a_vocabulary_and_rows_of_many_blocks_are_told_as_one() -> None:
    n, v = ROWS_PER_BLOCK + 3, 2 * WORDS_PER_BLOCK + 7
    x, weight, target = normal(n, 5), normal(v, 5, seed=1), words(n, v)
    target[:3] = torch.tensor([0, v - 1, WORDS_PER_BLOCK])
    logs = (x.double() @ weight.double().T).log_softmax(1)
    found = linear_surprisal(x, weight, target, want=ALL)
    entropy = torch.special.entr(logs.exp()).sum(1)
    assert_close(found.surprisal, -logs.gather(1, target[:, None])[:, 0], dtype=torch.float32)
    assert_close(found.entropy, entropy, dtype=torch.float32)
    assert_close(found.varentropy, (logs.exp() * (logs + entropy[:, None]).square()).sum(1), dtype=torch.float32)
    assert torch.equal(found.top1, logs.argmax(1))


@pytest.mark.parametrize(("scale", "softcap"), [(0.25, None), (1.0, 3.0), (2.0, 8.0), (3.0, 1e5)])
def test_logits_are_scaled_then_capped_and_a_bias_is_part_of_them(scale: float, softcap: float | None) -> None:
    x, weight, bias, target = normal(6, 9), normal(40, 9, seed=1), normal(40, seed=3), words(6, 40)
    z = scale * (x.double() @ weight.double().T + bias.double())
    if softcap is not None:
        z = softcap * torch.tanh(z / softcap)
    found = linear_surprisal(x, weight, target, bias=bias, scale=scale, softcap=softcap, want=ALL)
    assert_told(found, told(z, target), torch.float32)


def test_only_what_is_wanted_is_there() -> None:
    x, weight, target = normal(3, 4), normal(5, 4, seed=1), words(3, 5)
    whole = linear_surprisal(x, weight, target, want=ALL)
    for name in ALL:
        found = linear_surprisal(x, weight, target, want=[name])
        assert [field for field in ALL if getattr(found, field) is not None] == [name]
        assert torch.equal(getattr(found, name), getattr(whole, name))
    assert linear_surprisal(x, weight, target)[1:] == (None,) * 4
    assert torch.equal(linear_surprisal(x, weight, None, want=["entropy"]).entropy, whole.entropy)


def test_an_ignored_row_has_no_surprisal_and_all_else() -> None:
    x, weight, target = normal(3, 4), normal(5, 4, seed=1), torch.tensor([1, -100, 2])
    found = linear_surprisal(x, weight, target, want=ALL)
    plain = linear_surprisal(x, weight, torch.tensor([1, 0, 2]), want=ALL)
    assert found.surprisal.tolist() == [plain.surprisal[0].item(), 0.0, plain.surprisal[2].item()]
    assert torch.equal(found.entropy, plain.entropy)
    assert linear_surprisal(x, weight, target.clamp_min(0), ignore_index=0).surprisal[1] == 0


@pytest.mark.parametrize("softcap", [None, 5.0])
def test_a_bias_of_minus_infinity_is_a_mask(softcap: float | None) -> None:
    x, weight, target = normal(2, 4), normal(6, 4, seed=1), torch.tensor([3, 4])
    bias = torch.tensor([-INF, 0, 0, -INF, 0, -INF])
    found = linear_surprisal(x, weight, target, bias=bias, softcap=softcap, want=ALL)
    kept = linear_surprisal(x, weight[[1, 2, 4]], torch.tensor([0, 2]), softcap=softcap, want=ALL)
    assert found.surprisal.tolist() == [INF, pytest.approx(kept.surprisal[1].item())]
    for name in ("entropy", "varentropy", "lse"):
        assert_close(getattr(found, name), getattr(kept, name), dtype=torch.float32)


@pytest.mark.parametrize("bad", [NAN, INF])
def test_a_row_without_a_distribution_is_nan_and_no_word(bad: float) -> None:
    x, weight = torch.ones(2, 1), torch.ones(4, 1)
    for bias in (torch.tensor([0.0, bad, 0.0, 1.0]), torch.full((4,), -INF)):
        found = linear_surprisal(x, weight, torch.tensor([0, 1]), bias=bias, want=ALL)
        assert torch.stack(found[:4]).isnan().all()
        assert found.top1.tolist() == [-1, -1]
    x[0, 0] = bad
    found = linear_surprisal(x, weight, torch.tensor([0, 1]), want=ALL)
    assert [torch.stack(found[:4])[:, row].isnan().all().item() for row in (0, 1)] == [True, False]


def test_large_logits_neither_overflow_nor_lose_the_target() -> None:
    weight = torch.tensor([[1e4], [1e4 - 1], [-1e4], [-3e38]])
    found = linear_surprisal(torch.ones(4, 1), weight, torch.arange(4), want=ALL)
    assert_close(found.surprisal[:2], torch.tensor([0.313261688, 1.313261688]), dtype=torch.float32)
    assert found.surprisal[2].item() == pytest.approx(20000.3125, abs=1e-2)
    assert found.entropy.tolist() == pytest.approx([0.58220310] * 4, rel=1e-6)
    assert found.lse.tolist() == pytest.approx([10000.3135] * 4, rel=1e-6)


def test_a_sure_word_surprises_nobody_and_nothing_is_below_zero() -> None:
    found = linear_surprisal(torch.ones(1, 1), torch.tensor([[500.0], [0.0]]), torch.tensor([0]), want=ALL)
    assert [value.item() for value in found] == [0.0, 0.0, 0.0, 500.0, 0]
    near = linear_surprisal(normal(50, 3) * 30, normal(70, 3, seed=1), words(50, 70), want=ALL)
    assert (torch.stack(near[:4])[:3] >= 0).all()


def test_of_equal_logits_the_lowest_word_is_first() -> None:
    weight = torch.zeros(WORDS_PER_BLOCK + 9, 1)
    weight[[7, 9, WORDS_PER_BLOCK + 1]] = 1.0
    found = linear_surprisal(torch.tensor([[1.0], [-1.0], [0.0]]), weight, None, want=["top1"])
    assert found.top1.tolist() == [7, 0, 0]


def test_no_rows_is_an_ordinary_case() -> None:
    found = linear_surprisal(torch.ones(0, 4), torch.ones(5, 4), torch.ones(0, dtype=torch.int64), want=ALL)
    assert [value.shape for value in found] == [(0,)] * 5


@pytest.mark.parametrize("want", [*FLOATS, FLOATS], ids=str)
def test_gradients_are_those_of_finite_differences(want: Want | tuple[Want, ...]) -> None:
    x, weight, bias = normal(4, 3, dtype=torch.float64), normal(5, 3, seed=1, dtype=torch.float64), normal(5, seed=2)
    given = [tensor.double().requires_grad_() for tensor in (x, weight, bias)]
    target, names = torch.tensor([0, -100, 4, 2]), [want] if isinstance(want, str) else want
    for scale, softcap in ((1.0, None), (0.7, 2.0)):

        def run(x: Tensor, weight: Tensor, bias: Tensor, scale=scale, softcap=softcap) -> list[Tensor]:
            found = linear_surprisal(x, weight, target, bias=bias, scale=scale, softcap=softcap, want=names)
            return [getattr(found, name) for name in names]

        assert torch.autograd.gradcheck(run, given)


def test_gradients_over_many_blocks_are_those_of_the_logits() -> None:
    n, v = ROWS_PER_BLOCK + 3, WORDS_PER_BLOCK + 7
    x, weight = normal(n, 5, dtype=torch.float64), normal(v, 5, seed=1, dtype=torch.float64)
    target = words(n, v)
    sides = []
    for fused in (True, False):
        one, other = x.clone().requires_grad_(), weight.clone().requires_grad_()
        if fused:
            found = linear_surprisal(one, other, target, want=("surprisal", "entropy", "top1"))
            assert not found.top1.requires_grad
            loss = (found.surprisal * x[:, 0]).sum() + (found.entropy * x[:, 1]).sum()
        else:
            logs = (one @ other.T).log_softmax(1)
            loss = (
                -(logs.gather(1, target[:, None])[:, 0] * x[:, 0]).sum() - ((logs.exp() * logs).sum(1) * x[:, 1]).sum()
            )
        loss.backward()
        sides.append((one.grad, other.grad))
    for found, expected in zip(*sides, strict=True):
        assert_close(found, expected, dtype=torch.float64)


def test_a_masked_word_gets_no_gradient_and_makes_none_nan() -> None:
    weight = normal(4, 3, seed=1).requires_grad_()
    for softcap in (None, 2.0):
        bias = torch.tensor([0.0, -INF, 0.0, 0.0])
        found = linear_surprisal(normal(2, 3), weight, torch.tensor([0, 2]), bias=bias, softcap=softcap, want=FLOATS)
        (grad,) = torch.autograd.grad(torch.stack(found[:4]).sum(), weight)
        assert grad.isfinite().all()
        assert grad[1].tolist() == [0, 0, 0]


class Largest(TorchDispatchMode):
    """The most elements of any tensor that torch was asked for inside the block."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self.elements = max(
            [self.elements, *(leaf.numel() for leaf in tree_leaves(result) if isinstance(leaf, Tensor))]
        )
        return result


def test_logits_are_never_there_at_once_forward_or_backward() -> None:
    n, v = 2 * ROWS_PER_BLOCK, 4 * WORDS_PER_BLOCK
    x, weight = normal(n, 2).requires_grad_(), normal(v, 2, seed=1).requires_grad_()
    with Largest() as largest:
        linear_surprisal(x, weight, words(n, v), want=FLOATS).surprisal.sum().backward()
    assert largest.elements == ROWS_PER_BLOCK * WORDS_PER_BLOCK


def test_any_strides_are_read_and_nothing_outside() -> None:
    x, weight, bias, target = normal(6, 9), normal(40, 9, seed=1), normal(40, seed=3), words(6, 40)
    plain = linear_surprisal(x, weight, target, bias=bias, want=ALL)
    across = linear_surprisal(x.T.contiguous().T, surrounded(weight), target, bias=surrounded(bias), want=ALL)
    for found, expected in zip(across, plain, strict=True):
        assert_close(found, expected, dtype=torch.float32)


X, W, Y = torch.ones(3, 4), torch.ones(5, 4), torch.zeros(3, dtype=torch.int64)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"x": torch.ones(3, 5)}, r"not \[3, 5\] and \[5, 4\]"),
        ({"x": torch.ones(4)}, r"\[N, D\]"),
        ({"weight": torch.ones(0, 4)}, "at least 1"),
        ({"x": torch.ones(3, 4).half()}, "one dtype"),
        ({"x": torch.ones(3, 4).int(), "weight": torch.ones(5, 4).int()}, "one dtype"),
        ({"weight": torch.ones(5, 4, device="meta")}, "one device"),
        ({"bias": torch.ones(4)}, r"\[V\] = \[5\]"),
        ({"bias": torch.ones(5).int()}, "float tensor"),
        ({"target": torch.zeros(2, dtype=torch.int64)}, r"\[N\] = \[3\]"),
        ({"target": torch.zeros(3)}, "int64 tensor"),
        ({"target": None}, "leave it out of want"),
        ({"target": torch.tensor([0, 5, -100])}, r"0 to 4, .* not 5 \(row 1\)"),
        ({"target": torch.tensor([0, 1, -1])}, r"not -1 \(row 2\)"),
        ({"want": ()}, "want must be some of"),
        ({"want": ("perplexity",)}, "want must be some of"),
        ({"want": "surprisal"}, "want must be some of"),
        ({"scale": 0.0}, "scale must be"),
        ({"scale": math.nan}, "scale must be"),
        ({"softcap": -1.0}, "softcap must be"),
        ({"softcap": math.inf}, "softcap must be"),
        ({"backend": "cuda"}, "backend must be"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_what_cannot_be_told_is_refused(change: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        linear_surprisal(**({"x": X, "weight": W, "target": Y} | change))


def test_int32_targets_are_targets() -> None:
    for dtype, backward in product((torch.int32, torch.int64), (False, True)):
        x = normal(3, 4).requires_grad_(backward)
        found = linear_surprisal(x, normal(5, 4, seed=1), torch.tensor([1, 2, 3], dtype=dtype)).surprisal
        assert torch.equal(found, linear_surprisal(x, normal(5, 4, seed=1), torch.tensor([1, 2, 3])).surprisal)


def test_the_gradient_through_a_target_that_nobody_checked_is_nan() -> None:
    x, head = torch.ones(2, 3, requires_grad=True), Head(torch.eye(4, 3), None, 1.0, None)
    target, want = torch.tensor([1, 9]), frozenset({"surprisal"})
    told = differentiable(linear_surprisal_reference, x, head, target, ignore_index=-100, want=want)
    assert told.surprisal is not None
    (found,) = torch.autograd.grad(told.surprisal.sum(), x)
    assert found[0].isfinite().all()
    assert found[1].isnan().all()
