"""The laws of `memkit.ports.Derived`: drafts, cursors and the deferred queue move together."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memkit.errors import AbsorbError, SpaceError
from memkit.ports import Progress, Store
from memkit.testing.contracts.law import OfStore, law
from memkit.testing.contracts.samples import (
    OTHER_SPACE,
    SPACE,
    START,
    a_draft,
    a_record,
    a_vector,
    an_event,
    around,
    fresh_namespace,
    some_events,
    texts,
)
from memkit.values import Deferred, Draft, Event, Record, Source, Where


def added(store: Store, *texts: str, namespace: str, **fields: object) -> list[Event]:
    """Events in the journal, with their positions."""
    made = [an_event(text, namespace=namespace, minute=n, **fields) for n, text in enumerate(texts)]
    ids = store.journal.append(made).ids
    return store.journal.read(Where(namespace=namespace, ids=frozenset(ids)))


def rows(store: Store, namespace: str, component: str = "c") -> list[Record]:
    """The component's rows in shelf order."""
    where = Where(namespace=namespace)
    return store.derived.records(component, where, store.derived.shelf(component, where, None).id.tolist())


def cursor(store: Store, namespace: str, component: str = "c") -> int:
    """How far the component has come."""
    found = store.derived.progress(Where(namespace=namespace), [component])
    return found[namespace].cursors[component] if namespace in found else 0


def failure(event: Event, *, component: str = "c", error: str = "ValueError: no") -> Deferred:
    return Deferred(namespace=event.namespace, component=component, event=event.id, error=error, attempts=3, at=START)


