"""Which backend runs: chosen by rule, reported, refused."""

import threading

import pytest
import torch

from memkit_kernels import sim_topk
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
