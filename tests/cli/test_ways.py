"""`--components` and `--llm`: which components remember, and what they ask."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from memkit.messages import Request
from memkit.testing.scripted import ScriptedModel

Command = Callable[..., Any]

THINKING = ("--components", "passages,think_in_memory")
MOVED = "Ana moved to Lisbon in May."


def thoughts(request: Request) -> str:
    """What a model answers that finds nothing worth a thought."""
    return json.dumps({"thoughts": []})


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedModel]:
    """A server that OPENAI_BASE_URL names, and the model behind it."""
    pytest.importorskip("openai")
    from memkit.testing.server import ModelServer

    scripted = ScriptedModel(thoughts)
    with ModelServer(model=scripted) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "test-key")
        yield scripted


def test_the_named_components_remember(memkit: Command) -> None:
    assert memkit("add", MOVED, "--author", "Ana", *THINKING).code == 0
    stats = memkit("status", "--sync", *THINKING, "--json").json
    assert set(stats["records"]) == set(stats["pending"]) == {"passages", "think_in_memory"}
    assert all(stats["records"].values())
    assert not any(stats["pending"].values())
    found = memkit("recall", "Where does Ana live?", *THINKING, "--json").json["hits"]
    assert {hit["component"] for hit in found} <= {"passages", "think_in_memory"}
    assert memkit("context", "Lisbon", "--components", "think_in_memory").code == 0
    assert memkit("audit", *THINKING).code == 0
    gone = memkit("forget", "--everything", "--verify", *THINKING, "--json").json
    assert (gone["events"], gone["proven"]) == (1, True)


def test_without_the_option_passages_remember(memkit: Command) -> None:
    memkit("add", MOVED)
    assert set(memkit("status", "--sync", "--json").json["records"]) == {"passages"}


def test_an_import_is_absorbed_by_the_named_components(memkit: Command) -> None:
    memkit("add", MOVED, "--db", "old.db")
    lines = memkit("export", "--db", "old.db").out
    assert memkit("import", "-", "--components", "sir_llm", stdin=lines).code == 0
    assert memkit("status", "--sync", "--components", "sir_llm", "--json").json["records"] == {"sir_llm": 1}


@pytest.mark.parametrize("command", ["add", "recall", "context", "status", "forget", "audit", "import"])
def test_what_names_no_component_or_model_is_told_and_nothing_is_made(
    memkit: Command, command: str, tmp_path: Any
) -> None:
    memkit("add", MOVED)
    before = (tmp_path / "memkit.db").read_bytes()
    arguments = {"forget": ["--everything"], "import": ["-"], "status": [], "audit": []}.get(command, ["Ana"])
    for option, text in (
        ("telepathy", "there is no component 'telepathy'; there are passages, think_in_memory"),
        ("passages,", "there is no component ''"),
        ("passages,passages", "components with different names; passages given"),
    ):
        done = memkit(command, *arguments, "--components", option)
        assert (done.code, done.out) == (2, "")
        assert text in done.err
    done = memkit(command, *arguments, "--llm", "gpt-5")
    assert (done.code, done.out) == (2, "")
    assert "named as in \"openai:NAME\", not 'gpt-5'" in done.err
    assert (tmp_path / "memkit.db").read_bytes() == before


@pytest.mark.parametrize("command", [("add", MOVED), ("recall", "Lisbon"), ("status", "--sync")])
def test_components_ask_the_model_that_is_named(
    memkit: Command, model: ScriptedModel, command: tuple[str, ...]
) -> None:
    memkit("add", MOVED, "--session", "s")
    memkit("add", "I will remember that.", "--role", "assistant", "--session", "s")
    assert model.requests == []
    done = memkit(*command, *THINKING, "--llm", "openai:tiny")
    assert (done.code, done.err) == (0, "")
    assert model.requests
    assert any("Lisbon" in message.content for message in model.requests[0].messages)


def test_without_a_key_the_key_is_asked_for(memkit: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openai")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    done = memkit("add", MOVED, *THINKING, "--llm", "openai:tiny")
    assert (done.code, done.out) == (1, "")
    assert "set OPENAI_API_KEY" in done.err
