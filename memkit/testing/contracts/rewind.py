"""The laws of `memkit.ports.Upkeep.rewind`: a component begins again, and nobody else notices."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from memkit.ports import Store
from memkit.testing.contracts.derived import added, cursor, draft_of, failure, rows
from memkit.testing.contracts.law import OfStore, law
from memkit.testing.contracts.samples import SPACE, a_draft, a_record, a_vector, around, fresh_namespace
from memkit.values import Where


class RewindLaws(OfStore):
    """All rows of a component go, and its cursors are at the beginning."""

    @law(8)
    @given(place=st.integers(0, len(around("")) - 1), below=st.booleans(), everywhere=st.booleans())
    def test_a_component_begins_again_in_scope_and_only_there(
        self, store: Store, place: int, below: bool, everywhere: bool
    ) -> None:
        store.upkeep.rewind(None, "c")
        places = around(fresh_namespace())
        heads: dict[str, int] = {}
        for path in places:
            one, two, three = added(store, "1", "2", "3", namespace=path)
            for component in ("c", "d"):
                draft = a_draft(a_record(one, component=component), a_record(two, one, component=component))
                failed = [failure(three, component=component)]
                upto = heads[path] = three.position
                assert store.derived.commit(path, component, draft, None, since=0, upto=upto, failed=failed)
        where = None if everywhere else Where(namespace=places[place], below=below)
        inside = [path for path in places if where is None or where.covers(path)]
        assert store.upkeep.rewind(where, "c") == 2 * len(inside)
        for path in places:
            empty = path in inside
            assert len(rows(store, path)) == (0 if empty else 2)
            assert cursor(store, path) == (0 if empty else heads[path])
            assert (len(rows(store, path, "d")), cursor(store, path, "d")) == (2, heads[path])
            waiting = [entry.component for entry in store.upkeep.deferred(Where(namespace=path))]
            assert waiting == (["d"] if empty else ["c", "d"])
            assert len(store.journal.read(Where(namespace=path))) == 3
        assert store.upkeep.rewind(where, "c") == 0

    def test_what_is_absorbed_afterwards_is_stored_and_what_was_underway_is_not(self, store: Store) -> None:
        namespace = fresh_namespace()
        store.spaces.use(SPACE, whole=False)
        one, two = added(store, "one", "two", namespace=namespace)
        draft = a_draft(a_record(one, vector=a_vector(1, 0, 0, 0)))
        store.derived.commit(namespace, "c", draft, SPACE, since=0, upto=one.position, failed=[failure(one)])
        where = Where(namespace=namespace)
        assert store.upkeep.rewind(where, "c") == 1
        late = a_draft(a_record(two))
        assert not store.derived.commit(namespace, "c", late, None, since=one.position, upto=two.position)
        assert not store.upkeep.retry(failure(one), a_draft(a_record(one)), None)
        assert store.derived.commit(namespace, "c", draft, SPACE, since=0, upto=one.position)
        assert store.derived.commit(namespace, "c", late, None, since=one.position, upto=two.position)
        assert [row.text for row in rows(store, namespace)] == ["one", "two"]
        assert store.upkeep.forget(where, verify=True).traces == ()

    def test_a_second_store_sees_at_once_that_a_component_begins_again(self, store: Store, another: Store) -> None:
        namespace = fresh_namespace()
        (event,) = added(store, "alpha", namespace=namespace)
        where, draft = Where(namespace=namespace), a_draft(a_record(event, marks=("m",)))
        for _ in range(3):
            assert store.derived.commit(namespace, "c", draft, None, since=0, upto=event.position)
            shelf = another.derived.shelf("c", where, None)
            assert (shelf.size, shelf.marked("m").tolist()) == (1, [0])
            assert another.upkeep.rewind(where, "c") == 1
            for each in (store, another):
                assert (each.derived.shelf("c", where, None).size, cursor(each, namespace)) == (0, 0)

    def test_a_component_that_never_read_anything_has_nothing_to_lose(self, store: Store) -> None:
        namespace = fresh_namespace()
        (event,) = added(store, "hello", namespace=namespace)
        store.derived.commit(namespace, "d", draft_of(event, "d"), None, since=0, upto=event.position)
        assert store.upkeep.rewind(Where(namespace=namespace), "c") == 0
        assert store.upkeep.rewind(Where(namespace=fresh_namespace()), "d") == 0
        assert len(rows(store, namespace, "d")) == 1
