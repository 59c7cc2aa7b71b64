"""bfloat16 in Triton's interpreter, which computes its products wrongly: every operation refuses it there."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from memkit_kernels import (
    OPERATIONS,
    boundary_refine,
    column_mass,
    encode_packed,
    gather_attention,
    gather_rerotate,
    linear_surprisal,
    merge_attention,
    pool_embeddings,
    sim_topk,
    window_attention,
)
from memkit_kernels.backend import BackendUnavailable, interpreted
from memkit_kernels.encode_packed.weights import EncoderWeights, Layer, Norm

pytest.importorskip("triton")

BF16 = torch.bfloat16


def ones(*shape: int, dtype: torch.dtype = BF16) -> Tensor:
    return torch.ones(shape, dtype=dtype)


def whole(*numbers: int) -> Tensor:
    return torch.tensor(numbers)


def encoder() -> EncoderWeights:
    """Words and positions, and no layers."""
    norm = Norm(weight=ones(4), bias=ones(4))
    layers: tuple[Layer, ...] = ()
    return EncoderWeights(
        words=ones(3, 4), positions=ones(5, 4), embedded=norm, layers=layers, heads=1, epsilon=1e-5, gelu="none"
    )


HEADS = ones(1, 2, 1, 4)  # [B, T, H, D]
CALLS: dict[str, Callable[[], object]] = {
    "boundary_refine": lambda: boundary_refine(ones(4, 2), whole(2), backend="triton"),
    "column_mass": lambda: column_mass(HEADS, HEADS, ones(1, 2, 1, dtype=torch.float32), backend="triton"),
    "encode_packed": lambda: encode_packed(whole(0, 1), whole(0, 2), encoder(), backend="triton"),
    "gather_attention": lambda: gather_attention(HEADS, HEADS[0], HEADS[0], whole(0, 1)[None], backend="triton"),
    "gather_rerotate": lambda: gather_rerotate(
        HEADS[0], whole(0), whole(1), ones(2, dtype=torch.float32), backend="triton"
    ),
    "linear_surprisal": lambda: linear_surprisal(ones(2, 4), ones(3, 4), whole(0, 1), backend="triton"),
    "merge_attention": lambda: merge_attention([ones(2, 4)] * 2, [ones(2, dtype=torch.float32)] * 2, backend="triton"),
    "pool_embeddings": lambda: pool_embeddings(ones(2, 4), whole(0, 2), backend="triton"),
    "sim_topk": lambda: sim_topk(ones(1, 4), ones(2, 4), 1, backend="triton"),
    "window_attention": lambda: window_attention(HEADS, HEADS, HEADS, backend="triton"),
}


@pytest.mark.skipif(not interpreted(), reason="a GPU computes it rightly")
@pytest.mark.parametrize("operation", sorted(CALLS))
def test_bfloat16_is_refused_in_the_interpreter_and_not_computed_wrongly(operation: str) -> None:
    with pytest.raises(BackendUnavailable, match=f"{operation} cannot run on triton: .*bfloat16 products wrongly"):
        CALLS[operation]()


def test_every_operation_is_called_above_but_that_which_takes_no_half_precision() -> None:
    assert set(CALLS) == set(OPERATIONS) - {"ppr"}
