"""Loops around a model that use a memory by its verbs, and nothing else of it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memkit.agents.chat import Chat as Chat
    from memkit.agents.chat.values import Answer as Answer
    from memkit.agents.chat.values import Manner as Manner
    from memkit.agents.chat.values import Used as Used
    from memkit.agents.writer import Writer as Writer
    from memkit.agents.writer.agentwrite import AgentWrite as AgentWrite
    from memkit.agents.writer.human import SimulatedHuman as SimulatedHuman
    from memkit.agents.writer.human import write as write
    from memkit.agents.writer.recurrent import Recurrent as Recurrent
    from memkit.components.recurrent_gpt.cell import Bounds as Bounds
    from memkit.components.recurrent_gpt.state import Proposal as Proposal
    from memkit.components.recurrent_gpt.state import State as State

_HOMES = {
    "AgentWrite": "writer.agentwrite",
    "Answer": "chat.values",
    "Bounds": "writer.recurrent",
    "Chat": "chat",
    "Manner": "chat.values",
    "Proposal": "writer",
    "Recurrent": "writer.recurrent",
    "SimulatedHuman": "writer.human",
    "State": "writer",
    "Used": "chat.values",
    "Writer": "writer",
    "write": "writer.human",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'memkit.agents' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"memkit.agents.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
