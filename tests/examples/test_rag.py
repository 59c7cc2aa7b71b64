"""The program that answers from a folder, as a person runs it, with and without a model behind a server."""

import asyncio
import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import memkit
import memkit_kernels
import memkit_stores
from memkit.messages import Request
from memkit.testing.scripted import ScriptedModel
from memkit.testing.server import ModelServer, refused

PROGRAM = Path(__file__).parents[2] / "examples" / "rag" / "ask.py"
QUESTION = "Who founded the shipyard that built the Aurora?"


@dataclass(frozen=True, slots=True)
class Done:
    """What a run printed, and its exit status."""

    status: int
    out: str
    error: str


Ask = Callable[..., Done]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    (folder / "ships").mkdir(parents=True)
    write(
        folder / "ships" / "aurora.md", "Kept since 1950.\n\n# The Aurora #\n\nThe Aurora was built by Halden & Sons.\n"
    )
    write(folder / "halden.txt", "Halden & Sons is a shipyard.\nIt was founded by Ida Halden.\n")
    people = [
        {"title": "Ida Halden", "text": "Ida Halden was born in Orrin."},
        {"text": "Orrin lies on the river Sel."},
    ]
    write(folder / "people.jsonl", "\n".join(map(json.dumps, people)) + "\n\n")
    write(folder / "bread.rst", "Baking\n======\n\nBread needs flour.\n")
    write(folder / "picture.png", "this is not read")
    return folder


