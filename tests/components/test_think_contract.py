"""The shipped laws of components hold for Think-in-Memory: with and without an embedder, on both databases."""

import json
import re
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memkit.components.think_in_memory import ThinkInMemory
from memkit.components.think_in_memory.rules import by_rules
from memkit.components.think_in_memory.thoughts import NAME
from memkit.engine import Engine
from memkit.memory import Memory
from memkit.messages import Request
from memkit.models.checked import Checked
from memkit.models.metered import Metered
from memkit.ports import Component, Embedder, Store
from memkit.testing.contracts import ComponentContract
from memkit.testing.contracts.contents import alike, recalled, renewed
from memkit.testing.contracts.law import law
from memkit.testing.contracts.samples import an_event, fresh_namespace
from memkit.testing.embedders import HashEmbedder
from memkit.testing.scripted import ScriptedModel
from memkit.values import Event
from memkit.view import Workshop
from memkit_stores import SqlStore


class TestByWords(ComponentContract):
    @pytest.fixture
    def component(self) -> Component:
        return ThinkInMemory(draw="rules")


class TestByHash(ComponentContract):
    """Few buckets and two probes, so that questions meet thoughts."""

    @pytest.fixture
    def component(self) -> Component:
        return ThinkInMemory(buckets=4, probes=2)

    @pytest.fixture
    def embedder(self) -> Embedder:
        return HashEmbedder(16)


class TestByAllVectors(ComponentContract):
    @pytest.fixture
    def component(self) -> Component:
        return ThinkInMemory(search="flat", superseded="show")

    @pytest.fixture
    def embedder(self) -> Embedder:
        return HashEmbedder(16)


class OnPostgres:
    @pytest.fixture
    def store(self, fresh_postgres_url: str) -> Iterator[Store]:
        with closing(SqlStore(fresh_postgres_url)) as store:
            yield store


class TestByHashOnPostgres(OnPostgres, TestByHash):
    pass


def by_quoting(request: Request) -> str:
    """A model that finds what the rules find, in all turns that it is shown."""
    found = []
    turns = re.findall(r'speaker="(.*?)">(.*?)</turn>', request.messages[-1].content, re.DOTALL)
    for n, (who, text) in enumerate(turns, start=1):
        for one in by_rules(an_event(text, namespace="n", author=who)):
            quote = text[one.start : one.end]
            triple = {"head": one.head, "relation": one.relation, "tail": one.tail, "quote": quote, "turn": n}
            found.append({**triple, "sentence": one.sentence, "single": one.single, "ends": one.ends})
    return json.dumps({"thoughts": found})


TURNS = ("I live in Lisbon.", "I moved to Porto.", "I like tea.", "Fine.", "Where do I live?")


@st.composite
def talks(draw: st.DrawFn) -> list[Event]:
    """Turns of persons, assistants and tools in two sessions, and documents."""
    return [
        an_event(
            draw(st.sampled_from(TURNS)),
            namespace="to be renewed",
            minute=n,
            role=draw(st.sampled_from(("user", "user", "assistant", "assistant", "tool", None))),
            kind=draw(st.sampled_from(("turn",) * 7 + ("document",))),
            author=draw(st.sampled_from((None, "Ana"))),
            session=draw(st.sampled_from(("s", "t"))),
        )
        for n in range(draw(st.integers(1, 7)))
    ]


class TestByModel:
    """A model is shown pairs of turns: rows of two sources, whose draws depend on what stood before."""

    @pytest.fixture
    def engine(self) -> Iterator[Engine]:
        with closing(SqlStore(":memory:")) as store:
            checked = Checked(HashEmbedder(16))
            store.spaces.use(checked.space, whole=False)
            component = ThinkInMemory(draw="llm", buckets=4, probes=4)
            yield Engine(Workshop(store, checked, Metered(ScriptedModel(by_quoting))), [component], pauses=())

    @law()
    @given(events=talks(), data=st.data())
    def test_batches_of_any_size_give_the_same_rows(
        self, engine: Engine, events: list[Event], data: st.DataObject
    ) -> None:
        memory, whole, parts = Memory(engine), fresh_namespace(), fresh_namespace()
        memory[whole].add(renewed(events, whole))
        memory[whole].sync()
        for event in renewed(events, parts):
            memory[parts].add(event)
            if data.draw(st.booleans()):
                memory[parts].sync()
        memory[parts].sync()
        assert alike(engine, NAME, parts, events) == alike(engine, NAME, whole, events)

    @law(40)
    @given(events=talks(), data=st.data())
    def test_forgetting_leaves_what_would_have_been_there(
        self, engine: Engine, events: list[Event], data: st.DataObject
    ) -> None:
        gone = data.draw(st.frozensets(st.integers(0, len(events) - 1), min_size=1))
        self.check(engine, events, gone)

    @pytest.mark.parametrize(
        ("turns", "gone"),
        [
            ([("user", "Fine."), ("assistant", "Fine."), ("assistant", "I like tea.")], 1),
            ([("user", "Fine."), ("user", "Fine."), ("assistant", "I like tea.")], 0),
            ([("user", "I like tea."), ("user", "Fine.")], 1),
            ([("user", "I like tea."), ("assistant", "Fine."), ("user", "Fine.")], 1),
            ([("user", "Fine."), ("tool", "Fine."), ("assistant", "I like tea.")], 1),
        ],
        ids=["answer", "question", "only turn after", "answer between", "tool between"],
    )
    def test_also_where_there_had_been_nothing_to_remember(
        self, engine: Engine, turns: list[tuple[str, str]], gone: int
    ) -> None:
        """What was drawn, even if it was nothing, depends on what stood before."""
        events = [
            an_event(text, namespace="to be renewed", minute=n, role=role, session="s", author="Ana")
            for n, (role, text) in enumerate(turns)
        ]
        self.check(engine, events, frozenset({gone}))

    def check(self, engine: Engine, events: list[Event], gone: frozenset[int]) -> None:
        kept = [event for n, event in enumerate(events) if n not in gone]
        memory, never, once = Memory(engine), fresh_namespace(), fresh_namespace()
        memory[never].add(renewed(kept, never))
        memory[never].sync()
        added = renewed(events, once)
        memory[once].add(added)
        memory[once].sync()
        memory[once].forget(ids=[added[n].id for n in gone])
        memory[once].sync()
        assert alike(engine, NAME, once, kept) == alike(engine, NAME, never, kept)
        for question in ("Where does Ana live?", "likes tea"):
            assert recalled(memory[once], question) == recalled(memory[never], question)
