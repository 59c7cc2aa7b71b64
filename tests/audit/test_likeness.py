"""Repetitions are found, in the same words or nearly, and nothing else is."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memkit.audit import likeness
from memkit.audit.likeness import Likeness

LONG = (
    "The boat that we saw in the harbour last summer was called Kittiwake and had a leak near the keel on its left side"
)


@pytest.fixture
def seen() -> Likeness[str]:
    return Likeness()


def test_the_same_words_are_a_repetition_whatever_the_signs(seen: Likeness[str]) -> None:
    assert seen.earlier("I moved to Lisbon in May.", "a") is None
    assert seen.earlier("i moved — to LISBON in may", "b") == ("a", 1.0)
    assert seen.earlier("In May I moved to Lisbon.", "c") is None


def test_a_word_more_in_a_long_text_is_nearly_a_repetition(seen: Likeness[str]) -> None:
    assert seen.earlier(LONG, "a") is None
    name, alike = seen.earlier(f"{LONG} too", "b") or ("", 0.0)
    assert name == "a"
    assert 0.8 <= alike < 1


def test_short_texts_are_repeated_by_everybody(seen: Likeness[str]) -> None:
    assert [seen.earlier("Yes, thank you.", name) for name in "ab"] == [None, None]
    assert seen.earlier("I had tea with my aunt today.", "c") is None
    assert seen.earlier("I had tea with my aunt again.", "d") is None


@given(st.lists(st.lists(st.sampled_from("abcdef"), min_size=10, max_size=16), min_size=2, max_size=12))
def test_near_repetitions_are_those_that_comparing_all_finds(texts: list[list[str]]) -> None:
    def shingles(words: list[str]) -> set[tuple[str, ...]]:
        return {tuple(words[at : at + 3]) for at in range(len(words) - 2)}

    seen: Likeness[int] = Likeness()
    kept: list[int] = []
    for number, words in enumerate(texts):
        own = shingles(words)
        alike = [len(own & shingles(texts[one])) / len(own | shingles(texts[one])) for one in kept]
        found = seen.earlier(" ".join(words), number)
        if found is None:
            assert all(share < likeness.ALIKE for share in alike)
            kept.append(number)
        elif found[1] < 1:
            assert found[1] == pytest.approx(max(alike))


def test_many_variations_of_one_text_are_one_text() -> None:
    seen: Likeness[int] = Likeness()
    random = Random(1)
    words = [f"word{number}" for number in range(60)]
    found = [seen.earlier(" ".join((*words, str(random.random()))), number) for number in range(2_000)]
    assert found[0] is None
    assert all(one is not None and one[0] == 0 for one in found[1:])
