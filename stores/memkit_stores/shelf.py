"""A shelf: the rows of one component in one scope, as columns with their word and vector indexes, at one moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row, Select, and_, select

from memkit.ports import Postings
from memkit.values import Where
from memkit_stores import nearest, pgvectors, postings
from memkit_stores.database import Database
from memkit_stores.tables import records, vectors
from memkit_stores.where_sql import condition, scope

Near = nearest.ExactSearch | pgvectors.Snapshot


class Shelf:
    """See `memkit.ports.Shelf`. Immutable; safe to use from any thread, whatever is committed meanwhile."""

    def __init__(
        self,
        database: Database,
        component: str,
        columns: Columns,
        words: postings.Snapshot,
        near: Near | None,
        seen: Mapping[str, int],
    ) -> None:
        """`seen` has the version of each namespace that the rows are of."""
        self._database = database
        self._component = component
        self._columns = columns
        self._words = words
        self._near = near
        self.seen = seen
        self.size = columns.size
        self.id: NDArray[np.int64] = columns.id[: columns.size]
        self.strand: NDArray[np.int32] = columns.strand[: columns.size]
        self.author: NDArray[np.int32] = columns.author[: columns.size]
        self.weight: NDArray[np.float32] = columns.weight[: columns.size]
        self.length: NDArray[np.float32] = words.lengths
        self.authors: Sequence[str] = columns.authors

    def postings(self, text: str, /) -> Postings:
        """See `memkit.ports.Shelf.postings`."""
        return self._words.postings(text)

    def marked(self, mark: str, /) -> NDArray[np.int32]:
        """See `memkit.ports.Shelf.marked`."""
        return self._words.marked(mark)

    def beside(self, rows: NDArray[np.int64], /) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """See `memkit.ports.Shelf.beside`."""
        before = self._columns.before[rows].astype(np.int64)
        after = self._columns.after[rows].astype(np.int64)
        return before, np.where(after < self.size, after, -1)  # rows appended since are not on this shelf

    def nearest(
        self, vector: NDArray[np.float32], k: int, mask: NDArray[np.bool_] | None, /
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """See `memkit.ports.Shelf.nearest`."""
        if self._near is None:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        return self._near.nearest(vector, k, mask)

    def similarity(self, vector: NDArray[np.float32], rows: NDArray[np.int64], /) -> NDArray[np.float32]:
        """See `memkit.ports.Shelf.similarity`."""
        if self._near is None:
            return np.full(len(rows), -1, np.float32)
        return self._near.similarity(vector, rows)

    def admitted(self, where: Where, /) -> NDArray[np.bool_] | None:
        """See `memkit.ports.Shelf.admitted`."""
        if not where.narrows:
            return None
        query = select(records.c.id).where(
            records.c.component == self._component, condition(where, records, self._database.dialect)
        )
        with self._database.read() as connection:
            ids = np.fromiter(connection.execute(query).scalars(), np.int64)
        return np.isin(self.id, ids)


@dataclass
class Columns:
    """Arrays with room to grow. A reader holds this object and its `size`: growth makes a new object, and what is
    written in place lies beyond every earlier size."""

    size: int
    id: NDArray[np.int64]
    strand: NDArray[np.int32]
    author: NDArray[np.int32]
    before: NDArray[np.int32]
    after: NDArray[np.int32]
    weight: NDArray[np.float32]
    embedded: NDArray[np.bool_]
    authors: tuple[str, ...] = ()

    @classmethod
    def empty(cls) -> Columns:
        codes = np.empty(0, np.int32)
        weight, embedded = np.empty(0, np.float32), np.empty(0, np.bool_)
        return cls(0, np.empty(0, np.int64), codes, codes, codes, codes, weight, embedded)

    def only(self, kept: NDArray[np.int64]) -> Columns:
        """These rows and their authors, not yet linked to those beside them."""
        id, strand, weight, embedded = (
            column[kept].tolist() for column in (self.id, self.strand, self.weight, self.embedded)
        )
        names = [None if code < 0 else self.authors[code] for code in self.author[kept].tolist()]
        codes = {name: code for code, name in enumerate(dict.fromkeys(name for name in names if name is not None))}
        author = [-1 if name is None else codes[name] for name in names]
        some = Columns.empty().extended(id, strand, author, weight, embedded)
        some.authors = tuple(codes)
        return some

    def extended(
        self,
        id: Sequence[int],
        strand: Sequence[int],
        author: Sequence[int],
        weight: Sequence[float],
        embedded: Sequence[bool],
    ) -> Columns:
        size = self.size + len(id)
        room = len(self.id) if size <= len(self.id) else max(64, size + size // 2)
        grown = Columns(
            size,
            _resized(self.id, room),
            _resized(self.strand, room),
            _resized(self.author, room),
            _resized(self.before, room),
            _resized(self.after, room),
            _resized(self.weight, room),
            _resized(self.embedded, room),
            self.authors,
        )
        fresh = slice(self.size, size)
        grown.id[fresh] = id
        grown.strand[fresh] = strand
        grown.author[fresh] = author
        grown.weight[fresh] = weight
        grown.embedded[fresh] = embedded
        grown.before[fresh] = -1
        grown.after[fresh] = -1
        return grown


def strand_of(row: Row[*tuple[Any, ...]]) -> tuple[object, ...]:
    """A document is a strand of its own; so is a session. Turns without a session follow each other as well, but
    need not have to do with each other."""
    return (row.namespace, row.position) if row.kind == "document" else (row.namespace, "session", row.session)


def ids_of(component: str, where: Where, space: int | None) -> Select[int, int | None]:
    """The ids of a component's rows in a scope, each again if it has a vector in the space, else None."""
    r, v = records.c, vectors.c
    return (
        select(r.id, v.record)
        .select_from(records.outerjoin(vectors, and_(v.record == r.id, v.space == space)))
        .where(r.component == component, scope(r.namespace, where))
    )


def rows_of(component: str, path: str, space: int | None, *, after: int, served: bool) -> Select[*tuple[Any, ...]]:
    """What a shelf is made of, in its order: the rows of a namespace with an id above `after`.

    When the vectors are `served`, `vector` is just the record's id, and so is `near` if it is where it can be searched.
    """
    r, v, n = records.c, vectors.c, pgvectors.near.c
    joined = records.outerjoin(vectors, and_(v.record == r.id, v.space == space))
    if served:
        joined = joined.outerjoin(pgvectors.near, and_(n.record == v.record, n.space == v.space))
    vector = [v.record.label("vector"), n.record.label("near")] if served else [v.vector]
    return (
        select(r.id, r.namespace, r.kind, r.session, r.author, r.position, r.weight, r.terms, *vector)
        .select_from(joined)
        .where(r.component == component, r.id > after, r.namespace == path)
        .order_by(r.position, r.start, r.id)
    )


def _resized(array: NDArray[Any], room: int) -> NDArray[Any]:
    if room == len(array):
        return array
    grown = np.empty(room, array.dtype)
    grown[: len(array)] = array
    return grown
