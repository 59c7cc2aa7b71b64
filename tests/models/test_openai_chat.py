"""The OpenAI chat adapter: the real `openai` library against a real server on the loopback interface."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, TypeVar

import pytest

from memkit.errors import ModelError, ModelReplyError, NoSchemaError, UnreachableError
from memkit.messages import Message, Options, Piece, Reply, Request, Shape, Tokens, Tool, ToolCall
from memkit.models.failures import asked_to_wait
from memkit.models.metered import Limits, Metered
from memkit.models.openai_chat import OpenAIChat
from memkit.models.openai_wire import reply_of
from memkit.models.specs import llm_from
from memkit.testing.scripted import ScriptedModel
from memkit.testing.server import (
    ModelServer,
    Twist,
    altered,
    broken_off,
    cut_off,
    ended_early,
    failed_within,
    garbage,
    late,
    refused,
    slow,
)
from memkit.testing.wire import Instead
from memkit.values import Json

T = TypeVar("T")

SECRET = "Ana hides the key under the third flowerpot"
REQUEST = Request(messages=(Message(role="user", content=SECRET),))
SCHEMA: dict[str, Json] = {
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
    "additionalProperties": False,
}
RECALL = Tool(name="recall", description="Looks it up.", parameters={"type": "object", "properties": {}})
CALL = ToolCall(id="call_1", name="recall", arguments='{"query": "Ana"}')
TOLD = Reply(text="Under the flowerpot.", tokens=Tokens(prompt=20, reply=5, cached=8))


@contextmanager
def serving(*script: str | Reply | Exception, lacks: tuple[str, ...] = ()) -> Iterator[tuple[ModelServer, OpenAIChat]]:
    with ModelServer(model=ScriptedModel(list(script)), lacks=lacks) as server:
        yield server, client(server)


def client(server: ModelServer, *, timeout: float = 5.0) -> OpenAIChat:
    return OpenAIChat("tiny", base_url=server.url, api_key="test-key", timeout=timeout)


def run(model: OpenAIChat, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
    async def alone() -> T:
        try:
            return await call()
        finally:
            await model.aclose()

    return asyncio.run(alone())


def ask(model: OpenAIChat, request: Request = REQUEST) -> Reply:
    return run(model, lambda: model.complete(request))


def listen(model: OpenAIChat, request: Request = REQUEST) -> list[Piece]:
    async def all_of_it() -> list[Piece]:
        return [piece async for piece in model.stream(request)]

    return run(model, all_of_it)


def joined(pieces: list[Piece]) -> Reply:
    last = pieces[-1]
    assert last.finish is not None
    assert all(piece.finish is None for piece in pieces[:-1])
    return Reply(text="".join(piece.text for piece in pieces), calls=last.calls, finish=last.finish, tokens=last.tokens)


def whole(model: OpenAIChat, request: Request = REQUEST) -> Reply:
    return ask(model, request)


def streamed(model: OpenAIChat, request: Request = REQUEST) -> Reply:
    return joined(listen(model, request))


BOTH = pytest.mark.parametrize("way", [whole, streamed], ids=["whole", "streamed"])
Way = Callable[..., Reply]


# --- what is sent and what comes back -------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    "reply",
    [
        TOLD,
        Reply(text="Under the", finish="length", tokens=Tokens(prompt=1, reply=2)),
        Reply(text="", calls=(CALL, CALL), finish="calls", tokens=Tokens(prompt=1, reply=2)),
        Reply(text="Let me see.", calls=(CALL,), finish="calls", tokens=Tokens(prompt=1, reply=2)),
        Reply(text="That I cannot do.", finish="refusal", tokens=Tokens(prompt=1, reply=2)),
        Reply(text="里斯本 \N{GRINNING FACE}", tokens=Tokens(prompt=1, reply=2)),
    ],
    ids=["told", "length", "calls", "text-and-call", "refusal", "unicode"],
)
def test_a_reply_arrives_as_the_model_gave_it(way: Way, reply: Reply) -> None:
    with serving(reply) as (_, model):
        assert way(model) == reply


def test_only_what_was_asked_for_is_sent() -> None:
    with serving(TOLD) as (server, model):
        ask(model)
        assert server.requests[0].body == {"model": "tiny", "messages": [{"role": "user", "content": SECRET}]}
        assert server.requests[0].path == "/v1/chat/completions"


def test_all_that_a_request_holds_is_sent() -> None:
    request = Request(
        messages=(
            Message(role="system", content="You know Ana."),
            Message(role="user", content="Where is it?", name="Ana María"),
            Message(role="assistant", content="", calls=(CALL,)),
            Message(role="tool", content="nothing", call="call_1", name="recall"),
        ),
        options=Options(temperature=0.0, most=50, seed=7, stop=("END",), tools=(RECALL,)),
        schema=SCHEMA,
        schema_name="a name",
    )
    with serving('{"name": "Ana"}') as (server, model):
        assert ask(model, request).text == '{"name": "Ana"}'
        assert server.requests[0].body == {
            "model": "tiny",
            "messages": [
                {"role": "system", "content": "You know Ana."},
                {"role": "user", "content": "Where is it?", "name": "Ana_María"},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {
                            "id": "call_1",
                            "type": "function",
                            "function": {"name": "recall", "arguments": CALL.arguments},
                        }
                    ],
                },
                {"role": "tool", "content": "nothing", "tool_call_id": "call_1"},
            ],
            "temperature": 0.0,
            "max_tokens": 50,
            "seed": 7,
            "stop": ["END"],
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": "recall",
                        "description": "Looks it up.",
                        "parameters": {"type": "object", "properties": {}},
                    },
                }
            ],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "a_name", "schema": SCHEMA, "strict": True},
            },
        }


def test_a_schema_that_openai_would_not_take_as_strict_is_not_sent_as_strict() -> None:
    loose: dict[str, Json] = {"type": "object", "properties": {"all": {"type": "array", "items": {"type": "object"}}}}
    with serving("{}", "{}") as (server, model):
        ask(model, Request(messages=REQUEST.messages, schema=loose))
        ask(model, Request(messages=REQUEST.messages, schema=SCHEMA | {"properties": {"name": {}, "b": {}}}))
        for request in server.requests:
            wanted: Any = request.body["response_format"]
            assert wanted["json_schema"]["strict"] is False


def test_half_a_character_is_sent_as_a_question_mark() -> None:
    with serving(TOLD) as (server, model):
        ask(model, Request(messages=(Message(role="user", content="a \ud83d smile"),)))
        assert server.requests[0].body["messages"] == [{"role": "user", "content": "a ? smile"}]


def test_pieces_arrive_while_the_model_still_writes() -> None:
    with serving("one two three four five six") as (server, model):
        server.script(slow(0.1))

        async def clocked() -> list[float]:
            return [asyncio.get_running_loop().time() async for _ in model.stream(REQUEST)]

        times = run(model, clocked)
        assert len(times) >= 4
        assert times[-1] - times[0] > 0.1


@BOTH
def test_a_server_that_tells_no_tokens_is_believed(way: Way) -> None:
    with ModelServer(model=ScriptedModel(["yes"], tells=False)) as server:
        assert way(client(server)).tokens is None


# --- servers that lack something ------------------------------------------------------------------


def test_a_server_that_knows_no_stream_options_is_asked_without_from_then_on() -> None:
    with serving("yes", "no", lacks=("stream_options",)) as (server, model):
        assert [streamed(model).text for _ in range(2)] == ["yes", "no"]
        assert ["stream_options" in request.body for request in server.requests] == [True, False, False]


def test_the_longest_reply_is_called_as_the_server_calls_it() -> None:
    request = Request(messages=REQUEST.messages, options=Options(most=9))
    with serving("yes", "no", lacks=("max_tokens",)) as (server, model):
        assert [whole(model, request).text for _ in range(2)] == ["yes", "no"]
        assert [request.body.get("max_completion_tokens") for request in server.requests] == [None, 9, 9]
    with serving(lacks=("max_tokens", "max_completion_tokens")) as (server, model):
        with pytest.raises(ModelError, match="refused"):
            ask(model, request)
        assert len(server.requests) == 2


def test_a_server_that_knows_no_schemas_says_so_and_is_asked_in_words() -> None:
    shape = Shape(name="name", schema=SCHEMA, read=str)
    with serving('{"name": "Ana"}', lacks=("response_format",)) as (server, model):
        with pytest.raises(NoSchemaError, match="does not take JSON schemas"):
            ask(model, Request(messages=REQUEST.messages, schema=SCHEMA))
        llm = Metered(model).bound("reader")
        assert run(model, lambda: llm.ask(REQUEST.messages, shape, stage="x")) == "{'name': 'Ana'}"
        assert len(server.requests) == 3


def test_a_stream_that_comes_as_one_reply_is_taken_as_it_is() -> None:
    body = {"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}]}
    with serving() as (server, model):
        server.script(garbage(json.dumps(body), kind="application/json"))
        assert listen(model) == [Piece(text="yes", finish="stop")]


# --- errors ---------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("twist", "kind", "text"),
    [
        (refused(400, SECRET), ModelError, r"the request was refused; .* \(400\)"),
        (refused(413), ModelError, r"\(413\)"),
        (refused(422), ModelError, r"\(422\)"),
        (refused(401, SECRET), UnreachableError, r"the key was refused; pass api_key=, or set OPENAI_API_KEY \(401\)"),
        (refused(402), UnreachableError, r"there is no credit left \(402\)"),
        (refused(403), UnreachableError, r"the key may not use this model; .* \(403\)"),
        (refused(404), UnreachableError, r"check the model's name and base_url \(404\)"),
        (refused(307), UnreachableError, r"it points elsewhere; set base_url to where it is \(307\)"),
        (refused(429, code="insufficient_quota"), UnreachableError, r"no credit left \(429 insufficient_quota\)"),
    ],
    ids=["400", "413", "422", "401", "402", "403", "404", "307", "quota"],
)
def test_what_asking_again_cannot_mend(way: Way, twist: Twist, kind: type[ModelError], text: str) -> None:
    with serving() as (server, model):
        server.script(twist)
        with pytest.raises(kind, match=text) as failure:
            way(model)
        assert type(failure.value) is kind
        assert not getattr(failure.value, "again", False)
        assert str(failure.value).startswith(f"'tiny' at {server.url}/: ")
        assert "flowerpot" not in str(failure.value)
        assert len(server.requests) == 1


@BOTH
@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
def test_what_may_pass_is_said_to_with_the_wait_that_is_asked_for(way: Way, status: int) -> None:
    with serving() as (server, model):
        server.script(refused(status, SECRET, retry_after=2.5))
        with pytest.raises(UnreachableError, match=rf"\({status}\)") as failure:
            way(model)
        assert (failure.value.again, failure.value.after) == (True, 2.5)
        assert "flowerpot" not in str(failure.value)
        assert len(server.requests) == 1  # the library itself tries nothing again


@BOTH
def test_a_server_that_is_silent_broken_or_away_may_come_back(way: Way) -> None:
    with serving("yes") as (server, model):
        server.script(late(60))
        with pytest.raises(UnreachableError, match="no answer in time") as silent:
            way(client(server, timeout=0.2))
    with pytest.raises(UnreachableError, match="no connection, or it broke; check base_url and the server") as away:
        way(model)
    assert silent.value.again
    assert away.value.again


def test_a_reply_that_breaks_off_may_come_whole_the_next_time() -> None:
    with serving("yes") as (server, model):
        server.script(cut_off(30))
        with pytest.raises(UnreachableError, match="no connection, or it broke") as broken:
            ask(model)
    assert broken.value.again


@pytest.mark.parametrize(
    ("twist", "kind", "text"),
    [
        (broken_off(4), UnreachableError, "no connection, or it broke"),
        (cut_off(700), UnreachableError, "no connection, or it broke"),
        (failed_within(4, SECRET), UnreachableError, "the server failed"),
        (ended_early(4), ModelReplyError, "the reply broke off"),
        (altered(lambda event: ["what", "is", "this"]), ModelReplyError, "no chat completion"),
    ],
    ids=["broken", "cut", "failed", "ended", "strange"],
)
def test_a_stream_that_does_not_come_whole_is_an_error(twist: Twist, kind: type[ModelError], text: str) -> None:
    got: list[str] = []
    with serving("one two three four five six seven eight nine ten") as (server, model):
        server.script(twist)

        async def hear() -> None:
            nonlocal got
            async for piece in model.stream(REQUEST):
                got += [piece.text]

        with pytest.raises(kind, match=text) as failure:
            run(model, hear)
        assert "flowerpot" not in str(failure.value)
    if isinstance(failure.value, ModelReplyError) and got:
        assert failure.value.raw == "".join(got)


def test_a_stream_whose_end_is_lost_after_the_last_word_is_whole() -> None:
    with serving("one") as (server, model):
        server.script(broken_off(3))  # the role, the text, the finish; then the tokens would come
        assert streamed(model) == Reply(text="one")


@BOTH
@pytest.mark.parametrize(
    "text",
    [
        "<html><body>Sign in</body></html>",
        "null",
        "[]",
        '"yes"',
        "{}",
        '{"choices": []}',
        '{"choices": null}',
        '{"choices": {"message": 1}}',
        '{"choices": ["yes"]}',
        '{"choices": [{"message": "yes"}]}',
        '{"choices": [{"message": {"content": 7}}]}',
        '{"choices": [{"message": {"content": null, "tool_calls": [{"function": {"arguments": "{}"}}]}}]}',
        '{"choices": [{"message": {"content": null, "tool_calls": ["recall"]}}]}',
        '{"choices": [{"message": {"content": null, "tool_calls": 1}}]}',
        '{"error": {"message": "no"}}',
        "",
    ],
)
def test_what_is_no_reply_is_held_as_it_came(way: Way, text: str) -> None:
    with serving() as (server, model):
        server.script(garbage(text, kind="text/html" if text.startswith("<") else "application/json"))
        with pytest.raises(ModelReplyError, match=r"is base_url right\?") as wrong:
            way(model)
        assert wrong.value.raw == text


def test_odd_replies_of_other_servers_are_understood() -> None:
    def body(message: Json, **more: Json) -> Reply:
        return reply_of({"choices": [{"message": message, **more}]}, "")

    assert body({"content": "yes"}) == Reply(text="yes")
    assert body({"content": "yes"}, finish_reason="eos") == Reply(text="yes")
    assert body({"content": "ye"}, finish_reason="max_tokens") == Reply(text="ye", finish="length")
    assert body({"content": ""}, finish_reason="content_filter") == Reply(text="", finish="refusal")
    assert body({"content": [{"type": "text", "text": "yes"}, {"type": "image"}]}) == Reply(text="yes")
    call: Json = {"function": {"name": "recall", "arguments": {"query": "Ana"}}}
    assert body({"content": None, "tool_calls": [call]}, finish_reason="stop") == Reply(
        text="", calls=(ToolCall(id="call_0", name="recall", arguments='{"query": "Ana"}'),), finish="calls"
    )


@pytest.mark.parametrize(
    "usage",
    [None, "many", {}, {"prompt_tokens": -1, "completion_tokens": 2}, {"prompt_tokens": "1", "completion_tokens": 2}],
    ids=str,
)
def test_tokens_that_cannot_be_are_taken_as_not_told(usage: Json) -> None:
    told: Json = {"choices": [{"message": {"content": "yes"}}], "usage": usage}
    assert reply_of(told, "").tokens is None


def test_more_cached_tokens_than_there_are_cannot_be() -> None:
    usage: Json = {"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 9}}
    told: Json = {"choices": [{"message": {"content": "yes"}}], "usage": usage}
    assert reply_of(told, "").tokens == Tokens(prompt=5, reply=1, cached=5)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after-ms": "soon", "retry-after": "4"}, 4.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "Fri, 31 Dec 99999999999 23:59:59 GMT"}, None),
        ({"retry-after": "1e999"}, None),
    ],
    ids=range(10),
)
def test_a_server_may_say_in_several_ways_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert asked_to_wait(headers) == seconds


def test_a_date_to_wait_for_is_so_many_seconds_away() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    seconds = asked_to_wait({"retry-after": later})
    assert seconds is not None
    assert 27 < seconds <= 30


# --- where texts go -------------------------------------------------------------------------------


@BOTH
def test_a_redirect_is_not_followed(way: Way) -> None:
    with ModelServer(model=ScriptedModel(["stolen"])) as elsewhere, serving() as (server, model):
        headers = {"location": f"{elsewhere.url}/chat/completions"}
        server.script(Instead(replace(refused(307).reply, headers=headers)))
        with pytest.raises(UnreachableError, match="points elsewhere") as moved:
            way(model)
        assert not moved.value.again
        assert elsewhere.requests == []


def test_neither_key_nor_password_shows_in_an_error() -> None:
    with ModelServer() as server:
        address = server.url.replace("http://", "http://ana:password@")
        model = OpenAIChat("tiny", base_url=address, api_key="sk-secret")
        with pytest.raises(UnreachableError, match="401") as refusal:
            ask(model)
    assert "sk-secret" not in str(refusal.value)
    assert "password" not in str(refusal.value)


def test_key_and_address_come_from_the_environment_if_none_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(ModelError, match="no key for 'tiny': pass api_key=, or set OPENAI_API_KEY"):
        llm_from("openai:tiny")
    with serving("yes") as (server, _):
        monkeypatch.setenv("OPENAI_API_KEY", "test-key")
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        model = llm_from("openai:tiny")
        monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/elsewhere")
        assert isinstance(model, OpenAIChat)
        assert ask(model).text == "yes"


def test_at_openai_the_longest_reply_has_its_new_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    assert OpenAIChat("tiny", api_key="k")._lengths[0] == "max_completion_tokens"


@pytest.mark.parametrize("spec", ["", "openai", "openai:", "tiny", "another:tiny"])
def test_what_names_no_model_is_refused(spec: str) -> None:
    with pytest.raises(ValueError, match='a chat model is named as in "openai:NAME"'):
        llm_from(spec)


# --- loops, threads, cancelling -------------------------------------------------------------------


def test_a_passing_failure_is_tried_again_by_metered() -> None:
    with ModelServer(model=ScriptedModel(lambda request: "yes")) as server:
        model = client(server, timeout=0.3)
        server.script(refused(429, retry_after=0.01), refused(503, retry_after=0.01), late(60), cut_off(20))
        metered = Metered(model, seed=1, sleep=lambda seconds: asyncio.sleep(0))
        assert run(model, lambda: metered.bound("a").complete(REQUEST.messages, stage="x")).text == "yes"
        (row,) = metered.usage()
        assert (row.calls, row.failures, row.retries, len(server.requests)) == (1, 4, 4, 5)


def test_a_call_can_be_cancelled_and_the_next_one_works() -> None:
    with ModelServer(model=ScriptedModel(lambda request: "yes")) as server:
        model = client(server)
        server.script(late(60), late(60))

        async def cancel() -> Reply:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await model.complete(REQUEST)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await anext(aiter(model.stream(REQUEST)))
            return await model.complete(REQUEST)

        assert run(model, cancel).text == "yes"


def test_whoever_stops_listening_leaves_the_model_usable() -> None:
    with ModelServer(model=ScriptedModel(lambda request: "one two three four five")) as server:
        model = client(server)
        server.script(slow(0.05))
        llm = Metered(model, limits=Limits(at_once=1)).bound("agent")

        async def stop() -> Reply:
            pieces = llm.stream(REQUEST.messages, stage="x")
            await anext(pieces)
            await pieces.aclose()
            return await llm.complete(REQUEST.messages, stage="x")

        assert run(model, stop).text == "one two three four five"


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # nobody closes the model here
def test_event_loops_one_after_another_and_at_the_same_time_can_ask() -> None:
    with ModelServer(model=ScriptedModel(lambda request: request.messages[0].content)) as server:
        said = in_three_threads(client(server))
        assert sorted(said) == sorted(f"{name} {n}" for name in "abc" for n in range(5))
        gc.collect()


def in_three_threads(model: OpenAIChat) -> list[str]:
    said: list[str] = []

    def several(name: str) -> None:
        for n in range(5):  # each on a loop of its own
            request = Request(messages=(Message(role="user", content=f"{name} {n}"),))
            said.append(asyncio.run(model.complete(request)).text)

    threads = [threading.Thread(target=several, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(model._clients) <= 3  # those of closed loops were let go
    return said


def test_without_an_event_loop_nothing_is_sent() -> None:
    with serving() as (server, model):
        with pytest.raises(RuntimeError, match="no running event loop"):
            model.complete(REQUEST).send(None)
        with pytest.raises(RuntimeError, match="no running event loop"):
            anext(aiter(model.stream(REQUEST))).__await__().send(None)  # type: ignore[attr-defined]
        assert server.requests == []
