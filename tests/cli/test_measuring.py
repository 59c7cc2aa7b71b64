"""`memkit eval` and `memkit bench`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memkit.commands import measuring

Command = Callable[..., Any]

CONVERSATIONS = [
    {
        "sample_id": "boat",
        "conversation": {
            "speaker_a": "Ines",
            "speaker_b": "Jonah",
            "session_1_date_time": "7:04 pm on 6 May, 2024",
            "session_1": [
                {"speaker": "Ines", "dia_id": "D1:1", "text": "The boat is called Kittiwake."},
                {"speaker": "Jonah", "dia_id": "D1:2", "text": "My dog is called Biscuit."},
            ],
        },
        "qa": [
            {"question": "What is the boat called?", "answer": "Kittiwake", "evidence": ["D1:1"], "category": 4},
            {"question": "What is the dog called?", "answer": "Biscuit", "evidence": ["D1:2"], "category": 1},
        ],
    }
]


@pytest.fixture
def locomo(tmp_path: Path) -> str:
    path = tmp_path / "locomo.json"
    path.write_text(json.dumps(CONVERSATIONS), encoding="utf-8")
    return str(path)


def test_an_evaluation_prints_a_table(memkit: Command, locomo: str) -> None:
    done = memkit("eval", "locomo", locomo, "--components", "passages")
    assert done.code == 0
    rows = [line.split() for line in done.out.splitlines()]
    assert rows[0] == ["questions", "recall@5", "recall@10", "recall@20", "mrr"]
    assert rows[1][:4] == ["categories", "1-4", "2", "1.000"]
    assert rows[-1][0] == "all"


@pytest.mark.parametrize("last", [(), ("--embedder", "none")], ids=["at the end", "before another option"])
def test_json_without_a_file_is_printed(memkit: Command, locomo: str, last: tuple[str, ...]) -> None:
    result = memkit("eval", "locomo", locomo, "--json", *last).json
    assert (result["questions"], result["recall@5"], result["categories_1-4"]["questions"]) == (2, 1.0, 2)


def test_json_with_a_file_is_written_there(memkit: Command, locomo: str, tmp_path: Path) -> None:
    done = memkit("eval", "locomo", locomo, "--embedder", "none", "--json", "out.json")
    assert done.out.splitlines()[-1].split()[0] == "all"
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["recall@20"] == 1.0


def test_bad_input_is_told(memkit: Command, locomo: str, tmp_path: Path) -> None:
    assert memkit("eval", "locomo", "missing.json").code == 2
    done = memkit("eval", "locomo", locomo, "--components", "telepathy")
    assert (done.code, done.out) == (2, "")
    assert "there is no component 'telepathy'" in done.err
    (tmp_path / "deep.json").write_text("[" * 100_000, encoding="utf-8")
    assert "deep.json is not JSON" in memkit("eval", "locomo", "deep.json").err


@pytest.mark.parametrize(
    ("command", "report", "text"),
    [
        (("eval", "grocery"), "no/folder/out.json", "there is no folder no/folder"),
        (("bench", "recall"), ".", ". is a folder; name a file"),
    ],
    ids=["no folder", "a folder"],
)
def test_a_result_that_could_not_be_written_is_not_measured(
    memkit: Command, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], report: str, text: str
) -> None:
    monkeypatch.setattr(measuring, "MODULES", {})  # whatever measures would fail
    done = memkit(*command, "--json", report)
    assert done.code == 2
    assert text in done.out


@pytest.mark.slow
def test_the_cost_of_adding_is_measured(memkit: Command, tmp_path: Path) -> None:
    assert memkit("bench", "add", "--json", "add.json").code == 0
    assert set(json.loads((tmp_path / "add.json").read_text(encoding="utf-8"))) == {"machine", "settings", "results"}


@pytest.mark.slow
def test_the_time_of_pagerank_is_measured(memkit: Command, tmp_path: Path) -> None:
    assert memkit("bench", "ppr", "--nodes", "100", "--nodes", "120", "--json", "ppr.json").code == 0
    report = json.loads((tmp_path / "ppr.json").read_text(encoding="utf-8"))
    assert report["settings"]["nodes"] == [100, 120]
    assert report["results"]["passages 120 damping 0.5"]["ppr_top"]["overlap"] == 1
    assert memkit("bench", "ppr", "--nodes", "99").code == 2
