"""A conversation with a model that has a memory, which any crash may interrupt."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from memkit.agents.chat.answer import Answering
from memkit.agents.chat.search import Counted, Means, Search, soon
from memkit.agents.chat.steps import Place, named
from memkit.agents.chat.tools import Confirm, Desk
from memkit.agents.chat.values import Answer, Manner
from memkit.coroutines import AsyncMemory
from memkit.intake import check_text, new_id
from memkit.ports import Llm
from memkit.values import Event, Json, Metadata

GLANCE = 32  # events of the session looked at first for the last turn

ANYTHING = "?"  # a recall of it makes the memory catch up

_NOBODY = object()  # None is the name of an assistant that has none


class Chat:
    """One session of a conversation, kept in the memory turn by turn.

    What is said is in the journal before the model is asked, and so is every reply when it ends; what is said under one
    `key` is said once, and gets one reply. `say` streams the reply, `reply` waits for it. If the process dies in the
    middle of a turn, `resume` answers it later, and a tool that was used is not used again. One chat answers one
    turn at a time. Any number of chats and processes may share a session.

    `llm`: the model, by default the memory's own. `confirm` is shown the events that the model wants to forget and
    says whether it may; without it the model cannot forget. `last` is the latest turn's answer, None if it has none.
    Between turns the memory takes in what was said; `trouble` is what went wrong with that, and `settled` waits for it.
    """

    def __init__(
        self,
        memory: AsyncMemory,
        *,
        session: str,
        llm: Llm | None = None,
        manner: Manner | None = None,
        confirm: Confirm | None = None,
    ) -> None:
        if not inspect.iscoroutinefunction(getattr(memory, "add", None)):
            raise TypeError(f"a chat works on an AsyncMemory, of memkit.open_async, not on a {type(memory).__name__}")
        chosen = memory.llm if llm is None else llm
        if chosen is None:
            raise ValueError("a chat needs a model: open the memory with llm=…, or give Chat llm=…")
        self._memory = memory
        self._session = _checked("session", session)
        self._manner = manner or Manner()
        desk = Desk(memory, self._manner, confirm)
        count = Counted(self._manner.count)
        self._means = Means(memory=memory, llm=chosen, desk=desk, manner=self._manner, count=count)
        self._lock = asyncio.Lock()
        self._reader: asyncio.Task[object] | None = None  # of the reply that is under way
        self._catching_up: asyncio.Task[None] | None = None
        self._behind = False
        self.last: Answer | None = None
        self.trouble: Exception | None = None

    def say(self, text: str, *, author: str | None = None, key: str | None = None) -> AsyncGenerator[str, None]:
        """What the model replies, piece by piece; joined they are the reply. When it ends, `last` is the answer.

        `key` names the turn: what was said under it before is not said again, and a reply that it has is given
        again. Whoever stops reading, or cancels, interrupts the reply: what was read is kept, marked as interrupted; if
        nothing was read yet the turn stays without a reply. On an error nothing of the reply is kept, and `resume`
        makes it anew.

        Raises ValueError, before anything is stored, for an empty text or a key that another text has; what the model
        raises, see `memkit.ports.Llm`; ModelReplyError when the reply is empty or ends before its end.
        """
        return self._turn(_Said.of(text, author, key))

    async def reply(self, text: str, *, author: str | None = None, key: str | None = None) -> Answer:
        """The whole answer. See `say`."""
        return await self._whole(self.say(text, author=author, key=key))

    async def hear(self, text: str, *, author: str | None = None, key: str | None = None) -> str:
        """Keep what somebody said to somebody else; nobody replies. Returns its event id."""
        said = _Said.of(text, author, key)
        self._check_reader()
        async with self._lock:
            return (await self._stored(said, {}))[0]

    async def pending(self) -> Event | None:
        """The last turn that was said to this assistant in the session, if it has no reply."""
        me, last = self._manner.name, GLANCE
        while True:
            events = await self._memory.history(session=self._session, kind="turn", last=last)
            answered: set[Json] = set()
            for event in reversed(events):
                about = event.metadata
                if event.role == "assistant" and about.get("by", _NOBODY) == me:
                    answered.add(about.get("turn"))
                elif event.role == "user" and "turn key" in about and about.get("to", _NOBODY) == me:
                    return None if event.id in answered else event
            if len(events) < last:
                return None
            last *= 4

    async def resume(self) -> Answer | None:
        """Answer the pending turn, going on from the last tool that was used; None when nothing is pending."""
        event = await self.pending()
        if event is None:
            return None
        said = _Said(text=event.text, author=event.author, key=str(event.metadata["turn key"]))
        return await self._whole(self._turn(said))

    async def settled(self) -> None:
        """Wait until every component, also one that asks a model, has taken in what was said. Raises what kept it from
        that; it is tried again after the next turn."""
        while self._catching_up is not None and not self._catching_up.done():
            await asyncio.shield(self._catching_up)
        trouble, self.trouble = self.trouble, None
        if trouble is not None:
            raise trouble

    def _check_reader(self) -> None:
        if self._lock.locked() and self._reader is asyncio.current_task():
            raise ValueError("this chat is in the middle of a reply; read it to its end first, or close it")

    async def _turn(self, said: _Said) -> AsyncGenerator[str, None]:
        self._check_reader()
        async with self._lock:
            if self._catching_up is not None:
                await soon(self._catching_up)
            search = Search(self._means, said.text)
            answering: Answering | None = None
            try:
                await (
                    search.begun()
                )  # it looks at the memory as it was before the turn, which would be its own best hit
                started = time.perf_counter()
                turn, fresh = await self._stored(said, {"to": self._manner.name})
                seconds = {"adding": time.perf_counter() - started}
                place = Place(session=self._session, key=said.key, by=self._manner.name, turn=turn)
                answering = Answering(self._means, place, search, fresh=fresh, seconds=seconds)
                async with aclosing(answering.pieces()) as pieces:
                    async for text in pieces:
                        self._reader = asyncio.current_task()
                        yield text
            finally:
                self._reader = None
                search.stop()
                self.last = None if answering is None else answering.answer
            self._catch_up()

    async def _whole(self, pieces: AsyncGenerator[str, None]) -> Answer:
        """The answer, when all its pieces have come."""
        async with aclosing(pieces):
            async for _ in pieces:
                pass
        assert self.last is not None
        return self.last

    async def _stored(self, said: _Said, about: Metadata) -> tuple[str, bool]:
        """The id of the turn, which is in the journal now, and whether it is new there."""
        receipt = await self._memory.add(
            said.text,
            author=said.author,
            session=self._session,
            key=named(self._session, said.key, "said"),
            metadata={"turn key": said.key, **about},
        )
        id = receipt.ids[0]
        if receipt.known:
            stored = (await self._memory.history(ids=id))[0]
            if stored.text != said.text:
                raise ValueError(f"the key {said.key!r} has another text; give every turn its own key")
        return id, not receipt.known

    def _catch_up(self) -> None:
        """Let the memory take in what was said while the person reads, not when the next turn waits for it."""
        self._behind = True
        if self._catching_up is None or self._catching_up.done():
            self._catching_up = asyncio.get_running_loop().create_task(self._caught_up())

    async def _caught_up(self) -> None:
        while self._behind:
            self._behind = False
            try:
                await self._memory.recall(ANYTHING, k=1, wait=True)  # `sync` would do more than a turn needs
            except Exception as e:  # nobody waits here: it is kept, and `settled` raises it
                self.trouble = e


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What somebody says, checked."""

    text: str
    author: str | None
    key: str

    @staticmethod
    def of(text: str, author: str | None, key: str | None) -> _Said:
        if not check_text(text, "the text").strip():
            raise ValueError("the text is empty; there is nothing to reply to")
        return _Said(
            text=text,
            author=None if author is None else _checked("author", author),
            key=new_id() if key is None else _checked("key", key),
        )


def _checked(name: str, value: str) -> str:
    if not check_text(value, name).strip():
        raise ValueError(f"{name} is empty; give it a name, or leave it out")
    return value
