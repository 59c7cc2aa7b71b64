"""What is a word, what is the same word, and which rows hold it."""

import threading
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from memkit_stores import words
from memkit_stores.postings import Found, Words

# --- what is a word -------------------------------------------------------------------------------

FINDS = [
    ("Ana moved to Lisbon.", "Where is Lisbon"),
    ("she is painting sunsets", "Did she paint a sunset?"),
    ("the cats' bowls", "cat bowl"),
    ("Ana's dog", "ana dog"),
    ("Ana’s dog", "ANA"),
    ("we’ll see O’Brien", "obrien o'brien"),
    ("I don’t know", "don't"),
    ("un café crème", "cafe creme"),
    ("un cafe\u0301", "CAFÉ"),
    ("Ørsted in Łódź", "orsted lodz"),
    ("die STRASSE", "straße"),
    ("ﬁne wine", "fine"),
    ("call ２０２４", "2024"),
    ("room 42b, 3.14", "42b"),
    ("room 42b, 3.14", "3.14"),
    ("use snake_case_names", "snake"),
    ("“quoted” — and…dashed", "dashed"),
    ("я живу в Москве", "МОСКВЕ"),
    ("Αθήνα είναι", "αθηνα"),
    ("नमस्ते दुनिया", "दुनिया"),
    ("שָׁלוֹם עולם", "שלום"),
    ("مَرْحَبًا بالعالم", "مرحبا"),
    ("我昨天在北京吃了烤鸭", "北京"),
    ("我昨天在北京吃了烤鸭", "鸭"),
    ("東京タワーに行きました", "タワー"),
    ("東京タワーに行きました", "東京"),
    ("ﾀﾜｰ", "タワー"),
    ("저는 서울에서 살아요", "서울"),
    ("ผมอยู่ที่กรุงเทพมหานคร", "กรุงเทพ"),
    ("我的iPhone坏了", "iphone"),
    ("we did it 🎉🎉", "🎉"),
    ("thumbs 👍🏽", "👍"),
    ("to be or not to be", "to be"),
    ("The Who", "who are the"),
]

FINDS_NOT = [
    ("Ana moved to Lisbon.", "Porto"),
    ("the house of Ana", "what is the matter of it"),
    ("café", "cafeteria"),
    ("我昨天在北京吃了烤鸭", "上海"),
    ("東京", "京都"),
    ("100", "10"),
    ("", "anything"),
    ("anything", ""),
    ("anything", " \t\n\u3000"),
    ("anything", "?!… ---"),
]


def index(*texts: str) -> Words:
    made = Words()
    made.add([words.pack(text) for text in texts])
    return made


@pytest.mark.parametrize(("text", "question"), FINDS)
def test_a_text_is_found_by(text: str, question: str) -> None:
    assert index("nothing here", text).postings(question).frequency.max(initial=0) == 1


@pytest.mark.parametrize(("text", "question"), FINDS_NOT)
def test_a_text_is_not_found_by(text: str, question: str) -> None:
    assert index(text).postings(question).frequency.sum() == 0


def test_stop_words_are_left_out_of_a_question_that_says_anything_else() -> None:
    assert words.asked("What did Ana's sisters say about the other sister?") == ["ana", "sister", "say"]
    assert words.asked("Who is it?") == ["who", "is", "it"]


def test_the_terms_of_a_question_come_once_each_in_its_order() -> None:
    assert words.asked("zebra apple Zebra's zebras 北京") == ["zebra", "appl", "北京"]


def test_what_looks_like_query_syntax_is_text() -> None:
    made = index("cats AND dogs", "NEAR the sea", 'say "hello" now', "title: x", "100% sure_thing")
    for question in ('"', "'", "(", "cats AND (", 'NEAR("sea', "a* OR", "title:", "-", "%", "\\", "x' OR 1=1 --", ";"):
        made.postings(question)
    assert made.postings('"hello').rows[0].tolist() == [2]
    assert made.postings("sea*").rows[0].tolist() == [1]
    assert words.asked("cats AND dogs") == ["cat", "dog"]


@given(st.text(st.characters(codec="ascii")))
def test_ascii_words_are_the_same_in_any_company(text: str) -> None:
    assert words.terms(text + " ж") == [*words.terms(text), "ж"]


@given(st.text())
@example("\ud800")
@example("a\u0000b")
@example("\u0301\u0301")
@example("👩‍👩‍👧‍👦 ☕️")
@settings(deadline=None)
def test_any_text_has_terms_and_a_packed_form(text: str) -> None:
    tally = Counter(map(words.hashed, words.terms(text)))
    sizes, terms, counts = words.unpack_many([words.pack(text)])
    assert sizes.tolist() == [len(tally)]
    assert dict(zip(terms.tolist(), counts.tolist(), strict=True)) == tally
    assert set(words.asked(text)) <= set(words.terms(text)), "a text is found by its own words"


@given(st.text(st.characters(codec="utf-8"), max_size=30), st.integers(0, 30), st.integers(1, 30))
@settings(deadline=None)
def test_a_part_of_a_chinese_text_finds_it(text: str, start: int, size: int) -> None:
    chinese = "".join(chr(0x4E00 + ord(character) % 0x51A5) for character in text)
    part = chinese[start : start + size]
    assert set(words.asked(part)) <= set(words.terms(chinese))


def test_very_long_words_and_texts_are_indexed_like_others() -> None:
    word = "x" * 1_000_000
    long = "alpha beta " * 900_000 + word
    made = index(long, "gamma")
    assert len(long) > 10_000_000
    assert made.postings(word).rows[0].tolist() == [0]
    assert made.postings("beta").counts[0].tolist() == [words.MOST]


