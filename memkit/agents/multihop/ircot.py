"""Recall and reasoning in turns: IRCoT (Trivedi et al., ACL 2023, arXiv 2212.10509)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from memkit.agents.multihop.prompt import messages, quoted
from memkit.agents.multihop.search import Search
from memkit.agents.multihop.values import Ended, Outcome
from memkit.context.quote import line_of
from memkit.scope import check_count
from memkit.values import Hit

LONGEST = 500  # characters of a thought: a sentence
_ANSWER = re.compile(r"\bso the answer is\b", re.IGNORECASE)
_ASIDE = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class IRCoT:
    """Recalls, lets the model write one thought about the best passages so far, recalls with the thought, and so on.

    Each recall finds `k` passages. It ends when a thought says "so the answer is", or after `steps` thoughts. The defaults
    are those of HippoRAG (NeurIPS 2024) for MuSiQue: 10 passages and 4 steps; it used 2 steps for HotpotQA and
    2WikiMultiHopQA. A passage keeps the best score that it had, as there. `retries`: how often a step is
    tried again when the model says nothing that can be used.
    """

    steps: int = 4
    k: int = 10
    retries: int = 1

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("k", 1), ("retries", 0)):
            check_count(name, getattr(self, name), least=least)

    @property
    def asks(self) -> bool:
        """It needs a chat model."""
        return True

    async def run(self, search: Search, found: Sequence[Hit]) -> Ended:
        """Go on from the first recall. See `memkit.agents.multihop.Strategy`."""
        if not found:
            return "nothing"
        for _ in range(self.steps):
            thought = await self._thought(search)
            if thought is None:
                return "gave up"
            search.thoughts.append(thought)
            if _ANSWER.search(thought):
                return "done"
            await search.find(thought, self.k)
        return "spent"

    async def _thought(self, search: Search) -> str | None:
        """The next thought; None when the model has none."""
        shown = search.shown(search.best(self.k))
        asked = messages(
            "think",
            ("passages", shown.text),
            ("thoughts", quoted("\n".join(search.thoughts))),
            ("question", quoted(search.question)),
        )
        for number in range(1 + self.retries):
            reply = await search.llm.complete(asked, stage="think", options=search.means.options)
            thought = _sentence(reply.text)
            if thought and reply.finish != "refusal":
                outcome: Outcome = "answered" if _ANSWER.search(thought) else "thought"
                search.note("think", search.question, outcome, said=thought, shown=list(shown.hits.values()))
                return thought
            error = "the model refused" if reply.finish == "refusal" else "the model wrote no thought"
            last = number == self.retries
            search.note("think", search.question, "gave up" if last else "malformed", said=reply.text, error=error)
        return None


def _sentence(text: str) -> str:
    """The thought in a reply: the line that answers, or else the first line."""
    lines = [line for line in _ASIDE.sub("", text).splitlines() if line.strip()]
    answers = [line for line in lines if _ANSWER.search(line)]
    return line_of((answers or lines or [""])[0], LONGEST)
