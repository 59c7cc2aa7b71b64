"""The laws of components hold for SirLLM, on both databases and with every choice."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from memkit.components.sir_llm import Keep, SirLLM, interval
from memkit.ports import Component, Embedder, Store
from memkit.testing.contracts import ComponentContract
from memkit.testing.embedders import HashEmbedder
from memkit_stores import SqlStore


class TestByWords(ComponentContract):
    @pytest.fixture
    def component(self) -> Component:
        return SirLLM()


class TestSmallBudgetAndBlocks(ComponentContract):
    """Documents of the laws are longer than a block here, and most of what they hold is not kept."""

    @pytest.fixture
    def component(self) -> Component:
        return SirLLM(keep=Keep(budget=40, sinks=1, recent=10, decay=0.9), unit="phrase", lead=True, block=1_000)

    @pytest.fixture
    def embedder(self) -> Embedder:
        return HashEmbedder(16)


class TestOnPostgres(ComponentContract):
    @pytest.fixture
    def component(self) -> Component:
        return SirLLM(keep=Keep(budget=60), rule=interval, score="entropy", block=1_000)

    @pytest.fixture
    def store(self, fresh_postgres_url: str) -> Iterator[Store]:
        with closing(SqlStore(fresh_postgres_url)) as store:
            yield store
