"""The embedders that memkit ships for tests."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from memkit.errors import ModelError
from memkit.models.checked import Checked
from memkit.testing.embedders import FaultyEmbedder, HashEmbedder, SlowEmbedder, one_too_few


def test_hash_vectors_are_the_same_in_every_process() -> None:
    vectors = HashEmbedder(dimension=16, seed=0).vectors(["Ana moved to Lisbon"])
    assert np.flatnonzero(vectors[0]).tolist() == [3, 5, 6, 14]  # a bucket for each word


def test_texts_that_share_words_are_near() -> None:
    cat, dog, tax = HashEmbedder().vectors(
        ["the cat sat on the mat", "The dog sat on the mat!", "quarterly tax report"]
    )
    assert cat @ dog > 0.7
    assert cat @ tax < 0.3


def test_hash_vectors_have_length_one_unless_the_text_is_empty() -> None:
    vectors = HashEmbedder(8).vectors(["Lisbon", "?!", "🙂", "", "  ", "\ud83d"])
    assert np.allclose(np.linalg.norm(vectors, axis=1), [1, 1, 1, 0, 0, 1])


def test_another_seed_is_another_space() -> None:
    one, two = HashEmbedder(seed=1), HashEmbedder(seed=2)
    assert one.space != two.space
    assert not np.array_equal(one.vectors(["Lisbon in May"]), two.vectors(["Lisbon in May"]))


def test_numpys_global_chance_is_left_alone() -> None:
    before = np.random.get_state()[1].copy()  # type: ignore[index,union-attr]
    HashEmbedder().vectors(["Lisbon"])
    assert np.array_equal(before, np.random.get_state()[1])  # type: ignore[index]


def test_faults_come_in_their_order_and_then_all_is_well() -> None:
    embedder = FaultyEmbedder(HashEmbedder(8), [None, OSError("down"), one_too_few])

    async def calls() -> list[object]:
        return [
            (await asyncio.gather(embedder.embed(["a", "b"], query=False), return_exceptions=True))[0] for _ in range(4)
        ]

    fine, down, short, fine_again = asyncio.run(calls())
    assert isinstance(down, OSError)
    assert [len(vectors) for vectors in (fine, short, fine_again)] == [2, 1, 2]  # type: ignore[arg-type]
    assert embedder.calls == [("a", "b")] * 4


def test_a_faulty_embedder_uses_up_no_fault_without_a_loop() -> None:
    embedder = FaultyEmbedder(HashEmbedder(8), [OSError("down")])
    call = embedder.embed(["a"], query=False)
    with pytest.raises(RuntimeError, match="no running event loop"):
        call.send(None)
    with pytest.raises(ModelError, match="OSError"):
        asyncio.run(Checked(embedder).embed(["a"], query=False))


def test_a_slow_embedder_can_be_timed_out() -> None:
    embedder = SlowEmbedder(HashEmbedder(8), 60)

    async def call() -> None:
        async with asyncio.timeout(0.01):
            await embedder.embed(["a"], query=False)

    with pytest.raises(TimeoutError):
        asyncio.run(call())
    assert not embedder.waiting.is_set()


def test_a_dimension_is_at_least_one() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        HashEmbedder(0)
