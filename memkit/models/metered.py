"""What stands between a chat model and everybody who asks it: limits, retries, counts, a budget, structured replies.

Knows no library. Adapters do the one thing that is theirs, sending a request and reading the reply.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from memkit.models.bound import Bound
from memkit.models.calls import Calls, Limits, Sleep
from memkit.models.kept import Kept
from memkit.models.ledger import Budget, Ledger, Price
from memkit.models.loops import Closing
from memkit.ports import ChatModel
from memkit.values import CallUsage

__all__ = ["Budget", "Kept", "Limits", "Metered", "Price"]


class Metered:
    """A chat model that can be relied on. `bound` gives it to a component or an agent.

    - So many requests at once, each within its time; what may pass is tried again. See `Limits`.
    - Calls, tokens, seconds and cost are counted by component and stage. `prices` has the model's, by its name; without it
      costs are unknown (None).
    - No call is made that could pass the `budget`: BudgetError. One for the cost needs a price.
    - A structured reply is read, checked, and asked for again when it cannot be used.
    - A model's own errors are ModelErrors with what it raised as the cause. No error quotes a message.

    `sleep` waits before retries, and `seed` settles for how long. Safe to use from several threads and event loops, with the
    limits of each loop its own.
    """

    def __init__(
        self,
        model: ChatModel,
        *,
        limits: Limits | None = None,
        prices: Mapping[str, Price] | None = None,
        budget: Budget | None = None,
        sleep: Sleep = asyncio.sleep,
        seed: int | None = None,
    ) -> None:
        if isinstance(model, Metered | Bound):
            raise TypeError("the model is Metered already; a second one would count and try again twice")
        self._model = model
        self._ledger = Ledger(model.model, (prices or {}).get(model.model), budget or Budget())
        self._calls = Calls(model, limits or Limits(), self._ledger, sleep, seed)

    @property
    def model(self) -> str:
        """The model's name."""
        return self._model.model

    def bound(self, component: str, kept: Kept | None = None) -> Bound:
        """The model for one component (or agent), whose calls are counted for it. `kept` is where replies to questions
        about events are kept; without it they are not."""
        return Bound(self._calls, component, kept)

    def usage(self) -> tuple[CallUsage, ...]:
        """What was asked for since this object was made, by component and stage. Calls under way are not in it yet."""
        return self._ledger.usage()

    async def aclose(self) -> None:
        """Close the connections of the model, if it has any."""
        if isinstance(self._model, Closing):
            await self._model.aclose()
