"""What an operation ran on, told to whoever listens. Needs neither torch nor triton.

Does not know how the choice is made (`memkit_kernels.backend`), nor what any operation computes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

Ground = Literal["triton", "torch", "scipy", "numpy"]


class BackendUnavailable(RuntimeError):
    """The backend that was asked for cannot run here. Its text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One call of an operation: what it ran on, and by which rule."""

    operation: str
    backend: Ground
    reason: str


_reports: ContextVar[tuple[list[Ran], ...]] = ContextVar("_reports", default=())


@contextmanager
def report() -> Iterator[list[Ran]]:
    """The list that every operation called inside the block adds its `Ran` to, oldest first.

    Blocks nest, and each sees all calls inside it. Threads and tasks see their own calls only.
    """
    ran: list[Ran] = []
    token = _reports.set((*_reports.get(), ran))
    try:
        yield ran
    finally:
        _reports.reset(token)


def tell(operation: str, backend: Ground, reason: str) -> None:
    """Add a `Ran` to every list that is open here."""
    for ran in _reports.get():
        ran.append(Ran(operation=operation, backend=backend, reason=reason))
