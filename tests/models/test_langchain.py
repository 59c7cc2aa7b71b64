"""The LangChain adapter, with real subclasses of LangChain's own class."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings

from memkit.errors import ModelError
from memkit.models.checked import Checked
from memkit.models.langchain import LangChainEmbedder
from memkit.testing.embedders import HashEmbedder


class Hashing(Embeddings):
    """Documents as they are; questions with a mark, so that one can tell which method was called."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [row.tolist() for row in HashEmbedder().vectors(texts)]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([f"question {text}"])[0]


class Broken(Embeddings):
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise ConnectionError("the model is down")

    def embed_query(self, text: str) -> list[float]:
        return [1.0]


def test_documents_and_questions_take_their_own_ways() -> None:
    embedder = LangChainEmbedder(Hashing(), model="hashing", dimension=64)
    documents = asyncio.run(embedder.embed(["Lisbon", "May"], query=False))
    questions = asyncio.run(embedder.embed(["Lisbon", "May"], query=True))
    assert documents.dtype == questions.dtype == np.float32
    assert np.array_equal(documents, HashEmbedder().vectors(["Lisbon", "May"]))
    assert np.array_equal(questions, HashEmbedder().vectors(["question Lisbon", "question May"]))
    assert asyncio.run(embedder.embed([], query=False)).shape == (0, 64)


def test_the_space_is_what_was_said() -> None:
    space = LangChainEmbedder(Hashing(), model="hashing", dimension=64).space
    assert (space.model, space.dimension, space.normalised) == ("hashing", 64, True)


def test_a_failure_of_the_model_is_reported_with_its_cause() -> None:
    embedder = LangChainEmbedder(Broken(), model="broken", dimension=64)
    with pytest.raises(
        ModelError, match="the LangChain model 'broken' failed: ConnectionError: the model is down"
    ) as failure:
        asyncio.run(embedder.embed(["Lisbon"], query=False))
    assert isinstance(failure.value.__cause__, ConnectionError)


def test_a_dimension_that_was_said_wrongly_is_found_out() -> None:
    with pytest.raises(ModelError, match="dimension 1, but its space has dimension 64"):
        asyncio.run(Checked(LangChainEmbedder(Broken(), model="broken", dimension=64)).embed(["Lisbon"], query=True))


def test_without_an_event_loop_the_model_is_not_asked() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        LangChainEmbedder(Broken(), model="broken", dimension=64).embed(["Lisbon"], query=False).send(None)


def test_a_dimension_is_at_least_one() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        LangChainEmbedder(Hashing(), model="hashing", dimension=0)
