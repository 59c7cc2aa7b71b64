"""Vectors that PostgreSQL searches itself, with pgvector, for processes that must not hold them all in memory.

The table `near` has the vectors of `vectors` in a form that pgvector compares. It is an index. Who has this option
writes it in the transactions that write `vectors`; a foreign key empties it in those that remove from there, whoever
does. What was written without the option is copied when a shelf is asked for that needs it.

A search is exact: it looks at every vector in scope. (An HNSW index of pgvector 0.6 filters after the limit.)
The table is not of the migrations: its version is its comment, and one of another version is made anew and filled again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    any_,
    bindparam,
    cast,
    exists,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import UserDefinedType

from memkit.errors import StoreError
from memkit.values import Trace, Where
from memkit_stores.database import Database
from memkit_stores.migrations import SCHEMA
from memkit_stores.nearest import Ranked
from memkit_stores.spaces import hold_rows
from memkit_stores.tables import records, vectors
from memkit_stores.where_sql import scope

VERSION = 1  # of the table
FILL = 256  # vectors copied in one transaction
WIDE = 4  # from a quarter of the vectors on, what a mask admits is picked from the answer, not asked for
SPARE = 32  # rows asked for beyond those that should be enough then


class _Vector(UserDefinedType[str]):
    """pgvector's type, as text, of any length: the spaces have different ones."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "vector"


near = Table(
    "near",
    MetaData(),
    Column("record", BigInteger, nullable=False),
    Column("space", Integer, nullable=False),
    Column("namespace", String, nullable=False),
    Column("component", String, nullable=False),
    Column("vector", _Vector, nullable=False),
    PrimaryKeyConstraint("record", "space"),
    ForeignKeyConstraint(["record", "space"], [vectors.c.record, vectors.c.space], ondelete="CASCADE"),
    Index("near_by_scope", "namespace", "component", "space"),
    comment=str(VERSION),
)

_DISTANCE = near.c.vector.op("<#>", return_type=Float())(bindparam("query", type_=_Vector))  # the negative product
_LISTED = near.c.record == any_(cast(bindparam("ids", type_=String), ARRAY(BigInteger)))
_PUT = insert(near).from_select(
    ["record", "space", "namespace", "component", "vector"],
    select(
        records.c.id,
        cast(bindparam("in_space"), Integer),
        records.c.namespace,
        records.c.component,
        cast(bindparam("literal", type_=String), _Vector),
    ).where(records.c.id == bindparam("of")),
)


