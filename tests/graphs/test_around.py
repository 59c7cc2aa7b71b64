"""The part of a graph that is near a name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memkit.graphs import neighbourhood
from memkit.values import KnowledgeGraph
from tests.graphs.drawn import BRIDGE, graph_of, graphs, record


def names(graph: KnowledgeGraph) -> list[str]:
    return [name.shown for name in graph.names]


def test_one_hop_is_what_an_edge_leads_to() -> None:
    near = neighbourhood(BRIDGE, "Lisbon")
    assert names(near) == ["25 de Abril Bridge", "Lisboa", "Lisbon", "Portugal"]
    assert [one.id for one in near.passages] == [3, 7]
    assert [one.fact.told for one in near.facts] == [
        ("25 de Abril Bridge", "is in", "Lisbon"),
        ("Lisbon", "is the capital of", "Portugal"),
    ]
    assert [near.passages[place].id for told in near.facts for place in told.passages] == [3, 7]
    assert len(near.synonyms) == 1


def test_no_hop_is_the_name_alone() -> None:
    near = neighbourhood(BRIDGE, "lisbon", hops=0)
    assert (names(near), near.passages, near.facts) == (["Lisbon"], (), ())


def test_hops_lead_on() -> None:
    assert "Tagus" not in names(neighbourhood(BRIDGE, "Portugal", hops=2))
    assert neighbourhood(BRIDGE, "Portugal", hops=4) == BRIDGE


def test_several_names_can_be_in_the_middle() -> None:
    near = neighbourhood(BRIDGE, ["PORTUGAL", " tagus "])
    assert names(near) == ["Lisboa", "Lisbon", "Portugal", "Tagus"]


def test_the_heaviest_edges_stay_and_a_fact_keeps_its_weight() -> None:
    passages = [record(number, f"passage {number}") for number in range(1, 5)]
    graph = graph_of(passages, [("A", "knows", "Z", (0, 1, 2)), ("A", "knows", "B", (3,))], [(3, "A")])
    near = neighbourhood(graph, "A", most=2)
    assert names(near) == ["A", "Z"]
    assert [(told.passages, told.weight) for told in near.facts] == [((), 3.0)]


@given(graphs(), st.data())
def test_a_neighbourhood_is_a_part_of_the_graph(graph: KnowledgeGraph, data: st.DataObject) -> None:
    around = data.draw(st.sampled_from([name.text for name in graph.names]))
    most = data.draw(st.integers(1, 8))
    near = neighbourhood(graph, around, hops=data.draw(st.integers(0, 4)), most=most)
    assert around in [name.text for name in near.names]
    assert len(near.names) + len(near.passages) <= most
    assert set(near.names) <= set(graph.names)
    texts = {name.text for name in near.names}
    for told in graph.facts:
        inside = told.fact.subject in texts and told.fact.object in texts
        assert inside == (told.fact in [one.fact for one in near.facts])
    assert all(one.passage < len(near.passages) and one.name < len(near.names) for one in near.mentions)


@given(graphs(), st.data())
def test_far_enough_out_is_all_that_hangs_together(graph: KnowledgeGraph, data: st.DataObject) -> None:
    around = data.draw(st.sampled_from([name.text for name in graph.names]))
    whole = neighbourhood(graph, around, hops=20)
    assert neighbourhood(whole, around, hops=20) == whole
    assert neighbourhood(graph, around, hops=21) == whole


@pytest.mark.parametrize(
    ("around", "text"),
    [
        ("Lisbom", "there is no name 'Lisbom' in the graph; did you mean 'Lisbon', 'Lisboa'?"),
        ("the bridge", "did you mean '25 de Abril Bridge'?"),
        ("字", "there is no name '字' in the graph$"),
        ([], "around which name"),
        (["Lisbon", "Portugal", "Tagus"], "most is 2, and there are 3 names"),
    ],
    ids=["near", "a word", "nothing near", "none", "too many"],
)
def test_an_unknown_name_is_told_with_the_nearest(around: str | list[str], text: str) -> None:
    with pytest.raises(ValueError, match=text.replace("?", r"\?")):
        neighbourhood(BRIDGE, around, most=2)


def test_an_empty_graph_has_no_neighbourhood() -> None:
    with pytest.raises(ValueError, match="the graph is empty"):
        neighbourhood(KnowledgeGraph(), "Lisbon")
    with pytest.raises(ValueError, match="hops is -1"):
        neighbourhood(BRIDGE, "Lisbon", hops=-1)
