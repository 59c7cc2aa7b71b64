"""Everything that a store promises."""

from __future__ import annotations

from memkit.testing.contracts.calls import CallLaws
from memkit.testing.contracts.derived import DerivedLaws
from memkit.testing.contracts.durability import DurabilityLaws
from memkit.testing.contracts.extractions import ExtractionLaws
from memkit.testing.contracts.filters import FilterLaws
from memkit.testing.contracts.journal import JournalLaws
from memkit.testing.contracts.nodes import NodeLaws
from memkit.testing.contracts.rewind import RewindLaws
from memkit.testing.contracts.spaces import SpaceLaws
from memkit.testing.contracts.upkeep import ForgettingLaws, QueueLaws


class StoreContract(
    JournalLaws,
    FilterLaws,
    DerivedLaws,
    ExtractionLaws,
    NodeLaws,
    ForgettingLaws,
    RewindLaws,
    QueueLaws,
    CallLaws,
    SpaceLaws,
    DurabilityLaws,
):
    """The laws of `memkit.ports.Store`. See `memkit.testing.contracts` for what to give it."""
