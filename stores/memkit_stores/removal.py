"""What goes when events go, and what a component makes again: rows, lineage, extractions, cursors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection, and_, delete, select, update

from memkit.ports import stage_of
from memkit_stores.calls import forget_calls
from memkit_stores.drafts import touch
from memkit_stores.extractions import remove_all_extractions, remove_extractions
from memkit_stores.journal import CHUNK
from memkit_stores.nodes import Owner
from memkit_stores.tables import cursors, deferred, events, extractions, lineage, namespaces, records, vectors


@dataclass(frozen=True, slots=True)
class Doomed:
    """Ids of the records and extractions to remove, and where components have to start again: a position each."""

    records: set[int] = field(default_factory=set)
    extractions: set[int] = field(default_factory=set)
    rewound: dict[Owner, int] = field(default_factory=dict)

    def rewind(self, connection: Connection, owner: Owner, start: int) -> None:
        """Let the component absorb the event at this position next, and make again all that it made since."""
        self.rewound[owner] = start
        mine = (records.c.namespace == owner[0], records.c.component == owner[1], lineage.c.event >= start)
        query = select(lineage.c.record).join(records, records.c.id == lineage.c.record).where(*mine)
        self.records.update(connection.execute(query).scalars())
        x = extractions.c
        read = select(x.id).where(x.namespace == owner[0], x.component == owner[1], x.position >= start)
        self.extractions.update(connection.execute(read).scalars())


def doomed_by(connection: Connection, gone: dict[int, str]) -> Doomed:
    """What depends on the events at these positions.

    A row that depends on forgotten events alone just goes, and so does an extraction. When a row had other sources as well,
    the component has to absorb again what came after the forgotten event: those rows may have been made in its light. What
    was made before it stays; a row is made when the last of its sources is absorbed.
    """
    doomed, starts = Doomed(), dict[Owner, int]()
    for chunk in _chunks(gone):
        doomed.records.update(connection.execute(select(lineage.c.record).where(lineage.c.event.in_(chunk))).scalars())
        doomed.extractions.update(
            connection.execute(select(extractions.c.id).where(extractions.c.position.in_(chunk))).scalars()
        )
    for chunk in _chunks(doomed.records):
        query = (
            select(records.c.namespace, records.c.component, lineage.c.record, lineage.c.event)
            .join(lineage, lineage.c.record == records.c.id)
            .where(records.c.id.in_(chunk))
        )
        lost: dict[int, int] = {}  # by row: the earliest forgotten source
        shared: dict[int, Owner] = {}  # the rows that have other sources
        for namespace, component, record, event in connection.execute(query):
            if event in gone:
                lost[record] = min(event, lost.get(record, event))
            else:
                shared[record] = (namespace, component)
        for record, owner in shared.items():
            starts[owner] = min(lost[record], starts.get(owner, lost[record]))
    for owner, start in starts.items():
        doomed.rewind(connection, owner, start)
    return doomed


def remove_rows(connection: Connection, doomed: Doomed) -> None:
    """Remove the rows, and put the cursors back of those who have to start again."""
    for chunk in _chunks(doomed.records):
        connection.execute(delete(vectors).where(vectors.c.record.in_(chunk)))
        connection.execute(delete(lineage).where(lineage.c.record.in_(chunk)))
        connection.execute(delete(records).where(records.c.id.in_(chunk)))
    remove_extractions(connection, doomed.extractions)
    for (namespace, component), start in doomed.rewound.items():
        names = (component, stage_of(component))
        mine = and_(cursors.c.namespace == namespace, cursors.c.component.in_(names))
        connection.execute(update(cursors).where(mine, cursors.c.position >= start).values(position=start - 1))
        waiting = and_(deferred.c.namespace == namespace, deferred.c.component.in_(names))
        connection.execute(delete(deferred).where(waiting, deferred.c.event >= start))


def remove_events(connection: Connection, gone: dict[int, str], doomed: Doomed) -> list[str]:
    """Remove the events, and what is doomed with them, in this transaction; return the namespaces that changed."""
    for chunk in _chunks(gone):
        forget_calls(connection, chunk)
        connection.execute(delete(deferred).where(deferred.c.event.in_(chunk)))
        connection.execute(delete(events).where(events.c.position.in_(chunk)))
    remove_rows(connection, doomed)
    paths = sorted(set(gone.values()))
    for path in paths:
        touch(connection, path, rewritten=True)
        if connection.execute(select(events.c.position).where(events.c.namespace == path).limit(1)).first() is None:
            for table, column in ((cursors, cursors.c.namespace), (namespaces, namespaces.c.path)):
                connection.execute(delete(table).where(column == path))
    return paths


def remove_component(connection: Connection, path: str, component: str) -> int:
    """Remove all that a component has in a namespace; how many records that were."""
    mine = and_(records.c.namespace == path, records.c.component == component)
    ids = select(records.c.id).where(mine)
    connection.execute(delete(vectors).where(vectors.c.record.in_(ids)))
    connection.execute(delete(lineage).where(lineage.c.record.in_(ids)))
    removed = connection.execute(delete(records).where(mine)).rowcount
    remove_all_extractions(connection, path, component)
    names = (component, stage_of(component))
    for table in (deferred, cursors):
        connection.execute(delete(table).where(table.c.namespace == path, table.c.component.in_(names)))
    touch(connection, path, rewritten=True)
    return removed


def _chunks(values: Iterable[int]) -> list[list[int]]:
    ordered = sorted(values)
    return [ordered[n : n + CHUNK] for n in range(0, len(ordered), CHUNK)]
