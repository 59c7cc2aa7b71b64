"""What a way of writing is to a `Writer`."""

from __future__ import annotations

from typing import Protocol

from memkit.agents.writer.canon import Canon
from memkit.components.recurrent_gpt.state import Proposal, State
from memkit.ports import Llm


class Strategy(Protocol):
    """A way of writing: it reads the story and proposes how it goes on. It changes nothing."""

    @property
    def name(self) -> str:
        """Kept with the premise: a story is gone on with as it was begun."""
        ...

    @property
    def rolling(self) -> bool:
        """Whether a plan is chosen after every step, rather than once for all."""
        ...

    def left(self, state: State) -> int | None:
        """How many more proposals there will be; None when there is no end to them."""
        ...

    async def propose(self, canon: Canon, state: State, llm: Llm, rejected: tuple[str, ...]) -> Proposal:
        """What comes next. `rejected` are the reasons why earlier proposals of it were turned down."""
        ...

    def check(self, kind: str, text: str) -> None:
        """Raise ValueError when a person's own version of something cannot be taken."""
        ...
