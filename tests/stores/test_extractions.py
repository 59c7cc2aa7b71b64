"""The tables of extractions: what is left in them after forgetting, and how synonyms go with the names they are of."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, insert, select

from memkit.testing.contracts.derived import added
from memkit.testing.contracts.extractions import only
from memkit.testing.contracts.law import law
from memkit.testing.contracts.nodes import vectors_for
from memkit.testing.contracts.samples import (
    OTHER_SPACE,
    SPACE,
    a_draft,
    a_vector,
    an_extraction,
    fresh_namespace,
    some_extractions,
)
from memkit.values import Event, Extraction, Fact, Where
from memkit_stores import SqlStore
from memkit_stores.tables import FACT, NAME, edges, events, extractions, likened, likenings, nodes, synonyms, vectors


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlStore]:
    """An empty database with a space in use."""
    where = str(tmp_path / "memory.db")
    if request.param == "postgres":
        where = request.getfixturevalue("fresh_postgres_url")
    with closing(SqlStore(where)) as opened:
        opened.spaces.use(SPACE, whole=False)
        yield opened


def committed(store: SqlStore, *drafted: Extraction, upto: int, since: int = 0, bare: bool = False) -> None:
    draft = a_draft(*drafted, vectors={} if bare else vectors_for(*drafted))
    assert store.derived.commit(drafted[0].namespace, "c", draft, SPACE, since=since, upto=upto)


def ids_of(store: SqlStore, namespace: str) -> dict[str, int]:
    """The names of a namespace and their ids."""
    n = nodes.c
    with store.database.read() as connection:
        return dict(connection.execute(select(n.text, n.id).where(n.namespace == namespace, n.kind == NAME)).all())


def table_rows(store: SqlStore, namespace: str) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of a namespace, with texts in the place of ids."""
    x, d, n, v = extractions.c, edges.c, nodes.c, vectors.c
    source, target, label = nodes.alias(), nodes.alias(), nodes.alias()
    read = edges.join(extractions, x.id == d.extraction).join(events, events.c.position == x.position)
    read = read.outerjoin(source, source.c.id == d.source).outerjoin(label, label.c.id == d.label)
    read = read.join(target, target.c.id == d.target)
    span = (events.c.text, x.start, x.end, x.stage, x.by)
    edge = (d.ordinal, source.c.text, target.c.text, label.c.text, label.c.kind, d.shown)
    queries = {
        "extractions": select(*span).select_from(extractions).join(events, events.c.position == x.position),
        "edges": select(*span, *edge).select_from(read),
        "nodes": select(n.component, n.kind, n.text, n.digest, n.terms, v.space, v.vector)
        .select_from(nodes)
        .outerjoin(vectors, v.record == -n.id),
    }
    with store.database.read() as connection:
        return {
            name: sorted(
                (
                    tuple(row)
                    for row in connection.execute(query.where((x if name != "nodes" else n).namespace == namespace))
                ),
                key=repr,
            )
            for name, query in queries.items()
        }


@law(25)
@given(data=st.data(), size=st.integers(1, 5))
def test_what_is_left_in_the_tables_is_row_for_row_what_the_others_make_alone(
    store: SqlStore, data: st.DataObject, size: int
) -> None:
    once, never = fresh_namespace(), fresh_namespace()
    absorbed = added(store, *(f"event {n}" for n in range(size)), namespace=once)
    gone = data.draw(st.frozensets(st.integers(0, size - 1), min_size=1))
    kept = [event for n, event in enumerate(absorbed) if n not in gone]
    drafted = [data.draw(some_extractions(event, stage)) for event in absorbed for stage in (0, 1)]
    since = 0
    for event in absorbed:
        own = [one for one in drafted if one.source.event == event.id]
        committed(store, *own, since=since, upto=event.position)
        since = event.position
    store.upkeep.forget(only(*(absorbed[n] for n in gone)), verify=False)
    if not kept:
        assert table_rows(store, once) == {"extractions": [], "edges": [], "nodes": []}
        return
    alone = added(store, *(event.text for event in kept), namespace=never)
    twins = {event.id: twin for event, twin in zip(kept, alone, strict=True)}
    again = [moved(one, twins[one.source.event]) for one in drafted if one.source.event in twins]
    committed(store, *again, upto=alone[-1].position)
    assert table_rows(store, once) == table_rows(store, never)


