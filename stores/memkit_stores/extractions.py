"""Extractions in SQL: what was read out of each span, as edges between names."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, delete, func, select

from memkit.errors import AbsorbError
from memkit.values import Extraction, Fact, Source, Where
from memkit_stores.bulk import ask, put, take_ids
from memkit_stores.journal import CHUNK
from memkit_stores.nodes import Node, Owner, fact_of, intern, remove_nodes, remove_unnamed, store_vectors
from memkit_stores.tables import BARE_FACT, FACT, NAME, edges, events, extractions, nodes
from memkit_stores.where_sql import scope

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_COLUMNS = ("id", "namespace", "component", "position", "start", "end", "stage", "by")
_SHORT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_EDGE = ("extraction", "ordinal", "source", "target", "label", "shown")


def store_extractions(
    connection: Connection,
    drafted: Sequence[Extraction],
    places: Mapping[str, int],
    space: int | None,
    given: Mapping[str, NDArray[np.float32]],
) -> bool:
    """Insert extractions of events at these positions, their names and facts as far as they are new, and the vectors given for
    these, by text, in the space. Whether an older name or fact got a vector.

    Raises AbsorbError when a span has an extraction of the same component and stage already.
    """
    _refuse_doubles(connection, drafted, places)
    changed = False
    by_owner: dict[Owner, list[Extraction]] = {}
    for one in drafted:
        by_owner.setdefault((one.namespace, one.component), []).append(one)
    for owner, own in by_owner.items():
        labels = [[_label(fact) for fact in one.facts] for one in own]
        wanted = [node for one, facts in zip(own, labels, strict=True) for node in _nodes(one, facts)]
        found, new = intern(connection, owner, wanted)
        ids = take_ids(connection, extractions, len(own))
        rows = [
            (id, *owner, places[one.source.event], one.source.start, one.source.end, one.stage, one.by)
            for id, one in zip(ids, own, strict=True)
        ]
        put(connection, extractions, _COLUMNS, rows)
        each = zip(ids, own, labels, strict=True)
        put(connection, edges, _EDGE, [edge for id, one, facts in each for edge in _edges(id, one, facts, found)])
        if space is not None:
            changed |= store_vectors(connection, space, given, found, new)
    return changed


def read_extractions(connection: Connection, component: str, where: Where) -> list[Extraction]:
    """See `memkit.ports.Derived.extractions`."""
    x, e, n = extractions.c, edges.c, nodes.c
    query = (
        select(x.id, x.namespace, events.c.id, x.start, x.end, x.stage, x.by, n.kind, n.text, e.shown)
        .select_from(extractions)
        .join(events, events.c.position == x.position)
        .outerjoin(edges, e.extraction == x.id)
        .outerjoin(nodes, n.id == func.coalesce(e.label, e.target))
        .where(x.component == component, scope(x.namespace, where))
        .order_by(x.position, x.start, x.end, x.stage, x.id, e.ordinal)
    )
    rows = map(tuple, connection.execute(query))
    return [_extraction(component, list(each)) for _, each in groupby(rows, itemgetter(0))]


def remove_extractions(connection: Connection, ids: Iterable[int]) -> None:
    """Remove extractions, and the names and facts that nothing else has."""
    ordered, named = sorted(ids), set[int]()
    for start in range(0, len(ordered), CHUNK):
        chunk = ordered[start : start + CHUNK]
        some = edges.c.extraction.in_(chunk)
        for ends in connection.execute(select(edges.c.source, edges.c.target, edges.c.label).where(some).distinct()):
            named.update(end for end in ends if end is not None)
        connection.execute(delete(edges).where(some))
        connection.execute(delete(extractions).where(extractions.c.id.in_(chunk)))
    remove_unnamed(connection, named)


def remove_all_extractions(connection: Connection, namespace: str, component: str) -> None:
    """Remove all extractions of a component in a namespace, and its names and facts."""
    mine = _of(extractions.c, namespace, component)
    connection.execute(delete(edges).where(edges.c.extraction.in_(select(extractions.c.id).where(*mine))))
    connection.execute(delete(extractions).where(*mine))
    remove_nodes(connection, *_of(nodes.c, namespace, component))


def _of(columns: Any, namespace: str, component: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return columns.namespace == namespace, columns.component == component


def _label(fact: Fact) -> Node:
    return FACT if fact.embed else BARE_FACT, fact.embedded


def _nodes(extraction: Extraction, labels: Sequence[Node]) -> Iterator[Node]:
    for name in extraction.names:
        yield NAME, name
    for fact, label in zip(extraction.facts, labels, strict=True):
        yield NAME, fact.subject
        yield NAME, fact.object
        yield label


def _edges(
    id: int, extraction: Extraction, labels: Sequence[Node], found: Mapping[Node, int]
) -> Iterator[tuple[Any, ...]]:
    names = list(dict.fromkeys(extraction.names))
    for ordinal, name in enumerate(names):
        shown = extraction.shown.get(name, name)
        yield id, ordinal, None, found[NAME, name], None, None if shown == name else _json(shown)
    for ordinal, (fact, label) in enumerate(zip(extraction.facts, labels, strict=True), len(names)):
        ends = found[NAME, fact.subject], found[NAME, fact.object]
        plain = fact.shown is None or fact.shown == (fact.subject, fact.relation, fact.object)
        yield id, ordinal, *ends, found[label], None if plain else _json(fact.told)


def _json(shown: str | tuple[str, ...]) -> str:
    """As short as it gets; what no database takes (NUL, half a character) is escaped."""
    text = _SHORT.encode(shown)
    return text if text.isascii() or text.isprintable() else json.dumps(shown, separators=(",", ":"))


def _extraction(component: str, rows: Sequence[tuple[Any, ...]]) -> Extraction:
    names, facts, as_written = list[str](), list[Fact](), dict[str, str]()
    for *_, kind, text, shown in rows:
        written = None if shown is None else json.loads(shown)
        if kind == NAME:
            names.append(text)
            if written is not None:
                as_written[text] = written
        elif kind is not None:
            told = None if written is None else tuple(written)
            facts.append(fact_of(text, told, embed=kind == FACT))
    _, namespace, event, start, end, stage, by, *_ = rows[0]
    return Extraction(
        source=Source(event=event, start=start, end=end),
        namespace=namespace,
        component=component,
        names=tuple(names),
        facts=tuple(facts),
        shown=as_written,
        by=by,
        stage=stage,
    )


def _refuse_doubles(connection: Connection, drafted: Sequence[Extraction], places: Mapping[str, int]) -> None:
    query = 'SELECT namespace, component, position, "start", "end", stage FROM extractions WHERE position IN (?*)'
    taken = set(ask(connection, query, sorted({places[one.source.event] for one in drafted})))
    for one in drafted:
        source = one.source
        key = (one.namespace, one.component, places[source.event], source.start, source.end, one.stage)
        if key in taken:
            raise AbsorbError(
                f"component {one.component} drafted an extraction of stage {one.stage} from the characters "
                f"{source.start} to {source.end} of event {source.event}, which has one of that stage"
            )
        taken.add(key)
