"""Lists of synonyms: exact, the same however they came about, and found without comparing all names again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from memkit.components.hipporag.normalise import published
from memkit.values import Space, Weave
from memkit_stores.database import Database
from memkit_stores.likeness import GRAIN, Likeness, cosines, grained
from memkit_stores.likening import Likening
from memkit_stores.listing import Lists
from memkit_stores.node_vectors import MANY, NodeVectors
from memkit_stores.sketch import LEAST, SLACK, Turn, units_of
from memkit_stores.spaces import number_of
from memkit_stores.store import SqlStore
from memkit_stores.synonyms import Change, Net, Waiting
from tests.stores.graph_kit import COMPONENT, SPACE, Said, World


def alike(count: int, dimension: int, seed: int = 0) -> NDArray[np.float32]:
    """Unit vectors that lie in bunches, and of which a few directions have the most, as those of names do."""
    chance = np.random.default_rng(seed)
    spread = 1 / np.arange(1, dimension + 1) ** 0.5
    bunches = chance.standard_normal((count // 4 + 1, dimension)) * spread
    vectors = (
        bunches[chance.integers(0, len(bunches), count)] + 0.4 * chance.standard_normal((count, dimension)) * spread
    )
    return units_of(vectors.astype(np.float32))


def written(world: World) -> set[tuple[str, str, float]]:
    query = (
        "SELECT a.text, b.text, s.weight FROM synonyms s JOIN nodes a ON a.id = s.node JOIN nodes b ON b.id = s.other"
    )
    with world.store.database.read() as connection:
        return {(a, b, weight) for a, b, weight in connection.exec_driver_sql(query)}


def defined(world: World, weave: Weave) -> set[tuple[str, str, float]]:
    names = {name for _, first, better in world.said.values() for name in (*first.names, *(better or first).names)}
    return {(a, b, weight) for (a, b), weight in world._lists(names, weave).items()}


@settings(max_examples=30, deadline=None)
@given(
    batches=st.lists(
        st.lists(st.sampled_from([f"a{n}" for n in range(30)]), unique=True, min_size=1), min_size=1, max_size=5
    ),
    gone=st.sets(st.integers(0, 4)),
    most=st.integers(1, 6),
)
def test_the_lists_are_those_of_the_names_there_are(batches: list[list[str]], gone: set[int], most: int) -> None:
    world, weave = World(SqlStore(":memory:")), Weave(threshold=0.6, most=most, letters=2)
    ids = []
    for batch in batches:
        ids += world.add([Said("one", tuple(batch))])
        world.graph(weave)
        assert written(world) == defined(world, weave)
    world.forget(ids[number] for number in gone if number < len(ids))
    world.graph(weave)
    assert written(world) == defined(world, weave)
    world.store.close()


def test_of_equally_good_ones_at_the_cut_the_text_decides() -> None:
    world, weave = World(SqlStore(":memory:")), Weave(threshold=0.6, most=2)
    world.add([Said("one", ("abcd", "ABCD", "Abcd"))])
    world.graph(weave)
    world.add([Said("two", ("aBcd", "abCd"))])
    world.graph(weave)
    assert {(a, b) for a, b, _ in written(world) if a == "abcd"} == {("abcd", "ABCD"), ("abcd", "Abcd")}
    assert {(a, b) for a, b, _ in written(world) if a == "ABCD"} == {("ABCD", "Abcd"), ("ABCD", "aBcd")}
    world.store.close()


def test_a_short_name_has_no_list_and_may_be_on_one() -> None:
    world = World(SqlStore(":memory:"))
    world.add([Said("one", ("ab", "abc", "a-b"))])
    world.graph(Weave(threshold=0.5))
    assert {a for a, _, _ in written(world)} == {"abc"}
    assert {b for _, b, _ in written(world)} == {"ab", "a-b"}
    world.store.close()


def test_two_ways_to_look_do_not_disturb_each_other() -> None:
    world = World(SqlStore(":memory:"))
    world.add([Said("one", ("abc", "abd", "abe", "bcd"))])
    for weave in (Weave(threshold=0.5), Weave(threshold=0.75), Weave(threshold=0.5, most=1), Weave(threshold=0.5)):
        low, high, cosine = world.graph(weave).synonyms()
        expected = world.defined(weave)["synonyms"]
        assert len(low) == len(high) == len(expected)
        assert sorted(cosine.tolist()) == sorted(expected.values())
    world.store.close()


def test_two_processes_that_look_at_once_write_the_lists_once(tmp_path: Path) -> None:
    weave, path = Weave(threshold=0.5, most=3), str(tmp_path / "m.db")
    worlds = [World(SqlStore(path)) for _ in range(3)]
    worlds[0].add([Said("one", tuple(f"a{n}" for n in range(200)))])
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda world: world.graph(weave), worlds))
    assert written(worlds[0]) == defined(worlds[0], weave)
    for world in worlds:
        world.store.close()


@pytest.mark.parametrize("change", ["forget", "add"])
def test_what_changes_while_lists_are_found_is_on_them_before_they_are_written(change: str) -> None:
    world, weave = World(SqlStore(":memory:")), Weave(threshold=0.5, most=3)
    world.add([Said("one", ("abc", "abd")), Said("two", ("abd", "abe", "abf"))])
    changed = []

    class Overtaken(Net):
        def _written(self, database: Database, waiting: Waiting, found: Change) -> bool:
            if not changed:
                changed.append(world.forget(["e0001"]) if change == "forget" else world.add([Said("three", ("abg",))]))
            return super()._written(database, waiting, found)

    with world.store.database.read() as connection:
        number = number_of(connection, SPACE)
    assert number is not None
    likening = Likening.of(weave, number, SPACE.dimension)
    assert likening is not None
    Overtaken(("n", COMPONENT), likening).completed(world.store.database)
    assert changed
    assert written(world) == defined(world, weave)
    with world.store.database.read() as connection:
        gone = "SELECT count(*) FROM likened WHERE node NOT IN (SELECT id FROM nodes)"
        assert connection.exec_driver_sql(gone).scalar() == 0
    world.store.close()


def test_settling_finds_the_synonyms_of_what_came_since() -> None:
    world, weave = World(SqlStore(":memory:")), Weave(threshold=0.5)
    world.add([Said("one", ("abc",))])
    world.graph(weave)
    world.add([Said("two", ("abd",))])
    world.store.derived.settle(None, ("hipporag",), SPACE)
    assert {(a, b) for a, b, _ in written(world)} == {("abc", "abd"), ("abd", "abc")}
    world.store.close()


@pytest.mark.parametrize("dimension", [8, 96, 97, 200])
def test_sketches_never_say_less_than_the_cosine(dimension: int) -> None:
    units = alike(LEAST + 100, dimension)
    turn = Turn.of(units)
    assert (turn.basis is None) == (dimension <= 96)
    some = turn.sketches(units[:300])
    assert (some @ some.T >= units[:300] @ units[:300].T - SLACK).all()
    strangers = units_of(np.random.default_rng(1).standard_normal((50, dimension)).astype(np.float32))
    assert (turn.sketches(strangers) @ some.T >= strangers @ units[:300].T - SLACK).all()


@pytest.mark.parametrize("step", [1, 63, 3000])
def test_all_pairs_that_are_alike_are_proposed_once(step: int) -> None:
    units = alike(3000, 120)
    index, found = Likeness(Turn.of(units), 120), set()
    for start in range(0, 3000, step) if step > 1 else [0, *range(2990, 3000)]:
        ids = np.arange(start, 2990 if step == 1 and not start else min(start + step, 3000))
        for some, others in index.joined(ids, units[ids], 0.8):
            pairs = list(zip(some.tolist(), others.tolist(), strict=True))
            assert found.isdisjoint(pairs)
            found.update(pairs)
    rows, cols = np.nonzero(np.tril(units.astype(np.float64) @ units.T.astype(np.float64), -1) >= 0.8)
    assert len(rows) > 1000
    assert found.issuperset(zip(rows.tolist(), cols.tolist(), strict=True))
    assert all(other < some for some, other in found)


def test_a_cosine_depends_on_its_pair_alone() -> None:
    vectors = alike(500, 384) * np.float32(3)
    whole = cosines(vectors[:-1], vectors[1:])
    assert whole.tolist() == [float(cosines(vectors[n + 1][None], vectors[n][None])[0]) for n in range(499)]
    assert (grained(whole) * GRAIN == np.round(whole * GRAIN)).all()
    assert cosines(np.zeros((1, 4), np.float32), np.ones((1, 4), np.float32)).tolist() == [0.0]


def test_lists_are_cut_to_their_best() -> None:
    lists = Lists.of([(1, 5, 0.9), (1, 6, 0.8), (1, 7, 0.9), (2, 5, 0.1), (1, 8, 0.95)])
    kept = lists.cut(2, lambda ids: -ids)
    assert set(zip(kept.node.tolist(), kept.other.tolist(), strict=True)) == {(1, 8), (1, 7), (2, 5)}
    assert lists.without(kept).other.tolist() == [5, 6]


@pytest.mark.parametrize("sketched", [True, False], ids=["with sketches", "without"])
def test_the_nearest_are_exact(sketched: bool) -> None:
    vectors = alike(MANY + 500, 200)
    vectors[7] = vectors[4000]
    index = NodeVectors(200, sketched=sketched)
    index.add(np.arange(0, MANY, dtype=np.int32), vectors[:MANY])
    index.add(np.arange(MANY + 10, MANY + 500, dtype=np.int32), vectors[MANY + 10 :])
    found = index.snapshot(MANY + 500)
    queries = np.concatenate((vectors[[7, 100]], alike(3, 200, seed=9)))
    numbers, scores = found.nearest(queries, 20)
    for query, mine, score in zip(queries, numbers, scores, strict=True):
        every = found.scores(query)
        assert (every[MANY : MANY + 10] == -1).all()
        expected = np.lexsort((np.arange(len(every)), -every))[:20]
        assert mine.tolist() == expected.tolist()
        assert score.tolist() == every[expected].tolist()
        real = np.delete(every, range(MANY, MANY + 10))
        assert found.range(query) == (real.min(), real.max())
    assert numbers[0, :2].tolist() == [7, 4000]
    few = index.snapshot(MANY + 500).only(np.where(np.arange(MANY + 500) == 100, 0, -1).astype(np.int32), 1)
    assert few.nearest(queries[:1], 3)[0].tolist() == [[0, -1, -1]]


@pytest.mark.slow
@pytest.mark.skipif("MEMKIT_DATA" not in os.environ, reason="needs the data to measure with")
def test_the_published_figures_of_the_musique_graph(minilm_folder: Path) -> None:
    transformers: Any = pytest.importorskip("sentence_transformers")
    documents = json.loads((Path(os.environ["MEMKIT_DATA"]) / "musique" / "openie.json").read_text())["docs"]
    model = transformers.SentenceTransformer(str(minilm_folder), device="cpu")
    check_published(documents, lambda names: model.encode(names, normalize_embeddings=True))


def check_published(documents: list[Any], encode: Callable[[list[str]], NDArray[np.float32]]) -> None:
    """The integers of HippoRAG 2's graph on its own cached OpenIE, with all-MiniLM-L6-v2 and a threshold of 0.8."""
    passages = []
    for document in documents:
        whole = [triple for triple in document["extracted_triples"] if isinstance(triple, list) and len(triple) == 3]
        facts = tuple(dict.fromkeys(tuple(published(str(item)) for item in triple) for triple in whole))
        names = tuple(dict.fromkeys(fact[end] for fact in facts for end in (0, 2)))
        passages.append(Said(document["title"], names, facts, bare=True))
    every = sorted({name for said in passages for name in said.names})
    known = dict(zip(every, encode(every), strict=True))
    world = World(SqlStore(":memory:"), Space(model="minilm", dimension=384), made=lambda text: known.get(text))
    world.add(passages)
    graph, weave = world.graph(Weave()), Weave(replace=True)
    links = graph.links
    ends = np.stack((links.subject, links.object))
    pairs = np.unique(np.sort(ends[:, ends[0] != ends[1]], axis=0), axis=1)
    both = np.concatenate((pairs, pairs[::-1]), axis=1)
    assert (graph.shelf.size, links.names, links.facts) == (1890, 16_235, 17_036)
    assert (pairs.shape[1], links.context.shape[1], links.liked.shape[1]) == (16_509, 19_755, 14_220)
    assert int(links.likes(both).sum()) == 382
    assert 2 * pairs.shape[1] + 19_755 + 14_220 - 382 == 66_611
    degree = np.diff(graph.walk.indptr)
    assert int((degree == 0).sum()) == 2
    assert world.graph(weave).walk.entries == graph.walk.entries
    world.store.close()
