"""`memkit eval grocery` and `memkit eval facts`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memkit.evaluation import tasks
from memkit.evaluation.facts import facts
from memkit.evaluation.grocery import grocery
from memkit.evaluation.reader import first_mention, newest_statement

Command = Callable[..., Any]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks small enough for a test."""
    monkeypatch.setattr(
        tasks,
        "TASKS",
        {
            "grocery": (lambda seed: grocery(seed, dialogues=2, between=4), first_mention),
            "facts": (lambda seed: facts(seed, sessions=12, turns=4), newest_statement),
        },
    )


@pytest.mark.parametrize("task", ["grocery", "facts"])
def test_a_task_prints_shares_with_intervals_and_says_who_did_best(memkit: Command, task: str) -> None:
    done = memkit("eval", task, "--seeds", "2", "--components", "passages")
    assert done.code == 0
    lines = done.out.splitlines()
    assert any(line.strip().startswith("ms a question") for line in lines)
    assert "full" in lines[0] + lines[1]
    assert lines[-1].endswith(".")
    assert "the best, " in lines[-1]


def test_the_result_is_written_as_json(memkit: Command, tmp_path: Path) -> None:
    done = memkit(
        "eval", "grocery", "--seeds", "2", "--tokens", "120", "--components", "passages", "--json", "out.json"
    )
    assert done.code == 0
    report = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert report["settings"]["tokens"] == 120
    assert set(report["results"]) == {"last turns", "flat file and grep", "passages", "full history"}
    assert memkit("eval", "grocery", "--seeds", "2", "--components", "passages", "--json").json["task"] == "grocery"


def test_bad_input_is_told(memkit: Command) -> None:
    assert memkit("eval", "facts", "--seeds", "1").code == 2
    assert "a context needs at least one" in memkit("eval", "facts", "--tokens", "0").err
    done = memkit("eval", "facts", "--components", "telepathy")
    assert (done.code, done.out) == (2, "")
    assert "there is no component 'telepathy'" in done.err
    assert "no part" in memkit("eval", "facts", "--components", "recurrent_gpt").err
