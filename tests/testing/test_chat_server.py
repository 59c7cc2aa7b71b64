"""The chat side of the model server, spoken to by OpenAI's own library."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from memkit.errors import ModelError, ModelReplyError, UnreachableError
from memkit.messages import Message, Reply, Tokens, Tool, ToolCall
from memkit.testing.scripted import Script, ScriptedModel
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
from memkit.testing.threads import at_once

ASKED: list[Any] = [{"role": "user", "content": "Where does Ana live? Answer in JSON."}]
PLACE = {
    "type": "object",
    "properties": {"place": {"type": "string"}},
    "required": ["place"],
    "additionalProperties": False,
}
TOOL: Any = {"type": "function", "function": {"name": "recall", "description": "Look it up.", "parameters": PLACE}}
CALLS = (
    ToolCall(id="call_1", name="recall", arguments='{"place": "Lisbon and the sea"}'),
    ToolCall(id="call_2", name="forget", arguments="{}"),
)


@pytest.fixture
def started() -> Iterator[Any]:
    """A function that starts a server with a script and returns it with a client of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OPENAI_API_KEY", raising=False)
        stops = []

        def start(script: Script, **options: Any) -> tuple[ModelServer, OpenAI, ScriptedModel]:
            model = ScriptedModel(script)
            server = ModelServer(model=model, **options)
            stops.append(server)
            server.__enter__()
            client = OpenAI(base_url=server.url, api_key="test-key", max_retries=0, timeout=5)
            stops.append(client)
            return server, client, model

        yield start
        for stop in reversed(stops):
            stop.__exit__(None, None, None)


def ask(client: OpenAI, **options: Any) -> Any:
    return client.chat.completions.create(model="any", messages=ASKED, **options)


def test_a_whole_reply_arrives_with_its_tokens(started: Any) -> None:
    _, client, model = started(["In Lisbon."])
    reply = ask(client)
    choice = reply.choices[0]
    assert (reply.object, reply.model) == ("chat.completion", "any")
    assert (choice.message.role, choice.message.content, choice.finish_reason) == ("assistant", "In Lisbon.", "stop")
    assert choice.message.tool_calls is None
    assert choice.message.refusal is None
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    assert reply.usage.completion_tokens == 3
    assert model.requests[0].messages == (Message(role="user", content="Where does Ana live? Answer in JSON."),)


def test_a_stream_arrives_in_pieces_that_join_to_the_reply(started: Any) -> None:
    text = "Ana lives in Lisbon,\n\nnear the sea. 北京"
    _, client, _ = started([text])
    events = list(ask(client, stream=True))
    deltas = [event.choices[0].delta for event in events]
    assert deltas[0].role == "assistant"
    assert "".join(delta.content or "" for delta in deltas) == text
    assert sum(bool(delta.content) for delta in deltas) > 3
    assert [event.choices[0].finish_reason for event in events] == [None] * (len(events) - 1) + ["stop"]
    assert not any("usage" in event.model_fields_set for event in events)


def test_a_stream_tells_its_tokens_at_the_end_when_asked(started: Any) -> None:
    reply = Reply(text="In Lisbon.", tokens=Tokens(prompt=40, reply=3, cached=32))
    _, client, _ = started([reply])
    *events, last = ask(client, stream=True, stream_options={"include_usage": True})
    assert all(event.usage is None and "usage" in event.model_fields_set for event in events)
    assert last.choices == []
    assert (last.usage.prompt_tokens, last.usage.completion_tokens, last.usage.total_tokens) == (40, 3, 43)
    assert last.usage.prompt_tokens_details.cached_tokens == 32


def test_calls_of_tools_arrive_whole(started: Any) -> None:
    _, client, model = started([Reply(text="", calls=CALLS)])
    choice = ask(client, tools=[TOOL]).choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    told = [(call.id, call.type, call.function.name, call.function.arguments) for call in choice.message.tool_calls]
    assert told == [(call.id, "function", call.name, call.arguments) for call in CALLS]
    assert model.requests[0].options.tools == (Tool(name="recall", description="Look it up.", parameters=PLACE),)


