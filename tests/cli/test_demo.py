"""`memkit demo`, and the texts that it comes with."""

import json
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from memkit.demo import chapters, turns

Command = Callable[..., Any]


def scenes(done: Any, kind: str) -> list[dict[str, Any]]:
    return [scene for scene in done.json["scenes"] if scene["scene"] == kind]


def test_it_runs_in_a_process_of_its_own_within_a_minute_and_leaves_nothing(process: Command, tmp_path: Path) -> None:
    started = time.monotonic()
    done = process("demo")
    assert time.monotonic() - started < 60
    assert (done.code, done.err) == (0, "")
    assert "No byte of the secret is left." in done.out
    assert list(tmp_path.iterdir()) == []


def test_every_question_finds_what_it_asks_for(memkit: Command) -> None:
    asked = {
        scene["title"]: [hit["text"] for hit in scene["hits"]] for scene in scenes(memkit("demo", "--json"), "asked")
    }
    answers = {
        "A book, found by its words": "he stole those tarts",
        "And why each hit came": "grunted",
        "A conversation": "hazelnuts",
        "The answer is in the next line": "eats",
        "A change of mind": "green",
        "The same question, from 14 May on": "dark blue",
        "A secret": "4471",
    }
    assert {title: texts for title, texts in asked.items() if title in answers and answers[title] not in texts[0]} == {}
    assert len(asked["Across two namespaces"]) == 2
    assert asked["Something that was never mentioned"] == []


def test_the_secret_is_forgotten_with_proof(memkit: Command, tmp_path: Path) -> None:
    done = memkit("demo", "--keep", "kept.db", "--json")
    (erased,) = scenes(done, "erased")
    assert done.code == 0
    assert (erased["events"], erased["proven"], erased["traces"]) == (1, True, [])
    assert erased["searched"]
    assert (erased["copies_before"] > 0, erased["copies_after"]) == (True, 0)
    assert erased["asked_again"]["hits"] == []
    assert "4471" in erased["text"]
    assert erased["text"].encode() not in b"".join(path.read_bytes() for path in tmp_path.glob("kept.db*"))
    (held,) = scenes(done, "held")
    assert held["events"] == len(chapters()) + len(turns()) - 1


def test_a_kept_memory_can_be_asked_on_and_is_not_overwritten(memkit: Command) -> None:
    assert "alice.db" in memkit("demo", "--keep", "alice.db").out
    done = memkit("recall", "mad tea-party", "--db", "alice.db", "--namespace", "demo/book", "-k", "1", "--json")
    assert done.json["hits"][0]["metadata"]["title"] == "Chapter VII. A Mad Tea-Party"
    again = memkit("demo", "--keep", "alice.db")
    assert (again.code, again.out) == (2, "")
    assert "is there already" in again.err


# --- the texts ----------------------------------------------------------------------------------------


def test_the_book_is_whole_and_holds_nothing_but_the_book() -> None:
    book = chapters()
    assert len(book) == 12
    assert book[0].title == "Chapter I. Down the Rabbit-Hole"
    assert book[0].text.startswith("Alice was beginning to get very tired")
    assert book[-1].text.endswith("THE END")
    text = "".join(chapter.text for chapter in book)
    assert len(text) > 140_000
    assert [
        word for word in ("gutenberg", "transcrib", "license", "licence", "http", "chapter xi") if word in text.lower()
    ] == []


def test_the_conversation_runs_over_six_days_in_order() -> None:
    said = turns()
    assert 60 <= len(said) <= 90
    assert {turn["name"] for turn in said} == {"Ines", "Jonah"}
    assert len({turn["session"] for turn in said}) == 6
    assert len({turn["key"] for turn in said}) == len(said)
    times = [datetime.fromisoformat(str(turn["at"])) for turn in said]
    assert times == sorted(times)
    assert (times[-1] - times[0]).days == 13


@pytest.mark.parametrize(
    ("day", "weekday"), [("18 May", 5), ("1 June", 5), ("3 June", 0), ("22 May", 2), ("26 May", 6)]
)
def test_the_dates_in_the_conversation_fall_on_the_days_it_says(day: str, weekday: int) -> None:
    name = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")[weekday]
    assert any(f"{name} {day}" in str(turn["content"]) for turn in turns())
    assert datetime.strptime(f"{day} 2024", "%d %B %Y").weekday() == weekday


def test_the_conversation_is_a_file_that_add_takes(memkit: Command, tmp_path: Path) -> None:
    lines = "".join(json.dumps(turn) + "\n" for turn in turns())
    (tmp_path / "conversation.jsonl").write_text(lines, encoding="utf-8")
    assert memkit("add", "--file", "conversation.jsonl").out == f"{len(turns())} events remembered\n"
    assert memkit("add", "--file", "conversation.jsonl").out == f"0 events remembered, {len(turns())} known already\n"
