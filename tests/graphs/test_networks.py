"""Graphs to networkx, to GraphML, and back."""

import tempfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memkit.components.hipporag.openie import OpenIE, OpenIEFile
from memkit.graphs import Imported, from_networkx, to_networkx, write_graphml
from memkit.values import Document, KnowledgeGraph
from tests.graphs.drawn import BRIDGE, graph_of, graphs, record


def expected(graph: KnowledgeGraph) -> Imported:
    """What a graph tells, passage by passage; a fact whose passages are left out has a passage of one sentence."""
    documents = [
        Document(text=one.text, title=str(one.metadata["title"]) if "title" in one.metadata else None)
        for one in graph.passages
    ]
    read = {}
    for place, document in enumerate(documents):
        key = f"{document.title}\n{document.text}" if document.title else document.text
        read[key] = OpenIE(
            tuple(graph.names[one.name].shown for one in graph.mentions if one.passage == place),
            tuple(told.fact.told for told in graph.facts if place in told.passages),
        )
    for told in graph.facts:
        if not told.passages:
            sentence = " ".join(told.fact.told) + "."
            documents.append(Document(text=sentence))
            read[sentence] = OpenIE((), (told.fact.told,))
    return Imported(documents=tuple(documents), read=read)


def same(one: Imported, other: Imported) -> bool:
    """Equal but for order: edges are told node by node."""
    return Counter(map(repr, one.documents)) == Counter(map(repr, other.documents)) and {
        key: (set(read.entities), set(read.triples)) for key, read in one.read.items()
    } == {key: (set(read.entities), set(read.triples)) for key, read in other.read.items()}


def test_names_passages_and_edges_are_there() -> None:
    network = to_networkx(BRIDGE)
    assert network.nodes["name:lisbon"] == {"kind": "name", "label": "Lisbon", "text": "lisbon"}
    assert network.nodes["passage:7"]["label"] == "Lisbon"
    assert network.nodes["passage:9"]["label"] == "Lisboa lies at the Tagus."
    assert network.nodes["passage:9"]["event"] == "event-9"
    (fact,) = network["name:lisbon"]["name:portugal"].values()
    assert fact == {
        "kind": "fact",
        "relation": "is the capital of",
        "subject": "Lisbon",
        "object": "Portugal",
        "records": "7",
        "weight": 1.0,
    }
    (synonym,) = network["name:lisboa"]["name:lisbon"].values()
    assert synonym == {"kind": "synonym", "weight": 0.9}
    kinds = [kind for _, _, kind in network.edges(data="kind")]
    assert (kinds.count("fact"), kinds.count("context"), kinds.count("synonym")) == (3, 6, 1)


@given(graphs())
def test_what_goes_out_comes_back(graph: KnowledgeGraph) -> None:
    assert same(from_networkx(to_networkx(graph)), expected(graph))


@given(graphs())
def test_graphml_comes_back_as_well(graph: KnowledgeGraph) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "graph.graphml"
        write_graphml(graph, file)
        assert [one.name for one in Path(folder).iterdir()] == ["graph.graphml"]
        network = nx.read_graphml(file)
    assert network.number_of_nodes() == len(graph.names) + len(graph.passages)
    assert network.number_of_edges() == len(graph.facts) + len(graph.mentions) + len(graph.synonyms)
    assert same(from_networkx(network), expected(graph))


@given(st.text())
def test_graphml_is_xml_whatever_a_text_holds(text: str) -> None:
    graph = graph_of([record(1, text or "a")], [("One", text or "b", "Two", (0,))], [(0, "One")])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "graph.graphml"
        write_graphml(graph, file)
        root = ElementTree.fromstring(file.read_bytes())
    ids = [element.get("id") for element in root.iter() if element.tag.endswith(("}node", "}edge"))]
    assert len(ids) == len(set(ids)) == 5


