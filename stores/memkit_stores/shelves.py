"""All shelves that a process has looked at lately."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from memkit.values import Space, Where
from memkit_stores.database import Database
from memkit_stores.indexes import Maker, in_memory
from memkit_stores.keeper import Keeper, file_mark
from memkit_stores.pgvectors import PgVectors
from memkit_stores.shelf import Shelf

ROWS_KEPT = 2_000_000  # over all shelves of a process; beyond it the one unused for longest goes


class Shelves:
    """All shelves of a database that this process has looked at lately."""

    def __init__(
        self, database: Database, folder: Path | None, served: PgVectors | None = None, make: Maker = in_memory
    ) -> None:
        self._database = database
        self.folder = folder
        self._make = partial(make, folder)
        self.served = served  # the vectors, where the database searches them itself
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[object, ...], Keeper] = OrderedDict()

    def get(self, component: str, where: Where, space: Space | None) -> Shelf:
        """The shelf as of now."""
        key = (component, where.namespace, where.below, space)
        with self._lock:
            keeper = self._kept.get(key)
            if keeper is None:
                scoped = Where(namespace=where.namespace, below=where.below)
                keeper = self._kept[key] = Keeper(self._database, self._make, self.served, component, scoped, space)
            self._kept.move_to_end(key)
        shelf = keeper.refreshed()
        if shelf.size > keeper.counted:
            keeper.counted = shelf.size
            self._make_room()
        return shelf

    def settle(self, component: str, where: Where, space: Space) -> None:
        """Finish the graph of a scope's vectors, with all processors, and write it to its folder."""
        self.get(component, where, space)
        with self._lock:
            keeper = self._kept.get((component, where.namespace, where.below, space))
        if keeper is not None:
            keeper.settle()

    def save(self) -> None:
        """Write the graphs of vectors that took long to build to their folder."""
        for keeper in self._keepers():
            keeper.save()

    def erase(self, paths: Sequence[str]) -> None:
        """Remove what was forgotten in these namespaces from where it outlasts a process: index files, a device."""
        self._erase_files(paths)
        for keeper in self._keepers():
            if any(keeper.where.covers(path) for path in paths):
                keeper.erase()

    def _erase_files(self, paths: Sequence[str]) -> None:
        """Remove the index files that hold rows of these namespaces. What is still needed is made again."""
        if self.folder is None or not self.folder.is_dir():
            return
        scopes = [Where(namespace=path) for path in paths]
        for path in paths:
            parts = path.split("/")
            scopes += [Where(namespace="/".join(parts[:n]), below=True) for n in range(1, len(parts) + 1)]
        marks = tuple({file_mark(scope) for scope in scopes})
        for file in self.folder.iterdir():
            if file.name.startswith(marks):
                file.unlink(missing_ok=True)

    def clear(self) -> None:
        """Let go of all shelves."""
        with self._lock:
            self._kept.clear()

    def _keepers(self) -> list[Keeper]:
        with self._lock:
            return list(self._kept.values())

    def _make_room(self) -> None:
        with self._lock:
            total = sum(keeper.counted for keeper in self._kept.values())
            while total > ROWS_KEPT and len(self._kept) > 1:
                _, oldest = self._kept.popitem(last=False)
                total -= oldest.counted
