"""An embedder that answers nonsense: nothing is lost, the error says what was wrong, and later everything is found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import memkit
from memkit.testing.embedders import (
    FaultyEmbedder,
    HashEmbedder,
    Vectors,
    all_zero,
    not_a_number,
    one_dimension_short,
    one_too_few,
)
from tests.bad_input.holding import works

SAID = ["The kettle is broken.", "The lamp was repaired.", "The gate squeaks."]


def infinite(vectors: Vectors) -> Vectors:
    """A fault: the first vector has an infinity in it."""
    spoilt = vectors.copy()
    spoilt[0, 0] = np.inf
    return spoilt


FAULTS = [
    (one_too_few, "there must be one vector for each text"),
    (one_dimension_short, "vectors of dimension 63, but its space has dimension 64"),
    (not_a_number, "NaN or infinity"),
    (infinite, "NaN or infinity"),
    (all_zero, "zero vector"),
    (memkit.ModelError("the server is down; try again later"), "the server is down"),
]


class Settling(FaultyEmbedder):
    """Answers with a fault until it is well again."""

    def __init__(self, fault: Any) -> None:
        self.inner = HashEmbedder()
        self.fault = fault
        self.well = False
        super().__init__(self.inner)

    async def embed(self, texts: Sequence[str], /, *, query: bool) -> NDArray[np.float32]:
        if self.well:
            return self.inner.vectors(texts)
        if isinstance(self.fault, Exception):
            raise self.fault
        return np.asarray(self.fault(self.inner.vectors(texts)))


@pytest.mark.parametrize(("fault", "says"), FAULTS, ids=lambda value: getattr(value, "__name__", "")[:20])
def test_what_was_added_waits_until_the_embedder_answers_well(tmp_path: Path, fault: Any, says: str) -> None:
    embedder = Settling(fault)
    with memkit.open(tmp_path / "memory.db", embedder=embedder) as memory:
        assert memory.add(SAID).added == 3
        with pytest.raises(memkit.ModelError, match=says):
            memory.recall("kettle")
        assert [event.text for event in memory.history()] == SAID
        stats = memory.stats()
        assert (stats.events, stats.pending, stats.deferred) == (3, {"passages": 3}, ())
        embedder.well = True
        assert memory.recall(SAID[0])[0].text == SAID[0]
        assert memory.stats().pending == {"passages": 0}
        assert works(memory)


def test_while_the_embedder_is_down_the_memory_can_be_opened_without_it_and_finds_by_words(tmp_path: Path) -> None:
    down = Settling(memkit.ModelError("the server is down"))
    with memkit.open(tmp_path / "memory.db", embedder=down) as memory:
        memory.add(SAID)
        with pytest.raises(memkit.ModelError, match="the server is down"):
            memory.recall("kettle")
    with memkit.open(tmp_path / "memory.db") as memory:
        assert [hit.text for hit in memory.recall("kettle")] == [SAID[0]]
    down.well = True
    with memkit.open(tmp_path / "memory.db", embedder=down) as memory:
        assert memory.stats().unembedded == 3
        assert memory.sync().unembedded == 0
        assert memory.recall("kettle", floor=0)[0].text == SAID[0]


def test_an_embedder_of_another_dimension_is_refused_and_the_vectors_stay(tmp_path: Path) -> None:
    with memkit.open(tmp_path / "memory.db", embedder=HashEmbedder(64)) as memory:
        memory.add(SAID)
        memory.sync()
    with pytest.raises(memkit.SpaceError, match=r"\(64 dimensions\).*\(32\).*memkit reembed"):
        memkit.open(tmp_path / "memory.db", embedder=HashEmbedder(32))
    with memkit.open(tmp_path / "memory.db", embedder=HashEmbedder(64)) as memory:
        assert memory.stats().unembedded == 0
        assert memory.recall("kettle")[0].text == SAID[0]


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"embedder": 5}, TypeError, "the embedder is an? int; give an Embedder"),
        ({"embedder": object()}, TypeError, "the embedder is an? object"),
        ({"components": []}, ValueError, "a memory needs components"),
        ({"components": "passages"}, TypeError, "is not a component; give objects"),
        ({"components": [memkit.Passages]}, TypeError, "is not a component; give objects"),
        ({"components": [memkit.Passages(), memkit.Passages()]}, ValueError, "different names; passages given"),
        ({"llm": 5}, TypeError, "the llm is an? int without model, complete, stream"),
        ({"llm": "gpt"}, ValueError, "a chat model is named as in"),
        ({"scorer": 5}, TypeError, "the scorer is an? int; give a TokenScorer"),
        ({"scorer": ""}, ValueError, "a token model is"),
        ({"durability": "none"}, ValueError, "durability is 'none'; it can be 'disk' or 'process'"),
    ],
    ids=[
        "number",
        "object",
        "none",
        "name",
        "class",
        "twice",
        "llm",
        "llm-name",
        "scorer",
        "scorer-name",
        "durability",
    ],
)
def test_what_a_memory_cannot_be_made_of_is_refused(given: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        memkit.open(":memory:", **given)
