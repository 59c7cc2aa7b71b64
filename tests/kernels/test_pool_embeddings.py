"""pool_embeddings: its contract, and its definition held to loops."""

import math

import pytest
import torch
from torch import Tensor

from memkit_kernels import pool_embeddings, sim_topk
from memkit_kernels.pool_embeddings import Mode
from memkit_kernels.sim_topk.int8 import Int8Keys, quantise

LENGTHS = [3, 3, 0, 1, 5, 5, 0]
MODES: list[Mode] = ["mean", "cls", "last", "max"]


def bounds(*lengths: int, dtype: torch.dtype = torch.int64) -> Tensor:
    return torch.tensor([0, *lengths]).cumsum(0).to(dtype)


def hidden(tokens: int, d: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(tokens, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)


def by_loops(states: Tensor, lengths: list[int], mode: Mode, normalise: bool) -> list[list[float]]:
    rows, vectors, start = states.tolist(), [], 0
    for length in lengths:
        mine = rows[start : start + length]
        start += length
        if not mine:
            vector = [0.0] * states.shape[1]
        elif mode == "mean":
            vector = [sum(column) / length for column in zip(*mine, strict=True)]
        elif mode == "max":
            vector = [max(column) for column in zip(*mine, strict=True)]
        else:
            vector = mine[0 if mode == "cls" else -1]
        size = math.sqrt(sum(x * x for x in vector)) if normalise else 1.0
        vectors.append([x / max(size, 1e-12) for x in vector])
    return vectors


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("mode", MODES)
def test_vectors_are_those_of_loops(mode: Mode, normalise: bool) -> None:
    states = hidden(sum(LENGTHS), 7)
    found = pool_embeddings(states, bounds(*LENGTHS), mode=mode, normalise=normalise)
    expected = torch.tensor(by_loops(states, LENGTHS, mode, normalise), dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_the_result_has_the_dtype_of_the_states_or_the_one_asked_for() -> None:
    states = hidden(4, 3, torch.float16)
    assert pool_embeddings(states, bounds(1, 3)).dtype == torch.float16
    for dtype in (torch.float32, torch.bfloat16):
        found = pool_embeddings(states, bounds(1, 3), dtype=dtype)
        assert isinstance(found, Tensor)
        assert found.dtype == dtype


def test_sums_of_half_precision_states_do_not_overflow() -> None:
    states = torch.full((3, 2), 60_000.0, dtype=torch.float16)
    assert pool_embeddings(states, bounds(3), normalise=False).tolist() == [[60_000.0, 60_000.0]]
    found = pool_embeddings(states, bounds(3))
    assert found.tolist() == [[pytest.approx(0.5**0.5, abs=1e-3)] * 2]


def test_a_zero_vector_and_an_empty_sequence_stay_zero() -> None:
    found = pool_embeddings(torch.zeros(2, 3), bounds(2, 0))
    assert found.tolist() == [[0.0] * 3] * 2


def test_a_short_vector_is_normalised_by_1e_12() -> None:
    found = pool_embeddings(torch.full((1, 1), 1e-13), bounds(1))
    assert found.item() == pytest.approx(0.1)


def test_a_vector_whose_length_overflows_is_nan_and_not_zero() -> None:
    states = torch.tensor([[1e30, 0.0], [3.0, 4.0]])
    found = pool_embeddings(states, bounds(1, 1))
    torch.testing.assert_close(found, torch.tensor([[math.nan, math.nan], [0.6, 0.8]]), equal_nan=True)
    assert pool_embeddings(states.double(), bounds(1, 1)).tolist() == [[1.0, 0.0], [0.6, 0.8]]


@pytest.mark.parametrize("mode", MODES)
def test_nan_stays_in_its_own_sequence(mode: Mode) -> None:
    states = hidden(6, 3)
    states[[0, 2], 1] = math.nan
    found = pool_embeddings(states, bounds(3, 3), mode=mode)
    assert found[0].isnan().all()
    assert found[1].isfinite().all()


def test_int8_is_what_sim_topk_quantises() -> None:
    states = hidden(11, 20, torch.float32)
    vectors = pool_embeddings(states, bounds(4, 7))
    found, expected = pool_embeddings(states, bounds(4, 7), dtype=torch.int8), quantise(vectors)
    assert isinstance(found, Int8Keys)
    assert torch.equal(found.values, expected.values)
    torch.testing.assert_close(found.steps, expected.steps)
    torch.testing.assert_close(found.norms, torch.ones(2))
    assert sim_topk(vectors, found.values * found.steps[:, None], 1)[1].tolist() == [[0], [1]]


def test_int8_rounds_half_to_even_and_keeps_zero() -> None:
    states = torch.tensor([[127.0, 0.5, 1.5, -2.5], [0.0, 0.0, 0.0, 0.0]])
    found = pool_embeddings(states, bounds(1, 1, 0), normalise=False, dtype=torch.int8)
    assert isinstance(found, Int8Keys)
    assert found.values.tolist() == [[127, 0, 2, -2], [0] * 4, [0] * 4]
    assert found.steps.tolist() == [1.0, 0.0, 0.0]
    assert found.norms[1:].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_has_no_int8(bad: float) -> None:
    found = pool_embeddings(torch.tensor([[bad, 1.0], [3.0, 4.0]]), bounds(1, 1), dtype=torch.int8)
    assert isinstance(found, Int8Keys)
    assert found.values.tolist() == [[0, 0], [95, 127]]
    assert found.steps.isnan().tolist() == found.norms.isnan().tolist() == [True, False]


def test_no_tokens_and_no_sequences_are_ordinary_cases() -> None:
    assert pool_embeddings(torch.empty(0, 3), bounds(0, 0)).tolist() == [[0.0] * 3] * 2
    assert pool_embeddings(torch.empty(0, 3), bounds()).shape == (0, 3)
    found = pool_embeddings(torch.empty(0, 3), bounds(), dtype=torch.int8)
    assert isinstance(found, Int8Keys)
    assert (found.values.shape, found.steps.shape) == ((0, 3), (0,))


STATES = torch.ones(4, 3)


@pytest.mark.parametrize(
    ("states", "cu", "options", "said"),
    [
        (torch.ones(4), bounds(4), {}, r"hidden must be \[T, D\]"),
        (torch.ones(4, 0), bounds(4), {}, r"D from 1 to 16384, not \[4, 0\]"),
        (torch.ones(4, 3, dtype=torch.int64), bounds(4), {}, "not torch.int64"),
        (STATES, bounds(4).float(), {}, "cu_seqlens must be int32 or int64"),
        (STATES, torch.empty(0, dtype=torch.int64), {}, r"\[N \+ 1\], not torch.int64 \[0\]"),
        (STATES, bounds(3), {}, "must rise from 0 to the 4 tokens there are; it goes from 0 to 3"),
        (STATES, torch.tensor([1, 4]), {}, "it goes from 1 to 4"),
        (STATES, torch.tensor([0, 3, 2, 4]), {}, "by steps of -1 or more"),
        (STATES, torch.tensor([0, 4], device="meta"), {}, "cu_seqlens must be on cpu, not on meta"),
        (STATES, bounds(4), {"mode": "median"}, "mode must be one of"),
        (STATES, bounds(4), {"dtype": torch.float64}, "dtype must be one of"),
        (STATES, bounds(4), {"backend": "cuda"}, "backend must be one of"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_mistakes_are_refused_at_the_door(states: Tensor, cu: Tensor, options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        pool_embeddings(states, cu, **options)
