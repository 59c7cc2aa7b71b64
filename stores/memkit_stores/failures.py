"""The failures of SQLite and PostgreSQL as StoreError, with what to do about them."""

from __future__ import annotations

import sqlite3
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from memkit.errors import StoreError

BUSY_SECONDS = 30  # how long a writer waits for another process before StoreError

_LOST = "the connection was lost, and with it the word whether this call was stored; repeat it, with a key= if it adds"

_ADVICE = (
    ("terminating connection", _LOST),
    ("server closed the connection", _LOST),
    ("connection is lost", _LOST),
    ("readonly", "it or its folder is read-only; memkit needs to write to both"),
    ("unable to open", "check that the folder exists and may be written to"),
    ("disk is full", "the disk is full; nothing of this call was stored: free some space and repeat it"),
    ("disk I/O", "nothing of this call was stored; check the disk and the limits on file sizes, and repeat it"),
    ("locked", f"another process has been writing for over {BUSY_SECONDS} seconds; repeat the call"),
    ("malformed", "the file is damaged; restore it, or export what can be read"),
    ("connection failed", "check that the server runs, and the host, port, user and password in the URL"),
    ("not a database", "it is not a memkit database"),
)


class translated(AbstractContextManager[None]):
    """The driver's errors as StoreError. (A class, and named like a function: it is on the path of every call.)"""

    def __init__(self, name: str) -> None:
        self._name = name

    def __exit__(self, _type: Any, error: BaseException | None, _traceback: Any) -> None:
        if isinstance(error, (DBAPIError, sqlite3.Error, PoolTimeoutError)):
            said = str(error.orig if isinstance(error, DBAPIError) else error)
            advice = next((advice for mark, advice in _ADVICE if mark in said), "nothing of this call was stored")
            raise StoreError(f"{self._name}: {said.strip()}; {advice}") from error
