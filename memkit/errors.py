"""What can go wrong in the world. A caller's own mistake is a plain ValueError or TypeError, raised at the door.

MemkitError
├── StoreError      the database: cannot open, not memkit's, too new, read-only, full, damaged
├── SpaceError      the embedder does not fit the vectors that are stored
├── ModelError      a model failed, or refused this one request
│   ├── UnreachableError   it can answer nobody now: no connection, a wrong key, overloaded
│   ├── ModelReplyError    it answered with something that cannot be used; `raw` holds it
│   ├── NoSchemaError      it knows no JSON schemas; the same request without one may succeed
│   └── BudgetError        the next call could pass the budget, and was not made
├── AbsorbError     a component broke a rule of its contract
└── ClosedError     the memory was closed
"""


class MemkitError(Exception):
    """Any failure that memkit reports. Its text says what, where, and what to do."""


class StoreError(MemkitError):
    """The database cannot be opened, read or written. Nothing that was acknowledged is lost."""


class SpaceError(MemkitError):
    """The embedder's space is not the one that the stored vectors are in."""


class ModelError(MemkitError):
    """A model could not be reached, or its reply cannot be used."""


class UnreachableError(ModelError):
    """The model can answer nobody now. `again` says whether the same request may succeed soon, `after` how many seconds the
    server asks to wait for that."""

    def __init__(self, message: str, *, again: bool = True, after: float | None = None) -> None:
        super().__init__(message)
        self.again = again
        self.after = after


class ModelReplyError(ModelError):
    """The model answered with something that cannot be used. `raw` is all that it answered."""

    def __init__(self, message: str, *, raw: str) -> None:
        super().__init__(message)
        self.raw = raw


class NoSchemaError(ModelError):
    """The model's server knows no JSON schemas. The same request without one may succeed; `Metered` sees to that."""


class BudgetError(ModelError):
    """The next call could pass the budget. It was not made; what was paid for so far is kept."""


class AbsorbError(MemkitError):
    """A component returned a draft that names unknown events or spans, or the wrong namespace."""


class ClosedError(MemkitError):
    """The memory was closed before this call."""
