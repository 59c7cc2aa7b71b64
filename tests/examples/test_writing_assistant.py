"""The writing assistant as a person runs it: a program with a command line, and a model behind a server."""

import io
import os
import re
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from memkit.testing.scripted import ScriptedModel
from memkit.testing.server import ModelServer, refused
from tests.agents.novelist import between, novelist

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "examples" / "writing_assistant" / "write.py"


@dataclass(frozen=True, slots=True)
class Done:
    """What a run of the program printed, and its exit status."""

    status: int
    out: str
    error: str


class Assistant:
    """The program, with a database of its own and a model that answers on loopback."""

    def __init__(self, folder: Path, server: ModelServer, model: ScriptedModel, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.server, self.model = folder, server, model
        self._patch = patch
        self._main = runpy.run_path(str(PROGRAM))["main"]

    def words(self, *words: str) -> list[str]:
        asks = words[0] in ("new", "next", "auto", "play")
        where = ["--model", "any", "--base-url", self.server.url] if asks else []
        return [*words, "--db", str(self.folder / "a.db"), *where]

    def run(self, *words: str, typed: str = "") -> Done:
        out, error = io.StringIO(), io.StringIO()
        self._patch.setattr(sys, "stdin", io.StringIO(typed))
        with redirect_stdout(out), redirect_stderr(error):
            status = self._main(self.words(*words))
        return Done(status, out.getvalue(), error.getvalue())

    def says(self, *words: str, typed: str = "") -> str:
        done = self.run(*words, typed=typed)
        assert (done.status, done.error) == (0, "")
        return done.out


@pytest.fixture
def assistant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Assistant]:
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    model = ScriptedModel(novelist)
    with ModelServer(model=model) as server:
        yield Assistant(tmp_path, server, model, monkeypatch)


def test_a_story_of_thirty_steps_is_written_unattended_and_exported(assistant: Assistant) -> None:
    assistant.says("new", "lamp", "a mystery on an island", "--yes")
    assert assistant.says("auto", "lamp", "30").splitlines()[-1] == "33 paragraphs"
    assert "words written to" in assistant.says("export", "lamp", "--to", str(assistant.folder / "lamp.md"))
    text = (assistant.folder / "lamp.md").read_text(encoding="utf-8")
    assert text.startswith("# The Lamp\n\n")
    assert len(text.strip().split("\n\n")) == 34
    assert assistant.says("export", "lamp") == text
    assert len(assistant.model.requests) == 31


def test_a_person_chooses_edits_rejects_and_takes_back(assistant: Assistant) -> None:
    out = assistant.says("new", "lamp", "a mystery on an island", typed="later\n")
    assert "Kept as a proposal" in out
    assert assistant.says("export", "lamp") == ""
    assert "Accepted." in assistant.says("next", "lamp", typed="a\n")
    assert len(assistant.model.requests) == 1
    out = assistant.says("next", "lamp", typed="2\nr\ntoo many boats\n")
    assert "Rejected." in out
    chosen = re.search(r"\[2\] (.*)", out)
    assert chosen is not None
    assert between(assistant.model.requests[-1], "plan") == [chosen[1]]
    out = assistant.says("next", "lamp", "Mara rows to the mainland.", typed="e\nShe rowed.\n\nIt was far.\n.\n")
    assert "Accepted with your text." in out
    assert "- too many boats" in assistant.model.requests[-1].messages[-1].content
    assert assistant.says("export", "lamp").endswith("\n\nShe rowed.\n\nIt was far.\n")
    assistant.says("edit", "lamp", "chapter", "The Mainland", "--step", "4")
    assert "\n\n## The Mainland\n\nShe rowed." in assistant.says("export", "lamp")
    assert "Gone: chapter: The Mainland" in assistant.says("undo", "lamp")
    assert "Gone: paragraph: She rowed." in assistant.says("undo", "lamp")
    out = assistant.says("show", "lamp")
    assert "Paragraphs: 3" in out
    assert "Chosen: Mara rows to the mainland." in out


