"""Keeping a shelf up to date.

A shelf is a cache of SQL rows. It is brought up to date before it is handed out: rows that were added are appended,
rows that were removed are taken out, and any other change loads it anew. What is handed out does not change later.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, select

from memkit.errors import SpaceError
from memkit.values import Space, Where
from memkit_stores import postings
from memkit_stores.database import Database
from memkit_stores.indexes import Index
from memkit_stores.pgvectors import PgVectors
from memkit_stores.shelf import Columns, Near, Shelf, ids_of, rows_of, strand_of
from memkit_stores.spaces import space_in_use
from memkit_stores.tables import namespaces
from memkit_stores.where_sql import scope

FAR_BEHIND = 2_000  # vectors that wait for the graph, from which a thread puts them in rather than the searches


def file_mark(where: Where) -> str:
    """How the names of a scope's index files begin. A digest: a namespace may hold what no file name can."""
    return hashlib.blake2b(repr((where.namespace, where.below)).encode(), digest_size=12).hexdigest()


class Keeper:
    """One shelf being kept up to date. `refreshed` is the only way in, under one lock."""

    def __init__(
        self,
        database: Database,
        make: Callable[[int, str], Index],
        served: PgVectors | None,
        component: str,
        where: Where,
        space: Space | None,
    ) -> None:
        self._database = database
        self._make = make
        self._served = served
        self._component = component
        self.where = where
        self._space = space
        self._number: int | None = None  # the space's, in the database
        self._lock = threading.Lock()
        self._settling: threading.Thread | None = None
        self.counted = 0
        self._start_over()

    def _start_over(self) -> None:
        self._seen: dict[str, int] = {}
        self._last: dict[str, tuple[int, int]] = {}  # namespace → highest id, highest position
        self._strands: dict[tuple[object, ...], tuple[int, int]] = {}  # strand → code, its last row
        self._codes = 0  # given to strands so far
        self._authors: dict[str, int] = {}
        self._columns = Columns.empty()
        self._words = postings.Words()
        self._vectors = None if self._space is None or self._served else self._new_vectors(self._space)
        self._lacking: list[int] = []  # rows whose vectors the database has, but not where it searches
        self._shelf: Shelf | None = None
        self._stamp: int | None = None

    def _new_vectors(self, space: Space) -> Index:
        rest = hashlib.blake2b(repr((self._component, space)).encode(), digest_size=8).hexdigest()
        return self._make(space.dimension, f"{file_mark(self.where)}-{rest}")

    def refreshed(self) -> Shelf:
        """The shelf, with everything that was committed before this call."""
        with self._lock:
            stamp = self._database.stamp()  # before the rows are read: they are at least as new
            if self._shelf is not None and stamp is not None and stamp == self._stamp:
                return self._shelf
            try:
                with self._database.read() as connection:
                    changed = self._follow(connection)
                if changed or self._shelf is None:
                    words, near = self._words.snapshot(), self._near()
                    self._shelf = Shelf(self._database, self._component, self._columns, words, near, self._seen)
                self._stamp = stamp
            except BaseException:
                self._start_over()  # some columns may have the new rows and some not
                raise
            self._settle_soon()
            return self._shelf

    def _near(self) -> Near | None:
        if self._served is None or self._space is None or self._number is None:
            return None if self._vectors is None else self._vectors.snapshot()
        self._served.complete(self._number, self._lacking)
        self._lacking = []
        now, numbered = self._columns, (self._number, self._space.dimension)
        ids, embedded = now.id[: now.size], now.embedded[: now.size]
        return self._served.snapshot(self._component, self.where, numbered, ids, embedded)

    def settle(self) -> None:
        """Put all vectors into the graph now, and keep it."""
        if self._vectors is not None:
            self._vectors.settle(threads=os.cpu_count() or 1)
            self._vectors.save()

    def _settle_soon(self) -> None:
        """After many vectors came at once, put them into the graph in a thread; until then they are searched one by one."""
        if self._vectors is None or (self._settling is not None and self._settling.is_alive()):
            return
        if self._vectors.waiting > FAR_BEHIND:
            self._settling = threading.Thread(target=self._vectors.settle, name="memkit graph", daemon=True)
            self._settling.start()

    def erase(self) -> None:
        """Take out what was forgotten now, if the vectors are on a device: its memory outlasts a process."""
        if self._vectors is not None and self._vectors.on_device:
            with suppress(SpaceError):  # the embedder was changed by another process: everything was let go
                self.refreshed()

    def save(self) -> None:
        if self._vectors is None or not self._vectors.has_graph:
            return
        try:
            self.refreshed()  # what was forgotten must not be written back
        except SpaceError:
            return  # the embedder was changed by another process: nobody would read the file
        with self._lock:
            self._vectors.save()

    def _follow(self, connection: Connection) -> bool:
        """Bring all columns up to date; whether anything changed."""
        rows = connection.execute(select(namespaces).where(scope(namespaces.c.path, self.where))).all()
        now = {row.path: (row.version, row.rewritten) for row in rows}
        rewritten = any(  # also when the version is less: by another machine's clock
            path not in now or not now[path][1] <= version <= now[path][0] for path, version in self._seen.items()
        )
        behind = [path for path in now if self._seen.get(path) != now[path][0]]
        if not rewritten and not behind:
            return False
        if self._space is not None:
            self._number = space_in_use(connection, self._space)
        if rewritten and not self._taken_out(connection):
            self._start_over()
            behind = list(now)
        for path in behind:
            if not self._append(connection, path):
                self._start_over()
                return self._follow(connection)
        self._seen = {path: version for path, (version, _) in now.items()}
        return True

    def _taken_out(self, connection: Connection) -> bool:
        """Take removed rows out in place. False when more has changed than that."""
        size = self._columns.size
        query = ids_of(self._component, self.where, self._number)
        there = dict(connection.execute(query).all())
        old = self._columns.id[:size].tolist()
        keep = np.array([id in there for id in old], np.bool_)
        embedded = np.array([there.get(id) is not None for id in old], np.bool_)
        if (embedded != self._columns.embedded[:size])[keep].any():
            return False  # vectors were filled in
        self._compact(keep)
        return True

    def _compact(self, keep: NDArray[np.bool_]) -> None:
        kept = np.flatnonzero(keep)
        names = {code: strand for strand, (code, _) in self._strands.items()}
        self._columns = self._columns.only(kept)
        self._authors = {author: code for code, author in enumerate(self._columns.authors)}
        self._strands = {}
        for row, code in enumerate(self._columns.strand[: len(kept)].tolist()):
            self._link(names[code], code, row)
        self._words.compact(keep)
        if self._vectors is not None:
            self._vectors.compact(keep)

    def _append(self, connection: Connection, path: str) -> bool:
        """Append the namespace's new rows. False when one belongs before rows that are there already."""
        last_id, last_position = self._last.get(path, (0, 0))
        served = self._served is not None
        rows = connection.execute(rows_of(self._component, path, self._number, after=last_id, served=served)).all()
        if not rows:
            return True
        if last_id and rows[0].position < last_position:
            return False
        first = self._columns.size
        strands = [strand_of(row) for row in rows]
        codes = [self._code(strand) for strand in strands]
        authors = [
            -1 if row.author is None else self._authors.setdefault(row.author, len(self._authors)) for row in rows
        ]
        self._columns = self._columns.extended(
            [row.id for row in rows],
            codes,
            authors,
            [row.weight for row in rows],
            [row.vector is not None for row in rows],
        )
        self._columns.authors = tuple(self._authors)
        for row, (strand, code) in enumerate(zip(strands, codes, strict=True), start=first):
            self._link(strand, code, row)
        self._words.add([row.terms for row in rows])
        self._add_vectors(rows, first)
        if served:
            self._lacking += [row.id for row in rows if row.vector is not None and row.near is None]
        self._last[path] = (max(row.id for row in rows), rows[-1].position)
        return True

    def _code(self, strand: tuple[object, ...]) -> int:
        if strand not in self._strands:
            self._codes += 1
            self._strands[strand] = (-self._codes if strand[-1] is None else self._codes, -1)
        return self._strands[strand][0]

    def _add_vectors(self, rows: Sequence[Row[*tuple[Any, ...]]], first: int) -> None:
        given = [n for n, row in enumerate(rows) if row.vector is not None]
        if self._vectors is None or self._space is None or not given:
            return
        matrix = np.frombuffer(b"".join(rows[n].vector for n in given), "<f4").reshape(-1, self._space.dimension)
        ids = np.array([rows[n].id for n in given], np.int64)
        self._vectors.add(np.array(given, np.int64) + first, matrix.astype(np.float32, copy=False), ids)

    def _link(self, strand: tuple[object, ...], code: int, row: int) -> None:
        before = self._strands.get(strand, (code, -1))[1]
        self._columns.before[row] = before
        if before >= 0:
            self._columns.after[before] = row
        self._strands[strand] = (code, row)
