"""`memkit recall` and `memkit context`."""

from collections.abc import Callable
from typing import Any

import pytest

Command = Callable[..., Any]


@pytest.fixture
def told(memkit: Command) -> Command:
    """A memory with a few events."""
    memkit("add", "The hull will be green.", "--author", "Ines", "--session", "s1", "--at", "2024-05-06")
    memkit(
        "add",
        "The hull will be dark blue.",
        "--author",
        "Ines",
        "--session",
        "s4",
        "--at",
        "2024-05-14",
        "--meta",
        "n=4",
    )
    memkit("add", "Lovely!", "--author", "Jonah", "--session", "s4", "--at", "2024-05-14")
    memkit("add", "A hull of another firm.", "--namespace", "acme/rival")
    return memkit


def texts(done: Any) -> list[str]:
    return [hit["text"] for hit in done.json["hits"]]


def test_hits_are_printed_with_what_is_known_of_them(told: Command) -> None:
    done = told("recall", "hull", "--session", "s1")
    assert done.code == 0
    head, text = done.out.splitlines()
    assert head.startswith("1. 0.")
    assert "2024-05-06, Ines, session s1, id " in head
    assert text == "   The hull will be green."


def test_hits_of_several_components_say_which_found_them(told: Command) -> None:
    done = told("recall", "dark blue", "--session", "s4", "-k", "2", "--components", "passages,hipporag")
    heads = [line for line in done.out.splitlines() if not line.startswith(" ")]
    assert [head.split()[2] for head in heads] == ["passages", "hipporag"]
    assert all("2024-05-14, Ines, session s4, id " in head for head in heads)


def test_json_has_every_hit_with_its_sources(told: Command) -> None:
    done = told("recall", "blue hull", "--session", "s4", "-k", "1", "--neighbours", "1", "--json")
    assert done.json["question"] == "blue hull"
    (hit,) = done.json["hits"]
    assert (hit["rank"], hit["text"], hit["component"]) == (1, "The hull will be dark blue.", "passages")
    assert hit["sources"] == [{"event": hit["events"][0], "start": 0, "end": 27}]
    assert [record["text"] for record in hit["after"]] == ["Lovely!"]
    assert 0 < hit["score"] <= 1
    assert hit["metadata"] == {"n": 4}


FILTERS = {
    ("--since", "2024-05-10", "--author", "Ines"): ["The hull will be dark blue."],
    ("--until", "2024-05-14"): ["The hull will be green."],
    ("--session", "s1", "--session", "s9"): ["The hull will be green."],
    ("--meta", "n=4"): ["The hull will be dark blue."],
    ("--meta", 'n="4"'): [],
    ("--kind", "document"): [],
    ("--author", "Jonah", "--floor", "0.5"): [],
    ("--as-of", "2001-01-01"): [],
    ("--namespace", "acme"): [],
    ("--namespace", "acme", "--below"): ["A hull of another firm."],
}


@pytest.mark.parametrize("options", FILTERS)
def test_filters_narrow(told: Command, options: tuple[str, ...]) -> None:
    done = told("recall", "hull", "--json", *options)
    assert texts(done) == FILTERS[options]
    assert done.code == (0 if FILTERS[options] else 3)


def test_nothing_found_prints_nothing_and_has_exit_code_3(told: Command) -> None:
    done = told("recall", "xylophone")
    assert (done.code, done.out, done.err) == (3, "", "nothing found\n")
    done = told("context", "xylophone")
    assert (done.code, done.out, done.err) == (3, "", "nothing found\n")
    assert told("context", "xylophone", "--json").json["text"] == ""


def test_explain_tells_why(told: Command) -> None:
    done = told("recall", "hull", "--explain")
    assert 'hits for "hull"' in done.out
    assert "words" in done.out


def test_a_context_keeps_to_its_budget_and_tells_what_it_dropped(told: Command) -> None:
    whole = told("context", "hull", "--order", "time").out
    assert whole.index("green") < whole.index("dark blue")
    done = told("context", "hull", "--tokens", "16")
    assert done.code == 0
    assert done.out.count("\n") == 1
    assert "dropped: " in done.err
    packed = told("context", "hull", "--tokens", "16", "--json").json
    assert packed["used"] <= 16
    assert packed["text"] == done.out.rstrip("\n")
    assert packed["dropped"][0]["reason"]


def test_messages_are_lines_of_json_or_one_object(told: Command) -> None:
    lines = told("context", "hull", "--messages").out.splitlines()
    assert lines[0].startswith('{"role": "system"')
    assert len(told("context", "hull", "--messages", "--json").json["messages"]) == len(lines)


def test_a_remembered_text_cannot_steer_the_terminal(memkit: Command) -> None:
    memkit("add", "bell \x07 and \x1b]0;title\x07 escape")
    done = memkit("recall", "escape")
    assert "\x1b" not in done.out + done.err
    assert "\x07" not in done.out
    assert memkit("recall", "escape", "--json").json["hits"][0]["text"] == "bell \x07 and \x1b]0;title\x07 escape"


def test_markup_and_query_syntax_are_text(memkit: Command) -> None:
    memkit("add", "[bold]tagged[/bold] NEAR(a b) :smile:")
    assert "[bold]tagged[/bold] NEAR(a b) :smile:" in memkit("recall", '"tagged" AND [bold] OR NOT (').out


MISUSES = {
    "k is 0": ("recall", "a", "-k", "0"),
    "neighbours is -1": ("recall", "a", "--neighbours", "-1"),
    "floor is 2": ("recall", "a", "--floor", "2"),
    "the question is empty": ("recall", " "),
    "--since: 'soon' is not a time": ("recall", "a", "--since", "soon"),
    "No such option: --speaker": ("recall", "a", "--speaker", "Ines"),
    "tokens is -1": ("context", "a", "--tokens", "-1"),
    "--order": ("context", "a", "--order", "size"),
}


@pytest.mark.parametrize("said", MISUSES)
def test_a_misuse_is_told_and_has_exit_code_2(told: Command, said: str) -> None:
    done = told(*MISUSES[said])
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    shaped = told(*MISUSES[said], "--json")
    assert shaped.code == 2
    assert set(shaped.json) == {"error", "type"}
    assert said in shaped.json["error"]
