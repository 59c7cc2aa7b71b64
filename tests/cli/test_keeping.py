"""`memkit forget | status | export | import | reembed`."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import memkit as library
from memkit.components.passages import Passages
from memkit.ports import View
from memkit.testing.server import ModelServer
from memkit.values import Draft, Event

Command = Callable[..., Any]


# --- export and import ------------------------------------------------------------------------------


def filled(memkit: Command, tmp_path: Path) -> str:
    """A memory with everything that an export must keep; returns its export."""
    memkit("add", "Plain.")
    memkit("add", 'Größe 東京 🎉 "quoted"\n\ttab \x1b[31m\u2028line', "--namespace", "acme/ana", "--key", "schlüssel")
    memkit(
        "add",
        "With it all.",
        "--session",
        "s",
        "--role",
        "tool",
        "--author",
        "Bo",
        "--at",
        "1999-12-31T23:59:59.123456+05:30",
    )
    memkit(
        "add", "Typed.", "--meta", "a=1", "--meta", "b=1.5", "--meta", "c=true", "--meta", "d=null", "--meta", 'e="1"'
    )
    (tmp_path / "doc.txt").write_text("Sentence. " * 500, encoding="utf-8")
    memkit("add", "--file", "doc.txt", "--namespace", "acme")
    return "".join(memkit("export", "--namespace", name).out for name in ("default", "acme", "acme/ana"))


def test_an_export_is_imported_without_loss(memkit: Command, tmp_path: Path) -> None:
    before = filled(memkit, tmp_path)
    (tmp_path / "all.jsonl").write_text(before, encoding="utf-8", newline="")
    assert memkit("import", "all.jsonl", "--db", "new.db", "--json").json == {"added": 5, "known": 0}
    after = "".join(
        memkit("export", "--db", "new.db", "--namespace", name).out for name in ("default", "acme", "acme/ana")
    )
    assert after == before
    assert before.count("\n") == 5


def test_importing_again_adds_nothing(memkit: Command, tmp_path: Path) -> None:
    (tmp_path / "all.jsonl").write_text(filled(memkit, tmp_path), encoding="utf-8", newline="")
    assert memkit("import", "all.jsonl").out == "0 events remembered, 5 known already\n"


def test_an_export_can_be_piped_into_an_import(memkit: Command) -> None:
    memkit("add", "Käse")
    piped = memkit("export").out
    assert memkit("import", "-", "--db", "new.db", stdin=piped).code == 0
    assert memkit("export", "--db", "new.db").out == piped


def test_an_export_keeps_to_its_filters(memkit: Command, tmp_path: Path) -> None:
    filled(memkit, tmp_path)
    assert memkit("export", "--namespace", "acme").out.count("\n") == 1
    assert memkit("export", "--namespace", "acme", "--below").out.count("\n") == 2
    assert memkit("export", "--session", "s").out.count("\n") == 1


def test_an_export_into_a_file_replaces_it_whole(memkit: Command, tmp_path: Path) -> None:
    memkit("add", "a")
    (tmp_path / "out.jsonl").write_text("old\n" * 100, encoding="utf-8")
    done = memkit("export", "--out", "out.jsonl", "--json")
    assert done.json == {"events": 1, "out": "out.jsonl"}
    assert (tmp_path / "out.jsonl").read_text(encoding="utf-8") == memkit("export").out
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".db", ".jsonl"]
    assert memkit("export", "--out", "no/such/folder.jsonl").code == 1


def test_an_export_can_be_one_object(memkit: Command, tmp_path: Path) -> None:
    lines = filled(memkit, tmp_path)
    events = [
        event
        for name in ("default", "acme", "acme/ana")
        for event in memkit("export", "--namespace", name, "--json").json["events"]
    ]
    assert events == [json.loads(line) for line in lines.split("\n") if line]


def test_a_line_that_is_no_event_is_named(memkit: Command, tmp_path: Path) -> None:
    memkit("add", "a")
    (tmp_path / "bad.jsonl").write_text(memkit("export").out + '{"content": "hello"}\n', encoding="utf-8")
    done = memkit("import", "bad.jsonl", "--db", "new.db")
    assert done.code == 2
    assert "line 2 is not of a memkit export" in done.err
    assert memkit("import", "missing.jsonl").code == 2


def test_an_import_into_a_namespace_refuses_strangers(memkit: Command, tmp_path: Path) -> None:
    (tmp_path / "all.jsonl").write_text(filled(memkit, tmp_path), encoding="utf-8", newline="")
    done = memkit("import", "all.jsonl", "--namespace", "acme", "--db", "new.db")
    assert done.code == 2
    assert "cannot be added in 'acme'" in done.err
    assert memkit("status", "--db", "new.db", "--json").json["events"] == 0


# --- forget -------------------------------------------------------------------------------------------


def test_forgetting_needs_to_be_told_what(memkit: Command) -> None:
    memkit("add", "a")
    for options in ((), ("--below",), ("--verify",)):
        done = memkit("forget", *options)
        assert done.code == 2
        assert "forget what?" in done.err
    assert memkit("forget", "--everything", "--json").json["events"] == 1


def test_verified_forgetting_leaves_no_byte_and_says_where_it_looked(memkit: Command, tmp_path: Path) -> None:
    memkit("add", "The padlock opens with 4471.", "--session", "s1")
    memkit("add", "It rains.", "--session", "s2")
    memkit("recall", "padlock")
    done = memkit("forget", "--session", "s1", "--verify", "--json")
    assert done.code == 0
    report = done.json
    assert (report["events"], report["records"], report["proven"], report["traces"]) == (1, 1, True, [])
    assert any("memkit.db" in place for place in report["searched"])
    assert b"padlock" not in b"".join(path.read_bytes() for path in tmp_path.glob("memkit.db*"))
    assert memkit("recall", "padlock").code == 3
    assert [json.loads(line)["text"] for line in memkit("export").out.splitlines()] == ["It rains."]


def test_forgetting_tells_people_what_it_did(memkit: Command) -> None:
    memkit("add", "a", "--namespace", "ana")
    memkit("add", "b")
    lines = memkit("forget", "--namespace", "ana", "--verify").out.splitlines()
    assert lines[0].startswith("1 event and ")
    assert lines[1].startswith("searched: ")
    assert lines[-1] == "no byte of it is left"
    assert memkit("status", "--json").json["events"] == 1


# --- status -------------------------------------------------------------------------------------------


class Squeamish(Passages):
    """Passages that cannot stand fish."""

    async def absorb(self, events: Sequence[Event], view: View, /) -> Draft:
        if any("fish" in event.text for event in events):
            raise RuntimeError("no fish, please")
        return await super().absorb(events, view)


def test_status_tells_what_is_held_and_pending(memkit: Command) -> None:
    memkit("add", "a")
    memkit("add", "b", "--namespace", "ana/notes")
    held = memkit("status", "--json").json
    assert (held["namespaces"], held["events"], held["pending"]) == (2, 2, {"passages": 2})
    assert held["bytes"] > 0
    assert memkit("status", "--namespace", "ana", "--json").json["events"] == 1
    assert memkit("status", "--sync", "--json").json["pending"] == {"passages": 0}
    assert "events                2 in 2 namespaces\n" in memkit("status").out


def test_status_shows_deferred_events_and_tries_them_again(memkit: Command, tmp_path: Path) -> None:
    with library.open(tmp_path / "memkit.db", components=[Squeamish()]) as memory:
        id = memory.add("I like fish.").ids[0]
        memory.add("I like bread.")
        assert len(memory.sync().deferred) == 1
    done = memkit("status")
    assert f"passages could not absorb event {id} of default" in done.out
    assert "RuntimeError: no fish, please (3 attempts" in done.out
    (entry,) = memkit("status", "--json").json["deferred"]
    assert (entry["event"], entry["error"], entry["attempts"]) == (id, "RuntimeError: no fish, please", 3)
    assert memkit("status", "--retry", "--json").json["deferred"] == []
    assert memkit("recall", "fish").code == 0


# --- embedders ----------------------------------------------------------------------------------------


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Any:
    """OpenAI's wire format on this machine. The vectors are of the width that OpenAI's smallest model has."""
    from memkit.testing.embedders import HashEmbedder

    with ModelServer(embedder=HashEmbedder(1536)) as running:
        monkeypatch.setenv("OPENAI_BASE_URL", running.url)
        monkeypatch.setenv("OPENAI_API_KEY", "test-key")
        yield running


SMALL, ADA = "openai:text-embedding-3-small", "openai:text-embedding-ada-002"


def test_an_embedder_is_used_kept_to_and_changed(memkit: Command, server: ModelServer) -> None:
    assert memkit("add", "The boat is called Kittiwake.", "--embedder", SMALL).code == 0
    assert memkit("status", "--json").json["unembedded"] == 0
    found = memkit("recall", "boat", "--embedder", SMALL, "--json").json["hits"][0]
    assert found["why"]["meaning"] > 0

    refused = memkit("recall", "boat", "--embedder", ADA, "--json")
    assert (refused.code, refused.json["type"]) == (1, "SpaceError")
    assert "memkit reembed" in refused.json["error"]

    changed = memkit("reembed", ADA, "--json")
    assert (changed.code, changed.json["space"]["model"]) == (0, "text-embedding-ada-002")
    assert memkit("recall", "boat", "--embedder", ADA).code == 0
    assert len(memkit("status", "--json").json["spaces"]) == 2
    assert memkit("reembed", SMALL, "--discard").out == "now in use: text-embedding-3-small, 1536 dimensions\n"
    assert len(memkit("status", "--json").json["spaces"]) == 1


def test_recall_by_words_alone_says_that_there_are_vectors(memkit: Command, server: ModelServer) -> None:
    memkit("add", "The boat is called Kittiwake.", "--embedder", SMALL)
    done = memkit("recall", "boat")
    assert done.code == 0
    assert "by words alone; with --embedder the vectors of text-embedding-3-small are used as well" in done.err


def test_reembedding_needs_an_embedder_and_a_memory(memkit: Command) -> None:
    assert memkit("reembed", "none").code == 2
    assert "there is no memory at memkit.db" in memkit("reembed", SMALL).err
    memkit("add", "a")
    assert memkit("reembed", SMALL, "--namespace", "ana").code == 2
