"""Which backend an operation runs on: chosen by rules that are written here, reported, and refused rather than guessed.

    "torch"   the operation's reference: right everywhere, its intermediate results in memory
    "triton"  the operation's kernel: tensors on a GPU, or on a CPU under Triton's interpreter (for tests, about a
              thousand times slower); BackendUnavailable where it cannot run
    "auto"    triton on a GPU, torch on a CPU. Where a GPU's kernel cannot run this is a fall-back to torch: with a
              BackendWarning, or, if `strict`, an error. On a CPU torch is the right choice and no fall-back.

Does not know what any operation computes.
"""

import warnings
from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from importlib.util import find_spec
from inspect import signature
from typing import Literal, ParamSpec, TypeVar

import torch

from memkit_kernels.reporting import BackendUnavailable, Ran, report, tell

__all__ = [
    "OLDEST_GPU",
    "Backend",
    "BackendUnavailable",
    "BackendWarning",
    "Ran",
    "choose",
    "interpreted",
    "obstacle_to_triton",
    "report",
    "undisturbed",
]

Backend = Literal["auto", "triton", "torch"]

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

OLDEST_GPU = (8, 0)  # Ampere, the first with bf16 matrix units; Triton supports nothing older


class BackendWarning(RuntimeWarning):
    """A GPU operation fell back to its torch reference: right, but slower and with more memory."""


def choose(
    operation: str, tensor: torch.Tensor, dtypes: frozenset[torch.dtype], *, backend: Backend, strict: bool
) -> Literal["triton", "torch"]:
    """The backend for such a tensor, already reported. `dtypes` are those that the operation's kernel takes.

    BackendUnavailable where "triton" was asked for, or `strict` demands it, and it cannot run.
    """
    if backend == "torch":
        return _chosen(operation, "torch", "asked for")
    if backend == "auto" and tensor.device.type == "cpu":
        return _chosen(operation, "torch", "tensors on a CPU")
    obstacle = obstacle_to_triton(tensor.device, tensor.dtype, dtypes)
    if obstacle is None:
        return _chosen(operation, "triton", "asked for" if backend == "triton" else f"tensors on {tensor.device.type}")
    if backend == "triton" or strict:
        raise BackendUnavailable(f'{operation} cannot run on triton: {obstacle}; or pass backend="torch"')
    warnings.warn(f"{operation} fell back to torch: {obstacle}", BackendWarning, stacklevel=4)
    return _chosen(operation, "torch", obstacle)


def undisturbed(
    *, tensors: int, gradients: bool
) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]:
    """For an operation's function: `torch.autocast` around a call, which would cut its float32 products to 16 bits, has no
    effect on it, and without `gradients` none flow. TypeError unless its first `tensors` arguments are tensors, or None."""

    def guard(operation: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        names = list(signature(operation).parameters)[:tensors]

        @wraps(operation)
        def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
            for name, given in (*zip(names, args, strict=False), *((name, kwargs.get(name)) for name in names)):
                if given is not None and not isinstance(given, torch.Tensor):
                    raise TypeError(f"{name} must be a tensor, not {type(given).__name__}; torch.as_tensor makes one")
            with ExitStack() as stack:
                if not gradients:
                    stack.enter_context(torch.no_grad())
                for kind in ("cpu", "cuda"):
                    if torch.is_autocast_enabled(kind):  # looked at first: to enter takes 5 us
                        stack.enter_context(torch.autocast(kind, enabled=False))
                return operation(*args, **kwargs)

        return run

    return guard


def interpreted() -> bool:
    """Whether Triton's kernels run in its interpreter. Imports triton.

    Read from triton's own library, which was built one way or the other when triton was first imported: the
    environment may have changed since.
    """
    import triton  # an optional library that this module is not about

    return not isinstance(triton.language.sum, triton.JITFunction)


def _chosen(operation: str, backend: Literal["triton", "torch"], reason: str) -> Literal["triton", "torch"]:
    tell(operation, backend, reason)
    return backend


def obstacle_to_triton(device: torch.device, dtype: torch.dtype, dtypes: frozenset[torch.dtype]) -> str | None:
    """Why a kernel cannot run on such tensors, with the remedy, or None."""
    if dtype not in dtypes:
        return f"its kernel takes {', '.join(sorted(map(str, dtypes)))}, not {dtype}"
    if device.type not in ("cpu", "cuda"):
        return f"triton has no support here for {device.type} tensors; move them to a CUDA device"
    if find_spec("triton") is None:
        return "triton is not installed; pip install triton"
    if interpreted():
        if dtype == torch.bfloat16:  # measured on 3.6 and 3.9: errors of 1e10 where the result is about 10
            return "triton's interpreter computes bfloat16 products wrongly; use float16 or float32"
        return None
    if device.type == "cpu":
        return "tensors on a CPU need TRITON_INTERPRET=1 in the environment before triton is first imported"
    if torch.cuda.get_device_capability(device) < OLDEST_GPU:
        return f"it needs a GPU of compute capability {OLDEST_GPU[0]}.{OLDEST_GPU[1]} or newer"
    return None