class DerivedLaws(OfStore):
    """A commit is all of a draft and its cursor, once, or nothing."""

    @law()
    @given(events=some_events(most=6), data=st.data())
    def test_rows_come_back_as_they_were_drafted(self, store: Store, events: list[Event], data: st.DataObject) -> None:
        namespace = events[0].namespace
        own = [event for event in events if event.namespace == namespace]
        store.journal.append(events)
        drafted = [
            a_record(
                *data.draw(st.lists(st.sampled_from(own), min_size=1, max_size=3)),
                text=data.draw(texts),
                index=data.draw(st.none() | texts),
                kind=data.draw(st.sampled_from(("passage", "document"))),
                weight=data.draw(st.sampled_from((1.0, 0.5))),
                embed=data.draw(st.booleans()),
            )
            for _ in range(3)
        ]
        assert store.derived.commit(namespace, "c", a_draft(*drafted), None, since=0, upto=9)
        by_id = {row.id: row for row in rows(store, namespace)}
        back = store.derived.records("c", Where(namespace=namespace), sorted(by_id))
        assert len(back) == len(drafted)
        assert all(record in [replace(row, id=0) for row in back] for record in drafted)
        backwards = sorted(by_id, reverse=True)
        assert store.derived.records("c", Where(namespace=namespace), [*backwards, 1 << 50]) == [
            by_id[id] for id in backwards
        ]

    def test_spans_are_kept(self, store: Store) -> None:
        namespace = fresh_namespace()
        one, two = added(store, "one one", "two two", namespace=namespace)
        sources = (Source(event=two.id, start=4, end=7), Source(event=one.id, start=0, end=3))
        store.derived.commit(namespace, "c", a_draft(a_record(one, sources=sources)), None, since=0, upto=two.position)
        assert [row.sources for row in rows(store, namespace)] == [sources]

    def test_rows_are_reached_by_their_own_component_alone(self, store: Store) -> None:
        namespace = fresh_namespace()
        (event,) = added(store, "hello", namespace=namespace)
        store.derived.commit(namespace, "c", a_draft(a_record(event)), None, since=0, upto=event.position)
        (row,) = rows(store, namespace)
        assert store.derived.records("d", Where(namespace=namespace), [row.id]) == []
        assert store.derived.shelf("d", Where(namespace=namespace), None).size == 0

    def test_progress_tells_the_head_and_every_cursor(self, store: Store) -> None:
        base = fresh_namespace()
        heads = {place: added(store, "1", "2", namespace=place)[-1].position for place in around(base)}
        below = f"{base}/a"
        store.derived.commit(below, "c", a_draft(), None, since=0, upto=heads[below])
        assert store.derived.progress(Where(namespace=below), ["c", "d"]) == {
            below: Progress(head=heads[below], cursors={"c": heads[below], "d": 0})
        }
        wide = store.derived.progress(Where(namespace=base, below=True), ["d"])
        assert {place: one.head for place, one in wide.items()} == {
            place: head for place, head in heads.items() if place == base or place.startswith(f"{base}/")
        }
        (later,) = added(store, "3", namespace=below)
        assert store.derived.progress(Where(namespace=below), ["c"])[below].head == later.position

    def test_a_commit_from_where_the_cursor_is_not_stores_nothing(self, store: Store) -> None:
        namespace = fresh_namespace()
        one, two = added(store, "one", "two", namespace=namespace)
        assert store.derived.commit(namespace, "c", a_draft(a_record(one)), None, since=0, upto=one.position)
        draft, failed = a_draft(a_record(two)), [failure(two)]
        for since in (0, one.position - 1, one.position + 1):
            if since != one.position:
                assert not store.derived.commit(
                    namespace, "c", draft, None, since=since, upto=two.position, failed=failed
                )
        assert [row.text for row in rows(store, namespace)] == ["one"]
        assert cursor(store, namespace) == one.position
        assert store.upkeep.deferred(Where(namespace=namespace)) == []
        assert store.derived.commit(namespace, "c", draft, None, since=one.position, upto=two.position)
        assert store.derived.commit(namespace, "d", draft_of(two, "d"), None, since=0, upto=two.position)

    def test_of_commits_at_the_same_time_one_wins(self, store: Store, another: Store) -> None:
        namespace = fresh_namespace()
        events = added(store, *(f"{n}" for n in range(8)), namespace=namespace)
        won: list[str] = []

        def absorb(own: Store, name: str) -> None:
            since = 0
            for event in events:
                row = a_record(event, text=f"{name} {event.text}")
                if own.derived.commit(namespace, "c", a_draft(row), None, since=since, upto=event.position):
                    won.append(row.text)
                since = event.position

        threads = [
            threading.Thread(target=absorb, args=(own, name)) for own, name in ((store, "a"), (another, "b")) * 2
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        stored = [row.text for row in rows(store, namespace)]
        assert sorted(stored) == sorted(won)
        assert [text.split()[1] for text in stored] == [event.text for event in events]

    def test_a_draft_is_stored_whole_or_not_at_all(self, store: Store) -> None:
        namespace = fresh_namespace()
        (event,) = added(store, "hello", namespace=namespace)
        stranger = an_event("never added", namespace=namespace)
        for sources in ((stranger,), (event, stranger)):
            with pytest.raises(AbsorbError):
                store.derived.commit(
                    namespace, "c", a_draft(a_record(event), a_record(*sources)), None, since=0, upto=event.position
                )
        assert rows(store, namespace) == []
        assert cursor(store, namespace) == 0

    def test_a_source_in_another_namespace_is_unknown(self, store: Store) -> None:
        """Otherwise forgetting one namespace would have to reach into another."""
        namespace, other = fresh_namespace(), fresh_namespace()
        (mine,), (theirs,) = added(store, "mine", namespace=namespace), added(store, "theirs", namespace=other)
        with pytest.raises(AbsorbError):
            store.derived.commit(namespace, "c", a_draft(a_record(mine, theirs)), None, since=0, upto=mine.position)
        assert rows(store, namespace) == []
        assert cursor(store, namespace) == 0

    def test_vectors_of_a_space_that_is_not_in_use_are_refused(self, store: Store) -> None:
        namespace = fresh_namespace()
        (event,) = added(store, "hello", namespace=namespace)
        draft = a_draft(a_record(event, vector=a_vector(1, 0, 0, 0)))
        store.spaces.use(SPACE, whole=False)
        for space in (None, OTHER_SPACE, replace(SPACE, dimension=5), replace(SPACE, model="another")):
            with pytest.raises(SpaceError):
                store.derived.commit(namespace, "c", draft, space, since=0, upto=event.position)
        assert rows(store, namespace) == []
        assert store.derived.commit(namespace, "c", draft, SPACE, since=0, upto=event.position)

    def test_vectors_are_kept_to_the_last_bit(self, store: Store) -> None:
        namespace = fresh_namespace()
        events = added(store, "a", "b", "c", namespace=namespace)
        store.spaces.use(SPACE, whole=False)
        given = [a_vector(0.1, -1e-38, 3e38, 1 / 3), None, a_vector(0, 0, 0, -0.0)]
        draft = a_draft(*(a_record(event, vector=vector) for event, vector in zip(events, given, strict=True)))
        store.derived.commit(namespace, "c", draft, SPACE, since=0, upto=events[-1].position)
        shelf = store.derived.shelf("c", Where(namespace=namespace), SPACE)
        every = np.arange(3)
        back = np.stack([shelf.similarity(axis, every) for axis in np.eye(4, dtype=np.float32)], axis=1)
        for row, vector in zip(back, given, strict=True):
            assert row.tolist() == ([-1.0] * 4 if vector is None else vector.tolist())

    def test_failed_events_are_deferred_with_the_commit(self, store: Store) -> None:
        namespace = fresh_namespace()
        one, two = added(store, "one", "two", namespace=namespace)
        failed = [failure(two, error="ValueError: 'é' 日本")]
        store.derived.commit(namespace, "c", a_draft(a_record(one)), None, since=0, upto=two.position, failed=failed)
        assert store.upkeep.deferred(Where(namespace=namespace)) == failed
        assert cursor(store, namespace) == two.position
        assert [row.text for row in rows(store, namespace)] == ["one"]


def draft_of(event: Event, component: str) -> Draft:
    """One row of a component."""
    return a_draft(a_record(event, component=component))
