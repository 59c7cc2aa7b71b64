"""The laws of `memkit.ports.Calls`: a reply is kept once, given back as it was, and forgotten with what it is about."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memkit.ports import Store
from memkit.testing.contracts.derived import added
from memkit.testing.contracts.law import OfStore, law
from memkit.testing.contracts.samples import NAMES, an_event, around, fresh_namespace
from memkit.testing.threads import at_once
from memkit.values import Where

_replies = st.text(st.characters(), max_size=60) | st.sampled_from(
    ("", "\0", "\ud83d", '{"a": "\\u65e5"}', "x" * 100_000)
)


def _only(namespace: str, id: str) -> Where:
    return Where(namespace=namespace, ids=frozenset({id}))


class CallLaws(OfStore):
    """What models replied."""

    @law()
    @given(replies=st.dictionaries(st.sampled_from(NAMES), _replies, min_size=1), component=st.sampled_from(NAMES))
    def test_replies_come_back_exactly_as_they_were(
        self, store: Store, replies: dict[str, str], component: str
    ) -> None:
        namespace = fresh_namespace()
        (event,) = added(store, "hello", namespace=namespace)
        for key, reply in replies.items():
            assert store.calls.keep(namespace, component, key, reply, [event.id])
        assert store.calls.find(namespace, component, [*replies, *replies, "unknown"]) == replies
        assert store.calls.find(namespace, component, []) == {}
        assert store.calls.find(namespace, f"{component}'", list(replies)) == {}

    def test_a_key_that_is_known_keeps_its_first_reply(self, store: Store) -> None:
        namespace = fresh_namespace()
        one, two = added(store, "one", "two", namespace=namespace)
        assert store.calls.keep(namespace, "c", "k", "first", [one.id])
        assert store.calls.keep(namespace, "c", "k", "second", [two.id])
        assert store.calls.keep(namespace, "d", "k", "third", [two.id, two.id])
        assert store.calls.find(namespace, "c", ["k"]) == {"k": "first"}
        assert store.calls.find(namespace, "d", ["k"]) == {"k": "third"}

    def test_more_keys_and_events_than_a_statement_holds_values_are_found_and_kept(self, store: Store) -> None:
        namespace = fresh_namespace()
        ids = store.journal.append([an_event(f"{n}", namespace=namespace) for n in range(1_500)]).ids
        many = [f"other {n}" for n in range(70_000)]
        assert store.calls.keep(namespace, "c", "k", "of all", ids)
        assert store.calls.find(namespace, "c", [*many, "k"]) == {"k": "of all"}
        assert not store.calls.keep(namespace, "c", "l", "of none", many)

    def test_a_reply_about_an_event_that_is_gone_or_never_was_is_not_kept(self, store: Store) -> None:
        namespace, other = fresh_namespace(), fresh_namespace()
        one, two = added(store, "one", "two", namespace=namespace)
        (theirs,) = added(store, "theirs", namespace=other)
        store.upkeep.forget(_only(namespace, two.id), verify=False)
        for strange in (two.id, theirs.id, an_event("never added", namespace=namespace).id):
            assert not store.calls.keep(namespace, "c", "k", "reply", [one.id, strange])
            assert not store.calls.keep(namespace, "c", "k", "reply", [strange])
        assert store.calls.find(namespace, "c", ["k"]) == {}
        with pytest.raises(ValueError, match="event"):
            store.calls.keep(namespace, "c", "k", "reply", [])

    @law()
    @given(
        about=st.lists(st.frozensets(st.integers(0, 4), min_size=1, max_size=3), min_size=1, max_size=6),
        gone=st.frozensets(st.integers(0, 4), min_size=1, max_size=2),
    )
    def test_a_reply_is_forgotten_with_any_of_its_events(
        self, store: Store, about: list[frozenset[int]], gone: frozenset[int]
    ) -> None:
        namespace = fresh_namespace()
        events = added(store, *(f"{n}" for n in range(5)), namespace=namespace)
        for number, sources in enumerate(about):
            assert store.calls.keep(namespace, "c", f"{number}", f"reply {number}", [events[n].id for n in sources])
        where = Where(namespace=namespace, ids=frozenset(events[n].id for n in gone))
        assert store.upkeep.forget(where, verify=True).proven
        keys = [f"{number}" for number in range(len(about))]
        left = {f"{number}": f"reply {number}" for number, sources in enumerate(about) if not sources & gone}
        assert store.calls.find(namespace, "c", keys) == left
        for number, sources in enumerate(about):
            again = store.calls.keep(namespace, "c", f"{number}", "again", [events[n].id for n in sources])
            assert again == (f"{number}" in left)
        assert store.calls.find(namespace, "c", keys) == left

    def test_nothing_is_left_of_a_reply_that_quotes_what_was_forgotten(self, store: Store) -> None:
        namespace = fresh_namespace()
        secret = 'the "secret" ingredient\nis 肉荳蔲 and nothing but nutmeg'
        event, other = added(store, secret, "more", namespace=namespace, author="Ana-Maria de Sousa")
        reply = json.dumps({"text": json.dumps({"thoughts": [f"Ana-Maria de Sousa said {secret}"]})})
        assert store.calls.keep(namespace, "c", "k", reply, [other.id, event.id])
        assert store.calls.keep(namespace, "c", "l", "nothing of interest", [other.id])
        result = store.upkeep.forget(_only(namespace, event.id), verify=True)
        assert result.traces == ()
        assert store.calls.find(namespace, "c", ["k", "l"]) == {"l": "nothing of interest"}

    def test_a_namespace_is_a_wall_for_replies_too(self, store: Store) -> None:
        base = fresh_namespace()
        places = around(base)
        for place in places:
            (event,) = added(store, "hello", namespace=place)
            assert store.calls.keep(place, "c", "k", f"in {place}", [event.id])
        for place in places:
            assert store.calls.find(place, "c", ["k"]) == {"k": f"in {place}"}
        store.upkeep.forget(Where(namespace=base), verify=False)
        found = {place: store.calls.find(place, "c", ["k"]).get("k") for place in places}
        assert found == {place: None if place == base else f"in {place}" for place in places}

    def test_beginning_again_and_absorbing_leave_the_replies(self, store: Store) -> None:
        namespace = fresh_namespace()
        (event,) = added(store, "hello", namespace=namespace)
        assert store.calls.keep(namespace, "c", "k", "reply", [event.id])
        store.upkeep.rewind(None, "c")
        assert store.calls.find(namespace, "c", ["k"]) == {"k": "reply"}

    def test_of_replies_kept_at_the_same_time_one_stays(self, store: Store, another: Store) -> None:
        namespace = fresh_namespace()
        (event,) = added(store, "hello", namespace=namespace)
        seen: list[set[str]] = []

        def work(own: Store, name: str) -> Callable[[], None]:
            def keep() -> None:
                for n in range(8):
                    assert own.calls.keep(namespace, "c", f"{n}", f"{n} of {name}", [event.id])
                seen.append(set(own.calls.find(namespace, "c", [f"{n}" for n in range(8)]).values()))

            return keep

        at_once([work(store, "a"), work(another, "b"), work(store, "c"), work(another, "d")])
        assert len(seen) == 4
        assert all(one == seen[0] for one in seen)
        assert sorted(reply[0] for reply in seen[0]) == [f"{n}" for n in range(8)]

    def test_a_reply_that_comes_while_its_event_is_forgotten_is_not_left(self, store: Store, another: Store) -> None:
        namespace = fresh_namespace()
        for n in range(8):
            (event,) = added(store, "hello", namespace=namespace)

            def forget(id: str = event.id) -> None:
                store.upkeep.forget(_only(namespace, id), verify=False)

            def keep(id: str = event.id, key: str = f"{n}") -> None:
                another.calls.keep(namespace, "c", key, "reply", [id])

            at_once([keep, forget])
            assert another.calls.find(namespace, "c", [f"{n}"]) == {}
        assert store.upkeep.forget(Where(namespace=namespace), verify=True).proven
