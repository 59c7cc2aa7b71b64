"""Vectors that PostgreSQL searches itself. What every store keeps is in tests/contracts; this is what is pgvector's own."""

import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sqlalchemy import create_engine, make_url, text

import memkit
from memkit.errors import StoreError
from memkit.ports import Shelf
from memkit.testing.contracts.derived import added, cursor
from memkit.testing.contracts.law import law
from memkit.testing.contracts.picture import picture
from memkit.testing.contracts.samples import OTHER_SPACE, SPACE, a_draft, a_record, a_vector, fresh_namespace
from memkit.testing.embedders import HashEmbedder
from memkit.values import Event, Space, Where
from memkit_stores import SqlStore, pgvectors
from memkit_stores.vectors import Vectors
from tests.crash.rounds import surroundings

Matrix = NDArray[np.float32]
X, Y = a_vector(1, 0, 0, 0), a_vector(0, 1, 0, 0)


@pytest.fixture
def url(fresh_postgres_url: str) -> str:
    return fresh_postgres_url


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    with closing(SqlStore(url, vectors="pgvector")) as store:
        store.spaces.use(SPACE, whole=False)
        yield store


def asked(url: str, query: str) -> list[tuple[object, ...]]:
    """What the database itself answers, in a transaction of its own."""
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            result = connection.execute(text(query))
            return [tuple(row) for row in result] if result.returns_rows else []
    finally:
        engine.dispose()


def counted(url: str) -> tuple[int, int]:
    """How many vectors the truth has, and how many the index."""
    ((truth, index),) = asked(url, "SELECT (SELECT count(*) FROM memkit.vectors), (SELECT count(*) FROM memkit.near)")
    assert isinstance(truth, int)
    assert isinstance(index, int)
    return truth, index


def put(store: SqlStore, namespace: str, *vectors: Matrix | None, space: Space = SPACE) -> list[Event]:
    """A row for each vector."""
    since = cursor(store, namespace)
    events = added(store, *(f"text number {n}" for n in range(len(vectors))), namespace=namespace)
    draft = a_draft(*(a_record(event, vector=vector) for event, vector in zip(events, vectors, strict=True)))
    assert store.derived.commit(namespace, "c", draft, space, since=since, upto=events[-1].position)
    return events


def shelf_of(store: SqlStore, namespace: str, *, below: bool = False, space: Space = SPACE) -> Shelf:
    return store.derived.shelf("c", Where(namespace=namespace, below=below), space)


# --- the same answers as in memory ----------------------------------------------------------------