class PgVectors:
    """The vectors of one PostgreSQL database in the table `near`, which is made if it is not there."""

    def __init__(self, database: Database) -> None:
        """Raises ValueError on another database, and StoreError when pgvector is not there and cannot be had."""
        if database.dialect != "postgresql":
            raise ValueError(f'vectors="pgvector" needs a PostgreSQL database, and {database.name} is none')
        self._database = database
        with database.write() as connection:
            database.hold(connection, "")  # two processes may switch it on at once
            made = _extension_made(connection, database.name)
            version = _version(connection)
            if version is not None and version > VERSION:
                raise StoreError(
                    f"the table {SCHEMA}.near in {database.name} was made by a newer memkit; update memkit, or drop "
                    "the table: it is made anew"
                )
            if made or version != VERSION:
                if version is not None:
                    near.drop(connection, checkfirst=False)
                near.create(connection, checkfirst=False)  # a check may see a `near` of the schema public
                # not beside the row, where each comparison would look it up: a page has room for 2,000 dimensions
                connection.exec_driver_sql("ALTER TABLE near ALTER COLUMN vector SET STORAGE MAIN")

    def put(self, connection: Connection, number: int, given: Mapping[int, NDArray[np.float32]]) -> None:
        """Enter vectors, by record id, that this transaction has just entered in `vectors`."""
        if given:
            rows = [{"of": int(id), "in_space": number, "literal": _literal(vector)} for id, vector in given.items()]
            connection.execute(_PUT, rows)

    def complete(self, number: int, ids: Sequence[int]) -> None:
        """Copy the vectors of these records from `vectors`, a few in each transaction. Those that are here stay."""
        v = vectors.c
        here = exists().where(near.c.record == v.record, near.c.space == v.space)
        for start in range(0, len(ids), FILL):
            part = ids[start : start + FILL]
            with self._database.write() as connection:
                hold_rows(self._database, connection, part)  # nobody copies or forgets them meanwhile
                query = select(v.record, v.vector).where(v.record.in_(part), v.space == number, ~here)
                found = connection.execute(query).all()
                self.put(connection, number, {id: np.frombuffer(vector, "<f4") for id, vector in found})

    def snapshot(
        self, component: str, where: Where, space: tuple[int, int], ids: NDArray[np.int64], embedded: NDArray[np.bool_]
    ) -> Snapshot:
        """The vectors of a shelf's rows in a space, of which the number and the dimension are given. `ids` has the rows'
        record ids, `embedded` says which have a vector; neither may change later."""
        n, (number, dimension) = near.c, space
        order = np.argsort(ids, kind="stable")  # mostly sorted: takes 0.1 ms for 50,000
        return Snapshot(
            database=self._database,
            dimension=dimension,
            scope=(n.space == number, n.component == component, scope(n.namespace, where)),
            space=n.space == number,
            ids=ids,
            embedded=embedded,
            count=int(np.count_nonzero(embedded)),
            order=order,
            ordered=ids[order],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The vectors of the rows that a shelf had at one moment. See `nearest.Snapshot`, which answers alike.

    Only those of rows that were forgotten since are missing.
    """

    database: Database
    dimension: int
    scope: tuple[ColumnElement[bool], ...]
    space: ColumnElement[bool]
    ids: NDArray[np.int64]  # by row
    embedded: NDArray[np.bool_]
    count: int  # of the rows with a vector
    order: NDArray[np.int64]  # rows by id
    ordered: NDArray[np.int64]  # ids in that order

    def nearest(self, vector: NDArray[np.float32], k: int, mask: NDArray[np.bool_] | None = None, /) -> Ranked:
        """The k rows with the largest inner product among those the mask admits, best first, then by row number.

        Raises ValueError for a vector of another dimension.
        """
        admitted = self._admitted(mask)
        count = int(np.count_nonzero(admitted))
        k = min(k, count)
        if k <= 0:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        if count * WIDE >= self.count:
            # those beyond k: twice the rows that a mask unrelated to the question would take out
            limit = k if count == self.count else k + 2 * k * (self.count - count) // count + SPARE
            ids, products = self._asked(vector, self.scope, limit=limit)
            rows, products = self._of_shelf(ids, products, admitted)
            if len(rows) >= k or len(ids) < limit:
                return _best(rows, products, k)
        # few are admitted, or rows that are not (or were added since) came before them
        ids, products = self._asked(vector, (self.space,), ids=self.ids[admitted], limit=k)
        return _best(*self._of_shelf(ids, products, admitted), k)

    def similarity(self, vector: NDArray[np.float32], rows: NDArray[np.int64], /) -> NDArray[np.float32]:
        """The inner product with each of the rows; -1 for a row without a vector."""
        out = np.full(len(rows), -1, np.float32)
        inside = np.flatnonzero((rows >= 0) & (rows < len(self.ids)))
        known = inside[self.embedded[rows[inside]]]
        if not len(known):
            return out
        ids, products = self._asked(vector, (self.space,), ids=np.unique(self.ids[rows[known]]))
        found, products = self._of_shelf(ids, products, self.embedded)
        of_row = np.full(len(self.ids), -1, np.float32)
        of_row[found] = products
        out[known] = of_row[rows[known]]
        return out

    def _admitted(self, mask: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        if mask is None:
            return self.embedded
        admitted = np.zeros(len(self.ids), np.bool_)
        size = min(len(mask), len(self.ids))
        admitted[:size] = mask[:size] & self.embedded[:size]
        return admitted

    def _asked(
        self,
        vector: NDArray[np.float32],
        conditions: Sequence[ColumnElement[bool]],
        *,
        ids: NDArray[np.int64] | None = None,
        limit: int | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Record ids and products; with a limit those of the largest products, and all that are equal to the last."""
        if vector.shape != (self.dimension,):
            raise ValueError(f"the vectors here have {self.dimension} dimensions, not {vector.shape[-1]}")
        query = select(near.c.record, _DISTANCE.label("distance")).where(*conditions)
        values = {"query": _literal(vector)}
        if ids is not None:
            query = query.where(_LISTED)
            values["ids"] = f"{{{','.join(map(str, ids.tolist()))}}}"
        if limit is not None:
            query = query.order_by("distance").fetch(limit, with_ties=True)
        with self.database.read() as connection:
            rows = connection.execute(query, values).all()
        found = np.array([id for id, _ in rows], np.int64)
        return found, -np.array([distance for _, distance in rows], np.float32)

    def _of_shelf(
        self, ids: NDArray[np.int64], products: NDArray[np.float32], admitted: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The rows with these ids that are on the shelf and admitted, with their products."""
        places = np.minimum(np.searchsorted(self.ordered, ids), len(self.ordered) - 1)
        rows = self.order[places]
        kept = (self.ordered[places] == ids) & admitted[rows]
        return rows[kept], products[kept]


def present(connection: Connection) -> bool:
    """Whether the table is there, be it in use or not."""
    return connection.dialect.name == "postgresql" and _version(connection) is not None


def left_over(connection: Connection) -> list[Trace]:
    """Vectors of rows that are gone. The foreign key lets there be none."""
    gone = ~exists().where(records.c.id == near.c.record)
    found = connection.execute(select(near.c.record).where(gone)).scalars()
    return [Trace(place="table near", detail=f"the vector of row {id}, which is gone") for id in found]


def _version(connection: Connection) -> int | None:
    """The version of the table, None if there is none."""
    said = connection.execute(select(func.obj_description(func.to_regclass(f"{SCHEMA}.near"), "pg_class"))).scalar()
    return None if said is None else int(said)


def _extension_made(connection: Connection, name: str) -> bool:
    """Whether pgvector had to be switched on in this database. Raises StoreError if it cannot be."""
    schema = "SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'vector'"
    place = connection.execute(text(schema)).scalar()
    if place is None:
        try:
            connection.exec_driver_sql("CREATE EXTENSION vector SCHEMA public")
        except DBAPIError as e:
            raise StoreError(
                f"{name}: pgvector cannot be switched on ({str(e.orig).strip()}). Install it on the server, let an "
                "administrator run CREATE EXTENSION vector SCHEMA public in this database, and open it again; or open "
                'it with vectors="memory"'
            ) from e
        return True
    if connection.execute(select(func.to_regtype("vector"))).scalar() is None:
        raise StoreError(
            f"{name}: pgvector is in the schema {place}, where memkit does not look; let an administrator run ALTER "
            'EXTENSION vector SET SCHEMA public, or open it with vectors="memory"'
        )
    return False


def _best(rows: NDArray[np.int64], products: NDArray[np.float32], k: int) -> Ranked:
    order = np.lexsort((rows, -products))[:k]
    return rows[order], products[order]


def _literal(vector: NDArray[np.float32]) -> str:
    """A vector as text. Nine digits tell every float32 from its neighbours."""
    return f"[{','.join(['%.9g'] * len(vector)) % tuple(vector.tolist())}]"
