"""What somebody said is told from what memkit said to them."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

import memkit
from memkit import Document, Event, Memory
from memkit.hygiene import NOTE, fingerprint, memorable, own, spans

DAY = datetime(2024, 5, 8, tzinfo=UTC)


def said(text: str, **more: str) -> Event:
    return Event(id="e", namespace="n", text=text, at=DAY, recorded=DAY, **more)  # type: ignore[arg-type]


def words(text: str) -> list[str]:
    return [text[start:end] for start, end in own(text)]


@pytest.fixture
def memory() -> Iterator[Memory]:
    with memkit.open(":memory:") as memory:
        yield memory


def recalled(memory: Memory, **how: int) -> str:
    """A context of several lines, titles, repetitions and neighbours."""
    memory.add(["The boat is blue.", "The boat:\n\nit is called Kittiwake."], author="Ana", session="s", at=DAY)
    memory.add(Document(text="A boat has a keel.", title="Boats: all of them"), at=DAY)
    for day in (1, 2, 3):
        memory.add("The boat leaks!", author="Ben", at=f"2024-06-0{day}")
    text = memory.recall("boat", **how).context().text
    assert text.count("\n") >= 4
    return text


@pytest.mark.parametrize("neighbours", [0, 1])
def test_a_recall_that_is_pasted_back_is_nobodys_words(memory: Memory, neighbours: int) -> None:
    text = recalled(memory, neighbours=neighbours)
    assert words(text) == []
    assert words(f"Look what I know.\n{text}\n\nWhat now?") == ["Look what I know.", "What now?"]


def test_each_message_of_a_recall_is_nobodys_words(memory: Memory) -> None:
    recalled(memory)
    messages = memory.recall("boat").messages()
    assert len(messages) > 2
    assert [words(message["content"]) for message in messages] == [[]] * len(messages)


def test_the_tags_around_a_recall_go_with_it(memory: Memory) -> None:
    text = recalled(memory)
    assert words(f"<memory>\n{text}\n</memory>\n\nWhere is it?") == ["Where is it?"]
    assert words(f"<b>\n{text}\n</i>") == ["<b>", "</i>"]


def test_lines_of_windows_are_lines() -> None:
    assert words("Hm.\r\n[1] 2024-05-08, Ana: I moved.\r\n    Really.\r\n\r\nSo?") == ["Hm.", "So?"]


@pytest.mark.parametrize(
    "text",
    [
        "I read [1] and [2] of your list.",
        "[1] is the better one, 2024-05-08: is that the date?",
        "In [1] 2024-05-08, Ana: came home.",
        "[1] 2024, Ana: I moved.",
        "[0] 2024-05-08, Ana: I moved.",
        " [1] 2024-05-08, Ana: I moved.",
        "[1] 2024-05-08, we moved at 10:30 and nothing else happened",
        "    indented, as code is",
        "Recalled from memory: earlier messages.",
        "Ana: [1]\n2024-05-08: moved",
        "  two  blanks and a newline \n",
        "",
        "🙂",
    ],
)
def test_what_is_not_certain_stays(text: str) -> None:
    assert own(text) == [(0, len(text))]


def test_the_note_goes_wherever_it_stands() -> None:
    assert words(f"{NOTE}\n\nYes. {NOTE} No.") == ["Yes.", "No."]
    assert own(NOTE) == []


def test_what_has_no_letter_is_no_rest() -> None:
    assert own("---\n[1] 2024-05-08, Ana: I moved.\n---\n") == []


LINES = st.sampled_from(
    [
        "[1] 2024-05-08, Ana: hi",
        "[2] 2024-05-08 to 2024-06-01, 3 times: x",
        "    more",
        "",
        "own words",
        "<m>",
        "</m>",
        NOTE,
    ]
)


@given(st.lists(LINES, max_size=12).map("\n".join))
def test_spans_ascend_without_blanks_and_recalled_lines_are_never_in_them(text: str) -> None:
    found = own(text)
    assert all(first[1] <= second[0] for first, second in pairwise(found))
    if found != [(0, len(text))]:
        assert all(text[start:end] == text[start:end].strip() != "" for start, end in found)
    assert not any(line.startswith("[") for start, end in found for line in text[start:end].split("\n"))
    assert text.count("own words") == sum(text[start:end].count("own words") for start, end in found)


@given(st.text())
def test_any_text_has_spans_within_it(text: str) -> None:
    assert all(0 <= start <= end <= len(text) for start, end in own(text))


@pytest.mark.parametrize(
    "text",
    [
        "[1] 2024-05-08, " * 60_000,
        "[1] 2024-05-08, x\n" * 60_000,
        "[1] 2024-05-08: x\n" + "    y\n" * 200_000,
        "<a>\n" * 200_000 + "[1] 2024-05-08: x",
        "[1] 2024-05-08: x\n<a>\n" * 50_000,
        f"{NOTE} a " * 5_000,
        "] " * 500_000,
    ],
    ids=["half marks", "lines of half marks", "one entry", "tags", "entries and tags", "notes", "brackets"],
)
def test_a_megabyte_of_anything_takes_moments(text: str) -> None:
    started = time.process_time()
    own(text)
    assert time.process_time() - started < 2


def test_machinery_is_not_memorable() -> None:
    assert memorable(said("hello"))
    assert memorable(said("hello", role="assistant"))
    for role in ("system", "developer", "tool", "function", "System"):
        assert spans(said("You are helpful.", role=role)) == []
    for kind in ("call", "result", "plan", "outline", "short-memory"):
        assert spans(said("{}", kind=kind)) == []


def test_a_document_is_taken_whole() -> None:
    text = "[1] 2024-05-08, Smith: On moving house.\nText."
    assert spans(said(text, kind="document")) == [(0, len(text))]
    assert [text[start:end] for start, end in spans(said(text))] == ["Text."]


def test_a_fingerprint_knows_the_words_and_their_order_alone() -> None:
    assert fingerprint("I moved, to LISBON!") == fingerprint("i moved\nto Lisbon")
    assert fingerprint("I moved to Lisbon") != fingerprint("Lisbon moved to I")
    assert len(fingerprint("half \ud800 a sign")) == 16


def test_passages_learn_no_recall_and_no_machinery(memory: Memory) -> None:
    memory.add("The boat is called Kittiwake.", author="Ana", at=DAY)
    pasted = memory.recall("boat").context().text
    memory.add(pasted, role="assistant")
    memory.add(f"{pasted}\n\nSo the boat has a name.", author="Ben")
    memory.add({"role": "system", "content": "You are a boat's pilot."})
    memory.add({"role": "tool", "content": "boat: 1 result"})
    learned = ["The boat is called Kittiwake.", "So the boat has a name."]
    assert {hit.text for hit in memory.recall("boat", k=20)} == set(learned)
    assert [record.text for record in memory.records("passages")] == learned
    assert len(memory.history()) == 5


def test_what_is_left_of_a_long_turn_is_split_where_it_stands(memory: Memory) -> None:
    text = "[1] 2024-05-08, Ana: I moved.\n\n" + "A sentence about the sea. " * 300
    memory.add(text)
    memory.sync()
    records = list(memory.records("passages"))
    assert len(records) > 2
    for record in records:
        (source,) = record.sources
        assert text[source.start : source.end] == record.text
        assert source.start >= 30
