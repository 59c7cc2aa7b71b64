"""Passages judged with the one that they go with best: the formula against a plain loop, bridges, and what stays as it is."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from memkit.components.hipporag.company import APART, FAINT, FULL, K1, B, in_company, judged
from memkit.components.hipporag.linking import Linked, NameLink
from memkit.components.hipporag.ranking import Ranked
from memkit.components.hipporag.settings import Settings
from memkit.values import Weave
from memkit_stores.graph import Graph
from memkit_stores.store import SqlStore
from tests.stores.graph_kit import Said, World

SAID = (
    Said("Aurora is a film that Halden directed", ("aurora", "halden"), (("aurora", "directed by", "halden"),)),
    Said("Halden is a child of his mother Ines", ("halden", "ines"), (("halden", "child of", "ines"),)),
    Said("A book about a mother", ("a book",), ()),
    Said("Ports of the north", ("north",), ()),
    Said("Aurora is also a town", ("aurora",), ()),
)
QUESTION = "Who is the mother of the one who directed the film Aurora?"


@pytest.fixture(scope="module")
def graph() -> Graph:
    world = World(SqlStore(":memory:"))
    world.add(SAID)
    return world.graph(Weave(threshold=None))


def naming(graph: Graph, *texts: str) -> Linked:
    return Linked(tuple(NameLink(int(graph.find([text])[0]), text, "name", 1.0) for text in texts))


def slowly(
    graph: Graph, rows: list[int], scores: list[float], meaning: list[float], asked: set[int]
) -> NDArray[np.float64]:
    """The module's docstring, word by word."""
    shelf, found = graph.shelf, graph.shelf.postings(QUESTION)
    counts = [
        dict(zip(has.tolist(), some.tolist(), strict=True)) for has, some in zip(found.rows, found.counts, strict=True)
    ]
    weight = [math.log1p((shelf.size - len(each) + 0.5) / (max(len(each), 1) + 0.5)) for each in counts]
    mean = float(shelf.length.mean())
    near = [max(value, 0.0) / max(*meaning, 1e-12) for value in meaning]

    def has(row: int, word: int) -> float:
        count = counts[word].get(row, 0.0)
        norm = K1 * (1 - B + B * float(shelf.length[row]) / mean)
        return weight[word] * min(FULL * count / (count + norm), 1.0)

    def link(one: int, other: int) -> float:
        both = set(graph.names_in(one).tolist()) & set(graph.names_in(other).tolist()) - asked
        size = math.log(shelf.size + 1)
        return max([APART, *(math.log((shelf.size + 1) / int(graph.mentions[name])) / size for name in both)])

    result = []
    for p, row in enumerate(rows):
        alone = sum(has(row, word) for word in range(len(weight))) / sum(weight) + near[p] / 2
        pairs = [0.0]
        for q, other in enumerate(rows):
            if p != q:
                words = sum(max(has(row, word), has(other, word)) for word in range(len(weight))) / sum(weight)
                together = words + (near[p] + near[q]) / 4
                pairs.append(link(row, other) * math.sqrt(scores[p] * scores[q]) * together)
        result.append(scores[p] * (FAINT + alone) + max(pairs))
    return np.array(result)


@pytest.mark.parametrize("meaning", [[0.0] * 5, [0.5, 0.1, 0.4, -0.2, 0.3]], ids=["words", "meaning"])
@pytest.mark.parametrize("rows", [[0, 1, 2, 3, 4], [4, 1, 0], [2]], ids=["all", "three", "one"])
def test_scores_are_those_of_the_definition(graph: Graph, rows: list[int], meaning: list[float]) -> None:
    scores = [1.0, 0.7, 0.6, 0.2, 0.1][: len(rows)]
    asked = naming(graph, "aurora")
    found, _ = judged(graph, QUESTION, np.array(rows), np.array(scores), np.array(meaning[: len(rows)]), asked)
    expected = slowly(graph, rows, scores, meaning[: len(rows)], {link.name for link in asked.names})
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_passage_rises_with_the_one_that_a_name_connects_it_to(graph: Graph) -> None:
    ranked = Ranked(np.array([0, 2, 1, 3]), np.array([1.0, 0.6, 0.6, 0.6]), "graph")
    found = in_company(graph, QUESTION, None, ranked, naming(graph, "aurora"), 20)
    assert found.rows.tolist()[:2] == [0, 1]
    assert found.scores[0] == 1.0
    assert found.company is not None
    assert found.company.tolist()[1] == 0
    assert (np.diff(found.scores) <= 0).all()


def test_a_name_of_the_question_is_no_bridge(graph: Graph) -> None:
    rows, scores, none = np.array([0, 4]), np.array([1.0, 1.0]), np.zeros(2)
    as_bridge, _ = judged(graph, QUESTION, rows, scores, none, Linked())
    asked, _ = judged(graph, QUESTION, rows, scores, none, naming(graph, "aurora"))
    assert (asked < as_bridge).all()


def test_passages_behind_the_first_ones_keep_their_order_and_stay_behind(graph: Graph) -> None:
    ranked = Ranked(np.array([0, 2, 1, 3, 4]), np.array([1.0, 0.9, 0.5, 0.4, 0.4]), "graph")
    found = in_company(graph, QUESTION, None, ranked, Linked(), 3)
    assert sorted(found.rows.tolist()[:3]) == [0, 1, 2]
    assert found.rows.tolist()[3:] == [3, 4]
    assert (np.diff(found.scores) <= 0).all()
    assert found.scores.min() > 0


@pytest.mark.parametrize(
    "ranked",
    [
        Ranked(np.array([0, 2]), np.array([0.5, 0.4]), "closeness"),
        Ranked(np.array([2]), np.array([1.0]), "graph"),
        Ranked(np.empty(0, np.int64), np.empty(0), "graph"),
    ],
    ids=["by closeness", "one", "none"],
)
def test_what_has_no_company_stays_as_it_is(graph: Graph, ranked: Ranked) -> None:
    assert in_company(graph, QUESTION, None, ranked, Linked(), 20) is ranked


def test_a_question_without_a_known_word_keeps_the_order_of_the_walk(graph: Graph) -> None:
    ranked = Ranked(np.array([3, 2, 0]), np.array([1.0, 0.5, 0.1]), "graph")
    found = in_company(graph, "Zzz?", None, ranked, Linked(), 20)
    assert found.rows.tolist() == [3, 2, 0]
    assert np.isfinite(found.scores).all()


def test_the_papers_judge_every_passage_by_itself() -> None:
    assert Settings.published(1).company == Settings.published(2).company == 0
    with pytest.raises(ValueError, match="company must be at least 0, not -1"):
        Settings(company=-1)
