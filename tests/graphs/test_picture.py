"""Pictures of graphs."""

import re
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memkit.graphs import picture
from memkit.graphs.layout import GAP, REACH, placed
from memkit.graphs.lettering import lines, width
from memkit.values import KnowledgeGraph
from tests.graphs.drawn import BRIDGE, graph_of, graphs, record

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_names_passages_relations_and_a_legend_are_shown() -> None:
    shown = texts(picture(BRIDGE))
    for text in ("25 de Abril Bridge", "Portugal", "Lisboa lies at the", "is the capital of", "≈ 0.90"):
        assert text in shown
    assert shown[-5:] == ["name", "passage", "fact", "mentions", "means the same"]


def test_the_legend_has_what_is_there() -> None:
    assert texts(picture(graph_of([], [("A", "knows", "B", ())], [])))[-2:] == ["name", "fact"]


def test_every_kind_has_a_shape_and_a_line_of_its_own() -> None:
    svg = picture(BRIDGE, around="Lisbon")
    lined = re.findall(
        r'<path d="M[^"]*Q[^"]*" fill="none" stroke="(#\w+)" stroke-width="1.4"( stroke-dasharray="[\d ]+")?/>', svg
    )
    assert len(set(lined)) == len({colour for colour, _ in lined}) == len({dashes for _, dashes in lined}) == 3
    boxes = ElementTree.fromstring(svg).findall(f"{SVG}g")
    shapes = {box[0].text: box[1].tag.removeprefix(SVG) for box in boxes}
    assert shapes["Portugal"] == "rect"
    assert shapes["Lisbon is the capital of Portugal."] == "path"


def test_the_middle_stands_out() -> None:
    assert picture(BRIDGE, around="lisbon").count('fill="#ffffff"') == 1
    assert 'fill="#ffffff"' not in picture(BRIDGE)


def test_a_notebook_shows_it() -> None:
    shown = picture(BRIDGE)
    assert shown._repr_svg_() == shown
    assert type(shown._repr_svg_()) is str


def test_the_same_graph_gives_the_same_picture() -> None:
    assert picture(BRIDGE, around="Lisbon") == picture(BRIDGE, around="Lisbon")


@given(graphs(st.text(min_size=1)))
@settings(max_examples=40)
def test_a_picture_is_xml_whatever_a_text_holds(graph: KnowledgeGraph) -> None:
    root = ElementTree.fromstring(picture(graph))
    assert root.get("width") == "760"
    assert float(root.get("height", "0")) > 0
    assert "nan" not in picture(graph)


@given(
    st.lists(st.tuples(st.floats(10, 150), st.floats(10, 60)), max_size=25),
    st.lists(st.tuples(st.integers(0, 24), st.integers(0, 24)), max_size=40),
)
@settings(max_examples=60)
def test_no_box_lies_on_another_and_all_are_in_the_width(
    sizes: list[tuple[float, float]], pairs: list[tuple[int, int]]
) -> None:
    edges = [(*pair, REACH) for pair in pairs if max(pair) < len(sizes)]
    points = placed(sizes, edges, 400)
    for (one, size), (other, its) in combinations(zip(points, sizes, strict=True), 2):
        apart = np.abs(one - other) - (np.array(size) + its) / 2
        assert apart.max() > GAP - 0.1
    for point, size in zip(points, sizes, strict=True):
        assert size[0] / 2 - 0.01 <= point[0] <= 400 - size[0] / 2 + 0.01
        assert point[1] >= size[1] / 2 - 0.01


def test_what_is_joined_is_nearer_than_what_is_not() -> None:
    sizes = [(40.0, 20.0)] * 12
    points = placed(sizes, [(number, number + 1, REACH) for number in range(11)], 700)
    apart = [float(np.hypot(*(points[number] - points[number + 1]))) for number in range(11)]
    assert max(apart) < float(np.hypot(*(points[0] - points[11]))) / 4


def test_of_a_large_graph_the_heaviest_are_shown() -> None:
    facts = [("Hub", "knows", f"Name {number:02}", ()) for number in range(60)]
    shown = texts(picture(graph_of([record(1, "Hub and all.")], facts, [(0, "Hub")]), most=10))
    assert "Hub" in shown
    assert sum(text.startswith("Name") for text in shown) <= 9


def test_long_texts_are_broken_and_cut() -> None:
    made = lines("a" * 40 + " bee " + "c " * 60, 12, 100, 3)
    assert len(made) == 3
    assert made[-1].endswith("…")
    assert all(width(line, 12) <= 100 for line in made)
    assert lines("two words", 12, 100, 3) == ["two words"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"around": "Porto"}, "there is no name 'Porto'"),
        ({"width": 100}, "width is 100"),
        ({"most": 0}, "most is 0"),
        ({"around": "Lisbon", "hops": -1}, "hops is -1"),
    ],
    ids=["name", "width", "most", "hops"],
)
def test_bad_input_is_told(options: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        picture(BRIDGE, **options)  # type: ignore[arg-type]


def test_an_empty_graph_cannot_be_shown() -> None:
    with pytest.raises(ValueError, match="the graph is empty"):
        picture(KnowledgeGraph())
