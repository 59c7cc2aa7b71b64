"""Counts what a chat model is asked for, by component and stage, and keeps it within a budget. Knows no model."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from memkit.errors import BudgetError, ModelReplyError, NoSchemaError
from memkit.messages import Reply, Request, Tokens, ToolCall
from memkit.tokens import estimate
from memkit.values import CallUsage

Who = tuple[str, str]  # component and stage

REPLY_ALLOWANCE = 1024  # tokens that a reply may take for all that a budget knows, when `Options.most` does not say
MESSAGE_TOKENS = 4  # what chat templates put around each message: role and separators
MILLION = 1_000_000
ROUNDING = 1 + 1e-9  # sums of floats may be off by so much


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a million tokens cost, in any currency. Prompt tokens that a server read from its cache cost `cached`, or as
    much as the others if it is None."""

    prompt: float
    reply: float
    cached: float | None = None

    def __post_init__(self) -> None:
        if not all(0 <= price < math.inf for price in (self.prompt, self.reply, self.cached or 0)):
            raise ValueError(f"prices are at least 0, not {self.prompt}, {self.reply}, {self.cached}")

    def of(self, tokens: Tokens) -> float:
        """What so many tokens cost."""
        cached = self.prompt if self.cached is None else self.cached
        fresh = tokens.prompt - tokens.cached
        return (fresh * self.prompt + tokens.cached * cached + tokens.reply * self.reply) / MILLION


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What may be used in all: `cost` in the currency of the prices, `tokens` of prompts and replies, `calls` with retries.
    None bounds nothing.

    A call is not made when it could pass the budget together with those under way. Until the server tells, a call is taken to
    use its prompt as `memkit.tokens.estimate` counts it, and `Options.most` tokens for the reply, or 1,024 if that is
    None. So what is used passes the budget at most by what the last calls used beyond these estimates.
    """

    cost: float | None = None
    tokens: int | None = None
    calls: int | None = None

    def __post_init__(self) -> None:
        if not all(bound is None or bound >= 0 for bound in (self.cost, self.tokens, self.calls)):  # NaN is not
            raise ValueError(f"a budget is at least 0: {self}")


@dataclass(slots=True)
class Attempt:
    """One request under way, which is taken to use what is `expected`. `told` is what the server says that it used, `text`
    what came so far; `lost` says that nobody waits any more for an answer that the server may charge for."""

    request: Request
    expected: Tokens
    told: Tokens | None = None
    text: list[str] = field(default_factory=list)
    calls: tuple[ToolCall, ...] = ()
    seconds: float = 0.0
    lost: bool = False

    def came(self, text: str, calls: tuple[ToolCall, ...], tokens: Tokens | None) -> None:
        """Take down what the server sent."""
        self.text.append(text)
        self.calls += calls
        self.told = tokens or self.told

    def used(self) -> tuple[Tokens, bool]:
        """The tokens, and whether they are an estimate. A request that was refused used none."""
        if self.told is not None:
            return self.told, False
        if not (self.lost or self.text):
            return Tokens(), False
        return Tokens(prompt=prompt_tokens(self.request), reply=_written("".join(self.text), self.calls)), True


class Ledger:
    """The books of one model. Safe to use from several threads."""

    def __init__(self, model: str, price: Price | None, budget: Budget) -> None:
        if budget.cost is not None and price is None:
            raise ValueError(
                f"a budget of {budget.cost:g} needs the price of {model!r}; pass prices={{{model!r}: Price(…)}}"
            )
        self._model, self._price, self._budget = model, price, budget
        self._rows: dict[Who, CallUsage] = {}
        self._under_way: list[Tokens] = []
        self._lock = threading.Lock()

    def usage(self) -> tuple[CallUsage, ...]:
        """What was used so far, by component and stage."""
        with self._lock:
            return tuple(self._rows[who] for who in sorted(self._rows))

    def kept(self, who: Who) -> None:
        """Count a question that a kept reply answered."""
        with self._lock:
            row = self._row(who)
            self._rows[who] = replace(row, kept=row.kept + 1)

    @contextmanager
    def attempt(self, who: Who, request: Request, *, again: bool) -> Iterator[Attempt]:
        """A request under way, counted when it ends, in whatever way. Raises BudgetError when it could pass the budget;
        then it must not be made, and is not counted."""
        attempt = Attempt(request, self._expected(request))
        self._hold(attempt.expected)
        answered = counts = True
        try:
            yield attempt
        except GeneratorExit:  # whoever read the reply has heard enough
            attempt.lost = True
            raise
        except NoSchemaError:
            counts = False  # the same question goes out in another form
            raise
        except BaseException as error:
            answered = False
            if isinstance(error, ModelReplyError):
                attempt.text, attempt.lost = [max(error.raw, "".join(attempt.text), key=len)], True
            attempt.lost = attempt.lost or not isinstance(error, Exception)
            raise
        finally:
            with self._lock:
                self._under_way.remove(attempt.expected)
                if counts:
                    self._enter(who, attempt, answered, again)

    def _expected(self, request: Request) -> Tokens:
        """What the request may use; nothing where no budget wants to know, since counting takes time."""
        if self._budget.tokens is None and self._budget.cost is None:
            return Tokens()
        most = REPLY_ALLOWANCE if request.options.most is None else request.options.most
        return Tokens(prompt=prompt_tokens(request), reply=most)

    def _hold(self, more: Tokens) -> None:
        with self._lock:
            rows, held = self._rows.values(), self._under_way
            known = (
                ("calls", self._budget.calls, sum(row.calls + row.failures for row in rows), len(held), 1),
                (
                    "tokens",
                    self._budget.tokens,
                    sum(row.prompt + row.reply for row in rows),
                    sum(tokens.prompt + tokens.reply for tokens in held),
                    more.prompt + more.reply,
                ),
                (
                    "cost",
                    self._budget.cost,
                    sum(row.cost or 0.0 for row in rows),
                    sum(map(self._cost, held)),
                    self._cost(more),
                ),
            )
            for name, bound, used, kept, wanted in known:
                if bound is not None and used + kept + wanted > bound * ROUNDING:
                    raise BudgetError(
                        f"the next call to {self._model!r} may take the {name} past the budget of {bound:g}: {used:g} are "
                        f"used, calls under way may take {kept:g}, and this one {wanted:g}; raise the budget to go on"
                    )
            held.append(more)

    def _cost(self, tokens: Tokens) -> float:
        return 0.0 if self._price is None else self._price.of(tokens)

    def _enter(self, who: Who, attempt: Attempt, answered: bool, again: bool) -> None:
        row = self._row(who)
        tokens, estimated = attempt.used()
        self._rows[who] = replace(
            row,
            calls=row.calls + answered,
            failures=row.failures + (not answered),
            retries=row.retries + again,
            prompt=row.prompt + tokens.prompt,
            cached=row.cached + tokens.cached,
            reply=row.reply + tokens.reply,
            estimated=row.estimated + estimated,
            cost=None if row.cost is None else row.cost + self._cost(tokens),
            seconds=row.seconds + attempt.seconds,
        )

    def _row(self, who: Who) -> CallUsage:
        cost = None if self._price is None else 0.0
        return self._rows.get(who) or CallUsage(model=self._model, component=who[0], stage=who[1], cost=cost)


def prompt_tokens(request: Request) -> int:
    """An estimate of the tokens that a request sends."""
    tokens = 0
    for message in request.messages:
        tokens += MESSAGE_TOKENS + _written(message.content, message.calls)
    for tool in request.options.tools:
        tokens += estimate(tool.name) + estimate(tool.description) + estimate(json.dumps(dict(tool.parameters)))
    if request.schema is not None:
        tokens += estimate(json.dumps(dict(request.schema)))
    return tokens


def reply_tokens(reply: Reply) -> int:
    """An estimate of the tokens of a reply."""
    return _written(reply.text, reply.calls)


def _written(text: str, calls: tuple[ToolCall, ...]) -> int:
    return estimate(text) + sum(estimate(call.name) + estimate(call.arguments) for call in calls)
