"""Models: what turns texts into vectors. A name is imported when it is first used, its library with it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memkit.models.checked import Checked, Prefixed, Usage
    from memkit.models.langchain import LangChainEmbedder
    from memkit.models.local import SentenceTransformerEmbedder
    from memkit.models.openai import OpenAIEmbedder
    from memkit.models.specs import embedder_from

__all__ = [
    "Checked",
    "LangChainEmbedder",
    "OpenAIEmbedder",
    "Prefixed",
    "SentenceTransformerEmbedder",
    "Usage",
    "embedder_from",
]

HOMES = {
    "Checked": "checked",
    "LangChainEmbedder": "langchain",
    "OpenAIEmbedder": "openai",
    "Prefixed": "checked",
    "SentenceTransformerEmbedder": "local",
    "Usage": "checked",
    "embedder_from": "specs",
}


def __getattr__(name: str) -> object:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{HOMES[name]}"), name)
