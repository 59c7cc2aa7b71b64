"""The verbs as coroutines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

from memkit.blocking import without_loop
from memkit.context.recall import Recall
from memkit.engine import Engine
from memkit.intake import Addable
from memkit.memory import Memory, drawn, recalled, replayed, rewound, synced
from memkit.offload import NeedsLoop, hurried, offload
from memkit.ports import Llm
from memkit.scope import Binding, Scope
from memkit.values import Event, Forgotten, KnowledgeGraph, Metadata, Receipt, Record, Stats

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


T = TypeVar("T")


class AsyncMemory:
    """A memory whose verbs are coroutines, for one event loop. Get one from `memkit.open_async`.

    Cancelling a call leaves nothing half done: what was being written is written whole or not at all.
    """

    def __init__(self, engine: Engine, *, namespace: str | None = None) -> None:
        self._engine = engine
        self._binding = Binding(namespace)
        self._face = Memory(engine, namespace=namespace)  # for the verbs that are local work

    @property
    def llm(self) -> Llm | None:
        """See `Memory.llm`."""
        return self._face.llm

    def __getitem__(self, namespace: str) -> AsyncMemory:
        return AsyncMemory(self._engine, namespace=self._binding.inner(namespace))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<Async{repr(self._face)[1:]}"

    async def add(
        self,
        what: Addable | Iterable[Addable],
        *,
        namespace: str | None = None,
        session: str | None = None,
        role: str | None = None,
        author: str | None = None,
        kind: str | None = None,
        at: datetime | str | None = None,
        key: str | None = None,
        metadata: Metadata | None = None,
    ) -> Receipt:
        """See `Memory.add`."""
        return await offload(
            self._face.add,
            what,
            namespace=namespace,
            session=session,
            role=role,
            author=author,
            kind=kind,
            at=at,
            key=key,
            metadata=metadata,
        )

    async def recall(
        self,
        text: str,
        *,
        k: int = 5,
        neighbours: int = 0,
        floor: float | None = None,
        vector: ArrayLike | None = None,
        component: str | None = None,
        wait: bool = False,
        **scope: Unpack[Scope],
    ) -> Recall:
        """See `Memory.recall`."""
        cue = self._binding.cue(
            text, k=k, neighbours=neighbours, floor=floor, vector=vector, space=self._engine.space, scope=scope
        )
        return await self._at_once(lambda: recalled(self._engine, cue, component=component, wait=wait))

    async def forget(self, *, verify: bool = False, everything: bool = False, **scope: Unpack[Scope]) -> Forgotten:
        """See `Memory.forget`."""
        where = self._binding.doomed(scope, everything=everything)
        result = await offload(self._engine.store.upkeep.forget, where, verify=verify)
        if result.replayed:
            await replayed(self._engine, where)
        return result

    async def sync(self, *, retry: bool = False, rebuild: bool = False, **scope: Unpack[Scope]) -> Stats:
        """See `Memory.sync`."""
        where = self._binding.wide(scope)
        if rebuild:
            await offload(rewound, self._engine, where)
        await synced(self._engine, where, retry=retry)
        return await self.stats(**scope)

    async def history(self, *, last: int | None = None, **scope: Unpack[Scope]) -> list[Event]:
        """See `Memory.history`."""
        return await offload(self._face.history, last=last, **scope)

    async def records(self, component: str | None = None, **scope: Unpack[Scope]) -> AsyncIterator[Record]:
        """See `Memory.records`."""
        rows = self._face.records(component, **scope)
        while (row := await offload(next, rows, None)) is not None:
            yield row

    async def graph(self, component: str | None = None, **scope: Unpack[Scope]) -> KnowledgeGraph:
        """See `Memory.graph`."""
        where = self._binding.where(scope)
        return await self._at_once(lambda: drawn(self._engine, where, component))

    async def export(self, **scope: Unpack[Scope]) -> AsyncIterator[str]:
        """See `Memory.export`."""
        lines = self._face.export(**scope)
        while (line := await offload(next, lines, None)) is not None:
            yield line

    async def stats(self, **scope: Unpack[Scope]) -> Stats:
        """See `Memory.stats`."""
        return await offload(self._face.stats, **scope)

    async def close(self) -> None:
        """See `Memory.close`."""
        await self._engine.aclose()
        await offload(self._face.close)

    async def _at_once(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of the coroutine that `make` returns. What waits for no network runs in one thread as a whole: to go
        to a thread and back for each step would take most of its time. See docs/decisions/blocking.md."""
        if not self._engine.waits:
            try:
                return await asyncio.to_thread(hurried, without_loop, make)
            except NeedsLoop as e:
                # no embedder or component that waits will ever finish without a loop; to wait for another task is chance
                self._engine.waits = isinstance(e.__cause__, RuntimeError)
        return await make()
