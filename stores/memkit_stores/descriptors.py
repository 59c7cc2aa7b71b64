"""Reading the bytes of a SQLite file beside SQLite, in the process that has it open.

POSIX drops all locks that a process has on a file when the process closes any descriptor of that file. SQLite's are
among them: another process would take the database for unused, and remove the write-ahead log that this one writes
to. So a descriptor that was opened here is closed when this process has closed the database, not before.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

Key = tuple[int, int]  # device, inode: a file may have several names


@dataclass
class _Use:
    users: int = 0
    file: FileIO | None = None


_lock = threading.Lock()
_uses: dict[Key, _Use] = {}


def enter(path: Path) -> Key:
    """Say that this process has opened the database; what comes back is for `leave`."""
    with _lock:
        key = _key(path)
        _uses.setdefault(key, _Use()).users += 1
        return key


def leave(key: Key) -> None:
    """Say that it was closed, after all connections were."""
    with _lock:
        use = _uses[key]
        use.users -= 1
        if not use.users:
            del _uses[key]
            if use.file is not None:
                use.file.close()


@contextmanager
def reading(path: Path) -> Iterator[FileIO]:
    """The file of an open database, from its first byte; one at a time may read."""
    with _lock:
        use = _uses[_key(path)]
        if use.file is None:
            use.file = FileIO(path)
        use.file.seek(0)
        yield use.file


def _key(path: Path) -> Key:
    status = path.stat()
    return status.st_dev, status.st_ino
