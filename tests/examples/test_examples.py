"""The examples are programs that people copy: they have to work."""

import runpy
from pathlib import Path

import pytest

import memkit

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_companion_uses_what_was_said_on_another_day(tmp_path: Path) -> None:
    example = runpy.run_path(str(EXAMPLES / "chatbot" / "chat.py"))
    asked: list[list[dict[str, str]]] = []

    def model(messages: list[dict[str, str]], /) -> str:
        asked.append(messages)
        return "I see."

    with memkit.open(tmp_path / "a.db") as memory:
        example["Companion"](memory, model, user="ana").reply("My cat Minou is afraid of thunder.")
    with memkit.open(tmp_path / "a.db") as memory:
        companion = example["Companion"](memory, model, user="ana")
        companion.reply("What is my cat afraid of?")
        assert any("Minou is afraid of thunder" in message["content"] for message in asked[-1][1:-1])
        assert "Minou" in companion.why()
        assert companion.forget("cat Minou thunder").endswith("gone from the disk.")
        assert all("Minou" not in event.text for event in memory.history(namespace="ana"))


def test_a_model_that_fails_loses_nothing_that_was_said(tmp_path: Path) -> None:
    example = runpy.run_path(str(EXAMPLES / "chatbot" / "chat.py"))

    def model(messages: list[dict[str, str]], /) -> str:
        raise ConnectionError("no answer")

    with memkit.open(tmp_path / "a.db") as memory:
        with pytest.raises(ConnectionError):
            example["Companion"](memory, model, user="ana").reply("Remember this.")
        assert [event.text for event in memory.history(namespace="ana")] == ["Remember this."]


def test_a_folder_is_indexed_once_and_follows_its_files(tmp_path: Path) -> None:
    example = runpy.run_path(str(EXAMPLES / "rag" / "ask.py"))
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "otters.md").write_text("Sea otters sleep holding hands.\n", encoding="utf-8")
    (folder / "trains.txt").write_text("The night train leaves at nine.\n", encoding="utf-8")
    with memkit.open(tmp_path / "a.db") as memory:
        assert example["index"](memory, folder) == 2
        assert example["index"](memory, folder) == 0
        assert "[1] otters.md" in example["ask"](memory, "How do sea otters sleep?")
        (folder / "otters.md").write_text("Sea otters eat urchins.\n", encoding="utf-8")
        (folder / "trains.txt").unlink()
        assert example["index"](memory, folder) == 1
        assert "urchins" in example["ask"](memory, "What do sea otters eat?")
        assert example["ask"](memory, "When does the night train leave?").startswith("Nothing")
