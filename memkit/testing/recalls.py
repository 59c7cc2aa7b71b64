"""Assertions on what a memory recalls, which say where the missing text is: the fixtures of `memkit.testing.plugin`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Protocol, TypeAlias, Unpack

from memkit.context.quote import line_of
from memkit.context.recall import Recall
from memkit.coroutines import AsyncMemory
from memkit.memory import Memory
from memkit.scope import Scope
from memkit.values import Event, Hit, Record, Stats

Wanted: TypeAlias = str | Callable[[Hit], bool]

DEEP = 1_000  # hits among which a missing text is looked for
_SHOWN = 120  # characters of a text in a message


def assert_recalls(
    memory: Memory,
    query: str,
    expected: Wanted | Sequence[Wanted] = (),
    *,
    k: int = 5,
    absent: Wanted | Sequence[Wanted] = (),
    wait: bool = True,
    **scope: Unpack[Scope],
) -> Recall:
    """Recall, and raise AssertionError unless everything expected is among the `k` hits and nothing absent is.

    A text is among them when it occurs in the text of a hit, whatever its case and spaces, or is the id of an event that
    a hit came from; a function, when it is true of a hit. The error shows the hits with their reasons, and where what is
    missing was found instead: further down, below the floor, in the journal only, or nowhere. Components that ask a
    chat model are waited for, unless `wait` is False. Returns the recall.
    """
    __tracebackhide__ = True
    if not isinstance(memory, Memory):
        raise TypeError(f"assert_recalls takes a Memory, not {memory!r}; an AsyncMemory has assert_recalls_async")
    check = _check(_Blocking(memory), query, _several(expected), _several(absent), k, wait, scope)
    try:
        check.send(None)
    except StopIteration as done:
        recall: Recall = done.value
        return recall
    raise RuntimeError("a verb of a blocking memory has waited for an event loop")


async def assert_recalls_async(
    memory: AsyncMemory,
    query: str,
    expected: Wanted | Sequence[Wanted] = (),
    *,
    k: int = 5,
    absent: Wanted | Sequence[Wanted] = (),
    wait: bool = True,
    **scope: Unpack[Scope],
) -> Recall:
    """See `assert_recalls`."""
    __tracebackhide__ = True
    if not isinstance(memory, AsyncMemory):
        raise TypeError(f"assert_recalls_async takes an AsyncMemory, not {memory!r}; a Memory has assert_recalls")
    return await _check(_Awaiting(memory), query, _several(expected), _several(absent), k, wait, scope)


class _Face(Protocol):
    """The verbs that are needed here, whichever face the memory has."""

    async def recall(self, query: str, *, k: int, floor: float | None, wait: bool, scope: Scope) -> Recall: ...
    async def history(self, scope: Scope) -> list[Event]: ...
    async def stats(self, scope: Scope) -> Stats: ...
    def records(self, scope: Scope) -> AsyncIterator[Record]: ...


class _Blocking:
    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def recall(self, query: str, *, k: int, floor: float | None, wait: bool, scope: Scope) -> Recall:
        return self._memory.recall(query, k=k, floor=floor, wait=wait, **scope)

    async def history(self, scope: Scope) -> list[Event]:
        return self._memory.history(**scope)

    async def stats(self, scope: Scope) -> Stats:
        return self._memory.stats(**scope)

    async def records(self, scope: Scope) -> AsyncIterator[Record]:
        for record in self._memory.records(**scope):
            yield record


class _Awaiting:
    def __init__(self, memory: AsyncMemory) -> None:
        self._memory = memory

    async def recall(self, query: str, *, k: int, floor: float | None, wait: bool, scope: Scope) -> Recall:
        return await self._memory.recall(query, k=k, floor=floor, wait=wait, **scope)

    async def history(self, scope: Scope) -> list[Event]:
        return await self._memory.history(**scope)

    async def stats(self, scope: Scope) -> Stats:
        return await self._memory.stats(**scope)

    def records(self, scope: Scope) -> AsyncIterator[Record]:
        return self._memory.records(**scope)


async def _check(
    face: _Face, query: str, expected: Sequence[Wanted], absent: Sequence[Wanted], k: int, wait: bool, scope: Scope
) -> Recall:
    __tracebackhide__ = True
    if not expected and not absent:
        raise ValueError("nothing is expected and nothing has to be absent: this could not fail")
    recall = await face.recall(query, k=k, floor=None, wait=wait, scope=scope)
    wrong = [
        f"{_named(wanted)} must be absent, and is hit {rank} of {query!r}."
        for wanted in absent
        if (rank := _rank(wanted, recall)) is not None
    ]
    for wanted in expected:
        if _rank(wanted, recall) is None:
            found = await _whereabouts(face, wanted, query, k, wait, scope)
            hits = "hit" if k == 1 else f"{k} hits"
            wrong.append("\n  ".join([f"{_named(wanted)} is not in the first {hits} of {query!r}.", *found]))
    if wrong:
        raise AssertionError("\n".join([*wrong, "", recall.explain()]))
    return recall


async def _whereabouts(face: _Face, wanted: Wanted, query: str, k: int, wait: bool, scope: Scope) -> list[str]:
    """Where it is instead, a sentence a line."""
    for floor in (None, 0.0):
        deep = await face.recall(query, k=max(k, DEEP), floor=floor, wait=wait, scope=scope)
        rank = _rank(wanted, deep)
        if rank is not None:
            hit = deep[rank - 1]
            why = f"beyond k={k}" if floor is None else "below the floor, so that it is left out"
            return [f"It is hit {rank} of {len(deep)}, {why}: {hit.score:.2f} {_shown(hit.record)}"]
    told = [
        f"A row has it, but nothing in common with the question: {_shown(row)}"
        async for row in _rows(face, wanted, scope)
    ]
    events = [event for event in await face.history(scope) if _meets(wanted, _as_hit(event))]
    if events:
        return told[:1] + await _unabsorbed(face, events, scope, rows=bool(told))
    if told:
        return told[:1]
    everything = _namespace(scope)
    if everything != scope:
        events = [event for event in await face.history(everything) if _meets(wanted, _as_hit(event))]
        if events:
            return [f"It is in the journal, but the filters leave it out: {_shown(events[0])}"]
    return ["It is nowhere in the journal of this namespace."]


async def _unabsorbed(face: _Face, events: Sequence[Event], scope: Scope, *, rows: bool) -> list[str]:
    """Why what the journal has is no row."""
    stats = await face.stats(_namespace(scope))
    told = [] if rows else [f"It is in the journal: {_shown(events[0])}"]
    ids = {event.id for event in events}
    told += [
        f"{entry.component} failed on it {entry.attempts} times and set it aside: {entry.error}"
        for entry in stats.deferred
        if entry.event in ids
    ]
    told += [
        f"{component} has {count} events still to absorb; `sync` waits for it."
        for component, count in stats.pending.items()
        if count
    ]
    if len(told) == 1 and not rows:
        told.append("No component has made a row of it: not worth remembering to them, or split between two rows.")
    return told


async def _rows(face: _Face, wanted: Wanted, scope: Scope) -> AsyncIterator[Record]:
    async for record in face.records(scope):
        if _meets(wanted, Hit(record=record, score=0.0)):
            yield record


def _several(wanted: Wanted | Sequence[Wanted]) -> Sequence[Wanted]:
    some: Sequence[object] = (wanted,) if isinstance(wanted, str) or callable(wanted) else tuple(wanted)
    checked: list[Wanted] = []
    for one in some:
        if not callable(one) and not (isinstance(one, str) and one.strip()):
            raise ValueError(f"{one!r} cannot be looked for; give a text, the id of an event, or a function of a hit")
        checked.append(one)
    return checked


def _rank(wanted: Wanted, hits: Iterable[Hit]) -> int | None:
    return next((rank for rank, hit in enumerate(hits, 1) if _meets(wanted, hit)), None)


def _meets(wanted: Wanted, hit: Hit) -> bool:
    if isinstance(wanted, str):
        return _folded(wanted) in _folded(hit.text) or wanted in hit.events
    return bool(wanted(hit))


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _as_hit(event: Event) -> Hit:
    return Hit(record=Record.of(event, "journal"), score=0.0)


def _namespace(scope: Scope) -> Scope:
    """The scope without its filters."""
    wide: Scope = {}
    if "namespace" in scope:
        wide["namespace"] = scope["namespace"]
    if "below" in scope:
        wide["below"] = scope["below"]
    return wide


def _named(wanted: Wanted) -> str:
    return repr(wanted) if isinstance(wanted, str) else f"what {getattr(wanted, '__name__', repr(wanted))} looks for"


def _shown(row: Event | Record) -> str:
    who = row.author or row.role
    return f"[{row.at.date().isoformat()}{f', {who}' if who else ''}] {line_of(row.text, _SHOWN)}"
