"""A model server on the loopback interface that speaks OpenAI's wire format, for tests of real clients.

It is a real HTTP server: what a test sees is what the client's own library makes of status codes, headers, slow
replies and cut-off bodies. It answers `/v1/embeddings` with the vectors of a `HashEmbedder`. What it serves is one
table, path to function, that can be extended.
"""

from __future__ import annotations

import base64
import json
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self, TypeAlias

import numpy as np

from memkit.testing.embedders import HashEmbedder
from memkit.values import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client sent. Header names are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the server answers, after `delay` seconds. Of the body only the first `keep` bytes are sent, if given,
    and the connection is closed; the headers promise all of it."""

    body: Json
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    keep: int | None = None


Route: TypeAlias = Callable[[Request], Reply]
Twist: TypeAlias = Callable[[Reply], Reply]


def refused(status: int, message: str = "", *, retry_after: float | None = None) -> Twist:
    """The server answers with this status, and asks to be left alone for `retry_after` seconds."""
    error: Json = {"message": message or f"scripted {status}", "type": "scripted", "param": None, "code": None}
    headers = {} if retry_after is None else {"retry-after-ms": f"{retry_after * 1000:g}"}
    return lambda _: Reply(status=status, body={"error": error}, headers=headers)


def late(seconds: float) -> Twist:
    """The server thinks for a while."""
    return lambda reply: replace(reply, delay=seconds)


def cut_off(keep: int) -> Twist:
    """The connection breaks after so many bytes of the body."""
    return lambda reply: replace(reply, keep=keep)


def altered(change: Callable[[Json], Json]) -> Twist:
    """The server answers with something else than it should."""
    return lambda reply: replace(reply, body=change(reply.body))


class ModelServer:
    """An OpenAI-compatible server in a thread: `with ModelServer() as server: AsyncOpenAI(base_url=server.url, …)`.

    `script` says what goes wrong: the next request meets the first twist that is left, and when none is left, or the
    twist is None, all goes well. Requests without the right key get a 401. `requests` are all requests, in the order
    in which they came in. Extend `routes` to serve more.
    """

    def __init__(self, *, embedder: HashEmbedder | None = None, key: str = "test-key") -> None:
        self.requests: list[Request] = []
        self.routes: dict[str, Route] = {"/v1/embeddings": self._embeddings}
        self._embedder = embedder or HashEmbedder()
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
        reply = self._regular(request)
        reply = reply if twist is None else twist(reply)
        if reply.delay:
            self._closing.wait(reply.delay)
        return reply

    def _regular(self, request: Request) -> Reply:
        if request.headers.get("authorization") != f"Bearer {self._key}":
            return refused(401, "Incorrect API key provided.")(Reply(body=None))
        route = self.routes.get(request.path)
        return refused(404, f"There is no {request.path}.")(Reply(body=None)) if route is None else route(request)

    def _embeddings(self, request: Request) -> Reply:
        given = request.body["input"]
        texts = [str(text) for text in given] if isinstance(given, list) else [str(given)]
        if not all(texts):
            return refused(400, "'$.input' is invalid: an input cannot be an empty string.")(Reply(body=None))
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
        answer = self._answer

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"  # keeps connections open, as real servers do

            def do_POST(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                length = int(headers["content-length"])
                body = self.rfile.read(length)
                if len(body) < length:
                    raise ConnectionError("the client went away before it had sent everything")
                _send(self, answer(Request(path=self.path, headers=headers, body=json.loads(body))))

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                """A test's output is not the place for an access log."""

        return Handler


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a connection that the client keeps open has a thread that waits for it
    failure: BaseException | None = None

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep the error for whoever closes the server; a client that has gone away is none."""
        error = sys.exception()
        if not isinstance(error, ConnectionError):
            self.failure = error


def _send(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    body = json.dumps(reply.body).encode()
    handler.send_response(reply.status)
    for name, value in {"content-type": "application/json", **reply.headers}.items():
        handler.send_header(name, value)
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: reply.keep])
    handler.close_connection = handler.close_connection or reply.keep is not None


def _floats(row: np.ndarray[tuple[int], np.dtype[np.float32]]) -> list[Json]:
    return [float(value) for value in row]


def _packed(row: np.ndarray[tuple[int], np.dtype[np.float32]]) -> str:
    return base64.b64encode(row.astype("<f4").tobytes()).decode()
