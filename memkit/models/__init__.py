"""Models: what turns texts into vectors, answers messages, or is surprised by what it reads.

A name is imported when it is first used, its library with it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memkit.models.adaptive import AdaptiveScorer
    from memkit.models.calls import Limits
    from memkit.models.causal import CausalScorer
    from memkit.models.checked import Checked, Prefixed, Usage
    from memkit.models.langchain import LangChainEmbedder
    from memkit.models.langchain_chat import LangChainChat
    from memkit.models.ledger import Budget, Price
    from memkit.models.local import SentenceTransformerEmbedder
    from memkit.models.metered import Metered
    from memkit.models.openai import OpenAIEmbedder
    from memkit.models.openai_chat import OpenAIChat
    from memkit.models.specs import embedder_from, llm_from, scorer_from


__all__ = [
    "AdaptiveScorer",
    "Budget",
    "CausalScorer",
    "Checked",
    "LangChainChat",
    "LangChainEmbedder",
    "Limits",
    "Metered",
    "OpenAIChat",
    "OpenAIEmbedder",
    "Prefixed",
    "Price",
    "SentenceTransformerEmbedder",
    "Usage",
    "embedder_from",
    "llm_from",
    "scorer_from",
]

HOMES = {
    "AdaptiveScorer": "adaptive",
    "Budget": "ledger",
    "CausalScorer": "causal",
    "Checked": "checked",
    "LangChainChat": "langchain_chat",
    "LangChainEmbedder": "langchain",
    "Limits": "calls",
    "Metered": "metered",
    "OpenAIChat": "openai_chat",
    "OpenAIEmbedder": "openai",
    "Prefixed": "checked",
    "Price": "ledger",
    "SentenceTransformerEmbedder": "local",
    "Usage": "checked",
    "embedder_from": "specs",
    "llm_from": "specs",
    "scorer_from": "specs",
}


def __getattr__(name: str) -> object:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{HOMES[name]}"), name)