@law(40)
@given(
    seed=st.integers(0, 1 << 30),
    size=st.integers(1, 150),
    k=st.integers(-1, 160),
    present=st.sampled_from((0.2, 0.9, 1.0)),
    admitting=st.sampled_from(("all", "some", "most", "the best", "the worst", "too few bits")),
)
def test_answers_are_those_of_the_index_in_memory(
    store: SqlStore, seed: int, size: int, k: int, present: float, admitting: str
) -> None:
    """Whole numbers: products are exact and ties are many. Also with masks that take out just what is nearest."""
    random = np.random.default_rng(seed)
    table = random.integers(-2, 3, (size, 4)).astype(np.float32)
    there = random.random(size) < present
    question = random.integers(-2, 3, 4).astype(np.float32)
    products = table @ question
    masks = {
        "all": None,
        "some": random.random(size) < 0.1,
        "most": random.random(size) < 0.8,
        "the best": products > np.median(products),
        "the worst": products <= np.median(products),
        "too few bits": np.ones(size // 2, np.bool_),
    }
    mask = masks[admitting]
    namespace = fresh_namespace()
    put(store, namespace, *(vector if has else None for vector, has in zip(table, there, strict=True)))
    shelf = shelf_of(store, namespace)
    oracle = Vectors(4)
    rows = np.flatnonzero(there)
    oracle.add(rows, table[rows], shelf.id[rows])
    found, scores = shelf.nearest(question, k, mask)
    wanted, best = oracle.nearest(question, k, mask)
    assert (found.dtype, scores.dtype) == (np.int64, np.float32)
    assert found.tolist() == wanted.tolist()
    assert scores.tolist() == best.tolist()
    every = np.concatenate((np.arange(size), [-1, size, 0, 0]))
    assert shelf.similarity(question, every).tolist() == oracle.similarity(question, every).tolist()


def test_every_bit_of_a_vector_arrives(store: SqlStore) -> None:
    """Through text and back: the smallest there is, a huge one, an ordinary one, and one that takes all nine digits."""
    values = np.array([1e-45, 3.4e38, 0.1, np.nextafter(np.float32(1000), np.float32(2000))], np.float32)
    namespace = fresh_namespace()
    put(store, namespace, values)
    shelf = shelf_of(store, namespace)
    products = [float(shelf.similarity(axis, np.array([0]))[0]) for axis in np.eye(4, dtype=np.float32)]
    assert products == values.tolist()


def test_equal_products_are_ordered_by_row_and_not_cut_off_by_chance(store: SqlStore) -> None:
    """Rows are in the order of the journal, records in that of their making: here the other way round."""
    namespace = fresh_namespace()
    events = added(store, *(f"{n}" for n in range(40)), namespace=namespace)
    draft = a_draft(*(a_record(event, vector=X) for event in reversed(events)))
    store.derived.commit(namespace, "c", draft, SPACE, since=0, upto=events[-1].position)
    shelf = shelf_of(store, namespace)
    assert (np.diff(shelf.id) < 0).all()
    assert shelf.nearest(X, 5, None)[0].tolist() == [0, 1, 2, 3, 4]
    mask = np.arange(40) % 2 == 1
    assert shelf.nearest(X, 5, mask)[0].tolist() == [1, 3, 5, 7, 9]


def test_no_vector_of_another_namespace_component_or_space_is_found(store: SqlStore) -> None:
    base = fresh_namespace()
    for place in (base, f"{base}/a", f"{base}a"):
        put(store, place, X, Y)
    (event,) = added(store, "of another component", namespace=base)
    other = a_draft(a_record(event, component="d", vector=X))
    assert store.derived.commit(base, "d", other, SPACE, since=0, upto=event.position)
    store.spaces.fill(OTHER_SPACE, {int(id): X for id in shelf_of(store, base).id})
    assert shelf_of(store, base).nearest(X, 9, None)[1].tolist() == [1, 0]
    assert shelf_of(store, base, below=True).nearest(X, 9, None)[1].tolist() == [1, 1, 0, 0]


def test_a_vector_of_another_dimension_is_refused(store: SqlStore) -> None:
    namespace = fresh_namespace()
    put(store, namespace, X)
    with pytest.raises(ValueError, match="4 dimensions, not 3"):
        shelf_of(store, namespace).nearest(np.ones(3, np.float32), 1, None)


def test_spaces_of_different_dimensions_share_the_table(store: SqlStore) -> None:
    namespace = fresh_namespace()
    put(store, namespace, X)
    wide = Space(model="wide", dimension=3_000)  # more than fit beside others on a page
    (id,) = (int(id) for id in shelf_of(store, namespace).id)
    store.spaces.fill(wide, {id: np.full(3_000, 0.5, np.float32)})
    store.spaces.use(wide, whole=True)
    assert shelf_of(store, namespace, space=wide).nearest(np.ones(3_000, np.float32), 1, None)[1].tolist() == [1_500]


# --- a moment in time -----------------------------------------------------------------------------


def test_rows_added_after_the_shelf_are_not_on_it_although_they_are_nearer(store: SqlStore) -> None:
    namespace = fresh_namespace()
    put(store, namespace, Y, X * 2)
    held = shelf_of(store, namespace, below=True)
    put(store, f"{namespace}/a", *[X * 9] * 20)
    assert held.nearest(X, 2, None)[0].tolist() == [1, 0]
    assert held.nearest(X, 2, np.array([True, False]))[0].tolist() == [0]
    assert shelf_of(store, namespace, below=True).nearest(X, 1, None)[1].tolist() == [9]


def test_forgotten_rows_are_gone_from_a_shelf_that_is_still_held(store: SqlStore) -> None:
    namespace = fresh_namespace()
    events = put(store, namespace, X * 3, X * 2, X)
    held = shelf_of(store, namespace)
    store.upkeep.forget(Where(namespace=namespace, ids=frozenset({events[0].id})), verify=False)
    assert held.nearest(X, 3, None)[0].tolist() == [1, 2]
    assert held.similarity(X, np.arange(3)).tolist() == [-1, 2, 1]
    assert shelf_of(store, namespace).nearest(X, 3, None)[1].tolist() == [2, 1]


# --- the index beside the truth -------------------------------------------------------------------


def test_vectors_are_entered_and_removed_in_the_transactions_of_the_truth(store: SqlStore, url: str) -> None:
    namespace = fresh_namespace()
    events = put(store, namespace, X, None, Y)
    assert counted(url) == (2, 2)
    (bare,) = (id for id, _ in store.spaces.missing(SPACE, 10))
    store.spaces.fill(SPACE, {bare: X})
    assert counted(url) == (3, 3)
    store.spaces.fill(OTHER_SPACE, {bare: X})
    assert counted(url) == (4, 4)
    store.spaces.discard(OTHER_SPACE)
    assert counted(url) == (3, 3)
    store.upkeep.forget(Where(namespace=namespace, ids=frozenset({events[2].id})), verify=False)
    assert counted(url) == (2, 2)
    store.upkeep.forget(Where(namespace=namespace), verify=False)
    assert counted(url) == (0, 0)


def test_a_draft_that_is_refused_leaves_no_vector(store: SqlStore, url: str) -> None:
    namespace = fresh_namespace()
    (event,) = put(store, namespace, X)
    assert not store.derived.commit(namespace, "c", a_draft(a_record(event, vector=X)), SPACE, since=7, upto=9)
    assert counted(url) == (1, 1)


def test_a_database_that_was_used_without_it_is_copied_where_it_is_looked_at(url: str) -> None:
    first, second = fresh_namespace(), fresh_namespace()
    with closing(SqlStore(url)) as plain:
        plain.spaces.use(SPACE, whole=False)
        for place in (first, second):
            put(plain, place, X, *[None] * 3, *[Y] * 600)
        pictured = picture(shelf_of(plain, first))
    with closing(SqlStore(url, vectors="pgvector")) as store:
        assert counted(url) == (1202, 0)
        assert picture(shelf_of(store, first)) == pictured
        assert counted(url) == (1202, 601)
        assert len(shelf_of(store, second).nearest(Y, 700, None)[0]) == 601
        assert counted(url) == (1202, 1202)


def test_copying_goes_on_where_it_was_interrupted(store: SqlStore, url: str) -> None:
    namespace = fresh_namespace()
    put(store, namespace, *[X] * 600)
    asked(url, "DELETE FROM memkit.near WHERE record % 3 = 0")
    assert shelf_of(store, namespace).similarity(X, np.arange(600)).tolist() == [1] * 600
    assert counted(url) == (600, 600)


def test_what_a_process_without_it_adds_and_forgets_is_seen(store: SqlStore, url: str) -> None:
    namespace = fresh_namespace()
    put(store, namespace, Y)
    with closing(SqlStore(url)) as plain:
        (event,) = put(plain, namespace, X * 3)
        assert shelf_of(store, namespace).nearest(X, 1, None)[1].tolist() == [3]
        (bare,) = put(plain, namespace, None)
        assert shelf_of(store, namespace).size == 3
        ((id, _),) = plain.spaces.missing(SPACE, 10)
        plain.spaces.fill(SPACE, {id: X * 2})
        assert shelf_of(store, namespace).nearest(X, 3, None)[1].tolist() == [3, 2, 0]
        result = plain.upkeep.forget(Where(namespace=namespace, ids=frozenset({event.id, bare.id})), verify=True)
        assert result.proven
        assert "table near" in result.searched
    assert shelf_of(store, namespace).nearest(X, 3, None)[1].tolist() == [0]
    assert counted(url) == (1, 1)


def test_processes_that_copy_the_same_rows_at_once_do_not_meet(url: str) -> None:
    namespace = fresh_namespace()
    with closing(SqlStore(url)) as plain:
        plain.spaces.use(SPACE, whole=False)
        put(plain, namespace, *[X] * 1500)
    stores = [SqlStore(url, vectors="pgvector") for _ in range(3)]
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda s=s: found.append(len(shelf_of(s, namespace).nearest(X, 2000, None)[0])))
        for s in stores
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1500] * 3
    assert counted(url) == (1500, 1500)
    for store in stores:
        store.close()


