"""The making of one reply: read what was said before, recall, ask the model, use tools, keep what it said."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import replace

from memkit.agents.chat import prompt
from memkit.agents.chat.search import Means, Search, latest
from memkit.agents.chat.steps import KINDS, Place, Step, call_events, result_event, steps_of
from memkit.agents.chat.tools import Asked, Shown, read_calls
from memkit.agents.chat.values import Answer, Ending, Used
from memkit.context.recall import Recall
from memkit.errors import ModelError, ModelReplyError
from memkit.messages import Message, Piece, Tokens, ToolCall
from memkit.values import Event, Json

DECLINED = "(The model declined to answer.)"
STAGE = "reply"


class Answering:
    """One reply in the making. `pieces` streams it; afterwards `answer` is what it came to."""

    def __init__(self, means: Means, place: Place, search: Search, *, fresh: bool, seconds: dict[str, float]) -> None:
        self._means = means
        self._place = place
        self._search = search
        self._fresh = fresh
        self._seconds = seconds
        self._said: list[str] = []
        self._finish: Ending = "stop"
        self._used: list[Used] = []
        self._tokens: Tokens | None = None
        self._recall: Recall | None = None
        self._shown = Shown()
        self.answer: Answer | None = None

    async def pieces(self) -> AsyncGenerator[str, None]:
        """The text as it comes. It is in the journal when this ends. Stopped from outside after the first piece, by closing
        or cancelling, what was said so far is kept as an interrupted reply; an error keeps nothing."""
        before = [] if self._fresh else await self._earlier()
        stored = next((event for event in before if event.kind == "turn"), None)
        if stored is not None:
            self.answer = self._stored(stored)
            yield stored.text
            return
        try:
            async with aclosing(self._made(steps_of(before))) as pieces:
                async for text in pieces:
                    self._said.append(text)
                    self._seconds.setdefault("first", time.perf_counter() - self._search.started)
                    yield text
        except (GeneratorExit, asyncio.CancelledError):
            if "".join(self._said).strip():
                self._finish = "interrupted"
                await self._keep()
            raise
        await self._keep()

    async def _made(self, steps: list[Step]) -> AsyncGenerator[str, None]:
        """The reply's text, through as many rounds of tools as it takes."""
        manner, desk = self._means.manner, self._means.desk
        messages = await self._asked()
        for step in steps:
            messages += await self._done(step)
        for number in range(len(steps), manner.rounds + 1):
            offered = number < manner.rounds
            calls: tuple[ToolCall, ...] = ()
            spoken = len(self._said)
            async with aclosing(self._streamed(messages, offered=offered)) as pieces:
                async for piece in pieces:
                    calls = piece.calls or calls
                    if piece.text:
                        yield piece.text
            if not calls or not offered:
                return
            said = "".join(self._said[spoken:])
            if said:
                yield "\n\n"  # what the model said before it called is part of the reply
            asked = read_calls(calls, [tool.name for tool in desk.tools], self._shown, number)
            step = await self._journaled(Step(number=number, asked=asked, results={}))
            messages += await self._done(step, said)

    async def _streamed(self, messages: Sequence[Message], *, offered: bool) -> AsyncGenerator[Piece, None]:
        """One call of the model. When a request with tools is refused, it is made once more without them, and tools
        are not offered again: not every server takes them."""
        desk, options = self._means.desk, self._means.manner.options
        tools = desk.tools if offered else ()
        came, finish = False, None
        started = time.perf_counter()
        try:
            stream = self._means.llm.stream(messages, stage=STAGE, options=replace(options, tools=tools))
            async with aclosing(stream) as pieces:
                async for piece in pieces:
                    self._spent("model", started)
                    came, finish = True, piece.finish or finish
                    yield self._taken(piece)
                    started = time.perf_counter()
        except ModelError as e:
            if type(e) is not ModelError or came or not tools:
                raise
            async with aclosing(self._streamed(messages, offered=False)) as again:
                async for piece in again:
                    yield piece
            desk.refused = True
            return
        self._spent("model", started)
        if finish is None:
            raise ModelReplyError("the reply ended before it was finished", raw="".join(self._said))
        self._finish = "stop" if finish == "calls" else finish

    def _taken(self, piece: Piece) -> Piece:
        """The piece as it can be kept, its tokens counted."""
        if piece.tokens is not None:
            so_far = self._tokens or Tokens()
            self._tokens = Tokens(
                prompt=so_far.prompt + piece.tokens.prompt,
                reply=so_far.reply + piece.tokens.reply,
                cached=so_far.cached + piece.tokens.cached,
            )
        text = _storable(piece.text)
        return piece if text == piece.text else replace(piece, text=text)

    async def _asked(self) -> list[Message]:
        """The messages up to the turn, with what is recalled for it."""
        manner, me = self._means.manner, self._place.by
        turn, recent, others = await latest(self._means, self._place)
        self._recall = await self._search.elsewhere(recent.whole | {turn.id})
        context = self._recall.context(manner.recall_tokens, count=self._means.count)
        marks = {str(mark): self._others(source.event for source in by) for mark, by in context.sources.items()}
        self._shown = Shown(marks, max(context.sources, default=0))
        self._spent("recalling", self._search.started)
        first = prompt.system(manner.habits, me, context.text)
        return [first, *prompt.spoken([*recent.events, turn, *others], me)]

    async def _journaled(self, step: Step) -> Step:
        """The round as the journal has it: another process may have been quicker."""
        with self._timed("tools"):
            receipt = await self._means.memory.add(call_events(self._place, step, self._shown.events))
            if receipt.ids[-1] in receipt.known:
                stored = steps_of(await self._earlier())
                return next((other for other in stored if other.number == step.number), step)
        return step

    async def _done(self, step: Step, said: str = "") -> list[Message]:
        """Make the calls of a round that were not made yet; the round as messages."""
        texts: list[str] = []
        with self._timed("tools"):
            for n, asked in enumerate(step.asked):
                known = step.results.get(n)
                text, summary, events = await self._result(asked, known)
                if known is None:
                    await self._means.memory.add(result_event(self._place, step.number, n, summary, events))
                texts.append(text)
                self._used.append(Used(tool=asked.call.name, result=summary))
        return step.messages(said, texts)

    async def _result(self, asked: Asked, known: str | None) -> tuple[str, str, Sequence[str]]:
        """What the model is told, what the journal is, and the ids of what was shown. To recall once more does no harm,
        and its result is not in the journal; nothing else is done again."""
        if asked.wrong:
            return asked.wrong, asked.wrong, ()
        if asked.call.name == "recall":
            return await self._recalled(asked.text)
        text = known or (
            "Remembered." if asked.call.name == "remember" else await self._means.desk.forget(asked.events)
        )
        return text, text, ()

    async def _recalled(self, query: str) -> tuple[str, str, Sequence[str]]:
        desk = self._means.desk
        found = await desk.recall(query)
        if isinstance(found, str):
            return found, found, ()
        others = prompt.without(found, {self._place.turn}, self._means.manner.k)
        text, events = desk.listed(others, self._shown.top + 1)
        self._shown = self._shown.more([self._others(ids) for ids in events])
        return text, f"{len(events)} found", [id for ids in events for id in ids]

    def _others(self, events: Iterable[str]) -> tuple[str, ...]:
        """Without the turn itself, which cannot be forgotten while it is answered."""
        return tuple(dict.fromkeys(event for event in events if event != self._place.turn))

    async def _earlier(self) -> list[Event]:
        """What the journal has of this answer, from before a crash."""
        place = self._place
        return await self._means.memory.history(
            session=place.session, kind=KINDS, role="assistant", metadata={"turn": place.turn, "by": place.by}
        )

    async def _keep(self) -> None:
        """Put the reply into the journal. When another process was quicker, its reply is the one."""
        text, place, memory = "".join(self._said), self._place, self._means.memory
        if not text.strip():
            if self._finish != "refusal":
                raise ModelReplyError("the model replied with nothing", raw=text)
            text = DECLINED
        tools: list[Json] = [used.tool for used in self._used]
        recalled: list[Json] = list(self._shown.events)
        with self._timed("keeping"):
            receipt = await memory.add(place.message("turn", text, finish=self._finish, recalled=recalled, tools=tools))
        if receipt.known:
            self.answer = self._stored((await memory.history(ids=receipt.ids))[0])
            return
        self.answer = Answer(
            text=text,
            finish=self._finish,
            turn=place.turn,
            event=receipt.ids[0],
            key=place.key,
            recalled=self._shown.events,
            recall=self._recall,
            used=tuple(self._used),
            tokens=self._tokens,
            seconds=self._seconds,
        )

    def _stored(self, reply: Event) -> Answer:
        """The answer that the journal had already."""
        recalled = reply.metadata.get("recalled")
        return Answer(
            text=reply.text,
            finish=str(reply.metadata.get("finish")),  # type: ignore[arg-type]  # an Ending, as `_keep` wrote it
            turn=self._place.turn,
            event=reply.id,
            key=self._place.key,
            recalled=tuple(str(id) for id in recalled) if isinstance(recalled, list) else (),
            seconds=self._seconds,
        )

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self._spent(stage, started)

    def _spent(self, stage: str, started: float) -> None:
        self._seconds[stage] = self._seconds.get(stage, 0.0) + time.perf_counter() - started


def _storable(text: str) -> str:
    """Without what no database keeps: NUL, and halves of characters."""
    return text.replace("\0", "\ufffd").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
