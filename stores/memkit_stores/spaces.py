"""The embedding spaces of a database: which exist, which is in use, which rows lack a vector in one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection, Row, Select, and_, delete, exists, func, insert, select, update

from memkit.errors import SpaceError
from memkit.values import Space, Where
from memkit_stores.database import Database
from memkit_stores.tables import namespaces, records, spaces, vectors
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
        with self._database.write() as connection:
            query = lacking(self._enter(connection, space)).where(records.c.id > after)
            if where is not None:
                query = query.where(scope(records.c.namespace, where))
            rows = connection.execute(query.order_by(records.c.id).limit(limit)).all()
        return [(row.id, row.text if row.index_text is None else row.index_text) for row in rows]

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
            query = lacking(number).where(records.c.id.in_([int(id) for id in filled]))
            wanted = {row.id for row in connection.execute(query)}
            rows = [
                {"record": id, "space": number, "vector": to_blob(vector)}
                for id, vector in filled.items()
                if id in wanted
            ]
            if rows:
                connection.execute(insert(vectors), rows)
                if self._served is not None:
                    self._served.put(connection, number, {id: filled[id] for id in wanted})
                _rewrite_all(connection)

    def discard(self, space: Space, /) -> None:
        """See `memkit.ports.Spaces.discard`."""
        with self._database.write() as connection:
            self._database.hold(connection, "")
            number = self._enter(connection, space)
            if connection.execute(select(spaces.c.current).where(spaces.c.id == number)).scalar():
                raise SpaceError(f"{space.model} is in use; switch to another embedder before discarding it")
            connection.execute(delete(vectors).where(vectors.c.space == number))
            connection.execute(delete(spaces).where(spaces.c.id == number))

    def _enter(self, connection: Connection, space: Space) -> int:
        """The number of the space, which is entered if it is new."""
        values = {name: getattr(space, name) for name in _FIELDS}
        query = select(spaces.c.id).where(*(spaces.c[name] == value for name, value in values.items()))
        found = connection.execute(query).scalar()
        if found is None:
            statement = insert(spaces).values(**values, current=False).returning(spaces.c.id)
            found = connection.execute(statement).scalar_one()
        return int(found)


def hold_rows(database: Database, connection: Connection, ids: Iterable[int]) -> None:
    """Hold the namespaces of these records, so that none is forgotten while it gets a vector."""
    if database.dialect == "postgresql":
        query = select(records.c.namespace).where(records.c.id.in_([int(id) for id in ids])).distinct()
        for namespace in sorted(connection.execute(query).scalars()):
            database.hold(connection, namespace)


def space_in_use(connection: Connection, space: Space | None) -> int:
    """The number of the space, which must be the one in use, or SpaceError."""
    row = connection.execute(select(spaces).where(spaces.c.current)).one_or_none()
    if row is None or _to_space(row) != space:
        now = "none" if row is None else row.model
        raise SpaceError(
            f"the memory's embedder is now {now}, changed while this one was open; close it and open it again"
        )
    return int(row.id)


def lacking(space: int) -> Select[int, str, str | None]:
    """Rows that want a vector and have none in the space."""
    has = exists().where(and_(vectors.c.record == records.c.id, vectors.c.space == space))
    return select(records.c.id, records.c.text, records.c.index_text).where(records.c.embed, ~has)


def count_lacking(connection: Connection, space: int) -> int:
    """How many rows want a vector and have none in the space."""
    return connection.execute(select(func.count()).select_from(lacking(space).subquery())).scalar_one()


def to_blob(vector: NDArray[np.float32]) -> bytes:
    """A vector as it is stored: little-endian float32."""
    return np.ascontiguousarray(vector, dtype="<f4").tobytes()


def _rewrite_all(connection: Connection) -> None:
    """Every cache of vectors must look again."""
    later = namespaces.c.version + 1
    connection.execute(update(namespaces).values(version=later, rewritten=later))


def _to_space(row: Row[*tuple[Any, ...]]) -> Space:
    return Space(**{name: getattr(row, name) for name in _FIELDS})