def test_calls_of_tools_are_streamed_in_fragments(started: Any) -> None:
    _, client, _ = started([Reply(text="Let me see.", calls=CALLS)])
    events = list(ask(client, stream=True, tools=[TOOL]))
    fragments = [part for event in events for part in event.choices[0].delta.tool_calls or ()]
    assert [(part.index, part.id, part.function.name) for part in fragments if part.id] == [
        (0, "call_1", "recall"),
        (1, "call_2", "forget"),
    ]
    joined = ["".join(part.function.arguments for part in fragments if part.index == index) for index in (0, 1)]
    assert joined == [call.arguments for call in CALLS]
    assert len(fragments) > 5
    assert events[-1].choices[0].finish_reason == "tool_calls"
    assert "".join(event.choices[0].delta.content or "" for event in events) == "Let me see."


def test_the_librarys_own_collector_of_streams_understands_it(started: Any) -> None:
    _, client, _ = started([Reply(text="", calls=CALLS)])
    with client.chat.completions.stream(model="any", messages=ASKED, tools=[TOOL]) as stream:
        message = stream.get_final_completion().choices[0].message
    assert message.tool_calls is not None
    assert [call.function.arguments for call in message.tool_calls] == [call.arguments for call in CALLS]


def test_a_conversation_with_tools_is_read_as_it_was_meant(started: Any) -> None:
    _, client, model = started(["Lisbon."])
    call = {"id": "call_1", "type": "function", "function": {"name": "recall", "arguments": "{}"}}
    client.chat.completions.create(
        model="any",
        messages=[
            {"role": "developer", "content": "Be brief."},
            {
                "role": "user",
                "name": "ana",
                "content": [{"type": "text", "text": "Where "}, {"type": "text", "text": "to?"}],
            },
            {"role": "assistant", "content": None, "tool_calls": [call]},  # type: ignore[typeddict-item, list-item]
            {"role": "tool", "tool_call_id": "call_1", "content": "Lisbon"},
        ],
        temperature=0.5,
        max_completion_tokens=20,
        seed=7,
        stop=["\n"],
    )
    (request,) = model.requests
    assert request.messages == (
        Message(role="system", content="Be brief."),
        Message(role="user", content="Where to?", name="ana"),
        Message(role="assistant", content="", calls=(ToolCall(id="call_1", name="recall", arguments="{}"),)),
        Message(role="tool", content="Lisbon", call="call_1"),
    )
    told = request.options
    assert (told.temperature, told.most, told.seed, told.stop) == (0.5, 20, 7, ("\n",))


def test_a_schema_reaches_the_model(started: Any) -> None:
    _, client, model = started(['{"place": "Lisbon"}', "{}", "plain"])
    wanted = {"type": "json_schema", "json_schema": {"name": "place", "schema": PLACE, "strict": True}}
    assert json.loads(ask(client, response_format=wanted).choices[0].message.content) == {"place": "Lisbon"}
    ask(client, response_format={"type": "json_object"})
    ask(client, response_format={"type": "text"})
    told = [(request.schema_name, request.schema) for request in model.requests]
    assert told == [("place", PLACE), ("reply", {"type": "object"}), ("reply", None)]


def test_a_refusal_is_told_apart_from_a_text(started: Any) -> None:
    no = Reply(text="I cannot say that.", finish="refusal")
    _, client, _ = started([no, no])
    message = ask(client).choices[0].message
    assert (message.content, message.refusal) == (None, "I cannot say that.")
    deltas = [event.choices[0].delta for event in ask(client, stream=True)]
    assert "".join(delta.refusal or "" for delta in deltas) == "I cannot say that."
    assert not any(delta.content for delta in deltas)


def test_a_reply_that_was_cut_by_the_limit_says_so(started: Any) -> None:
    _, client, _ = started([Reply(text="In Lis", finish="length")])
    assert ask(client).choices[0].finish_reason == "length"


def test_the_models_can_be_listed(started: Any) -> None:
    _, client, _ = started([])
    assert [model.id for model in client.models.list()] == ["memkit-hash-0", "scripted"]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("twist", "kind"),
    [
        (refused(400), openai.BadRequestError),
        (refused(401), openai.AuthenticationError),
        (refused(404), openai.NotFoundError),
        (refused(429, retry_after=1.5, code="insufficient_quota"), openai.RateLimitError),
        (refused(500), openai.InternalServerError),
        (refused(503), openai.InternalServerError),
    ],
    ids=["400", "401", "404", "429", "500", "503"],
)
def test_errors_are_those_of_the_library(
    started: Any, twist: Twist, kind: type[openai.APIStatusError], streamed: bool
) -> None:
    server, client, _ = started([])
    server.script(twist)
    with pytest.raises(kind, match="scripted"):
        ask(client, stream=streamed)


