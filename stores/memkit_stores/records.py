"""Records from SQL with their sources: by their ids, which is how every hit is read, and by a filter."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    Text,
    bindparam,
    cast,
    func,
    select,
    type_coerce,
)

from memkit.values import Record, Source, Where
from memkit_stores.database import Database
from memkit_stores.tables import events, lineage, records
from memkit_stores.where_sql import condition, moment

_NAMES = (
    *("id", "namespace", "component", "kind", "role", "author", "session", "at", "recorded", "text", "index_text"),
    *("metadata", "weight", "embed"),
)
_COLUMNS = tuple(records.c[name] for name in _NAMES)
_WIDTH = len(_COLUMNS)  # then come the source's event, start and end


class RecordsById:
    """One statement, made once. On SQLite the driver runs it: SQLAlchemy's part would be half the time of a recall."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._statement = _statement(database.dialect)
        compiled = self._statement.compile(dialect=database.engine.dialect)
        self._plain, self._order = str(compiled), tuple(getattr(compiled, "positiontup", None) or ())

    def __call__(self, connection: Connection, component: str, ids: Sequence[int]) -> dict[int, Record]:
        """The component's records that there are of these ids, by id, without vectors."""
        asked = {"ids": json.dumps([int(id) for id in ids]), "component": component}
        if self._database.dialect == "sqlite":
            driver: Any = connection.connection.driver_connection
            rows = driver.execute(self._plain, [asked[name] for name in self._order]).fetchall()
        else:
            rows = connection.execute(self._statement, asked).all()
        return {record.id: record for record in _records(rows)}


def filtered(
    connection: Connection, where: Where, component: str | None, *, after: int, limit: int | None
) -> list[Record]:
    """The records that `where` admits, of one component or of all, by id, above `after`, without vectors."""
    page = select(records.c.id).where(condition(where, records, connection.dialect.name), records.c.id > after)
    if component is not None:
        page = page.where(records.c.component == component)
    if limit is not None:  # of records, not of their sources
        page = page.order_by(records.c.id).limit(limit)
    return list(_records(connection.execute(_with_sources(connection.dialect.name, records.c.id.in_(page))).all()))


def _statement(dialect: str) -> Select[*tuple[Any, ...]]:
    """The ids are one parameter, a JSON list, so that the statement is the same however many they are."""
    each = func.json_each if dialect == "sqlite" else func.json_array_elements_text
    listed = each(cast(bindparam("ids"), Text if dialect == "sqlite" else JSON)).table_valued("value")
    these = records.c.id.in_(select(cast(listed.c.value, BigInteger)))
    return _with_sources(dialect, these, records.c.component == bindparam("component"))


def _with_sources(dialect: str, *asked: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """The records of which that is true, by id, each once for each of its sources, in their order."""
    columns: list[ColumnElement[Any]] = list(_COLUMNS)
    if dialect == "sqlite":  # as text, to be parsed once a record and not once a source
        columns = [type_coerce(column, Text) if column is records.c.metadata else column for column in columns]
    return (
        select(*columns, events.c.id, lineage.c.start, lineage.c.end)
        .join(lineage, lineage.c.record == records.c.id)
        .join(events, events.c.position == lineage.c.event)
        .where(*asked)
        .order_by(records.c.id, lineage.c.ordinal)
    )


def _records(rows: Iterable[Sequence[Any]]) -> Iterator[Record]:
    for _, each in groupby(rows, itemgetter(0)):
        of_one = list(each)
        yield _record(of_one[0], tuple(map(_source, of_one)))


def _record(row: Sequence[Any], sources: tuple[Source, ...]) -> Record:
    id, namespace, component, kind, role, author, session, at, recorded, text, index, metadata, weight, embed = row[
        :_WIDTH
    ]
    happened = moment(at)
    if isinstance(metadata, str):
        metadata = {} if metadata == "{}" else json.loads(metadata)
    return Record(
        id=id,
        namespace=namespace,
        component=component,
        kind=kind,
        role=role,
        author=author,
        session=session,
        at=happened,
        recorded=happened if recorded == at else moment(recorded),
        text=text,
        index=index,
        metadata=metadata,
        weight=weight,
        embed=bool(embed),
        sources=sources,
    )


def _source(row: Sequence[Any]) -> Source:
    event, start, end = row[_WIDTH:]
    return Source(event=event, start=start, end=end)
