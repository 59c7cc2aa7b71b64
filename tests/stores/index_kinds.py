"""The kinds of vector index that a shelf may have: what is said of one in the tests is said of all."""

from __future__ import annotations

import pytest

from memkit_stores.indexes import Index, chosen

KINDS = ["memory", "kernel:cpu", pytest.param("kernel:cuda", marks=pytest.mark.gpu)]


def an_index(kind: str, dimension: int) -> Index:
    """An empty one. Skips the test where it cannot be had."""
    if kind != "memory":
        torch = pytest.importorskip("torch")
        if kind == "kernel:cuda" and not torch.cuda.is_available():
            pytest.skip("needs a GPU")
    return chosen(kind)[0](None, dimension, "vectors")
