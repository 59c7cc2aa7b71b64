"""What can go wrong in the world. A caller's own mistake is a plain ValueError or TypeError, raised at the door.

MemkitError
├── StoreError      the database: cannot open, not memkit's, too new, read-only, full, damaged
├── SpaceError      the embedder does not fit the vectors that are stored
├── ModelError      a model failed, or answered with something that cannot be used
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


class AbsorbError(MemkitError):
    """A component returned a draft that names unknown events or spans, or the wrong namespace."""


class ClosedError(MemkitError):
    """The memory was closed before this call."""
