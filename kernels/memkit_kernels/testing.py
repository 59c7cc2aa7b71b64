"""What a kernel's tests share: sizes, comparisons and poison. Shipped, so that others can test kernels of their own.

Does not know pytest.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

ODD_SIZES = (1, 15, 63, 65, 100)  # below, above and between the powers of two that tiles are made of

# The largest error of one element as a share of the expected values' RMS, where the operation takes tensors of that
# dtype and accumulates in float32. A few units in the last place of what is stored.
TOLERANCE = {
    torch.float64: 1e-12,
    torch.float32: 1e-5,
    torch.float16: 4e-3,
    torch.bfloat16: 3e-2,
}


def assert_close(actual: Tensor, expected: Tensor, *, dtype: torch.dtype) -> None:
    """AssertionError unless both have one shape, the same infinities, no NaN, and each element within TOLERANCE.

    `dtype` is that of the operation's result. The largest error counts, since an average hides one bad element.
    """
    assert actual.shape == expected.shape, f"shape {list(actual.shape)}, expected {list(expected.shape)}"
    got, want = actual.double().cpu(), expected.double().cpu()
    assert not got.isnan().any(), f"{int(got.isnan().sum())} of {got.numel()} elements are NaN"
    finite = want.isfinite()
    assert torch.equal(got[~finite], want[~finite]), "infinities differ"
    if not finite.any():
        return
    rms = want[finite].square().mean().sqrt().clamp_min(torch.finfo(torch.float32).tiny)
    error = float((got - want)[finite].abs().max() / rms)
    assert error <= TOLERANCE[dtype], f"error {error:.2e} of the RMS, allowed {TOLERANCE[dtype]:.0e} for {dtype}"


def surrounded(values: Tensor, poison: float | bool = torch.nan) -> Tensor:
    """A view with these values inside a larger buffer of poison: on each axis one cell before and 130 after.

    A kernel that reads outside its rows or columns, or takes a tensor for contiguous, meets the poison.
    """
    sizes = [size + 131 for size in values.shape]
    buffer = torch.full(sizes, poison, dtype=values.dtype, device=values.device)
    inner = buffer[tuple(slice(1, 1 + size) for size in values.shape)]
    inner.copy_(values)
    return inner


@contextmanager
def poisoned_memory() -> Iterator[None]:
    """Inside the block torch.empty gives NaN, or the largest integer, so that what is left unwritten shows."""
    was, warned = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    fill = torch.utils.deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(was, warn_only=warned)
        torch.utils.deterministic.fill_uninitialized_memory = fill


class Largest(TorchDispatchMode):
    """A context: the most bytes of any one tensor that torch made inside it."""

    nbytes = 0

    def __torch_dispatch__(
        self,
        func: Callable[..., object],
        types: object,
        args: Sequence[object] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        result = func(*args, **(kwargs or {}))
        self.nbytes = max([self.nbytes, *(leaf.nbytes for leaf in tree_leaves(result) if isinstance(leaf, Tensor))])
        return result