@pytest.fixture(params=["passages", "hipporag"])
def component(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def ask(
    tmp_path: Path,
    folder: Path,
    component: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Ask:
    main = runpy.run_path(str(PROGRAM))["main"]

    def asked(question: str, *options: str, server: ModelServer | None = None, where: Path = folder) -> Done:
        monkeypatch.setenv("OPENAI_API_KEY", "test-key")
        if server is not None:
            monkeypatch.setenv("OPENAI_BASE_URL", server.url)
            options = ("--llm", "openai:any", *options)
        status = 0
        try:
            asyncio.run(
                main([str(where), question, "--db", str(tmp_path / "rag.db"), "--components", component, *options])
            )
        except SystemExit as e:
            status = 2 if e.code is None else int(str(e.code))
        printed = capsys.readouterr()
        return Done(status, printed.out, printed.err)

    return asked


def write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def reader(request: Request) -> str:
    """Answers the questions of this file from what it is shown."""
    body = request.messages[1].content
    lines = body.splitlines()
    question = lines[lines.index("<question>") + 1].strip() if "<question>" in lines else ""
    marks = [int(line[1]) for line in lines if line.startswith("[") and ("Ida Halden." in line or "was built" in line)]
    match request.schema_name:
        case "subquestion":
            founded = "<found>" in body
            return json.dumps(
                {"question": "Who founded the shipyard Halden & Sons?" if founded else "Who built the Aurora?"}
            )
        case "check":
            return json.dumps({"supported": True, "question": ""})
        case "decision":
            enough = body.count("\n- ") > 1
            return json.dumps({"enough": enough, "remaining": "" if enough else "Who founded Halden & Sons?"})
        case "answer" if question == QUESTION:
            return json.dumps({"answer": "Ida Halden [1][9].", "citations": [1, 2]})
        case "answer":
            told = "Halden & Sons" if "built" in question else "Ida Halden"
            return json.dumps({"answer": told, "citations": marks[:1] or [1]})
        case _:  # a component asks
            return "{}"


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer(model=ScriptedModel(reader)) as server:
        yield server


def test_without_a_model_passages_are_quoted_with_file_and_lines(ask: Ask) -> None:
    done = ask("What does bread need?")
    assert done.status == 0
    assert done.out.startswith('[1] bread.rst:1-4 "Baking"\n    Baking\n    ======\n')
    assert "    Bread needs flour." in done.out
    assert done.error == "5 documents read, 0 forgotten\n"
    done = ask("On which river does Orrin lie?")
    assert "people.jsonl:2\n    Orrin lies on the river Sel." in done.out
    assert done.error == "0 documents read, 0 forgotten\n"


def test_the_memory_follows_the_folder(ask: Ask, folder: Path) -> None:
    ask("What does bread need?")
    write(folder / "bread.rst", "Baking\n======\n\nBread needs rye.\n")
    (folder / "halden.txt").unlink()
    write(folder / "new.txt", "Fehn is an island.\n")
    done = ask("What does bread need?")
    assert done.error == "2 documents read, 2 forgotten\n"
    assert "Bread needs rye." in done.out
    assert "flour" not in done.out
    assert "shipyard." not in ask("Is Halden & Sons a shipyard?").out


def test_a_file_that_cannot_be_read_is_named_and_what_it_said_stays(ask: Ask, folder: Path) -> None:
    ask("What does bread need?")
    (folder / "bread.rst").write_bytes(b"Bread \x00\xff\xfe")
    write(folder / "zero.txt", "a\0b")
    write(folder / "broken.jsonl", '{"text": "fine"}\n{"text": 7}\n')
    (folder / "gone.md").symlink_to(folder / "nowhere")
    done = ask("What does bread need?")
    assert done.status == 0
    assert "Bread needs flour." in done.out
    assert [line.split(": ")[1] for line in done.error.splitlines()[:4]] == [
        "bread.rst",
        "broken.jsonl",
        "gone.md",
        "zero.txt",
    ]
    assert done.error.endswith("0 documents read, 0 forgotten\n")


def test_an_empty_folder_has_nothing_to_say(ask: Ask, folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    write(folder / "blank.txt", "  \n")
    for options in ((), ("--steps",)):
        done = ask("What does bread need?", *options)
        assert (done.status, done.out) == (0, "Nothing in the folder is about that.\n")


def test_folders_in_one_database_are_kept_apart(ask: Ask, tmp_path: Path) -> None:
    ask("What does bread need?")
    other = tmp_path / "other"
    other.mkdir()
    write(other / "cake.txt", "Bread is no cake.\n")
    done = ask("What does bread need?", where=other)
    assert "cake.txt" in done.out
    assert "flour" not in done.out
    assert "flour" in ask("What does bread need?").out


def test_in_steps_what_the_question_does_not_name_is_found_too(ask: Ask) -> None:
    question = "On which river lies the town where Ida Halden was born?"
    done = ask(question, "--steps", "--trace")
    assert done.out.startswith(f"1. recall: {question}")
    assert "2. recall: Orrin" in done.out
    assert "Orrin lies on the river Sel." in done.out


def test_with_a_model_it_answers_and_cites(ask: Ask, server: ModelServer) -> None:
    done = ask(QUESTION, server=server)
    assert done.status == 0
    lines = done.out.splitlines()
    assert lines[0] == "Ida Halden [1]."
    assert [line[:4] for line in lines if line.startswith("[")] == ["[1] ", "[2] "]
    assert any(line.startswith("[1]") and ("aurora.md:1-5" in line or "halden.txt:1-2" in line) for line in lines)


def test_with_a_model_and_in_steps_every_state_is_gone_through(ask: Ask, server: ModelServer) -> None:
    done = ask(QUESTION, "--steps", "--trace", server=server)
    assert [line.split(". ")[1].split(":")[0] for line in done.out.splitlines()[:12]] == [
        *("recall", "decompose", "find", "answer", "check", "decide"),
        *("decompose", "find", "answer", "check", "decide", "summarise"),
    ]
    assert "dropped [9]" in done.out
    assert "ships/aurora.md" in done.out
    assert "halden.txt" in done.out


@pytest.mark.parametrize("component", ["passages"])
def test_a_server_that_refuses_leaves_the_quotes(ask: Ask, server: ModelServer) -> None:
    server.script(refused(401))
    done = ask(QUESTION, server=server)
    assert done.status == 0
    assert done.out.startswith("[No answer: ")
    assert "The Aurora was built by Halden & Sons." in done.out
    assert "Traceback" not in done.error


@pytest.mark.parametrize("component", ["passages"])
def test_a_folder_that_is_none_is_said_so(ask: Ask, folder: Path) -> None:
    for path in (folder / "nowhere", folder / "halden.txt"):
        done = ask(QUESTION, where=path)
        assert done.status == 2
        assert "is not a folder" in done.error


def test_as_a_program_it_says_in_a_line_what_it_cannot_work_with(folder: Path, tmp_path: Path) -> None:
    homes = [str(Path(str(package.__file__)).parents[1]) for package in (memkit, memkit_stores, memkit_kernels)]
    homes.append(str(PROGRAM.parents[2] / "kernels"))
    words = [str(folder), QUESTION, "--db", str(tmp_path / "a.db"), "--components", "other"]
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(homes)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "no component 'other'" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
