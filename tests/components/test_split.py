"""Documents are cut where a reader would cut them, and nothing is lost."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from memkit.splitting import sentences, split

# Texts that look like documents: what matters to the splitter comes up often.
snippets = st.sampled_from(
    [
        *("Dr. Smith came. ", "He left! ", '"Why?" she said. ', "It cost 3.14 euros. ", "So... what? ", "J. R. Smith "),
        *(
            "我搬到了里斯本。",
            "你好吗？！",
            "# A heading\n\n",
            "- an item\n",
            "1. first\n",
            "\n\n",
            "\n",
            "\r\n",
            " \t\n ",
            "\u2029",
        ),
        *(
            "x" * 70,
            "e\u0301" * 9,
            "👨‍👩‍👧",
            "a, b; c: ",
            "```\ncode()\n```\n",
            ". ",
            "!)",
            "\x1c",
            "\u3000",
            "ﷺ שלום. ",
        ),
    ]
)
texts = st.one_of(st.lists(snippets, max_size=30).map("".join), st.text(max_size=200))


def passages(text: str, limit: int = 1000) -> list[str]:
    return [text[start:end] for start, end in split(text, limit=limit)]


def spoken(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@given(text=texts, limit=st.integers(1, 120))
@example(text="a" * 50 + "\u0301" * 50, limit=3)
def test_spans_ascend_keep_the_limit_and_lose_only_blanks(text: str, limit: int) -> None:
    spans = split(text, limit=limit)
    place = 0
    for start, end in spans:
        assert place <= start < end <= start + limit
        assert text[place:start].strip() == ""
        assert text[start:end] == text[start:end].strip()
        place = end
    assert text[place:].strip() == ""


@given(text=texts)
def test_sentences_lose_only_blanks_and_passages_begin_and_end_with_them(text: str) -> None:
    whole = sentences(text)
    assert "".join("".join(text[a:b] for a, b in whole).split()) == "".join(text.split())
    starts, ends = {start for start, _ in whole}, {end for _, end in whole}
    for start, end in split(text, limit=len(text) + 1):
        assert start in starts
        assert end in ends


@given(text=texts, limit=st.integers(1, 120))
def test_a_passage_depends_on_nothing_before_an_earlier_paragraph_that_is_full(text: str, limit: int) -> None:
    full = "x" * limit
    shifted = [(start - limit - 2, end - limit - 2) for start, end in split(f"{full}\n\n{text}", limit=limit)[1:]]
    assert shifted == split(text, limit=limit)


def test_a_text_without_a_word_gives_no_passage() -> None:
    assert split("") == split(" \n\n\t ") == []


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="limit is 0"):
        split("text", limit=0)


def test_abbreviations_initials_and_decimals_do_not_end_a_sentence() -> None:
    text = "Dr. Smith met J. R. Jones on Jan. 5 in the U.S. capital. They paid 3.14 euros, e.g. for tea (Fig. 3). Done."
    assert spoken(text) == [
        "Dr. Smith met J. R. Jones on Jan. 5 in the U.S. capital.",
        "They paid 3.14 euros, e.g. for tea (Fig. 3).",
        "Done.",
    ]


def test_a_number_ends_a_sentence_unless_it_counts_a_list() -> None:
    assert spoken("1. It began in 1999. Then it stopped.") == ["1. It began in 1999.", "Then it stopped."]


def test_the_word_i_ends_a_sentence() -> None:
    assert spoken("So do I. Then we left.") == ["So do I.", "Then we left."]


def test_quotation_marks_stay_with_the_sentence_that_they_close() -> None:
    text = '"Oh!" said Alice. “Go away.” (He went.) And then?'
    assert spoken(text) == ['"Oh!" said Alice.', "“Go away.”", "(He went.)", "And then?"]


def test_an_ellipsis_ends_a_sentence_only_where_another_begins() -> None:
    assert spoken("Well... maybe. Hm… Yes!") == ["Well... maybe.", "Hm…", "Yes!"]


def test_chinese_hindi_and_arabic_sentences_are_found() -> None:
    assert spoken("我搬到了里斯本。你好吗？！好。") == ["我搬到了里斯本。", "你好吗？！", "好。"]
    assert spoken("हम गए। वे आए।") == ["हम गए।", "वे आए।"]
    assert spoken("ماذا؟ نعم.") == ["ماذا؟", "نعم."]


def test_a_line_break_inside_a_paragraph_ends_no_sentence_but_a_list_item_does() -> None:
    assert spoken("We went to\nParis yesterday.\n- one\n- two") == ["We went to\nParis yesterday.", "- one", "- two"]


def test_a_heading_stays_with_the_sentence_after_it() -> None:
    assert spoken("Before.\n\n## What is it?\n\nAn answer. More.") == [
        "Before.",
        "## What is it?\n\nAn answer.",
        "More.",
    ]


def test_whole_sentences_are_packed_up_to_the_limit() -> None:
    assert passages("One two. Three four. Five six.", limit=20) == ["One two. Three four.", "Five six."]


def test_a_paragraph_ends_a_passage_that_is_more_than_half_full_and_no_other() -> None:
    assert passages("A b c.\n\nD e f.", limit=10) == ["A b c.", "D e f."]
    assert passages("A b c.\n\nD e f.", limit=11) == ["A b c.", "D e f."]
    assert passages("A b c.\n\nD e f.", limit=14) == ["A b c.\n\nD e f."]


def test_a_long_sentence_is_cut_at_a_line_else_a_clause_else_a_word_else_anywhere() -> None:
    assert passages("aaaa bbbb\ncccc, dddd", limit=16) == ["aaaa bbbb", "cccc, dddd"]
    assert passages("aaaa bbbb, cccc dddd", limit=16) == ["aaaa bbbb,", "cccc dddd"]
    assert passages("aaaa bbbb cccc dddd", limit=12) == ["aaaa bbbb", "cccc dddd"]
    assert passages("aaaabbbbccccdddd", limit=12) == ["aaaabbbbcccc", "dddd"]


def test_a_cut_does_not_part_a_letter_from_its_accent() -> None:
    assert passages("aaae\u0301bbb", limit=4) == ["aaa", "e\u0301bb", "b"]


@pytest.mark.parametrize(
    "pattern",
    [
        "The cat sat on the mat, and Dr. Who left. ",
        ".",
        ". ",
        "A. ",
        " ",
        "\n \n",
        "# A. ",
        "x",
        "!)",
        '."',
        "。",
        "\u0301",
    ],
)
def test_time_grows_with_the_length_and_nothing_else(pattern: str) -> None:
    def seconds(length: int) -> float:
        text = (pattern * (length // len(pattern) + 1))[:length]
        started = time.process_time()
        split(text)
        return time.process_time() - started

    assert seconds(400_000) < 16 * max(
        seconds(50_000), 0.01
    )  # 8 times the text; quadratic work would take 64 times as long
