"""Where memkit keeps things: one database, SQLite or PostgreSQL, with its word and vector indexes in memory.

This package knows no component and no model. It speaks the vocabulary of `memkit.values` and fulfils `memkit.ports.Store`.
"""

from __future__ import annotations

from memkit_stores.store import SqlStore

__all__ = ["SqlStore"]
