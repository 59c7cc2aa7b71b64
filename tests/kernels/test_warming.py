"""warmup: what it refuses, and that it runs what it is asked for."""

from typing import Any

import pytest
import torch

import memkit_kernels
from memkit_kernels import OPERATIONS, warmup
from memkit_kernels.backend import BackendUnavailable, interpreted

pytest.importorskip("triton")


def test_an_unknown_operation_is_a_value_error_that_names_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"operations are boundary_refine, .*, not 'nothing', 'warmup'"):
        warmup("nothing", "sim_topk", "warmup")


def test_no_dtype_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        warmup("sim_topk", dtypes=[])


@pytest.mark.parametrize("dtypes", [["float16"], "float16", torch.float16])
def test_what_is_no_list_of_dtypes_is_a_value_error_and_float32_is_not_warmed_instead(dtypes: Any) -> None:
    with pytest.raises(ValueError, match=r"dtypes must be a list of at least one torch\.dtype, not .*float16"):
        warmup("pool_embeddings", device="cpu", dtypes=dtypes)


def test_a_gpu_that_is_not_there_is_said() -> None:
    with pytest.raises(BackendUnavailable, match=r"there is no cuda:99|torch sees none here"):
        warmup("pool_embeddings", device="cuda:99")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_without_a_gpu_it_says_so() -> None:
    with pytest.raises(BackendUnavailable, match="needs a GPU"):
        warmup()


@pytest.mark.skipif(not interpreted(), reason="a GPU takes it")
def test_what_cannot_run_is_refused_before_anything_runs() -> None:
    with pytest.raises(BackendUnavailable, match=r"merge_attention cannot be warmed up: .*bfloat16 products wrongly"):
        warmup("merge_attention", device="cpu")


def test_it_runs_each_operation_once_and_tells_the_seconds(device: torch.device) -> None:
    seconds = warmup("pool_embeddings", "pool_embeddings", device=device, dtypes=[torch.float16])
    assert list(seconds) == ["pool_embeddings"]
    assert seconds["pool_embeddings"] > 0


def test_an_operation_that_takes_none_of_the_dtypes_is_warmed_in_float32(device: torch.device) -> None:
    assert list(warmup("pool_embeddings", device=device, dtypes=[torch.float64])) == ["pool_embeddings"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_everything_is_warmed_up_on_a_gpu() -> None:
    assert list(warmup(dtypes=[torch.bfloat16, torch.float32])) == list(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_can_be_warmed_up(operation: str) -> None:
    kernel = pytest.importorskip(f"memkit_kernels.{operation}.kernel")
    assert callable(kernel.warm)


def test_warmup_is_a_function_of_the_package_and_no_operation() -> None:
    assert memkit_kernels.warmup is warmup
    assert "warmup" in memkit_kernels.__all__
    assert "warmup" not in OPERATIONS