def moved(extraction: Extraction, event: Event) -> Extraction:
    """The extraction as if it were of another event."""
    return replace(extraction, source=replace(extraction.source, event=event.id), namespace=event.namespace)


def test_a_name_is_one_row_however_often_it_is_read_and_its_id_is_never_given_again(store: SqlStore) -> None:
    namespace = fresh_namespace()
    one, two, three = added(store, "one", "two", "three", namespace=namespace)
    fact = Fact("ana", "knows", "ben")
    committed(store, an_extraction(one, "ana", facts=(fact, fact)), upto=one.position)
    committed(store, an_extraction(two, "ben", "ana", facts=(fact,)), since=one.position, upto=two.position)
    with store.database.read() as connection:
        kinds = connection.execute(select(nodes.c.kind, nodes.c.text).order_by(nodes.c.id)).all()
        assert connection.execute(select(func.count()).select_from(edges)).scalar_one() == 6
    assert [tuple(row) for row in kinds] == [(NAME, "ana"), (NAME, "ben"), (FACT, fact.embedded)]
    before = max(ids_of(store, namespace).values())
    store.upkeep.forget(only(one, two), verify=False)
    assert ids_of(store, namespace) == {}
    committed(store, an_extraction(three, "ana"), since=two.position, upto=three.position)
    assert ids_of(store, namespace)["ana"] > before


def like(store: SqlStore, lists: dict[int, list[int]], *, most: int, letters: int = 3) -> int:
    """Enter lists of synonyms as they are found, by the ids of names, and return the way they were found."""
    with store.database.write() as connection:
        row = {"space": 1, "threshold": 0.8, "most": most, "letters": letters}
        way = int(connection.execute(insert(likenings).values(**row).returning(likenings.c.id)).scalar_one())
        for node, others in lists.items():
            connection.execute(insert(likened).values(node=node, likening=way))
            for other in others:
                connection.execute(insert(synonyms).values(node=node, likening=way, other=other, weight=0.875))
    return way


def liked(store: SqlStore, way: int) -> dict[int, list[int]]:
    """The complete lists; entries of others there must not be."""
    s = synonyms.c
    with store.database.read() as connection:
        complete = connection.execute(select(likened.c.node).where(likened.c.likening == way)).scalars()
        lists: dict[int, list[int]] = {node: [] for node in complete}
        for node, other in connection.execute(select(s.node, s.other).where(s.likening == way).order_by(s.other)):
            lists[node].append(other)
    return lists


def test_synonyms_go_with_their_names_and_a_list_that_was_full_is_found_again(store: SqlStore) -> None:
    namespace = fresh_namespace()
    absorbed = added(store, *"abcde", namespace=namespace)
    committed(store, *(an_extraction(event, event.text) for event in absorbed), upto=absorbed[-1].position)
    a, b, c, d, e = (ids_of(store, namespace)[name] for name in "abcde")
    lists = {a: [b, c], b: [a], c: [a, b, d], d: [], e: [a, d]}
    few, many = like(store, lists, most=2), like(store, lists, most=9)
    store.upkeep.forget(only(absorbed[1]), verify=False)
    assert liked(store, few) == {d: [], e: [a, d]}  # those of a and c were full
    assert liked(store, many) == {a: [c], c: [a, d], d: [], e: [a, d]}
    assert store.upkeep.forget(only(absorbed[0], absorbed[4]), verify=True).proven
    assert (liked(store, few), liked(store, many)) == ({d: []}, {c: [d], d: []})
    assert store.upkeep.rewind(None, "c") == 0
    assert (liked(store, few), liked(store, many)) == ({}, {})
    assert store.upkeep.forget(Where(namespace=namespace), verify=True).proven


