"""A memory that was closed says so, whatever is asked of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

import memkit
from memkit.testing.embedders import HashEmbedder

VERBS: dict[str, Callable[[memkit.Memory], object]] = {
    "add": lambda memory: memory.add("The lamp was repaired."),
    "add several": lambda memory: memory.add(["one", "two"]),
    "add a stream": lambda memory: memory.add(iter(["one", "two"])),
    "recall": lambda memory: memory.recall("kettle"),
    "recall nothing": lambda memory: memory.recall("elephant"),
    "forget": lambda memory: memory.forget(everything=True),
    "sync": lambda memory: memory.sync(),
    "history": lambda memory: memory.history(),
    "export": lambda memory: list(memory.export()),
    "stats": lambda memory: memory.stats(),
    "a namespace": lambda memory: memory["ana"].recall("kettle"),
    "a new namespace": lambda memory: memory["never seen"].recall("kettle"),
}


@pytest.fixture(params=["file", "in memory", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "file":
        return str(tmp_path / "memory.db")
    return ":memory:" if request.param == "in memory" else str(request.getfixturevalue("fresh_postgres_url"))


def test_every_verb_of_a_closed_memory_says_that_it_is_closed(where: str) -> None:
    memory = memkit.open(where, embedder=HashEmbedder())
    memory.add("The kettle is broken.")
    memory["ana"].add("The kettle works.")
    for use in VERBS.values():
        if use is not VERBS["forget"]:
            use(memory)
    memory.close()
    for verb, use in VERBS.items():
        with pytest.raises(memkit.ClosedError, match="is closed; open it again to use it"):
            pytest.fail(f"{verb} returned {use(memory)!r}")
    memory.close()  # closing twice is no mistake
    with pytest.raises(memkit.ClosedError), memory:
        memory.add("The lamp was repaired.")


def test_every_verb_of_a_closed_async_memory_says_that_it_is_closed(tmp_path: Path) -> None:
    async def main() -> None:
        memory = await memkit.open_async(tmp_path / "memory.db", embedder=HashEmbedder())
        await memory.add("The kettle is broken.")
        await memory.recall("kettle")
        await memory.close()
        for call in (
            lambda: memory.add("x"),
            lambda: memory.recall("kettle"),
            lambda: memory.forget(everything=True),
            lambda: memory.sync(),
            lambda: memory.history(),
            lambda: memory.stats(),
            lambda: anext(memory.export()),
        ):
            with pytest.raises(memkit.ClosedError, match="closed"):
                await call()
        await memory.close()

    asyncio.run(main())


def test_what_was_added_before_closing_is_there_when_opened_again(tmp_path: Path) -> None:
    with memkit.open(tmp_path / "memory.db") as memory:
        memory.add("The kettle is broken.")
    with pytest.raises(memkit.ClosedError):
        memory.add("lost")
    with memkit.open(tmp_path / "memory.db") as memory:
        assert [hit.text for hit in memory.recall("kettle")] == ["The kettle is broken."]