def test_a_server_that_is_busy_says_for_how_long(started: Any) -> None:
    server, client, _ = started([])
    server.script(refused(429, retry_after=1.5, code="insufficient_quota"))
    with pytest.raises(openai.RateLimitError) as busy:
        ask(client)
    assert (busy.value.response.headers["retry-after-ms"], busy.value.response.headers["retry-after"]) == ("1500", "2")
    assert busy.value.code == "insufficient_quota"


def test_the_library_tries_again_after_the_time_that_it_was_told(started: Any) -> None:
    server, client, model = started(["In Lisbon."])
    server.script(refused(429, retry_after=0.05))
    began = time.perf_counter()
    assert ask(client.with_options(max_retries=1)).choices[0].message.content == "In Lisbon."
    assert time.perf_counter() - began > 0.05
    assert (len(server.requests), len(model.requests)) == (2, 1)  # the model itself was spared


def test_a_late_reply_runs_into_the_clients_limit(started: Any) -> None:
    server, client, _ = started(["too late"])
    server.script(late(60))
    with pytest.raises(openai.APITimeoutError):
        ask(client.with_options(timeout=0.05))


def test_a_slow_stream_takes_its_time_between_pieces(started: Any) -> None:
    server, client, _ = started(["one two three", "one two three"])
    server.script(slow(0.03), slow(60))
    began = time.perf_counter()
    events = list(ask(client, stream=True))
    assert time.perf_counter() - began > 0.03 * len(events)
    with pytest.raises((openai.APITimeoutError, httpx.ReadTimeout)):
        list(ask(client.with_options(timeout=0.05), stream=True))


@pytest.mark.parametrize("twist", [broken_off(3), cut_off(700)], ids=["between lines", "within a line"])
def test_a_stream_can_break_off(started: Any, twist: Twist) -> None:
    server, client, _ = started(["one two three four five six seven"])
    server.script(twist)
    heard = []
    with pytest.raises((httpx.RemoteProtocolError, openai.APIConnectionError)):
        heard.extend(ask(client, stream=True))
    assert 1 <= len(heard) <= 3


def test_a_stream_can_end_as_if_it_were_whole(started: Any) -> None:
    server, client, _ = started(["one two three four"])
    server.script(ended_early(3))
    events = list(ask(client, stream=True))
    assert len(events) == 3
    assert all(event.choices[0].finish_reason is None for event in events)


def test_a_stream_can_tell_of_an_error(started: Any) -> None:
    server, client, _ = started(["one two three four"])
    server.script(failed_within(2, "out of memory"))
    heard = []
    with pytest.raises(openai.APIError, match="out of memory"):
        heard.extend(ask(client, stream=True))
    assert len(heard) == 2


def test_only_a_stream_breaks_between_events() -> None:
    server = ModelServer(model=ScriptedModel(["whole"]))
    server.__enter__()
    server.script(broken_off(1))
    with OpenAI(base_url=server.url, api_key="test-key", max_retries=0) as client, pytest.raises(openai.APIError):
        ask(client)
    with pytest.raises(RuntimeError) as failed:
        server.__exit__(None, None, None)
    assert "only a stream" in str(failed.value.__cause__)


def test_what_answers_need_not_be_a_model(started: Any) -> None:
    server, client, _ = started(["unheard"])
    server.script(
        garbage(),
        garbage('{"id": "chatcmpl', kind="application/json"),
        altered(lambda body: {**body, "choices": []} if isinstance(body, dict) else body),
    )
    assert ask(client) == "<html><body>Sign in</body></html>"  # the library hands it on as it is
    with pytest.raises(json.JSONDecodeError):
        ask(client)
    assert ask(client).choices == []


def test_events_of_a_stream_can_be_altered(started: Any) -> None:
    server, client, _ = started(["one two"])
    server.script(altered(lambda event: {**event, "choices": []} if isinstance(event, dict) else event))
    assert [event.choices for event in ask(client, stream=True)] == [[]] * 4


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("response_format", {"response_format": {"type": "json_object"}}),
        ("stream_options", {"stream": True, "stream_options": {"include_usage": True}}),
    ],
    ids=["response_format", "stream_options"],
)
def test_an_older_server_refuses_what_it_does_not_know(started: Any, field: str, options: dict[str, Any]) -> None:
    server, client, _ = started(["In Lisbon."], lacks={"response_format", "stream_options"})
    with pytest.raises(openai.BadRequestError, match="Unrecognized request argument") as unknown:
        ask(client, **options)
    assert unknown.value.param == field
    assert ask(client).choices[0].message.content == "In Lisbon."
    assert [request.path for request in server.requests] == ["/v1/chat/completions"] * 2


