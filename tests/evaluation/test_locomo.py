"""The evaluation counts right: on a conversation so small that every figure can be worked out by hand.

Every session has one turn, so nothing is found for what was said beside it. "piano" is in seven turns; the shorter one is the
better, so the longest comes seventh. Nobody speaks of a saxophone.

    question      category   evidence         found at   recall@5   recall@10   reciprocal rank
    dachshund     4          D1:1             1          1          1           1
    cello         1          D2:1 and D1:1    1, never   1/2        1/2         1
    saxophone     2          D3:1             never      0          0           0
    ramen         4          D4:1             1          1          1           1
    piano         1          D11:1            7          0          1           1/7
    harbour       3          D12:2            1          1          1           1
    glacier       5          D3:1             1          1          1           1
"""

import importlib.util
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memkit import Passages
from memkit.evaluation.conversations import read
from memkit.evaluation.locomo import evaluate
from memkit.testing.embedders import FaultyEmbedder, HashEmbedder

TINY = Path(__file__).with_name("tiny_locomo.json")
DATA = os.environ.get("MEMKIT_DATA")


def test_the_figures_are_those_worked_out_by_hand() -> None:
    report = evaluate(TINY)
    assert report["questions"] == 7
    assert report["recall@5"] == round(5.5 / 7 - 1 / 7, 4)
    assert report["recall@10"] == report["recall@20"] == round(5.5 / 7, 4)
    assert report["mrr"] == round((5 + 1 / 7) / 7, 4)
    assert report["categories_1-4"] == {
        "questions": 6,
        "recall@5": round(3.5 / 6, 4),
        "recall@10": 0.75,
        "recall@20": 0.75,
        "mrr": round((4 + 1 / 7) / 6, 4),
    }


def test_each_category_has_figures_of_its_own() -> None:
    by_category = evaluate(TINY)["by_category"]
    assert list(by_category) == ["1", "2", "3", "4", "5"]
    assert by_category["1"] == {
        "questions": 2,
        "recall@5": 0.25,
        "recall@10": 0.75,
        "recall@20": 0.75,
        "mrr": round((1 + 1 / 7) / 2, 4),
    }
    assert by_category["2"]["recall@20"] == by_category["2"]["mrr"] == 0
    assert by_category["5"]["questions"] == by_category["5"]["mrr"] == 1


def test_questions_without_usable_evidence_are_skipped_and_counted() -> None:
    assert evaluate(TINY)["skipped"] == 3


def test_the_report_says_what_was_measured() -> None:
    report = evaluate(TINY, embedder=HashEmbedder())
    assert report["settings"] == {"embedder": "memkit-hash-0", "components": ["passages"], "k": 20}
    assert report["turns"] == 12  # the blank one is none
    assert list(report["by_conversation"]) == ["tiny"]
    assert set(report["seconds"]) == {"adding", "absorbing", "recalling", "recall_p50_ms", "recall_p95_ms"}
    assert json.loads(json.dumps(report)) == report


def test_two_conversations_are_apart_and_both_counted(tmp_path: Path) -> None:
    twice = tmp_path / "twice.json"
    twice.write_text(json.dumps(2 * json.loads(TINY.read_text())))
    report = evaluate(twice)
    assert report["questions"] == 14
    assert report["mrr"] == evaluate(TINY)["mrr"]
    assert list(report["by_conversation"]) == ["tiny", "tiny (2)"]


def test_the_memory_never_sees_an_answer_or_the_evidence() -> None:
    embedder = FaultyEmbedder(HashEmbedder())
    evaluate(TINY, embedder=embedder)
    seen = [text for call in embedder.calls for text in call]
    assert "Is there a piano?" in seen
    assert not any("Xerxes" in text or "D11" in text for text in seen)


def test_a_component_may_be_given_by_name_or_as_it_is() -> None:
    by_name, as_it_is = evaluate(TINY, components=["passages"]), evaluate(TINY, components=[Passages()])
    assert by_name["categories_1-4"] == as_it_is["categories_1-4"]
    with pytest.raises(ValueError, match="no component 'telepathy'; there are passages"):
        evaluate(TINY, components=["telepathy"])


def test_progress_counts_turns_and_questions_up_to_all_of_them() -> None:
    told: list[tuple[int, int]] = []
    evaluate(TINY, progress=lambda done, total: told.append((done, total)))
    assert told[0] == (12, 19)
    assert told[-1] == (19, 19)
    assert [done for done, _ in told] == sorted({done for done, _ in told})


