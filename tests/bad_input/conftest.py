"""A memory that bad input must leave as it is."""

from collections.abc import Iterator

import pytest

import memkit
from memkit.testing.embedders import HashEmbedder


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def memory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[memkit.Memory]:
    """One for all tests: whatever they try, it must stay as it is."""
    on_file = request.param == "sqlite"
    where = tmp_path_factory.mktemp("memory") / "memory.db" if on_file else request.getfixturevalue("postgres_url")
    with memkit.open(where, embedder=HashEmbedder(), durability="process") as memory:
        memory.add("The kettle in the kitchen is broken.", session="s1")
        memory["ana/work"].add("Somebody else's kettle works.")
        yield memory
        for name in ("default", "ana/work"):
            memory.forget(namespace=name)