def test_synonyms_go_with_the_space_that_they_were_found_in(store: SqlStore) -> None:
    namespace = fresh_namespace()
    (event,) = added(store, "hello", namespace=namespace)
    committed(store, an_extraction(event, "ana", "anna"), upto=event.position)
    ana, anna = ids_of(store, namespace).values()
    way = like(store, {ana: [anna], anna: [ana]}, most=5)
    store.spaces.use(OTHER_SPACE, whole=False)
    other = like(store, {ana: []}, most=6)
    with store.database.write() as connection:
        connection.execute(likenings.update().where(likenings.c.id == other).values(space=2))
    store.spaces.discard(SPACE)
    assert (liked(store, way), liked(store, other)) == ({}, {ana: []})
    with store.database.read() as connection:
        assert connection.execute(select(likenings.c.id)).scalars().all() == [other]
    assert store.derived.unembedded(namespace, "c", ["ana"], SPACE) == ["ana"]


@pytest.mark.parametrize(
    ("table", "row", "why"),
    [
        (extractions, {"position": 1 << 40, "start": 0, "end": 1, "stage": 0, "by": "x"}, "an event that is gone"),
        (edges, {"extraction": 1 << 40, "ordinal": 0, "target": 1}, "an extraction that is gone"),
        (nodes, {"kind": 0, "text": "nobody", "digest": b"0"}, "nothing names"),
        (vectors, {"record": -(1 << 40), "space": 1, "vector": b""}, "a row that is gone"),
        (synonyms, {"node": 1, "likening": 1, "other": 1 << 40, "weight": 1.0}, "leads to a name that is gone"),
        (synonyms, {"node": 1 << 40, "likening": 1, "other": 1, "weight": 1.0}, "is of a name that is gone"),
        (likened, {"node": 1 << 40, "likening": 1}, "is of a name that is gone"),
    ],
    ids=["extraction", "edge", "node", "vector", "entry to", "entry of", "list"],
)
def test_a_proof_notices_what_was_left(store: SqlStore, table: Any, row: dict[str, object], why: str) -> None:
    namespace = fresh_namespace()
    (event,) = added(store, "hello", namespace=namespace)
    committed(store, an_extraction(event, "ana"), upto=event.position)
    place = {"namespace": namespace, "component": "c"} if "namespace" in table.c else {}
    with store.database.write() as connection:
        connection.execute(insert(table).values(**place, **row))
    found = store.upkeep.forget(Where(namespace=fresh_namespace()), verify=True).traces
    assert found is not None
    assert [trace.place for trace in found] == [f"table {table.name}"]
    assert why in found[0].detail


def test_node_vectors_stay_out_of_the_table_that_pgvector_searches(fresh_postgres_url: str) -> None:
    with closing(SqlStore(fresh_postgres_url, vectors="pgvector")) as store:
        store.spaces.use(SPACE, whole=False)
        namespace = fresh_namespace()
        (event,) = added(store, "hello", namespace=namespace)
        committed(store, an_extraction(event, "ana"), upto=event.position, bare=True)
        ((id, text),) = store.spaces.missing(SPACE, 9)
        assert (id < 0, text) == (True, "ana")
        store.spaces.fill(SPACE, {id: a_vector(1, 0, 0, 0)})
        assert store.spaces.count_missing(SPACE) == 0
        with store.database.read() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM near").scalar_one() == 0
            assert connection.execute(select(vectors.c.vector)).scalar_one() == np.array([1, 0, 0, 0], "<f4").tobytes()
        assert store.upkeep.forget(Where(namespace=namespace), verify=True).proven
