"""What searches the vectors of shelves, as it is chosen where a store is opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from memkit_stores.vectors import Vectors

if TYPE_CHECKING:
    from memkit_stores.kernel_index import KernelIndex

Index: TypeAlias = "Vectors | KernelIndex"
Maker: TypeAlias = Callable[[Path | None, int, str], Index]  # of a folder, a dimension, the name of a file in there

KERNEL = "kernel"
PGVECTOR = "pgvector"


def in_memory(folder: Path | None, dimension: int, name: str) -> Index:
    """The index of a shelf unless another one is chosen: FAISS, on the CPU."""
    return Vectors(dimension, folder=folder, name=name)


def chosen(vectors: str) -> tuple[Maker, str]:
    """What makes the indexes that this process holds, and the words that say what searches the vectors.

    For "kernel" and "kernel:DEVICE" torch is imported. Raises ImportError where it is not installed, StoreError when
    the device is not there, and ValueError for anything else than these, "memory" and "pgvector".
    """
    kind, colon, device = vectors.partition(":")
    if vectors in ("memory", PGVECTOR):
        return in_memory, vectors
    if kind != KERNEL:
        raise ValueError(f"vectors is {vectors!r}; it can be 'memory' or 'pgvector', 'kernel' or 'kernel:DEVICE'")
    from memkit_stores.device import device_named  # torch takes a second to import, and need not be installed
    from memkit_stores.kernel_index import KernelIndex

    place = device_named(device if colon else None)
    return lambda folder, dimension, name: KernelIndex(dimension, device=place), f"{KERNEL} on {place}"
