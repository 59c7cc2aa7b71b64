"""Which backend runs: chosen by rule, reported, refused."""

import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch

from memkit_kernels import (
    column_mass,
    gather_attention,
    linear_surprisal,
    merge_attention,
    pool_embeddings,
    sim_topk,
    window_attention,
)
from memkit_kernels.backend import Backend, BackendUnavailable, BackendWarning, Ran, choose, report

X = torch.ones(2, 3)
FLOATS = frozenset({torch.float32})


def choose_for(
    device: str, *, backend: Backend = "auto", strict: bool = False, dtype: torch.dtype = torch.float32
) -> str:
    return choose("op", torch.empty(0, dtype=dtype, device=device), FLOATS, backend=backend, strict=strict)


def test_tensors_on_a_cpu_run_on_torch_and_the_report_says_so() -> None:
    with report() as ran:
        sim_topk(X, X, 1)
    assert ran == [Ran(operation="sim_topk", backend="torch", reason="tensors on a CPU")]


def test_on_a_cpu_torch_is_no_fall_back_that_strict_would_refuse() -> None:
    assert choose_for("cpu", strict=True) == "torch"


def test_reports_nest_and_end_with_their_block() -> None:
    with report() as outer:
        sim_topk(X, X, 1)
        with report() as inner:
            sim_topk(X, X, 1, backend="torch")
    sim_topk(X, X, 1)
    assert [ran.reason for ran in outer] == ["tensors on a CPU", "asked for"]
    assert [ran.reason for ran in inner] == ["asked for"]


def test_a_report_holds_the_calls_of_its_own_thread_only() -> None:
    with report() as ran:
        other = threading.Thread(target=sim_topk, args=(X, X, 1))
        other.start()
        other.join()
    assert ran == []


def test_a_fall_back_on_an_accelerator_warns_and_is_reported_with_its_reason() -> None:
    with report() as ran, pytest.warns(BackendWarning, match="op fell back to torch: its kernel takes torch.float32"):
        assert choose_for("meta", dtype=torch.float64) == "torch"
    assert ran[0].backend == "torch"
    assert "not torch.float64" in ran[0].reason


def test_strict_refuses_a_fall_back_and_says_why() -> None:
    with pytest.raises(BackendUnavailable, match="no support here for meta tensors"):
        choose_for("meta", strict=True)


def test_a_backend_that_was_asked_for_is_never_replaced() -> None:
    with pytest.raises(BackendUnavailable, match=r'op cannot run on triton: .* or pass backend="torch"'):
        choose_for("cpu", backend="triton", dtype=torch.float64)


def test_a_refused_call_is_not_reported() -> None:
    with report() as ran, pytest.raises(BackendUnavailable):
        choose_for("meta", backend="triton")
    assert ran == []


Q, LSE = torch.randn(1, 9, 2, 8, generator=torch.Generator().manual_seed(0)), torch.full((1, 9, 2), 3.0)
CALLS: dict[str, Callable[[], object]] = {
    "linear_surprisal": lambda: linear_surprisal(Q[0, :, 0], Q[0, :, 1], torch.arange(9)).surprisal,
    "window_attention": lambda: window_attention(Q, Q, Q),
    "column_mass": lambda: column_mass(Q, Q, LSE),
    "gather_attention": lambda: gather_attention(Q, Q[0], Q[0], torch.arange(9)[None]),
    "sim_topk": lambda: sim_topk(Q[0, :, 0], Q[0, :, 1], 3),
}


@pytest.mark.parametrize("operation", CALLS)
def test_autocast_around_a_call_does_not_cut_its_float32_products(operation: str) -> None:
    expected = CALLS[operation]()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = CALLS[operation]()
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize("given", [[[1.0]], np.ones((1, 1), np.float32)], ids=["a list", "an array"])
def test_what_is_no_tensor_is_refused_by_its_name(given: object) -> None:
    keys = torch.ones(1, 1)
    for call in (lambda: sim_topk(given, keys, 1), lambda: sim_topk(keys, keys=given, k=1)):
        with pytest.raises(TypeError, match=r"(queries|keys) must be a tensor, not (list|ndarray)"):
            call()
    with pytest.raises(TypeError, match="weight must be a tensor"):
        linear_surprisal(keys, given, torch.zeros(1, dtype=torch.int64))


def test_no_gradient_flows_where_the_contract_says_so() -> None:
    asked = Q.clone().requires_grad_()
    assert not column_mass(asked, asked, LSE).requires_grad
    assert not pool_embeddings(asked[0, :, 0], torch.tensor([0, 9])).requires_grad
    assert window_attention(asked, Q, Q)[1].requires_grad
    assert torch.is_grad_enabled()


def test_a_fall_back_is_warned_of_where_the_operation_was_called() -> None:
    rows, lse = torch.ones(9, 8, device="meta"), torch.ones(9, device="meta")
    calls = (lambda: merge_attention([rows], [lse]), lambda: linear_surprisal(rows, rows, None, want=("lse",)))
    for call in calls:
        with pytest.warns(BackendWarning) as told:
            call()
        assert [one.filename for one in told] == [__file__]
