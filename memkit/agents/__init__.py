"""Loops around a model that use a memory by its verbs, and nothing else of it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memkit.agents.chat import Chat as Chat
    from memkit.agents.chat.values import Answer as Answer
    from memkit.agents.chat.values import Manner as Manner
    from memkit.agents.chat.values import Used as Used
    from memkit.agents.multihop import MultiHop as MultiHop
    from memkit.agents.multihop.expansion import Expansion as Expansion
    from memkit.agents.multihop.ircot import IRCoT as IRCoT
    from memkit.agents.multihop.states import StateMachine as StateMachine
    from memkit.agents.multihop.values import Findings as Findings
    from memkit.agents.multihop.values import Step as Step
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
    "Expansion": "multihop.expansion",
    "Findings": "multihop.values",
    "IRCoT": "multihop.ircot",
    "Manner": "chat.values",
    "MultiHop": "multihop",
    "Proposal": "writer",
    "Recurrent": "writer.recurrent",
    "SimulatedHuman": "writer.human",
    "State": "writer",
    "StateMachine": "multihop.states",
    "Step": "multihop.values",
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
