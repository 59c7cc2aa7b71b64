"""From seeds to passages: both versions against their definitions, masks, ties, the fallback; and the reasons that are given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from memkit.components.hipporag.linking import FactLink, Linked, NameLink
from memkit.components.hipporag.ranking import TOLERANCE, Ranked, closeness, ranked
from memkit.components.hipporag.seeds import Reset, reset, scaled
from memkit.components.hipporag.settings import Settings
from memkit.components.hipporag.why import reasons
from memkit.values import Weave
from memkit_stores.graph import Graph
from memkit_stores.store import SqlStore
from tests.stores.graph_kit import Said, World, vector

SAID = (
    Said(
        "Ana knows Ben and lives in Rome",
        ("ana", "ben", "rome"),
        (("ana", "knows", "ben"), ("ana", "lives in", "rome")),
    ),
    Said("Ben lives in Rome", ("ben", "rome"), (("ben", "lives in", "rome"),)),
    Said("Rome lies in Italy", ("rome", "italy"), (("rome", "lies in", "italy"), ("rome", "is", "rome"))),
    Said("Carl met Dora", ("carl", "dora"), (("carl", "met", "dora"),)),
    Said("Carl met Dora", ("carl", "dora"), (("carl", "met", "dora"),)),
)
NEAR = np.array([0.4, 0.3, 0.2, 0.2, 0.2])
PLAIN = replace(Settings(), own=0.0)


def woven(*, context: float | None = 1.0, said: tuple[Said, ...] = SAID) -> Graph:
    world = World(SqlStore(":memory:"))
    world.add(said)
    return world.graph(Weave(context=context, threshold=None))


@pytest.fixture(scope="module")
def graph() -> Graph:
    return woven()


def naming(graph: Graph, *texts: str) -> Linked:
    return Linked(tuple(NameLink(int(graph.find([text])[0]), text, "name", 1.0) for text in texts))


def solved(graph: Graph, seeds: Reset) -> NDArray[np.float64]:
    """PageRank by its definition: a linear system."""
    walk = graph.walk
    size = walk.nodes
    matrix = np.zeros((size, size))
    for node in range(size):
        for entry in range(walk.indptr[node], walk.indptr[node + 1]):
            matrix[walk.indices[entry], node] = walk.weights[entry] / walk.degrees[node]
    start = np.zeros(size)
    start[seeds.nodes] = seeds.mass / seeds.mass.sum()
    return np.linalg.solve(np.eye(size) - 0.5 * matrix, 0.5 * start)


def rows(found: Ranked) -> list[int]:
    values: list[int] = found.rows.tolist()
    return values


def test_version_2_ranks_the_passages_by_where_walks_stay(graph: Graph) -> None:
    seeds = reset(graph, naming(graph, "italy", "ben"), NEAR, PLAIN)
    stay = solved(graph, seeds)[graph.passage_node]
    found = ranked(graph, seeds, NEAR, 5, None, PLAIN)
    assert found.how == "graph"
    assert rows(found) == np.lexsort((np.arange(5), -stay.round(9))).tolist()
    assert found.scores == pytest.approx(stay[found.rows] / stay.max(), abs=TOLERANCE)


def test_a_passage_own_closeness_multiplies_what_the_walk_gives(graph: Graph) -> None:
    seeds = reset(graph, naming(graph, "rome"), NEAR, PLAIN)
    expected = solved(graph, seeds)[graph.passage_node] * np.sqrt(NEAR + NEAR.mean())
    found = ranked(graph, seeds, NEAR, 5, None, replace(PLAIN, own=0.5))
    assert found.scores == pytest.approx(np.sort(expected / expected.max())[::-1], abs=TOLERANCE)


def test_version_1_goes_through_the_facts_of_each_passage() -> None:
    graph, settings = woven(context=None), Settings.published(1)
    seeds = reset(graph, naming(graph, "ana"), NEAR, settings)
    stay = solved(graph, seeds)
    told = np.zeros((5, len(graph.subject)))
    for passage in range(5):
        told[passage, graph.facts_in(passage)] = 1
    ends = np.zeros((len(graph.subject), graph.walk.nodes))
    for number, (a, b) in enumerate(zip(graph.subject, graph.object, strict=True)):
        ends[number, [graph.name_node[a], graph.name_node[b]]] = 1
    expected = told @ (ends @ stay)
    found = ranked(graph, seeds, NEAR, 3, None, settings)
    assert found.scores == pytest.approx(np.sort(expected / expected.max())[::-1][:3], abs=TOLERANCE)
    assert rows(found) == np.argsort(-expected, kind="stable")[:3].tolist()


@pytest.mark.parametrize(("score", "mixed"), [(0.95, False), (0.9, True), (0.5, True)])
def test_version_1_takes_the_mean_with_closeness_where_linking_is_uncertain(score: float, mixed: bool) -> None:
    graph, settings = woven(context=None), replace(Settings.published(1), ensemble=0.9)
    linked = Linked((NameLink(int(graph.find(["ana"])[0]), "ana", "meaning", score),))
    seeds = reset(graph, linked, NEAR, settings)
    walked = ranked(graph, seeds, NEAR, 5, None, Settings.published(1))
    alone = np.zeros(5)
    alone[walked.rows] = walked.scores
    expected = 0.5 * scaled(alone) + 0.5 * scaled(NEAR) if mixed else alone
    found = ranked(graph, seeds, NEAR, 5, None, settings)
    assert found.scores == pytest.approx(np.sort(expected / expected.max())[::-1], abs=TOLERANCE)


def test_without_seeds_the_nearest_passages_are_the_answer(graph: Graph) -> None:
    found = ranked(graph, reset(graph, Linked(), NEAR, PLAIN), NEAR, 2, None, PLAIN)
    assert found.how == "closeness"
    assert rows(found) == [0, 1]
    assert found.scores.tolist() == [0.4, 0.3]


def test_the_mask_hides_passages_and_changes_no_score(graph: Graph) -> None:
    seeds = reset(graph, naming(graph, "rome", "carl"), NEAR, PLAIN)
    everything = ranked(graph, seeds, NEAR, 5, None, PLAIN)
    mask = np.ones(5, np.bool_)
    mask[everything.rows[0]] = False
    hidden = ranked(graph, seeds, NEAR, 5, mask, PLAIN)
    assert rows(hidden) == rows(everything)[1:]
    assert hidden.scores.tolist() == everything.scores[1:].tolist()
    assert rows(ranked(graph, seeds, NEAR, 5, np.zeros(5, np.bool_), PLAIN)) == []


def test_equal_passages_come_by_record_id(graph: Graph) -> None:
    for k in (1, 2):
        found = ranked(graph, reset(graph, naming(graph, "carl"), NEAR, PLAIN), NEAR, k, None, PLAIN)
        assert rows(found) == [3, 4][:k]


def test_closeness_is_half_words_half_meaning_and_words_alone_without_vectors(graph: Graph) -> None:
    question = "Where does Ben live?"
    own = vector("Ben")
    words = closeness(graph, question, None, Settings())
    both = closeness(graph, question, own[np.newaxis], Settings())
    products = graph.shelf.similarity(own, np.arange(5))
    assert words[1] == words.max() > words[2] == 0
    assert both == pytest.approx(0.5 * words + 0.5 * np.clip(products, 0, 1))
    assert closeness(graph, question, own[np.newaxis], Settings.published(2)) == pytest.approx(products)


def test_an_empty_graph_has_no_passages() -> None:
    world = World(SqlStore(":memory:"))
    empty = world.graph(Weave())
    near = closeness(empty, "Who?", vector("Who?")[np.newaxis], Settings())
    for settings in (Settings(), Settings.published(1), Settings.published(2)):
        assert rows(ranked(empty, reset(empty, Linked(), near, settings), near, 5, None, settings)) == []


def test_reasons_tell_the_names_with_their_shares_and_the_way(graph: Graph) -> None:
    linked = naming(graph, "italy")
    seeds = reset(graph, linked, NEAR, Settings())
    found = ranked(graph, seeds, NEAR, 5, None, Settings())
    why = dict(zip(rows(found), reasons(graph, linked, seeds, found, Settings()), strict=True))
    assert why[2]["path"] == "italy → this passage"
    assert why[1]["path"] == "italy → rome → this passage"
    assert "path" not in why[3]  # nothing leads there
    assert why[1]["names"] == f"italy (named, {1 - Settings().passages:.1%})"
    begins = [float(why[row]["begins here"]) for row in range(5)]
    assert sum(begins) == pytest.approx(Settings().passages)


def test_the_way_is_the_likeliest(graph: Graph) -> None:
    """By the definition: all ways of at most four edges."""
    linked = naming(graph, "ana", "italy")
    seeds = reset(graph, linked, np.zeros(5), Settings())
    found = ranked(graph, seeds, np.ones(5), 5, None, PLAIN)
    walk = graph.walk

    def ways(node: int, value: float, left: int) -> list[tuple[float, list[int]]]:
        here = [(value, [node])]
        for entry in range(walk.indptr[node], walk.indptr[node + 1]) if left else ():
            step = value * 0.5 * walk.weights[entry] / walk.degrees[node]
            here += [(v, [node, *rest]) for v, rest in ways(int(walk.indices[entry]), step, left - 1)]
        return here

    every = [way for n, m in zip(seeds.nodes, seeds.mass, strict=True) for way in ways(int(n), float(m), 4)]
    for row, why in zip(rows(found), reasons(graph, linked, seeds, found, Settings()), strict=True):
        leading = [way for way in every if way[1][-1] == graph.passage_node[row]]
        if not leading:
            assert "path" not in why
            continue
        best = max(leading, key=lambda way: way[0])[1]
        texts = [graph.names([int(graph.node_name[n])])[0] if graph.node_name[n] >= 0 else "a passage" for n in best]
        assert why["path"] == " → ".join([*texts[:-1], "this passage"])


def test_reasons_tell_the_facts_and_which_of_them_the_passage_tells(graph: Graph) -> None:
    number = int(graph.facts_in(3)[0])
    linked = replace(naming(graph, "ana"), facts=(FactLink(number, 0.75, 1.0),))
    seeds = reset(graph, linked, NEAR, Settings())
    found = ranked(graph, seeds, NEAR, 5, None, Settings())
    why = dict(zip(rows(found), reasons(graph, linked, seeds, found, Settings()), strict=True))
    assert why[3]["facts"] == "carl met dora (0.75)"
    assert why[3]["tells"] == "carl met dora"
    assert "tells" not in why[0]
    assert "carl (in a fact, " in str(why[0]["names"])


def test_reasons_without_passages_in_the_graph_lead_to_a_name_of_the_passage() -> None:
    graph, settings = woven(context=None), Settings.published(1)
    linked = naming(graph, "ana")
    seeds = reset(graph, linked, NEAR, settings)
    found = ranked(graph, seeds, NEAR, 3, None, settings)
    why = dict(zip(rows(found), reasons(graph, linked, seeds, found, settings), strict=True))
    assert why[2]["path"] == "ana → rome → this passage"


def test_a_question_that_names_nothing_has_a_short_reason(graph: Graph) -> None:
    found = ranked(graph, reset(graph, Linked(), NEAR, PLAIN), NEAR, 1, None, PLAIN)
    assert reasons(graph, Linked(), reset(graph, Linked(), NEAR, PLAIN), found, PLAIN) == [{"found by": "closeness"}]
