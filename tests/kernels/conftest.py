"""What the kernels' tests get: the interpreter where there is no GPU, poisoned memory, and the device to test on.

Triton reads TRITON_INTERPRET when it is first imported: its own library is built for the interpreter or for the
compiler then. tests/conftest.py, which pytest loads before it collects anything, sets the variable where there is
no GPU; this file sets it too, so that it also works where torch does not see the GPU, and checks that it came in time.
Each worker of pytest-xdist loads both files by itself.
"""

import os
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

HERE = {name: find_spec(name) is not None for name in ("torch", "triton")}
collect_ignore = [] if HERE["torch"] else ["test_backend.py", "test_sim_topk.py", "test_sim_topk_kernel.py"]
if HERE["torch"] and not HERE["triton"]:
    collect_ignore.append("test_sim_topk_kernel.py")

if HERE["torch"]:
    import torch

    if torch.cuda.is_available():
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # else deterministic mode refuses matmul
    else:
        os.environ["TRITON_INTERPRET"] = "1"

if all(HERE.values()):
    import numpy as np
    from triton import language
    from triton.runtime import interpreter

    from memkit_kernels.backend import interpreted

    if os.environ.get("TRITON_INTERPRET") == "1" and not interpreted():
        raise pytest.UsageError("triton was imported before TRITON_INTERPRET=1 was set; set it in the environment")

    reduce_slowly = interpreter.ReduceOps.apply_impl

    def reduce(self: interpreter.ReduceOps, tensors: tuple[language.tensor, ...]) -> object:
        """The interpreter's reduction, with xor done by numpy: it loops over elements in Python, and sorting is
        made of xor, so that one search takes 75 seconds instead of 5 (Triton 3.9)."""
        if self.combine_fn is not language.standard._xor_combine:
            return reduce_slowly(self, tensors)
        (tensor,) = tensors
        values = np.bitwise_xor.reduce(tensor.handle.data, axis=self.axis, keepdims=self.keep_dims)
        return self.to_tensor(values, tensor.dtype)

    interpreter.ReduceOps.apply_impl = reduce


@pytest.fixture
def device() -> "torch.device":
    """Where kernels are tested: the GPU, or the CPU under the interpreter."""
    return torch.device("cpu" if os.environ.get("TRITON_INTERPRET") == "1" else "cuda")


@pytest.fixture(autouse=True)
def poison() -> Iterator[None]:
    """Memory that a kernel forgot to write holds NaN."""
    if not HERE["torch"]:
        yield
        return
    from memkit_kernels.testing import poisoned_memory

    with poisoned_memory():
        yield
