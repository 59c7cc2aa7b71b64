"""What is kept of a stream: the laws of the four rules, and of the budget they share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memkit.components.sir_llm import Keep, Rule, Units, interval, random, recent, select, surprisal

RULES = (surprisal, random, interval, recent)
rules = st.sampled_from(RULES)


def units(*rows: tuple[float, int, int]) -> Units:
    """Of (score, turn, tokens)."""
    score, turn, tokens = zip(*rows, strict=True) if rows else ((), (), ())
    return Units(np.array(score, np.float64), np.array(turn, np.int64), np.array(tokens, np.int64))


@st.composite
def streams(draw: st.DrawFn, least: int = 0) -> Units:
    """Few scores, so that many are equal; 0 among them."""
    size = draw(st.integers(least, 30))
    turn = np.cumsum([draw(st.integers(0, 2)) for _ in range(size)], dtype=np.int64)
    scores = st.sampled_from((0.0, 1.0, 2.5, 7.0))
    return units(*[(draw(scores), int(turn[n]), draw(st.integers(1, 20))) for n in range(size)])


keeps = st.builds(
    Keep,
    budget=st.integers(0, 150),
    sinks=st.integers(0, 6),
    recent=st.integers(0, 60),
    decay=st.sampled_from((1.0, 0.9, 0.5)),
    seed=st.integers(0, 3),
)


def whole(keep: Keep, **changes: float) -> Keep:
    fields = {name: getattr(keep, name) for name in ("budget", "sinks", "recent", "decay", "seed")}
    return Keep(**{**fields, **changes})


@given(streams(), keeps, rules)
def test_every_rule_orders_all_units(stream: Units, keep: Keep, rule: Rule) -> None:
    assert sorted(rule(stream, keep).tolist()) == list(range(len(stream.score)))


@given(streams(), keeps, rules)
def test_the_first_units_are_kept_whatever_they_cost(stream: Units, keep: Keep, rule: Rule) -> None:
    sinks = set(range(min(keep.sinks, len(stream.score))))
    assert sinks <= set(select(stream, keep, rule).tolist())


@given(streams(), keeps, rules)
def test_the_budget_is_passed_by_nothing_but_the_sinks(stream: Units, keep: Keep, rule: Rule) -> None:
    kept = select(stream, keep, rule)
    assert int(stream.tokens[kept].sum()) <= max(keep.budget, int(stream.tokens[: keep.sinks].sum()))


@given(streams(), keeps, rules)
def test_what_is_kept_is_in_the_order_of_the_stream_and_once(stream: Units, keep: Keep, rule: Rule) -> None:
    kept = select(stream, keep, rule).tolist()
    assert kept == sorted(set(kept))


@given(streams(), keeps, rules, st.integers(0, 100))
def test_with_a_larger_budget_nothing_is_lost(stream: Units, keep: Keep, rule: Rule, more: int) -> None:
    larger = whole(keep, budget=keep.budget + more)
    assert set(select(stream, keep, rule).tolist()) <= set(select(stream, larger, rule).tolist())


@given(streams(), keeps, rules)
def test_everything_is_kept_when_everything_fits(stream: Units, keep: Keep, rule: Rule) -> None:
    roomy = whole(keep, budget=int(stream.tokens.sum()))
    assert len(select(stream, roomy, rule)) == len(stream.score)


@given(streams(), keeps)
def test_the_newest_units_that_fit_the_recent_window_come_before_the_rule(stream: Units, keep: Keep) -> None:
    """As long as the budget has room for them beside the sinks."""
    roomy = whole(keep, budget=keep.recent + int(stream.tokens[: keep.sinks].sum()))
    window = np.flatnonzero(np.cumsum(stream.tokens[::-1])[::-1] <= keep.recent)
    assert set(window.tolist()) <= set(select(stream, roomy, surprisal).tolist())


@given(streams(), keeps)
def test_with_decay_1_and_a_recent_window_of_everything_it_is_streaming(stream: Units, keep: Keep) -> None:
    """SirLLM is StreamingLLM then: sinks and the newest, and no rule has a say."""
    streaming = whole(keep, decay=1.0, recent=int(stream.tokens.sum()))
    expected = select(stream, whole(keep, recent=0), recent).tolist()
    for rule in RULES:
        assert select(stream, streaming, rule).tolist() == expected


@given(streams(), keeps)
def test_of_equally_surprising_units_the_earlier_is_kept(stream: Units, keep: Keep) -> None:
    bare = whole(keep, sinks=0, recent=0, decay=1.0)
    order = surprisal(stream, bare).tolist()
    assert order == sorted(order, key=lambda place: (-stream.score[place], place))


@given(streams(least=1), keeps, rules, st.integers(0, 29))
def test_what_comes_later_does_not_change_the_order_of_what_was_there(
    stream: Units, keep: Keep, rule: Rule, cut: int
) -> None:
    """For all rules but `interval`, which spreads over what there is: decay is the same for all that was there."""
    if rule is interval:
        rule = surprisal
    part = Units(stream.score[:cut], stream.turn[:cut], stream.tokens[:cut])
    order = rule(stream, keep)
    assert order[order < cut].tolist() == rule(part, keep).tolist()


def test_decay_lets_the_new_win_over_the_old() -> None:
    stream = units((8.0, 0, 5), (5.0, 1, 5), (3.0, 3, 5))
    assert select(stream, Keep(budget=5, sinks=0), surprisal).tolist() == [0]
    assert select(stream, Keep(budget=5, sinks=0, decay=0.7), surprisal).tolist() == [2]  # 2.7, 2.5, 3.0


def test_a_score_is_worth_something_after_ten_thousand_turns() -> None:
    """0.5 to the power of 10,000 is 0 in floating point; the order must not be lost with it."""
    stream = units((1.0, 0, 5), (3.0, 0, 5), (2.0, 0, 5), (0.1, 10_000, 5))
    assert surprisal(stream, Keep(decay=0.5)).tolist() == [3, 1, 2, 0]


def test_evenly_spaced_units_are_evenly_spaced_however_many_are_kept() -> None:
    stream = units(*[(1.0, n, 1) for n in range(64)])
    for count in (2, 4, 8, 16, 32):
        kept = select(stream, Keep(budget=count, sinks=0), interval)
        assert set(np.diff(kept).tolist()) == {64 // count}
    for count in range(3, 64):
        gaps = np.diff([*select(stream, Keep(budget=count, sinks=0), interval).tolist(), 64])
        assert gaps.max() <= 4 * gaps.min()


def test_another_seed_draws_other_units_and_the_same_seed_the_same() -> None:
    stream = units(*[(1.0, n, 1) for n in range(50)])
    drawn = [select(stream, Keep(budget=10, sinks=0, seed=seed), random).tolist() for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize("wrong", [{"budget": -1}, {"sinks": -1}, {"recent": -1}, {"decay": 0.0}, {"decay": 1.1}])
def test_a_keep_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Keep(**wrong)
