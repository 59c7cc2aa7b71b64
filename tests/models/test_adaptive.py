"""The adaptive token model: proper probabilities, whole texts, and what it learns."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from memkit.demo.story import chapters
from memkit.models.adaptive import AdaptiveScorer
from memkit.models.adaptive_bytes import ByteModel
from memkit.models.adaptive_tables import spellings, states
from memkit.values import Surprisal

SLOTS = 1 << 14  # quick to copy 256 times
any_text = st.text(st.characters(), max_size=80)  # lone surrogates as well
readable = st.text("ab \n,日é", max_size=40)
STORY = "\n".join(chapter.text for chapter in chapters())


def told(text: str, *parts: str, slots: int = SLOTS) -> Surprisal:
    """What the text is worth after the parts."""
    reading = AdaptiveScorer(slots=slots).start()
    for part in parts:
        reading.read(part)
    return reading.read(text)


def distribution(model: ByteModel) -> tuple[np.ndarray, np.ndarray]:
    """The probability of each byte that may come next, and the entropy that is told when it comes."""
    pairs = [model.fork().read([bytes([byte])]) for byte in range(256)]
    return np.exp2([-bits[0] for bits, _ in pairs]), np.array([entropy[0] for _, entropy in pairs])


@given(st.binary(max_size=60), st.sampled_from((1 << 12, 1 << 14)))
@settings(max_examples=60)
def test_the_probabilities_of_all_bytes_add_up_to_1_whatever_was_read(data: bytes, slots: int) -> None:
    model = ByteModel(slots)
    model.read([data * 3])
    share, _ = distribution(model)
    assert share.sum() == pytest.approx(1, abs=1e-9)
    assert (share > 0).all()


@given(st.binary(max_size=60))
@settings(max_examples=40)
def test_the_mean_of_the_entropy_is_that_of_the_whole_distribution(data: bytes) -> None:
    model = ByteModel(SLOTS)
    model.read([data * 2])
    share, entropy = distribution(model)
    assert share @ entropy == pytest.approx(-share @ np.log2(share), abs=1e-9)


def test_after_much_text_the_probabilities_still_add_up_to_1() -> None:
    model = ByteModel(1 << 12)  # far fewer slots than contexts
    model.read([STORY[:20_000].encode()])
    share, entropy = distribution(model)
    assert share.sum() == pytest.approx(1, abs=1e-9)
    assert share @ entropy == pytest.approx(-share @ np.log2(share), abs=1e-9)


def test_the_bits_of_a_token_are_those_of_its_bytes_and_of_the_blanks_before_it() -> None:
    said = told("The mouse ran", "The cat ran. ")
    model = ByteModel(SLOTS)
    bits, entropy = model.read([b"The cat ran. ", b"The", b" mouse", b" ran"])
    assert said.bits.tolist() == np.array(bits[1:], np.float32).tolist()
    assert said.entropy.tolist() == np.array(entropy[1:], np.float32).tolist()


@given(any_text)
@example("")
@example(" \n ")
@example("\ud800 \udfff")
@example("a_b's 3.5  日本語 😀\n\n")
def test_tokens_touch_and_are_the_whole_text(text: str) -> None:
    said = told(text)
    assert said.start.dtype == said.end.dtype == np.int32
    assert said.bits.dtype == said.entropy.dtype == np.float32
    assert len(said.start) == len(said.end) == len(said.bits) == len(said.entropy)
    edges = [0, *said.end.tolist()]
    assert edges[:-1] == said.start.tolist()
    assert edges[-1] == len(text)
    assert all(start < end for start, end in pairwise(edges))
    assert np.isfinite(said.bits).all()
    assert (said.bits > 0).all()
    assert (said.entropy > 0).all()


def test_words_numbers_signs_and_wide_characters_are_tokens() -> None:
    text = "It's  30 °C, 日本!\n"
    said = told(text)
    tokens = [text[start:end] for start, end in zip(said.start, said.end, strict=True)]
    assert tokens == ["It", "'", "s", "  30", " °", "C", ",", " 日", "本", "!", "\n"]


@given(st.lists(readable, max_size=5))
def test_a_text_has_the_same_bits_however_it_is_divided(parts: list[str]) -> None:
    whole = told("".join(parts))
    reading = AdaptiveScorer(slots=SLOTS).start()
    pieces = [reading.read(part) for part in parts]
    assert sum(float(piece.bits.sum()) for piece in pieces) == pytest.approx(float(whole.bits.sum()), rel=1e-5)
    assert sum(float(piece.entropy.sum()) for piece in pieces) == pytest.approx(float(whole.entropy.sum()), rel=1e-5)


@given(readable, readable, readable)
def test_a_fork_goes_on_from_the_same_place_by_itself(before: str, one: str, other: str) -> None:
    reading = AdaptiveScorer(slots=SLOTS).start()
    reading.read(before)
    fork = reading.fork()
    fork.read(other)
    assert reading.read(one).bits.tolist() == told(one, before).bits.tolist()
    assert fork.read(one).bits.tolist() == told(one, before, other).bits.tolist()


def test_two_readings_of_one_scorer_know_nothing_of_each_other() -> None:
    scorer = AdaptiveScorer(slots=SLOTS)
    first = scorer.start()
    first.read("The rabbit took a watch out of its pocket.")
    assert scorer.start().read("a watch").bits.tolist() == told("a watch").bits.tolist()


def test_what_was_read_before_is_less_surprising() -> None:
    sentence = "The rabbit took a watch out of its waistcoat pocket. "
    assert told(sentence, sentence, sentence).bits.sum() < told(sentence).bits.sum() / 5


def test_a_word_that_does_not_fit_is_the_most_surprising_one() -> None:
    before = "I like tea. I like cake. I like milk. I like toast. " * 4
    text = "I like zirconium. "
    said = told(text, before)
    top = int(np.argmax(said.bits))
    assert text[said.start[top] : said.end[top]] == " zirconium"


def test_a_story_costs_under_2_2_bits_a_character_once_half_of_it_was_read() -> None:
    story = STORY[:60_000]
    said = told(story[30_000:], story[:30_000], slots=1 << 22)
    assert said.bits.sum() / 30_000 < 2.2
    assert abs(said.entropy.sum() / said.bits.sum() - 1) < 0.05  # the model knows how sure it may be


def test_memory_does_not_grow_with_what_is_read() -> None:
    model = ByteModel(1 << 12)
    before = model.slots
    model.read([STORY[:10_000].encode()])
    assert model.slots == before == 1 << 12


def test_with_few_slots_the_model_gets_vaguer_and_no_worse_than_that() -> None:
    story = STORY[:20_000]
    few, many = (told(story, slots=slots).bits.sum() / len(story) for slots in (1 << 12, 1 << 22))
    assert many < few < 6


@pytest.mark.parametrize("slots", [0, -4096, 1 << 11, 5000, 1 << 31])
def test_a_number_of_slots_that_cannot_be_is_refused(slots: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        AdaptiveScorer(slots=slots)


def test_the_name_tells_the_parameters() -> None:
    assert AdaptiveScorer().name == AdaptiveScorer().name != AdaptiveScorer(slots=SLOTS).name


def test_every_byte_has_a_spelling_of_its_own_and_none_begins_another() -> None:
    paths = spellings()
    assert len(paths) == 256
    seen = {path[:length] for path in paths for length in range(len(path))}
    assert not seen & set(paths)
    assert sum(2.0 ** -len(path) for path in paths) == 1
    assert all(0 <= choice < 255 for path in paths for choice, _ in path)


def test_states_remember_what_came_and_are_the_same_for_both_outcomes() -> None:
    after0, after1, odds = states()
    assert len(after0) == len(after1) == len(odds) <= 256
    zero = one = 0
    for _ in range(60):
        zero, one = after0[zero], after1[one]
        assert odds[zero] == pytest.approx(-odds[one])
    assert odds[0] == 0
    assert odds[one] > 4
    assert 0 < odds[after0[one]] < 3  # one exception takes most of the certainty away
