"""Records by their ids: what every hit is read with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import JSON, BigInteger, Connection, Select, Text, bindparam, cast, func, select

from memkit.values import Record, Source
from memkit_stores.database import Database
from memkit_stores.tables import events, lineage, records
from memkit_stores.where_sql import moment

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
        by_id: dict[int, Record] = {}
        for row in rows:
            known = by_id.get(row[0])
            by_id[row[0]] = _record(row) if known is None else _with_source(known, row)
        return by_id


def _statement(dialect: str) -> Select[*tuple[Any, ...]]:
    """The ids are one parameter, a JSON list, so that the statement is the same however many they are."""
    each = func.json_each if dialect == "sqlite" else func.json_array_elements_text
    listed = each(cast(bindparam("ids"), Text if dialect == "sqlite" else JSON)).table_valued("value")
    return (
        select(*_COLUMNS, events.c.id, lineage.c.start, lineage.c.end)
        .join(lineage, lineage.c.record == records.c.id)
        .join(events, events.c.position == lineage.c.event)
        .where(records.c.id.in_(select(cast(listed.c.value, BigInteger))))
        .where(records.c.component == bindparam("component"))
        .order_by(records.c.id, lineage.c.ordinal)
    )


def _record(row: Sequence[Any]) -> Record:
    """A record with its first source."""
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
        sources=(_source(row),),
    )


def _with_source(record: Record, row: Sequence[Any]) -> Record:
    return replace(record, sources=(*record.sources, _source(row)))


def _source(row: Sequence[Any]) -> Source:
    event, start, end = row[_WIDTH:]
    return Source(event=event, start=start, end=end)
