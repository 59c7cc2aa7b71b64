"""The protocols between memkit's parts. Whoever implements one imports nothing else of memkit but `values`, `messages` and
`errors`.

Everything here that is a plain `def` is local work and may be called from any thread; what may wait for a network is
`async def`.
"""

from memkit.ports.component import Asks, Component, Consolidates, Refines, View, Weaves, stage_of
from memkit.ports.graph import Graph
from memkit.ports.models import ChatModel, Embedder, Llm, Reading, TokenScorer
from memkit.ports.shelf import Postings, Shelf
from memkit.ports.store import Calls, Derived, Journal, Progress, Spaces, Store, Upkeep

__all__ = [
    "Asks",
    "Calls",
    "ChatModel",
    "Component",
    "Consolidates",
    "Derived",
    "Embedder",
    "Graph",
    "Journal",
    "Llm",
    "Postings",
    "Progress",
    "Reading",
    "Refines",
    "Shelf",
    "Spaces",
    "Store",
    "TokenScorer",
    "Upkeep",
    "View",
    "Weaves",
    "stage_of",
]