def test_a_name_with_a_control_character_keeps_the_rest(tmp_path: Path) -> None:
    write_graphml(graph_of([], [("A\x00\x1bB", "is", "C", ())], []), tmp_path / "g.graphml")
    labels = {label for _, label in nx.read_graphml(tmp_path / "g.graphml").nodes(data="label")}
    assert labels == {"A\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}B", "C"}


def test_an_empty_graph_goes_out_and_comes_back(tmp_path: Path) -> None:
    write_graphml(KnowledgeGraph(), tmp_path / "g.graphml")
    assert from_networkx(nx.read_graphml(tmp_path / "g.graphml")) == Imported()


def test_two_passages_with_one_id_are_refused() -> None:
    with pytest.raises(ValueError, match="two passages of the graph have one id"):
        to_networkx(KnowledgeGraph(passages=(record(1, "a"), record(1, "b"))))


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    file = tmp_path / "g.graphml"
    write_graphml(BRIDGE, file)
    before = file.read_bytes()
    with pytest.raises(ValueError, match="one id"):
        write_graphml(KnowledgeGraph(passages=(record(1, "a"), record(1, "b"))), file)
    assert file.read_bytes() == before


def test_an_edge_from_elsewhere_becomes_a_sentence() -> None:
    network = nx.DiGraph()
    network.add_edge("Ada", "programs", relation="wrote")
    network.add_edge("Ada", "Byron", relation="is the daughter of", passage="Ada was Byron's daughter.")
    network.add_node(5, label="Babbage")
    network.add_edge(5, "Ada", relation="knew")
    imported = from_networkx(network)
    assert [one.text for one in imported.documents] == [
        "Ada wrote programs.",
        "Ada was Byron's daughter.",
        "Babbage knew Ada.",
    ]
    assert imported.read["Ada was Byron's daughter."] == OpenIE((), (("Ada", "is the daughter of", "Byron"),))


def test_edges_of_a_passage_from_elsewhere_belong_to_it() -> None:
    network = nx.MultiGraph()
    network.add_node("p", kind="passage", text="Ada knew Babbage and wrote programs.", title="Ada")
    network.add_edge("Ada", "p")
    network.add_edge("p", "Babbage")
    network.add_edge("Ada", "Babbage", relation="knew", passage="p")
    network.add_edge("Ada", "programs", relation="wrote", passage="p", subject="Ada", object="programs")
    network.add_edge("p", "p")
    imported = from_networkx(network)
    assert imported.documents == (Document(text="Ada knew Babbage and wrote programs.", title="Ada"),)
    assert imported.read == {
        "Ada\nAda knew Babbage and wrote programs.": OpenIE(
            ("Ada", "Babbage"), (("Ada", "knew", "Babbage"), ("Ada", "wrote", "programs"))
        )
    }


def test_what_was_imported_makes_an_openie_file(tmp_path: Path) -> None:
    imported = from_networkx(to_networkx(BRIDGE))
    imported.write(tmp_path / "openie.json")
    again = OpenIEFile(tmp_path / "openie.json")
    assert len(again) == 3
    for passage, read in imported.read.items():
        assert again.find(passage) == read


@pytest.mark.parametrize(
    ("nodes", "edges", "text"),
    [
        ({}, [("a", "b", {})], 'no edge of the graph has a "relation"'),
        ({"p": {"kind": "passage"}}, [], "the passage 'p' of the graph has no text"),
        ({}, [("a", "b", {"relation": "r", "records": "4"})], "of record 4, and no passage of the graph has it"),
    ],
    ids=["nothing told", "no text", "no such record"],
)
def test_a_graph_that_tells_nothing_is_refused(
    nodes: dict[str, dict[str, str]], edges: list[tuple[str, str, dict[str, str]]], text: str
) -> None:
    network = nx.DiGraph()
    network.add_nodes_from(nodes.items())
    network.add_edges_from(edges)
    with pytest.raises(ValueError, match=text):
        from_networkx(network)
