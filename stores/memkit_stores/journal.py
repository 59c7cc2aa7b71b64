"""The journal in SQL: events go in, are read, and are never changed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, String, and_, bindparam, insert, or_, select, type_coerce

from memkit.values import Event, Receipt, Where
from memkit_stores.database import Database
from memkit_stores.tables import events
from memkit_stores.where_sql import condition, micros, moment

CHUNK = 500  # values in one IN (…): well under SQLite's limit on variables

_COLUMNS = tuple(events.c)
_BARE = tuple(type_coerce(column, String) if column is events.c.metadata else column for column in _COLUMNS)
_BY_KEY = select(events.c.id).where(events.c.namespace == bindparam("namespace"), events.c.key == bindparam("key"))


class SqlJournal:
    """`memkit.ports.Journal` over a database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = insert(events)
        fields = [column.name for column in _COLUMNS if column is not events.c.position]
        self._plain = str(insert(events).values(dict.fromkeys(fields)).compile(database.engine))

    def append(self, batch: Sequence[Event], /, *, minted: bool = False) -> Receipt:
        """See `memkit.ports.Journal.append`."""
        if not batch:
            return Receipt(ids=())
        fresh: Sequence[Event] = batch
        stored, known = tuple(event.id for event in batch), frozenset[str]()
        with self._database.write() as connection:
            for namespace in sorted({event.namespace for event in batch}):
                self._database.hold(connection, namespace)
            if not minted or any(event.key is not None for event in batch):
                fresh, stored = self._unknown(connection, batch, minted)
                known = frozenset(stored) - {event.id for event in fresh}
            if fresh and self._database.dialect == "sqlite":
                # the same statement without the parameter handling around it, which would double the time of an add
                connection.exec_driver_sql(self._plain, [_bare_row(event) for event in fresh])
            elif fresh:
                connection.execute(self._insert, [to_row(event) for event in fresh])
        return Receipt(ids=stored, known=known)

    def _unknown(
        self, connection: Connection, batch: Sequence[Event], minted: bool
    ) -> tuple[list[Event], tuple[str, ...]]:
        """The events that are not there yet, and for each of the batch the id that it has or gets."""
        by_id, by_key = _keyed(connection, batch[0]) if minted and len(batch) == 1 else _known(connection, batch)
        fresh, stored = [], []
        for event in batch:
            name = (event.namespace, event.key)
            if (event.namespace, event.id) in by_id:
                stored.append(event.id)
            elif event.key is not None and name in by_key:
                stored.append(by_key[name])
            else:
                fresh.append(event)
                stored.append(event.id)
                by_id.add((event.namespace, event.id))
                by_key[name] = event.id
        return fresh, tuple(stored)

    def read(
        self,
        where: Where,
        /,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int | None = None,
        newest: bool = False,
    ) -> list[Event]:
        """See `memkit.ports.Journal.read`."""
        order = events.c.position.desc() if newest else events.c.position
        columns = _BARE if self._database.dialect == "sqlite" else _COLUMNS  # there JSON is text
        query = select(*columns).where(condition(where, events, self._database.dialect), events.c.position > after)
        if before is not None:
            query = query.where(events.c.position < before)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(order).limit(limit)).all()
        return [to_event(row) for row in (reversed(rows) if newest else rows)]

    def namespaces(self, under: str | None = None, /) -> list[str]:
        """See `memkit.ports.Journal.namespaces`."""
        with self._database.read() as connection:
            found = connection.execute(select(events.c.namespace).distinct()).scalars().all()
        scope = None if under is None else Where(namespace=under, below=True)
        return sorted(path for path in found if scope is None or scope.covers(path))


def _keyed(connection: Connection, event: Event) -> tuple[set[tuple[str, str]], dict[tuple[str, str | None], str]]:
    """What `_known` finds for one event whose id is new: a turn of a chat."""
    found = connection.execute(_BY_KEY, {"namespace": event.namespace, "key": event.key}).scalar()
    return set(), {} if found is None else {(event.namespace, event.key): found}


def _known(
    connection: Connection, batch: Sequence[Event]
) -> tuple[set[tuple[str, str]], dict[tuple[str, str | None], str]]:
    """The (namespace, id) and the (namespace, key) of the batch that are there, the latter with their ids."""
    ids: set[tuple[str, str]] = set()
    keys: dict[tuple[str, str | None], str] = {}
    for start in range(0, len(batch), CHUNK):
        part = batch[start : start + CHUNK]
        asked: list[ColumnElement[bool]] = [events.c.id.in_([event.id for event in part])]
        for namespace in {event.namespace for event in part}:
            named = [event.key for event in part if event.namespace == namespace and event.key is not None]
            if named:
                asked.append(and_(events.c.namespace == namespace, events.c.key.in_(named)))
        query = select(events.c.id, events.c.namespace, events.c.key).where(or_(*asked))
        for id, namespace, key in connection.execute(query):
            ids.add((namespace, id))
            if key is not None:
                keys[namespace, key] = id
    return ids, keys


def to_row(event: Event) -> Mapping[str, object]:
    """The columns of an event; its position is given by the table."""
    return {
        "id": event.id,
        "namespace": event.namespace,
        "kind": event.kind,
        "role": event.role,
        "author": event.author,
        "session": event.session,
        "key": event.key,
        "at": micros(event.at),
        "recorded": micros(event.recorded),
        "text": event.text,
        "metadata": event.metadata,
    }


def _bare_row(event: Event) -> tuple[object, ...]:
    """`to_row` in the order of the columns, the metadata as JSON text."""
    row = to_row(event)
    return (
        *(value for name, value in row.items() if name != "metadata"),
        json.dumps(event.metadata) if event.metadata else "{}",
    )


def to_event(row: Sequence[Any]) -> Event:
    """An event from a row of all columns, in their order. The metadata may still be JSON text."""
    position, id, namespace, kind, role, author, session, key, at, recorded, text, metadata = row
    happened = moment(at)
    if isinstance(metadata, str):
        metadata = {} if metadata == "{}" else json.loads(metadata)
    return Event(
        position=position,
        id=id,
        namespace=namespace,
        kind=kind,
        role=role,
        author=author,
        session=session,
        key=key,
        at=happened,
        recorded=happened if recorded == at else moment(recorded),
        text=text,
        metadata=metadata,
    )