def test_a_vector_is_not_given_to_a_row_that_is_being_forgotten(store: SqlStore, url: str) -> None:
    """Who fills waits for who forgets, and finds the row gone."""
    namespace = fresh_namespace()
    put(store, namespace, None)
    ((id, _),) = store.spaces.missing(SPACE, 10)
    filling = threading.Thread(target=store.spaces.fill, args=(SPACE, {id: X}))
    with store.database.write() as connection:
        store.database.hold(connection, namespace)
        filling.start()
        filling.join(0.5)
        assert filling.is_alive()
        for table in ("lineage WHERE record", "records WHERE id"):
            connection.execute(text(f"DELETE FROM {table} = {id}"))
    filling.join()
    assert counted(url) == (0, 0)


def test_forgetting_with_proof_searches_the_index_as_well(store: SqlStore, url: str) -> None:
    namespace = fresh_namespace()
    put(store, namespace, X, Y)
    result = store.upkeep.forget(Where(namespace=namespace), verify=True)
    assert result.proven
    assert "table near" in result.searched
    assert counted(url) == (0, 0)


def test_proof_tells_of_a_vector_that_was_left(store: SqlStore, url: str) -> None:
    """It would take a hand at the tables: the foreign key is in the way."""
    namespace = fresh_namespace()
    put(store, namespace, X, Y)
    asked(url, "ALTER TABLE memkit.near DROP CONSTRAINT near_record_space_fkey")
    result = store.upkeep.forget(Where(namespace=namespace), verify=True)
    assert result.traces is not None
    assert [trace.place for trace in result.traces] == ["table near"] * 2


