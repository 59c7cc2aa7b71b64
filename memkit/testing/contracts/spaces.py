"""The laws of `memkit.ports.Spaces`: spaces lie side by side, and one at most is in use."""

from __future__ import annotations

import numpy as np
import pytest

from memkit.errors import SpaceError
from memkit.ports import Store
from memkit.testing.contracts.derived import added, rows
from memkit.testing.contracts.law import OfStore
from memkit.testing.contracts.samples import OTHER_SPACE, SPACE, a_draft, a_record, a_vector, fresh_namespace
from memkit.values import Event, Space, Where

E1, E2 = a_vector(1, 0, 0, 0), a_vector(0, 1, 0, 0)


class SpaceLaws(OfStore):
    """Vectors of two spaces never meet."""

    def test_a_new_store_has_no_space(self, store: Store) -> None:
        assert store.spaces.every() == []

    def test_one_space_is_in_use_and_the_others_stay(self, store: Store) -> None:
        store.spaces.use(SPACE, whole=False)
        store.spaces.use(OTHER_SPACE, whole=False)
        assert store.spaces.every() == [(SPACE, False), (OTHER_SPACE, True)]
        store.spaces.use(SPACE, whole=True)
        assert store.spaces.every() == [(SPACE, True), (OTHER_SPACE, False)]
        assert store.upkeep.stats(None, ["c"]).spaces == (SPACE, OTHER_SPACE)

    def test_spaces_that_differ_in_anything_are_different(self, store: Store) -> None:
        spaces = [
            SPACE,
            Space(model="m", dimension=4),
            Space(model="contract", dimension=8),
            Space(model="contract", dimension=4, normalised=False),
            Space(model="contract", dimension=4, document_prefix="query: "),
            OTHER_SPACE,
        ]
        for space in spaces:
            store.spaces.use(space, whole=False)
        assert [space for space, _ in store.spaces.every()] == spaces

    def test_missing_names_the_rows_that_want_a_vector_and_have_none(self, store: Store) -> None:
        store.spaces.use(SPACE, whole=False)
        namespace, ids = _some_rows(store)
        assert store.spaces.missing(SPACE, 10) == [(ids[0], "bare"), (ids[2], "shown and said")]
        assert store.spaces.count_missing(SPACE) == 2
        assert store.spaces.missing(SPACE, 1) == [(ids[0], "bare")]
        assert store.spaces.missing(SPACE, 10, after=ids[0]) == [(ids[2], "shown and said")]
        assert [id for id, _ in store.spaces.missing(OTHER_SPACE, 10)] == [ids[0], ids[1], ids[2]]
        assert store.upkeep.stats(Where(namespace=namespace), ["c"]).unembedded == 2

    def test_filled_vectors_are_found_and_do_not_replace_any(self, store: Store) -> None:
        store.spaces.use(SPACE, whole=False)
        namespace, ids = _some_rows(store)
        where = Where(namespace=namespace)
        assert store.derived.shelf("c", where, SPACE).nearest(E1, 9, None)[0].tolist() == [1]
        store.spaces.fill(SPACE, {ids[0]: E1, ids[1]: E2, 1 << 40: E1})
        shelf = store.derived.shelf("c", where, SPACE)
        assert shelf.similarity(E1, np.arange(4)).tolist() == [1, 1, -1, -1]
        assert store.spaces.count_missing(SPACE) == 1
        store.spaces.fill(SPACE, {})
        store.spaces.fill(SPACE, {ids[2]: E2})
        assert store.spaces.missing(SPACE, 9) == []
        assert store.derived.shelf("c", where, SPACE).nearest(E2, 1, None)[0].tolist() == [2]

    def test_a_space_with_gaps_is_not_switched_to_as_whole(self, store: Store) -> None:
        store.spaces.use(SPACE, whole=False)
        _, ids = _some_rows(store)
        with pytest.raises(SpaceError):
            store.spaces.use(OTHER_SPACE, whole=True)
        assert dict(store.spaces.every())[SPACE]
        store.spaces.fill(OTHER_SPACE, dict.fromkeys(ids[:3], E2))
        store.spaces.use(OTHER_SPACE, whole=True)
        assert dict(store.spaces.every()) == {SPACE: False, OTHER_SPACE: True}

    def test_after_a_switch_the_old_space_is_refused_and_the_new_one_found(self, store: Store) -> None:
        store.spaces.use(SPACE, whole=False)
        namespace, ids = _some_rows(store)
        where = Where(namespace=namespace)
        store.derived.shelf("c", where, SPACE)
        store.spaces.fill(OTHER_SPACE, dict.fromkeys(ids[:3], E2))
        store.spaces.use(OTHER_SPACE, whole=True)
        with pytest.raises(SpaceError):
            store.derived.shelf("c", where, SPACE)
        (event,) = added(store, "late", namespace=namespace)
        with pytest.raises(SpaceError):
            store.derived.commit(
                namespace, "c", a_draft(a_record(event, vector=E1)), SPACE, since=1 << 40, upto=event.position
            )
        shelf = store.derived.shelf("c", where, OTHER_SPACE)
        assert shelf.similarity(E2, np.arange(4)).tolist() == [1, 1, 1, -1]
        store.spaces.use(SPACE, whole=False)  # and back: nothing was lost
        assert store.derived.shelf("c", where, SPACE).similarity(E1, np.arange(4)).tolist() == [-1, 1, -1, -1]

    def test_a_space_in_use_is_not_discarded_and_another_one_is_with_its_vectors(self, store: Store) -> None:
        store.spaces.use(SPACE, whole=False)
        _, ids = _some_rows(store)
        store.spaces.fill(OTHER_SPACE, {ids[0]: E2})
        with pytest.raises(SpaceError):
            store.spaces.discard(SPACE)
        store.spaces.discard(OTHER_SPACE)
        assert store.spaces.every() == [(SPACE, True)]
        assert store.spaces.count_missing(OTHER_SPACE) == 3

    def test_rows_without_a_vector_can_be_read_without_a_space(self, store: Store) -> None:
        namespace, _ = _some_rows(store, vectors=False)
        shelf = store.derived.shelf("c", Where(namespace=namespace), None)
        assert shelf.size == 4
        assert shelf.nearest(E1, 3, None)[0].tolist() == []
        assert shelf.similarity(E1, np.arange(4)).tolist() == [-1] * 4


def _some_rows(store: Store, *, vectors: bool = True) -> tuple[str, list[int]]:
    """A row without a vector, one with, one with an index text and without, and one that wants none."""
    namespace = fresh_namespace()
    events: list[Event] = added(store, "bare", "given", "shown", "not wanted", namespace=namespace)
    draft = a_draft(
        a_record(events[0]),
        a_record(events[1], vector=E1 if vectors else None),
        a_record(events[2], index="shown and said"),
        a_record(events[3], embed=False),
    )
    space = SPACE if vectors else None
    # a cursor far ahead: what is added later belongs to the law that adds it
    assert store.derived.commit(namespace, "c", draft, space, since=0, upto=1 << 40)
    return namespace, [row.id for row in rows(store, namespace)]
