"""Where walks begin: the published weights, by hand, and ours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memkit.components.hipporag.linking import FactLink, Linked, NameLink
from memkit.components.hipporag.seeds import Reset, reset, scaled
from memkit.components.hipporag.settings import Settings
from memkit.values import Weave
from memkit_stores.graph import Graph
from memkit_stores.store import SqlStore
from tests.stores.graph_kit import Said, World

SAID = (
    Said("a", ("ana", "ben", "rome"), (("ana", "knows", "ben"), ("ana", "lives in", "rome"))),
    Said("b", ("ben", "rome"), (("ben", "lives in", "rome"),)),
    Said("c", ("rome", "italy", "oslo"), (("rome", "lies in", "italy"), ("rome", "is like", "oslo"))),
    Said("d", ("carl", "dora"), (("carl", "met", "dora"),)),
)
NEAR = np.array([0.1, 0.5, 0.3, 0.2])


def woven(*, context: float | None = 1.0) -> Graph:
    world = World(SqlStore(":memory:"), space=None)
    world.add(SAID)
    return world.graph(Weave(context=context, threshold=None))


@pytest.fixture(scope="module")
def graph() -> Graph:
    return woven()


def name(graph: Graph, text: str, score: float = 1.0) -> NameLink:
    return NameLink(int(graph.find([text])[0]), text, "name", score)


def fact(graph: Graph, subject: str, object_: str, score: float, scale: float) -> FactLink:
    number = next(
        f
        for f in range(len(graph.subject))
        if graph.names([int(graph.subject[f]), int(graph.object[f])]) == [subject, object_]
    )
    return FactLink(number, score, scale)


def on_names(graph: Graph, found: Reset) -> dict[str, float]:
    numbers = graph.node_name[found.nodes]
    return {graph.names([int(n)])[0]: float(m) for n, m in zip(numbers, found.mass, strict=True) if n >= 0}


def on_passages(graph: Graph, found: Reset) -> list[float]:
    mass = np.zeros(graph.walk.nodes)
    mass[found.nodes] = found.mass
    values: list[float] = mass[graph.passage_node].tolist()
    return values


def test_hipporag_2_gives_the_ends_of_facts_the_mean_of_score_by_passages(graph: Graph) -> None:
    linked = Linked(facts=(fact(graph, "ana", "rome", 0.9, 1.0), fact(graph, "ben", "rome", 0.6, 0.5)))
    found = on_names(graph, reset(graph, linked, NEAR, Settings.published(2)))
    # rome is in three passages and was met twice; ana in one; ben in two
    assert found == pytest.approx({"ana": 1.0, "ben": 0.5 / 2, "rome": (1.0 / 3 + 0.5 / 3) / 2})


def test_hipporag_2_gives_passages_a_twentieth_of_their_min_max_closeness(graph: Graph) -> None:
    linked = Linked(facts=(fact(graph, "ana", "rome", 0.9, 1.0),))
    found = on_passages(graph, reset(graph, linked, NEAR, Settings.published(2)))
    assert found == pytest.approx([0.0, 0.05, 0.025, 0.0125])


def test_hipporag_2_keeps_the_five_heaviest_ends(graph: Graph) -> None:
    facts = (
        fact(graph, "ana", "rome", 1.0, 1.0),
        fact(graph, "carl", "dora", 0.9, 0.9),
        fact(graph, "rome", "oslo", 0.8, 0.8),
        fact(graph, "ben", "rome", 0.7, 0.7),
    )
    found = on_names(graph, reset(graph, Linked(facts=facts), NEAR, Settings.published(2)))
    assert set(found) == {"ana", "carl", "dora", "oslo", "ben"}


def test_a_kept_fact_of_score_zero_does_no_harm(graph: Graph) -> None:
    zero = fact(graph, "carl", "dora", -0.2, 0.0)
    both = Linked(facts=(fact(graph, "ana", "rome", 0.9, 1.0), zero))
    assert set(on_names(graph, reset(graph, both, NEAR, Settings.published(2)))) == {"ana", "rome"}
    assert not len(reset(graph, Linked(facts=(zero,)), NEAR, Settings.published(2)).nodes)
    assert set(on_names(graph, reset(graph, both, NEAR, Settings(told=0.5)))) == {"ana", "rome"}


def test_hipporag_1_assigns_one_by_the_passages_of_a_name_and_adds_nothing() -> None:
    graph = woven(context=None)
    twice = Linked((name(graph, "rome"), name(graph, "ben"), name(graph, "rome", 0.7)))
    found = reset(graph, twice, NEAR, Settings.published(1))
    weights = on_names(graph, found)
    assert weights["ben"] / weights["rome"] == pytest.approx((1 / 2) / (1 / 3))
    assert set(weights) == {"rome", "ben"}
    assert found.doubt == 0.7


def test_without_specificity_all_names_weigh_the_same(graph: Graph) -> None:
    linked = Linked((name(graph, "rome"), name(graph, "ben")))
    found = on_names(graph, reset(graph, linked, NEAR, Settings(specificity=False)))
    assert found["rome"] == found["ben"]


def test_our_names_weigh_by_how_surely_they_are_linked(graph: Graph) -> None:
    linked = Linked((name(graph, "ana"), name(graph, "carl", 0.5)))
    found = on_names(graph, reset(graph, linked, NEAR, Settings()))
    assert found["ana"] / found["carl"] == pytest.approx(2)


def test_our_passages_have_their_share_of_all_mass_by_closeness_to_a_power(graph: Graph) -> None:
    found = reset(graph, Linked((name(graph, "ana"),)), NEAR, Settings(passages=0.2, sharpness=2.0))
    mass = on_passages(graph, found)
    assert sum(mass) / found.mass.sum() == pytest.approx(0.2)
    assert mass[1] / mass[0] == pytest.approx(25)


def test_our_facts_have_their_share_of_what_names_have(graph: Graph) -> None:
    linked = Linked((name(graph, "ana"),), (fact(graph, "ana", "rome", 0.9, 1.0),))
    found = on_names(graph, reset(graph, linked, NEAR, Settings(told=0.25)))
    assert found["rome"] / (found["rome"] + found["ana"]) == pytest.approx(0.25)


def test_facts_alone_have_all_that_names_would_have(graph: Graph) -> None:
    linked = Linked(facts=(fact(graph, "carl", "dora", 0.9, 1.0),))
    found = on_names(graph, reset(graph, linked, NEAR, Settings(told=0.25)))
    assert found["carl"] == found["dora"] == pytest.approx(0.5)


@pytest.mark.parametrize("settings", [Settings(), Settings.published(2), Settings.published(1)], ids=["ours", "2", "1"])
def test_without_links_there_are_no_seeds(graph: Graph, settings: Settings) -> None:
    assert not len(reset(graph, Linked(), NEAR, settings).nodes)


def test_closeness_of_zero_everywhere_leaves_the_names(graph: Graph) -> None:
    found = reset(graph, Linked((name(graph, "ana"),)), np.zeros(4), Settings())
    assert on_names(graph, found) == {"ana": 1.0}
    assert len(found.nodes) == 1


@given(
    scores=st.lists(st.floats(0, 1), min_size=5, max_size=5),
    near=st.lists(st.floats(-1, 1), min_size=4, max_size=4),
    ours=st.booleans(),
)
def test_seeds_rise_and_their_mass_is_positive(scores: Sequence[float], near: Sequence[float], ours: bool) -> None:
    texts = ("ana", "ben", "rome", "carl", "oslo")
    linked = Linked(
        tuple(name(GRAPH, text, score) for text, score in zip(texts, scores, strict=True)),
        (fact(GRAPH, "ana", "rome", scores[0], scores[1]), fact(GRAPH, "carl", "dora", scores[2], scores[3])),
    )
    found = reset(GRAPH, linked, np.array(near), Settings() if ours else Settings.published(2))
    assert (np.diff(found.nodes) > 0).all()
    assert (found.mass > 0).all()
    assert np.isfinite(found.mass).all()


def test_min_max_of_equal_values_is_one_as_in_the_papers_code() -> None:
    assert scaled(np.array([0.3, 0.3])).tolist() == [1.0, 1.0]
    assert scaled(np.empty(0)).tolist() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": 3},
        {"seeds": "all"},
        {"facts": -1},
        {"longest": 2.5},
        {"alike": 1.5},
        {"ensemble": 2.0},
        {"damping": 1.0},
        {"passages": 1.0},
        {"own": float("nan")},
    ],
    ids=str,
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Settings(**wrong)  # type: ignore[arg-type]


GRAPH = woven()


@pytest.mark.parametrize("damping", [-0.1, 0.995, float("nan")])
def test_a_damping_that_no_walk_takes_is_refused_at_once(damping: float) -> None:
    with pytest.raises(ValueError, match=r"damping must be from 0 to 0\.99"):
        Settings(damping=damping)