def test_the_packed_form_is_the_same_on_every_machine_and_in_every_version() -> None:
    packed = words.pack("Ana's café, Ana")
    terms, counts = packed[1:17], packed[17:]
    assert packed[:1] == b"\x01"
    assert terms.hex() == "25190115385a1a3c5833882cf5df1544"
    assert counts.hex() == "02000100"
    assert words.pack("") == b"\x01"


@pytest.mark.parametrize(
    "damaged", [b"", b"\x02", b"\x01\x00", words.pack("ana")[:-1], b"\x02" + words.pack("ana")[1:]]
)
def test_a_damaged_packed_text_is_refused_and_nothing_is_added(damaged: bytes) -> None:
    made = index("ana")
    with pytest.raises(ValueError, match="damaged"):
        made.add([words.pack("ben"), damaged, words.pack("ana")])
    assert len(made) == 1
    assert made.postings("ben").frequency.tolist() == [0]


# --- which rows hold it ---------------------------------------------------------------------------


# Rows of many words, so that a few of them are more than a head holds; word i is in every row that reaches it.
@st.composite
def rows_of_words(draw: st.DrawFn) -> list[str]:
    random = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    spans = random.integers(0, (300, draw(st.sampled_from([3, 900]))), (draw(st.integers(0, 40)), 2)).tolist()
    return [" ".join(f"w{number} w{number % 7}" for number in range(first, first + size)) for first, size in spans]


QUESTION = "w0 w3 w6 w50 w299 w300 w301 w700 w1100 w9999"


def told(texts: list[str]) -> dict[str, dict[int, int]]:
    """The oracle: term, row, count."""
    found: dict[str, dict[int, int]] = {term: {} for term in words.asked(QUESTION)}
    for row, text in enumerate(texts):
        for term, count in Counter(words.terms(text)).items():
            if term in found:
                found[term][row] = count
    return found


def answer(found: Found) -> dict[str, dict[int, int]]:
    assert found.frequency.tolist() == [len(rows) for rows in found.rows]
    assert all((np.diff(rows) > 0).all() for rows in found.rows), "rows ascend"
    assert {rows.dtype for rows in found.rows} == {np.dtype(np.int32)}
    assert {counts.dtype for counts in found.counts} == {np.dtype(np.float32)}
    return {
        term: dict(zip(rows.tolist(), map(int, counts), strict=True))
        for term, rows, counts in zip(found.terms, found.rows, found.counts, strict=True)
    }


def appended(texts: list[str], batches: list[int]) -> Words:
    made = Words()
    blobs = [words.pack(text) for text in texts]
    while blobs:
        size = batches.pop() if batches else len(blobs)
        made.add(blobs[:size])
        del blobs[:size]
    return made


@given(rows_of_words(), st.lists(st.integers(0, 8), max_size=10))
@settings(max_examples=20, deadline=None)
def test_postings_are_those_of_a_plain_count_however_rows_were_appended(texts: list[str], batches: list[int]) -> None:
    made = appended(texts, batches)
    assert answer(made.postings(QUESTION)) == told(texts)
    assert made.lengths.tolist() == [len(words.terms(text)) for text in texts]
    assert made.lengths.dtype == np.float32


@given(rows_of_words(), st.lists(st.integers(0, 8), max_size=10), st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_a_compacted_index_answers_like_one_that_never_had_the_rows(texts, batches, random) -> None:  # type: ignore[no-untyped-def]
    made = appended(texts, batches)
    keep = np.array([random.random() < 0.6 for _ in texts], np.bool_)
    made.compact(keep)
    made.add([words.pack("w3 w700")])
    kept = [text for text, stays in zip(texts, keep, strict=True) if stays] + ["w3 w700"]
    assert answer(made.postings(QUESTION)) == told(kept)
    assert made.lengths.tolist() == [len(words.terms(text)) for text in kept]


def test_a_compacted_index_holds_no_term_of_a_removed_row() -> None:
    made = index(*[f"common rare{number}" for number in range(5000)], "secret")
    made.compact(np.arange(5001) < 5000)
    now = made.snapshot()
    held = {words.hashed("common")} | {words.hashed(f"rare{number}") for number in range(5000)}
    assert {int(term) for segment in now.segments for term in segment.terms} | set(now.head_terms.tolist()) == held
    assert not any("secret" in cache for cache in (words._stems, words._hashes))


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="2 rows"):
        index("a", "b").compact(np.ones(3, np.bool_))


def test_a_snapshot_answers_as_it_did_whatever_happens_to_the_index() -> None:
    made = index("ana", "ben", "ana")
    before = made.snapshot()
    made.add([words.pack("ana")] * 6000)
    made.compact(np.arange(6003) > 1)
    assert before.postings("ana").rows[0].tolist() == [0, 2]
    assert before.lengths.tolist() == [1, 1, 1]
    assert made.postings("ana").frequency.tolist() == [6001]


def test_one_row_at_a_time_leaves_few_segments() -> None:
    made = Words()
    blobs = [words.pack(" ".join(f"w{number % 97 + word}" for word in range(40))) for number in range(97)]
    for number in range(3000):
        made.add([blobs[number % 97]])
    assert len(made.snapshot().segments) <= 4


def test_questions_are_answered_while_rows_are_added() -> None:
    made = Words()
    blobs = [words.pack(f"ana w{number}") for number in range(50)]
    wrong: list[str] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            now = made.snapshot()
            found = now.postings("ana")
            if found.rows[0].tolist() != list(range(len(now.lengths))):
                wrong.append(f"{len(found.rows[0])} of {len(now.lengths)}")

    reader = threading.Thread(target=ask)
    reader.start()
    for _ in range(300):
        made.add(blobs)
    done.set()
    reader.join()
    assert not wrong
