"""A chat model as one component or agent has it: `memkit.ports.Llm`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Generic, TypeVar

from memkit.errors import BudgetError, ModelError, UnreachableError
from memkit.messages import Message, Options, Piece, Reply, Request, Shape
from memkit.models import kept as replies
from memkit.models.asking import UnusableError, asked, value_of
from memkit.models.calls import Calls
from memkit.models.kept import Kept
from memkit.models.ledger import Who
from memkit.models.schema import check_schema

T = TypeVar("T")
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class _Question(Generic[T]):
    """What is asked about which events. Its reply is kept under the key whatever form it is sent in; what is about no
    events has none."""

    request: Request
    sources: tuple[str, ...]
    key: str

    @staticmethod
    def of(
        model: str,
        messages: Sequence[Message],
        options: Options | None,
        sources: Sequence[str],
        shape: Shape[T] | None = None,
    ) -> _Question[T]:
        if isinstance(messages, str | Message) or not all(isinstance(message, Message) for message in messages):
            raise TypeError("messages must be a sequence of Message")
        if not messages:
            raise ValueError("there must be at least one message")
        if isinstance(sources, str):
            raise TypeError("sources must be a sequence of event ids, not one str; put it in a list")
        request = Request(
            messages=tuple(messages),
            options=options or Options(),
            schema=None if shape is None else shape.schema,
            schema_name="reply" if shape is None else shape.name,
        )
        return _Question(request, tuple(sources), request.key(model) if sources else "")


class Bound:
    """See `memkit.ports.Llm`. `Metered.bound` makes it; it holds nothing of its own and need not be closed."""

    def __init__(self, calls: Calls, component: str, kept: Kept | None) -> None:
        self._calls = calls
        self._component = component
        self._kept = kept

    @property
    def model(self) -> str:
        return self._calls.model.model

    async def complete(
        self,
        messages: Sequence[Message],
        /,
        *,
        stage: str,
        options: Options | None = None,
        sources: Sequence[str] = (),
    ) -> Reply:
        """See `memkit.ports.Llm.complete`. A refusal is not kept: the next try may be answered."""
        asyncio.get_running_loop()  # a blocking face tries without one first, and nothing may be counted or sent then
        question: _Question[Reply] = _Question.of(self.model, messages, options, sources)
        who = (self._component, stage)
        answer, key = await self._remembered(question, await self._found([question]), lambda reply: reply)
        if answer is not None:
            self._calls.ledger.kept(who)
            return answer
        reply = await self._calls.complete(question.request, who)
        if reply.finish != "refusal":
            await self._keep(question, key, reply)
        return reply

    async def stream(
        self, messages: Sequence[Message], /, *, stage: str, options: Options | None = None
    ) -> AsyncGenerator[Piece, None]:
        """See `memkit.ports.Llm.stream`."""
        asyncio.get_running_loop()
        question: _Question[Reply] = _Question.of(self.model, messages, options, ())
        async with aclosing(self._calls.stream(question.request, (self._component, stage))) as pieces:
            async for piece in pieces:
                yield piece

    async def ask(
        self,
        messages: Sequence[Message],
        shape: Shape[T],
        /,
        *,
        stage: str,
        options: Options | None = None,
        sources: Sequence[str] = (),
    ) -> T:
        """See `memkit.ports.Llm.ask`. Raises ValueError for a schema with words that `memkit.models.schema` does not know."""
        asyncio.get_running_loop()
        check_schema(shape.schema)
        question = _Question.of(self.model, messages, options, sources, shape)
        return await self._answer(question, shape, (self._component, stage), await self._found([question]))

    async def ask_all(
        self,
        questions: Sequence[Sequence[Message]],
        shape: Shape[T],
        /,
        *,
        stage: str,
        options: Options | None = None,
        sources: Sequence[Sequence[str]] = (),
    ) -> list[T | ModelError]:
        """See `memkit.ports.Llm.ask_all`. When the budget is at its end, the questions under way are still answered, and
        kept, before BudgetError is raised."""
        asyncio.get_running_loop()
        check_schema(shape.schema)
        if sources and len(sources) != len(questions):
            raise ValueError(f"there are {len(questions)} questions, but sources for {len(sources)}")
        asks = [
            _Question.of(self.model, messages, options, about, shape)
            for messages, about in zip(questions, sources or [()] * len(questions), strict=True)
        ]
        return await self._all(asks, shape, (self._component, stage), await self._found(asks))

    async def _all(
        self, asks: Sequence[_Question[T]], shape: Shape[T], who: Who, known: dict[str, str]
    ) -> list[T | ModelError]:
        """The answers in order; no more tasks than may ask at once."""
        self._calls.check_turns()  # its tasks are other ones than that which may read a stream
        answers: dict[int, T | ModelError] = {}
        spent: list[BudgetError] = []
        rest = iter(enumerate(asks))

        async def work() -> None:
            for index, question in rest:
                try:
                    value = await self._answer(question, shape, who, known)
                    answers[index] = value
                except UnreachableError:
                    raise
                except BudgetError as error:
                    spent.append(error)
                    list(rest)  # nobody begins another one
                except ModelError as error:
                    answers[index] = error

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._calls.limits.at_once, len(asks))):
                    group.create_task(work())
        except ExceptionGroup as failed:
            first = failed.exceptions[0]  # the others were cancelled, or failed for the same reason
            raise first from first.__cause__
        if spent:
            raise spent[0]
        return [answers[index] for index in range(len(asks))]

    async def _answer(self, question: _Question[T], shape: Shape[T], who: Who, known: dict[str, str]) -> T:
        kept, key = await self._remembered(question, known, lambda reply: (value_of(reply, shape),))
        if kept is not None:
            self._calls.ledger.kept(who)
            return kept[0]
        value, reply = await asked(self._calls, question.request, shape, who)
        await self._keep(question, key, reply)
        return value

    async def _found(self, questions: Sequence[_Question[T]]) -> dict[str, str]:
        keys = [question.key for question in questions if question.sources]
        return await self._kept.find(keys) if self._kept is not None and keys else {}

    async def _remembered(
        self, question: _Question[T], known: dict[str, str], read: Callable[[Reply], Found]
    ) -> tuple[Found | None, str]:
        """What can be read from the kept reply, and the key to keep another one under. One that is no longer of any
        use is passed over, for the one that was kept after it."""
        key = question.key
        while question.sources and self._kept is not None and key in known:
            reply = replies.read(known[key])
            if reply is not None:
                try:
                    return read(reply), key
                except UnusableError:
                    pass
            key = replies.after(key, known[key])
            known = await self._kept.find([key])
        return None, key

    async def _keep(self, question: _Question[T], key: str, reply: Reply) -> None:
        if self._kept is not None and question.sources:
            await self._kept.keep(key, replies.written(reply), question.sources)
