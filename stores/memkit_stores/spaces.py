"""The embedding spaces of a database: which exist, which is in use, which rows lack a vector in one.

Names and facts want vectors as well (see `nodes`). Here they are rows like any, known by the negatives of their ids: rows
are named in the order 1, 2, ..., -1, -2, ...
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection, Row, Select, Table, and_, delete, exists, func, insert, select, update

from memkit.errors import SpaceError
from memkit.values import Space, Where
from memkit_stores.bulk import plain
from memkit_stores.database import Database
from memkit_stores.nodes import forget_likenings, lacking_nodes
from memkit_stores.tables import namespaces, nodes, records, spaces, vectors
from memkit_stores.where_sql import scope

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from memkit_stores.pgvectors import PgVectors

_FIELDS = ("model", "dimension", "normalised", "document_prefix", "query_prefix")


class SqlSpaces:
    """`memkit.ports.Spaces` over a database."""

    def __init__(self, database: Database, served: PgVectors | None = None) -> None:
        self._database = database
        self._served = served

    def every(self) -> list[tuple[Space, bool]]:
        """See `memkit.ports.Spaces.every`."""
        with self._database.read() as connection:
            rows = connection.execute(select(spaces).order_by(spaces.c.id)).all()
        return [(_to_space(row), row.current) for row in rows]

    def use(self, space: Space, /, *, whole: bool) -> None:
        """See `memkit.ports.Spaces.use`."""
        with self._database.write() as connection:
            self._database.hold(connection, "")
            wanted = self._enter(connection, space)
            lacking = count_lacking(connection, wanted) if whole else 0
            if lacking:
                raise SpaceError(
                    f"{lacking} rows have no vector of {space.model} yet; run `memkit reembed` until it is done"
                )
            connection.execute(update(spaces).values(current=spaces.c.id == wanted))
            _rewrite_all(connection)

    def holds(self, space: Space, /) -> bool:
        """See `memkit.ports.Spaces.holds`."""
        mine = and_(*(spaces.c[name] == getattr(space, name) for name in _FIELDS))
        query = select(vectors.c.record).join(spaces, spaces.c.id == vectors.c.space).where(mine).limit(1)
        with self._database.read() as connection:
            return connection.execute(query).first() is not None

    def missing(
        self, space: Space, limit: int, /, *, after: int = 0, where: Where | None = None
    ) -> list[tuple[int, str]]:
        """See `memkit.ports.Spaces.missing`."""
        found: list[tuple[int, str]] = []
        with self._database.write() as connection:
            number = self._enter(connection, space)
            if after >= 0:
                query = _within(lacking(number), records, where).where(records.c.id > after)
                rows = connection.execute(query.order_by(records.c.id).limit(limit))
                found += [(row.id, row.text if row.index_text is None else row.index_text) for row in rows]
            if len(found) < limit:
                query = _within(lacking_nodes(number), nodes, where).where(nodes.c.id > -after)
                rows = connection.execute(query.order_by(nodes.c.id).limit(limit - len(found)))
                found += [(-row.id, row.text) for row in rows]
        return found

    def count_missing(self, space: Space, /) -> int:
        """See `memkit.ports.Spaces.count_missing`."""
        with self._database.write() as connection:
            return count_lacking(connection, self._enter(connection, space))

    def fill(self, space: Space, filled: Mapping[int, NDArray[np.float32]], /) -> None:
        """See `memkit.ports.Spaces.fill`."""
        with self._database.write() as connection:
            number = self._enter(connection, space)
            hold_rows(self._database, connection, filled)
            # a row may have been forgotten, or filled by another process, since `missing` named it
            wanted = _wanting(connection, number, filled)
            rows = [
                {"record": id, "space": number, "vector": to_blob(vector)}
                for id, vector in filled.items()
                if id in wanted
            ]
            if rows:
                connection.execute(insert(vectors), rows)
                if self._served is not None:
                    self._served.put(connection, number, {id: filled[id] for id in wanted if id > 0})
                _rewrite_all(connection)

    def discard(self, space: Space, /) -> None:
        """See `memkit.ports.Spaces.discard`."""
        with self._database.write() as connection:
            self._database.hold(connection, "")
            number = self._enter(connection, space)
            if connection.execute(select(spaces.c.current).where(spaces.c.id == number)).scalar():
                raise SpaceError(f"{space.model} is in use; switch to another embedder before discarding it")
            forget_likenings(connection, number)
            connection.execute(delete(vectors).where(vectors.c.space == number))
            connection.execute(delete(spaces).where(spaces.c.id == number))

    def _enter(self, connection: Connection, space: Space) -> int:
        """The number of the space, which is entered if it is new."""
        found = number_of(connection, space)
        if found is None:
            values = {name: getattr(space, name) for name in _FIELDS}
            statement = insert(spaces).values(**values, current=False).returning(spaces.c.id)
            found = int(connection.execute(statement).scalar_one())
        return found


def number_of(connection: Connection, space: Space) -> int | None:
    """The number of the space, if the database knows it."""
    mine = " AND ".join(f"{name} = ?" for name in _FIELDS)
    rows = plain(connection, f"SELECT id FROM spaces WHERE {mine}", *(getattr(space, name) for name in _FIELDS))
    return rows[0][0] if rows else None


def hold_rows(database: Database, connection: Connection, ids: Iterable[int]) -> None:
    """Hold the namespaces of these rows, so that none is forgotten while it gets a vector."""
    if database.dialect == "postgresql":
        given, found = [int(id) for id in ids], set[str]()
        for table, some in ((records, [id for id in given if id > 0]), (nodes, [-id for id in given if id < 0])):
            found.update(connection.execute(select(table.c.namespace).where(table.c.id.in_(some)).distinct()).scalars())
        for namespace in sorted(found):
            database.hold(connection, namespace)


def space_in_use(connection: Connection, space: Space | None) -> int:
    """The number of the space, which must be the one in use, or SpaceError."""
    rows = plain(connection, f'SELECT id, {", ".join(_FIELDS)} FROM spaces WHERE "current"')  # before every recall
    known = {Space(**dict(zip(_FIELDS, row, strict=True))): id for id, *row in rows}
    if space not in known:
        now = next((each.model for each in known), "none")
        raise SpaceError(
            f"the memory's embedder is now {now}, changed while this one was open; close it and open it again"
        )
    return int(known[space])


def lacking(space: int) -> Select[int, str, str | None]:
    """Records that want a vector and have none in the space."""
    has = exists().where(and_(vectors.c.record == records.c.id, vectors.c.space == space))
    return select(records.c.id, records.c.text, records.c.index_text).where(records.c.embed, ~has)


def count_lacking(connection: Connection, space: int, where: Where | None = None) -> int:
    """How many rows in scope, or altogether, want a vector and have none in the space."""
    count = 0
    for query, table in ((lacking(space), records), (lacking_nodes(space), nodes)):
        some = _within(query, table, where).subquery()
        count += connection.execute(select(func.count()).select_from(some)).scalar_one()
    return count


def _within(query: Select[*tuple[Any, ...]], table: Table, where: Where | None) -> Select[*tuple[Any, ...]]:
    return query if where is None else query.where(scope(table.c.namespace, where))


def _wanting(connection: Connection, space: int, ids: Iterable[int]) -> set[int]:
    """Those of these rows that want a vector and have none in the space."""
    given = [int(id) for id in ids]
    some = lacking(space).where(records.c.id.in_([id for id in given if id > 0]))
    other = lacking_nodes(space).where(nodes.c.id.in_([-id for id in given if id < 0]))
    return {row.id for row in connection.execute(some)} | {-row.id for row in connection.execute(other)}


def to_blob(vector: NDArray[np.float32]) -> bytes:
    """A vector as it is stored: little-endian float32."""
    return np.ascontiguousarray(vector, dtype="<f4").tobytes()


def _rewrite_all(connection: Connection) -> None:
    """Every cache of vectors must look again."""
    later = namespaces.c.version + 1
    connection.execute(update(namespaces).values(version=later, rewritten=later))


def _to_space(row: Row[*tuple[Any, ...]]) -> Space:
    return Space(**{name: getattr(row, name) for name in _FIELDS})
