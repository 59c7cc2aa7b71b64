"""Chat models of LangChain: whatever is a `langchain_core.language_models.BaseChatModel`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.tool import invalid_tool_call, tool_call
from langchain_core.runnables import Runnable

from memkit.errors import ModelError, ModelReplyError, NoSchemaError, UnreachableError
from memkit.messages import Finish, Message, Piece, Reply, Request, Tokens, ToolCall
from memkit.models.failures import failure

# What integrations write where OpenAI writes a finish_reason.
FINISHES: Mapping[str, Finish] = {
    "length": "length",
    "max_tokens": "length",
    "MAX_TOKENS": "length",
    "content_filter": "refusal",
    "refusal": "refusal",
    "SAFETY": "refusal",
}
FINISH_NAMES = ("finish_reason", "stop_reason", "done_reason")


class LangChainChat:
    """A LangChain chat model, called `model` in counts and prices.

    Structured replies are asked for in words, since LangChain has no common way to send a schema. Options that are set
    (temperature, max_tokens, seed, stop) are handed on; an integration that does not know one refuses it. Nothing is tried
    again here: see `Metered`, and give the LangChain model `max_retries=0`.

    Raises UnreachableError for connection errors and statuses like 401, 429 and 500, and ModelError for everything else,
    with LangChain's error as the cause. No error quotes the request. Works on a running loop only.
    """

    def __init__(self, chat_model: BaseChatModel, *, model: str) -> None:
        self._chat_model = chat_model
        self._model = model

    @property
    def model(self) -> str:
        return self._model

    async def complete(self, request: Request, /) -> Reply:
        """See `memkit.ports.ChatModel.complete`."""
        asyncio.get_running_loop()  # without one, LangChain would fail halfway, and a blocking face would ask again
        runnable = self._runnable(request)
        try:
            message = await runnable.ainvoke(_messages(request), **_options(request))
        except Exception as error:  # LangChain names no errors: each integration raises what its own client raises
            raise self._failed(error) from error
        if not isinstance(message, AIMessage):
            raise ModelReplyError(f"{self._named} returned a {type(message).__name__}", raw=repr(message))
        return _reply(message)

    async def stream(self, request: Request, /) -> AsyncIterator[Piece]:
        """See `memkit.ports.ChatModel.stream`. Models that cannot stream send one piece."""
        asyncio.get_running_loop()
        runnable = self._runnable(request)
        whole: AIMessage | None = None
        chunks = runnable.astream(_messages(request), **_options(request))
        try:
            async for chunk in chunks:
                if not isinstance(chunk, AIMessage):
                    raise ModelReplyError(f"{self._named} streamed a {type(chunk).__name__}", raw=repr(chunk))
                if isinstance(chunk, AIMessageChunk) and isinstance(whole, AIMessageChunk):
                    whole += chunk
                else:
                    whole = chunk  # the first; or a whole message, from a model that cannot stream
                if text := _text(chunk):
                    yield Piece(text=text)
        except ModelError:
            raise
        except Exception as error:  # see `complete`
            raise self._failed(error) from error
        finally:
            if isinstance(chunks, AsyncGenerator):
                await chunks.aclose()
        if whole is None:
            raise ModelReplyError(f"{self._named} streamed nothing", raw="")
        reply = _reply(whole)
        yield Piece(calls=reply.calls, finish=reply.finish, tokens=reply.tokens)

    @property
    def _named(self) -> str:
        return f"the LangChain model {self._model!r}"

    def _runnable(self, request: Request) -> Runnable[Any, AIMessage]:
        if request.schema is not None:
            raise NoSchemaError(f"{self._named} is asked for structured replies in words")
        if not request.options.tools:
            return self._chat_model
        tools = [
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)},
            }
            for tool in request.options.tools
        ]
        try:
            return self._chat_model.bind_tools(tools)
        except NotImplementedError as error:
            raise ModelError(f"{self._named} calls no tools") from error

    def _failed(self, error: Exception) -> ModelError:
        status = getattr(error, "status_code", None)
        if isinstance(status, int):
            headers = getattr(getattr(error, "response", None), "headers", None)
            return failure(self._named, status, code=getattr(error, "code", None), headers=headers)
        told = f"{self._named} failed: {type(error).__name__}"
        return UnreachableError(told) if _is_connection(error) else ModelError(told)


def _is_connection(error: Exception) -> bool:
    """Clients have their own classes for this, which share nothing but how they are called."""
    if isinstance(error, TimeoutError | ConnectionError):
        return True
    names = {cls.__name__ for cls in type(error).__mro__}
    return bool(names & {"APIConnectionError", "TransportError"})


def _options(request: Request) -> dict[str, Any]:
    options = request.options
    told: dict[str, Any] = {"temperature": options.temperature, "max_tokens": options.most, "seed": options.seed}
    told["stop"] = list(options.stop) or None
    return {name: value for name, value in told.items() if value is not None}


def _messages(request: Request) -> list[BaseMessage]:
    return [_message(message) for message in request.messages]


def _message(message: Message) -> BaseMessage:
    match message.role:
        case "system":
            return SystemMessage(message.content, name=message.name)
        case "user":
            return HumanMessage(message.content, name=message.name)
        case "tool":
            return ToolMessage(message.content, tool_call_id=message.call or "", name=message.name)
    good, bad = [], []
    for call in message.calls:
        arguments = _object(call.arguments)
        if arguments is None:
            bad.append(invalid_tool_call(name=call.name, args=call.arguments, id=call.id, error="no JSON object"))
        else:
            good.append(tool_call(name=call.name, args=arguments, id=call.id))
    return AIMessage(message.content, name=message.name, tool_calls=good, invalid_tool_calls=bad)


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _reply(message: AIMessage) -> Reply:
    calls = tuple(
        ToolCall(id=call["id"] or f"call_{index}", name=call["name"], arguments=json.dumps(call["args"]))
        for index, call in enumerate(message.tool_calls)
    )
    calls += tuple(
        ToolCall(id=call["id"] or f"bad_call_{index}", name=call["name"] or "", arguments=call["args"] or "")
        for index, call in enumerate(message.invalid_tool_calls)
    )
    refusal = message.additional_kwargs.get("refusal")
    told = [message.response_metadata.get(name) for name in FINISH_NAMES]
    finish = next((FINISHES[name] for name in told if isinstance(name, str) and name in FINISHES), None)
    if isinstance(refusal, str) and refusal:
        return Reply(text=_text(message) or refusal, calls=calls, finish="refusal", tokens=_tokens(message))
    return Reply(
        text=_text(message), calls=calls, finish=finish or ("calls" if calls else "stop"), tokens=_tokens(message)
    )


def _text(message: BaseMessage) -> str:
    """The text of a message; its thoughts, pictures and the like are no reply."""
    content = message.content
    if isinstance(content, str):
        return content
    parts = [part if isinstance(part, str) else part.get("text") for part in content if _is_text(part)]
    return "".join(part for part in parts if isinstance(part, str))


def _is_text(part: object) -> bool:
    return isinstance(part, str) or (isinstance(part, dict) and part.get("type") == "text")


def _tokens(message: AIMessage) -> Tokens | None:
    used = message.usage_metadata
    if used is None:
        return None
    cached = used.get("input_token_details", {}).get("cache_read") or 0
    prompt = used["input_tokens"]
    return Tokens(prompt=prompt, reply=used["output_tokens"], cached=min(cached, prompt))
