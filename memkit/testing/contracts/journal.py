"""The laws of `memkit.ports.Journal`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memkit.errors import MemkitError
from memkit.ports import Journal, Store
from memkit.testing.contracts.law import OfStore, law
from memkit.testing.contracts.samples import an_event, around, fresh_namespace, some_events
from memkit.testing.threads import at_once
from memkit.values import Event, Where


class JournalLaws(OfStore):
    """Events go in whole, once, in order, and come out as they were."""

    @law()
    @given(events=some_events())
    def test_events_come_back_exactly_as_they_went_in(self, store: Store, events: list[Event]) -> None:
        receipt = store.journal.append(events)
        assert receipt.ids == tuple(event.id for event in events)
        assert (receipt.known, receipt.added) == (frozenset(), len(events))
        for namespace in {event.namespace for event in events}:
            back = store.journal.read(Where(namespace=namespace))
            assert [replace(event, position=0) for event in back] == [e for e in events if e.namespace == namespace]
            assert all(type(a) is type(b) for x, y in _paired(back, events) for a, b in _leaves(x, y))

    def test_the_order_of_the_journal_is_that_of_appending_whatever_the_times_say(self, store: Store) -> None:
        namespace = fresh_namespace()
        for minute in (5, -5, 0):
            store.journal.append([an_event(f"{minute} {n}", namespace=namespace, minute=minute - n) for n in range(3)])
        back = store.journal.read(Where(namespace=namespace))
        assert [event.text for event in back] == [f"{minute} {n}" for minute in (5, -5, 0) for n in range(3)]
        positions = [event.position for event in back]
        assert positions[0] > 0
        assert positions == sorted(set(positions))

    def test_a_batch_is_stored_whole_or_not_at_all(self, store: Store) -> None:
        namespace = fresh_namespace()
        good = [an_event(f"good {n}", namespace=namespace) for n in range(3)]
        bad = an_event("half of a character: \ud800", namespace=namespace)
        with pytest.raises((ValueError, MemkitError)):
            store.journal.append([*good[:2], bad, good[2]])
        assert store.journal.read(Where(namespace=namespace)) == []
        assert store.journal.append(good).added == 3

    def test_nothing_to_append_is_nothing_done(self, store: Store) -> None:
        assert store.journal.append([]).ids == ()

    def test_an_event_with_a_known_id_is_not_stored_again(self, store: Store) -> None:
        first, second = (an_event(text, namespace=fresh_namespace()) for text in ("first", "second"))
        store.journal.append([first])
        receipt = store.journal.append([replace(first, text="changed"), second])
        assert receipt.ids == (first.id, second.id)
        assert receipt.known == {first.id}
        assert [event.text for event in store.journal.read(Where(namespace=first.namespace))] == ["first"]

    def test_an_event_with_a_known_key_is_not_stored_again_in_its_namespace(self, store: Store) -> None:
        namespace, other = fresh_namespace(), fresh_namespace()
        first = an_event("first", namespace=namespace, key="k")
        again, elsewhere = an_event("again", namespace=namespace, key="k"), an_event("there", namespace=other, key="k")
        store.journal.append([first], minted=True)
        receipt = store.journal.append([again, elsewhere], minted=True)
        assert receipt.ids == (first.id, elsewhere.id)
        assert receipt.known == {first.id}
        assert [event.text for event in store.journal.read(Where(namespace=namespace))] == ["first"]
        assert [event.text for event in store.journal.read(Where(namespace=other))] == ["there"]

    def test_a_key_that_comes_twice_in_a_batch_is_stored_once(self, store: Store) -> None:
        namespace = fresh_namespace()
        first, again, other = (
            an_event(t, namespace=namespace, key=key) for t, key in (("1", "k"), ("2", "k"), ("3", "l"))
        )
        receipt = store.journal.append([first, again, other, first])
        assert receipt.ids == (first.id, first.id, other.id, first.id)
        assert receipt.added == 2
        assert [event.text for event in store.journal.read(Where(namespace=namespace))] == ["1", "3"]

    def test_a_large_batch_finds_its_known_events(self, store: Store) -> None:
        namespace = fresh_namespace()
        events = [an_event(f"{n}", namespace=namespace, key=f"k{n}") for n in range(1100)]
        store.journal.append(events[::2])
        receipt = store.journal.append([an_event(e.text, namespace=namespace, key=e.key) for e in events])
        assert receipt.known == {event.id for event in events[::2]}
        back = store.journal.read(Where(namespace=namespace))
        assert [event.text for event in back] == [f"{n}" for n in (*range(0, 1100, 2), *range(1, 1100, 2))]

    @law()
    @given(
        size=st.integers(0, 9),
        after=st.integers(-1, 9),
        before=st.none() | st.integers(-1, 9),
        limit=st.none() | st.integers(0, 10),
        newest=st.booleans(),
    )
    def test_after_before_limit_and_newest_cut_the_list(
        self, store: Store, size: int, after: int, before: int | None, limit: int | None, newest: bool
    ) -> None:
        namespace, noise = fresh_namespace(), fresh_namespace()
        for n in range(size):
            store.journal.append([an_event(f"{n}", namespace=namespace), an_event("noise", namespace=noise)])
        every = store.journal.read(Where(namespace=namespace))
        place = every[after].position if 0 <= after < size else 0
        end = None if before is None else every[before].position if 0 <= before < size else 0
        inside = [event for event in every if event.position > place and (end is None or event.position < end)]
        wanted = inside[-limit:] if newest and limit else inside[:limit]
        where = Where(namespace=namespace)
        assert store.journal.read(where, after=place, before=end, limit=limit, newest=newest) == wanted

    def test_the_namespaces_are_those_that_hold_events(self, store: Store) -> None:
        base = fresh_namespace()
        assert store.journal.namespaces(base) == []
        places = around(base)
        store.journal.append([an_event(namespace=place) for place in places])
        below = {place for place in places if place == base or place.startswith(f"{base}/")}
        assert store.journal.namespaces(base) == sorted(below)
        assert set(store.journal.namespaces()) >= set(places)
        assert store.journal.namespaces() == sorted(store.journal.namespaces())

    def test_a_reader_that_follows_the_positions_misses_nothing(self, store: Store) -> None:
        """Positions become visible in their order: a cursor never passes an event that is still being written."""
        namespace = fresh_namespace()
        each, writers = 15, 4
        seen: list[str] = []
        at_once(
            [_writer(store.journal, namespace, number, each) for number in range(writers)]
            + [_follower(store.journal, namespace, seen, each * writers)]
        )
        assert sorted(seen) == sorted(f"{number} {n}" for number in range(writers) for n in range(each))
        for number in range(writers):
            assert [text for text in seen if text.startswith(f"{number} ")] == [f"{number} {n}" for n in range(each)]

    def test_two_stores_that_add_the_same_key_at_once_store_it_once(self, store: Store, another: Store) -> None:
        namespace = fresh_namespace()
        added: list[int] = []

        def add(journal: Journal) -> Callable[[], None]:
            def work() -> None:
                added.extend(
                    journal.append([an_event(f"{n}", namespace=namespace, key=f"k{n}")]).added for n in range(10)
                )

            return work

        at_once([add(one.journal) for one in (store, another) * 2])
        assert sum(added) == 10
        assert len(store.journal.read(Where(namespace=namespace))) == 10


def _writer(journal: Journal, namespace: str, number: int, each: int) -> Callable[[], None]:
    def work() -> None:
        for n in range(each):
            journal.append([an_event(f"{number} {n}", namespace=namespace)])

    return work


def _follower(journal: Journal, namespace: str, seen: list[str], total: int) -> Callable[[], None]:
    def work() -> None:
        place, rounds = 0, 0
        while len(seen) < total and rounds < 20_000:
            rounds += 1
            for event in journal.read(Where(namespace=namespace), after=place, limit=3):
                seen.append(event.text)
                place = event.position

    return work


def _paired(back: Sequence[Event], events: Sequence[Event]) -> list[tuple[object, object]]:
    by_id = {event.id: event for event in events}
    return [(event.metadata, by_id[event.id].metadata) for event in back]


def _leaves(one: object, other: object) -> list[tuple[object, object]]:
    """The single values in two equal JSON values, side by side: 1, 1.0 and True are equal but not the same."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [pair for key in one for pair in _leaves(one[key], other[key])]
    if isinstance(one, list) and isinstance(other, list):
        return [pair for a, b in zip(one, other, strict=True) for pair in _leaves(a, b)]
    return [(one, other)]
