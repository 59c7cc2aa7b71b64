"""gather_rerotate's definition and contract, held to loops and to what rotary embeddings are."""

import math
from collections.abc import Callable
from decimal import Decimal, getcontext

import pytest
import torch
from torch import Tensor

from memkit_kernels import gather_rerotate
from memkit_kernels.backend import BackendUnavailable
from memkit_kernels.gather_rerotate import Layout, gather_rerotate_reference
from memkit_kernels.gather_rerotate.reference import angles, rotated
from memkit_kernels.testing import assert_close

PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459")
LAYOUTS: list[Layout] = ["halves", "pairs"]


def normal(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def frequencies(count: int) -> Tensor:
    return 10000.0 ** -(torch.arange(count) / count)


def embedded(x: Tensor, position: int, inv_freq: Tensor, layout: Layout) -> Tensor:
    """Rotary embedding of one row `[G, D]`, a pair at a time, in float64 with angles of 50 digits."""
    getcontext().prec = 50
    out = x.clone()
    for f, frequency in enumerate(inv_freq.tolist()):
        angle = float((Decimal(frequency) * position) % (2 * PI))
        a, b = (f, f + len(inv_freq)) if layout == "halves" else (2 * f, 2 * f + 1)
        out[:, a] = x[:, a] * math.cos(angle) - x[:, b] * math.sin(angle)
        out[:, b] = x[:, b] * math.cos(angle) + x[:, a] * math.sin(angle)
    return out


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("d", "f"), [(2, 1), (16, 8), (15, 5)])
def test_rows_are_gathered_and_rotated_as_embeddings_are(d: int, f: int, layout: Layout) -> None:
    keys, values, inv_freq = normal(9, 2, d), normal(9, 2, 3, seed=1), frequencies(f)
    index, shift = [3, 0, 8, 3], [-2, 0, 1000, 17]
    moved, copied = gather_rerotate(
        keys, torch.tensor(index), torch.tensor(shift), inv_freq, layout=layout, values=values
    )
    expected = [embedded(keys[i], s, inv_freq, layout) for i, s in zip(index, shift, strict=True)]
    assert_close(moved, torch.stack(expected), dtype=torch.float64)
    assert torch.equal(copied, values[index])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("far", [1, 5000, 1_000_000, 2**40])
def test_rotated_to_p_and_then_moved_to_q_is_rotated_to_q(far: int, layout: Layout) -> None:
    """To 1e-12, however far: phases are integers, and add up exactly."""
    plain, inv_freq = normal(20, 2, 16), frequencies(8)
    old, new = torch.arange(20) * far, torch.arange(20) * 3
    at_old, at_new = (rotated(plain, angles(p, inv_freq), layout) for p in (old, new))
    moved, _ = gather_rerotate(at_old, torch.arange(20), new - old, inv_freq, layout=layout)
    assert float((moved - at_new).abs().max()) < 1e-12


def test_angles_a_million_tokens_away_are_right_to_1e_9() -> None:
    """Beside 50 digits. In float32, the product alone would be wrong by 0.06."""
    getcontext().prec = 50
    inv_freq, shift = frequencies(8), torch.tensor([10**6, -(10**6) - 1])
    found = angles(shift, inv_freq)
    for row, far in zip(found.tolist(), shift.tolist(), strict=True):
        for angle, frequency in zip(row, inv_freq.tolist(), strict=True):
            apart = (Decimal(frequency) * far - Decimal(angle)) / (2 * PI)
            assert abs(apart - apart.to_integral_value()) < Decimal("1e-10")
            assert -math.pi <= angle <= math.pi


def test_scores_depend_on_distances_alone() -> None:
    """What compaction is for: a query's products with moved keys are those of keys embedded there."""
    query, keys, inv_freq = normal(1, 1, 8), normal(30, 1, 8, seed=1), frequencies(4)
    kept = torch.tensor([0, 1, 17, 29])
    cached = rotated(keys, angles(torch.arange(30), inv_freq), "halves")
    moved, _ = gather_rerotate(cached, kept, torch.arange(4) - kept, inv_freq)
    fresh = rotated(keys[kept], angles(torch.arange(4), inv_freq), "halves")
    asked = rotated(query, angles(torch.tensor([4]), inv_freq), "halves")
    assert_close((moved * asked).sum(-1), (fresh * asked).sum(-1), dtype=torch.float64)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
