"""From what a component stored to a graph as a value."""

from collections.abc import Iterator, Sequence

import pytest

import memkit
from memkit.knowledge import knowledge_graph, written
from memkit.memory import Memory
from memkit.ports import View
from memkit.testing.embedders import HashEmbedder
from memkit.values import Cue, Draft, Event, Extraction, Fact, Hit, Name, Record, Source, Synonym, Weave


class Reads:
    """Reads "Ada knows Bob" as a fact between two names; what stands behind a "+" is a name that is merely mentioned."""

    name = "reads"
    weave = Weave(threshold=0.5, letters=1)

    async def absorb(self, events: Sequence[Event], view: View, /) -> Draft:
        records, extractions = [], []
        for event in events:
            told, *others = event.text.split(" + ")
            subject, relation, object_ = told.split(" ", 2)
            fact = Fact(subject.lower(), relation, object_.lower(), shown=(subject, relation, object_))
            records.append(Record.of(event, self.name))
            names = {name.lower(): name for name in (subject, object_, *others)}
            extractions.append(
                Extraction(
                    source=records[-1].sources[0],
                    namespace=event.namespace,
                    component=self.name,
                    names=tuple(names),
                    facts=(fact,),
                    shown=names,
                )
            )
        return Draft(tuple(records), tuple(extractions))

    async def recall(self, cue: Cue, view: View, /) -> list[Hit]:
        self.seen = await view.graph(self.weave)
        return []


@pytest.fixture
def memory() -> Iterator[Memory]:
    with memkit.open(":memory:", components=[Reads()], embedder=HashEmbedder()) as opened:
        yield opened


def test_a_graph_has_names_facts_mentions_and_synonyms_in_the_order_of_their_texts(memory: Memory) -> None:
    memory.add(["Zoe knows Ada Byron", "Ada knows Zoe + Lisbon", "Zoe knows Ada Byron + Ada"])
    memory.sync()
    graph = memory.graph()
    assert graph.names == (
        Name("ada", "Ada"),
        Name("ada byron", "Ada Byron"),
        Name("lisbon", "Lisbon"),
        Name("zoe", "Zoe"),
    )
    assert [one.text for one in graph.passages] == [event.text for event in memory.history()]
    assert [(one.fact.told, one.passages, one.weight) for one in graph.facts] == [
        (("Ada", "knows", "Zoe"), (1,), 1.0),
        (("Zoe", "knows", "Ada Byron"), (0, 2), 2.0),
    ]
    assert [(one.passage, one.name, one.weight) for one in graph.mentions] == [
        (0, 1, 1.0),
        (0, 3, 1.0),
        (1, 0, 1.0),
        (1, 2, 1.0),
        (1, 3, 1.0),
        (2, 0, 1.0),
        (2, 1, 1.0),
        (2, 3, 1.0),
    ]
    assert graph.synonyms == (Synonym(0, 1, pytest.approx(0.5**0.5, abs=1e-5)),)


def test_the_same_events_give_the_same_graph_whatever_was_there_before(memory: Memory) -> None:
    texts = ["Zoe knows Ada", "Ada knows Zoe + Lisbon"]
    memory.add(texts, namespace="plain")
    other = memory.add("Lisbon holds Zoe + Ada", namespace="mixed")
    memory.add(texts[0], namespace="mixed")
    memory.sync()
    memory.add(texts[1], namespace="mixed")
    memory.forget(ids=other.ids, namespace="mixed")
    one, two = (memory.graph(namespace=name) for name in ("plain", "mixed"))
    assert (one.names, one.facts, one.mentions, one.synonyms) == (two.names, two.facts, two.mentions, two.synonyms)


def test_filters_narrow_the_passages_and_what_they_tell(memory: Memory) -> None:
    memory.add("Zoe knows Ada", author="Ana", session="monday")
    memory.add("Ada knows Zoe + Lisbon", author="Ben", session="tuesday")
    graph = memory.graph(author="Ben")
    assert [one.text for one in graph.passages] == ["Ada knows Zoe + Lisbon"]
    assert [(one.fact.told, one.passages) for one in graph.facts] == [(("Ada", "knows", "Zoe"), (0,))]
    assert [(one.passage, graph.names[one.name].shown) for one in graph.mentions] == [
        (0, "Ada"),
        (0, "Lisbon"),
        (0, "Zoe"),
    ]
    for nothing in (memory.graph(session="friday"), memory.graph(as_of="2020-01-01")):
        assert (nothing.names, nothing.passages, nothing.facts, nothing.mentions) == ((), (), (), ())


def test_an_empty_memory_has_an_empty_graph(memory: Memory) -> None:
    graph = memory.graph()
    assert (graph.names, graph.passages, graph.facts) == ((), (), ())


def test_a_passage_that_was_forgotten_meanwhile_is_left_out_with_what_it_alone_told() -> None:
    reads = Reads()
    with memkit.open(":memory:", components=[reads]) as memory:
        memory.add(["Zoe knows Ada", "Ada knows Lisbon", "Zoe knows Ada + Bob"])
        memory.recall("whom?")
        records = list(memory.records("reads"))
        graph = knowledge_graph(reads.seen, [records[0], records[2]])
        with pytest.raises(ValueError, match="the 2 records are not those of the graph's 3 rows, in their order"):
            knowledge_graph(reads.seen, [records[2], records[0]])
    assert [name.shown for name in graph.names] == ["Ada", "bob", "Zoe"]
    assert [(one.fact.told, one.passages, one.weight) for one in graph.facts] == [
        (("Zoe", "knows", "Ada"), (0, 1), 2.0)
    ]


def test_names_are_shown_as_they_were_written_first() -> None:
    source = Source(event="e", start=0, end=1)
    read = [
        Extraction(source=source, namespace="n", component="c", names=("ada", "bob"), shown=shown)
        for shown in ({"ada": "Ada"}, {"ada": "ADA", "bob": "Bob"})
    ]
    assert written(read) == {"ada": "Ada", "bob": "Bob"}
