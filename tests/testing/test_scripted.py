"""The model that says what it is told to."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from memkit.errors import ModelReplyError, UnreachableError
from memkit.messages import Message, Options, Piece, Reply, Request, Tokens, Tool, ToolCall
from memkit.testing.scripted import ScriptedModel, ScriptError
from memkit.testing.threads import at_once

CALL = ToolCall(id="1", name="recall", arguments='{"query": "Lisbon"}')


def request(text: str, **parts: Any) -> Request:
    return Request(messages=(Message(role="user", content=text),), **parts)


def ask(model: ScriptedModel, *texts: str) -> list[Reply]:
    async def all_of_them() -> list[Reply]:
        return [await model.complete(request(text)) for text in texts]

    return asyncio.run(all_of_them())


def stream(model: ScriptedModel, text: str = "?") -> list[Piece]:
    async def collect() -> list[Piece]:
        return [piece async for piece in model.stream(request(text))]

    return asyncio.run(collect())


def test_replies_come_in_order_and_requests_are_kept() -> None:
    model = ScriptedModel(["one", Reply(text="two", finish="length")])
    assert model.left == 2
    assert [(reply.text, reply.finish) for reply in ask(model, "a", "b")] == [("one", "stop"), ("two", "length")]
    assert model.requests == [request("a"), request("b")]
    assert (model.left, model.model) == (0, "scripted")


def test_a_function_sees_the_request() -> None:
    model = ScriptedModel(lambda asked: asked.messages[-1].content.upper(), model="loud")
    assert [reply.text for reply in ask(model, "a", "b")] == ["A", "B"]
    assert model.model == "loud"


def test_an_error_is_raised_in_its_turn() -> None:
    model = ScriptedModel([ModelReplyError("odd", raw="?!"), "one"])
    with pytest.raises(ModelReplyError, match="odd"):
        ask(model, "a")
    assert ask(model, "b")[0].text == "one"


def test_a_script_that_ran_out_shows_what_was_asked() -> None:
    model = ScriptedModel(["one"])
    ask(model, "a")
    with pytest.raises(ScriptError, match=r"has 1 replies, and request 2 is:\nuser: where is Ana\?") as ended:
        ask(model, "where is Ana?")
    assert isinstance(ended.value, UnreachableError)
    assert not ended.value.again  # whoever tries again would wait in vain


def test_what_is_shown_of_a_long_request_is_bounded() -> None:
    with pytest.raises(ScriptError) as ended:
        ask(ScriptedModel([]), "begin " + "x" * 100_000 + " end")
    assert len(str(ended.value)) < 3_000
    assert "begin" in str(ended.value)
    assert str(ended.value).endswith(" end")


def test_one_text_is_no_script() -> None:
    with pytest.raises(TypeError, match="put the one reply into a list"):
        ScriptedModel("one")


@pytest.mark.parametrize("text", ["", "one", " two  words\n\n", "\n", "北京是中国的首都，很大很大很大很大", "x" * 50])
def test_a_stream_joins_to_the_reply(text: str) -> None:
    *pieces, last = stream(ScriptedModel([text]))
    assert "".join(piece.text for piece in pieces) == text
    assert all(piece.text and piece.finish is None for piece in pieces)
    assert all(len(piece.text.strip()) <= 12 for piece in pieces)
    assert (last.text, last.finish) == ("", "stop")


def test_calls_of_tools_come_whole_with_the_last_piece() -> None:
    model = ScriptedModel([Reply(text="wait", calls=(CALL,))] * 2)
    assert ask(model, "a")[0].finish == "calls"
    *pieces, last = stream(model)
    assert (last.calls, last.finish) == ((CALL,), "calls")
    assert not any(piece.calls for piece in pieces)


def test_tokens_are_counted_the_same_every_time() -> None:
    (first,), (second,) = ask(ScriptedModel(["In Lisbon."]), "Where?"), ask(ScriptedModel(["In Lisbon."]), "Where?")
    assert first.tokens == second.tokens == Tokens(prompt=4 + 2, reply=3)
    assert stream(ScriptedModel(["In Lisbon."]), "Where?")[-1].tokens == first.tokens


def test_everything_that_is_sent_counts() -> None:
    tool = Tool(name="recall", description="Look it up.", parameters={"type": "object"})
    asked = Message(role="assistant", content="", calls=(CALL,))
    bare = request("Where?")
    more = [
        request("Where?", options=Options(tools=(tool,))),
        request("Where?", schema={"type": "object"}),
        Request(messages=(*bare.messages, asked)),
    ]

    async def prompts() -> list[int]:
        model = ScriptedModel(["x"] * 4)
        replies = [await model.complete(one) for one in (bare, *more)]
        return [reply.tokens.prompt for reply in replies if reply.tokens]

    least, *others = asyncio.run(prompts())
    assert all(count > least for count in others)


def test_tokens_of_a_script_are_left_as_they_are_and_may_be_untold() -> None:
    told = Reply(text="x", tokens=Tokens(prompt=900, reply=1, cached=800))
    assert ask(ScriptedModel([told]), "a")[0].tokens == told.tokens
    assert [reply.tokens for reply in ask(ScriptedModel([told, "x"], tells=False), "a", "b")] == [None, None]


def test_without_an_event_loop_nothing_is_used_up() -> None:
    model = ScriptedModel(["one"])
    attempt = model.complete(request("a"))
    with pytest.raises(RuntimeError, match="no running event loop"):
        attempt.send(None)
    assert (model.requests, model.left) == ([], 1)


def test_many_threads_get_every_reply_once() -> None:
    model = ScriptedModel([str(number) for number in range(80)])
    heard: list[str] = []

    async def ten_at_once() -> None:
        heard.extend(reply.text for reply in await asyncio.gather(*(model.complete(request(c)) for c in "abcdefghij")))

    at_once([lambda: asyncio.run(ten_at_once())] * 8)
    assert sorted(heard, key=int) == [str(number) for number in range(80)]
    assert len(model.requests) == 80
