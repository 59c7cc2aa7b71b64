"""The examples are programs that people copy: they have to work."""

import runpy
from pathlib import Path

import memkit

EXAMPLES = Path(__file__).parents[2] / "examples"


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
