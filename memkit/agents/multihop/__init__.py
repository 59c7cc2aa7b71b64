"""Recall in several steps, for questions that no single passage answers: see docs/multihop.md."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Protocol, Unpack

from memkit.agents.multihop.expansion import Expansion
from memkit.agents.multihop.search import Means, Search
from memkit.agents.multihop.states import StateMachine, summarised
from memkit.agents.multihop.values import Ended, Findings
from memkit.coroutines import AsyncMemory
from memkit.intake import check_text
from memkit.messages import Options
from memkit.ports import Llm
from memkit.scope import Scope, check_count
from memkit.tokens import Count, estimate
from memkit.values import Hit

TOKENS = 2_000  # of passages in front of the model: ten of about the length that documents are split to


class Strategy(Protocol):
    """How to go on from a first recall, of `k` passages. `asks` says whether it needs a chat model."""

    @property
    def k(self) -> int: ...

    @property
    def asks(self) -> bool: ...

    async def run(self, search: Search, found: Sequence[Hit], /) -> Ended:
        """Find more with `search`, which keeps it. Ends by itself after a bounded number of steps."""
        ...


class MultiHop:
    """Recalls in several steps, each of which looks for what the last one found out.

    `strategy` is how: `StateMachine()` or `IRCoT()` with a chat model, `Expansion()` without; by default the first if there
    is a model (`llm`, or the memory's own), else the last. `tokens` limits the passages that the model is shown at a time,
    as `count` counts them; `options` go to the model with every call. Works with any components, by the verb `recall` alone,
    and keeps nothing in the memory. `last` is what the latest question came to, also when it ended in an error.
    """

    def __init__(
        self,
        memory: AsyncMemory,
        *,
        strategy: Strategy | None = None,
        llm: Llm | None = None,
        tokens: int = TOKENS,
        options: Options | None = None,
        count: Count = estimate,
    ) -> None:
        if not inspect.iscoroutinefunction(getattr(memory, "recall", None)):
            raise TypeError(f"this works on an AsyncMemory, of memkit.open_async, not on a {type(memory).__name__}")
        check_count("tokens", tokens, least=1)
        chosen = memory.llm if llm is None else llm
        default: Strategy = Expansion() if chosen is None else StateMachine()
        self.strategy = default if strategy is None else strategy
        if self.strategy.asks and chosen is None:
            raise ValueError(
                f"{type(self.strategy).__name__} needs a model: open the memory with llm=…, give MultiHop llm=…, "
                "or take Expansion()"
            )
        self._means = Means(memory=memory, llm=chosen, tokens=tokens, options=options or Options(), count=count)
        self.last: Findings | None = None

    async def recall(
        self, question: str, *, k: int = 5, component: str | None = None, **scope: Unpack[Scope]
    ) -> Findings:
        """The `k` best passages of all steps, each once. Filters and `component` as in `Memory.recall`.

        Raises ValueError for an empty question, and what the memory and the model raise: BudgetError and UnreachableError
        among it. Then, and when it is cancelled, `last` has what was found until then, with the trace.
        """
        return await self._found(Search(self._means, _checked(question), component, scope), k, read=False)

    async def ask(self, question: str, *, k: int = 5, component: str | None = None, **scope: Unpack[Scope]) -> Findings:
        """`recall`, and then the model's answer from these passages, with the ones that it cites. What it cites and was not
        shown is dropped; the trace says so. Raises ValueError when there is no model; else as `recall`."""
        if self._means.llm is None:
            raise ValueError("an answer needs a model: open the memory with llm=…; recall works without")
        return await self._found(Search(self._means, _checked(question), component, scope), k, read=True)

    async def _found(self, search: Search, k: int, *, read: bool) -> Findings:
        check_count("k", k, least=1)
        self.last = None
        try:
            found = await search.find(search.question, max(k, self.strategy.k))
            ended = await self.strategy.run(search, found)
            answer = await summarised(search, k) if read and ended in ("done", "spent") else None
        except BaseException:
            self.last = search.findings(k, "stopped")
            raise
        if answer is not None and answer.outcome == "gave up":
            ended = "gave up"
        told = answer if answer is not None and answer.outcome == "answered" else None
        self.last = search.findings(k, ended, *((told.said, told.cited) if told else ()))
        assert self.last is not None
        return self.last


def _checked(question: str) -> str:
    if not check_text(question, "the question").strip():
        raise ValueError("the question is empty; there is nothing to look for")
    return question
