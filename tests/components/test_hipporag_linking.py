"""From a question to names and facts: what is looked up, what stands for what, and what is kept."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from memkit.components.hipporag.linking import Asked, Linked, asked, kept, linked
from memkit.components.hipporag.normalise import published, unicode
from memkit.components.hipporag.settings import Settings
from memkit.values import Space, Weave
from memkit_stores.graph import Graph
from memkit_stores.store import SqlStore
from tests.stores.graph_kit import Said, World

AXES = Space(model="axes", dimension=4)
VECTORS = {
    "big eyes": [1, 0, 0, 0],
    "tim burton": [0, 1, 0, 0],
    "jump for glory": [0, 0, 1, 0],
    "glory": [0, 0, 0.6, 0.8],
    "central": [0, 0, 0, 1],
    "greenfield central high school": [0.8, 0.6, 0, 0],
    "('tim burton', 'directed', 'big eyes')": [0.6, 0.8, 0, 0],
    "('big eyes', 'was filmed in', 'central')": [0.8, 0, 0, 0.6],
    "('glory', 'leads to', 'jump for glory')": [0, 0, -1, 0],
}
SAID = (
    Said("a", facts=(("tim burton", "directed", "big eyes"),)),
    Said("b", facts=(("big eyes", "was filmed in", "central"),)),
    Said("c", names=("greenfield central high school", "glory"), facts=(("glory", "leads to", "jump for glory"),)),
)


def made(text: str) -> NDArray[np.float32] | None:
    return np.array(VECTORS[text], np.float32) if text in VECTORS else None


def woven(said: tuple[Said, ...] = SAID, make: Callable[[str], NDArray[np.float32] | None] = made) -> Graph:
    world = World(SqlStore(":memory:"), space=AXES, made=make)
    world.add(said)
    return world.graph(Weave(threshold=None))


@pytest.fixture(scope="module")
def graph() -> Graph:
    return woven()


def ask(graph: Graph, question: str, *phrases: str, settings: Settings | None = None) -> Asked:
    return asked(question, phrases, graph, key=unicode, settings=settings or Settings())


def named(graph: Graph, found: Asked | Linked) -> list[str]:
    return graph.names([link.name for link in found.names])


def towards(*rows: list[float]) -> NDArray[np.float32]:
    return np.array(rows, np.float32)


def test_the_longest_group_of_words_that_is_a_name_counts(graph: Graph) -> None:
    found = ask(graph, "Who is the spouse of the director of Jump for Glory?", "Jump", "Glory")
    assert named(graph, found) == ["jump for glory"]
    assert found.unmatched == ()


def test_a_longer_reading_that_is_no_name_gives_way_to_those_inside_it(graph: Graph) -> None:
    found = ask(graph, "Is Tim Burton of Glory?", "Tim Burton of Glory", "Tim Burton", "Glory")
    assert named(graph, found) == ["tim burton", "glory"]
    assert found.unmatched == ()


def test_a_piece_of_a_phrase_does_not_stand_for_it(graph: Graph) -> None:
    found = ask(graph, "Where is Greenfield-Central High?", "Greenfield-Central High")
    assert named(graph, found) == []
    assert found.unmatched == ("greenfield central high",)
    assert found.texts == ["Where is Greenfield-Central High?", "greenfield central high"]


def test_a_group_that_touches_no_name_is_not_looked_up(graph: Graph) -> None:
    assert named(graph, ask(graph, "What central role has Big Eyes?", "Big Eyes")) == ["big eyes"]


def test_as_published_only_the_phrases_themselves_are_looked_up(graph: Graph) -> None:
    found = ask(graph, "Who directed Jump for Glory?", "Glory", settings=Settings.published(1))
    assert named(graph, found) == ["glory"]


def test_phrases_in_lower_case_count_where_there_is_no_name(graph: Graph) -> None:
    assert named(graph, ask(graph, "big eyes and Tim Burton", "Tim Burton", "big eyes")) == ["tim burton"]
    assert named(graph, ask(graph, "who made big eyes", "big eyes")) == ["big eyes"]


def test_a_question_without_capitals_is_searched_for_names_of_several_words(graph: Graph) -> None:
    assert named(graph, ask(graph, "who directed jump for glory, and what is central")) == ["jump for glory"]


def test_names_come_in_the_order_of_the_question_and_once(graph: Graph) -> None:
    found = ask(graph, "Did Tim Burton make Big Eyes, or Tim Burton Glory?", "Tim Burton", "Big Eyes", "Glory")
    assert named(graph, found) == ["tim burton", "big eyes", "glory"]


def test_what_names_nothing_stands_for_the_nearest_name(graph: Graph) -> None:
    question = ask(graph, "Who was it that made Large Eyes?", "Large Eyes")
    (link,) = linked(question, graph, towards([0, 0, 0, 1], [0.8, 0, 0.6, 0]), Settings()).names
    assert graph.names([link.name]) == ["big eyes"]
    assert (link.how, link.phrase) == ("meaning", "large eyes")
    assert link.score == pytest.approx(0.8)


def test_a_name_that_is_too_far_stands_for_nothing_but_as_published(graph: Graph) -> None:
    question = ask(graph, "Who is Zog?", "Zog")
    vectors = towards([1, 0, 0, 0], [0.4, 0, 0, -0.9])
    assert linked(question, graph, vectors, Settings()).names == ()
    assert named(graph, linked(question, graph, vectors, Settings.published(1))) == ["big eyes"]


def test_without_vectors_the_name_that_shares_most_words_is_taken(graph: Graph) -> None:
    question = ask(graph, "Where is Greenfield-Central High?", "Greenfield-Central High")
    (link,) = linked(question, graph, None, Settings()).names
    assert graph.names([link.name]) == ["greenfield central high school"]
    assert link.how == "words"
    assert link.score == pytest.approx(0.75)  # three of its four words


def test_without_vectors_a_name_with_too_few_of_the_words_is_not_taken(graph: Graph) -> None:
    assert linked(ask(graph, "Who is Zog of Eyes Farm?", "Zog Eyes Farm Hill"), graph, None, Settings()).names == ()


def test_facts_are_the_nearest_with_their_product_and_their_place_among_all(graph: Graph) -> None:
    facts = linked(ask(graph, "?"), graph, towards([0.6, 0.8, 0, 0]), Settings(facts=2, seeds="facts")).facts
    assert [fact.told for fact in graph.facts([link.fact for link in facts])] == [
        ("tim burton", "directed", "big eyes"),
        ("big eyes", "was filmed in", "central"),
    ]
    assert [link.score for link in facts] == pytest.approx([1.0, 0.48])
    assert [link.scaled for link in facts] == pytest.approx([1.0, 0.48])  # the farthest is at 0


def test_the_nearest_fact_has_all_of_the_scale_however_far_it_is(graph: Graph) -> None:
    first = linked(ask(graph, "?"), graph, towards([0.1, 0.1, 0, 0]), Settings(facts=1, seeds="facts")).facts[0]
    assert first.scaled == 1.0
    assert first.score == pytest.approx(0.14)


def test_a_fact_without_a_vector_is_not_linked() -> None:
    graph = woven((Said("a", facts=(("big eyes", "has no vector like", "glory"),)),))
    assert linked(ask(graph, "?"), graph, towards([1, 0, 0, 0]), Settings()).facts == ()


def test_without_vectors_there_are_no_facts(graph: Graph) -> None:
    assert linked(ask(graph, "Who directed Big Eyes?", "Big Eyes"), graph, None, Settings()).facts == ()


def test_a_fact_is_kept_if_it_is_about_a_name_of_the_question(graph: Graph) -> None:
    question = ask(graph, "Which high hill leads the glory of Tim Burton?", "Tim Burton")
    all_three = linked(question, graph, towards([0.5, 0.5, 0.5, 0.5]), Settings(facts=3))
    assert len(all_three.facts) == 3
    left = kept(all_three, question, graph)
    assert [graph.facts([link.fact])[0].told[1] for link in left.facts] == ["directed"]
    assert left.names == all_three.names


def test_where_a_question_names_nothing_a_fact_is_kept_for_two_of_its_words(graph: Graph) -> None:
    question = ask(graph, "which glory leads on, and where to")
    all_three = linked(question, graph, towards([0.5, 0.5, 0.5, 0.5]), Settings(facts=3))
    left = kept(all_three, question, graph)
    assert [graph.facts([link.fact])[0].told[1] for link in left.facts] == ["leads to"]


def test_only_keeps_what_a_model_chose_in_its_order(graph: Graph) -> None:
    found = linked(ask(graph, "?"), graph, towards([0.6, 0.8, 0, 0]), Settings())
    assert found.only([1, 0]).facts == (found.facts[1], found.facts[0])
    assert found.only([]).facts == ()


def test_an_empty_graph_links_nothing() -> None:
    graph = woven((Said("a passage that names nothing"),))
    question = ask(graph, "Who is Zog?", "Zog")
    assert linked(question, graph, None, Settings()) == Linked()
    assert linked(question, graph, towards([1, 0, 0, 0], [1, 0, 0, 0]), Settings()) == Linked()


@given(question=st.text(max_size=60), phrases=st.lists(st.text(max_size=12), max_size=4), plain=st.booleans())
def test_any_question_can_be_asked(question: str, phrases: list[str], plain: bool) -> None:
    key = published if plain else unicode
    found = asked(question, phrases, GRAPH, key=key, settings=Settings())
    numbers = [link.name for link in found.names]
    assert len(set(numbers)) == len(numbers)
    assert linked(found, GRAPH, None, Settings()).facts == ()


GRAPH = woven()