def strict(schema: dict[str, Any], name: str = "place") -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": name, "schema": schema, "strict": True}}}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (strict(PLACE | {"additionalProperties": True}), "additionalProperties"),
        (strict(PLACE | {"required": []}), "required"),
        (strict(PLACE | {"properties": {"place": {"type": "object", "properties": {}}}}), "additionalProperties"),
        (strict({"type": "array"}), "must be of type 'object'"),
        (strict(PLACE, "a name"), "name must match"),
        ({"response_format": {"type": "yaml"}}, "Invalid 'response_format'"),
        ({"messages": []}, "at least one message"),
        ({"messages": [{"role": "user", "content": None}]}, "messages\\[0\\].content"),
        ({"messages": [{"role": "player", "content": "hi"}]}, "messages\\[0\\].role"),
        ({"messages": [{"role": "tool", "content": "hi"}]}, "which call"),
        ({"messages": [{"role": "user", "content": "hi"}], "response_format": {"type": "json_object"}}, "word 'json'"),
        ({"stream_options": {"include_usage": True}}, "only allowed when 'stream'"),
        ({"tools": [{"type": "function", "function": {"name": "look up"}}]}, "function.name"),
        ({"tools": [{"type": "function"}]}, "missing"),
        ({"n": 2}, "one choice"),
    ],
    ids=lambda value: value.replace("\\", "") if isinstance(value, str) else "",
)
def test_what_openai_refuses_is_refused(started: Any, options: dict[str, Any], text: str) -> None:
    _, client, model = started(["never heard"])
    with pytest.raises(openai.BadRequestError, match=text):
        client.chat.completions.create(**{"model": "any", "messages": ASKED} | options)
    assert model.requests == []


def test_a_definition_may_be_named_like_a_keyword(started: Any) -> None:
    """`properties` is a keyword of JSON Schema, and here also a property."""
    _, client, _ = started(["{}"])
    schema = PLACE | {"properties": {"properties": {"type": "string"}}, "required": ["properties"]}
    assert ask(client, **strict(schema)).choices[0].message.content == "{}"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (UnreachableError("asleep", after=2), openai.InternalServerError),
        (ModelError("not this one"), openai.BadRequestError),
    ],
    ids=["unreachable", "refused"],
)
def test_errors_of_the_model_are_errors_of_the_server(started: Any, error: Exception, kind: type[Exception]) -> None:
    _, client, _ = started([error])
    with pytest.raises(kind, match=str(error)):
        ask(client)


def test_a_reply_that_is_none_comes_raw(started: Any) -> None:
    _, client, _ = started([ModelReplyError("odd", raw="?!")])
    assert ask(client) == "?!"


def test_a_script_that_ran_out_fails_the_client_at_once_and_then_the_test() -> None:
    server = ModelServer(model=ScriptedModel([]))
    server.__enter__()
    client = OpenAI(base_url=server.url, api_key="test-key", max_retries=5)
    with client, pytest.raises(openai.BadRequestError, match="Where does Ana live"):
        ask(client)
    with pytest.raises(RuntimeError) as failed:
        server.__exit__(None, None, None)
    assert "request 1" in str(failed.value.__cause__)
    assert len(server.requests) == 1


def test_without_a_model_there_is_no_chat() -> None:
    with ModelServer() as server:
        client = OpenAI(base_url=server.url, api_key="test-key", max_retries=0)
        with client, pytest.raises(openai.NotFoundError, match="no chat model"):
            ask(client)


def test_many_requests_are_answered_at_once() -> None:
    """All of them are with the model before any is answered."""
    together = threading.Barrier(16, timeout=20)

    def reply(request: Any) -> str:
        together.wait()
        return request.messages[0].content.upper()

    heard: dict[int, Any] = {}
    with ModelServer(model=ScriptedModel(reply)) as server, OpenAI(base_url=server.url, api_key="test-key") as client:

        def one(number: int) -> None:
            message: Any = {"role": "user", "content": f"question {number}"}
            made = client.chat.completions.create(model="any", messages=[message])
            heard[number] = made.choices[0].message.content

        at_once([lambda number=number: one(number) for number in range(16)])  # type: ignore[misc]
    assert heard == {number: f"QUESTION {number}" for number in range(16)}