def test_a_shift_of_zero_copies_bit_for_bit(dtype: torch.dtype) -> None:
    keys = normal(15, 3, 10, dtype=dtype)
    index = torch.arange(14, -1, -1)
    assert torch.equal(gather_rerotate(keys, index, torch.zeros(15, dtype=torch.int32), frequencies(5))[0], keys[index])


def test_sequences_of_a_batch_are_moved_each_for_itself() -> None:
    keys, values, inv_freq = normal(3, 11, 2, 6), normal(3, 11, 2, 4, seed=1), frequencies(3)
    index, shift = torch.tensor([[1, 2, 10], [0, -1, -1], [5, 5, -7]]), torch.tensor([[1, 2, 3], [4, 5, 6], [-7, 8, 9]])
    moved, copied = gather_rerotate(keys, index, shift, inv_freq, values=values)
    for b in range(3):
        alone, beside = gather_rerotate(keys[b], index[b], shift[b], inv_freq, values=values[b])
        assert torch.equal(moved[b], alone)
        assert torch.equal(copied[b], beside)
    holes = index < 0
    assert not moved[holes].any()
    assert not copied[holes].any()
    assert moved[~holes].abs().sum(-1).min() > 0


def test_a_hole_is_zero_even_where_rows_are_nan() -> None:
    keys = torch.full((3, 1, 2), torch.nan)
    moved, copied = gather_rerotate(keys, torch.tensor([-1]), torch.tensor([3]), torch.ones(1), values=keys)
    assert moved.tolist() == copied.tolist() == [[[0.0, 0.0]]]


def test_nothing_kept_of_nothing_is_an_ordinary_case() -> None:
    for n, kept, heads in ((0, 0, 2), (5, 0, 2), (5, 3, 0)):
        keys = torch.ones(n, heads, 4)
        index = torch.zeros(kept, dtype=torch.int64)
        moved, copied = gather_rerotate(keys, index, index, torch.ones(2), values=keys)
        assert moved.shape == copied.shape == (kept, heads, 4)
    moved, _ = gather_rerotate(torch.ones(0, 1, 2), torch.tensor([-1, -1]), torch.tensor([1, 1]), torch.ones(1))
    assert not moved.any()


def test_what_a_gpu_gives_for_an_index_beyond_the_rows_is_nan() -> None:
    """The dispatch raises on a CPU; the definition says what a GPU does."""
    keys = torch.ones(1, 4, 1, 2)
    moved, copied = gather_rerotate_reference(
        keys, keys, torch.tensor([[4, 3, 2**40]]), torch.zeros(1, 3, dtype=torch.int64), torch.ones(1), "halves"
    )
    assert moved[0, :, 0].isnan().all(1).tolist() == [True, False, True]
    assert copied is not None
    assert copied[0, :, 0].isnan().all(1).tolist() == [True, False, True]


