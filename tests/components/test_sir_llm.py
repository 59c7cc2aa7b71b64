"""SirLLM as a component: what it notes of a stream, what it keeps of it, and what it recalls."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import memkit
from memkit.components.sir_llm import Keep, SirLLM, interval, kept, prompt, random, recent, surprisal
from memkit.components.sir_llm.units import LONGEST, Unit, spans
from memkit.demo.story import chapters
from memkit.errors import ModelError
from memkit.memory import Memory
from memkit.testing.embedders import HashEmbedder
from memkit.values import Record, Surprisal

BEGIN = datetime(2024, 5, 8, tzinfo=UTC)
STORY = "\n".join(chapter.text for chapter in chapters())
FILLER = "The weather is nice today. "


class Letters:
    """A token model: a word with the signs and line ends behind it is a token of as many bits as letters, and expected to
    have two. It has no state, and cannot read the word "unreadable"."""

    name = "letters"

    def start(self) -> Letters:
        return self

    def fork(self) -> Letters:
        return self

    def read(self, text: str, /) -> Surprisal:
        if "unreadable" in text:
            raise ModelError("cannot read that")
        found = list(re.finditer(r"\S+\n*", text))
        return Surprisal(
            np.array([one.start() for one in found], np.int32),
            np.array([one.end() for one in found], np.int32),
            np.array([sum(map(str.isalpha, one[0])) for one in found], np.float32),
            np.full(len(found), 2, np.float32),
        )


@pytest.fixture
def memory() -> Iterator[Memory]:
    with memkit.open(":memory:", components=[SirLLM()]) as memory:
        yield memory


def opened(where: str | Path = ":memory:", scorer: Letters | None = None, **options: object) -> Memory:
    return memkit.open(where, components=[SirLLM(**options)], scorer=scorer)  # type: ignore[arg-type]  # see SirLLM


def rows(memory: Memory) -> list[Record]:
    memory.sync()
    return list(memory.records(component="sir_llm"))


def noted(memory: Memory) -> list[tuple[str, float, object]]:
    return [(row.text, row.weight, row.metadata["sir_llm"]) for row in rows(memory)]


# --- units ----------------------------------------------------------------------------------------


@given(st.text(st.sampled_from("ab .,;\n!?。、é\u0301“”A—-"), max_size=900), st.sampled_from(("sentence", "phrase")))
@example("a" * 1000, "sentence")
@example("é\u0301" * 400, "phrase")
@example(" \n ", "sentence")
def test_units_hold_every_sign_once_and_are_short(text: str, unit: Unit) -> None:
    found = spans(text, unit)
    assert all(start < end <= start + LONGEST for start, end in found)
    assert all(one[1] <= other[0] for one, other in pairwise(found))
    assert all(text[start:end] == text[start:end].strip() for start, end in found)
    held = "".join(text[start:end] for start, end in found)
    assert re.sub(r"\s", "", held) == re.sub(r"\s", "", text)


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("One. Two! Three?", "sentence", ["One.", "Two!", "Three?"]),
        ("“Off!” she cried. He left", "sentence", ["“Off!” she cried.", "He left"]),
        ("Dr. Who paid 3.50, e.g. for J. Smith.", "sentence", ["Dr. Who paid 3.50, e.g. for J. Smith."]),
        ("Wait... what? approx. five", "sentence", ["Wait... what?", "approx. five"]),
        ("Milk, 2 l\nEggs; bread", "sentence", ["Milk, 2 l", "Eggs; bread"]),
        ("Milk, 2 l\nEggs; bread – and tea", "phrase", ["Milk,", "2 l", "Eggs;", "bread –", "and tea"]),
        ("1,000 at 10:30", "phrase", ["1,000 at 10:30"]),
        ("日本語。はい、そうです。", "sentence", ["日本語。", "はい、そうです。"]),
        ("日本語。はい、そうです。", "phrase", ["日本語。", "はい、", "そうです。"]),
        ("", "sentence", []),
    ],
)
def test_a_turn_is_cut_at_sentences_or_phrases(text: str, unit: Unit, expected: list[str]) -> None:
    assert [text[start:end] for start, end in spans(text, unit)] == expected


# --- rows -----------------------------------------------------------------------------------------


def test_each_unit_is_a_row_that_names_the_turn_before_as_well(memory: Memory) -> None:
    ids = [
        memory.add(text, role=role).ids[0]
        for text, role in (("I am Ana. I live in Lisbon.", "user"), ("Be kind.", "system"), ("My dog is Toby.", "user"))
    ]
    found = rows(memory)
    assert [row.text for row in found] == ["I am Ana.", "I live in Lisbon.", "My dog is Toby."]
    assert [[source.event for source in row.sources] for row in found] == [[ids[0]], [ids[0]], [ids[2], ids[0]]]
    assert found[2].sources[1].start == 10  # the unit before


def test_a_row_says_how_it_was_scored() -> None:
    with opened(scorer=Letters()) as memory:
        memory.add("One three. Seventeen!", metadata={"mood": "good"})
        memory.add("No.")
        notes = [row.metadata for row in rows(memory)]
    assert notes[0]["mood"] == "good"
    told = [{name: note["sir_llm"][name] for name in ("turn", "offset", "tokens", "bits")} for note in notes]
    assert told == [
        {"turn": 0, "offset": 0, "tokens": 2, "bits": 8.0},
        {"turn": 0, "offset": 11, "tokens": 1, "bits": 9.0},
        {"turn": 1, "offset": 22, "tokens": 1, "bits": 2.0},
    ]
    assert {note["sir_llm"]["scorer"] for note in notes} == {"letters"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"score": "max"}, [5, 9]),
        ({"score": "mean"}, [(3 + 5 + 4 + 4 + 2 + 2 + 2 + 1) / 8, 9 / 8]),
        ({"score": "top"}, [(5 + 4) / 2, 9 / 2]),  # two of eight
        ({"score": "entropy"}, [2, 2 / 8]),
        ({"score": "max", "lead": True}, [9, 9]),
        ({"score": "mean", "lead": True}, [(9 + 5 + 4 + 4 + 2 + 2 + 2 + 1) / 8, 9 / 8]),
    ],
)
def test_the_score_of_a_unit_is_made_of_its_tokens(options: dict[str, object], expected: list[float]) -> None:
    with opened(scorer=Letters(), **options) as memory:
        memory.add("One three four four is is is a. Seventeen!")
        assert [row.weight for row in rows(memory)] == expected


def test_a_token_that_ends_a_line_belongs_to_that_line() -> None:
    """Byte-pair tokens may hold a full stop and the line end behind it; words of the adaptive model the one before them."""
    text = "First line here\nsecond one\nthird"
    with opened(scorer=Letters(), score="max") as memory:
        memory.add(text)
        assert [row.metadata["sir_llm"]["tokens"] for row in rows(memory)] == [3, 2, 1]
    with opened(score="max") as memory:
        memory.add(text)
        assert [row.metadata["sir_llm"]["tokens"] for row in rows(memory)] == [3, 2, 1]


def test_what_was_said_before_is_less_surprising(memory: Memory) -> None:
    for text in ("I live in Lisbon with my dog.", "It rains.", "I live in Lisbon with my dog."):
        memory.add(text)
    first, _, again = [row.weight for row in rows(memory)]
    assert again < first / 2


def test_an_agents_own_machinery_is_not_remembered(memory: Memory) -> None:
    memory.add("You are a helpful assistant.", role="system")
    memory.add("search(q='x')", kind="call")
    memory.add("Hello.")
    assert [row.text for row in rows(memory)] == ["Hello."]


def test_what_was_recalled_and_pasted_back_is_not_remembered_again(memory: Memory) -> None:
    memory.add("Is this right?\n[1] 2024-05-08, Ana: I moved to Lisbon. It is warm.\nI think it is.")
    found = rows(memory)
    assert [row.text for row in found] == ["Is this right?", "I think it is."]
    text = memory.history()[0].text
    assert [text[row.sources[0].start : row.sources[0].end] for row in found] == [row.text for row in found]


def test_a_model_is_made_again_from_the_rows_after_a_restart(tmp_path: Path) -> None:
    """Across blocks, and in the middle of one: the rows are those of a memory that was never closed."""
    parts = [STORY[start : start + 700] for start in range(0, 14_000, 700)]
    parts[5] = STORY[20_000:24_000]  # one turn over several blocks
    with opened(block=2_000) as memory:
        memory.add(parts)
        expected = noted(memory)
    place = tmp_path / "memory.db"
    for part in parts:
        with opened(place, block=2_000) as memory:
            memory.add(part)
            memory.sync()
    with opened(place, block=2_000) as memory:
        assert noted(memory) == expected


def test_a_block_bounds_what_a_score_depends_on() -> None:
    """Two streams that differ in their first 2,000 characters score the same a block and a half later."""
    same = STORY[5_000:15_000].split("\n")
    told = []
    for first in (STORY[30_000:32_000], STORY[60_000:62_000]):
        with opened(block=2_000) as memory:
            memory.add(first.replace("\n", " ").ljust(2_000, "x")[:2_000])
            memory.add([line for line in same if line.strip()])
            told.append([(text, weight) for text, weight, _ in noted(memory)])
    assert told[0][-40:] == told[1][-40:]
    assert told[0][20:40] != told[1][20:40] or told[0][:20] != told[1][:20]


def test_a_model_that_has_read_what_was_forgotten_is_not_used_again() -> None:
    first, gone, last = "The otter sleeps.", "Quizzical zebras juggle.", "Quizzical zebras juggle again."
    with opened() as memory, opened() as never:
        memory.add(first)
        ids = memory.add(gone).ids
        rows(memory)  # its model has read it now
        memory.forget(ids=ids)
        memory.add(last)
        never.add([first, last])
        assert noted(memory) == noted(never)


def test_namespaces_are_streams_of_their_own(memory: Memory) -> None:
    memory["a"].add(FILLER * 20)
    for name in ("b", "c"):
        memory[name].add("The weather is nice today.")
        memory[name].sync()
    weight = {name: next(iter(memory[name].records(component="sir_llm"))).weight for name in ("b", "c")}
    assert weight["b"] == weight["c"]


def test_a_turn_that_cannot_be_read_is_set_aside_and_the_next_ones_are_scored_as_if_it_were_not_there() -> None:
    with opened(scorer=Letters()) as memory, opened(scorer=Letters()) as other:
        memory.add(["One.", "unreadable", "Two."])
        other.add(["One.", "Two."])
        stats = memory.sync()
        assert [entry.error for entry in stats.deferred] == ["ModelError: cannot read that"]
        assert noted(memory) == noted(other)


# --- echoes ---------------------------------------------------------------------------------------


def test_an_assistants_echo_of_the_user_is_never_kept(memory: Memory) -> None:
    memory.add("My passport number is X123.", role="user")
    memory.add("I see: noted. My passport number is X123!", role="assistant")
    memory.add("My passport number is X123.", role="user")
    found = rows(memory)
    assert [row.text for row in found if row.metadata["sir_llm"].get("echo")] == ["My passport number is X123!"]
    assert [row.text for row in kept(found)] == [
        "My passport number is X123.",
        "I see: noted.",
        "My passport number is X123.",
    ]
    assert all(hit.record.role == "user" for hit in memory.recall("passport number"))


def test_signs_without_a_word_are_no_echo_of_each_other(memory: Memory) -> None:
    memory.add("!!!", role="user")
    memory.add("😀", role="assistant")
    assert [row.text for row in kept(rows(memory))] == ["!!!", "😀"]


def test_an_echo_is_none_any_more_when_what_it_repeats_is_forgotten(memory: Memory) -> None:
    first = memory.add("My passport number is X123.", role="user").ids
    memory.add("My passport number is X123.", role="assistant")
    assert [hit.record.role for hit in memory.recall("passport number")] == ["user"]
    memory.forget(ids=first)
    assert [hit.record.role for hit in memory.recall("passport number")] == ["assistant"]


# --- what is kept and recalled --------------------------------------------------------------------


def grocery(memory: Memory) -> None:
    """A thing is said, and much that is alike follows."""
    memory.add("Please buy quinoa and dragonfruit.", author="Ana", at=BEGIN)
    for n in range(40):
        memory.add("The weather is nice today and the sun is up.", at=BEGIN + timedelta(minutes=n))


def test_a_rare_thing_outlives_what_is_said_again_and_again() -> None:
    with opened(keep=Keep(budget=40, sinks=0)) as memory:
        grocery(memory)
        assert [hit.text for hit in memory.recall("What should I buy, quinoa?")] == [
            "Please buy quinoa and dragonfruit."
        ]


@pytest.mark.parametrize("rule", [recent, interval, random])
def test_baselines_keep_something_else(rule: object) -> None:
    with opened(keep=Keep(budget=20, sinks=0, seed=1), rule=rule) as memory:
        memory.add("It rains.")
        grocery(memory)
        chosen = kept(rows(memory), Keep(budget=20, sinks=0, seed=1), rule)  # type: ignore[arg-type]  # it is a rule
        assert "Please buy quinoa and dragonfruit." not in [row.text for row in chosen]
        assert list(memory.recall("What should I buy, quinoa?")) == []


@pytest.mark.parametrize("rule", [surprisal, random, interval, recent])
def test_recall_looks_through_what_kept_returns(rule: object) -> None:
    keep = Keep(budget=120, sinks=2, recent=20, decay=0.95)
    with opened(keep=keep, rule=rule) as memory:
        memory.add([line for line in STORY[:6_000].split("\n") if line.strip()])
        chosen = {row.id for row in kept(rows(memory), keep, rule)}  # type: ignore[arg-type]  # it is a rule
        found = {hit.record.id for word in sorted(set(STORY[:6_000].split())) for hit in memory.recall(word, floor=0)}
        assert found
        assert found <= chosen
        assert len(found) > len(chosen) / 2


def test_the_filter_comes_before_the_budget() -> None:
    with opened(keep=Keep(budget=12, sinks=0)) as memory:
        memory.add("Pass the salt please.", session="kitchen")
        memory.add("Xylophones vex quixotic jazz zealots.", session="stage")
        assert [hit.text for hit in memory.recall("salt", session="kitchen")] == ["Pass the salt please."]


def test_what_was_kept_at_a_time_is_what_was_kept_then() -> None:
    clock = iter(BEGIN + timedelta(minutes=n) for n in range(10_000))
    with opened(keep=Keep(budget=10, sinks=0)) as memory:
        memory.add("Pass the salt please.", at=next(clock))
        then = datetime.now(UTC)
        memory.add("Xylophones vex quixotic jazz zealots, and so do harpsichords.", at=next(clock))
        assert [hit.text for hit in memory.recall("salt", as_of=then)] == ["Pass the salt please."]
        assert list(memory.recall("salt")) == []


def test_of_equally_relevant_units_the_more_surprising_comes_first(memory: Memory) -> None:
    memory.add(["The dog is here.", "It is late.", "The dog is here.", "The dog is Xqz."])
    hits = memory.recall("dog", k=3).hits
    weights = [hit.why["surprisal"] for hit in hits if hit.score == hits[0].score]
    assert weights == sorted(weights, reverse=True)
    assert len(weights) > 1


def test_a_question_about_something_else_finds_nothing(memory: Memory) -> None:
    grocery(memory)
    assert list(memory.recall("zebra crossings in Ulaanbaatar")) == []


def test_with_vectors_a_unit_is_found_by_meaning_as_well() -> None:
    with memkit.open(":memory:", components=[SirLLM()], embedder=HashEmbedder(64)) as memory:
        memory.add(["My dog is called Toby.", "It rains in Porto."])
        hit = memory.recall("dog called Toby").hits[0]
        assert hit.text == "My dog is called Toby."
        assert set(hit.why) == {"words", "meaning", "surprisal"}


def test_neighbours_are_units_of_the_same_session_kept_or_not() -> None:
    with opened(keep=Keep(budget=6, sinks=0)) as memory:
        memory.add("It is late. Quixotic xylophones vex. It is so.", session="s")
        (hit,) = memory.recall("xylophones", neighbours=1)
        assert [row.text for row in hit.before + hit.after] == ["It is late.", "It is so."]


def test_title_and_caption_are_found_too(memory: Memory) -> None:
    memory.add("Look at this.", metadata={"caption": "a zebra in the garden"})
    memory.add(memkit.Document(text="It was late.", title="Nocturne"))
    assert [hit.text for hit in memory.recall("zebra")] == ["Look at this."]
    assert [hit.text for hit in memory.recall("Nocturne")] == ["It was late."]


def test_what_is_kept_is_ready_for_a_prompt(memory: Memory) -> None:
    memory.add("I am Ana. It rains. My dog is Toby.", author="Ana")
    memory.add("Noted. Anything else?", role="assistant")
    memory.add("No.")
    found = rows(memory)
    assert prompt(found) == "Ana: I am Ana. It rains. My dog is Toby.\nassistant: Noted. Anything else?\nuser: No."
    assert prompt([found[0], found[2], found[4]]) == "Ana: I am Ana. … My dog is Toby.\nassistant: … Anything else?"
    assert prompt([]) == ""


def test_rows_of_another_component_are_refused() -> None:
    with memkit.open(":memory:") as memory:
        memory.add("Hello.")
        memory.sync()
        with pytest.raises(ValueError, match="passages"):
            kept(list(memory.records()))


def test_a_budget_of_nothing_keeps_nothing_but_the_sinks(memory: Memory) -> None:
    memory.add("One. Two. Three. Four. Five. Six.")
    assert [row.text for row in kept(rows(memory), Keep(budget=0))] == ["One.", "Two.", "Three.", "Four."]
    assert kept(rows(memory), Keep(budget=0, sinks=0)) == []


@pytest.mark.parametrize(
    "wrong", [{"unit": "word"}, {"score": "sum"}, {"block": 999}, {"block": 2e4}, {"rule": "recent"}, {"keep": 9}]
)
def test_options_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    """When the component is made, and not when somebody asks it."""
    with pytest.raises((ValueError, TypeError), match=next(iter(wrong))):
        SirLLM(**wrong)  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize("wrong", [{"budget": 1.5}, {"sinks": -1}, {"recent": True}, {"seed": -1}, {"decay": 0.0}])
def test_what_cannot_be_kept_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Keep(**wrong)  # type: ignore[arg-type]  # that is the point
