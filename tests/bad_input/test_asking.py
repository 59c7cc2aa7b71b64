"""Bad questions, filters and numbers are refused with an error that names them. A question is text, never syntax."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

import memkit
from memkit.testing.embedders import HashEmbedder
from tests.bad_input.holding import unchanged


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def memory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[memkit.Memory]:
    """One for all tests: whatever they try, it must stay as it is."""
    on_file = request.param == "sqlite"
    where = tmp_path_factory.mktemp("memory") / "memory.db" if on_file else request.getfixturevalue("postgres_url")
    with memkit.open(where, embedder=HashEmbedder(), durability="process") as memory:
        memory.add("The kettle in the kitchen is broken.", session="s1", metadata={"room": "kitchen"})
        memory.add("Somebody drops the tables.", session="s2")
        memory["ana/work"].add("Somebody else's kettle works.")
        yield memory
        for name in ("default", "ana/work"):
            memory.forget(namespace=name)


BAD_QUESTIONS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"text": ""}, ValueError, "the question is empty; give a text, or a vector"),
    ({"text": " \n"}, ValueError, "the question is empty"),
    ({"text": None}, TypeError, "the question is None; it must be a text"),
    ({"text": b"kettle"}, TypeError, "the question is a bytes"),
    ({"k": 0}, ValueError, "k is 0; it needs to be a whole number of at least 1"),
    ({"k": -1}, ValueError, "k is -1"),
    ({"k": 2.0}, ValueError, "k is 2.0"),
    ({"k": True}, ValueError, "k is True"),
    ({"k": None}, ValueError, "k is None"),
    ({"k": "5"}, ValueError, "k is '5'"),
    ({"neighbours": -1}, ValueError, "neighbours is -1; it needs to be a whole number of at least 0"),
    ({"neighbours": True}, ValueError, "neighbours is True"),
    ({"floor": 1.01}, ValueError, "floor is 1.01; scores lie between 0 and 1"),
    ({"floor": -0.1}, ValueError, "floor is -0.1"),
    ({"floor": math.nan}, ValueError, "floor is nan"),
    ({"floor": "high"}, ValueError, "floor is 'high'"),
    ({"vector": [1.0, 2.0]}, ValueError, r"the vector has shape \(2,\); memkit-hash-0 makes vectors of \(64,\)"),
    ({"vector": [[1.0] * 64]}, ValueError, r"the vector has shape \(1, 64\)"),
    ({"vector": [math.nan] * 64}, ValueError, "the vector is zero or holds NaN"),
    ({"vector": [0.0] * 64}, ValueError, "the vector is zero"),
    ({"vector": "kettle"}, ValueError, "the vector is not a list of numbers"),
    ({"vector": [{}] * 64}, ValueError, "the vector is not a list of numbers"),
]

BAD_FILTERS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"colour": "red"}, TypeError, "unknown filter colour; there are as_of, author, below, ids"),
    ({"sesion": "s1"}, TypeError, "unknown filter sesion; .* session"),
    ({"session": 5}, TypeError, "session is an int; it must be a text or several texts"),
    ({"session": ["s1", 5]}, TypeError, "session is an int; it must be a text"),
    ({"session": b"s1"}, TypeError, "session is a bytes"),
    ({"session": "\ud800"}, ValueError, "session holds a lone surrogate"),
    ({"session": "s\0"}, ValueError, "session holds a NUL"),
    ({"ids": 5}, TypeError, "ids is an int"),
    ({"since": 5}, TypeError, "since is an int; it must be a datetime or an ISO 8601 text"),
    ({"until": date(2024, 5, 1)}, TypeError, "until is a date"),
    ({"as_of": "yesterday"}, ValueError, "as_of is 'yesterday'"),
    ({"metadata": ["room"]}, TypeError, "metadata is a list; it must be a dict"),
    ({"metadata": {"room": {"a": 1}}}, TypeError, r"metadata\['room'\] is a dict; filters compare single values"),
    ({"metadata": {"room": math.nan}}, ValueError, r"metadata\['room'\] is nan"),
    ({"metadata": {"room": 2**70}}, ValueError, r"metadata\['room'\] is beyond 64 bits"),
    ({"metadata": {"room": "\ud800"}}, ValueError, r"metadata\['room'\] holds a lone surrogate"),
    ({"metadata": {5: 5}}, TypeError, "a key of metadata is an int"),
    ({"below": "no"}, TypeError, "below is 'no'; it can be True or False"),
    ({"namespace": 5}, TypeError, "namespace is an int"),
    ({"namespace": "a//b"}, ValueError, "is not a path"),
]


@pytest.mark.parametrize(("asked", "error", "says"), BAD_QUESTIONS, ids=lambda value: repr(value)[:40])
def test_a_question_that_makes_no_sense_is_refused(
    memory: memkit.Memory, asked: dict[str, Any], error: type[Exception], says: str
) -> None:
    with unchanged(memory), pytest.raises(error, match=says):
        memory.recall(**{"text": "kettle", **asked})


@pytest.mark.parametrize(("scope", "error", "says"), BAD_FILTERS, ids=lambda value: repr(value)[:40])
def test_a_filter_that_makes_no_sense_is_refused_by_every_verb(
    memory: memkit.Memory, scope: dict[str, Any], error: type[Exception], says: str
) -> None:
    with unchanged(memory):
        for verb in (lambda: memory.recall("kettle", **scope), lambda: memory.history(**scope)):
            with pytest.raises(error, match=says):
                verb()
        with pytest.raises(error, match=says):
            memory.forget(everything=True, **scope)
        with pytest.raises(error, match=says):
            list(memory.export(**scope))


@pytest.mark.parametrize("scope", [{"session": "s1"}, {"colour": "red"}, {"ids": "x"}])
def test_what_stats_and_sync_cannot_be_narrowed_by_is_refused(memory: memkit.Memory, scope: dict[str, Any]) -> None:
    for verb in (memory.stats, memory.sync, memory["ana"].stats):
        with pytest.raises(TypeError, match="cannot be asked for here"):
            verb(**scope)


@pytest.mark.parametrize("last", [0, -1, 1.5, True, "3"])
def test_history_takes_a_whole_number_of_events(memory: memkit.Memory, last: Any) -> None:
    with pytest.raises(ValueError, match=f"last is {last!r}; it needs to be a whole number of at least 1"):
        memory.history(last=last)


@pytest.mark.parametrize(
    "scope", [{}, {"session": None}, {"metadata": {}}, {"namespace": None}, {"below": True}, {"verify": True}], ids=str
)
def test_nothing_is_forgotten_by_an_oversight(memory: memkit.Memory, scope: dict[str, Any]) -> None:
    with unchanged(memory), pytest.raises(ValueError, match="forget what"):
        memory.forget(**scope)


@pytest.mark.parametrize("scope", [{"ids": []}, {"session": []}, {"ids": "nobody"}, {"since": "9999-01-01"}], ids=str)
def test_a_filter_that_admits_nothing_forgets_nothing(memory: memkit.Memory, scope: dict[str, Any]) -> None:
    with unchanged(memory):
        assert memory.forget(**scope).events == 0
        assert not memory.recall("kettle", floor=0, **scope)


SYNTAX = [
    '"',
    "'",
    '" OR 1=1 --',
    "'; DROP TABLE events; --",
    "kettle AND NOT broken",
    "kettle OR",
    "NEAR/2",
    "NEAR(kettle broken, 2)",
    "kettle*",
    "*",
    "(",
    ")",
    "{kettle}",
    "^kettle",
    "-kettle",
    "+kettle",
    "title:kettle",
    "kettle:*",
    "kettle & !broken",
    "kettle <-> broken",
    "%",
    "_",
    "\\",
    ":name",
    "?1",
    "%s %(name)s {0}",
    "\x00kettle",
    "kettle \ud800",
    "\u202ekettle",
    "😀",
]


@pytest.mark.parametrize("text", SYNTAX, ids=repr)
def test_the_syntax_of_sql_and_of_full_text_search_is_only_text(memory: memkit.Memory, text: str) -> None:
    with unchanged(memory):
        found = [hit.text for hit in memory.recall(text, k=1)]
        if "kettle" in text:
            assert found == ["The kettle in the kitchen is broken."]
        assert not memory.recall(text, session=text if text.isprintable() else "none", floor=0)


def test_the_same_syntax_can_be_remembered_and_found(memory: memkit.Memory) -> None:
    with unchanged(memory):
        texts = [f"somebody typed zebra {text}" for text in SYNTAX if "\0" not in text and "\ud800" not in text]
        receipt = memory.add(texts, session="'; DROP TABLE events; --", author='" OR 1=1', metadata={"%": "_"})
        assert [one.text for one in memory.history(author='" OR 1=1')] == texts
        assert memory.recall(texts[0], session="'; DROP TABLE events; --", metadata={"%": "_"})
        assert not memory.recall("zebra", floor=0, author="%")
        assert memory.forget(ids=receipt.ids).events == len(texts)


def test_very_large_numbers_are_only_numbers(memory: memkit.Memory) -> None:
    with unchanged(memory):
        assert len(memory.recall("kettle", k=10**30, neighbours=10**30, floor=0)) == 2
        assert len(memory.history(last=10**6)) == 2


def test_a_question_of_two_million_characters_is_answered(memory: memkit.Memory) -> None:
    with unchanged(memory):
        assert memory.recall("the kettle in the kitchen is broken " * 60_000, k=1)


def test_thousands_of_ids_are_one_filter(memory: memkit.Memory) -> None:
    with unchanged(memory):
        (first, _) = memory.history()
        many = [f"{n:032x}" for n in range(40_000)] + [first.id]
        assert [hit.events for hit in memory.recall("kettle", ids=many)] == [(first.id,)]
        assert len(memory.history(ids=many)) == 1


@pytest.mark.parametrize(
    ("lines", "error", "says"),
    [
        (["nonsense"], ValueError, "line 1 is not of a memkit export"),
        (["{}"], ValueError, "line 1 is not of a memkit export: it has no 'at'"),
        (["", "[1]"], ValueError, "line 2 is not of a memkit export"),
        (['{"at": 5, "recorded": 5}'], ValueError, "line 1 is not of a memkit export: at is an int"),
        (["[" * 100_000], ValueError, "line 1 is not of a memkit export"),
        ("one text", TypeError, "give the lines one by one"),
    ],
    ids=["nonsense", "empty", "list", "time", "deep", "text"],
)
def test_what_is_no_export_is_refused(memory: memkit.Memory, lines: Any, error: type[Exception], says: str) -> None:
    with unchanged(memory), pytest.raises(error, match=says):
        memory.add(memkit.read_export(lines))
