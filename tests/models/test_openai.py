"""The OpenAI adapter: the real `openai` library against a real server on the loopback interface."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from memkit.errors import ModelError
from memkit.models.checked import Checked
from memkit.models.openai import REQUESTS_AT_ONCE, RETRIES, OpenAIEmbedder
from memkit.models.specs import embedder_from
from memkit.testing.embedders import HashEmbedder
from memkit.testing.server import ModelServer, Twist, altered, cut_off, late, refused
from memkit.values import Json

TEXTS = ["Ana moved to Lisbon", "in May", "with two cats", "and a piano", "which she plays"]


def client(server: ModelServer, *, batch: int = 128, timeout: float = 5.0, key: str = "test-key") -> OpenAIEmbedder:
    return OpenAIEmbedder("tiny", base_url=server.url, api_key=key, dimensions=64, batch=batch, timeout=timeout)


def ask(embedder: OpenAIEmbedder, texts: list[str]) -> NDArray[np.float32]:
    async def call() -> NDArray[np.float32]:
        try:
            return await embedder.embed(texts, query=False)
        finally:
            await embedder.aclose()

    return asyncio.run(call())


def test_vectors_arrive_as_the_server_made_them(server: ModelServer) -> None:
    vectors = ask(client(server), TEXTS)
    assert vectors.dtype == np.float32
    assert np.array_equal(vectors, HashEmbedder().vectors(TEXTS))
    (request,) = server.requests
    assert request.body == {"model": "tiny", "input": TEXTS, "encoding_format": "base64"}


def test_requests_hold_at_most_a_batch(server: ModelServer) -> None:
    vectors = ask(client(server, batch=2), TEXTS)
    assert np.array_equal(vectors, HashEmbedder().vectors(TEXTS))
    sent = [request.body["input"] for request in server.requests]
    assert sorted(map(str, sent)) == sorted(map(str, [TEXTS[:2], TEXTS[2:4], TEXTS[4:]]))


def test_requests_hold_at_most_a_quarter_of_a_million_characters(server: ModelServer) -> None:
    long = ["word " * 30_000, "two " * 30_000, "three"]
    assert np.array_equal(ask(client(server), long), HashEmbedder().vectors(long))
    assert sorted(len(str(request.body["input"])) > 200_000 for request in server.requests) == [False, False]


def test_nothing_is_sent_for_nothing(server: ModelServer) -> None:
    assert ask(client(server), []).shape == (0, 64)
    assert server.requests == []


def test_rows_are_put_into_order(server: ModelServer) -> None:
    def shuffle(body: Json) -> Json:
        assert isinstance(body, dict)
        assert isinstance(body["data"], list)
        return {**body, "data": body["data"][::-1]}

    server.script(altered(shuffle))
    assert np.array_equal(ask(client(server), TEXTS), HashEmbedder().vectors(TEXTS))


def test_dimensions_are_sent_only_to_shorten(server: ModelServer) -> None:
    small = OpenAIEmbedder("text-embedding-3-small", base_url=server.url, api_key="test-key", dimensions=256)
    assert small.space.dimension == 256
    assert ask(small, TEXTS).shape == (5, 256)
    assert server.requests[-1].body["dimensions"] == 256
    assert OpenAIEmbedder("text-embedding-3-small", api_key="k").space.dimension == 1536
    assert OpenAIEmbedder("text-embedding-3-large", api_key="k").space.dimension == 3072
    assert OpenAIEmbedder("text-embedding-ada-002", api_key="k").space.dimension == 1536


@pytest.mark.parametrize(
    ("model", "dimensions", "text"),
    [
        ("tiny", None, "pass dimensions=, the length of the vectors that 'tiny' returns"),
        ("tiny", 0, "pass dimensions="),
        ("text-embedding-3-small", 3072, "has vectors of dimension 1536 or less, not 3072"),
        ("text-embedding-ada-002", 256, "has vectors of dimension 1536, not 256"),
    ],
)
def test_a_dimension_that_cannot_be_is_refused_at_the_door(model: str, dimensions: int | None, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        OpenAIEmbedder(model, api_key="k", dimensions=dimensions)


def test_the_key_comes_from_the_environment_if_none_is_given(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ModelError, match="no key for 'text-embedding-3-small': pass api_key=, or set OPENAI_API_KEY"):
        embedder_from("openai:text-embedding-3-small")
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    assert embedder_from("openai:text-embedding-3-small").space.model == "text-embedding-3-small"
    ask(OpenAIEmbedder("tiny", base_url=server.url, dimensions=64), TEXTS)
    assert server.requests[0].headers["authorization"] == "Bearer test-key"


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (400, r"a text may be longer than the model reads\. .*scripted 400"),
        (401, r"the key was refused \(401\); pass api_key=, or set OPENAI_API_KEY"),
        (403, r"the key may not use this model \(403\)"),
        (404, r"no such model or address \(404\); check the model's name and base_url"),
    ],
)
def test_what_asking_again_cannot_mend_is_said_at_once(server: ModelServer, status: int, text: str) -> None:
    server.script(refused(status))
    with pytest.raises(ModelError, match=text) as refusal:
        ask(client(server), TEXTS)
    assert "'tiny' at http://127.0.0.1" in str(refusal.value)
    assert len(server.requests) == 1


def test_a_key_does_not_show_in_an_error(server: ModelServer) -> None:
    address = server.url.replace("http://", "http://ana:password@")
    embedder = OpenAIEmbedder("tiny", base_url=address, api_key="sk-secret", dimensions=64)
    with pytest.raises(ModelError, match="401") as refusal:
        ask(embedder, TEXTS)
    assert "secret" not in str(refusal.value)
    assert "password" not in str(refusal.value)


@pytest.mark.parametrize(
    "twist", [refused(429, retry_after=0.01), refused(500, retry_after=0.01), cut_off(40), late(1.0)]
)
def test_a_passing_failure_is_tried_again(server: ModelServer, twist: Twist) -> None:
    server.script(twist)
    assert np.array_equal(ask(client(server, timeout=0.5), TEXTS), HashEmbedder().vectors(TEXTS))
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (429, r"too many requests, or no credit left \(429\), after 4 retries"),
        (503, r"the server failed \(503\), after 4"),
    ],
)
def test_a_failure_that_stays_is_reported_after_the_retries(server: ModelServer, status: int, text: str) -> None:
    server.script(*[refused(status, retry_after=0.01)] * (RETRIES + 1))
    with pytest.raises(ModelError, match=text):
        ask(client(server), TEXTS)
    assert len(server.requests) == RETRIES + 1
    assert np.array_equal(ask(client(server), TEXTS), HashEmbedder().vectors(TEXTS))


def test_a_server_that_is_silent_broken_or_away_is_reported_after_the_retries() -> None:
    with ModelServer() as silent, ModelServer() as broken, ModelServer() as away:
        silent.script(*[late(60)] * (RETRIES + 1))
        broken.script(*[cut_off(40)] * (RETRIES + 1))
        embedders = [client(silent, timeout=0.2), client(broken), client(away)]
        away.__exit__(None, None, None)

        async def calls() -> list[object]:  # at the same time: the library waits seven seconds in all
            return await asyncio.gather(*(each.embed(TEXTS, query=False) for each in embedders), return_exceptions=True)

        found = asyncio.run(calls())
    assert all(isinstance(error, ModelError) for error in found)
    assert "no answer in time, after 4 retries; pass a longer timeout=" in str(found[0])
    assert "no connection, after 4 retries; check base_url and the server" in str(found[1])
    assert "no connection, after 4 retries; check base_url and the server" in str(found[2])
    assert len(silent.requests) == len(broken.requests) == RETRIES + 1


def without(key: str) -> Callable[[Json], Json]:
    return lambda body: {name: value for name, value in body.items() if name != key} if isinstance(body, dict) else body


def first_only(body: Json) -> Json:
    assert isinstance(body, dict)
    assert isinstance(body["data"], list)
    return {**body, "data": body["data"][:1]}


def all_number_zero(body: Json) -> Json:
    assert isinstance(body, dict)
    assert isinstance(body["data"], list)
    return {**body, "data": [{**row, "index": 0} for row in body["data"] if isinstance(row, dict)]}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (without("data"), "did not answer with embeddings; is base_url right?"),
        (lambda body: "hello", "did not answer with embeddings"),
        (lambda body: {"data": [{"index": 0, "embedding": "not base64!"}]}, "did not answer with embeddings"),
        (lambda body: {"data": [{"index": 0, "embedding": None}]}, "answered 5 texts with 1 vectors"),
        (first_only, "answered 5 texts with 1 vectors, or misnumbered them"),
        (all_number_zero, "answered 5 texts with 5 vectors, or misnumbered them"),
    ],
)
def test_a_reply_that_is_something_else_is_refused(
    server: ModelServer, change: Callable[[Json], Json], text: str
) -> None:
    server.script(altered(change))
    with pytest.raises(ModelError, match=text):
        ask(client(server), TEXTS)


def test_one_failed_batch_fails_the_call_and_stops_the_others(server: ModelServer) -> None:
    server.script(refused(404), *[late(60)] * 4)
    start = time.perf_counter()
    with pytest.raises(ModelError, match="404"):
        ask(client(server, batch=1, timeout=60), TEXTS)
    assert time.perf_counter() - start < 30
    assert len(server.requests) <= REQUESTS_AT_ONCE


def test_a_call_can_be_cancelled_and_the_next_one_works(server: ModelServer) -> None:
    server.script(late(60))
    embedder = client(server)

    async def cancel() -> NDArray[np.float32]:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await embedder.embed(TEXTS, query=False)
        vectors = await embedder.embed(TEXTS, query=False)
        await embedder.aclose()
        return vectors

    assert np.array_equal(asyncio.run(cancel()), HashEmbedder().vectors(TEXTS))


def test_one_event_loop_after_another_can_use_an_embedder(server: ModelServer) -> None:
    embedder = client(server)
    for _ in range(3):
        assert np.array_equal(ask(embedder, TEXTS), HashEmbedder().vectors(TEXTS))


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # that is what the test is about
def test_event_loops_that_did_not_close_it_leave_it_usable(server: ModelServer) -> None:
    embedder = client(server)
    for _ in range(3):
        vectors = asyncio.run(embedder.embed(TEXTS, query=False))
        assert np.array_equal(vectors, HashEmbedder().vectors(TEXTS))
    assert len(embedder._clients) == 1  # those of closed loops were let go
    del embedder
    gc.collect()


def test_two_event_loops_can_use_an_embedder_at_the_same_time(server: ModelServer) -> None:
    embedder = Checked(client(server))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def here() -> None:
        for n in range(5):
            there = asyncio.run_coroutine_threadsafe(embedder.embed([f"there {n}"], query=False), loop)
            vectors = await embedder.embed([f"here {n}"], query=False)
            assert np.array_equal(vectors, HashEmbedder().vectors([f"here {n}"]))
            assert np.array_equal(await asyncio.wrap_future(there), HashEmbedder().vectors([f"there {n}"]))
        await embedder.aclose()  # of both loops

    asyncio.run(here())
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_without_an_event_loop_nothing_is_sent(server: ModelServer) -> None:
    call = client(server).embed(TEXTS, query=False)
    with pytest.raises(RuntimeError, match="no running event loop"):
        call.send(None)
    assert server.requests == []
