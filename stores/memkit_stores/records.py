"""Records by their ids: what every hit is read with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import JSON, BigInteger, Connection, Select, Text, bindparam, cast, func, select

from memkit.values import Record, Source
from memkit_stores.database import Database
from memkit_stores.tables import events, lineage, records
from memkit_stores.where_sql import moment

_COLUMNS = tuple(column for column in records.c if column.name not in ("terms", "position", "start"))
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
        by_id: dict[int, list[Sequence[Any]]] = {}
        for row in rows:
            by_id.setdefault(row[0], []).append(row)
        return {id: _record(same) for id, same in by_id.items()}


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


def _record(rows: Sequence[Sequence[Any]]) -> Record:
    """A record from its rows, one for each source, in order."""
    values = dict(zip(_NAMES, rows[0][:_WIDTH], strict=True))
    metadata = values["metadata"]
    return Record(
        id=values["id"],
        namespace=values["namespace"],
        component=values["component"],
        kind=values["kind"],
        role=values["role"],
        author=values["author"],
        session=values["session"],
        at=moment(values["at"]),
        recorded=moment(values["recorded"]),
        text=values["text"],
        index=values["index_text"],
        metadata=json.loads(metadata) if isinstance(metadata, str) else metadata,
        weight=values["weight"],
        embed=bool(values["embed"]),
        sources=tuple(Source(event=row[_WIDTH], start=row[_WIDTH + 1], end=row[_WIDTH + 2]) for row in rows),
    )


_NAMES = tuple(column.name for column in _COLUMNS)
