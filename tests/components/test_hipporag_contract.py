"""The shipped laws of components hold for HippoRAG: with and without an embedder, in both versions, on both databases."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from memkit import HippoRAG
from memkit.ports import Component, Embedder, Store
from memkit.testing.contracts import ComponentContract
from memkit.testing.embedders import HashEmbedder
from memkit_stores import SqlStore


class TestByWords(ComponentContract):
    @pytest.fixture
    def component(self) -> Component:
        return HippoRAG()


@pytest.mark.slow
class TestByMeaning(ComponentContract):
    @pytest.fixture
    def component(self) -> Component:
        return HippoRAG()

    @pytest.fixture
    def embedder(self) -> Embedder:
        return HashEmbedder(16)


class TestVersion1(TestByMeaning):
    @pytest.fixture
    def component(self) -> Component:
        return HippoRAG(version=1)


class TestAsPublished(TestByMeaning):
    @pytest.fixture
    def component(self) -> Component:
        return HippoRAG.published(2, extractor="rules")


class TestOnPostgres(TestByMeaning):
    @pytest.fixture
    def store(self, fresh_postgres_url: str) -> Iterator[Store]:
        with closing(SqlStore(fresh_postgres_url)) as store:
            yield store
