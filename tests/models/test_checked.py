"""`Checked`: what can be relied on whatever embedder is behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from memkit.errors import ModelError, UnreachableError
from memkit.models.checked import Checked, Prefixed, Usage
from memkit.testing.embedders import (
    FaultyEmbedder,
    HashEmbedder,
    SlowEmbedder,
    all_zero,
    not_a_number,
    one_dimension_short,
    one_too_few,
    three_times_as_long,
)
from memkit.values import Space


class Whatever:
    """Answers with what it was made with."""

    def __init__(self, reply: object, *, normalised: bool = True) -> None:
        self.space = Space(model="whatever", dimension=2, normalised=normalised)
        self.reply = reply

    async def embed(self, texts: Sequence[str], /, *, query: bool) -> NDArray[np.float32]:
        return self.reply  # type: ignore[return-value]  # that it may be anything is the point


def ask(embedder: Checked, *texts: str, query: bool = False) -> NDArray[np.float32]:
    return asyncio.run(embedder.embed(texts, query=query))


def test_prefixes_are_put_in_front_exactly_once() -> None:
    inner = FaultyEmbedder(Prefixed(HashEmbedder(), query="query: ", document="passage: "))
    embedder = Checked(inner)
    ask(embedder, "Where is Ana?", query=True)
    ask(embedder, "Ana is in Lisbon.")
    assert inner.calls == [("query: Where is Ana?",), ("passage: Ana is in Lisbon.",)]
    assert embedder.space.query_prefix == "query: "


def test_an_embedder_cannot_be_checked_twice() -> None:
    with pytest.raises(TypeError, match="prefixes in front twice"):
        Checked(Checked(HashEmbedder()))


def test_a_blank_text_is_never_sent_and_near_to_nothing() -> None:
    inner = FaultyEmbedder(HashEmbedder())
    vectors = ask(Checked(inner), "", "Lisbon", " \n\t")
    assert inner.calls == [("Lisbon",)]
    assert not vectors[0].any()
    assert vectors[1].any()
    assert not vectors[2].any()


def test_blank_texts_alone_need_no_model() -> None:
    inner = FaultyEmbedder(Prefixed(HashEmbedder(), query="query: "))
    assert ask(Checked(inner), "", " ", query=True).shape == (2, 64)
    assert ask(Checked(inner)).shape == (0, 64)
    assert inner.calls == []


def test_a_text_that_occurs_twice_is_sent_once() -> None:
    inner = FaultyEmbedder(HashEmbedder())
    vectors = ask(Checked(inner), "yes", "no", "yes")
    assert inner.calls == [("yes", "no")]
    assert np.array_equal(vectors[0], vectors[2])
    assert not np.array_equal(vectors[0], vectors[1])


def test_a_large_request_is_split() -> None:
    inner = FaultyEmbedder(HashEmbedder())
    texts = [f"text {n}" for n in range(25)]
    vectors = ask(Checked(inner, largest=10), *texts)
    assert [len(call) for call in inner.calls] == [10, 10, 5]
    assert np.array_equal(vectors, HashEmbedder().vectors(texts))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=8), max_size=12), st.integers(1, 5), st.booleans())
def test_a_vector_does_not_depend_on_the_company_of_its_text(texts: list[str], largest: int, query: bool) -> None:
    together = ask(Checked(HashEmbedder(8), largest=largest), *texts, query=query)
    alone = [ask(Checked(HashEmbedder(8)), text, query=query)[0] for text in texts]
    assert together.dtype == np.float32
    assert np.array_equal(together, np.reshape(alone, (len(texts), 8)))


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (one_too_few, r"'memkit-hash-0' answered 2 texts with 1 vectors; there must be one vector for each"),
        (one_dimension_short, r"dimension 63, but its space has dimension 64; set the dimension"),
        (not_a_number, r"NaN or infinity in 1 of 2 vectors \(the first is number 1\)"),
        (lambda vectors: vectors.astype(np.float64) * 1e39, r"NaN or infinity in 2 of 2 vectors"),
        (all_zero, r"zero vector in 1 of 2 vectors \(the first is number 1\)"),
        (lambda vectors: vectors[0], r"answered 2 texts with an array of shape \(64,\)"),
        (lambda vectors: vectors.astype(str), r"answered with <U\d+ values; vectors must be real numbers"),
        (lambda vectors: vectors.astype(complex), r"complex128 values"),
        (lambda vectors: vectors > 0, r"bool values"),
        (lambda vectors: [[1.0], [1.0, 2.0]], r"vectors of different dimensions"),
        (lambda vectors: None, r"object values"),
    ],
)
def test_a_reply_that_cannot_be_used_is_refused(
    fault: Callable[[NDArray[np.float32]], NDArray[np.float32]], text: str
) -> None:
    embedder = Checked(FaultyEmbedder(HashEmbedder(), [fault]))
    with pytest.raises(ModelError, match=text) as refusal:
        ask(embedder, "the secret of Ana", "Lisbon")
    assert "secret" not in str(refusal.value)
    assert embedder.usage() == Usage()
    assert ask(embedder, "the secret of Ana", "Lisbon").all(axis=0).shape == (64,)  # and the next call is fine


def test_vectors_of_another_length_are_normalised() -> None:
    embedder = Checked(FaultyEmbedder(HashEmbedder(), [three_times_as_long]))
    assert np.allclose(ask(embedder, "Ana moved to Lisbon"), HashEmbedder().vectors(["Ana moved to Lisbon"]), atol=1e-7)


@pytest.mark.parametrize(
    "reply",
    [
        [[3, 4]],
        np.array([[3, 4]], dtype=np.int8),
        np.array([[3e30, 4e30]], dtype=np.float32),
        np.array([[3e-30, 4e-30]], dtype=np.float32),
        np.array([[0.6, 0.8]], dtype=np.float16),
        np.array([[0.6, 0.8]], dtype=np.float64),
    ],
)
def test_any_real_numbers_become_float32_of_length_one(reply: object) -> None:
    vectors = ask(Checked(Whatever(reply)), "text")
    assert vectors.dtype == np.float32
    assert np.allclose(vectors, [[0.6, 0.8]], atol=1e-3)
    assert abs(np.linalg.norm(vectors[0].astype(np.float64)) - 1) < 1e-6


def test_a_space_that_is_not_normalised_is_left_alone() -> None:
    vectors = ask(Checked(Whatever([[3, 4], [0, 0]], normalised=False)), "text", "another")
    assert vectors.tolist() == [[3, 4], [0, 0]]


def test_a_question_is_asked_once() -> None:
    inner = FaultyEmbedder(HashEmbedder())
    embedder = Checked(inner)
    first = ask(embedder, "Where?", query=True)
    again = ask(embedder, "When?", "Where?", query=True)
    assert inner.calls == [("Where?",), ("When?",)]
    assert np.array_equal(first[0], again[1])
    assert embedder.usage().remembered == 1


def test_documents_are_not_mistaken_for_questions() -> None:
    inner = FaultyEmbedder(Prefixed(HashEmbedder(), query="query: "))
    embedder = Checked(inner)
    ask(embedder, "Lisbon", query=True)
    ask(embedder, "Lisbon")
    ask(embedder, "Lisbon")
    assert inner.calls == [("query: Lisbon",), ("Lisbon",), ("Lisbon",)]


def test_only_the_last_questions_are_remembered() -> None:
    inner = FaultyEmbedder(HashEmbedder())
    embedder = Checked(inner, remembered=2)
    for text in ("one", "two", "one", "three", "one", "two"):
        ask(embedder, text, query=True)
    assert inner.calls == [("one",), ("two",), ("three",), ("two",)]


def test_a_caller_cannot_spoil_what_is_remembered() -> None:
    embedder = Checked(HashEmbedder())
    ask(embedder, "Where?", query=True)[:] = 7
    assert np.array_equal(ask(embedder, "Where?", query=True), HashEmbedder().vectors(["Where?"]))


def test_usage_counts_what_was_sent() -> None:
    embedder = Checked(SlowEmbedder(HashEmbedder(), 0.02), largest=2)
    ask(embedder, "one", "two", "three", "", "three")
    ask(embedder, "one", query=True)
    usage = embedder.usage()
    assert (usage.calls, usage.texts, usage.remembered) == (3, 4, 0)
    assert 0.06 <= usage.seconds < 5


def test_an_error_of_the_embedder_comes_through_and_leaves_no_trace() -> None:
    embedder = Checked(FaultyEmbedder(HashEmbedder(), [ModelError("the server is down")]))
    with pytest.raises(ModelError, match="the server is down"):
        ask(embedder, "Where?", query=True)
    assert np.array_equal(ask(embedder, "Where?", query=True), HashEmbedder().vectors(["Where?"]))


def test_a_call_can_be_cancelled() -> None:
    slow = SlowEmbedder(HashEmbedder(), 60)
    embedder = Checked(slow)

    async def cancel() -> None:
        call = asyncio.create_task(embedder.embed(["Where?"], query=True))
        await asyncio.to_thread(slow.waiting.wait, 10)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(cancel())
    assert embedder.usage() == Usage()


def test_threads_do_not_disturb_each_other() -> None:
    embedder = Checked(FaultyEmbedder(HashEmbedder()), remembered=5)
    texts = [f"question {n % 10}" for n in range(200)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda text: ask(embedder, text, query=True)[0], texts))
    assert np.array_equal(found, HashEmbedder().vectors(texts))
    usage = embedder.usage()
    assert usage.texts + usage.remembered == 200


def test_a_lone_surrogate_is_replaced() -> None:
    inner = FaultyEmbedder(HashEmbedder())
    ask(Checked(inner), "half a \ud83d smile")
    assert inner.calls == [("half a ? smile",)]


def test_a_mistaken_argument_is_refused_at_the_door() -> None:
    embedder = Checked(HashEmbedder())
    with pytest.raises(TypeError, match="not one str"):
        asyncio.run(embedder.embed("Lisbon", query=False))
    with pytest.raises(TypeError, match="not int"):
        asyncio.run(embedder.embed([1], query=False))  # type: ignore[list-item]
    with pytest.raises(ValueError, match="at least 1"):
        Checked(HashEmbedder(), largest=0)


def test_a_failure_of_the_embedder_is_a_model_error_that_quotes_nothing() -> None:
    broken = KeyError("Ana lives in Lisbon")
    with pytest.raises(ModelError, match=r"^the embedder 'memkit-hash-0' failed: KeyError$") as failure:
        ask(Checked(FaultyEmbedder(HashEmbedder(), [broken])), "Ana lives in Lisbon")
    assert failure.value.__cause__ is broken


def test_errors_of_memkit_and_of_tests_are_left_as_they_are() -> None:
    for error in (UnreachableError("away"), AssertionError("a defect")):
        with pytest.raises(type(error)) as failure:
            ask(Checked(FaultyEmbedder(HashEmbedder(), [error])), "Lisbon")
        assert failure.value is error


def test_an_embedder_that_needs_an_event_loop_says_so_itself() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        Checked(FaultyEmbedder(HashEmbedder())).embed(["Lisbon"], query=False).send(None)


def test_closing_reaches_the_embedder_if_it_can_be_closed() -> None:
    class Connected(HashEmbedder):
        closed = False

        async def aclose(self) -> None:
            self.closed = True

    connected = Connected()
    asyncio.run(Checked(Prefixed(connected)).aclose())
    assert connected.closed
    asyncio.run(Checked(Prefixed(HashEmbedder())).aclose())
