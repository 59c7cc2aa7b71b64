"""What cannot be remembered is refused at the door, with an error that says what and where; nothing is stored."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document as LangchainDocument
from langchain_core.messages import AIMessage, HumanMessage

import memkit
from memkit import Document, Event
from tests.bad_input.holding import unchanged, works

NOW = datetime(2024, 5, 1, tzinfo=UTC)


def event(**fields: Any) -> Event:
    return Event(**{"id": "e1", "namespace": "default", "text": "x", "at": NOW, "recorded": NOW, **fields})


def nested(depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(depth):
        found = {"inner": found}
    return found


def told(value: object) -> str:
    """A short name for a case, the same in every process."""
    try:
        return re.sub(" object at 0x[0-9a-f]+", "", repr(value))[:40]
    except RecursionError:
        return "too deep"


def endless() -> dict[str, Any]:
    found: dict[str, Any] = {}
    found["itself"] = found
    return found


class Odd(Mapping[str, int]):
    """A mapping that JSON does not know."""

    def __getitem__(self, key: str) -> int:
        return 1

    def __iter__(self) -> Iterator[str]:
        return iter(["one"])

    def __len__(self) -> int:
        return 1


REFUSED: list[tuple[Any, type[Exception], str]] = [
    ("", ValueError, "item 0: the text is empty"),
    (" \n\t\u3000", ValueError, "item 0: the text is empty"),
    ("half \ud83d of it", ValueError, r"lone surrogate at 5.*errors='replace'"),
    ("nul\0nul", ValueError, "NUL character at 3; remove it"),
    (None, TypeError, "cannot add None; add a text, a message"),
    (5, TypeError, "cannot add an int"),
    (b"bytes", TypeError, "item 0: cannot add a bytes; add a text"),
    (bytearray(b"bytes"), TypeError, "cannot add a bytearray"),
    (object(), TypeError, "cannot add an object"),
    (Document, TypeError, "cannot add a type"),
    ([["a", "b"]], TypeError, "item 0: cannot add a list"),
    (["fine", None], TypeError, "item 1: cannot add None"),
    (["fine", "fine", ""], ValueError, "item 2: the text is empty"),
    (("fine", 2.5), TypeError, "item 1: cannot add a float"),
    ({}, ValueError, "a message needs 'content'"),
    ({"role": "user"}, ValueError, "a message needs 'content'"),
    ({"content": None}, TypeError, "content is None; it must be a text or a list of parts"),
    ({"content": 5}, TypeError, "content is an int"),
    ({"content": b"bytes"}, TypeError, "content is a bytes"),
    ({"content": {"content": "nested"}}, TypeError, "content is a dict"),
    ({"content": ["fine", 5]}, TypeError, "content is a list"),
    ({"content": [{"type": "image_url", "image_url": {"url": "x"}}]}, ValueError, "the text is empty"),
    ({"content": "x", "tool_calls": []}, ValueError, "a message has no tool_calls; it has at, author, content"),
    ({"content": "x", 5: 5}, ValueError, "a message has no 5"),
    ({"content": "x", "role": 5}, TypeError, "role is an int"),
    ({"content": "x", "role": ""}, ValueError, "role has 0 bytes; it needs 1 to 1000"),
    ({"content": "x", "name": 5}, TypeError, "author is an int"),
    ({"content": "x", "at": 5}, TypeError, "at is an int; it must be a datetime or an ISO 8601 text"),
    ({"content": "x", "at": "soon"}, ValueError, "at is 'soon'; it must be a datetime or a text such as"),
    ({"content": "x", "metadata": [1]}, TypeError, "metadata is a list; it must be a dict"),
    (Document(text=None), TypeError, "the text is None"),  # type: ignore[arg-type]
    (Document(text=" "), ValueError, "the text is empty"),
    (Document(text="x", title=5), TypeError, "the title is an int"),  # type: ignore[arg-type]
    (Document(text="x", metadata=None), TypeError, "metadata is None"),  # type: ignore[arg-type]
    (LangchainDocument(page_content=""), ValueError, "the text is empty"),
    (LangchainDocument(page_content="x", metadata={"when": NOW}), TypeError, r"metadata\['when'\] is a datetime"),
    (event(text=5), TypeError, "the text is an int"),
    (event(id=""), ValueError, "id has 0 bytes"),
    (event(at=datetime(2024, 5, 1)), ValueError, "at has no time zone"),
    (event(recorded="2024-05-01"), TypeError, "recorded is a str; in an Event it must be a datetime"),
    (event(metadata=[1]), TypeError, "metadata is a list"),
    (event(namespace="a//b"), ValueError, "'a//b' is not a path such as 'acme/ana'"),
]


@pytest.mark.parametrize(("what", "error", "says"), REFUSED, ids=told)
def test_what_cannot_be_remembered_is_refused(
    memory: memkit.Memory, what: Any, error: type[Exception], says: str
) -> None:
    with unchanged(memory), pytest.raises(error, match=says):
        memory.add(what)


BADLY_SAID: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"session": 5}, TypeError, "session is an int"),
    ({"session": ""}, ValueError, "session has 0 bytes; it needs 1 to 1000"),
    ({"session": "x" * 1001}, ValueError, "session has 1001 bytes"),
    ({"session": "\udc80"}, ValueError, "session holds a lone surrogate"),
    ({"author": b"ana"}, TypeError, "author is a bytes"),
    ({"role": ["user"]}, TypeError, "role is a list"),
    ({"kind": ""}, ValueError, "kind has 0 bytes"),
    ({"key": 5}, TypeError, "key is an int"),
    ({"key": ""}, ValueError, "key has 0 bytes"),
    ({"namespace": 5}, TypeError, "namespace is an int"),
    ({"namespace": "a\nb"}, ValueError, "control character"),
    ({"at": 5}, TypeError, "at is an int"),
    ({"at": date(2024, 5, 1)}, TypeError, "at is a date"),
    ({"at": "the day before"}, ValueError, "at is 'the day before'; it must be"),
    ({"at": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5)))}, ValueError, "outside the years 1 to 9999"),
    ({"at": datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5)))}, ValueError, "outside the years"),
    ({"metadata": 5}, TypeError, "metadata is an int; it must be a dict"),
    ({"metadata": [("a", 1)]}, TypeError, "metadata is a list"),
    ({"metadata": {"a": math.nan}}, ValueError, r"metadata\['a'\] is nan, which JSON cannot hold"),
    ({"metadata": {"a": [{"b": -math.inf}]}}, ValueError, r"metadata\['a'\]\[0\]\['b'\] is -inf"),
    ({"metadata": {"a": 2**63}}, ValueError, r"metadata\['a'\] is beyond 64 bits; store it as a text"),
    ({"metadata": {"a": (1, 2)}}, TypeError, r"metadata\['a'\] is a tuple"),
    ({"metadata": {"a": {1}}}, TypeError, r"metadata\['a'\] is a set"),
    ({"metadata": {"a": b"x"}}, TypeError, r"metadata\['a'\] is a bytes"),
    ({"metadata": {"a": Odd()}}, TypeError, r"metadata\['a'\] is an Odd"),
    ({"metadata": {1: 2}}, TypeError, "a key of metadata is an int"),
    ({"metadata": {"a\0": 2}}, ValueError, "a key of metadata holds a NUL"),
    ({"metadata": {"a": "\ud800"}}, ValueError, r"metadata\['a'\] holds a lone surrogate"),
    ({"metadata": nested(60)}, ValueError, "nested more than 50 deep"),
    ({"metadata": nested(100_000)}, ValueError, "nested more than 50 deep"),
    ({"metadata": endless()}, ValueError, "nested more than 50 deep"),
    ({"colour": "red"}, TypeError, "colour"),
]


@pytest.mark.parametrize(("said", "error", "says"), BADLY_SAID, ids=told)
def test_what_is_said_of_an_event_is_checked(
    memory: memkit.Memory, said: dict[str, Any], error: type[Exception], says: str
) -> None:
    with unchanged(memory), pytest.raises(error, match=says):
        memory.add(["fine", "also fine"] if "key" not in said else "fine", **said)


def test_one_key_cannot_stand_for_several_events(memory: memkit.Memory) -> None:
    with unchanged(memory), pytest.raises(ValueError, match="give each message its own 'key'"):
        memory.add(["one", "two"], key="k")


def test_a_key_repeated_in_a_batch_is_stored_once(memory: memkit.Memory) -> None:
    receipt = memory.add([{"content": "one", "key": "k"}, {"content": "two", "key": "k"}, {"content": "three"}])
    assert receipt.ids[0] == receipt.ids[1]
    assert receipt.added == 2
    assert [one.text for one in memory.history(last=2)] == ["one", "three"]
    memory.forget(ids=receipt.ids)


@pytest.mark.parametrize(
    "data",
    [
        {"a.b": 1, 'with "quotes"': "it's", "$[0]": None, "": True, "a'; DROP TABLE events; --": 1.5},
        {"deep": nested(40), "list": [[], {}, [1, "two", None, False]]},
        {"large": 2**63 - 1, "small": -(2**63), "tiny": 5e-324, "huge": 1e300, "zero": 0.0},
        {"title": 5, "caption": ["no", "text"]},
        {"emoji 😀": "naïve 日本語 \u202e \u2028"},
    ],
    ids=lambda data: next(iter(data)),
)
def test_odd_metadata_comes_back_and_can_be_filtered_by(memory: memkit.Memory, data: dict[str, Any]) -> None:
    with unchanged(memory):
        receipt = memory.add("The garden gate squeaks.", metadata=data)
        (found,) = memory.history(ids=receipt.ids)
        assert found.metadata == data
        for key, value in data.items():
            if not isinstance(value, (list, dict)):
                hits = memory.recall("The garden gate squeaks.", metadata={key: value}, floor=0)
                assert [hit.text for hit in hits] == ["The garden gate squeaks."], key
        assert memory.sync().deferred == ()
        memory.forget(ids=receipt.ids)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (datetime(1, 1, 1), datetime(1, 1, 1, tzinfo=UTC)),
        (datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC)),
        (
            datetime(2024, 5, 1, 12, tzinfo=timezone(timedelta(hours=5, minutes=45))),
            datetime(2024, 5, 1, 6, 15, tzinfo=UTC),
        ),
        ("1969-12-31T23:59:59.999999", datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC)),
        ("2024-05-01T12:00:00+02:00", datetime(2024, 5, 1, 10, tzinfo=UTC)),
    ],
    ids=str,
)
def test_times_are_kept_exactly_from_the_year_1_to_9999(
    memory: memkit.Memory, given: datetime | str, kept: datetime
) -> None:
    with unchanged(memory):
        receipt = memory.add("The garden gate squeaks.", at=given)
        assert [one.at for one in memory.history(ids=receipt.ids)] == [kept]
        assert memory.recall("The garden gate squeaks.", since=given, ids=receipt.ids, floor=0)
        assert not memory.recall("The garden gate squeaks.", until=given, ids=receipt.ids, floor=0)
        memory.forget(ids=receipt.ids)


def test_messages_of_langchain_are_taken_as_they_are(memory: memkit.Memory) -> None:
    with unchanged(memory):
        receipt = memory.add([HumanMessage("Is it hot?"), AIMessage([{"type": "text", "text": "Yes."}, "Very."])])
        added = memory.history(ids=receipt.ids)
        assert [(one.role, one.text) for one in added] == [("user", "Is it hot?"), ("assistant", "Yes.\nVery.")]
        memory.forget(ids=receipt.ids)


def test_a_generator_that_fails_leaves_the_thousands_before_and_nothing_else(tmp_path: Path) -> None:
    def lines() -> Iterator[str]:
        yield from (f"line {n}" for n in range(2_500))
        raise OSError("the file ended badly")

    with memkit.open(tmp_path / "memory.db") as memory:
        with pytest.raises(OSError, match="the file ended badly"):
            memory.add(lines())
        assert [one.text for one in memory.history()] == [f"line {n}" for n in range(2_000)]
        assert works(memory)


def test_a_key_that_comes_again_late_in_a_stream_is_stored_once(tmp_path: Path) -> None:
    with memkit.open(tmp_path / "memory.db") as memory:
        receipt = memory.add({"content": f"line {n}", "key": f"key {n % 1_500}"} for n in range(2_500))
        assert receipt.added == memory.stats().events == 1_500
        again = memory.add({"content": f"line {n}", "key": f"key {n}"} for n in range(1_600))
        assert again.added == 100
        assert again.known == frozenset(receipt.ids)


def test_a_bad_item_late_in_a_stream_is_named_by_its_number(tmp_path: Path) -> None:
    with memkit.open(tmp_path / "memory.db") as memory:
        with pytest.raises(ValueError, match="item 1500: the text is empty"):
            memory.add(line if n != 1_500 else "" for n, line in enumerate(["x"] * 3_000))
        assert memory.stats().events == 1_000
        with pytest.raises(ValueError, match="item 1500: the text is empty"):
            memory.add([line if n != 1_500 else "" for n, line in enumerate(["x"] * 3_000)])
        assert memory.stats().events == 1_000
