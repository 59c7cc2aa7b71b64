"""The JSON in what a model wrote: found among whatever stands around it, and never made up."""

from __future__ import annotations

import gc
import json
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memkit.models.structured import BrokenError, Found, values
from memkit.values import Json

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=12)
)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
containers = st.lists(trees, max_size=5) | st.dictionaries(st.text(max_size=6), trees, max_size=4)


def first(text: str, *, cut_off: bool = False) -> Json:
    return values(text, cut_off=cut_off)[0].value


@given(containers, st.sampled_from([None, 1]), st.booleans())
def test_whatever_is_json_is_read_as_json_reads_it(value: Json, indent: int | None, escaped: bool) -> None:
    assert first(json.dumps(value, indent=indent, ensure_ascii=escaped)) == value


@given(scalars)
def test_a_lone_value_may_be_a_text_a_number_or_a_word(value: Json) -> None:
    for text in (json.dumps(value), f"```json\n{json.dumps(value)}\n```"):
        if isinstance(value, str) and set(value) & set("[{"):
            continue  # brackets are looked for first
        assert first(text) == value


@pytest.mark.parametrize(
    "text",
    [
        '{"a": [1, 2]}',
        'Here it is:\n```json\n{"a": [1, 2]}\n```\nI hope that helps.',
        '```\n{"a": [1, 2]}\n```',
        '```json\n{"a": [1, 2]}',
        'The answer [as asked] is {"a": [1, 2]}, see [1].',
        '<think>Perhaps {"a": [0], "b": "something much longer"}?</think>\n{"a": [1, 2]}',
        '```json\n{"a": [9]}\n```\nNo, better:\n```json\n{"a": [1, 2]}\n```',
        "{'a': [1, 2]}",
        '{"a": [1, 2,],}',
        '{\n  "a" :\t[ 1 ,2 ]\r\n}',
        '\ufeff{"a": [1, 2]}',
    ],
)
def test_a_value_is_found_however_it_is_written(text: str) -> None:
    assert first(text) == {"a": [1, 2]}


def test_python_words_and_line_breaks_in_texts_are_read() -> None:
    assert first("{'yes': True, 'no': False, 'none': None}") == {"yes": True, "no": False, "none": None}
    assert first('{"a": "two\nlines"}') == {"a": "two\nlines"}
    assert first(r"['it\'s', " + '"it\'s"]') == ["it's", "it's"]


def test_two_halves_of_a_character_are_joined_and_one_alone_is_replaced() -> None:
    assert first(r'["\ud83d\ude00", "\ud83d"]') == ["\N{GRINNING FACE}", "\N{REPLACEMENT CHARACTER}"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("I would rather not.", "there is no JSON in it"),
        ("", "there is no JSON in it"),
        ('{"a": 1', "ends in the middle of a value"),
        ('{"a" 1}', "at line 1, character 6, there should be \":\", not '1'"),
        ('{\n"a": 01}', "at line 2, character 6, there should be"),
        ('{"a": NaN}', "there should be a value, not 'N'"),
        ('{"a": 1e999}', "there should be a number that can be held"),
        ('{"a": "\\x"}', "a sign that JSON knows after the backslash"),
        ('{"a": 1, "a": 2}', "the name 'a' stands twice in one object"),
        ("{a: 1}", "there should be a name in quotes, not 'a'"),
        ('{"a": __import__("os")}', "there should be a value, not '_'"),
        ("[" * 1000, "nests more than 64 brackets"),
        (f"[1{'0' * 5000}]", "a number of less than 4000 digits"),
    ],
)
def test_what_is_no_json_is_refused_with_the_place(text: str, why: str) -> None:
    with pytest.raises(BrokenError) as broken:
        values(text)
    assert why in str(broken.value)


@pytest.mark.parametrize(
    "text", ['{"thoughts": [{"a": 1}, {"a": 2}], oops}', '{"thoughts": [{"a": 1}, {"a": 2}', '[{"a": 1} {"a": 2}]']
)
def test_a_part_of_something_broken_is_never_taken_for_the_whole(text: str) -> None:
    with pytest.raises(BrokenError):
        values(text)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('[{"a": 1}, {"a": 2}, {"a"', [{"a": 1}, {"a": 2}]),
        ('{"title": "x", "list": [1, 22, 33', {"title": "x", "list": [1, 22]}),
        ('{"in": {"list": ["a", "b', {"in": {"list": ["a"]}}),
        ('```json\n{"list": ["a", "b"', {"list": ["a", "b"]}),
        ("[[1, 2], [3, 4", [[1, 2]]),
        ('[{"list": [1, 2]}, {"list": [3, 4', [{"list": [1, 2]}]),
        ("[true, tru", [True]),
        ("[1, 2.", [1]),
    ],
)
def test_a_list_that_was_cut_off_keeps_its_whole_items(text: str, kept: Json) -> None:
    assert values(text, cut_off=True) == [Found(kept, cut=True)]
    with pytest.raises(BrokenError):
        values(text)


@pytest.mark.parametrize(
    "text", ['{"a": "b', '{"list": [1, 2], "title": "x', '{"list": [1, 2]', "[1", '[{"a": [1, 2', "["]
)
def test_nothing_else_that_was_cut_off_is_repaired(text: str) -> None:
    with pytest.raises(BrokenError):
        values(text, cut_off=True)


@given(st.lists(trees, min_size=1, max_size=6), st.data())
def test_a_repair_never_invents_an_item(items: list[Json], data: st.DataObject) -> None:
    whole = json.dumps({"items": items}, ensure_ascii=False)
    text = whole[: data.draw(st.integers(1, len(whole) - 1))]
    try:
        found = values(text, cut_off=True)
    except BrokenError:
        return
    (one,) = found
    assert one.cut
    assert isinstance(one.value, dict)
    kept = one.value["items"]
    assert isinstance(kept, list)
    assert 1 <= len(kept) <= len(items)
    assert json.dumps(kept) == json.dumps(items[: len(kept)])


@given(st.text(alphabet="[]{}\",:'\\01eEtrunal.-` \n", max_size=60), st.booleans())
def test_any_text_at_all_is_read_or_refused(text: str, cut_off: bool) -> None:
    try:
        found = values(text, cut_off=cut_off)
    except BrokenError:
        return
    assert found
    for one in found:
        json.dumps(one.value, allow_nan=False)


@pytest.mark.parametrize("text", ["[a", "[1,", '{"a":', "[1] ", '{"a":1,}x', "{x}", '["', "`"], ids=repr)
def test_time_grows_with_the_length_and_no_faster(text: str) -> None:
    def seconds(times: int) -> float:
        gc.collect()
        gc.disable()  # as timeit does: a collection looks through all that other tests' libraries hold
        try:
            start = time.process_time()
            with suppress(BrokenError):
                values(text * times, cut_off=True)
            return time.process_time() - start
        finally:
            gc.enable()

    assert seconds(40_000) < 20 * seconds(4_000) + 0.5


def test_a_reply_of_nothing_but_open_brackets_is_read_once_and_not_from_each_of_them() -> None:
    start = time.process_time()
    with pytest.raises(BrokenError):
        values("[True, " * 20_000)  # 64 levels deep from each bracket, it took seconds
    assert time.process_time() - start < 1
    assert first('[None of these] fit, so {"a": 1}') == {"a": 1}