# --- switching it on ------------------------------------------------------------------------------


def test_without_the_option_nothing_of_it_is_there(url: str) -> None:
    with closing(SqlStore(url)) as plain:
        plain.spaces.use(SPACE, whole=False)
        put(plain, "n", X)
    assert asked(url, "SELECT to_regclass('memkit.near'), count(*) FROM pg_extension WHERE extname = 'vector'") == [
        (None, 0)
    ]


def test_sqlite_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a PostgreSQL database"):
        SqlStore(":memory:", vectors="pgvector")
    with pytest.raises(ValueError, match="needs a PostgreSQL database"):
        memkit.open(":memory:", vectors="pgvector")


def test_a_word_that_is_no_choice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'memory' or 'pgvector'"):
        memkit.open(tmp_path / "memory.db", vectors="faiss")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_who_may_not_switch_it_on_is_told_what_to_do(url: str) -> None:
    asked(url, "DROP ROLE IF EXISTS plain_user")
    asked(url, "CREATE ROLE plain_user LOGIN")
    asked(url, f"GRANT ALL ON DATABASE {make_url(url).database} TO plain_user")
    as_user = url.replace("postgres@", "plain_user@")
    try:
        with pytest.raises(StoreError, match="CREATE EXTENSION vector SCHEMA public"):
            SqlStore(as_user, vectors="pgvector")
        asked(url, "CREATE EXTENSION vector SCHEMA public")
        SqlStore(as_user, vectors="pgvector").close()
    finally:
        asked(url, "DROP OWNED BY plain_user CASCADE")
        asked(url, "DROP ROLE plain_user")


def test_an_extension_in_another_schema_is_an_error_that_says_where(url: str) -> None:
    asked(url, "CREATE SCHEMA extensions")
    asked(url, "CREATE EXTENSION vector SCHEMA extensions")
    with pytest.raises(StoreError, match="schema extensions"):
        SqlStore(url, vectors="pgvector")
    asked(url, "ALTER EXTENSION vector SET SCHEMA public")
    SqlStore(url, vectors="pgvector").close()


def test_a_table_of_the_same_name_in_another_schema_is_left_alone(url: str) -> None:
    asked(url, "CREATE TABLE public.near (mine int)")
    with closing(SqlStore(url, vectors="pgvector")) as store:
        store.spaces.use(SPACE, whole=False)
        put(store, "n", X)
        assert shelf_of(store, "n").nearest(X, 1, None)[0].tolist() == [0]
    assert asked(url, "SELECT * FROM public.near") == []


@pytest.mark.parametrize(
    "change", ["COMMENT ON TABLE memkit.near IS '0'", "DROP TABLE memkit.near", "DROP EXTENSION vector CASCADE"]
)
def test_a_table_of_another_version_or_none_is_made_anew_and_filled_again(url: str, change: str) -> None:
    with closing(SqlStore(url, vectors="pgvector")) as store:
        store.spaces.use(SPACE, whole=False)
        put(store, "n", X, Y)
    asked(url, change)
    with closing(SqlStore(url, vectors="pgvector")) as store:
        assert counted(url) == (2, 0)
        assert shelf_of(store, "n").nearest(Y, 1, None)[0].tolist() == [1]
        assert counted(url) == (2, 2)
    assert asked(url, "SELECT obj_description('memkit.near'::regclass)") == [(str(pgvectors.VERSION),)]


