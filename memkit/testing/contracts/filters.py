"""`Where.admits` is the definition; what a store makes of it is held to it. Filters come before limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from memkit.ports import Store
from memkit.testing.contracts.law import OfStore, law
from memkit.testing.contracts.samples import (
    SCALARS,
    START,
    Filtered,
    a_draft,
    a_record,
    an_event,
    around,
    filtered_events,
    fresh_namespace,
)
from memkit.values import Event, Record, Where


class FilterLaws(OfStore):
    """The same rows come back as from a loop over all of them."""

    @law(40)
    @given(case=filtered_events())
    def test_events_are_filtered_as_where_admits(self, store: Store, case: Filtered) -> None:
        store.journal.append(case.events)
        for where in case.filters:
            assert _ids(store.journal.read(where)) == [event.id for event in case.events if where.admits(event)], where

    @law()
    @given(case=filtered_events(), limit=st.integers(1, 4), newest=st.booleans())
    def test_filters_come_before_the_limit(self, store: Store, case: Filtered, limit: int, newest: bool) -> None:
        store.journal.append(case.events)
        for where in case.filters:
            wanted = [event.id for event in case.events if where.admits(event)]
            found = _ids(store.journal.read(where, limit=limit, newest=newest))
            assert found == (wanted[-limit:] if newest else wanted[:limit])

    @law(25)
    @given(case=filtered_events(), data=st.data())
    def test_rows_are_filtered_as_where_admits(self, store: Store, case: Filtered, data: st.DataObject) -> None:
        """The sources of a row are any events of its namespace; its other fields come from the first of them."""
        store.journal.append(case.events)
        rows = _derived(store, case.events, data)
        for where in case.filters:
            shelf = store.derived.shelf("c", where, None)
            mask = shelf.admitted(where)
            admitted = np.ones(shelf.size, np.bool_) if mask is None else mask
            assert (mask is None) == (not where.narrows)
            assert admitted.shape == (shelf.size,)
            found = store.derived.records("c", where, shelf.id[admitted].tolist())
            assert sorted(row.text for row in found) == sorted(row.text for row in rows if where.admits(row)), where

    @law(15)
    @given(case=filtered_events(), limit=st.integers(1, 4), data=st.data())
    def test_every_row_that_where_admits_comes_page_by_page_with_all_its_sources(
        self, store: Store, case: Filtered, limit: int, data: st.DataObject
    ) -> None:
        store.journal.append(case.events)
        made = {"c": _derived(store, case.events, data), "d": _derived(store, case.events, data, component="d")}
        for where in case.filters:
            for component in ("c", "d", None):
                found, page = list[Record](), store.derived.every(where, component=component, limit=limit)
                while page:
                    assert len(page) <= limit
                    found += page
                    page = store.derived.every(where, component=component, after=page[-1].id, limit=limit)
                ids = [row.id for row in found]
                assert ids == sorted(set(ids))
                assert store.derived.every(where, component=component) == found
                rows = [row for name in made if component in (name, None) for row in made[name]]
                wanted = [row for row in rows if where.admits(row)]
                bare = [replace(row, id=0) for row in found]
                assert len(bare) == len(wanted), where
                assert all(row in bare for row in wanted), where

    def test_every_single_value_is_equal_to_those_that_where_has_it_equal_to(self, store: Store) -> None:
        """1 is 1.0, but not true and not "1"; é in one letter is not é in two."""
        namespace = fresh_namespace()
        events = [an_event(f"{value!r}", namespace=namespace, metadata={"k": value}) for value in SCALARS]
        store.journal.append([*events, an_event("none", namespace=namespace)])
        draft = a_draft(*(a_record(event) for event in events))
        assert store.derived.commit(namespace, "c", draft, None, since=0, upto=1 << 40)
        shelf = store.derived.shelf("c", Where(namespace=namespace), None)
        for value in SCALARS:
            where = Where(namespace=namespace, metadata={"k": value})
            wanted = [event.text for event in events if where.admits(event)]
            assert [event.text for event in store.journal.read(where)] == wanted
            found = store.derived.records("c", where, shelf.id[shelf.admitted(where)].tolist())
            assert sorted(row.text for row in found) == sorted(wanted)

    def test_an_empty_set_admits_nothing(self, store: Store) -> None:
        namespace = fresh_namespace()
        event = an_event(namespace=namespace, session="s", role="r", author="a")
        store.journal.append([event])
        assert store.derived.commit(namespace, "c", a_draft(a_record(event)), None, since=0, upto=1 << 40)
        for name in ("sessions", "roles", "authors", "kinds", "ids"):
            where = Where(namespace=namespace, **{name: frozenset()})  # type: ignore[arg-type]  # one of the sets
            assert store.journal.read(where) == [], name
            shelf = store.derived.shelf("c", where, None)
            mask = shelf.admitted(where)
            assert mask is not None, name
            assert mask.tolist() == [False], name
            assert store.upkeep.forget(where, verify=False).events == 0, name
        assert len(store.journal.read(Where(namespace=namespace))) == 1

    def test_more_names_than_a_statement_holds_values_are_a_filter_too(self, store: Store) -> None:
        namespace = fresh_namespace()
        events = [an_event(f"{n}", namespace=namespace, session=f"s{n}") for n in range(3)]
        store.journal.append(events)
        many = frozenset(f"other {n}" for n in range(70_000))
        assert _ids(store.journal.read(Where(namespace=namespace, sessions=many | {"s1"}))) == [events[1].id]
        assert _ids(store.journal.read(Where(namespace=namespace, ids=many | {events[2].id}))) == [events[2].id]

    def test_until_is_exclusive_and_since_and_as_of_are_not(self, store: Store) -> None:
        namespace = fresh_namespace()
        event = an_event(namespace=namespace)
        store.journal.append([event])
        assert store.journal.read(Where(namespace=namespace, since=START))
        assert not store.journal.read(Where(namespace=namespace, until=START))
        assert store.journal.read(Where(namespace=namespace, as_of=event.recorded))

    def test_namespaces_are_walls(self, store: Store) -> None:
        """Nothing of one is seen, counted, or reached by id from another, whatever its name looks like."""
        base = fresh_namespace()
        places = around(base)
        ids: dict[str, int] = {}
        for place in places:
            event = an_event(f"in {place}", namespace=place)
            store.journal.append([event])
            assert store.derived.commit(place, "c", a_draft(a_record(event)), None, since=0, upto=1 << 40)
            ids[place] = int(store.derived.shelf("c", Where(namespace=place), None).id[0])
        for place in places:
            for below in (False, True):
                where = Where(namespace=place, below=below)
                inside = [other for other in places if where.covers(other)]
                assert [e.namespace for e in store.journal.read(where)] == inside
                shelf = store.derived.shelf("c", where, None)
                assert sorted(shelf.id.tolist()) == sorted(ids[other] for other in inside)
                reached = store.derived.records("c", where, list(ids.values()))
                assert [row.namespace for row in reached] == inside
                assert set(store.derived.progress(where, ["c"])) == set(inside)
                assert store.upkeep.stats(where, ["c"]).events == len(inside)


def _ids(events: Sequence[Event]) -> list[str]:
    return [event.id for event in events]


def _derived(store: Store, events: Sequence[Event], data: st.DataObject, *, component: str = "c") -> list[Record]:
    """A row for each event, of one to three sources, committed."""
    rows: list[Record] = []
    for namespace in sorted({event.namespace for event in events}):
        own = [event for event in events if event.namespace == namespace]
        made = [
            a_record(
                event,
                *data.draw(st.lists(st.sampled_from(own), max_size=2)),
                component=component,
                text=f"row {n} of {namespace}",
            )
            for n, event in enumerate(own)
        ]
        assert store.derived.commit(namespace, component, a_draft(*made), None, since=0, upto=1 << 40)
        rows += made
    return rows
