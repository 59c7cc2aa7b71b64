"""The LangChain chat adapter, with LangChain's own fake and real subclasses of its class."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from typing import Any, TypeVar

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from pydantic import PrivateAttr

from memkit.errors import ModelError, NoSchemaError, UnreachableError
from memkit.messages import Message, Options, Piece, Reply, Request, Shape, Tokens, Tool, ToolCall
from memkit.models.langchain_chat import LangChainChat
from memkit.models.metered import Metered

T = TypeVar("T")

SECRET = "Ana hides the key under the third flowerpot"
REQUEST = Request(messages=(Message(role="user", content=SECRET),))
RECALL = Tool(name="recall", description="Looks it up.", parameters={"type": "object", "properties": {}})


class Recording(BaseChatModel):
    """Answers with what it was made with, in two parts when it streams, and keeps what it was given."""

    answer: Any
    _given: list[tuple[list[BaseMessage], dict[str, Any]]] = PrivateAttr(default_factory=list)
    _tools: list[Any] = PrivateAttr(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "recording"

    def bind_tools(self, tools: Sequence[Any], **options: Any) -> Runnable[Any, AIMessage]:
        self._tools.extend(tools)
        return self

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **options: Any
    ) -> ChatResult:
        self._given.append((messages, {"stop": stop, **options}))
        if isinstance(self.answer, Exception):
            raise self.answer
        return ChatResult(generations=[ChatGeneration(message=self.answer)])


class Chunked(Recording):
    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **options: Any
    ) -> Iterator[ChatGenerationChunk]:
        for part in self.answer:
            if isinstance(part, Exception):
                raise part
            yield ChatGenerationChunk(message=part)


def run(call: Callable[[], Coroutine[Any, Any, T]]) -> T:
    return asyncio.run(call())


def ask(answer: Any, request: Request = REQUEST) -> Reply:
    return run(lambda: LangChainChat(Recording(answer=answer), model="lc").complete(request))


def listen(model: BaseChatModel, request: Request = REQUEST) -> list[Piece]:
    async def all_of_it() -> list[Piece]:
        return [piece async for piece in LangChainChat(model, model="lc").stream(request)]

    return run(all_of_it)


def test_langchains_own_fake_answers_and_streams() -> None:
    model = GenericFakeChatModel(messages=iter([AIMessage("I am Ana"), "I am Ana"]))
    assert run(lambda: LangChainChat(model, model="lc").complete(REQUEST)) == Reply(text="I am Ana")
    pieces = listen(model)
    assert [piece.text for piece in pieces] == ["I", " ", "am", " ", "Ana", ""]
    assert pieces[-1].finish == "stop"


def test_messages_and_options_arrive_as_langchains_own() -> None:
    model = Recording(answer=AIMessage("yes"))
    call = ToolCall(id="1", name="recall", arguments='{"query": "Ana"}')
    request = Request(
        messages=(
            Message(role="system", content="You know Ana."),
            Message(role="user", content="Where is it?", name="ben"),
            Message(role="assistant", content="", calls=(call, ToolCall(id="2", name="recall", arguments="no JSON"))),
            Message(role="tool", content="nothing", call="1"),
        ),
        options=Options(temperature=0.0, most=50, seed=7, stop=("END",), tools=(RECALL,)),
    )
    assert run(lambda: LangChainChat(model, model="lc").complete(request)).text == "yes"
    ((messages, options),) = model._given
    system, user, assistant, tool = messages
    assert isinstance(system, SystemMessage)
    assert isinstance(user, HumanMessage)
    assert isinstance(assistant, AIMessage)
    assert isinstance(tool, ToolMessage)
    assert [message.content for message in messages] == ["You know Ana.", "Where is it?", "", "nothing"]
    assert (user.name, tool.tool_call_id) == ("ben", "1")
    assert [(one["id"], one["args"]) for one in assistant.tool_calls] == [("1", {"query": "Ana"})]
    assert [(one["id"], one["args"]) for one in assistant.invalid_tool_calls] == [("2", "no JSON")]
    assert options == {"stop": ["END"], "temperature": 0.0, "max_tokens": 50, "seed": 7}
    assert model._tools[0]["function"]["name"] == "recall"


def test_options_that_are_not_set_are_not_sent() -> None:
    model = Recording(answer=AIMessage("yes"))
    run(lambda: LangChainChat(model, model="lc").complete(REQUEST))
    assert model._given[0][1] == {"stop": None}
    assert model._tools == []


@pytest.mark.parametrize(
    ("message", "reply"),
    [
        (AIMessage("yes", response_metadata={"finish_reason": "length"}), Reply(text="yes", finish="length")),
        (AIMessage("yes", response_metadata={"stop_reason": "max_tokens"}), Reply(text="yes", finish="length")),
        (AIMessage("", additional_kwargs={"refusal": "no"}), Reply(text="no", finish="refusal")),
        (AIMessage(["ye", {"type": "text", "text": "s"}, {"type": "reasoning"}]), Reply(text="yes")),
        (
            AIMessage(
                "yes",
                usage_metadata={
                    "input_tokens": 9,
                    "output_tokens": 2,
                    "total_tokens": 11,
                    "input_token_details": {"cache_read": 4},
                },
            ),
            Reply(text="yes", tokens=Tokens(prompt=9, reply=2, cached=4)),
        ),
        (
            AIMessage(
                "",
                tool_calls=[{"name": "recall", "args": {"query": "Ana"}, "id": "1"}],
                invalid_tool_calls=[{"name": "recall", "args": "{", "id": None, "error": "bad"}],  # type: ignore[typeddict-item]
            ),
            Reply(
                text="",
                calls=(
                    ToolCall(id="1", name="recall", arguments='{"query": "Ana"}'),
                    ToolCall(id="bad_call_0", name="recall", arguments="{"),
                ),
                finish="calls",
            ),
        ),
    ],
    ids=["length", "max-tokens", "refusal", "parts", "tokens", "calls"],
)
def test_a_message_is_read_whole(message: AIMessage, reply: Reply) -> None:
    assert ask(message) == reply


def test_a_stream_gathers_calls_and_tokens_for_its_last_piece() -> None:
    def call(name: str | None, args: str) -> dict[str, Any]:
        return {"name": name, "args": args, "id": "1" if name else None, "index": 0, "type": "tool_call_chunk"}

    parts = [
        AIMessageChunk("Let me "),
        AIMessageChunk("see.", tool_call_chunks=[call("recall", '{"que')]),
        AIMessageChunk("", tool_call_chunks=[call(None, 'ry": "Ana"}')]),
        AIMessageChunk("", usage_metadata={"input_tokens": 9, "output_tokens": 2, "total_tokens": 11}),
    ]
    pieces = listen(Chunked(answer=parts))
    assert [piece.text for piece in pieces] == ["Let me ", "see.", ""]
    assert pieces[-1] == Piece(
        calls=(ToolCall(id="1", name="recall", arguments='{"query": "Ana"}'),),
        finish="calls",
        tokens=Tokens(prompt=9, reply=2),
    )


def test_a_model_that_cannot_stream_sends_one_piece() -> None:
    assert [piece.text for piece in listen(Recording(answer=AIMessage("yes")))] == ["yes", ""]


class StatusError(Exception):
    """As SDKs raise it."""

    def __init__(self, status_code: int) -> None:
        super().__init__(f"{SECRET} was refused")
        self.status_code = status_code


class APIConnectionError(Exception):
    """Called as SDKs call it."""


@pytest.mark.parametrize(
    ("error", "kind", "again"),
    [
        (StatusError(400), ModelError, None),
        (StatusError(401), UnreachableError, False),
        (StatusError(429), UnreachableError, True),
        (StatusError(500), UnreachableError, True),
        (ConnectionRefusedError(SECRET), UnreachableError, True),
        (TimeoutError(), UnreachableError, True),
        (APIConnectionError(SECRET), UnreachableError, True),
        (KeyError(SECRET), ModelError, None),
    ],
    ids=["400", "401", "429", "500", "refused", "timeout", "sdk", "other"],
)
def test_errors_are_told_apart_and_quote_nothing(error: Exception, kind: type[ModelError], again: bool | None) -> None:
    for call in (lambda: ask(error), lambda: listen(Chunked(answer=[AIMessageChunk("I "), error]))):
        with pytest.raises(kind) as failure:
            call()
        assert type(failure.value) is kind
        assert getattr(failure.value, "again", None) is again
        assert "flowerpot" not in str(failure.value)
        assert type(failure.value.__cause__) is type(error)  # asyncio makes a new TimeoutError of one from a thread


def test_tools_for_a_model_that_calls_none_are_refused() -> None:
    model = GenericFakeChatModel(messages=iter(["yes"]))
    request = Request(messages=REQUEST.messages, options=Options(tools=(RECALL,)))
    with pytest.raises(ModelError, match="the LangChain model 'lc' calls no tools"):
        run(lambda: LangChainChat(model, model="lc").complete(request))


def test_structured_replies_are_asked_for_in_words() -> None:
    model = Recording(answer=AIMessage('```json\n{"name": "Ana"}\n```'))
    adapter = LangChainChat(model, model="lc")
    schema: Any = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    with pytest.raises(NoSchemaError):
        run(lambda: adapter.complete(Request(messages=REQUEST.messages, schema=schema)))
    llm = Metered(adapter).bound("reader")
    shape = Shape(name="name", schema=schema, read=str)
    assert run(lambda: llm.ask(REQUEST.messages, shape, stage="x")) == "{'name': 'Ana'}"
    assert "JSON schema" in str(model._given[0][0][0].content)


def test_without_an_event_loop_the_model_is_not_asked() -> None:
    model = Recording(answer=AIMessage("yes"))
    adapter = LangChainChat(model, model="lc")
    with pytest.raises(RuntimeError, match="no running event loop"):
        adapter.complete(REQUEST).send(None)
    pieces = adapter.stream(REQUEST)
    assert isinstance(pieces, AsyncIterator)
    with pytest.raises(RuntimeError, match="no running event loop"):
        pieces.__anext__().__await__().send(None)  # type: ignore[attr-defined]
    assert model._given == []
