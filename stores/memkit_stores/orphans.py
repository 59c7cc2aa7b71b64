"""Rows that are left without what they were derived from, are about, or belong to: there must be none."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import ColumnElement, Connection, Table, exists, select

from memkit.values import Trace
from memkit_stores.tables import (
    call_sources,
    calls,
    deferred,
    edges,
    events,
    extractions,
    likened,
    lineage,
    nodes,
    records,
    synonyms,
    vectors,
)

_e, _l, _r, _v = events.c, lineage.c, records.c, vectors.c
_s, _x, _d, _n = call_sources.c, extractions.c, edges.c, nodes.c
_named = (exists().where(end == _n.id) for end in (_d.target, _d.source, _d.label))

# table, the rows' column that is reported, what each of them must have, and what it is to say that one has none of these
_NEEDS: tuple[tuple[Table, ColumnElement[int], tuple[ColumnElement[bool], ...], str], ...] = (
    (records, _l.record, (exists().where(_e.position == _l.event),), "depends on an event that is gone"),
    (records, _r.id, (exists().where(_l.record == _r.id),), "depends on no event"),
    (lineage, _l.record, (exists().where(_r.id == _l.record),), "is of a row that is gone"),
    (
        vectors,
        _v.record,
        (exists().where(_r.id == _v.record), exists().where(_n.id == -_v.record)),
        "is of a row that is gone",
    ),
    (deferred, deferred.c.event, (exists().where(_e.position == deferred.c.event),), "waits, but is gone"),
    (calls, _s.call, (exists().where(_e.position == _s.event),), "is about an event that is gone"),
    (calls, calls.c.id, (exists().where(_s.call == calls.c.id),), "is about no event"),
    (call_sources, _s.call, (exists().where(calls.c.id == _s.call),), "is of a reply that is gone"),
    (extractions, _x.id, (exists().where(_e.position == _x.position),), "was read out of an event that is gone"),
    (edges, _d.extraction, (exists().where(_x.id == _d.extraction),), "is of an extraction that is gone"),
    (nodes, _n.id, tuple(_named), "is a name or a fact that nothing names"),
    (likened, likened.c.node, (exists().where(_n.id == likened.c.node),), "is of a name that is gone"),
    (synonyms, synonyms.c.node, (exists().where(_n.id == synonyms.c.node),), "is of a name that is gone"),
    (synonyms, synonyms.c.other, (exists().where(_n.id == synonyms.c.other),), "leads to a name that is gone"),
)


def orphans(connection: Connection) -> Iterator[Trace]:
    """What is left of what was forgotten, whatever the length of its text."""
    for table, column, needs, why in _NEEDS:
        left = select(column).where(*(~need for need in needs))
        for id in connection.execute(left).scalars():
            yield Trace(place=f"table {table.name}", detail=f"row {id} {why}")
