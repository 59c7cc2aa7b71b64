"""Everything that a component promises: `memkit.ports.Component`, seen through a memory that holds it alone.

    class TestMyComponent(ComponentContract):
        @pytest.fixture
        def component(self):
            return MyComponent()

It may await whatever it likes; every law holds for the blocking face and for coroutines. A component that asks a
model is given a scripted one, which answers the same question always alike.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memkit.coroutines import AsyncMemory
from memkit.engine import Engine
from memkit.memory import Memory
from memkit.models.checked import Checked
from memkit.ports import Component, Embedder, Store
from memkit.testing.contracts.contents import (
    alike,
    answers,
    conversations,
    extracted,
    held,
    recalled,
    renewed,
)
from memkit.testing.contracts.law import Contract, law
from memkit.testing.contracts.samples import an_event, fresh_namespace, some_events, some_filters, texts
from memkit.values import Cue, Event, Hit, Where
from memkit.view import Workshop
from memkit_stores import SqlStore

QUESTIONS = (
    "Lisbon",
    "Where does Ana live?",
    "the dog and the 日本語",
    "8 May 2024",
    "no such thing was ever said zzz",
)
ODD = (
    '"',
    "*",
    "AND OR NOT",
    "NEAR(a b)",
    "a:b",
    "' OR 1=1 --",
    "(((",
    "\\",
    "%_",
    "😀",
    "e\u0301",
    "\n",
    "?" * 500,
    "é" * 3000,
)


class ComponentContract(Contract):
    """Give it a fixture `component`, and if you like `embedder` and `store`."""

    @pytest.fixture
    def component(self) -> Component:
        raise NotImplementedError("give the suite a fixture `component`")

    @pytest.fixture
    def embedder(self) -> Embedder | None:
        """What the memory embeds with; without one, rows have no vectors but those of the component's own."""
        return None

    @pytest.fixture
    def store(self) -> Iterator[Store]:
        """An open store on an empty database."""
        store = SqlStore(":memory:")
        yield store
        store.close()

    @pytest.fixture
    def engine(self, store: Store, component: Component, embedder: Embedder | None) -> Engine:
        """An event that the component cannot absorb is deferred at once."""
        checked = None if embedder is None else Checked(embedder)
        if checked is not None:
            store.spaces.use(checked.space, whole=False)
        return Engine(Workshop(store, checked), [component], pauses=())

    @pytest.fixture
    def memory(self, engine: Engine) -> Iterator[Memory]:
        with Memory(engine) as memory:
            yield memory

    def test_the_name_is_a_short_text_and_stays_the_same(self, component: Component) -> None:
        assert isinstance(component.name, str)
        assert 0 < len(component.name) <= 40
        assert component.name == component.name.strip()

    @law()
    @given(events=conversations())
    def test_every_row_names_the_events_and_characters_it_came_from(
        self, memory: Memory, engine: Engine, component: Component, events: list[Event]
    ) -> None:
        namespace = fresh_namespace()
        memory[namespace].add(renewed(events, namespace))
        stats = memory[namespace].sync()
        assert stats.deferred == ()
        assert stats.pending == {component.name: 0}
        by_id = {event.id: event for event in memory[namespace].history()}
        for row in held(engine, component.name, namespace, events):
            assert row.record.component == component.name
            assert row.record.namespace == namespace
            assert row.record.sources
            for source in row.record.sources:
                assert 0 <= source.start <= source.end <= len(by_id[source.event].text)
        for number, extraction in extracted(engine, component.name, namespace):
            source = extraction.source
            assert 0 <= source.start <= source.end <= len(events[number].text)
            assert all((*extraction.names, *(end for fact in extraction.facts for end in (fact.subject, fact.object))))

    @law()
    @given(events=conversations(), data=st.data())
    def test_batches_of_any_size_give_the_same_rows(
        self, memory: Memory, engine: Engine, component: Component, events: list[Event], data: st.DataObject
    ) -> None:
        whole, parts = fresh_namespace(), fresh_namespace()
        memory[whole].add(renewed(events, whole))
        memory[whole].sync()
        _in_parts(memory[parts], renewed(events, parts), data)
        assert alike(engine, component.name, parts, events) == alike(engine, component.name, whole, events)

    @law(25)
    @given(events=conversations(), data=st.data())
    def test_forgetting_leaves_what_would_have_been_there(
        self, memory: Memory, engine: Engine, component: Component, events: list[Event], data: st.DataObject
    ) -> None:
        """add(A); add(B); forget(B) is add(A), row for row but for ids and times, name for name, fact for fact, and to every
        question."""
        gone = data.draw(st.frozensets(st.integers(0, len(events) - 1), min_size=1))
        kept = [event for n, event in enumerate(events) if n not in gone]
        never, once = fresh_namespace(), fresh_namespace()
        memory[never].add(renewed(kept, never))
        memory[never].sync()
        added = renewed(events, once)
        _in_parts(memory[once], added, data)
        memory[once].recall("Lisbon")  # so that there are caches of what will be forgotten
        result = memory[once].forget(ids=[added[n].id for n in gone])
        assert result.events == len(gone)
        assert memory[once].stats().pending == {component.name: 0}
        assert alike(engine, component.name, once, kept) == alike(engine, component.name, never, kept)
        for question in (*QUESTIONS, *(event.text[:200] for event in kept[:2])):
            assert recalled(memory[once], question) == recalled(memory[never], question)

    @law()
    @given(events=some_events(), data=st.data(), k=st.integers(1, 4), neighbours=st.integers(0, 2), question=texts)
    def test_hits_are_rows_that_the_filter_admits_best_first(
        self,
        engine: Engine,
        component: Component,
        events: list[Event],
        data: st.DataObject,
        k: int,
        neighbours: int,
        question: str,
    ) -> None:
        engine.store.journal.append([event if event.text.strip() else replace(event, text="x") for event in events])
        where = data.draw(some_filters(events))
        text = data.draw(st.sampled_from([event.text for event in events]) | st.just(question))
        cue = Cue(text=text, where=where, k=k, neighbours=neighbours, floor=data.draw(st.sampled_from((None, 0.0))))
        hits = recall_of(engine, component, cue)
        assert len(hits) <= k
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        assert len({hit.record.id for hit in hits}) == len(hits)
        for hit in hits:
            assert 0 <= hit.score <= 1
            assert hit.component == component.name
            assert where.admits(hit.record)
            assert all(where.admits(beside) for beside in (*hit.before, *hit.after))
            assert len(hit.before) <= neighbours >= len(hit.after)

    def test_there_are_no_more_hits_than_asked_for_and_the_filter_comes_first(
        self, memory: Memory, engine: Engine, component: Component
    ) -> None:
        """Many rows answer alike; those that the filter admits are the minority."""
        namespace = fresh_namespace()
        memory[namespace].add(
            [
                an_event(f"Ana's dog number{n} likes Lisbon in May", namespace=namespace, minute=n, session=f"s{n % 4}")
                for n in range(24)
            ]
        )
        every = Where(namespace=namespace)
        for where in (every, replace(every, sessions=frozenset({"s3"}))):
            most = len(recall_of(engine, component, Cue(text="the dog likes Lisbon", where=where, k=100, floor=0.0)))
            for k in (1, 3, 5):
                hits = recall_of(engine, component, Cue(text="the dog likes Lisbon", where=where, k=k, floor=0.0))
                assert all(where.admits(hit.record) for hit in hits)
                assert len(hits) == min(k, most)

    def test_a_memory_that_knows_nothing_finds_nothing(self, memory: Memory) -> None:
        for question in QUESTIONS:
            assert list(memory[fresh_namespace()].recall(question)) == []

    def test_any_question_is_text(self, memory: Memory) -> None:
        bound = memory[fresh_namespace()]
        bound.add(["I moved to Lisbon in May.", "日本語を勉強しています", "My dog 😀 is called Toby."], session="s")
        for question in (*ODD, *QUESTIONS):
            if question.strip():
                assert len(bound.recall(question, k=2, neighbours=1, floor=0)) <= 2

    @law(10)
    @given(events=conversations())
    def test_both_faces_give_the_same_rows_and_hits(
        self, memory: Memory, engine: Engine, component: Component, events: list[Event]
    ) -> None:
        blocking, awaited = fresh_namespace(), fresh_namespace()
        memory[blocking].add(renewed(events, blocking))
        first = [recalled(memory[blocking], question) for question in QUESTIONS]

        async def other() -> Sequence[Sequence[object]]:
            bound = AsyncMemory(engine)[awaited]
            await bound.add(renewed(events, awaited))
            ids = [event.id for event in await bound.history()]
            return [answers(await bound.recall(question, k=3, floor=0), ids) for question in QUESTIONS]

        assert asyncio.run(other()) == first
        assert alike(engine, component.name, awaited, events) == alike(engine, component.name, blocking, events)

    def test_a_running_loop_is_no_obstacle_to_the_blocking_face(self, memory: Memory) -> None:
        """As in a notebook."""
        bound = memory[fresh_namespace()]

        async def cell() -> int:
            bound.add("I moved to Lisbon in May.")
            bound.recall("Lisbon")
            return bound.stats().events

        assert asyncio.run(cell()) == 1

    def test_threads_that_ask_at_once_see_every_event_absorbed_once(
        self, memory: Memory, engine: Engine, component: Component
    ) -> None:
        alone, crowd = fresh_namespace(), fresh_namespace()
        said = ("The dog is called Toby.", "We live in Lisbon.", "日本語", "Lisbon again")
        events = [an_event(said[n % 4], namespace=alone, minute=n, session="s") for n in range(20)]
        memory[alone].add(events)
        memory[alone].sync()
        memory[crowd].add(renewed(events, crowd))
        threads = [threading.Thread(target=memory[crowd].recall, args=("Lisbon",)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert alike(engine, component.name, crowd, events) == alike(engine, component.name, alone, events)


def recall_of(engine: Engine, component: Component, cue: Cue) -> Sequence[Hit]:
    """What the component itself answers once everything is absorbed: the engine would cut a list that is too long."""
    view = engine.shop.view(component.name, cue.where)

    async def asked() -> Sequence[Hit]:
        await engine.catch_up(cue.where)
        return await component.recall(cue, view)

    return asyncio.run(asked())


def _in_parts(memory: Memory, events: Sequence[Event], data: st.DataObject) -> None:
    """Add the events bit by bit, and let the component catch up in between."""
    start = 0
    while start < len(events):
        stop = start + data.draw(st.integers(1, 3))
        memory.add(list(events[start:stop]))
        if data.draw(st.booleans()):
            memory.sync()
        start = stop
    memory.sync()
