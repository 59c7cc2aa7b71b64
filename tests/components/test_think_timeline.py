"""What was true when: facts and their intervals, made of statements when somebody reads."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memkit.components.think_in_memory import Fact, timeline
from memkit.components.think_in_memory.relations import single
from memkit.components.think_in_memory.sentences import sentence
from memkit.components.think_in_memory.thoughts import Thought, key_of, row_of
from memkit.values import Event, Record

DAY = datetime(2024, 1, 1, tzinfo=UTC)


def on(day: int) -> datetime:
    return DAY + timedelta(days=day)


def stated(
    n: int,
    relation: str,
    tail: str,
    *,
    day: int,
    at: int | None = None,
    role: str | None = "user",
    ends: bool = False,
    head: str = "Ana",
    words: str | None = None,
) -> Record:
    """Statement number n, recorded on a day; `at` is the day that was given as its time."""
    said = words or f"statement {n}: {head} {relation} {tail}"
    event = Event(
        id=f"e{n}",
        namespace="n",
        text=said,
        at=on(day if at is None else at),
        recorded=on(day),
        role=role,
        position=n,
    )
    thought = Thought(
        sentence=sentence(head, relation, tail, ends=ends),
        head=head,
        relation=relation,
        tail=tail,
        start=0,
        end=len(said),
        single=single(relation, False),
        ends=ends,
    )
    return replace(row_of(thought, event), id=n)


def told(rows: Sequence[Record]) -> list[tuple[str, int, int | None]]:
    """Every fact: its tail, and the days since and until which it holds."""
    return [
        (fact.tail, (fact.since - DAY).days, None if fact.until is None else (fact.until - DAY).days)
        for fact in timeline(rows)
    ]


def only(rows: Sequence[Record]) -> Fact:
    (fact,) = [fact for fact in timeline(rows) if fact.current]
    return fact


def test_a_later_home_takes_the_place_of_the_earlier_one() -> None:
    rows = [stated(1, "lives in", "Lisbon", day=1), stated(2, "lives in", "Porto", day=5)]
    assert told(rows) == [("Lisbon", 1, 5), ("Porto", 5, None)]
    first, second = timeline(rows)
    assert first.superseded_by == rows[1]
    assert second.instead_of == (rows[0],)
    assert second.records == (rows[1],)


def test_what_one_has_many_of_adds_up() -> None:
    rows = [stated(1, "likes", "tea", day=1), stated(2, "likes", "coffee", day=2)]
    assert told(rows) == [("tea", 1, None), ("coffee", 2, None)]


def test_an_ending_ends_the_fact_it_names_and_is_none_itself() -> None:
    rows = [
        stated(1, "likes", "strong coffee", day=1),
        stated(2, "likes", "tea", day=2),
        stated(3, "likes", "coffee", day=3, ends=True),
    ]
    assert told(rows) == [("strong coffee", 1, 3), ("tea", 2, None)]
    assert timeline(rows)[0].ended_by == rows[2]


def test_an_ending_of_another_tail_ends_nothing() -> None:
    rows = [stated(1, "lives in", "Porto", day=1), stated(2, "lives in", "Lisbon", day=2, ends=True)]
    assert told(rows) == [("Porto", 1, None)]


def test_what_ended_can_begin_again() -> None:
    rows = [
        stated(1, "works at", "Acme", day=1),
        stated(2, "works at", "Acme", day=2, ends=True),
        stated(3, "works at", "Acme", day=3),
    ]
    assert told(rows) == [("Acme", 1, 2), ("Acme", 3, None)]


def test_an_opposite_takes_the_place_of_what_it_contradicts() -> None:
    rows = [stated(1, "likes", "tea", day=1), stated(2, "likes", "jazz", day=1), stated(3, "dislikes", "Tea", day=4)]
    assert told(rows) == [("tea", 1, 4), ("jazz", 1, None), ("Tea", 4, None)]


def test_saying_it_again_is_the_same_fact_and_does_not_make_it_younger() -> None:
    rows = [stated(1, "lives in", "Lisbon", day=1), stated(2, "lives in", "lisbon", day=9)]
    assert told(rows) == [("Lisbon", 1, None)]
    assert only(rows).records == (rows[0], rows[1])


def test_a_move_back_is_a_fact_of_its_own() -> None:
    rows = [stated(n, "lives in", tail, day=n) for n, tail in enumerate(("Lisbon", "Porto", "Lisbon"), start=1)]
    assert told(rows) == [("Lisbon", 1, 2), ("Porto", 2, 3), ("Lisbon", 3, None)]


def test_facts_of_different_heads_and_namespaces_leave_each_other_alone() -> None:
    rows = [stated(1, "lives in", "Lisbon", day=1), stated(2, "lives in", "Porto", day=2, head="Ben")]
    rows.append(replace(stated(3, "lives in", "Rome", day=3), namespace="other"))
    assert [fact.current for fact in timeline(rows)] == [True, True, True]


def test_synonyms_of_a_relation_are_one_relation() -> None:
    rows = [stated(1, "lives in", "Lisbon", day=1)]
    moved = stated(2, "lives in", "Porto", day=2)
    rows.append(replace(moved, metadata={**moved.metadata, "relation": "relocated to"}))
    assert told(rows) == [("Lisbon", 1, 2), ("Porto", 2, None)]


class TestOrder:
    def test_a_time_that_was_given_decides(self) -> None:
        """An old letter is read in after the move: it says what was, not what is."""
        rows = [stated(1, "lives in", "Porto", day=50), stated(2, "lives in", "Lisbon", day=60, at=3)]
        assert told(rows) == [("Lisbon", 3, 50), ("Porto", 50, None)]

    def test_a_clock_that_went_backwards_brings_nothing_old_back(self) -> None:
        rows = [stated(1, "lives in", "Lisbon", day=50), stated(2, "lives in", "Porto", day=10)]
        assert told(rows) == [("Lisbon", 50, 50), ("Porto", 50, None)]

    def test_at_one_moment_the_journal_decides(self) -> None:
        rows = [stated(1, "lives in", "Lisbon", day=5), stated(2, "lives in", "Porto", day=5)]
        assert only(rows).tail == "Porto"

    def test_a_time_given_between_two_that_were_not_lies_between_them(self) -> None:
        rows = [
            stated(1, "lives in", "Lisbon", day=1),
            stated(2, "lives in", "Porto", day=9),
            stated(3, "lives in", "Rome", day=10, at=4),
        ]
        assert told(rows) == [("Lisbon", 1, 4), ("Rome", 4, 9), ("Porto", 9, None)]


class TestWhoSaysIt:
    def test_an_assistant_never_overrules_a_person(self) -> None:
        rows = [
            stated(1, "lives in", "Lisbon", day=1),
            stated(2, "lives in", "Porto", day=2, role="assistant"),
            stated(3, "lives in", "Lisbon", day=3, role="assistant", ends=True),
        ]
        assert told(rows) == [("Lisbon", 1, None)]

    def test_what_only_an_assistant_said_is_known_until_a_person_says_otherwise(self) -> None:
        rows = [stated(1, "lives in", "Porto", day=1, role="assistant"), stated(2, "lives in", "Lisbon", day=2)]
        assert told(rows) == [("Porto", 1, 2), ("Lisbon", 2, None)]

    def test_a_repetition_by_an_assistant_is_an_echo_and_no_refresh(self) -> None:
        rows = [
            stated(1, "lives in", "Lisbon", day=1),
            stated(2, "lives in", "Porto", day=2),
            stated(3, "lives in", "Lisbon", day=3, role="assistant"),
        ]
        assert told(rows) == [("Lisbon", 1, 2), ("Porto", 2, None)]
        assert timeline(rows)[0].echoes == (rows[2],)
        assert only(rows).records == (rows[1],)

    def test_a_persons_own_words_from_an_assistant_are_an_echo_whatever_is_made_of_them(self) -> None:
        rows = [
            stated(1, "lives in", "Lisbon", day=1, words="I live in Lisbon"),
            stated(2, "lives in", "Lisbon", day=2, role="assistant", head="assistant", words="I live in lisbon!"),
        ]
        assert [fact.head for fact in timeline(rows)] == ["Ana"]

    def test_a_person_who_confirms_makes_it_their_own(self) -> None:
        rows = [
            stated(1, "lives in", "Lisbon", day=1, role="assistant"),
            stated(2, "lives in", "Lisbon", day=2),
            stated(3, "lives in", "Porto", day=3, role="assistant"),
        ]
        assert told(rows) == [("Lisbon", 2, None)]
        assert only(rows).records == (rows[1],)
        assert only(rows).echoes == (rows[0],)

    @pytest.mark.parametrize("role", ["assistant", "ai", "tool", "Assistant"])
    def test_who_is_no_person(self, role: str) -> None:
        rows = [stated(1, "lives in", "Lisbon", day=1), stated(2, "lives in", "Porto", day=2, role=role)]
        assert only(rows).tail == "Lisbon"

    @pytest.mark.parametrize("role", [None, "user", "human", "doctor"])
    def test_who_is_a_person(self, role: str | None) -> None:
        rows = [stated(1, "lives in", "Lisbon", day=1), stated(2, "lives in", "Porto", day=2, role=role)]
        assert only(rows).tail == "Porto"


@st.composite
def some_statements(draw: st.DrawFn) -> list[Record]:
    day = st.integers(0, 5)
    return [
        stated(
            n,
            draw(st.sampled_from(("lives in", "likes", "dislikes", "works at"))),
            draw(st.sampled_from(("tea", "Lisbon", "the tea"))),
            day=draw(day),
            at=draw(st.none() | day),
            role=draw(st.sampled_from(("user", "user", "assistant"))),
            ends=draw(st.integers(0, 3)) == 0,
            head=draw(st.sampled_from(("Ana", "Ben"))),
            words=draw(st.none() | st.sampled_from(("the same words", "other words"))),
        )
        for n in range(1, draw(st.integers(2, 9)))
    ]


@given(rows=some_statements())
def test_one_key_needs_only_its_own_statements_and_those_in_the_same_words(rows: list[Record]) -> None:
    """That is what recall reads."""
    whole = timeline(rows)
    for row in rows:
        key = key_of(str(row.metadata["head"]), str(row.metadata["relation"]))

        def mine(fact: Fact, key: tuple[str, str] = key) -> bool:
            return key_of(fact.head, fact.relation) == key

        rivals = [r for r in rows if key_of(str(r.metadata["head"]), str(r.metadata["relation"])) == key]
        said = {r.metadata["said"] for r in rivals}
        some = [r for r in rows if r in rivals or r.metadata["said"] in said]
        assert list(filter(mine, timeline(some))) == list(filter(mine, whole))


@given(rows=some_statements())
def test_at_no_time_hold_two_of_what_there_is_one_of(rows: list[Record]) -> None:
    facts = [fact for fact in timeline(rows) if fact.relation == "lives in"]
    for n, one in enumerate(facts):
        for other in facts[n + 1 :]:
            if one.head == other.head:
                first, second = sorted((one, other), key=lambda fact: fact.since)
                assert first.until is not None
                assert first.until <= second.since


@given(rows=some_statements())
def test_a_person_is_overruled_by_persons_only(rows: list[Record]) -> None:
    for fact in timeline(rows):
        against = fact.superseded_by or fact.ended_by
        assert (against is None) == fact.current
        if fact.by_user and against is not None:
            assert against.role == "user"
        assert fact.until is None or fact.since <= fact.until
