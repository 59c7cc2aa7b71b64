"""`Where` in SQL, where the databases have ideas of their own: numbers, JSON, letters, and how much fits in a statement."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memkit.testing.contracts.samples import an_event, fresh_namespace
from memkit.values import EPOCH, Event, Where
from memkit_stores import SqlStore
from memkit_stores.where_sql import FEW, micros, moment

wide = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> Iterator[SqlStore]:
    where = ":memory:" if request.param == "sqlite" else request.getfixturevalue("fresh_postgres_url")
    with closing(SqlStore(where)) as store:
        yield store


def found(store: SqlStore, where: Where) -> list[str]:
    return [event.id for event in store.journal.read(where)]


moments = st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31), timezones=st.just(UTC))


@given(at=moments)
def test_micros_are_exact_and_come_back(at: datetime) -> None:
    assert moment(micros(at)) == at
    assert micros(at + timedelta(microseconds=1)) == micros(at) + 1
    assert micros(EPOCH) == 0


@given(times=st.lists(moments, min_size=1, max_size=6), bounds=st.tuples(moments, moments))
@wide
def test_any_time_is_compared_to_the_microsecond(
    store: SqlStore, times: list[datetime], bounds: tuple[datetime, datetime]
) -> None:
    namespace = fresh_namespace()
    events = [an_event(namespace=namespace, at=at, recorded=at) for at in times]
    store.journal.append(events)
    for since, until in (bounds, (times[0], times[-1]), (times[0], times[0])):
        where = Where(namespace=namespace, since=since, until=until, as_of=max(times))
        assert found(store, where) == [event.id for event in events if where.admits(event)]


numbers = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0, -0.0, 1, 1.0, True, False, 2**53, 2**53 + 1, 2.0**53, 1e-300, 5e-324, 0.1, 0.1 + 0.2]),
)


@given(stored=st.lists(numbers, min_size=1, max_size=8), asked=st.lists(numbers, min_size=1, max_size=4))
@wide
def test_numbers_are_equal_as_python_has_it_but_for_booleans(
    store: SqlStore, stored: list[float], asked: list[float]
) -> None:
    namespace = fresh_namespace()
    events = [an_event(namespace=namespace, metadata={"n": value}) for value in stored]
    store.journal.append(events)
    for value in (*asked, *stored, *map(float, stored[:2]), *(int(one) for one in stored[:2] if abs(one) < 2**63)):
        where = Where(namespace=namespace, metadata={"n": value})
        assert found(store, where) == [event.id for event in events if where.admits(event)], value


@given(stored=st.floats(allow_nan=False, allow_infinity=False))
@wide
def test_any_float_is_found_by_itself_and_read_back(store: SqlStore, stored: float) -> None:
    namespace = fresh_namespace()
    event = an_event(namespace=namespace, metadata={"n": stored})
    store.journal.append([event])
    assert found(store, Where(namespace=namespace, metadata={"n": stored})) == [event.id]
    assert store.journal.read(Where(namespace=namespace))[0].metadata == {"n": stored}


@pytest.mark.parametrize("stored", [[1], ["a"], [None], {"a": 1}, [], {}, [[1]], ["k"]], ids=str)
def test_a_list_or_dict_is_never_equal_to_a_single_value(store: SqlStore, stored: object) -> None:
    namespace = fresh_namespace()
    store.journal.append([an_event(namespace=namespace, metadata={"k": stored, "other": 1})])
    for value in (1, "a", None, "", 0, False, "k", json.dumps(stored)):
        assert found(store, Where(namespace=namespace, metadata={"k": value})) == [], value


def test_a_key_is_looked_for_at_the_top_and_a_missing_one_is_not_none(store: SqlStore) -> None:
    namespace = fresh_namespace()
    events = [an_event(namespace=namespace, metadata=data) for data in ({}, {"k": None}, {"a": {"k": None}})]
    store.journal.append(events)
    assert found(store, Where(namespace=namespace, metadata={"k": None})) == [events[1].id]


def test_letters_are_compared_as_they_are(store: SqlStore) -> None:
    """No case, no accent, no composition, no trailing blank is overlooked."""
    namespace = fresh_namespace()
    names = ["ana", "Ana", "ANA", "aná", "ana\u0301", "ana ", " ana", "аna", "ana\u200b", "ａna"]
    events = [an_event(namespace=namespace, session=name, metadata={"m": name}) for name in names]
    store.journal.append(events)
    for name, event in zip(names, events, strict=True):
        assert found(store, Where(namespace=namespace, sessions=frozenset({name}))) == [event.id]
        assert found(store, Where(namespace=namespace, metadata={"m": name})) == [event.id]


@pytest.mark.parametrize("size", [FEW - 1, FEW, FEW + 1, 40_000])
def test_any_number_of_names_is_one_filter(store: SqlStore, size: int) -> None:
    namespace = fresh_namespace()
    awkward = ['"', "'", "\\", "a,b", "[", "é", "😀", "\u2028", "null", "1"]
    events: list[Event] = [an_event(namespace=namespace, session=name) for name in awkward]
    store.journal.append([*events, an_event(namespace=namespace)])
    some = frozenset([*awkward[::2], *(f"other {n}" for n in range(size - 5))])
    assert len(some) == size
    assert found(store, Where(namespace=namespace, sessions=some)) == [event.id for event in events[::2]]
    ids = frozenset([*(event.id for event in events[1::2]), *(f"other {n}" for n in range(size - 5))])
    assert found(store, Where(namespace=namespace, ids=ids)) == [event.id for event in events[1::2]]


def test_the_namespace_is_found_by_the_index(tmp_path: Path) -> None:
    """A filter must not read what lies in ten thousand other namespaces."""
    path = tmp_path / "memory.db"
    SqlStore(str(path)).close()
    with closing(sqlite3.connect(path)) as raw:
        for table in ("events", "records"):
            plan = raw.execute(f"EXPLAIN QUERY PLAN SELECT * FROM {table} WHERE namespace = 'a'").fetchall()
            assert "USING INDEX" in plan[0][3]
