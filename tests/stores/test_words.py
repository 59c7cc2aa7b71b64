"""What is a word, what is the same word, and which rows hold it."""

import threading
from collections import Counter
from contextlib import closing

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from memkit.testing.contracts.samples import a_draft, a_record, an_event
from memkit_stores import SqlStore, words
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


MARKS = st.lists(st.text(st.characters(), max_size=8) | st.sampled_from(["ana", "m", "\ud800", "m"]), max_size=6)


@given(st.text(), MARKS)
@settings(deadline=None)
def test_marks_come_behind_the_terms_and_count_nothing(text: str, marks: list[str]) -> None:
    plain, marked = words.unpack_many([words.pack(text)]), words.unpack_many([words.pack(text, marks)])
    size = int(plain[0][0])
    assert [part[:size].tolist() for part in marked[1:]] == [part.tolist() for part in plain[1:]]
    assert marked[1][size:].tolist() == [words.hashed_mark(mark) for mark in dict.fromkeys(marks)]
    assert marked[2][size:].tolist() == [0] * len(set(marks))
    assert words.pack(text, []) == words.pack(text)


@given(st.text(), st.text())
@example("\0", "")
@example("ana", "\0ana")
@settings(deadline=None)
def test_no_text_has_the_term_of_a_mark(text: str, mark: str) -> None:
    terms = {words.hashed(term) for term in [*words.terms(text), *words.asked(text)]}
    assert not {words.hashed_mark(text), words.hashed_mark(mark)} & terms


def test_the_hash_of_a_mark_is_the_same_on_every_machine_and_in_every_version() -> None:
    assert words.pack("Ana", ["Ana"]).hex() == "0125190115385a1a3ce7191093d1f73acd01000000"


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


NAMES = [f"m{number}" for number in range(4)]


@st.composite
def rows_with_marks(draw: st.DrawFn) -> list[tuple[str, list[str]]]:
    """Some rows have many words, so that heads become segments and segments are merged."""
    texts = draw(rows_of_words())
    return [(text, draw(st.lists(st.sampled_from([*NAMES, "w3"]), max_size=3))) for text in texts]


def marked_as(made: Words, rows: list[tuple[str, list[str]]]) -> None:
    """The index tells the marks of these rows, and everything else as if they had none."""
    for mark in [*NAMES, "w3", "w300", "nothing"]:
        found = made.snapshot().marked(mark)
        assert found.dtype == np.int32
        assert found.tolist() == [row for row, (_, marks) in enumerate(rows) if mark in marks], mark
    plain = index(*(text for text, _ in rows))
    assert answer(made.postings(QUESTION)) == answer(plain.postings(QUESTION))
    assert answer(made.postings(" ".join(NAMES))) == {name: {} for name in NAMES}
    assert made.lengths.tolist() == plain.lengths.tolist()


@given(rows_with_marks(), st.lists(st.integers(0, 8), max_size=10), st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_marks_are_found_through_appending_merging_and_removing_and_change_nothing_else(rows, batches, random) -> None:  # type: ignore[no-untyped-def]
    made = Words()
    blobs = [words.pack(text, marks) for text, marks in rows]
    while blobs:
        size = batches.pop() if batches else len(blobs)
        made.add(blobs[:size])
        del blobs[:size]
    marked_as(made, rows)
    before = made.snapshot()
    told_before = before.marked("m0").tolist()
    keep = [random.random() < 0.6 for _ in rows]
    made.compact(np.array(keep, np.bool_))
    later = ("w3 w700", ["m0", "w3"])
    made.add([words.pack(*later)])
    marked_as(made, [row for row, stays in zip(rows, keep, strict=True) if stays] + [later])
    assert before.marked("m0").tolist() == told_before


def test_rows_of_marks_alone_fill_segments_too() -> None:
    made = Words()
    for number in range(3000):  # two postings each; a head has 4,096
        made.add([words.pack("", [f"m{number % 7}", f"n{number}"])])
    now = made.snapshot()
    assert now.segments
    assert now.marked("m3").tolist() == list(range(3, len(made), 7))
    assert now.marked("n2000").tolist() == [2000]
    assert not made.lengths.any()


def test_a_compacted_index_holds_no_term_of_a_removed_row() -> None:
    made = index(*[f"common rare{number}" for number in range(5000)], "secret")
    made.compact(np.arange(5001) < 5000)
    now = made.snapshot()
    held = {words.hashed("common")} | {words.hashed(f"rare{number}") for number in range(5000)}
    assert {int(term) for segment in now.segments for term in segment.terms} | set(now.head_terms.tolist()) == held
    assert not any("secret" in cache for cache in (words._stems, words._hashes))


def test_no_word_of_a_component_that_begins_again_stays_in_the_cache() -> None:
    with closing(SqlStore(":memory:")) as store:
        event = an_event("secret", namespace="n")
        store.journal.append([event])
        assert store.derived.commit("n", "c", a_draft(a_record(event)), None, since=0, upto=1)
        assert "secret" in words._hashes
        assert store.upkeep.rewind(None, "c") == 1
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
