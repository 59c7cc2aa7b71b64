"""A model server on the loopback interface that speaks OpenAI's wire format, for tests of real clients.

It is a real HTTP server: what a test sees is what the client's own library makes of status codes, headers, slow
replies and cut-off bodies. It answers `/v1/embeddings` with the vectors of a `HashEmbedder`, and `/v1/chat/completions`
with what a chat model says, whole or as a stream. What it serves is one table, path to function, that can be extended.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

import numpy as np

from memkit import messages
from memkit.errors import ModelError, ModelReplyError, UnreachableError
from memkit.ports import ChatModel
from memkit.testing.chat_wire import Refusal, chunks, completion, request_of
from memkit.testing.embedders import HashEmbedder
from memkit.testing.scripted import ScriptError
from memkit.testing.wire import (
    Instead,
    Reply,
    Request,
    Route,
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
from memkit.values import Json

__all__ = [
    "ModelServer",
    "Reply",
    "Request",
    "Route",
    "Twist",
    "altered",
    "broken_off",
    "cut_off",
    "ended_early",
    "failed_within",
    "garbage",
    "late",
    "refused",
    "slow",
]


class ModelServer:
    """An OpenAI-compatible server in a thread: `with ModelServer() as server: AsyncOpenAI(base_url=server.url, …)`.

    `model` says what is answered to chat messages, usually a `ScriptedModel`; whatever model a client names is taken to be
    that one. When it raises UnreachableError the client gets a 503, for another ModelError a 400; any other error of it
    is the server's own failure. A request with a field that the server `lacks`, as "response_format" or "stream_options",
    is refused (400), as older servers do.

    `script` says what goes wrong: the next request meets the first twist that is left, and when none is left, or the
    twist is None, all goes well. A request that is refused never reaches the model. Requests without the right key get
    a 401. `requests` are all requests, in the order in which they came in. Extend `routes` to serve more. Leaving the
    `with` raises RuntimeError if the server failed.
    """

    def __init__(
        self,
        *,
        embedder: HashEmbedder | None = None,
        model: ChatModel | None = None,
        key: str = "test-key",
        lacks: Collection[str] = (),
    ) -> None:
        self.requests: list[Request] = []
        self.routes: dict[str, Route] = {
            "/v1/chat/completions": self._chat,
            "/v1/embeddings": self._embeddings,
            "/v1/models": self._models,
        }
        self._embedder = embedder or HashEmbedder()
        self._model = model
        self._lacks = frozenset(lacks)
        self._numbers = itertools.count(1)
        self._key = key
        self._twists: deque[Twist | None] = deque()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._http = _Http(("127.0.0.1", 0), self._handler())
        # Closing waits for the poll: half a second of every test, unless it is short.
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        """What a client takes as `base_url`."""
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    def script(self, *twists: Twist | None) -> None:
        """Append to what the next requests will meet."""
        with self._lock:
            self._twists.extend(twists)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        if self._http.failure is not None:
            raise RuntimeError("the server itself failed") from self._http.failure

    def _answer(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
            twist = self._twists.popleft() if self._twists else None
        if isinstance(twist, Instead):
            reply = twist.reply
        else:
            reply = self._regular(request)
            reply = reply if twist is None else twist(reply)
        if reply.delay:
            self._closing.wait(reply.delay)
        return reply

    def _regular(self, request: Request) -> Reply:
        if request.headers.get("authorization") != f"Bearer {self._key}":
            return refused(401, "Incorrect API key provided.").reply
        route = self.routes.get(request.path)
        if route is None:
            return refused(404, f"There is no {request.path}.").reply
        lacking = next((field for field in request.body if field in self._lacks), None)
        if lacking is not None:
            text = f"Unrecognized request argument supplied: {lacking}"
            return refused(400, text, param=lacking).reply
        return route(request)

    def _chat(self, request: Request) -> Reply:
        if self._model is None:
            return refused(404, "This server has no chat model: ModelServer(model=…).").reply
        name, streamed = str(request.body.get("model")), request.body.get("stream") is True
        try:
            texts, reply = asyncio.run(_ask(self._model, request_of(request.body), streamed=streamed))
        except Refusal as wrong:
            return refused(400, str(wrong), param=wrong.param).reply
        except (ScriptError, AssertionError) as error:  # a client would try again for long if it got no answer
            self._http.failure = self._http.failure or error
            return refused(400, str(error)).reply
        except UnreachableError as error:
            return refused(503, str(error), retry_after=error.after).reply
        except ModelReplyError as error:
            return garbage(error.raw).reply
        except ModelError as error:
            return refused(400, str(error)).reply
        id, created = f"chatcmpl-{next(self._numbers)}", int(time.time())
        if not streamed:
            return Reply(body=completion(reply, id=id, model=name, created=created))
        told = request.body.get("stream_options")
        usage = isinstance(told, dict) and told.get("include_usage") is True
        return Reply(body=None, events=chunks(texts, reply, id=id, model=name, created=created, usage=usage))

    def _models(self, request: Request) -> Reply:
        names = [self._embedder.space.model] + ([] if self._model is None else [self._model.model])
        data: list[Json] = [{"id": name, "object": "model", "created": 0, "owned_by": "memkit"} for name in names]
        return Reply(body={"object": "list", "data": data})

    def _embeddings(self, request: Request) -> Reply:
        given = request.body["input"]
        texts = [str(text) for text in given] if isinstance(given, list) else [str(given)]
        if not all(texts):
            return refused(400, "'$.input' is invalid: an input cannot be an empty string.").reply
        width = request.body.get("dimensions")
        embedder = HashEmbedder(width) if isinstance(width, int) else self._embedder
        plain = request.body.get("encoding_format", "float") == "float"
        data: list[Json] = [
            {"object": "embedding", "index": index, "embedding": _floats(row) if plain else _packed(row)}
            for index, row in enumerate(embedder.vectors(texts))
        ]
        tokens = sum(len(text.split()) for text in texts)
        usage: Json = {"prompt_tokens": tokens, "total_tokens": tokens}
        return Reply(body={"object": "list", "data": data, "model": request.body["model"], "usage": usage})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer, pause = self._answer, self._closing.wait

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"  # keeps connections open, as real servers do
            disable_nagle_algorithm = True  # or every part of a stream waits 40 ms for the client's acknowledgement

            def do_GET(self) -> None:
                self._take(b"{}")

            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                body = self.rfile.read(length)
                if len(body) < length:
                    raise ConnectionError("the client went away before it had sent everything")
                self._take(body)

            def _take(self, body: bytes) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(path=self.path, headers=headers, body=json.loads(body), method=self.command)
                _send(self, answer(request), pause)

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                """A test's output is not the place for an access log."""

        return Handler


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # connections opened at once; with five the others wait for a second
    block_on_close = False  # a connection that the client keeps open has a thread that waits for it
    failure: BaseException | None = None

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep the error for whoever closes the server; a client that has gone away is none."""
        error = sys.exception()
        if not isinstance(error, ConnectionError):
            self.failure = self.failure or error


def _send(handler: BaseHTTPRequestHandler, reply: Reply, pause: Callable[[float], object]) -> None:
    streamed = reply.events is not None
    body = b"" if streamed else (json.dumps(reply.body) if reply.text is None else reply.text).encode()
    handler.send_response(reply.status)
    kind = "text/event-stream" if streamed else "application/json"
    length = {"transfer-encoding": "chunked"} if streamed else {"content-length": str(len(body))}
    for name, value in {"content-type": kind, **reply.headers, **length}.items():
        handler.send_header(name, value)
    handler.end_headers()
    if not streamed:
        handler.wfile.write(body[: reply.keep])
        handler.close_connection = handler.close_connection or reply.keep is not None
        return
    for part in _parts(reply):
        if reply.pause:
            pause(reply.pause)
        handler.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
    if reply.keep is None and reply.whole is None:
        handler.wfile.write(b"0\r\n\r\n")
    else:
        handler.close_connection = True


def _parts(reply: Reply) -> Iterator[bytes]:
    """The server-sent events of a reply, as far as they are to be sent."""
    left = sys.maxsize if reply.keep is None else reply.keep
    texts = [json.dumps(event) for event in reply.events or ()] + (["[DONE]"] if reply.done else [])
    for text in texts[: reply.whole]:
        part = f"data: {text}\n\n".encode()[:left]
        if not part:
            return
        yield part
        left -= len(part)


async def _ask(model: ChatModel, request: messages.Request, *, streamed: bool) -> tuple[list[str], messages.Reply]:
    """The reply, and the parts in which its text came."""
    if not streamed:
        return [], await model.complete(request)
    pieces = [piece async for piece in model.stream(request)]
    texts = [piece.text for piece in pieces]
    last = pieces[-1]
    reply = messages.Reply(text="".join(texts), calls=last.calls, finish=last.finish or "stop", tokens=last.tokens)
    return texts, reply


def _floats(row: np.ndarray[tuple[int], np.dtype[np.float32]]) -> list[Json]:
    return [float(value) for value in row]


def _packed(row: np.ndarray[tuple[int], np.dtype[np.float32]]) -> str:
    return base64.b64encode(row.astype("<f4").tobytes()).decode()