def test_a_frequency_that_is_not_finite_spoils_its_features_alone() -> None:
    inv_freq = torch.tensor([1.0, torch.inf, torch.nan])
    moved, _ = gather_rerotate(torch.ones(1, 1, 8), torch.tensor([0]), torch.tensor([0]), inv_freq)
    assert moved[0, 0].isnan().tolist() == [False, True, True, False, True, True, False, False]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradients_are_those_of_the_definition(layout: Layout) -> None:
    keys, values, inv_freq = normal(2, 5, 2, 5), normal(2, 5, 2, 3, seed=1), frequencies(2)
    index, shift = torch.tensor([[4, 0, 4, -1], [1, -2, 3, 3]]), torch.tensor([[-3, 9, 100, 5], [0, 2, -8, 1]])

    def both(keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        return gather_rerotate(keys, index, shift, inv_freq, layout=layout, values=values)

    assert torch.autograd.gradcheck(both, (keys.requires_grad_(), values.requires_grad_()))


def test_gradients_flow_to_what_asks_for_them_only() -> None:
    keys, values = normal(5, 1, 4).requires_grad_(), normal(5, 1, 2)
    index = torch.tensor([1, 1, 3])
    moved, copied = gather_rerotate(keys, index, index, frequencies(2), values=values)
    assert moved.requires_grad
    moved.square().sum().backward()
    assert keys.grad is not None
    expected = torch.zeros(5, 1, 4, dtype=torch.float64)
    expected[1], expected[3] = 4 * keys.detach()[1], 2 * keys.detach()[3]  # a rotation keeps lengths
    assert_close(keys.grad, expected, dtype=torch.float64)
    assert values.grad is None
    assert torch.equal(copied, values[index])


GOOD = {
    "keys": torch.ones(4, 2, 6), "values": None, "inv_freq": torch.ones(3),
    "index": torch.zeros(3, dtype=torch.int64), "shift": torch.zeros(3, dtype=torch.int64),
}  # fmt: skip
BAD: list[tuple[str, dict[str, object], str]] = [
    ("too few axes", {"keys": torch.ones(4, 6)}, r"keys must be \[N, G, D\] or \[B, N, G, D\].*not \[4, 6\]"),
    ("integers", {"keys": torch.ones(4, 2, 6, dtype=torch.int64)}, "float64.*torch.int64"),
    ("no features", {"keys": torch.ones(4, 2, 0)}, "D of at least 1"),
    ("values of other rows", {"values": torch.ones(5, 2, 6)}, r"values must be \[4, 2, E\].*not \[5, 2, 6\]"),
    ("values of another dtype", {"values": torch.ones(4, 2, 6).half()}, "of torch.float32.*not .*torch.float16"),
    ("a batch of one index", {"index": torch.zeros(1, 3, dtype=torch.int64)}, r"index must be .* \[L\].*\[1, 3\]"),
    ("an index of floats", {"index": torch.zeros(3)}, "index must be int32 or int64.*torch.float32"),
    ("an index of bytes", {"index": torch.zeros(3, dtype=torch.uint8)}, "index must be int32 or int64.*torch.uint8"),
    ("a short shift", {"shift": torch.zeros(2, dtype=torch.int64)}, r"shift must be int32 or int64 \[3\]"),
    ("a shift of floats", {"shift": torch.zeros(3)}, "shift must be int32 or int64.*torch.float32"),
    ("too many frequencies", {"inv_freq": torch.ones(4)}, r"F from 1 to D / 2 = 3, not torch.float32 \[4\]"),
    ("no frequencies", {"inv_freq": torch.ones(0)}, "F from 1 to D / 2"),
    ("frequencies in half", {"inv_freq": torch.ones(3).half()}, "inv_freq must be float32 or float64"),
    ("a row that is not there", {"index": torch.tensor([0, 4, 1])}, "index must be below N = 4, not 4"),
    ("another layout", {"layout": "thirds"}, "layout must be one of .*'thirds'"),
    ("another backend", {"backend": "cuda"}, "backend must be one of .*'cuda'"),
    ("another device", {"shift": torch.zeros(3, dtype=torch.int64, device="meta")}, "shift must be on cpu.*meta"),
]


@pytest.mark.parametrize(("change", "message"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_bad_input_is_refused(change: dict[str, object], message: str) -> None:
    call: Callable[..., object] = gather_rerotate
    with pytest.raises(ValueError, match=message):
        call(**{**GOOD, **change})


def test_float64_has_no_kernel_and_says_so() -> None:
    index = torch.zeros(1, dtype=torch.int64)
    with pytest.raises(
        BackendUnavailable, match=r"takes torch.bfloat16, torch.float16, torch.float32, not torch.float64"
    ):
        gather_rerotate(torch.ones(1, 1, 2).double(), index, index, torch.ones(1), backend="triton")
