"""The model server that memkit ships for tests, spoken to without any client library."""

from __future__ import annotations

import base64
import http.client
import json
from urllib.parse import urlsplit

import numpy as np
import pytest

from memkit.testing.embedders import HashEmbedder
from memkit.testing.server import ModelServer, Reply, Request, altered, cut_off, late, refused
from memkit.values import Json


def post(
    server: ModelServer,
    body: dict[str, Json],
    *,
    path: str = "/v1/embeddings",
    key: str = "test-key",
    timeout: float = 5,
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=timeout)
    try:
        connection.request("POST", path, json.dumps(body), {"Authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def test_embeddings_come_as_numbers(server: ModelServer) -> None:
    status, _, body = post(server, {"model": "any", "input": ["Ana moved", "to Lisbon in May"]})
    reply = json.loads(body)
    assert status == 200
    assert [row["index"] for row in reply["data"]] == [0, 1]
    found = np.array([row["embedding"] for row in reply["data"]], dtype=np.float32)
    assert np.array_equal(found, HashEmbedder().vectors(["Ana moved", "to Lisbon in May"]))
    assert reply["usage"] == {"prompt_tokens": 6, "total_tokens": 6}
    assert reply["model"] == "any"


def test_embeddings_come_packed_in_base64(server: ModelServer) -> None:
    body = post(server, {"model": "any", "input": "Ana", "encoding_format": "base64", "dimensions": 8})[2]
    packed = json.loads(body)["data"][0]["embedding"]
    assert np.array_equal(np.frombuffer(base64.b64decode(packed), "<f4"), HashEmbedder(8).vectors(["Ana"])[0])


@pytest.mark.parametrize(
    ("path", "key", "text", "status"),
    [
        ("/v1/embeddings", "other", "Ana", 401),
        ("/v1/nothing", "test-key", "Ana", 404),
        ("/v1/embeddings", "test-key", "", 400),
    ],
)
def test_bad_requests_get_their_status_and_a_reason(
    server: ModelServer, path: str, key: str, text: str, status: int
) -> None:
    got, _, body = post(server, {"model": "any", "input": [text]}, path=path, key=key)
    assert got == status
    assert json.loads(body)["error"]["message"]


def test_the_script_is_played_once_and_in_order(server: ModelServer) -> None:
    server.script(
        refused(429, retry_after=0.25), None, refused(500, "out of order"), altered(lambda body: ["something else"])
    )
    replies = [post(server, {"model": "any", "input": "Ana"}) for _ in range(5)]
    assert [status for status, _, _ in replies] == [429, 200, 500, 200, 200]
    assert replies[0][1]["retry-after-ms"] == "250"
    assert json.loads(replies[2][2])["error"]["message"] == "out of order"
    assert json.loads(replies[3][2]) == ["something else"]


def test_a_reply_can_be_late(server: ModelServer) -> None:
    server.script(late(60))
    with pytest.raises(TimeoutError):
        post(server, {"model": "any", "input": "Ana"}, timeout=0.05)


def test_a_reply_can_break_off(server: ModelServer) -> None:
    server.script(cut_off(10))
    with pytest.raises(http.client.IncompleteRead) as broken:
        post(server, {"model": "any", "input": "Ana"})
    assert len(broken.value.partial) == 10


def test_requests_are_kept(server: ModelServer) -> None:
    post(server, {"model": "any", "input": "Ana"})
    (request,) = server.requests
    assert request.path == "/v1/embeddings"
    assert request.headers["authorization"] == "Bearer test-key"
    assert request.body == {"model": "any", "input": "Ana"}


def test_more_can_be_served(server: ModelServer) -> None:
    def echo(request: Request) -> Reply:
        return Reply(body={"said": request.body["say"]}, status=201)

    server.routes["/v1/echo"] = echo
    status, _, body = post(server, {"say": "hello"}, path="/v1/echo")
    assert (status, json.loads(body)) == (201, {"said": "hello"})


def test_a_mistake_in_a_route_is_not_hidden() -> None:
    def broken(request: Request) -> Reply:
        raise KeyError("mistake")

    server = ModelServer()
    server.__enter__()
    server.routes["/v1/broken"] = broken
    with pytest.raises(ConnectionError):
        post(server, {}, path="/v1/broken")
    with pytest.raises(RuntimeError, match="the server itself failed"):
        server.__exit__(None, None, None)
