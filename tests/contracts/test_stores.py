"""memkit's own stores keep the laws that are shipped for everybody's."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from memkit.ports import Store
from memkit.testing.contracts import ShelfContract, StoreContract
from memkit.testing.contracts.derived import DerivedLaws
from memkit.testing.contracts.durability import DurabilityLaws
from memkit.testing.contracts.spaces import SpaceLaws
from memkit.testing.contracts.upkeep import ForgettingLaws
from memkit_stores import SqlStore


class OnAFile:
    """A SQLite file."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        self.where = str(tmp_path / "memory.db")
        with closing(SqlStore(self.where)) as store:
            yield store

    def reopen(self) -> Store:
        return SqlStore(self.where)


class InMemory:
    """A SQLite database in memory: nobody else can open it."""

    @pytest.fixture
    def store(self) -> Iterator[Store]:
        with closing(SqlStore(":memory:")) as store:
            yield store

    def reopen(self) -> None:
        return None


class OnPostgres:
    """A PostgreSQL database."""

    @pytest.fixture
    def store(self, fresh_postgres_url: str) -> Iterator[Store]:
        self.where = fresh_postgres_url
        with closing(SqlStore(self.where)) as store:
            yield store

    def reopen(self) -> Store:
        return SqlStore(self.where)


class OnPgvector:
    """A PostgreSQL database that searches the vectors itself."""

    @pytest.fixture
    def store(self, fresh_postgres_url: str) -> Iterator[Store]:
        self.where = fresh_postgres_url
        with closing(SqlStore(self.where, vectors="pgvector")) as store:
            yield store

    def reopen(self) -> Store:
        return SqlStore(self.where, vectors="pgvector")


class OnADevice:
    """A SQLite file whose vectors a GPU searches, or torch on the CPU where there is none."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        pytest.importorskip("torch")
        self.where = str(tmp_path / "memory.db")
        with closing(SqlStore(self.where, vectors="kernel")) as store:
            yield store

    def reopen(self) -> Store:
        return SqlStore(self.where, vectors="kernel")


class TestStoreOnAFile(OnAFile, StoreContract):
    pass


class TestStoreInMemory(InMemory, StoreContract):
    pass


class TestStoreOnPostgres(OnPostgres, StoreContract):
    pass


class TestStoreOnPgvector(OnPgvector, DerivedLaws, DurabilityLaws, ForgettingLaws, SpaceLaws):
    """The laws of a store that meet its vectors; the others are of the same tables as on PostgreSQL."""


class TestStoreOnADevice(OnADevice, DerivedLaws, DurabilityLaws, ForgettingLaws, SpaceLaws):
    """As on pgvector; the others are of the same tables as on a file."""


class TestShelfOnAFile(OnAFile, ShelfContract):
    pass


class TestShelfInMemory(InMemory, ShelfContract):
    pass


class TestShelfOnPostgres(OnPostgres, ShelfContract):
    pass


class TestShelfOnPgvector(OnPgvector, ShelfContract):
    pass


class TestShelfOnADevice(OnADevice, ShelfContract):
    pass
