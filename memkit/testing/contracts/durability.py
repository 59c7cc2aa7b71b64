"""What was acknowledged is there for whoever opens the database next; what was closed says so."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from memkit.errors import ClosedError
from memkit.ports import Store
from memkit.testing.contracts.derived import added, cursor, failure, rows
from memkit.testing.contracts.law import OfStore
from memkit.testing.contracts.samples import SPACE, a_draft, a_record, a_vector, an_event, fresh_namespace
from memkit.values import Where


class DurabilityLaws(OfStore):
    """Opening again, and closing."""

    def test_everything_acknowledged_is_seen_by_a_second_store(self, store: Store, another: Store) -> None:
        """The first one is not closed: the process may have died instead."""
        namespace = fresh_namespace()
        where = Where(namespace=namespace)
        store.spaces.use(SPACE, whole=False)
        one, two = added(store, "one", "two", namespace=namespace, metadata={"k": [1, {"é": None}]})
        draft = a_draft(a_record(one, vector=a_vector(1, 0, 0, 0)))
        store.derived.commit(namespace, "c", draft, SPACE, since=0, upto=two.position, failed=[failure(two)])
        assert another.journal.read(where) == [one, two]
        assert rows(another, namespace) == rows(store, namespace) != []
        assert another.derived.shelf("c", where, SPACE).nearest(a_vector(1, 0, 0, 0), 1, None)[1].tolist() == [1]
        assert cursor(another, namespace) == two.position
        assert another.upkeep.deferred(where) == [failure(two)]
        assert another.spaces.every() == [(SPACE, True)]
        assert store.calls.keep(namespace, "c", "k", "reply", [one.id])
        assert another.calls.find(namespace, "c", ["k"]) == {"k": "reply"}

    def test_two_stores_see_each_others_changes_at_once(self, store: Store, another: Store) -> None:
        namespace = fresh_namespace()
        where = Where(namespace=namespace)
        stores = (store, another)
        since = 0
        for n in range(6):
            writer, reader = stores[n % 2], stores[1 - n % 2]
            assert cursor(reader, namespace) == since
            (event,) = added(writer, f"{n}", namespace=namespace)
            assert reader.journal.read(where, after=since) == [event]
            assert reader.derived.progress(where, ["c"])[namespace].head == event.position
            assert writer.derived.commit(
                namespace, "c", a_draft(a_record(event)), None, since=since, upto=event.position
            )
            since = event.position
            assert len(rows(reader, namespace)) == n + 1
        another.upkeep.forget(where, verify=False)
        assert (store.journal.read(where), rows(store, namespace), cursor(store, namespace)) == ([], [], 0)

    def test_forgotten_events_are_gone_for_a_second_store(self, store: Store, another: Store) -> None:
        namespace = fresh_namespace()
        (event,) = added(store, "one", namespace=namespace)
        store.upkeep.forget(Where(namespace=namespace), verify=False)
        assert another.journal.read(Where(namespace=namespace)) == []
        (later,) = added(another, "two", namespace=namespace)
        assert later.position > event.position

    def test_a_closed_store_says_so(self, store: Store) -> None:
        namespace = fresh_namespace()
        where = Where(namespace=namespace)
        (event,) = added(store, "one", namespace=namespace)
        store.derived.commit(namespace, "c", a_draft(a_record(event)), None, since=0, upto=event.position)
        store.derived.shelf("c", where, None)
        store.close()
        store.close()  # once more does nothing
        calls: list[Callable[[], object]] = [
            lambda: store.journal.append([an_event(namespace=namespace)]),
            lambda: store.journal.read(where),
            lambda: store.journal.namespaces(),
            lambda: store.derived.progress(where, ["c"]),
            lambda: store.derived.commit(namespace, "c", a_draft(), None, since=event.position, upto=9),
            lambda: store.derived.shelf("c", where, None),
            lambda: store.derived.records("c", where, [1]),
            lambda: store.derived.every(where),
            lambda: store.upkeep.forget(where, verify=False),
            lambda: store.upkeep.rewind(where, "c"),
            lambda: store.upkeep.deferred(None),
            lambda: store.upkeep.stats(None, ["c"]),
            lambda: store.spaces.every(),
            lambda: store.spaces.use(SPACE, whole=False),
            lambda: store.calls.find(namespace, "c", ["k"]),
            lambda: store.calls.keep(namespace, "c", "k", "reply", [event.id]),
        ]
        for call in calls:
            with pytest.raises(ClosedError):
                call()
