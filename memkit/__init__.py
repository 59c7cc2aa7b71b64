"""memkit: an agent's memory as a library.

    >>> import memkit
    >>> memory = memkit.open(":memory:")
    >>> memory.add("I moved to Lisbon in May.").added
    1
    >>> print(memory.recall("Where do I live now? Lisbon?").hits[0].text)
    I moved to Lisbon in May.

Importing it loads nothing else: every name below is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memkit.components.hipporag import HippoRAG as HippoRAG
    from memkit.components.hipporag import OpenIEFile as OpenIEFile
    from memkit.components.passages import Passages as Passages
    from memkit.components.recurrent_gpt import RecurrentGPT as RecurrentGPT
    from memkit.components.sir_llm import SirLLM as SirLLM
    from memkit.components.think_in_memory import ThinkInMemory as ThinkInMemory
    from memkit.context.recall import Recall as Recall
    from memkit.coroutines import AsyncMemory as AsyncMemory
    from memkit.errors import AbsorbError as AbsorbError
    from memkit.errors import BudgetError as BudgetError
    from memkit.errors import ClosedError as ClosedError
    from memkit.errors import MemkitError as MemkitError
    from memkit.errors import ModelError as ModelError
    from memkit.errors import ModelReplyError as ModelReplyError
    from memkit.errors import NoSchemaError as NoSchemaError
    from memkit.errors import SpaceError as SpaceError
    from memkit.errors import StoreError as StoreError
    from memkit.errors import UnreachableError as UnreachableError
    from memkit.intake import read_export as read_export
    from memkit.memory import Memory as Memory
    from memkit.values import CallUsage as CallUsage
    from memkit.values import Document as Document
    from memkit.values import Event as Event
    from memkit.values import Forgotten as Forgotten
    from memkit.values import Hit as Hit
    from memkit.values import Receipt as Receipt
    from memkit.values import Record as Record
    from memkit.values import Space as Space
    from memkit.values import Stats as Stats
    from memkit.wiring import open_async as open_async
    from memkit.wiring import open_memory
    from memkit.wiring import reembed as reembed

    open = open_memory  # noqa: A001  memkit.open is what opens a memory

__version__ = "0.1.0"

_HOMES = {
    "AbsorbError": "errors",
    "AsyncMemory": "coroutines",
    "BudgetError": "errors",
    "CallUsage": "values",
    "ClosedError": "errors",
    "Document": "values",
    "Event": "values",
    "Forgotten": "values",
    "HippoRAG": "components.hipporag",
    "Hit": "values",
    "MemkitError": "errors",
    "Memory": "memory",
    "ModelError": "errors",
    "ModelReplyError": "errors",
    "NoSchemaError": "errors",
    "open": "wiring",
    "open_async": "wiring",
    "OpenIEFile": "components.hipporag",
    "Passages": "components.passages",
    "read_export": "intake",
    "Recall": "context.recall",
    "Receipt": "values",
    "Record": "values",
    "RecurrentGPT": "components.recurrent_gpt",
    "reembed": "wiring",
    "SirLLM": "components.sir_llm",
    "Space": "values",
    "SpaceError": "errors",
    "Stats": "values",
    "StoreError": "errors",
    "ThinkInMemory": "components.think_in_memory",
    "UnreachableError": "errors",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'memkit' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"memkit.{home}"), "open_memory" if name == "open" else name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
