"""The laws of `memkit.ports.Upkeep`: forgetting along the lineage, the deferred queue, what is held."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from memkit.ports import Store
from memkit.testing.contracts.derived import added, cursor, failure, rows
from memkit.testing.contracts.law import OfStore, law
from memkit.testing.contracts.samples import (
    OTHER_SPACE,
    SPACE,
    START,
    a_draft,
    a_record,
    a_vector,
    fresh_namespace,
)
from memkit.values import Where


@dataclass(frozen=True, slots=True)
class Lineages:
    """Rows by the numbers of their sources, what was absorbed, and what is forgotten."""

    size: int
    absorbed: int
    rows: list[tuple[int, ...]]
    gone: frozenset[int]


@st.composite
def lineages(draw: st.DrawFn) -> Lineages:
    """Each row is made of up to three of the events absorbed so far."""
    size = draw(st.integers(1, 7))
    absorbed = draw(st.integers(0, size))
    sources = st.lists(st.integers(0, absorbed - 1), min_size=1, max_size=3, unique=True).map(tuple)
    made = draw(st.lists(sources, max_size=6, unique=True)) if absorbed else []
    return Lineages(size, absorbed, made, draw(st.frozensets(st.integers(0, size - 1), min_size=1, max_size=2)))


class ForgettingLaws(OfStore):
    """What depends on a forgotten event goes; what else it depended on is absorbed again."""

    def test_forgetting_removes_the_event_and_what_came_from_it_alone(self, store: Store) -> None:
        namespace = fresh_namespace()
        store.spaces.use(SPACE, whole=False)
        events = added(store, "one", "two", "three", namespace=namespace)
        draft = a_draft(*(a_record(event, vector=a_vector(1, 0, 0, 0)) for event in (*events, events[1])))
        store.derived.commit(namespace, "c", draft, SPACE, since=0, upto=events[2].position)
        result = store.upkeep.forget(Where(namespace=namespace, ids=frozenset({events[1].id})), verify=False)
        assert (result.events, result.records, result.replayed, result.traces) == (1, 2, 0, None)
        assert not result.proven
        assert store.journal.read(Where(namespace=namespace)) == [events[0], events[2]]
        assert [row.text for row in rows(store, namespace)] == ["one", "three"]
        assert cursor(store, namespace) == events[2].position
        found, _ = store.derived.shelf("c", Where(namespace=namespace), SPACE).nearest(a_vector(1, 0, 0, 0), 9, None)
        assert len(found) == 2

    def test_forgetting_reaches_every_component_and_no_other_namespace(self, store: Store) -> None:
        base = fresh_namespace()
        places = (base, f"{base}/a", f"{base}a")
        for place in places:
            (event,) = added(store, "hello", namespace=place, session="s")
            for component in ("c", "d"):
                draft = a_draft(a_record(event, component=component))
                store.derived.commit(place, component, draft, None, since=0, upto=event.position)
        result = store.upkeep.forget(Where(namespace=base, below=True, sessions=frozenset({"s"})), verify=False)
        assert (result.events, result.records) == (2, 4)
        left = [(len(rows(store, place, "c")), len(rows(store, place, "d"))) for place in places]
        assert left == [(0, 0), (0, 0), (1, 1)]
        assert store.journal.namespaces(base) == []
        assert len(store.journal.read(Where(namespace=f"{base}a"))) == 1

    def test_forgetting_what_is_not_there_changes_nothing(self, store: Store) -> None:
        namespace = fresh_namespace()
        (event,) = added(store, "hello", namespace=namespace)
        store.derived.commit(namespace, "c", a_draft(a_record(event)), None, since=0, upto=event.position)
        result = store.upkeep.forget(Where(namespace=namespace, sessions=frozenset({"none"})), verify=True)
        assert (result.events, result.records, result.replayed) == (0, 0, 0)
        assert result.proven
        assert len(rows(store, namespace)) == 1

    @law(30)
    @given(case=lineages())
    def test_rows_with_other_sources_are_absorbed_again(self, store: Store, case: Lineages) -> None:
        """After forgetting, no row depends on a forgotten event, none on one behind its component's cursor. The cursor lies
        before the earliest forgotten event that shared a row with others, and what was made before it stays. Other
        components are left alone."""
        namespace = fresh_namespace()
        events = added(store, *(f"{n}" for n in range(case.size)), namespace=namespace)
        made = [a_record(*(events[n] for n in sources), text=f"row {sources}") for sources in case.rows]
        upto = events[case.absorbed - 1].position if case.absorbed else 0
        store.derived.commit(namespace, "c", a_draft(*made), None, since=0, upto=upto)
        singles = [a_record(event, component="d") for event in events]
        store.derived.commit(namespace, "d", a_draft(*singles), None, since=0, upto=events[-1].position)
        gone = frozenset(events[n].id for n in case.gone)
        result = store.upkeep.forget(Where(namespace=namespace, ids=gone), verify=False)
        shared = [case.gone.intersection(row) for row in case.rows if not case.gone.issuperset(row)]
        start = min((n for some in shared for n in some), default=case.size)
        kept = [row for row in case.rows if case.gone.isdisjoint(row) and max(row) < start]
        assert {row.text for row in rows(store, namespace)} == {f"row {row}" for row in kept}
        assert result.records == len(case.rows) - len(kept) + len(gone)
        assert result.replayed == (start < case.size)
        if len(gone) < case.size:
            assert cursor(store, namespace) == (events[start].position - 1 if start < case.size else upto)
            assert cursor(store, namespace, "d") == events[-1].position
        assert [row.text for row in rows(store, namespace, "d")] == [e.text for e in events if e.id not in gone]

    def test_a_row_that_the_forgotten_event_shaped_through_another_row_is_made_again(self, store: Store) -> None:
        """Row 3 does not name event 1, but it came after row 2, which does, and may have been made in its light."""
        namespace = fresh_namespace()
        one, two, three = added(store, "1", "2", "3", namespace=namespace)
        made = (a_record(two, one, text="2 with 1"), a_record(three, text="3 after that"))
        store.derived.commit(namespace, "c", a_draft(*made), None, since=0, upto=three.position)
        store.upkeep.forget(Where(namespace=namespace, ids=frozenset({one.id})), verify=False)
        assert rows(store, namespace) == []
        assert cursor(store, namespace) < two.position

    def test_a_position_is_never_given_twice(self, store: Store) -> None:
        """Otherwise a cursor would pass over the event that gets it."""
        namespace = fresh_namespace()
        (event,) = added(store, "hello", namespace=namespace)
        store.derived.commit(namespace, "c", a_draft(a_record(event)), None, since=0, upto=event.position)
        store.upkeep.forget(Where(namespace=namespace), verify=False)
        (again,) = added(store, "hello", namespace=namespace)
        assert again.position > event.position
        assert cursor(store, namespace) < again.position

    def test_a_verified_forgetting_says_where_it_looked(self, store: Store) -> None:
        namespace = fresh_namespace()
        secret = "the secret ingredient is nutmeg and nothing but nutmeg"
        store.spaces.use(SPACE, whole=False)
        event, other = added(
            store, secret, "more", namespace=namespace, metadata={"caption": "nutmeg in a bowl, from above"}
        )
        draft = a_draft(a_record(event, vector=a_vector(1, 0, 0, 0)), a_record(event, other))
        store.derived.commit(namespace, "c", draft, SPACE, since=0, upto=other.position, failed=[failure(event)])
        result = store.upkeep.forget(Where(namespace=namespace), verify=True)
        assert (result.events, result.records, result.traces) == (2, 2, ())
        assert result.proven
        assert result.searched


class QueueLaws(OfStore):
    """The deferred queue, and the statistics, which show it."""

    def test_a_retried_event_leaves_the_queue_with_its_rows(self, store: Store) -> None:
        namespace = fresh_namespace()
        one, two = added(store, "one", "two", namespace=namespace)
        failed = [failure(one), failure(two)]
        store.derived.commit(namespace, "c", a_draft(), None, since=0, upto=two.position, failed=failed)
        assert store.upkeep.deferred(Where(namespace=namespace)) == failed
        assert store.upkeep.retry(failed[1], a_draft(a_record(two)), None)
        assert store.upkeep.deferred(Where(namespace=namespace)) == failed[:1]
        assert not store.upkeep.retry(failed[1], a_draft(a_record(two)), None)
        assert store.upkeep.retry(failed[0], a_draft(a_record(one)), None)
        assert [row.text for row in rows(store, namespace)] == ["one", "two"]
        assert cursor(store, namespace) == two.position

    def test_an_event_that_failed_again_says_so(self, store: Store) -> None:
        namespace = fresh_namespace()
        (event,) = added(store, "one", namespace=namespace)
        entry, others = failure(event), failure(event, component="d")
        for one in (entry, others):
            store.derived.commit(namespace, one.component, a_draft(), None, since=0, upto=event.position, failed=[one])
        again = replace(entry, attempts=4, error="TypeError: still no", at=START.replace(year=2025))
        store.upkeep.failed_again(again)
        assert store.upkeep.deferred(None) == [again, others]
        store.upkeep.retry(again, a_draft(), None)
        store.upkeep.failed_again(again)
        assert store.upkeep.deferred(None) == [others]

    def test_a_forgotten_event_leaves_the_queue(self, store: Store) -> None:
        namespace = fresh_namespace()
        one, two = added(store, "one", "two", namespace=namespace)
        failed = [failure(one), failure(two)]
        store.derived.commit(namespace, "c", a_draft(), None, since=0, upto=two.position, failed=failed)
        store.upkeep.forget(Where(namespace=namespace, ids=frozenset({one.id})), verify=False)
        assert store.upkeep.deferred(Where(namespace=namespace)) == failed[1:]
        assert not store.upkeep.retry(failed[0], a_draft(), None)

    def test_an_event_that_is_absorbed_again_leaves_the_queue(self, store: Store) -> None:
        """It would be absorbed twice otherwise."""
        namespace = fresh_namespace()
        one, two, three, four = added(store, "one", "two", "three", "four", namespace=namespace)
        failed = [failure(one), failure(three)]
        draft = a_draft(a_record(four, two))
        store.derived.commit(namespace, "c", draft, None, since=0, upto=four.position, failed=failed)
        store.upkeep.forget(Where(namespace=namespace, ids=frozenset({two.id})), verify=False)
        assert one.position <= cursor(store, namespace) < three.position
        assert store.upkeep.deferred(Where(namespace=namespace)) == failed[:1]

    def test_a_retried_event_that_was_absorbed_in_the_light_of_later_ones_is_absorbed_again(self, store: Store) -> None:
        namespace = fresh_namespace()
        one, two, three = added(store, "one", "two", "three", namespace=namespace)
        failed = [failure(two), failure(three)]
        store.derived.commit(namespace, "c", a_draft(a_record(one)), None, since=0, upto=three.position, failed=failed)
        assert store.upkeep.retry(failed[1], a_draft(a_record(three, one)), None)
        assert store.upkeep.retry(failed[0], a_draft(a_record(two, three)), None)
        assert [row.text for row in rows(store, namespace)] == ["one"]
        assert one.position <= cursor(store, namespace) < two.position
        assert store.upkeep.deferred(Where(namespace=namespace)) == []

    def test_stats_count_what_is_held(self, store: Store) -> None:
        base, other = fresh_namespace(), fresh_namespace()
        assert store.upkeep.stats(None, ["c"]).events == 0
        store.spaces.use(OTHER_SPACE, whole=False)
        store.spaces.use(SPACE, whole=False)
        events = added(store, "1", "2", "3", namespace=base) + added(store, "4", namespace=f"{base}/a")
        added(store, "5", namespace=other)
        draft = a_draft(
            a_record(events[0], vector=a_vector(1, 0, 0, 0)), a_record(events[0]), a_record(events[0], embed=False)
        )
        store.derived.commit(base, "c", draft, SPACE, since=0, upto=events[1].position, failed=[failure(events[1])])
        inside = store.upkeep.stats(Where(namespace=base, below=True), ["c", "d"])
        assert (inside.namespaces, inside.events) == (2, 4)
        assert (inside.records, inside.pending) == ({"c": 3, "d": 0}, {"c": 2, "d": 4})
        assert inside.deferred == (failure(events[1]),)
        assert (inside.spaces, inside.unembedded) == ((SPACE, OTHER_SPACE), 1)
        alone = store.upkeep.stats(Where(namespace=base), ["c"])
        assert (alone.namespaces, alone.events, alone.pending) == (1, 3, {"c": 1})
        every = store.upkeep.stats(None, ["d"])
        assert (every.namespaces, every.events, every.records["c"], every.pending) == (3, 5, 3, {"d": 5})
        assert every.bytes > 0
