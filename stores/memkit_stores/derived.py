"""What components derived, in SQL: rows, lineage, vectors and cursors, committed together or not at all."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    Select,
    func,
    insert,
    literal,
    select,
    update,
)

from memkit.errors import AbsorbError
from memkit.ports import Progress
from memkit.ports import Shelf as ShelfPort
from memkit.values import Deferred, Draft, Record, Space, Where
from memkit_stores.database import Database
from memkit_stores.journal import CHUNK
from memkit_stores.pgvectors import PgVectors
from memkit_stores.records import RecordsById, filtered
from memkit_stores.shelves import Shelves
from memkit_stores.spaces import space_in_use, to_blob
from memkit_stores.tables import cursors, deferred, events, lineage, namespaces, records, vectors
from memkit_stores.vectors import EXACT_BELOW
from memkit_stores.where_sql import micros, scope
from memkit_stores.words import pack


class SqlDerived:
    """`memkit.ports.Derived` over a database."""

    def __init__(self, database: Database, shelves: Shelves) -> None:
        self._database = database
        self._shelves = shelves
        self._by_id = RecordsById(database)
        self._progress: dict[tuple[str, bool, tuple[str, ...]], tuple[int, dict[str, Progress]]] = {}

    def progress(self, where: Where, components: Sequence[str], /) -> dict[str, Progress]:
        """See `memkit.ports.Derived.progress`."""
        scoped = (where.namespace, where.below, tuple(components))
        stamp = self._database.stamp()  # read before the rows: they are at least as new
        known = self._progress.get(scoped)
        if known is not None and known[0] == stamp:
            return known[1]
        with self._database.read() as connection:
            heads, places = self._standing(connection, where, components)
        reached = {(namespace, component): position for namespace, component, position in places}
        found = {
            path: Progress(head=head, cursors={name: reached.get((path, name), 0) for name in components})
            for path, head in heads
        }
        if stamp is not None:
            if len(self._progress) > 10_000:  # namespaces come and go; a memory of the recent ones is enough
                self._progress.clear()
            self._progress[scoped] = (stamp, found)
        return found

    def _standing(
        self, connection: Connection, where: Where, components: Sequence[str]
    ) -> tuple[Sequence[Any], Sequence[Any]]:
        """The newest position of each namespace in scope, and each cursor there is."""
        if not where.below and self._database.dialect == "sqlite":  # before every recall: without SQLAlchemy's part
            path = (where.namespace,)
            heads = connection.exec_driver_sql("SELECT max(position) FROM events WHERE namespace = ?", path).all()
            places = connection.exec_driver_sql(
                "SELECT namespace, component, position FROM cursors WHERE namespace = ?", path
            )
            return [(where.namespace, head) for (head,) in heads if head], places.all()
        found = connection.execute(
            select(cursors.c.namespace, cursors.c.component, cursors.c.position).where(
                scope(cursors.c.namespace, where), cursors.c.component.in_(components)
            )
        )
        return connection.execute(_heads(where)).all(), found.all()

    def commit(
        self,
        namespace: str,
        component: str,
        draft: Draft,
        space: Space | None,
        /,
        *,
        since: int,
        upto: int,
        failed: Sequence[Deferred] = (),
    ) -> bool:
        """See `memkit.ports.Derived.commit`."""
        prepared = [record_row(record) for record in draft.records]  # tokenising needs no lock
        with self._database.write() as connection:
            self._database.hold(connection, namespace)
            at = connection.execute(
                select(cursors.c.position).where(cursors.c.namespace == namespace, cursors.c.component == component)
            ).scalar()
            if (at or 0) != since:
                return False
            store_draft(connection, draft, prepared, space, self._shelves.served)
            store_deferred(connection, failed)
            if at is None:
                connection.execute(insert(cursors).values(namespace=namespace, component=component, position=upto))
            else:
                connection.execute(
                    update(cursors)
                    .where(cursors.c.namespace == namespace, cursors.c.component == component)
                    .values(position=upto)
                )
            touch(connection, namespace)
        return True

    def shelf(self, component: str, where: Where, space: Space | None, /) -> ShelfPort:
        """See `memkit.ports.Derived.shelf`."""
        return self._shelves.get(component, where, space)

    def settle(self, where: Where | None, components: Sequence[str], space: Space, /) -> None:
        """See `memkit.ports.Derived.settle`."""
        large = (
            select(records.c.namespace, records.c.component)
            .where(records.c.component.in_(components), *([] if where is None else [scope(records.c.namespace, where)]))
            .group_by(records.c.namespace, records.c.component)
            .having(func.count() >= EXACT_BELOW)
        )
        with self._database.read() as connection:
            found = connection.execute(large).all()
        for namespace, component in found:
            self._shelves.settle(component, Where(namespace=namespace), space)

    def records(self, component: str, where: Where, ids: Sequence[int], /) -> list[Record]:
        """See `memkit.ports.Derived.records`."""
        if not ids:
            return []
        with self._database.read() as connection:
            found = self._by_id(connection, component, ids)
        return [found[id] for id in ids if id in found and where.covers(found[id].namespace)]

    def every(
        self, where: Where, /, *, component: str | None = None, after: int = 0, limit: int | None = None
    ) -> list[Record]:
        """See `memkit.ports.Derived.every`."""
        with self._database.read() as connection:
            return filtered(connection, where, component, after=after, limit=limit)


def _heads(where: Where) -> Select[str, int]:
    """The newest position of each namespace in scope."""
    newest = func.max(events.c.position)
    if where.below:
        return select(events.c.namespace, newest).where(scope(events.c.namespace, where)).group_by(events.c.namespace)
    # without GROUP BY the index answers at once, however long the journal is
    return select(literal(where.namespace), newest).where(events.c.namespace == where.namespace).having(newest > 0)


def record_row(record: Record) -> Mapping[str, object]:
    """The columns of a record that do not depend on the database."""
    return {
        "namespace": record.namespace,
        "component": record.component,
        "kind": record.kind,
        "role": record.role,
        "author": record.author,
        "session": record.session,
        "at": micros(record.at),
        "recorded": micros(record.recorded),
        "text": record.text,
        "index_text": record.index,
        "metadata": record.metadata,
        "weight": record.weight,
        "embed": record.embed,
        "terms": pack(record.embedded if record.words is None else record.words, record.marks),
        "start": record.sources[0].start,
    }


def store_draft(
    connection: Connection,
    draft: Draft,
    prepared: Sequence[Mapping[str, object]],
    space: Space | None,
    served: PgVectors | None,
) -> None:
    """Insert records, lineage and vectors. Raises AbsorbError when a source is no event of the journal."""
    if not draft.records:
        return
    named = {(record.namespace, source.event) for record in draft.records for source in record.sources}
    places = _positions(connection, named)
    rows = [
        {**row, "position": places[record.sources[0].event]}
        for row, record in zip(prepared, draft.records, strict=True)
    ]
    ids = (
        connection.execute(insert(records).returning(records.c.id, sort_by_parameter_order=True), rows).scalars().all()
    )
    made = list(zip(ids, draft.records, strict=True))
    connection.execute(
        insert(lineage),
        [
            {"record": id, "ordinal": n, "event": places[source.event], "start": source.start, "end": source.end}
            for id, record in made
            for n, source in enumerate(record.sources)
        ],
    )
    with_vector = [(id, record.vector) for id, record in made if record.vector is not None]
    if with_vector:
        number = space_in_use(connection, space)
        connection.execute(
            insert(vectors),
            [{"record": id, "space": number, "vector": to_blob(vector)} for id, vector in with_vector],
        )
        if served is not None:
            served.put(connection, number, dict(with_vector))


def store_deferred(connection: Connection, failed: Sequence[Deferred]) -> None:
    """Put events on the deferred queue."""
    if not failed:
        return
    places = _positions(connection, {(entry.namespace, entry.event) for entry in failed})
    connection.execute(
        insert(deferred),
        [
            {
                "namespace": entry.namespace,
                "component": entry.component,
                "event": places[entry.event],
                "error": entry.error,
                "attempts": entry.attempts,
                "at": micros(entry.at),
            }
            for entry in failed
        ],
    )


def touch(connection: Connection, namespace: str, *, rewritten: bool = False) -> None:
    """Say that the namespace's rows changed: caches compare the version."""
    mine = namespaces.c.path == namespace
    before = connection.execute(select(namespaces.c.version).where(mine)).scalar()
    version = max(time.time_ns(), (before or 0) + 1)
    if before is None:
        # one that comes back after everything in it was forgotten must not look like one that only grew
        connection.execute(insert(namespaces).values(path=namespace, version=version, rewritten=version))
    else:
        values = {"version": version, "rewritten": version} if rewritten else {"version": version}
        connection.execute(update(namespaces).where(mine).values(**values))


def _positions(connection: Connection, named: set[tuple[str, str]]) -> dict[str, int]:
    """Where events lie in the journal, by id; they are named as (namespace, id)."""
    ids, found = sorted({id for _, id in named}), dict[str, int]()
    for start in range(0, len(ids), CHUNK):
        rows = _located(connection, ids[start : start + CHUNK])
        found.update({id: position for path, id, position in rows if (path, id) in named})
    if len(found) < len(named):
        path, unknown = next(((path, id) for path, id in sorted(named) if id not in found), min(named))
        raise AbsorbError(f"event {unknown} is named as a source but is not in the journal of namespace {path!r}")
    return found


def _located(connection: Connection, ids: Sequence[str]) -> Sequence[Any]:
    """(namespace, id, position) of the events with these ids, in whatever namespace."""
    if connection.dialect.name == "sqlite":  # at every commit: without SQLAlchemy's part
        listed = "SELECT namespace, id, position FROM events WHERE id IN (SELECT value FROM json_each(?))"
        return connection.exec_driver_sql(listed, (json.dumps(ids),)).all()
    columns = (events.c.namespace, events.c.id, events.c.position)
    return connection.execute(select(*columns).where(events.c.id.in_(ids))).all()
