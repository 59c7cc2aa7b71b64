"""`Where` as SQL: the one translation, for events and for records, on both databases. `Where.admits` is the definition."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from sqlalchemy import JSON, ColumnElement, Table, Text, and_, cast, exists, false, func, literal, or_, select
from sqlalchemy.dialects.postgresql import JSONB

from memkit.values import EPOCH, Scalar, Where
from memkit_stores.tables import events, lineage, records

FEW = 100  # values that are parameters of their own


def micros(moment: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def moment(micros: int) -> datetime:
    """The inverse of `micros`."""
    return EPOCH + timedelta(microseconds=micros)


def scope(column: ColumnElement[str], where: Where) -> ColumnElement[bool]:
    """The namespace wall."""
    if not where.below:
        return column == where.namespace
    # not LIKE: "%" and "_" are letters of a path here, and LIKE ignores case in SQLite
    under = where.namespace + "/"
    return or_(column == where.namespace, func.substr(column, 1, len(under)) == under)


def condition(where: Where, table: Table, dialect: str) -> ColumnElement[bool]:
    """What `where` asks of a row of `events` or `records`."""
    c = table.c
    asked = [scope(c.namespace, where)]
    for column, admitted in (
        (c.session, where.sessions),
        (c.role, where.roles),
        (c.author, where.authors),
        (c.kind, where.kinds),
    ):
        if admitted is not None:
            asked.append(one_of(column, admitted, dialect))
    if where.ids is not None:
        asked.append(_from_events(where.ids, table, dialect))
    if where.since is not None:
        asked.append(c.at >= micros(where.since))
    if where.until is not None:
        asked.append(c.at < micros(where.until))
    if where.as_of is not None:
        asked.append(c.recorded <= micros(where.as_of))
    asked += [_holds(c.metadata, key, value, dialect) for key, value in where.metadata.items()]
    return and_(*asked)


def one_of(column: ColumnElement[str | None], values: frozenset[str], dialect: str) -> ColumnElement[bool]:
    """Whether the column has one of the values, however many they are: a statement takes only so many parameters."""
    if not values:
        return false()
    if len(values) <= FEW:
        return column.in_(sorted(values))
    each = func.json_each if dialect == "sqlite" else func.json_array_elements_text
    listed = each(cast(literal(json.dumps(sorted(values)), Text), Text if dialect == "sqlite" else JSON)).table_valued(
        "value"
    )
    return column.in_(select(listed.c.value))


def _from_events(ids: frozenset[str], table: Table, dialect: str) -> ColumnElement[bool]:
    if table is events:
        return one_of(events.c.id, ids, dialect)
    return records.c.id.in_(
        select(lineage.c.record)
        .join(events, events.c.position == lineage.c.event)
        .where(one_of(events.c.id, ids, dialect))
    )


def _holds(column: ColumnElement[object], key: str, value: Scalar, dialect: str) -> ColumnElement[bool]:
    if dialect == "postgresql":
        return column.op("@>", is_comparison=True)(cast(json.loads(json.dumps({key: value})), JSONB))
    each = func.json_each(column).table_valued("key", "value", "type")
    if isinstance(value, bool) or value is None:
        same = each.c.type == {True: "true", False: "false", None: "null"}[value]
    elif isinstance(value, str):
        same = and_(each.c.type == "text", each.c.value == value)
    else:
        same = and_(each.c.type.in_(("integer", "real")), each.c.value == value)
    return exists(select(1).select_from(each).where(each.c.key == key, same))
