"""The laws of extractions: what was read out of events comes back as it was, once."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memkit.errors import AbsorbError
from memkit.ports import Store, stage_of
from memkit.testing.contracts.derived import added, cursor, failure, rows
from memkit.testing.contracts.law import OfStore, law
from memkit.testing.contracts.samples import (
    a_draft,
    a_record,
    a_vector,
    an_event,
    an_extraction,
    around,
    fresh_namespace,
    some_extractions,
)
from memkit.testing.threads import at_once
from memkit.values import Event, Extraction, Fact, Where

E1 = a_vector(1, 0, 0, 0)


def read(store: Store, namespace: str, component: str = "c") -> list[Extraction]:
    """The component's extractions in the namespace alone."""
    return store.derived.extractions(component, Where(namespace=namespace))


def only(*events: Event) -> Where:
    return Where(namespace=events[0].namespace, ids=frozenset(event.id for event in events))


def names_read(store: Store, namespace: str) -> list[tuple[str, ...]]:
    return [one.names for one in read(store, namespace)]


class ExtractionLaws(OfStore):
    """An extraction is kept as it was drafted, and as long as its event."""

    @law()
    @given(
        data=st.data(), spans=st.lists(st.tuples(st.integers(0, 3), st.integers(3, 9), st.integers(0, 1)), unique=True)
    )
    def test_extractions_come_back_as_they_were_drafted(
        self, store: Store, data: st.DataObject, spans: list[tuple[int, int, int]]
    ) -> None:
        """By their place in the journal, and then by stage."""
        namespace = fresh_namespace()
        events = added(store, "one and two", "three and more", namespace=namespace)
        given = [
            data.draw(some_extractions(event, stage, start, end)) for event in events for start, end, stage in spans
        ]
        drafted = data.draw(st.permutations(given))
        assert store.derived.commit(namespace, "c", a_draft(*drafted), None, since=0, upto=events[-1].position)
        back = read(store, namespace)
        assert [one for event in events for one in back if one.source.event == event.id] == back
        of_one = [(one.source.start, one.source.end, one.stage) for one in back if one.source.event == events[0].id]
        assert of_one == sorted(spans)
        assert sorted(back, key=repr) == sorted(given, key=repr)

    def test_extractions_are_reached_by_their_component_and_in_scope_alone(self, store: Store) -> None:
        base = fresh_namespace()
        places = around(base)
        for place in places:
            (event,) = added(store, "hello", namespace=place)
            for component in ("c", "d"):
                draft = a_draft(an_extraction(event, f"{component} in {place}", component=component))
                assert store.derived.commit(place, component, draft, None, since=0, upto=event.position)
        for place in places:
            assert names_read(store, place) == [(f"c in {place}",)]
        wide = store.derived.extractions("d", Where(namespace=base, below=True))
        inside = [place for place in places if place == base or place.startswith(f"{base}/")]
        assert [one.names for one in wide] == [(f"d in {place}",) for place in inside]
        assert [one.namespace for one in wide] == inside

    def test_an_extraction_of_an_event_that_is_not_there_is_refused_with_all_of_the_draft(self, store: Store) -> None:
        namespace, other = fresh_namespace(), fresh_namespace()
        (mine,), (theirs,) = added(store, "mine", namespace=namespace), added(store, "theirs", namespace=other)
        for stranger in (theirs, an_event("never added", namespace=namespace)):
            strange = replace(an_extraction(stranger, "ana"), namespace=namespace)
            draft = a_draft(a_record(mine), an_extraction(mine, "ben"), strange)
            with pytest.raises(AbsorbError):
                store.derived.commit(namespace, "c", draft, None, since=0, upto=mine.position)
        assert (rows(store, namespace), read(store, namespace), cursor(store, namespace)) == ([], [], 0)

    def test_a_span_has_one_extraction_of_a_stage(self, store: Store) -> None:
        namespace = fresh_namespace()
        one, two = added(store, "one", "two", namespace=namespace)
        first = an_extraction(one, "ana")
        assert store.derived.commit(namespace, "c", a_draft(first), None, since=0, upto=one.position)
        again, beside = replace(first, names=("ben",)), an_extraction(two, "ben")
        for draft in (a_draft(again), a_draft(beside, beside)):
            with pytest.raises(AbsorbError, match="stage 0"):
                store.derived.commit(namespace, "c", draft, None, since=one.position, upto=two.position)
        assert (read(store, namespace), cursor(store, namespace)) == ([first], one.position)
        half = replace(first, source=replace(first.source, end=1))
        draft = a_draft(half, beside, replace(first, stage=1), replace(first, component="d"))
        assert store.derived.commit(namespace, "c", draft, None, since=one.position, upto=two.position)
        assert len(read(store, namespace)) == 4

    def test_a_name_that_no_database_takes_is_refused_and_what_was_written_is_not(self, store: Store) -> None:
        namespace = fresh_namespace()
        (event,) = added(store, "hello", namespace=namespace)
        for name in ("a\0b", "\ud83d"):
            with pytest.raises(AbsorbError, match="name"):
                store.derived.commit(
                    namespace, "c", a_draft(an_extraction(event, name)), None, since=0, upto=event.position
                )
        fact = Fact("ana", "says\0", "ben", shown=("Ana\0", "\ud83d", "Ben"))
        one = an_extraction(event, "ana", facts=(fact,), shown={"ana": "\ud83d Ana"})
        assert store.derived.commit(namespace, "c", a_draft(one), None, since=0, upto=event.position)
        assert read(store, namespace) == [one]

    def test_a_second_reading_has_its_own_cursor_and_the_component_its_extractions(self, store: Store) -> None:
        namespace, stage = fresh_namespace(), stage_of("c")
        one, two = added(store, "one", "two", namespace=namespace)
        first = [an_extraction(event, "ana") for event in (one, two)]
        assert store.derived.commit(namespace, "c", a_draft(*first), None, since=0, upto=two.position)
        second = replace(first[0], names=("ana", "ben"), stage=1, by="a model")
        failed = [failure(two, component=stage)]
        commit = store.derived.commit
        assert commit(namespace, stage, a_draft(second), None, since=0, upto=two.position, failed=failed)
        assert (cursor(store, namespace), cursor(store, namespace, stage)) == (two.position, two.position)
        assert read(store, namespace) == [first[0], second, first[1]]
        late = replace(first[1], stage=1)
        assert store.upkeep.retry(failed[0], a_draft(late), None)
        assert not store.upkeep.retry(failed[0], a_draft(late), None)
        assert read(store, namespace) == [first[0], second, first[1], late]
        assert read(store, namespace, stage) == []
        store.upkeep.forget(only(one), verify=False)
        assert read(store, namespace) == [first[1], late]

    def test_of_extractions_committed_at_the_same_time_one_stays(self, store: Store, another: Store) -> None:
        """And names that two components, or a component and its second reading, enter at once are entered once for each."""
        namespace = fresh_namespace()
        events = added(store, *(f"{n}" for n in range(6)), namespace=namespace)
        won: list[Extraction] = []

        def absorb(own: Store, name: str, number: int) -> None:
            since, stage = 0, number % 2
            for event in events:
                one = an_extraction(event, "ana", name, facts=(Fact("ana", "is", name),), stage=stage, by=f"{number}")
                owner = stage_of("c") if stage else "c"
                if own.derived.commit(namespace, owner, a_draft(one), None, since=since, upto=event.position):
                    won.append(one)
                since = event.position

        workers = [(own, name, number) for number, (own, name) in enumerate(((store, "a"), (another, "b")) * 2)]
        at_once([partial(absorb, *work) for work in workers])
        assert sorted(read(store, namespace), key=repr) == sorted(won, key=repr)
        assert [one.stage for one in read(store, namespace)] == [0, 1] * len(events)
