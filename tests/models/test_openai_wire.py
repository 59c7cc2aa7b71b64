"""Streamed tool calls as servers really send them, and counts that cannot be."""

from __future__ import annotations

import pytest

from memkit.errors import ModelReplyError
from memkit.messages import ToolCall
from memkit.models.ledger import Price
from memkit.models.openai_wire import MOST_TOKENS, Stream, reply_of, tokens_of
from memkit.values import Json

ANA, BEN = '{"query": "Ana"}', '{"query": "Ben"}'
BOTH = [("recall", ANA), ("recall", BEN)]


def part(
    index: int | None = None, id: str | None = None, name: str | None = None, arguments: Json = None
) -> dict[str, Json]:
    """A part of a tool call, with only what is given."""
    function: dict[str, Json] = {key: value for key, value in (("name", name), ("arguments", arguments)) if value}
    return {key: value for key, value in (("index", index), ("id", id), ("function", function)) if value is not None}


def called(*chunks: list[Json]) -> tuple[ToolCall, ...]:
    stream = Stream()
    for parts in chunks:
        stream.take({"choices": [{"delta": {"tool_calls": parts}}]})
    stream.take({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]})
    last = stream.last()
    assert last is not None
    return last.calls


@pytest.mark.parametrize(
    "chunks",
    [
        [[part(0, "a", "recall", ANA)], [part(1, "b", "recall", BEN)]],
        [[part(1, "b", "recall"), part(0, "a", "recall")], [part(1, arguments=BEN)], [part(0, arguments=ANA)]],
        [[part(0, "a", "recall", '{"query": ')], [part(0, "a", "recall", '"Ana"}')], [part(1, "b", "recall", BEN)]],
        [[part(0, "a", "recall", ANA)], [part(0, "b", "recall", BEN)]],
        [[part(0, "a", "recall", ANA)], [part(0, "b", "recall", '{"query": ')], [part(0, arguments='"Ben"}')]],
        [[part(None, "a", "recall", ANA)], [part(None, "b", "recall", BEN)]],
        [[part(None, None, "recall", ANA)], [part(None, None, "recall", BEN)]],
        [[part(None, None, "recall", ANA), part(None, None, "recall", BEN)]],
        [[part(None, "a", "recall", '{"query": ')], [part(arguments='"Ana"}')], [part(None, "b", "recall", BEN)]],
        [[None, part(0, "a", "recall", ANA)], [part(1, "b", "recall", {"query": "Ben"})]],
    ],
    ids=[
        "whole",
        "out of order",
        "name and id repeated",
        "all at index 0",
        "all at index 0, in parts",
        "no index",
        "no index, no id",
        "no index, no id, at once",
        "no index, in parts",
        "nothing, and an object",
    ],
)
def test_parallel_calls_are_told_apart_however_a_server_streams_them(chunks: list[list[Json]]) -> None:
    calls = called(*chunks)
    assert [(call.name, call.arguments) for call in calls] == BOTH
    assert len({call.id for call in calls}) == 2


@pytest.mark.parametrize("broken", [[part(0, arguments=ANA)], ["recall"], [{"function": "recall"}], [5]])
def test_a_part_of_no_call_is_no_reply(broken: list[Json]) -> None:
    with pytest.raises(ModelReplyError, match="no chat completion"):
        called(broken)


def test_a_count_that_no_price_could_be_multiplied_with_is_taken_as_not_told() -> None:
    body: Json = {
        "choices": [{"message": {"content": "Hi"}}],
        "usage": {"prompt_tokens": 10**400, "completion_tokens": 1},
    }
    assert reply_of(body, "").tokens is None
    most = tokens_of({"usage": {"prompt_tokens": MOST_TOKENS - 1, "completion_tokens": 1}})
    assert most is not None
    assert Price(prompt=1.0, reply=1.0).of(most) > 0
