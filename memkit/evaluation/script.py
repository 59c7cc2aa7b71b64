"""A generated task: what is said in order, what is forgotten on the way, and what is asked, with the answers that are right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from memkit.values import Event

NOT_SAID = "not said"  # the right answer where nobody ever told, or it was forgotten
NOTHING = "nothing any more"  # the right answer where it was told to have ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """An answer to choose. A text mentions it when it has any of its words, which may be several words each."""

    name: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """These events are forgotten, for good, and not by saying so."""

    ids: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A question, put to the memory as it then is. `kind` groups the figures.

    `about` is whose life it is about. With `past` it asks what was before, so that what ended may be the answer. `as_of` asks
    the memory as it was then. `right` is an option's name, NOT_SAID or NOTHING.
    """

    text: str
    kind: str
    options: tuple[Option, ...]
    right: str
    about: str | None = None
    past: bool = False
    as_of: datetime | None = None
    topic: tuple[str, ...] = ()


Step = Event | Removal | Ask


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One task from beginning to end. `people` are all who take part, but for the assistant."""

    name: str
    people: tuple[str, ...]
    steps: Sequence[Step]

    @property
    def turns(self) -> int:
        """How many things are said."""
        return sum(isinstance(step, Event) for step in self.steps)
