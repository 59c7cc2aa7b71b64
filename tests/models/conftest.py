"""One loaded model for all tests of models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memkit.testing.server import ModelServer

if TYPE_CHECKING:
    from memkit.models.local import SentenceTransformerEmbedder


@pytest.fixture(scope="session")
def minilm(minilm_folder: Path) -> SentenceTransformerEmbedder:
    """all-MiniLM-L6-v2 on the CPU; it takes a few seconds to load."""
    from memkit.models.local import SentenceTransformerEmbedder

    return SentenceTransformerEmbedder(minilm_folder, device="cpu")


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as running:
        yield running
