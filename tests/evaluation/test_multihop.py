"""Measuring multi-hop recall: sets in two formats, figures by hand, a tiny set end to end."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memkit.components.passages import Passages
from memkit.evaluation.multihop import evaluate
from memkit.evaluation.multihop_figures import Outcome, interval, means
from memkit.evaluation.multihop_sets import read
from memkit.ports import View
from memkit.testing.embedders import HashEmbedder
from memkit.values import Draft, Event

CORPUS = [
    {"title": "Bridge", "text": "The bridge over the Tagus is in Lisbon."},
    {"title": "Lisbon", "text": "Lisbon is the capital of Portugal."},
    {"title": "Lisbon", "text": "Lisbon is also a town in Ohio."},
    {"title": "Otter", "text": "Otters eat fish."},
    {"title": "Bridge", "text": "The bridge over  the Tagus is in Lisbon.\n"},
    {"title": "Nothing", "text": " "},
]
QUESTIONS: list[dict[str, Any]] = [
    {
        "question": "The bridge over the Tagus is in the capital of which country?",
        "paragraphs": [
            {"title": "Bridge", "paragraph_text": "The bridge over the Tagus is in Lisbon.", "is_supporting": True},
            {"title": "Lisbon", "paragraph_text": "Lisbon is the capital of Portugal.", "is_supporting": True},
            {"title": "Otter", "paragraph_text": "Otters eat fish.", "is_supporting": False},
        ],
    },
    {
        "question": "What do otters eat, and who eats them?",
        "paragraphs": [
            {"title": "Otter", "paragraph_text": "Otters eat fish.", "is_supporting": True},
            {"title": "Shark", "paragraph_text": "Sharks eat otters.", "is_supporting": True},
        ],
    },
    {
        "question": "How deep is the sea?",
        "paragraphs": [{"title": "Otter", "paragraph_text": "The sea is deep.", "is_supporting": True}],
    },
]


def written(folder: Path, questions: object = QUESTIONS, corpus: object = CORPUS) -> Path:
    for name, content in (("questions", questions), ("corpus", corpus)):
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def test_a_supporting_paragraph_is_the_passage_with_its_title_and_its_text(tmp_path: Path) -> None:
    hops = read(written(tmp_path))
    assert [one.text for one in hops.passages] == [one["text"] for one in CORPUS[:4]]
    assert (hops.repeated, hops.blank, hops.skipped) == (1, 1, 1)
    first, second = hops.questions
    assert (first.gold, first.missing) == ((frozenset({0}), frozenset({1})), 0)
    assert (second.gold, second.missing) == ((frozenset({3}),), 1)


def test_hotpotqa_names_titles(tmp_path: Path) -> None:
    asked = {
        "question": "Which?",
        "supporting_facts": [["Alpha", 0], ["Beta", 1], ["Alpha", 2], ["Gamma", 0]],
        "context": [["Alpha", ["One.", " Two."]], ["Delta", ["Three."]]],
    }
    corpus = {"Beta": ["B one.", " B two."], "Alpha": ["One.", "Two."], "Delta": "Three."}
    hops = read(written(tmp_path, [asked], corpus))
    assert [one.text for one in hops.passages] == ["B one. B two.", "One. Two.", "Three."]
    assert hops.questions[0].gold == (frozenset({1}), frozenset({0}))
    assert hops.questions[0].missing == 1


def test_where_several_passages_have_the_title_the_text_that_is_shown_decides(tmp_path: Path) -> None:
    corpus = [{"title": "A", "text": text} for text in ("One.", "Two. Three.", "Four.")]
    asked = {"question": "Which?", "supporting_facts": [["A", 0]], "context": [["A", ["Two.", "Three."]]]}
    unknown = {"question": "Which?", "supporting_facts": [["A", 0]]}
    hops = read(written(tmp_path, [asked, unknown], corpus))
    assert [one.gold for one in hops.questions] == [(frozenset({1}),), (frozenset({0, 1, 2}),)]


def paragraph(**fields: object) -> list[dict[str, object]]:
    return [{"question": "Q?", "paragraphs": [{"title": "A", "paragraph_text": "B", "is_supporting": True} | fields]}]


@pytest.mark.parametrize(
    ("questions", "corpus", "text"),
    [
        ({}, CORPUS, "questions.json is not in the format of a multi-hop set: it must be a list"),
        ([1], CORPUS, "question 1 must be an object"),
        ([{"paragraphs": []}], CORPUS, "question of question 1 is missing or no text"),
        ([{"question": " "}], CORPUS, "question 1 is empty"),
        ([{"question": "Q?"}], CORPUS, "question 1 has neither paragraphs nor supporting_facts"),
        (paragraph(is_supporting="yes"), CORPUS, "is_supporting of paragraph 1 of question 1 must be true or false"),
        (paragraph(paragraph_text=None), CORPUS, "paragraph_text of paragraph 1 of question 1 is missing"),
        ([{"question": "Q?", "supporting_facts": ["A"]}], CORPUS, "must be a list of pairs that begin with a title"),
        (
            [{"question": "Q?", "supporting_facts": [], "context": [["A", 1]]}],
            CORPUS,
            "context of question 1 must be a list",
        ),
        (QUESTIONS, [{"title": "A"}], "text of passage 1 is missing"),
        (QUESTIONS, {"A": [1]}, "passage 'A' must be a list of sentences"),
        (QUESTIONS, [], "corpus.json holds no passage with a text"),
        (QUESTIONS[2:], CORPUS, "of 1 questions in .* none has a supporting passage"),
        ([], CORPUS, "of 0 questions"),
    ],
)
def test_what_is_no_set_is_told(tmp_path: Path, questions: object, corpus: object, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        read(written(tmp_path, questions, corpus))


def test_a_missing_or_broken_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no folder"):
        read(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"cannot read .*corpus\.json: No such file"):
        read(tmp_path)
    (written(tmp_path) / "questions.json").write_text("[{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"questions\.json is not JSON"):
        read(tmp_path)
    (tmp_path / "questions.json").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"questions\.json is not JSON"):
        read(tmp_path)


def test_an_outcome_by_hand() -> None:
    gold = (frozenset({4}), frozenset({7, 8}), frozenset({9}))
    found = Outcome.of([1, 4, 8, 7, 2, 3, 9], gold)
    assert (found.at_2, found.at_5, found.at_10) == pytest.approx((1 / 3, 2 / 3, 1))
    assert (found.all_5, found.reciprocal) == (0, 0.5)
    assert Outcome.of([9, 7, 4], gold).all_5 == 1
    assert Outcome.of([], gold) == Outcome(at_2=0, at_5=0, at_10=0, all_5=0, reciprocal=0)
    assert means([found, Outcome.of([], gold)])["recall@5"] == pytest.approx(1 / 3, abs=1e-4)


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=2, max_size=40))
def test_an_interval_holds_the_mean_and_lies_within_the_values(values: list[float]) -> None:
    found = interval(values, resamples=500)
    assert min(values) <= found["low"] <= found["mean"] + 1e-4
    assert found["mean"] - 1e-4 <= found["high"] <= max(values)
    assert found == interval(values, resamples=500)


def test_an_interval_is_about_two_standard_errors_to_each_side() -> None:
    found = interval([0.0, 1.0] * 200)
    assert found["high"] - found["low"] == pytest.approx(2 * 1.96 * 0.5 / 400**0.5, rel=0.05)


def test_recall_of_a_set_is_measured_end_to_end(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    measured = evaluate(written(tmp_path), progress=lambda done, total: told.append((done, total)))
    report = measured.report
    assert (report["questions"], report["passages"], report["skipped"], report["missing"]) == (2, 4, 1, 1)
    assert (report["recall@10"], report["all-recall@5"], report["mrr"]) == (1, 1, 1)
    assert (report["deferred"], report["graph"]) == (0, {})
    assert report["indexing"]["embedded"] == 0
    assert report["ms_per_query"]["p50"] == report["ms_per_query"]["p50 with embedding"] > 0
    assert report["peak_mb"] > 10
    assert report["settings"]["components"] == ["passages"]
    assert (told[0], told[-1]) == ((0, 6), (6, 6))
    assert [one.reciprocal for one in measured.outcomes] == [1, 1]


def test_vectors_are_kept_and_questions_embedded_anew(tmp_path: Path) -> None:
    folder, cache = written(tmp_path), tmp_path / "cache"
    first, second = (
        evaluate(folder, components=[Passages()], embedder=HashEmbedder(), cache=cache).report for _ in range(2)
    )
    assert (first["indexing"]["embedded"], first["indexing"]["from_cache"]) == (4, 0)
    assert (second["indexing"]["embedded"], second["indexing"]["from_cache"]) == (4, 4)
    assert second["ms_per_query"]["p50"] < second["ms_per_query"]["p50 with embedding"]
    assert second["settings"]["embedder"] == "memkit-hash-0"
    assert second["recall@5"] == first["recall@5"]


def test_a_component_that_absorbs_nothing_is_not_measured(tmp_path: Path) -> None:
    class Deaf(Passages):
        async def absorb(self, events: Sequence[Event], view: View, /) -> Draft:
            raise ValueError("I hear nothing")

    with pytest.raises(ValueError, match=r"passages could not absorb any of 4 passages: .*I hear nothing"):
        evaluate(written(tmp_path), components=[Deaf()])


def test_fewer_hits_than_are_counted_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="k is 5"):
        evaluate(written(tmp_path), k=5)
