"""encode_packed's kernels, held to the definition: on a GPU, else in Triton's interpreter."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import gelu

from memkit_kernels import encode_packed
from memkit_kernels.backend import interpreted, report
from memkit_kernels.encode_packed import EncoderWeights, encode_packed_reference
from memkit_kernels.encode_packed.kernel import activated, embedded, normalised, places, warm
from memkit_kernels.encode_packed.reference import normalised as defined_norm
from memkit_kernels.encode_packed.weights import Layer, Linear, Norm
from memkit_kernels.testing import TOLERANCE, assert_close, surrounded

DTYPES = [torch.float32, torch.float16, *([] if interpreted() else [torch.bfloat16])]
WORDS, PLACES = 20, 70


def normal(*shape: int, device: torch.device, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(device, dtype)


def small(d: int, heads: int, device: torch.device, dtype: torch.dtype, gelu: str = "none") -> EncoderWeights:
    """One layer."""

    def draw(*shape: int) -> Tensor:
        return normal(*shape, device=device, dtype=dtype, seed=sum(shape)) * 0.3

    norm = Norm(draw(d) + 1.0, draw(d))
    layer = Layer(
        qkv=Linear(draw(3 * d, d), draw(3 * d)),
        attended=Linear(draw(d, d), draw(d)),
        after_attention=norm,
        up=Linear(draw(2 * d + 1, d), draw(2 * d + 1)),
        down=Linear(draw(d, 2 * d + 1), draw(d)),
        after_down=Norm(draw(d), draw(d)),
    )
    return EncoderWeights(
        words=draw(WORDS, d), positions=draw(PLACES, d), embedded=norm, layers=(layer,), heads=heads, epsilon=1e-6,
        gelu="tanh" if gelu == "tanh" else "none",
    )  # fmt: skip


def packed(*lengths: int, device: torch.device) -> tuple[Tensor, Tensor]:
    tokens = torch.randint(WORDS, (sum(lengths),), generator=torch.Generator().manual_seed(0))
    return tokens.to(device), torch.tensor([0, *lengths]).cumsum(0).to(device)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("d", "heads"), [(15, 1), (66, 2)], ids=["15 features", "66 features"])
def test_the_kernels_make_what_the_definition_says(
    d: int, heads: int, dtype: torch.dtype, device: torch.device
) -> None:
    weights = small(d, heads, device, dtype, gelu="tanh" if d == 15 else "none")
    tokens, cu = packed(3, 0, 33, 1, device=device)
    with report() as ran:
        found = encode_packed(tokens, cu, weights, backend="triton")
    assert {(call.operation, call.backend) for call in ran} == {
        ("encode_packed", "triton"), ("window_attention", "triton"),
    }  # fmt: skip
    assert found.dtype == dtype
    defined = encode_packed_reference(tokens, cu, weights.to(device, torch.float32))
    error = (found.float() - defined).abs().max() / defined.square().mean().sqrt()
    assert float(error) <= 3 * TOLERANCE[dtype]  # what passes from step to step is rounded, here seven times


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("d", [1, 63, 65, 100])
def test_rows_are_normalised_with_bias_and_residual(d: int, dtype: torch.dtype, device: torch.device) -> None:
    weights = small(d, 1, device, dtype)
    x, residual = (normal(5, d, device=device, dtype=dtype, seed=seed) for seed in (1, 2))
    of, by = weights.layers[0].attended, weights.embedded
    total = x.float() + of.bias.float() + residual.float()
    expected = defined_norm(total, Norm(by.weight.float(), by.bias.float()), weights.epsilon)
    assert_close(normalised(x.clone(), of, residual, by, weights), expected, dtype=dtype)


@pytest.mark.parametrize("approximate", ["none", "tanh"])
@pytest.mark.parametrize(("t", "f"), [(1, 1), (15, 63), (5, 600)], ids=str)
def test_gelu_is_torchs(t: int, f: int, approximate: str, device: torch.device) -> None:
    weights = replace(small(2, 1, device, torch.float32), gelu=approximate)
    x, bias = normal(t, f, device=device) * 3.0, normal(f, device=device, seed=1)
    expected = gelu(x.double() + bias.double(), approximate=approximate)
    assert_close(activated(x.clone(), bias, weights), expected, dtype=torch.float32)


def test_gelu_goes_to_zero_and_to_its_argument(device: torch.device) -> None:
    for approximate in ("none", "tanh"):
        weights = replace(small(2, 1, device, torch.float32), gelu=approximate)
        x = torch.tensor([[-1e4, -20.0, 0.0, 20.0, 1e4]], device=device)
        found = activated(x, torch.zeros(5, device=device), weights)
        assert found.tolist() == [[pytest.approx(y, abs=1e-30) for y in (0.0, 0.0, 0.0, 20.0, 1e4)]]


def test_positions_count_from_each_sequences_first_token(device: torch.device) -> None:
    cu = torch.tensor([0, 3, 3, 5], device=device, dtype=torch.int32)
    assert places(cu, 5).tolist() == [0, 1, 2, 0, 1]
    assert places(cu, 7).tolist() == [0, 1, 2, 0, 1, -1, -1]  # of no sequence
    assert places(cu[:1], 2).tolist() == [-1, -1]


def test_what_is_not_in_the_tables_is_nan_and_reads_nothing(device: torch.device) -> None:
    weights = small(9, 1, device, torch.float32)
    tokens = torch.tensor([1, WORDS, -1, 2**40, 2, 3], device=device)
    at = torch.tensor([0, 1, 2, 3, PLACES, -1], device=device)
    found = embedded(tokens, at, weights)
    assert found.isnan().all(1).tolist() == [False, True, True, True, True, True]
    assert not found[0].isnan().any()


def test_one_bad_token_spoils_its_own_sequence_only(device: torch.device) -> None:
    weights = small(16, 1, device, torch.float32)
    tokens, cu = torch.arange(7, device=device), torch.tensor([0, 4, 7], device=device)
    whole = encode_packed(tokens, cu, weights, backend="triton")
    weights = replace(weights, words=weights.words.clone())
    weights.words[1] = math.nan
    found = encode_packed(tokens, cu, weights, backend="triton")
    assert found[:4].isnan().all()
    assert_close(found[4:], whole[4:], dtype=torch.float32)


def test_tokens_of_any_stride_are_read(device: torch.device) -> None:
    weights = small(16, 1, device, torch.float32)
    tokens, cu = packed(4, 3, device=device)
    plain = encode_packed(tokens, cu, weights, backend="triton")
    within = encode_packed(tokens.repeat_interleave(2)[::2], surrounded(cu, poison=99), weights, backend="triton")
    assert torch.equal(within, plain)


def test_no_tokens_are_an_ordinary_case(device: torch.device) -> None:
    weights = small(16, 1, device, torch.float16)
    tokens, cu = packed(0, 0, device=device)
    assert encode_packed(tokens, cu, weights, backend="triton").shape == (0, 16)


def test_two_runs_are_bit_equal(device: torch.device) -> None:
    weights = small(16, 1, device, torch.float16)
    tokens, cu = packed(4, 9, device=device)
    first, second = (encode_packed(tokens, cu, weights, backend="triton") for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.slow
def test_warming_runs_all_kernels(device: torch.device) -> None:
    with report() as ran:
        warm(device, torch.float16)
    assert {(call.operation, call.backend) for call in ran} == {("window_attention", "triton")}


NAMES = ("words", "positions", "weight", "bias", "out", "x", "added", "residual")
NUMBERS = ("V", "P", "D", "T", "F", "token_step")


@pytest.mark.slow
def test_the_kernels_compile_for_a_gpu(built_for_gpu: Callable[..., list[dict[str, object]]]) -> None:
    asked = []
    for element in ("bf16", "fp32"):
        types = {
            **dict.fromkeys(NAMES, f"*{element}"), **dict.fromkeys(NUMBERS, "i32"),
            "tokens": "*i64", "places": "*i64", "epsilon": "fp32",
        }  # fmt: skip
        one = {"module": "memkit_kernels.encode_packed.kernel", "types": types}
        asked += [
            {**one, "kernel": "_embed", "constants": {"BD": 512}, "warps": 2},
            {**one, "kernel": "_add_norm", "constants": {"BD": 1024}, "warps": 4},
            {**one, "kernel": "_bias_gelu", "constants": {"TANH": False, "BT": 4, "BF": 512}, "warps": 4},
        ]
    built = built_for_gpu(*asked)
    assert all(".target sm_90" in one["ptx"] for one in built)
    assert [one["spilled"] for one in built] == [0] * 6
    assert all(one["shared"] <= 227 * 1024 for one in built)
