"""What the kernels' tests get: the interpreter where there is no GPU, poisoned memory, and the device to test on.

Triton reads TRITON_INTERPRET when it is first imported: its own library is built for the interpreter or for the
compiler then. tests/conftest.py, which pytest loads before it collects anything, sets the variable where there is
no GPU; this file sets it too, so that it also works where torch does not see the GPU, and checks that it came in time.
Each worker of pytest-xdist loads both files by itself.
"""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict

import pytest

HERE = {name: find_spec(name) is not None for name in ("torch", "triton")}


def missing(path: Path) -> set[str]:
    """What a test file imports at its top, or its kernel needs, and is not installed."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)}
    needed = {name.partition(".")[0] for name in names if name} | (
        {"torch", "triton"} if path.stem.endswith("_kernel") else set()
    )
    return {name for name in needed if find_spec(name) is None}


LEFT_OUT = {path.name: lacks for path in sorted(Path(__file__).parent.glob("test_*.py")) if (lacks := missing(path))}
collect_ignore = list(LEFT_OUT)


def pytest_report_header() -> list[str]:
    """So that nobody takes a run for whole that is not."""
    return [f"left out: {name} needs {', '.join(sorted(lacks))}" for name, lacks in LEFT_OUT.items()]


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


class Built(TypedDict):
    """A kernel compiled for a GPU. See compile_for_gpu.py."""

    ptx: str
    shared: int
    registers: int
    spilled: int


@pytest.fixture
def built_for_gpu(tmp_path: Path) -> Callable[..., list[Built]]:
    """Compiles kernels for a GPU that need not be here; takes what compile_for_gpu.py takes, a dictionary a kernel."""
    here = Path(__file__)
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment |= {"PYTHONPATH": str(here.parents[2] / "kernels"), "TRITON_CACHE_DIR": str(tmp_path)}

    def build(*asked: dict[str, object]) -> list[Built]:
        command = [sys.executable, here.with_name("compile_for_gpu.py"), json.dumps(asked)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        built: list[Built] = json.loads(done.stdout)
        return built

    return build


@pytest.fixture(autouse=True)
def poison() -> Iterator[None]:
    """Memory that a kernel forgot to write holds NaN."""
    if not HERE["torch"]:
        yield
        return
    from memkit_kernels.testing import poisoned_memory

    with poisoned_memory():
        yield
