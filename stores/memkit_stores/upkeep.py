"""Forgetting along the lineage, beginning again, the deferred queue, and what a database holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, ScalarSelect, Select, Table, and_, delete, func, select, update

from memkit.ports import stage_of
from memkit.values import Deferred, Draft, Forgotten, Space, Stats, Where
from memkit_stores import proof
from memkit_stores.database import Database
from memkit_stores.drafts import record_row, store_draft, touch
from memkit_stores.journal import CHUNK
from memkit_stores.removal import Doomed, doomed_by, remove_component, remove_events, remove_rows
from memkit_stores.shelves import Shelves
from memkit_stores.spaces import SqlSpaces, count_lacking
from memkit_stores.tables import cursors, deferred, events, records, spaces
from memkit_stores.where_sql import condition, micros, moment, scope
from memkit_stores.words import forget_words


class SqlUpkeep:
    """`memkit.ports.Upkeep` over a database."""

    def __init__(self, database: Database, shelves: Shelves, spaces: SqlSpaces, searched_by: str) -> None:
        """`searched_by` says what searches the vectors, for `stats`."""
        self._database = database
        self._shelves = shelves
        self._spaces = spaces
        self._searched_by = searched_by

    def forget(self, where: Where, /, *, verify: bool) -> Forgotten:
        """See `memkit.ports.Upkeep.forget`."""
        with self._database.write() as connection:
            for path in _paths(connection, where):
                self._database.hold(connection, path)
            gone = _marked(connection, where, self._database.dialect)
            texts = proof.texts_of(connection, gone) if verify else ()
            doomed = doomed_by(connection, gone)
            paths = remove_events(connection, gone, doomed)
            if gone:
                proof.owe(connection)
        if gone:
            forget_words()
            self._shelves.erase(paths)
            proof.pay(self._database)
        result = Forgotten(events=len(gone), records=len(doomed.records), replayed=len(doomed.rewound))
        if not verify:
            return result
        return proof.verified(self._database, self._shelves.folder, texts, result)

    def rewind(self, where: Where | None, component: str, /) -> int:
        """See `memkit.ports.Upkeep.rewind`."""
        with self._database.read() as connection:
            paths = _begun(connection, where, component)
        removed = 0
        for start in range(0, len(paths), CHUNK):  # PostgreSQL holds only so many namespaces at a time
            with self._database.write() as connection:
                for path in paths[start : start + CHUNK]:
                    self._database.hold(connection, path)
                    removed += remove_component(connection, path, component)
        if paths:
            forget_words()
            self._shelves.erase(paths)
        return removed

    def retry(self, entry: Deferred, draft: Draft, space: Space | None, /) -> bool:
        """See `memkit.ports.Upkeep.retry`."""
        prepared = [record_row(record) for record in draft.records]
        with self._database.write() as connection:
            self._database.hold(connection, entry.namespace)
            event = _position(entry)
            taken = connection.execute(
                delete(deferred).where(
                    deferred.c.namespace == entry.namespace,
                    deferred.c.component == entry.component,
                    deferred.c.event == event,
                )
            ).rowcount
            if not taken:
                return False
            start = _late(connection, entry, draft)
            if start is None:
                changed = store_draft(connection, draft, prepared, space, self._shelves.served)
            else:
                changed, doomed = True, Doomed()
                owners = {row.component for row in draft.records} | {one.component for one in draft.extractions}
                for component in sorted(owners):
                    doomed.rewind(connection, (entry.namespace, component), start)
                remove_rows(connection, doomed)
            touch(connection, entry.namespace, rewritten=changed)
        if start is not None:
            self._shelves.erase([entry.namespace])
        return True

    def failed_again(self, entry: Deferred, /) -> None:
        """See `memkit.ports.Upkeep.failed_again`."""
        with self._database.write() as connection:
            event = _position(entry)
            connection.execute(
                update(deferred)
                .where(
                    deferred.c.namespace == entry.namespace,
                    deferred.c.component == entry.component,
                    deferred.c.event == event,
                )
                .values(error=entry.error, attempts=entry.attempts, at=micros(entry.at))
            )

    def deferred(self, where: Where | None, /) -> list[Deferred]:
        """See `memkit.ports.Upkeep.deferred`."""
        query = (
            select(deferred, events.c.id)
            .join(events, events.c.position == deferred.c.event)
            .order_by(deferred.c.event, deferred.c.component)
        )
        with self._database.read() as connection:
            rows = connection.execute(query if where is None else query.where(scope(deferred.c.namespace, where))).all()
        return [
            Deferred(
                namespace=row.namespace,
                component=row.component,
                event=row.id,
                error=row.error,
                attempts=row.attempts,
                at=moment(row.at),
            )
            for row in rows
        ]

    def stats(self, where: Where | None, components: Sequence[str], /) -> Stats:
        """See `memkit.ports.Upkeep.stats`."""
        every = sorted(self._spaces.every(), key=lambda known: not known[1])
        with self._database.read() as connection:
            held = connection.execute(
                _in_scope(select(func.count(events.c.namespace.distinct()), func.count()), events, where)
            ).one()
            by_component = connection.execute(
                _in_scope(select(records.c.component, func.count()), records, where).group_by(records.c.component)
            ).all()
            pending = {name: connection.execute(_pending(name, where)).scalar_one() for name in components}
            current = connection.execute(select(spaces.c.id).where(spaces.c.current)).scalar()
            unembedded = 0 if current is None else count_lacking(connection, current, where)
            size = _size(connection)
        return Stats(
            namespaces=held[0],
            events=held[1],
            records={**dict.fromkeys(components, 0), **dict(by_component)},
            pending=pending,
            deferred=tuple(self.deferred(where)),
            spaces=tuple(space for space, _ in every),
            unembedded=unembedded,
            bytes=size,
            vectors=self._searched_by,
        )


def _position(entry: Deferred) -> ScalarSelect[int]:
    mine = (events.c.id == entry.event, events.c.namespace == entry.namespace)
    return select(events.c.position).where(*mine).scalar_subquery()


def _in_scope(query: Select[*tuple[Any, ...]], table: Table, where: Where | None) -> Select[*tuple[Any, ...]]:
    return (
        query.select_from(table) if where is None else query.select_from(table).where(scope(table.c.namespace, where))
    )


def _pending(component: str, where: Where | None) -> Select[int]:
    reached = and_(cursors.c.namespace == events.c.namespace, cursors.c.component == component)
    query = select(func.count()).select_from(events.outerjoin(cursors, reached))
    query = query.where(events.c.position > func.coalesce(cursors.c.position, 0))
    return query if where is None else query.where(scope(events.c.namespace, where))


def _size(connection: Connection) -> int:
    if connection.dialect.name == "postgresql":
        return int(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    return int(pages) * int(connection.exec_driver_sql("PRAGMA page_size").scalar_one())


def _paths(connection: Connection, where: Where) -> list[str]:
    query = select(events.c.namespace).distinct().where(scope(events.c.namespace, where))
    return sorted(connection.execute(query).scalars())


def _begun(connection: Connection, where: Where | None, component: str) -> list[str]:
    """The namespaces in scope that the component has read anything of."""
    query = select(cursors.c.namespace).where(cursors.c.component.in_((component, stage_of(component)))).distinct()
    asked = query if where is None else query.where(scope(cursors.c.namespace, where))
    return sorted(connection.execute(asked).scalars())


def _marked(connection: Connection, where: Where, dialect: str) -> dict[int, str]:
    """Position → namespace of every event to forget."""
    query = select(events.c.position, events.c.namespace).where(condition(where, events, dialect))
    return dict(connection.execute(query).all())


def _late(connection: Connection, entry: Deferred, draft: Draft) -> int | None:
    """The position of a deferred event if its draft was made in the light of later ones: what names these would not
    outlast them, and what they left would lack this one. None otherwise."""
    sources = [source for record in draft.records for source in record.sources]
    named = sorted({source.event for source in (*sources, *(one.source for one in draft.extractions))})
    position: int = connection.execute(select(_position(entry))).scalar_one()
    for start in range(0, len(named), CHUNK):
        some = (events.c.namespace == entry.namespace, events.c.id.in_(named[start : start + CHUNK]))
        if (connection.execute(select(func.max(events.c.position)).where(*some)).scalar() or 0) > position:
            return position
    return None
