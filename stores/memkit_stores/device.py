"""Vectors in the memory of a torch device: a matrix that grows at its end and leaves nothing behind.

Everything is queued on the device's default stream, whatever stream a caller of memkit has chosen, so that what one
thread appends is there when another searches. Knows nothing of rows, scores or filters.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from memkit.errors import StoreError

try:
    import torch
except ImportError as error:
    raise ImportError('vectors="kernel" needs the extra "gpu" of agentic-memkit (torch, triton)') from error

STAGED = 8192  # vectors that are copied to a device at once: 12 MB at 384 dimensions


def device_named(name: str | None) -> torch.device:
    """The device of this name; for None CUDA's current one, or the CPU where there is no CUDA.

    Raises ValueError for a name that is neither "cpu" nor "cuda" nor "cuda:N", StoreError when there is no such device.
    """
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    kind, colon, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (colon and not (kind == "cuda" and number.isdecimal() and number.isascii())):
        raise ValueError(f"vectors is 'kernel:{name}'; the device it names can be 'cpu', 'cuda' or 'cuda:N'")
    if kind == "cpu":
        return torch.device("cpu")
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    index = int(number) if colon else torch.cuda.current_device() if there else 0
    if index >= there:
        raise StoreError(f"there is no device {name}: torch {torch.__version__} finds {there} CUDA devices here")
    return torch.device("cuda", index)


@contextmanager
def working(device: torch.device) -> Iterator[None]:
    """What the block queues runs in order with all other such blocks. Raises StoreError when the memory is used up.

    `torch.autocast` has no effect inside: it would cut float32 products to 16 bits.
    """
    try:
        with torch.autocast(device.type, enabled=False):
            if device.type != "cuda":
                yield
                return
            with torch.cuda.stream(torch.cuda.default_stream(device)):
                yield
    except torch.OutOfMemoryError as error:
        raise StoreError(
            f"the memory of {device} is used up: {error}; free some, or open the memory without vectors='kernel'"
        ) from error


class Block:
    """An allocation of float32 `[rows, width]`. When nobody refers to it any more it is overwritten with zeros.

    torch keeps memory that was let go for its next tensor, as it is: a forgotten vector would stay there.
    """

    def __init__(self, rows: int, width: int, device: torch.device) -> None:
        with torch.inference_mode(False):  # a tensor made in inference mode could not be written outside
            self.tensor = torch.empty((rows, width), dtype=torch.float32, device=device)
        finalizer = weakref.finalize(self, _wipe, self.tensor, os.getpid())
        finalizer.atexit = False  # the memory goes with the process


def _wipe(tensor: torch.Tensor, process: int) -> None:
    if os.getpid() == process:  # a fork has no right to the device
        with working(tensor.device):
            tensor.zero_()


class Matrix:
    """The first `size` rows of a block. Immutable: appending makes another one, which shares the block."""

    def __init__(self, block: Block, size: int) -> None:
        self._block = block  # keeps it from being overwritten
        self.size = size
        self.tensor = block.tensor[:size]

    @classmethod
    def empty(cls, width: int, device: torch.device) -> Matrix:
        return cls(Block(0, width, device), 0)

    @property
    def nbytes(self) -> int:
        """The memory of the whole block."""
        return int(self._block.tensor.nbytes)

    def longest(self) -> float:
        """The largest length of a row; 0 without rows."""
        if not self.size:
            return 0.0
        with working(self.tensor.device):
            return float(torch.linalg.vector_norm(self.tensor, dim=1, dtype=torch.float64).max())

    def appended(self, more: NDArray[np.float32]) -> Matrix:
        """These rows behind the others, of the newest matrix on its block: what lies behind an older one is another's.

        Takes time in proportion to what is appended, over many calls.
        """
        total = self.size + len(more)
        block = self._block
        if total > len(block.tensor):
            block = self._roomier(max(total, self.size + self.size // 2))
        with working(block.tensor.device):
            for start in range(0, len(more), STAGED):
                part = torch.tensor(more[start : start + STAGED])  # a copy: numpy's may be read-only
                block.tensor[self.size + start : self.size + start + len(part)] = part
        return Matrix(block, total)

    def _roomier(self, rows: int) -> Block:
        with working(self.tensor.device):
            block = Block(rows, self.tensor.shape[1], self.tensor.device)
            block.tensor[: self.size] = self.tensor
        return block

    def only(self, slots: NDArray[np.int64]) -> Matrix:
        """A copy of these rows, in a block of their own."""
        with working(self.tensor.device):
            block = Block(len(slots), self.tensor.shape[1], self.tensor.device)
            torch.index_select(self.tensor, 0, torch.from_numpy(slots).to(self.tensor.device), out=block.tensor)
        return Matrix(block, len(slots))
