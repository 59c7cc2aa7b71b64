"""`memkit add`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]


def exported(memkit: Command, *arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in memkit("export", *arguments).out.splitlines()]


def test_a_text_becomes_an_event_with_what_was_said_of_it(memkit: Command) -> None:
    done = memkit(
        *("add", "Der Käse ist in 東京 🧀", "--namespace", "acme/ana", "--session", "s1", "--role", "assistant"),
        *("--author", "Bo", "--kind", "note", "--at", "2024-05-08 14:30", "--key", "k1"),
        *("--meta", "year=2024", "--meta", 'zip="0815"', "--meta", "city=Lisbon", "--meta", "done=true"),
        "--json",
    )
    (event,) = exported(memkit, "--namespace", "acme/ana")
    assert done.code == 0
    assert done.json == {"added": 1, "known": 0, "ids": [event["id"]]}
    assert event["text"] == "Der Käse ist in 東京 🧀"
    assert event["at"] == "2024-05-08T14:30:00+00:00"
    assert [event[name] for name in ("session", "role", "author", "kind", "key")] == [
        "s1",
        "assistant",
        "Bo",
        "note",
        "k1",
    ]
    assert event["metadata"] == {"year": 2024, "zip": "0815", "city": "Lisbon", "done": True}


def test_the_id_is_told_so_that_the_event_can_be_forgotten(memkit: Command) -> None:
    done = memkit("add", "My number is 5.")
    id = done.out.split()[-1]
    assert memkit("forget", "--id", id, "--json").json["events"] == 1


def test_a_key_is_added_once(memkit: Command) -> None:
    memkit("add", "one", "--key", "k")
    assert memkit("add", "another", "--key", "k").out.startswith("0 events remembered, 1 known already")


def test_a_file_is_a_document_named_after_it(memkit: Command, tmp_path: Path) -> None:
    text = "Chapter one.\r\nLorem ipsum.\n" * 200
    (tmp_path / "hand book.md").write_text(text, encoding="utf-8", newline="")
    assert memkit("add", "--file", "hand book.md").code == 0
    (event,) = exported(memkit)
    assert (event["kind"], event["text"], event["metadata"]) == ("document", text, {"title": "hand book"})
    memkit("add", "--file", "hand book.md", "--title", "Rules")
    assert exported(memkit)[1]["metadata"] == {"title": "Rules"}


def test_a_file_of_messages_is_added_line_by_line(memkit: Command, tmp_path: Path) -> None:
    messages = [
        {"role": "user", "name": "Ana", "content": "Olá", "session": "s1", "at": "2024-05-08T10:00:00+02:00"},
        {"role": "assistant", "content": "Good morning", "metadata": {"model": "x"}},
    ]
    (tmp_path / "chat.jsonl").write_text("\ufeff" + "\n\n".join(map(json.dumps, messages)), encoding="utf-8")
    assert memkit("add", "--file", "chat.jsonl", "--session", "other").out == "2 events remembered\n"
    first, second = exported(memkit)
    assert (first["text"], first["author"], first["session"], first["at"]) == (
        "Olá",
        "Ana",
        "s1",
        "2024-05-08T08:00:00+00:00",
    )
    assert (second["role"], second["session"], second["metadata"]) == ("assistant", "other", {"model": "x"})


def test_standard_input_is_a_text_unless_told_otherwise(memkit: Command) -> None:
    assert memkit("add", "-", "--kind", "note", stdin="two\nlines, ü\n").code == 0
    assert memkit("add", "-", "--as", "messages", stdin='{"content": "a"}\n{"content": "b"}\n').code == 0
    assert memkit("add", "-", "--as", "document", "--title", "T", stdin="long text").code == 0
    events = exported(memkit)
    assert [event["text"] for event in events] == ["two\nlines, ü\n", "a", "b", "long text"]
    assert [event["kind"] for event in events] == ["note", "turn", "turn", "document"]


def test_the_environment_names_the_memory_and_the_option_goes_before_it(
    memkit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMKIT_DB", "named.db")
    memkit("add", "a")
    memkit("add", "b", "--db", "other.db")
    assert sorted(path.name for path in tmp_path.glob("*.db")) == ["named.db", "other.db"]


BAD_LINES = {
    "not json": "line 2 of bad.jsonl is not JSON",
    "[" * 100_000: "line 2 of bad.jsonl is not JSON",
    "[1]": "line 2 of bad.jsonl is not a message",
    '{"text": "a", "recorded": "2024-01-01"}': "memkit import",
    '{"role": "user"}': "a message needs 'content'",
    '{"content": "a", "colour": "red"}': "a message has no colour",
    '{"content": ""}': "the text is empty",
}


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_bad_line_is_named_and_nothing_is_stored(memkit: Command, tmp_path: Path, line: str) -> None:
    (tmp_path / "bad.jsonl").write_text(f'{{"content": "fine"}}\n{line}\n', encoding="utf-8")
    done = memkit("add", "--file", "bad.jsonl")
    assert done.code == 2
    assert BAD_LINES[line] in done.err
    assert exported(memkit) == []


MISUSES = {
    "add what?": ("add",),
    "Give a text": ("add", "text", "--file", "x.md"),
    "there is no file x.md": ("add", "--file", "x.md"),
    "the text is empty": ("add", "  "),
    "--at: 'yesterday' is not a time": ("add", "a", "--at", "yesterday"),
    "--meta: 'colour' is not KEY=VALUE": ("add", "a", "--meta", "colour"),
    "namespace '/a'": ("add", "a", "--namespace", "/a"),
    "--title is for a document": ("add", "a", "--title", "T"),
    "--as messages needs a file": ("add", "a", "--as", "messages"),
    "--durability": ("add", "a", "--durability", "paper"),
    "NUL": ("add", "a\0b"),
}


@pytest.mark.parametrize("told", MISUSES)
def test_a_misuse_is_told_and_has_exit_code_2(memkit: Command, told: str) -> None:
    done = memkit(*MISUSES[told])
    assert (done.code, done.out) == (2, "")
    assert told in done.err


def test_what_is_not_utf_8_is_refused(memkit: Command, tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes("Käse".encode("latin-1"))
    done = memkit("add", "--file", "latin.txt")
    assert (done.code, done.err) == (2, "memkit: latin.txt is not UTF-8 text (at byte 1)\n")
