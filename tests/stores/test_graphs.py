"""Graphs: any history gives the graph of what is left of it, weight for weight."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from memkit.errors import SpaceError
from memkit.values import Draft, Event, Record, Space, Weave
from memkit_kernels.ppr import ppr
from memkit_stores.graph_keeper import Keeper, Sources, Wanted
from memkit_stores.graph_rows import Owner
from memkit_stores.likening import Likening
from memkit_stores.shelves import Shelves
from memkit_stores.store import SqlStore
from memkit_stores.synonyms import Synonyms
from tests.stores.graph_kit import COMPONENT, NOW, SECOND, SPACE, Said, World, picture, vector

NAMES = ["ax", "axe", "Axe", "axes", "bo", "boat", "Boat", "boats", "cat", "cats", "1", "Ω", "ωμέγα"]
WEAVES = {
    "HippoRAG 2": Weave(threshold=0.7),
    "short lists": Weave(threshold=0.5, most=2, letters=1),
    "replacing": Weave(threshold=0.6, most=3, replace=True),
    "names alone": Weave(context=None, threshold=0.7),
    "odd weights": Weave(fact=0.3, context=0.1, synonym=0.7, threshold=0.6, most=2),
    "no synonyms": Weave(threshold=None),
}

name = st.sampled_from(NAMES)
said = st.builds(
    Said,
    st.sampled_from(["one", "two"]),
    st.lists(name, unique=True, max_size=4).map(tuple),
    st.lists(st.tuples(name, st.sampled_from(["is", "has"]), name), max_size=4).map(tuple),
    st.booleans(),
)
step = st.one_of(
    st.tuples(st.just("add"), st.lists(said, min_size=1, max_size=3), st.sampled_from(["n", "n/below", "other"])),
    st.tuples(st.just("refine"), st.integers(0, 50), said),
    st.tuples(st.just("forget"), st.lists(st.integers(0, 50), min_size=1, max_size=2)),
    st.tuples(st.just("look")),
)


def done(world: World, what: tuple[Any, ...]) -> None:
    ids = sorted(world.said)
    match what:
        case "add", passages, namespace:
            world.add(passages, namespace)
        case "refine", number, better if ids:
            id = ids[number % len(ids)]
            if world.said[id][2] is None:
                world.refine(id, better)
        case "forget", numbers if ids:
            world.forget({ids[number % len(ids)] for number in numbers})


@pytest.mark.parametrize("spaced", [True, False], ids=["with vectors", "without"])
@pytest.mark.parametrize("weave", WEAVES.values(), ids=WEAVES)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(step, min_size=1, max_size=10), below=st.booleans(), eager=st.booleans())
def test_any_history_gives_the_graph_of_what_is_left(
    steps: list[tuple[Any, ...]], below: bool, eager: bool, weave: Weave, spaced: bool
) -> None:
    world = World(SqlStore(":memory:"), SPACE if spaced else None)
    try:
        for what in [some for each in steps for some in ((each, ("look",)) if eager else (each,))] + [("look",)]:
            done(world, what)
            if what[0] == "look":
                defined, texts = world.defined(weave, below=below), world.texts()
                grown = picture(world.graph(weave, below=below), texts)
                assert grown["edges"] == pytest.approx(defined.pop("edges"), abs=1e-8)
                edges = grown.pop("edges")
                assert grown == defined
                assert picture(world.fresh(weave, below=below), texts) == {**grown, "edges": edges}
    finally:
        world.store.close()


FIRST = (
    Said("one", ("axe", "boat"), (("axe", "is", "boat"), ("axe", "is", "axe"))),
    Said("two", ("axes", "boat"), (("boat", "has", "axes"), ("axe", "is", "boat")), bare=True),
    Said("three"),
)


@pytest.fixture
def world() -> Any:
    made = World(SqlStore(":memory:"))
    made.add(FIRST)
    yield made
    made.store.close()


def test_an_edge_weighs_the_sum_of_what_supports_it(world: World) -> None:
    graph = world.graph(Weave(threshold=None))
    edges = picture(graph, world.texts())["edges"]
    assert edges[frozenset(("axe", "boat"))] == 4.0  # told by two passages
    assert edges[frozenset(("axes", "boat"))] == 2.0
    assert edges[frozenset(("e0001 one", "axe"))] == 1.0
    assert frozenset(("axe",)) not in edges
    assert len(edges) == 6


def test_a_passage_without_an_extraction_is_an_isolated_node(world: World) -> None:
    graph = world.graph(Weave())
    node = graph.passage_node[2]
    assert node >= 0
    assert graph.walk.indptr[node + 1] == graph.walk.indptr[node]


def test_the_walk_is_what_networkx_walks(world: World) -> None:
    graph = world.graph(Weave(threshold=0.5))
    edges = picture(graph, world.texts())["edges"]
    whole = nx.Graph()
    whole.add_nodes_from(range(graph.walk.nodes))
    names = graph.names(range(len(graph.name_node)))
    passages = [world.texts()[id] for id in graph.shelf.id.tolist()]
    label = [names[n] if n >= 0 else passages[p] for n, p in zip(graph.node_name, graph.node_passage, strict=True)]
    place = {text: node for node, text in enumerate(label)}
    whole.add_weighted_edges_from((*(place[text] for text in pair), weight) for pair, weight in edges.items())
    reset = np.zeros(graph.walk.nodes)
    reset[graph.name_node[graph.find(["axe"])]] = 1
    expected = nx.pagerank(
        whole, alpha=0.5, personalization={place["axe"]: 1.0}, tol=1e-14, dangling={place["axe"]: 1.0}
    )
    assert ppr(graph.walk, reset) == pytest.approx([expected[node] for node in range(graph.walk.nodes)], abs=1e-10)


def test_what_was_handed_out_never_changes(world: World) -> None:
    before = world.graph(Weave(threshold=0.5))
    shown = picture(before, world.texts())
    vectors = before.name_vectors.scores(vector("axe"))
    world.add([Said("four", ("axle", "axe"), (("axle", "is", "axe"),))])
    world.refine("e0001", Said("better", ("oar",)))
    assert picture(world.graph(Weave(threshold=0.5)), world.texts()) != shown
    assert picture(before, world.texts()) == shown
    assert before.find(["axle"]).tolist() == [-1]
    assert before.name_vectors.scores(vector("axe")).tolist() == vectors.tolist()


def test_the_same_graph_is_handed_out_until_something_changes(world: World) -> None:
    assert world.graph(Weave()) is world.graph(Weave())
    before = world.graph(Weave())
    world.add([Said("four")], "elsewhere")
    assert world.graph(Weave()) is before


def test_a_better_reading_takes_the_place_of_the_first_whatever_comes_first(world: World) -> None:
    world.graph(Weave())
    world.refine("e0001", Said("better", ("oar",), (("oar", "is", "boat"),)))
    graph = world.graph(Weave())
    assert [graph.names([n])[0] for n in graph.names_in(0)] == ["oar"]
    assert graph.find(["oar", "axe", "boat"]).min() >= 0  # the second passage has an axe, too
    assert picture(graph, world.texts())["edges"] == picture(world.fresh(Weave()), world.texts())["edges"]


def test_a_better_reading_of_one_of_several_namespaces_takes_its_place(world: World) -> None:
    weave = Weave(threshold=0.5)
    world.add([Said("deep", ("axe",), (("axe", "is", "boat"),))], "n/deep")
    world.graph(weave, below=True)
    world.refine("e0004", Said("better", ("oar",)))  # the axe is a name of the other namespace still
    graph = world.graph(weave, below=True)
    assert picture(graph, world.texts()) == picture(world.fresh(weave, below=True), world.texts())
    world.forget(["e0001", "e0002"])
    assert world.graph(weave, below=True).find(["axe"]).tolist() == [-1]


@pytest.mark.parametrize("last", [True, False], ids=["the last passage", "an earlier one"])
def test_a_passage_may_come_after_others_and_after_what_was_read_out_of_it(world: World, last: bool) -> None:
    weave = Weave(threshold=0.5)  # as when an event was set aside, and the chat model read it meanwhile
    event = Event(id="e9000", namespace="n", text="e9000 late", at=NOW, recorded=NOW)
    world.store.journal.append([event])
    late, better = Said("late"), Said("better", ("oar",), (("oar", "is", "boat"),))
    texts = ("oar", "boat", "('oar', 'is', 'boat')")
    draft = Draft((), (better.extraction(event.sources[0], "n", 1),), {text: vector(text) for text in texts})
    world._commit("n", SECOND, draft)
    if not last:
        world.add([Said("later", ("cat",))])
    world.graph(weave)
    world._commit("n", COMPONENT, Draft((replace(Record.of(event, COMPONENT), vector=vector(event.text)),)))
    world.said["e9000"] = ("n", late, better)
    graph = world.graph(weave)
    assert picture(graph, world.texts())["names in"] == world.defined(weave)["names in"]
    assert picture(graph, world.texts()) == picture(world.fresh(weave), world.texts())


def test_a_name_that_gets_its_vector_later_gets_its_synonyms() -> None:
    world, weave = World(SqlStore(":memory:"), made=lambda text: None), Weave(threshold=0.5)
    world.add(FIRST)
    before = world.graph(weave)
    assert before.synonyms()[0].tolist() == []
    missing = world.store.spaces.missing(SPACE, 100)
    world.store.spaces.fill(SPACE, {id: vector(text) for id, text in missing})
    graph = world.graph(weave)
    assert picture(graph, world.texts())["synonyms"] == world.defined(weave)["synonyms"] != {}
    assert graph.name_vectors.scores(vector("axe"))[graph.find(["axe"])[0]] == pytest.approx(1)
    assert before.name_vectors.scores(vector("axe")).max() == -1
    world.store.close()


def test_a_name_that_gets_its_vector_with_a_later_passage_has_it_in_the_first_one_too() -> None:
    world, weave = World(SqlStore(":memory:"), made=lambda text: None), Weave(threshold=0.5)
    world.add(FIRST)
    world.graph(weave)
    world.made = None
    world.add([Said("later", ("axe", "axes", "boat"))])
    graph = world.graph(weave)
    assert graph.name_vectors.scores(vector("axe"))[graph.find(["axe"])[0]] == pytest.approx(1)
    assert picture(graph, world.texts())["synonyms"] == world.defined(weave)["synonyms"] != {}
    world.store.close()


def test_a_fact_that_comes_later_does_not_outweigh_the_synonym_that_replaces_it() -> None:
    world, weave = World(SqlStore(":memory:")), Weave(threshold=0.5, replace=True)
    world.add([Said("one", ("axe", "axes"))])
    world.graph(weave)
    world.add([Said("two", ("axe",), (("axe", "is", "axes"),))])
    grown = picture(world.graph(weave), world.texts())
    assert grown["edges"] == pytest.approx(world.defined(weave)["edges"], abs=1e-8)
    world.store.close()


def test_names_are_found_by_their_words_and_not_those_of_other_names() -> None:
    world = World(SqlStore(":memory:"))
    world.add([Said("one", ("the red boat", "red tape", "a boat"))])
    graph = world.graph(Weave())
    found = graph.naming("red boats")
    assert found.terms == ("red", "boat")
    names = [[graph.names([row])[0] for row in rows] for rows in found.rows]
    assert names == [["the red boat", "red tape"], ["the red boat", "a boat"]]
    assert found.frequency.tolist() == [2, 2]
    world.store.close()


def test_facts_are_told_as_the_first_passage_tells_them(world: World) -> None:
    graph = world.graph(Weave())
    every = {fact.embedded: fact for fact in graph.facts(range(len(graph.subject)))}
    assert every["('axe', 'is', 'boat')"].embed
    assert not every["('boat', 'has', 'axes')"].embed
    assert len(every) == 3


def test_a_graph_within_some_passages_is_what_these_make_by_themselves(world: World) -> None:
    world.add([Said("four", ("cat", "axe"), (("cat", "has", "axe"),)), Said("five", ("cats",))])
    weave = Weave(threshold=0.5)
    graph = world.graph(weave)
    mask = np.array([True, False, True, True, False])
    part = graph.within(mask)
    assert part.shelf is graph.shelf
    assert (part.passage_node >= 0).tolist() == mask.tolist()
    active = world.said
    world.said = {id: said for id, said in active.items() if id in ("e0001", "e0003", "e0004")}
    defined = world.defined(weave)
    names = part.names(range(len(part.name_node)))
    assert sorted(names) == defined["names"]
    assert part.find(names).tolist() == list(range(len(names)))
    assert part.find(["cats", "axes"]).tolist() == [-1, -1]
    assert sorted(str((f.subject, f.relation, f.object)) for f in part.facts(range(len(part.subject)))) == [
        str(fact) for fact in defined["facts"]
    ]
    low, high, _ = part.synonyms()
    assert {tuple(sorted((names[a], names[b]))) for a, b in zip(low, high, strict=True)} == set(defined["synonyms"])
    assert part.walk.weights.sum() / 2 == sum(defined["edges"].values())
    place = part.find(["cat"])[0]
    assert part.name_vectors.nearest(vector("cat")[None], 1)[0][0, 0] == place
    assert part.name_vectors.scores(vector("cat"))[place] == pytest.approx(1)
    again = part.within(np.array([False, False, False, True, False]))
    assert sorted(again.names(range(len(again.name_node)))) == ["axe", "cat"]
    assert [again.names(rows.tolist()) for rows in again.naming("cat").rows] == [["cat"]]
    nothing = again.within(np.zeros(5, np.bool_)).within(np.zeros(5, np.bool_))
    assert nothing.find(["axe", "cat"]).tolist() == [-1, -1]
    assert nothing.name_vectors.nearest(vector("cat")[None], 1)[0].tolist() == [[-1]]
    assert nothing.walk.nodes == 0


def test_a_forgotten_name_is_served_to_nobody(world: World) -> None:
    before = world.graph(Weave())
    number = before.find(["axe"])[0]
    fact = [f"{f.subject} {f.relation}" for f in before.facts(range(len(before.subject)))].index("axe is")
    world.forget(["e0001", "e0002"])
    assert before.names([number]) == [""]
    assert before.facts([fact])[0].subject == ""
    assert world.graph(Weave()).find(["axe"]).tolist() == [-1]


def test_equal_names_of_namespaces_below_are_one_name(world: World) -> None:
    world.add([Said("deep", ("axe",), (("axe", "is", "boat"),))], "n/deep")
    graph = world.graph(Weave(threshold=0.5), below=True)
    assert graph.mentions[graph.find(["axe"])[0]] == 2
    assert picture(graph, world.texts())["edges"][frozenset(("axe", "boat"))] == pytest.approx(
        world.defined(Weave(threshold=0.5), below=True)["edges"][frozenset(("axe", "boat"))]
    )
    assert world.graph(Weave(threshold=0.5)).shelf.size == 3


def test_two_stores_on_one_file_see_the_same_graph(tmp_path: Path) -> None:
    weave = Weave(threshold=0.5, most=2, letters=1)
    one = World(SqlStore(str(tmp_path / "m.db")))
    two = World(SqlStore(str(tmp_path / "m.db")))
    two.said = one.said
    one.add(FIRST)
    for n in range(12):
        mine, other = (one, two) if n % 2 else (two, one)
        mine.count = max(one.count, two.count)
        mine.add([Said("more", (NAMES[n], NAMES[n - 1]), ((NAMES[n], "is", NAMES[n - 2]),))])
        seen = [picture(each.graph(weave), one.texts()) for each in (other, mine)]
        assert seen[0] == seen[1] == picture(one.fresh(weave), one.texts())
    one.forget(["e0002"])
    assert picture(two.graph(weave), one.texts()) == picture(one.fresh(weave), one.texts())
    one.store.close()
    two.store.close()


def test_postgresql_has_the_same_graph(fresh_postgres_url: str) -> None:
    world, weave = World(SqlStore(fresh_postgres_url)), Weave(threshold=0.5, most=2, letters=1)
    steps: list[tuple[Any, ...]] = [("add", FIRST, "n"), ("refine", 0, Said("better", ("oar", "cat"))), ("forget", [1])]
    steps += [("add", [Said("more", tuple(NAMES), (("cat", "has", "oar"),), bare=True)], "n/below")]
    for what in steps:
        done(world, what)
        for below in (False, True):
            shown = picture(world.graph(weave, below=below), world.texts())
            defined = world.defined(weave, below=below)
            assert shown.pop("edges") == pytest.approx(defined.pop("edges"), abs=1e-8)
            assert shown == defined
    world.store.close()


def test_many_threads_and_a_writer_agree_in_the_end(tmp_path: Path) -> None:
    world, weave = World(SqlStore(str(tmp_path / "m.db"), durability="process")), Weave(threshold=0.5)
    world.add(FIRST)
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            graph = world.graph(weave)
            assert len(graph.passage_node) == graph.shelf.size
            assert graph.naming_passages(0).max() < graph.shelf.size

    with ThreadPoolExecutor(3) as pool:
        looking = [pool.submit(look) for _ in range(3)]
        for n in range(40):
            world.add([Said("more", (NAMES[n % 13], f"name {n}"), ((NAMES[n % 13], "is", f"name {n}"),))])
        stop.set()
        for look_at in looking:
            look_at.result()
    assert picture(world.graph(weave), world.texts()) == picture(world.fresh(weave), world.texts())
    world.store.close()


def test_a_graph_is_woven_though_others_commit_all_the_time(world: World) -> None:
    class Overtaken(Synonyms):
        def complete(self, owner: Owner, likening: Likening, held: Connection | None = None) -> int:
            version = super().complete(owner, likening, held)
            if held is None:
                world.add([Said("more", (f"name {world.count}",), (("axe", "is", f"name {world.count}"),))])
            return version

    database, weave = world.store.database, Weave(threshold=0.5)
    sources = Sources(database, Shelves(database, None), Overtaken(database))
    graph = Keeper(sources, Wanted(COMPONENT, "n", below=False, space=SPACE, weave=weave)).refreshed()
    assert world.count > len(FIRST) + 1
    assert picture(graph, world.texts()) == picture(world.fresh(weave), world.texts())


def test_another_embedder_finds_its_own_synonyms(world: World) -> None:
    weave = Weave(threshold=0.5)
    world.graph(weave)
    other = Space(model="other", dimension=8)
    while missing := world.store.spaces.missing(other, 100):
        world.store.spaces.fill(other, {id: vector(text, other) for id, text in missing})
    world.store.spaces.use(other, whole=True)
    with pytest.raises(SpaceError):
        world.graph(weave)
    world.space = other
    shown = picture(world.graph(weave), world.texts())
    assert shown["synonyms"] == world.defined(weave)["synonyms"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"threshold": float("nan")}, "threshold is a cosine, from 0 to 1, not nan"),
        ({"threshold": -0.5}, "threshold is a cosine"),
        ({"fact": -1.0}, "fact is a weight, from 0 to 1000, not -1"),
        ({"context": float("inf")}, "context is a weight"),
        ({"synonym": float("nan")}, "synonym is a weight"),
        ({"most": -1}, "most must be at least 0"),
        ({"letters": -1}, "letters must be at least 0"),
    ],
    ids=lambda part: "_".join(part) if isinstance(part, dict) else "",
)
def test_a_weave_that_cannot_be_meant_is_refused(arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Weave(**arguments)


def test_nothing_at_all_is_an_empty_graph() -> None:
    world = World(SqlStore(":memory:"))
    graph = world.graph(Weave())
    assert (graph.walk.nodes, graph.shelf.size, len(graph.telling()[0])) == (0, 0, 0)
    assert graph.find(["axe"]).tolist() == [-1]
    assert graph.fact_vectors.range(vector("axe")) == (0.0, 0.0)
    assert graph.within(np.zeros(0, np.bool_)).walk.nodes == 0
    world.store.close()
