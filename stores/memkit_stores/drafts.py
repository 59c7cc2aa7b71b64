"""A draft in SQL: rows, lineage, extractions and vectors, in the transaction of who calls."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, insert, select, update

from memkit.errors import AbsorbError
from memkit.values import Deferred, Draft, Record, Space
from memkit_stores.extractions import store_extractions
from memkit_stores.journal import CHUNK
from memkit_stores.pgvectors import PgVectors
from memkit_stores.spaces import space_in_use, to_blob
from memkit_stores.tables import deferred, events, lineage, namespaces, records, vectors
from memkit_stores.where_sql import micros
from memkit_stores.words import pack


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
) -> bool:
    """Insert records, lineage, extractions and vectors. Whether that changed anything that was there before: a name or a
    fact that had no vector may have got one.

    Raises AbsorbError when a source is no event of the journal, or a span has an extraction of that stage already.
    """
    if not (draft.records or draft.extractions):
        return False
    named = {(record.namespace, source.event) for record in draft.records for source in record.sources}
    named |= {(extraction.namespace, extraction.source.event) for extraction in draft.extractions}
    places = _positions(connection, named)
    with_vectors = bool(draft.vectors) or any(record.vector is not None for record in draft.records)
    number = space_in_use(connection, space) if with_vectors else None
    if draft.records:
        _store_records(connection, draft.records, prepared, places, number, served)
    if draft.extractions:
        return store_extractions(connection, draft.extractions, places, number, draft.vectors)
    return False


def _store_records(
    connection: Connection,
    drafted: Sequence[Record],
    prepared: Sequence[Mapping[str, object]],
    places: Mapping[str, int],
    number: int | None,
    served: PgVectors | None,
) -> None:
    rows = [{**row, "position": places[record.sources[0].event]} for row, record in zip(prepared, drafted, strict=True)]
    ids = (
        connection.execute(insert(records).returning(records.c.id, sort_by_parameter_order=True), rows).scalars().all()
    )
    made = list(zip(ids, drafted, strict=True))
    connection.execute(
        insert(lineage),
        [
            {"record": id, "ordinal": n, "event": places[source.event], "start": source.start, "end": source.end}
            for id, record in made
            for n, source in enumerate(record.sources)
        ],
    )
    with_vector = [(id, record.vector) for id, record in made if record.vector is not None]
    if with_vector and number is not None:
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