def test_interactive_fiction_is_played(assistant: Assistant) -> None:
    assistant.says("new", "game", "you wake up in a lighthouse", "--fiction", "--yes")
    out = assistant.says("play", "game", typed="I climb the stairs.\n3\n")
    assert out.count("What do you do?") == 3
    assert between(assistant.model.requests[1], "plan") == ["I climb the stairs."]
    assert "Paragraphs: 5" in assistant.says("show", "game")


def test_a_move_that_was_not_finished_is_made_before_the_next_one(assistant: Assistant) -> None:
    assistant.says("new", "game", "you wake up in a lighthouse", "--fiction", "--yes")
    assistant.says("next", "game", "I climb the stairs.", typed="l\n")
    out = assistant.says("play", "game", typed="I look at the sea.\n")
    assert out.count("What do you do?") == 2
    plans = [between(request, "plan") for request in assistant.model.requests[1:]]
    assert plans == [["I climb the stairs."], ["I look at the sea."]]
    assert "Paragraphs: 5" in assistant.says("show", "game")


def test_a_digit_that_is_no_number_is_taken_as_words(assistant: Assistant) -> None:
    assistant.says("new", "game", "you wake up in a lighthouse", "--fiction", "--yes")
    assistant.says("next", "game", "²", "--yes")
    assert between(assistant.model.requests[1], "plan") == ["²"]


def test_a_planned_text_is_written_to_its_end_and_a_reader_helps_with_a_story(assistant: Assistant) -> None:
    assistant.says("new", "guide", "Write 1,000 words on lighthouses.", "--planned", "--yes")
    assert assistant.says("auto", "guide").splitlines()[-1] == "5 paragraphs"
    assert assistant.says("auto", "guide") == ""
    assistant.says("new", "lamp", "a mystery", "--yes")
    assert assistant.says("auto", "lamp", "1", "--reader").splitlines()[-1] == "4 paragraphs"
    names = [request.schema_name for request in assistant.model.requests[-5:]]
    assert names == ["selected", "revised", "step", "selected", "revised"]


@pytest.mark.slow
def test_stopped_in_the_middle_the_same_command_goes_on(assistant: Assistant) -> None:
    assistant.says("new", "lamp", "a mystery", "--yes")
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "stores", ROOT / "kernels")))
    stopped = subprocess.Popen(
        [sys.executable, str(PROGRAM), *assistant.words("auto", "lamp", "25")],
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while len(assistant.model.requests) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    stopped.send_signal(signal.SIGINT)
    _, error = stopped.communicate(timeout=60)
    assert (stopped.returncode, error.strip()) == (130, "Stopped. Nothing is lost: the same command goes on.")
    match = re.search(r"Paragraphs: (\d+)", assistant.says("show", "lamp"))
    assert match is not None
    before = int(match[1])
    assert 4 <= before < 28
    assert assistant.says("auto", "lamp", "2").splitlines()[-1] == f"{before + 2} paragraphs"


def test_what_goes_wrong_is_told_in_a_line(assistant: Assistant) -> None:
    for words, trouble in (
        (("next", "lamp"), "has not begun"),
        (("auto", "lamp", "3"), "has not begun"),
        (("edit", "lamp", "title", "x"), "has not begun"),
    ):
        done = assistant.run(*words)
        assert done.status == 1
        assert trouble in done.error
        assert len(done.error.strip().splitlines()) == 1
    assistant.server.script(refused(401))
    done = assistant.run("new", "lamp", "a mystery", "--yes")
    assert done.status == 1
    assert "Traceback" not in done.error
    assert "Paragraphs: 0" in assistant.says("show", "lamp")
    assert "no such story" in assistant.says("show", "other")
    assert "Accepted." in assistant.says("next", "lamp", "--yes")
    assert "there is no 'weather' to edit" in assistant.run("edit", "lamp", "weather", "x").error
    assert "say how many steps" in assistant.run("auto", "lamp").error
