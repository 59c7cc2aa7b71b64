"""How a chat is held, and what a turn of it came to: frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from memkit.context.recall import Recall
from memkit.messages import Finish, Options, Tokens
from memkit.scope import check_count
from memkit.tokens import Count, estimate

TOOLS = ("remember", "recall", "forget")

Ending = Finish | Literal["interrupted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a chat is held.

    `habits`: the system text; None takes memkit's own (`agents/prompts/chat.md`). `name`: what this assistant is called,
    needed where several take part in one session. `recall_tokens` and `recent_tokens` limit what is recalled and the turns of
    the session that are repeated word for word, as `count` counts them; `k` and `neighbours` are those of `recall`.
    `tools` are offered to the model, "forget" only if the chat can ask a person; () offers none. `rounds` limits
    how often a model may call tools before it has to reply. `options` go to the model with every call.
    """

    habits: str | None = None
    name: str | None = None
    recall_tokens: int = 1_000
    recent_tokens: int = 1_000
    k: int = 8
    neighbours: int = 1
    tools: tuple[str, ...] = TOOLS
    rounds: int = 4
    options: Options = field(default_factory=Options)
    count: Count = estimate

    def __post_init__(self) -> None:
        for name, least in (("recall_tokens", 0), ("recent_tokens", 0), ("k", 1), ("neighbours", 0), ("rounds", 1)):
            check_count(name, getattr(self, name), least=least)
        if not set(self.tools) <= set(TOOLS):  # a text is made of letters, which are no tools
            raise ValueError(f"tools is {self.tools!r}; there are {', '.join(TOOLS)}")
        if self.options.tools:
            raise ValueError("options.tools is the chat's own to fill; choose with tools=")
        for name in ("habits", "name"):
            value = getattr(self, name)
            if value is not None and not value.strip():
                raise ValueError(f"{name} is empty; leave it out for the default")


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """A tool that the model called: its name, and what it was told."""

    tool: str
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A turn and its reply, both in the journal.

    `text`: the reply as the journal has it. `finish`: how it ended; "interrupted" when the application stopped it,
    "refusal" when the model declined, "length" when it was cut off. `turn` and `event` are the event ids of what was
    said and of the reply, `key` names the turn. `recalled`: ids of the events that the model was shown; `recall` is the
    recall behind them, None when the reply was in the journal already. `tokens`: of all calls, None when the
    server told none. `seconds` by stage: "adding", "recalling", "first" (from the start to the first piece), "model",
    "tools", "keeping".
    """

    text: str
    finish: Ending
    turn: str
    event: str
    key: str
    recalled: tuple[str, ...] = ()
    recall: Recall | None = None
    used: tuple[Used, ...] = ()
    tokens: Tokens | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