def test_a_table_of_a_newer_memkit_is_left_alone(url: str) -> None:
    SqlStore(url, vectors="pgvector").close()
    asked(url, f"COMMENT ON TABLE memkit.near IS '{pgvectors.VERSION + 1}'")
    with pytest.raises(StoreError, match="newer memkit"):
        SqlStore(url, vectors="pgvector")


# --- the memory on top ----------------------------------------------------------------------------


def test_a_process_holds_no_vectors(url: str) -> None:
    """A shelf of 2,000 vectors of 384 dimensions, 3 MB."""
    space = Space(model="large", dimension=384)
    with closing(SqlStore(url, vectors="pgvector")) as store:
        store.spaces.use(space, whole=False)
        put(store, "n", *np.random.default_rng(0).random((2_000, 384), np.float32), space=space)
    held = {}
    for vectors in ("memory", "pgvector"):
        with closing(SqlStore(url, vectors=vectors)) as store:  # type: ignore[arg-type]  # mypy widens the literals
            tracemalloc.start()
            shelf = shelf_of(store, "n", space=space)
            assert len(shelf.nearest(np.ones(384, np.float32), 9, None)[0]) == 9
            held[vectors] = tracemalloc.get_traced_memory()[0]
            tracemalloc.stop()
    assert held["memory"] - held["pgvector"] > 2_900_000


def test_recall_is_the_same_either_way(url: str) -> None:
    said = [
        f"{who} keeps a {pet} called {name}"
        for who in "Ana Ben Cleo".split()
        for pet in "dog cat".split()
        for name in "Toby Mia".split()
    ]
    with (
        memkit.open(url, embedder=HashEmbedder(), vectors="pgvector") as served,
        memkit.open(url, embedder=HashEmbedder()) as held,
    ):
        served["ana"].add(said, session="s1")
        held["ana"].add("Ben's dog is called Rex", session="s2")
        for question in ("What is Ana's cat called?", "Who has a dog?", "Rex"):
            for session in (None, "s1", "s2"):
                one = [(hit.text, pytest.approx(hit.score)) for hit in served["ana"].recall(question, session=session)]
                assert [(hit.text, hit.score) for hit in held["ana"].recall(question, session=session)] == one
                assert one or (question, session) == ("Rex", "s1")


def test_reembedding_is_seen_whichever_way_it_was_done(url: str) -> None:
    first, second, third = (HashEmbedder(seed=n) for n in range(3))
    with memkit.open(url, embedder=first, vectors="pgvector") as memory:
        memory["ana"].add(["I have a dog", "I have a cat", "It rains"])
        memory.sync()
    memkit.reembed(url, second)
    assert counted(url) == (6, 3)
    with memkit.open(url, embedder=second, vectors="pgvector") as memory:
        assert memory["ana"].recall("a cat", k=1)[0].text == "I have a cat"
        assert counted(url) == (6, 6)
    memkit.reembed(url, third, discard=True, vectors="pgvector")
    assert counted(url) == (6, 6)
    with memkit.open(url, embedder=third, vectors="pgvector") as memory:
        assert memory["ana"].recall("a cat", k=1)[0].text == "I have a cat"
        assert memory["ana"].forget(everything=True, verify=True).proven
    assert counted(url) == (0, 0)


OTHER_PROCESS = """
import sys
import memkit
from memkit.testing.embedders import HashEmbedder

with memkit.open(sys.argv[1], embedder=HashEmbedder(), vectors=sys.argv[2]) as memory:
    memory["ana"].forget(session="old")
    memory["ana"].add("The blue parrot speaks", session="new")
    memory.sync()
"""


@pytest.mark.parametrize("vectors", ["memory", "pgvector"])
def test_another_process_adds_and_forgets(url: str, vectors: str) -> None:
    with memkit.open(url, embedder=HashEmbedder(), vectors="pgvector") as memory:
        memory["ana"].add(["The grey parrot sleeps", "Rain"], session="old")
        assert memory["ana"].recall("parrot")[0].text == "The grey parrot sleeps"
        subprocess.run([sys.executable, "-c", OTHER_PROCESS, url, vectors], env=surroundings(), check=True, timeout=60)
        found = memory["ana"].recall("", vector=HashEmbedder().vectors(["the blue parrot speaks"])[0], k=5)
        assert [hit.text for hit in found] == ["The blue parrot speaks"]
        assert counted(url) == (1, 1)
