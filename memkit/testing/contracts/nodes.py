"""The laws of names and facts: they have vectors of their own, and are there as long as an extraction has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from memkit.absorbing import nodes_of
from memkit.errors import SpaceError
from memkit.ports import Store, stage_of
from memkit.testing.contracts.derived import added, cursor, failure
from memkit.testing.contracts.extractions import names_read, only, read
from memkit.testing.contracts.law import OfStore, law
from memkit.testing.contracts.samples import (
    OTHER_SPACE,
    SPACE,
    a_draft,
    a_record,
    a_vector,
    an_extraction,
    fresh_namespace,
    some_extractions,
)
from memkit.values import Draft, Extraction, Fact, Where

E1 = a_vector(1, 0, 0, 0)


def vectors_for(*extractions: Extraction) -> Mapping[str, NDArray[np.float32]]:
    """A vector for each name and fact that wants one."""
    wanted = nodes_of(Draft((), extractions))
    return {text: a_vector(len(text), 1, sum(map(ord, text)) % 997, 0) for text in wanted}


class NodeLaws(OfStore):
    """Names and facts have vectors of their own, and are there as long as an extraction has them."""

    @law(25)
    @given(data=st.data(), size=st.integers(1, 5))
    def test_what_is_left_after_forgetting_is_what_the_others_make_alone(
        self, store: Store, data: st.DataObject, size: int
    ) -> None:
        """A and B, without B, is A: extraction for extraction, and with the same vectors."""
        store.spaces.use(SPACE, whole=False)
        once, never = fresh_namespace(), fresh_namespace()
        events = added(store, *(f"{n}" for n in range(size)), namespace=once)
        drafted = [data.draw(some_extractions(event, stage)) for event in events for stage in (0, 1)]
        since = 0
        for event in events:
            own = [one for one in drafted if one.source.event == event.id]
            draft = a_draft(*own, vectors=vectors_for(*own) if data.draw(st.booleans()) else {})
            assert store.derived.commit(once, "c", draft, SPACE, since=since, upto=event.position)
            since = event.position
        store.spaces.fill(SPACE, {id: E1 for id, _ in store.spaces.missing(SPACE, 1000)})
        gone = data.draw(st.frozensets(st.integers(0, size - 1), min_size=1))
        result = store.upkeep.forget(only(*(events[n] for n in gone)), verify=True)
        assert (result.events, result.records, result.replayed, result.traces) == (len(gone), 0, 0, ())
        kept = [one for one in drafted if one.source.event not in {events[n].id for n in gone}]
        assert read(store, once) == kept
        texts = nodes_of(Draft((), tuple(drafted)))
        left = nodes_of(Draft((), tuple(kept)))
        assert store.derived.unembedded(once, "c", texts, SPACE) == [text for text in texts if text not in left]
        assert store.derived.unembedded(never, "c", texts, SPACE) == texts

    def test_more_names_than_a_statement_takes_values_are_kept(self, store: Store) -> None:
        namespace = fresh_namespace()
        store.spaces.use(SPACE, whole=False)
        (event,) = added(store, "many", namespace=namespace)
        names = [f"name {n}" for n in range(2_500)]
        one = an_extraction(event, *names, facts=(Fact("x" * 9_000, "is longer than an index entry", "y" * 9_000),))
        draft = a_draft(one, vectors=vectors_for(one))
        assert store.derived.commit(namespace, "c", draft, SPACE, since=0, upto=event.position)
        assert read(store, namespace) == [one]
        assert store.derived.unembedded(namespace, "c", [*names, "new"], SPACE) == ["new"]
        assert store.upkeep.forget(Where(namespace=namespace), verify=True).proven
        assert store.derived.unembedded(namespace, "c", names, SPACE) == names

    def test_only_what_has_no_vector_yet_wants_one(self, store: Store) -> None:
        namespace, other = fresh_namespace(), fresh_namespace()
        (event,) = added(store, "hello", namespace=namespace)
        fact, bare = Fact("ana", "likes", "ben"), Fact("ana", "sees", "ben", embed=False)
        one = an_extraction(event, "cem", "ana", facts=(fact, bare))
        wanted = ["cem", fact.embedded, "ana", "cem", "new", bare.embedded]
        assert store.derived.unembedded(namespace, "c", wanted, SPACE) == list(dict.fromkeys(wanted))
        store.spaces.use(SPACE, whole=False)
        draft = a_draft(one, vectors={"ana": E1, fact.embedded: E1, "stranger": E1, bare.embedded: E1})
        assert store.derived.commit(namespace, "c", draft, SPACE, since=0, upto=event.position)
        assert store.derived.unembedded(namespace, "c", wanted, SPACE) == ["cem", "new", bare.embedded]
        for there, component, space in ((other, "c", SPACE), (namespace, "d", SPACE), (namespace, "c", OTHER_SPACE)):
            assert store.derived.unembedded(there, component, ["ana"], space) == ["ana"]
        assert store.derived.unembedded(namespace, "c", [], SPACE) == []

    def test_vectors_of_names_in_a_space_that_is_not_in_use_are_refused(self, store: Store) -> None:
        namespace = fresh_namespace()
        (event,) = added(store, "hello", namespace=namespace)
        store.spaces.use(SPACE, whole=False)
        draft = a_draft(an_extraction(event, "ana"), vectors={"ana": E1})
        for space in (None, OTHER_SPACE):
            with pytest.raises(SpaceError):
                store.derived.commit(namespace, "c", draft, space, since=0, upto=event.position)
        assert read(store, namespace) == []
        assert store.derived.commit(namespace, "c", draft, SPACE, since=0, upto=event.position)

    def test_an_older_name_gets_the_vector_that_comes_with_a_later_extraction(self, store: Store) -> None:
        """As when an embedder is given to a memory that had none."""
        namespace = fresh_namespace()
        one, two = added(store, "one", "two", namespace=namespace)
        first = an_extraction(one, "ana", "ben")
        assert store.derived.commit(namespace, "c", a_draft(first), None, since=0, upto=one.position)
        store.spaces.use(SPACE, whole=False)
        second = a_draft(an_extraction(two, "ana"), vectors={"ana": E1})
        assert store.derived.commit(namespace, "c", second, SPACE, since=one.position, upto=two.position)
        assert store.derived.unembedded(namespace, "c", ["ana", "ben"], SPACE) == ["ben"]

    def test_a_name_keeps_its_vector_as_long_as_anything_has_it(self, store: Store) -> None:
        namespace = fresh_namespace()
        store.spaces.use(SPACE, whole=False)
        one, two, three = added(store, "one", "two", "three", namespace=namespace)
        fact = Fact("ana", "knows", "ben")
        drafted = (an_extraction(one, "ana"), an_extraction(two, facts=(fact,)), an_extraction(three, "cem"))
        draft = a_draft(*drafted, vectors=vectors_for(*drafted))
        assert store.derived.commit(namespace, "c", draft, SPACE, since=0, upto=three.position)
        texts = ["ana", "ben", "cem", fact.embedded]
        for event, gone in ((one, []), (two, ["ana", "ben", fact.embedded]), (three, texts)):
            assert store.upkeep.forget(only(event), verify=True).proven
            assert store.derived.unembedded(namespace, "c", texts, SPACE) == gone

    def test_names_and_facts_are_filled_as_rows_are(self, store: Store) -> None:
        """They come after all rows, however many are asked for at once."""
        namespace = fresh_namespace()
        store.spaces.use(SPACE, whole=False)
        one, two = added(store, "one", "two", namespace=namespace)
        fact, bare = Fact("ana", "likes", "ben"), Fact("ana", "sees", "ben", embed=False)
        draft = a_draft(a_record(one), an_extraction(one, "ana", "ben", facts=(fact, bare)))
        assert store.derived.commit(namespace, "c", draft, SPACE, since=0, upto=one.position)
        assert store.derived.commit(
            namespace, "c", a_draft(a_record(two), an_extraction(two, "cem")), SPACE, since=one.position, upto=1 << 40
        )
        every = store.spaces.missing(SPACE, 100)
        assert [text for _, text in every] == ["one", "two", "ana", "ben", fact.embedded, "cem"]
        assert store.spaces.count_missing(SPACE) == len(every) == store.upkeep.stats(None, ["c"]).unembedded
        for limit in range(1, 8):
            paged: list[tuple[int, str]] = []
            while page := store.spaces.missing(SPACE, limit, after=paged[-1][0] if paged else 0):
                paged += page
            assert paged == every
        ids = {text: id for id, text in every}
        store.spaces.fill(SPACE, {ids["one"]: E1, ids["ana"]: E1, ids["cem"]: E1, 1 << 40: E1, -1 << 40: E1})
        store.spaces.fill(SPACE, {ids["cem"]: a_vector(0, 1, 0, 0)})
        assert store.derived.unembedded(namespace, "c", ["ana", "ben", "cem"], SPACE) == ["ben"]
        nothing = fresh_namespace()
        assert store.spaces.missing(SPACE, 9, where=Where(namespace=nothing)) == []
        assert store.upkeep.stats(Where(namespace=nothing), ["c"]).unembedded == 0
        with pytest.raises(SpaceError):
            store.spaces.use(SPACE, whole=True)
        left = store.spaces.missing(SPACE, 9, where=Where(namespace=namespace))
        assert [text for _, text in left] == ["two", "ben", fact.embedded]
        store.spaces.fill(SPACE, {id: E1 for id, _ in left})
        store.spaces.use(SPACE, whole=True)
        assert store.upkeep.forget(Where(namespace=namespace), verify=True).proven

    def test_beginning_again_takes_extractions_and_both_cursors(self, store: Store) -> None:
        namespace, stage = fresh_namespace(), stage_of("c")
        store.spaces.use(SPACE, whole=False)
        one, two = added(store, "one", "two", namespace=namespace)
        for component in ("c", "d"):
            first = an_extraction(one, "ana", component=component, facts=(Fact("ana", "is", component),))
            draft, later = a_draft(first, vectors=vectors_for(first)), a_draft(replace(first, stage=1))
            failed = [failure(two, component=stage_of(component))]
            assert store.derived.commit(namespace, component, draft, SPACE, since=0, upto=two.position)
            assert store.derived.commit(
                namespace, stage_of(component), later, SPACE, since=0, upto=two.position, failed=failed
            )
        assert store.upkeep.rewind(Where(namespace=namespace), "c") == 0
        assert (read(store, namespace), cursor(store, namespace), cursor(store, namespace, stage)) == ([], 0, 0)
        assert store.derived.unembedded(namespace, "c", ["ana"], SPACE) == ["ana"]
        assert [entry.component for entry in store.upkeep.deferred(Where(namespace=namespace))] == [stage_of("d")]
        assert cursor(store, namespace, stage_of("d")) == two.position
        assert (len(read(store, namespace, "d")), store.derived.unembedded(namespace, "d", ["ana"], SPACE)) == (2, [])
        assert store.derived.commit(namespace, "c", a_draft(an_extraction(one, "ana")), SPACE, since=0, upto=1)
        assert store.upkeep.forget(Where(namespace=namespace), verify=True).proven

    def test_a_component_that_absorbs_again_makes_its_extractions_again(self, store: Store) -> None:
        """As it does its rows: those of the events from the forgotten one on, by both readings."""
        namespace, stage = fresh_namespace(), stage_of("c")
        one, two, three = events = added(store, "one", "two", "three", namespace=namespace)
        first = [an_extraction(event, event.text) for event in events]
        draft = a_draft(a_record(three, two), *first)
        assert store.derived.commit(namespace, "c", draft, None, since=0, upto=three.position)
        failed = [failure(event, component=stage) for event in (one, three)]
        second = a_draft(*(replace(extraction, stage=1) for extraction in first[:2]))
        assert store.derived.commit(namespace, stage, second, None, since=0, upto=three.position, failed=failed)
        assert store.upkeep.forget(only(two), verify=True).proven
        assert names_read(store, namespace) == [("one",), ("one",)]
        assert one.position <= cursor(store, namespace) < two.position
        assert one.position <= cursor(store, namespace, stage) < two.position
        assert store.upkeep.deferred(Where(namespace=namespace)) == failed[:1]

    def test_a_retried_extraction_in_the_light_of_later_events_is_made_again(self, store: Store) -> None:
        namespace, stage = fresh_namespace(), stage_of("c")
        one, two, three = events = added(store, "one", "two", "three", namespace=namespace)
        draft = a_draft(*(an_extraction(event, event.text) for event in events))
        assert store.derived.commit(namespace, "c", draft, None, since=0, upto=three.position)
        failed = failure(two, component=stage)
        assert store.derived.commit(namespace, stage, a_draft(), None, since=0, upto=three.position, failed=[failed])
        late = a_draft(an_extraction(two, "late", stage=1), an_extraction(three, "later", stage=1))
        assert store.upkeep.retry(failed, late, None)
        assert names_read(store, namespace) == [("one",)]
        for name in ("c", stage):
            assert one.position <= cursor(store, namespace, name) < two.position
        assert store.upkeep.deferred(Where(namespace=namespace)) == []

    def test_nothing_is_left_of_a_name_or_of_how_it_was_written(self, store: Store) -> None:
        """What a remaining event's extraction says is no trace, though the event itself writes it differently."""
        namespace = fresh_namespace()
        one, two = added(
            store, "the secret ingredient is nutmeg", "The Secret Ingredient is Pepper", namespace=namespace
        )
        written = ("The Secret Ingredient", 'IS "said" to be', "Nutmeg\nof Grenada")
        secret = Fact("the secret ingredient", "is said to be", "nutmeg of grenada", shown=written)
        drafted = (
            an_extraction(one, "nutmeg of grenada", facts=(secret,), shown={"nutmeg of grenada": "Nutmeg\nof Grenada"}),
            an_extraction(two, "the secret ingredient is pepper", facts=(Fact("the secret ingredient", "is", "x"),)),
        )
        assert store.derived.commit(namespace, "c", a_draft(*drafted), None, since=0, upto=two.position)
        result = store.upkeep.forget(only(one), verify=True)
        assert result.traces == ()
        assert {"table extractions", "table edges", "table nodes", "table synonyms"} <= set(result.searched)
        assert read(store, namespace) == [drafted[1]]
