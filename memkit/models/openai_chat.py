"""Chat models from OpenAI, or from any server that speaks its language, through the `openai` library."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import openai
from openai import AsyncOpenAI, AsyncStream

from memkit.errors import ModelError, ModelReplyError, NoSchemaError, UnreachableError
from memkit.messages import Piece, Reply, Request
from memkit.models.failures import failure
from memkit.models.openai_client import Clients
from memkit.models.openai_wire import Stream, body_of, json_of, reply_of

T = TypeVar("T")

TIMEOUT = 600.0  # seconds; `Metered` has a limit of its own, which is reached first
LENGTHS = ("max_tokens", "max_completion_tokens")  # OpenAI's newer models refuse the first, other servers the second
REFUSED = (400, 422)  # what servers answer to what they do not know
UNKNOWN = re.compile(r"support|unrecognized|unknown|unexpected|not permitted|extra|instead", re.IGNORECASE)
SCHEMA = re.compile(r"response_format|json_schema|guided|grammar", re.IGNORECASE)


class OpenAIChat:
    """A chat model behind OpenAI's API. `base_url` is where, as in "http://localhost:8000/v1"; None takes OPENAI_BASE_URL
    from the environment, or OpenAI's own. `api_key` None takes OPENAI_API_KEY; a server that wants no key gets any text.

    Nothing is sent anywhere else: a redirect is an error. Nothing is tried again either: see `Metered`. The one exception
    are options that a server does not know and that can be done without, which are left out from then on.

    Raises UnreachableError for a server that is away, busy or refuses the key, ModelReplyError when what it answers is no
    chat completion or breaks off, NoSchemaError when it does not take the schema, and ModelError when it refuses the request.
    No error quotes the request. Safe to use from several event loops: each gets connections of its own. Works on a running
    loop only.
    """

    def __init__(
        self, model: str, *, base_url: str | None = None, api_key: str | None = None, timeout: float = TIMEOUT
    ) -> None:
        self._model = model
        self._clients = Clients(model, base_url=base_url, api_key=api_key, timeout=timeout, retries=0)
        self._lengths: tuple[str, ...] = LENGTHS[::-1] if self._clients.official else LENGTHS
        self._usage = True  # a stream tells its tokens only when asked to

    @property
    def model(self) -> str:
        return self._model

    async def complete(self, request: Request, /) -> Reply:
        """See `memkit.ports.ChatModel.complete`."""
        client = self._clients.here()
        raw = await self._sent(request, lambda body: _whole(client, body))
        return reply_of(json_of(raw), raw)

    async def stream(self, request: Request, /) -> AsyncIterator[Piece]:
        """See `memkit.ports.ChatModel.stream`. A reply that a server sends in one piece is taken as it is."""
        client = self._clients.here()
        opened = await self._sent(request, lambda body: _opened(client, body), stream=True)
        came = Stream()
        async with opened:
            try:
                if not _streamed(opened):
                    raw = await self._rest(opened)
                    reply = reply_of(json_of(raw), raw)
                    yield Piece(text=reply.text, calls=reply.calls, finish=reply.finish, tokens=reply.tokens)
                    return
                async for chunk in opened:
                    if text := came.take(_plain(chunk)):
                        yield Piece(text=text)
            except openai.OpenAIError as error:
                if came.finish is None:
                    raise self._failed(error, request) from error
            except (ValueError, RecursionError) as error:  # the library reads the JSON without a look at it
                raise ModelReplyError(f"{self._clients.where} streamed something else", raw=came.text) from error
        last = came.last()
        if last is None:
            raise ModelReplyError(f"{self._clients.where}: the reply broke off", raw=came.text)
        yield last

    async def aclose(self) -> None:
        """Close the connections of every event loop that still runs. The model can be used again afterwards."""
        await self._clients.aclose()

    async def _sent(
        self, request: Request, send: Callable[[dict[str, Any]], Awaitable[T]], *, stream: bool = False
    ) -> T:
        """What the server answers, without those options that it does not know and that can be done without."""
        while True:
            body = body_of(self._model, request, length=self._lengths[0])
            if stream:
                body |= {"stream": True} | ({"stream_options": {"include_usage": True}} if self._usage else {})
            try:
                return await send(body)
            except openai.OpenAIError as error:
                if not self._does_without(error, body):
                    raise self._failed(error, request) from error

    async def _rest(self, opened: AsyncStream[Any]) -> str:
        try:
            body = await opened.response.aread()
        except (
            Exception
        ) as error:  # the library's own errors are made elsewhere; here it lets those of its HTTP client out
            raise UnreachableError(f"{self._clients.where}: the connection broke") from error
        return body.decode("utf-8", "replace")

    def _does_without(self, error: openai.OpenAIError, body: dict[str, Any]) -> bool:
        """Whether the server refused an option that is left out, or called by another name, from now on."""
        text = _refusal(error)
        if not UNKNOWN.search(text):
            return False
        if "stream_options" in body and "stream_options" in text:
            self._usage = False
            return True
        first, *others = self._lengths
        if first in body and first in text and others:
            self._lengths = tuple(others)
            return True
        return first not in body and any(word in body and word in text for word in LENGTHS)  # learnt meanwhile

    def _failed(self, error: openai.OpenAIError, request: Request) -> ModelError:
        where = self._clients.where
        match error:
            case openai.APIStatusError():
                if request.schema is not None and SCHEMA.search(_refusal(error)):
                    return NoSchemaError(f"{where} does not take JSON schemas")
                return failure(where, error.status_code, code=error.code, headers=error.response.headers)
            case openai.APITimeoutError():
                return UnreachableError(f"{where}: no answer in time; allow a longer timeout")
            case openai.APIConnectionError():
                return UnreachableError(f"{where}: no connection, or it broke; check base_url and the server")
            case openai.APIError() if (error.code or "").isdecimal():  # told in the middle of a stream
                return failure(where, int(error.code or 0))
            case _:
                return UnreachableError(f"{where}: the server failed ({type(error).__name__})")


async def _whole(client: AsyncOpenAI, body: dict[str, Any]) -> str:
    raw = await client.chat.completions.with_raw_response.create(**body)
    return raw.http_response.text


async def _opened(client: AsyncOpenAI, body: dict[str, Any]) -> AsyncStream[Any]:
    stream: AsyncStream[Any] = await client.chat.completions.create(**body)
    return stream


def _streamed(stream: AsyncStream[Any]) -> bool:
    """Whether the server streams, or sends everything, or a page of HTML, at once."""
    kind = stream.response.headers.get("content-type", "")
    return not ("json" in kind or "html" in kind)


def _plain(chunk: Any) -> object:
    """The chunk as JSON: the library makes a model of whatever comes, without a look at it."""
    return chunk.to_dict(mode="json", warnings=False) if isinstance(chunk, openai.BaseModel) else chunk


def _refusal(error: openai.OpenAIError) -> str:
    """What the server says when it refuses a request, and nothing for other errors."""
    if isinstance(error, openai.APIStatusError) and error.status_code in REFUSED:
        return f"{error.body} {error.message}"
    return ""
