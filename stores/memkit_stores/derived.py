"""What components derived, in SQL: a draft and the cursor are committed together or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, func, insert, literal, select, update

from memkit.ports import Progress
from memkit.values import Deferred, Draft, Extraction, Record, Space, Where
from memkit_stores.database import Database
from memkit_stores.drafts import record_row, store_deferred, store_draft, touch
from memkit_stores.extractions import read_extractions
from memkit_stores.graphs import Graphs
from memkit_stores.looking import Looking
from memkit_stores.nodes import with_vectors
from memkit_stores.records import RecordsById, filtered
from memkit_stores.shelves import Shelves
from memkit_stores.spaces import number_of
from memkit_stores.tables import cursors, events
from memkit_stores.where_sql import scope


class SqlDerived(Looking):
    """`memkit.ports.Derived` over a database."""

    def __init__(self, database: Database, shelves: Shelves, graphs: Graphs) -> None:
        super().__init__(database, shelves, graphs)
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
            rewritten = store_draft(connection, draft, prepared, space, self._shelves.served)
            store_deferred(connection, failed)
            if at is None:
                connection.execute(insert(cursors).values(namespace=namespace, component=component, position=upto))
            else:
                connection.execute(
                    update(cursors)
                    .where(cursors.c.namespace == namespace, cursors.c.component == component)
                    .values(position=upto)
                )
            touch(connection, namespace, rewritten=rewritten)
        return True

    def unembedded(self, namespace: str, component: str, texts: Sequence[str], space: Space, /) -> list[str]:
        """See `memkit.ports.Derived.unembedded`."""
        wanted = list(dict.fromkeys(texts))
        with self._database.read() as connection:
            number = number_of(connection, space)
            has = set() if number is None else with_vectors(connection, (namespace, component), wanted, number)
        return [text for text in wanted if text not in has]

    def extractions(self, component: str, where: Where, /) -> list[Extraction]:
        """See `memkit.ports.Derived.extractions`."""
        with self._database.read() as connection:
            return read_extractions(connection, component, where)

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