def test_times_and_names_are_read_as_meant() -> None:
    turns = {turn.name: turn for turn in read(TINY)[0].turns}
    said = [turns[name].at for name in ("D1:1", "D2:1", "D3:1", "D4:1")]
    assert [None if at is None else at.isoformat() for at in said] == [
        "2023-05-08T13:56:00+00:00",
        "2023-05-09T00:05:00+00:00",
        "2023-05-10T12:30:00+00:00",
        None,
    ]
    assert (turns["D4:1"].text, turns["D4:1"].caption, turns["D4:1"].author) == (
        "Look at that!",
        "a bowl of ramen",
        "Ben",
    )
    assert (turns["D12:2"].text, turns["D12:2"].caption, turns["D12:2"].author) == ("a harbour", None, None)
    assert list(turns)[-3:] == ["D10:1", "D11:1", "D12:2"]  # session 10 comes after session 9


def test_zeros_and_lists_in_evidence_are_understood() -> None:
    evidence = {question.text: question.evidence for question in read(TINY)[0].questions}
    assert evidence["Who plays the cello?"] == {"D1:1", "D2:1"}
    assert evidence["Is there ramen?"] == {"D4:1"}


def _without(*names: str) -> Callable[[Any], None]:
    def change(sample: Any) -> None:
        for name in names[:-1]:
            sample = sample[name]
        del sample[names[-1]]

    return change


def _with(value: object, *names: Any) -> Callable[[Any], None]:
    def change(sample: Any) -> None:
        for name in names[:-1]:
            sample = sample[name]
        sample[names[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_without("conversation"), "conversation tiny: 'conversation' is missing"),
        (_without("qa"), "conversation tiny: 'qa' is missing"),
        (_with({}, "conversation"), "conversation tiny: there is no session_1"),
        (_with([7], "conversation", "session_1"), "a turn of session_1 should be an object, and is a int"),
        (_with([{"text": "x"}], "conversation", "session_1"), "conversation tiny: 'dia_id' is missing"),
        (_with([{"text": 7, "dia_id": "D1:1"}], "conversation", "session_1"), "7 should be a text"),
        (_with("8 May", "conversation", "session_1_date_time"), "session_1_date_time is '8 May'; it should read like"),
        (_with("1:00 pm on 31 June, 2023", "conversation", "session_1_date_time"), "day is out of range"),
        (_with([{"question": "", "category": 1}], "qa"), "a question needs a text and a number as category"),
        (_with([{"question": "x", "category": "1"}], "qa"), "a question needs a text and a number as category"),
        (_with([{"question": "x", "category": 1, "evidence": "D1:1"}], "qa"), "evidence should be a list"),
    ],
)
def test_a_file_of_another_format_is_refused_with_the_place(
    tmp_path: Path, change: Callable[[Any], None], said: str
) -> None:
    (sample,) = json.loads(TINY.read_text())
    change(sample)
    file = tmp_path / "changed.json"
    file.write_text(json.dumps([sample]))
    with pytest.raises(ValueError, match="not in LoCoMo's format") as caught:
        evaluate(file)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [("[", "is not JSON"), ("{}", "a list of conversations"), ("[]", "a list"), ("[1]", "an object")],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "other.json"
    file.write_text(content)
    with pytest.raises(ValueError, match=said):
        evaluate(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot read .*nowhere\.json: No such file"):
        evaluate(tmp_path / "nowhere.json")


def test_a_file_without_any_usable_evidence_is_refused(tmp_path: Path) -> None:
    (sample,) = json.loads(TINY.read_text())
    sample["qa"] = sample["qa"][6:9]
    file = tmp_path / "nothing.json"
    file.write_text(json.dumps([sample]))
    with pytest.raises(ValueError, match=r"no question in .* has evidence"):
        evaluate(file)


@pytest.mark.skipif(DATA is None, reason="MEMKIT_DATA is not set")
def test_words_alone_reach_the_bar_on_the_real_conversations() -> None:
    report = evaluate(Path(str(DATA)) / "locomo" / "locomo.json")
    assert report["categories_1-4"]["recall@10"] >= 0.66


@pytest.mark.slow
@pytest.mark.skipif(DATA is None, reason="MEMKIT_DATA is not set")
@pytest.mark.skipif(importlib.util.find_spec("sentence_transformers") is None, reason="needs the `local` extra")
def test_minilm_reaches_the_bar_on_the_real_conversations(minilm_folder: Path) -> None:
    report = evaluate(Path(str(DATA)) / "locomo" / "locomo.json", embedder=str(minilm_folder))
    assert report["categories_1-4"]["recall@10"] >= 0.72
