"""The generated tasks: what is asked can be answered, every contestant is measured alike, and the figures are what they say."""

import json
import runpy
from collections import Counter
from pathlib import Path
from statistics import mean

import pytest

from memkit.evaluation import tasks
from memkit.evaluation.facts import facts
from memkit.evaluation.grocery import grocery
from memkit.evaluation.reader import first_mention, newest_statement
from memkit.evaluation.script import NOT_SAID, NOTHING, Ask, Removal, Script
from memkit.evaluation.subjects import SUBJECTS
from memkit.evaluation.verdict import interval, verdicts
from memkit.values import Event

ROOT = Path(__file__).parents[2]
KINDS = {
    "told once", "changed", "ended", "depended on", "as of a day", "before the last change", "forgotten", "never said",
}  # fmt: skip


def asks(script: Script) -> list[Ask]:
    return [step for step in script.steps if isinstance(step, Ask)]


def turns(script: Script) -> list[Event]:
    return [step for step in script.steps if isinstance(step, Event)]


# --- the scripts ----------------------------------------------------------------------------------


def test_a_seed_gives_the_same_scripts_and_another_seed_gives_others() -> None:
    for generate in (grocery, facts):
        assert generate(3) == generate(3)
        assert generate(3) != generate(4)


def test_groceries_are_stated_once_and_asked_after_twenty_questions() -> None:
    for script in grocery(0):
        (ask,) = asks(script)
        said = turns(script)
        right = next(option for option in ask.options if option.name == ask.right)
        stating = [place for place, turn in enumerate(said) if any(word in turn.text for word in right.words)]
        assert len(stating) == 1
        assert 6 <= stating[0] <= 12
        assert len(said) - stating[0] == 2 + 40
        assert all(word in said[stating[0]].text for word in right.words)
        assert script.steps[-1] is ask
        assert len({word for option in ask.options for word in option.words}) == 12


def test_wrong_groceries_are_mentioned_as_well() -> None:
    scripts = grocery(0)
    tempted = [
        any(word in turn.text for turn in turns(script) for option in asks(script)[0].options for word in option.words
            if option.name != asks(script)[0].right)
        for script in scripts
    ]  # fmt: skip
    assert sum(tempted) >= len(scripts) / 4


def test_facts_run_over_hundreds_of_turns_by_several_people_and_are_asked_in_every_way() -> None:
    for seed in range(3):
        (script,) = facts(seed)
        assert script.turns >= 300
        assert {turn.author for turn in turns(script)} == {*script.people, None}
        assert {ask.kind for ask in asks(script)} == KINDS
        moments = [turn.recorded for turn in turns(script)]
        assert moments == sorted(moments)
        assert len({turn.id for turn in turns(script)}) == script.turns


def test_what_is_forgotten_was_told_before_and_is_named_nowhere_else() -> None:
    (script,) = facts(1)
    told: set[str] = set()
    forgotten = 0
    for step in script.steps:
        if isinstance(step, Event):
            told.add(step.id)
        elif isinstance(step, Removal):
            assert step.ids
            assert step.ids <= told
            forgotten += 1
    assert forgotten == 6


def test_right_answers_are_options_or_say_that_there_is_none() -> None:
    counts = Counter[str]()
    for ask in asks(facts(2)[0]):
        names = [option.name for option in ask.options]
        assert len(names) == len(set(names)) >= 4
        expected = {"ended": {NOTHING}, "forgotten": {NOT_SAID}, "never said": {NOT_SAID}}.get(ask.kind, set(names))
        assert ask.right in expected
        counts[ask.kind] += 1
        assert (ask.as_of is not None) == (ask.kind == "as of a day")
    assert min(counts.values()) >= 2


def test_phrases_vary_and_have_no_holes_left() -> None:
    for subject in SUBJECTS:
        assert len(subject.values) == len(set(subject.values)) == 12
        assert min(map(len, (subject.told, subject.changed))) >= 5
    for seed in range(3):
        for step in facts(seed)[0].steps:
            assert not isinstance(step, (Event, Ask)) or not set(step.text) & set("{}")


def test_too_short_a_conversation_has_no_time_for_its_facts() -> None:
    with pytest.raises(ValueError, match="12 sessions"):
        facts(0, sessions=11)


# --- the report -----------------------------------------------------------------------------------


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks small enough for a test."""
    monkeypatch.setattr(
        tasks,
        "TASKS",
        {
            "grocery": (lambda seed: grocery(seed, dialogues=3, between=6), first_mention),
            "facts": (lambda seed: facts(seed, sessions=12, turns=6), newest_statement),
        },
    )


@pytest.mark.slow
@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("task", ["grocery", "facts"])
def test_a_report_has_every_contestant_measured_on_the_same_questions(task: str) -> None:
    steps: list[tuple[int, int]] = []
    report = tasks.evaluate(
        task,
        components=("think_in_memory", "sir_llm", "sir_llm:random", "passages+think_in_memory"),
        seeds=2,
        progress=lambda done, total: steps.append((done, total)),
    )
    names = ["last turns", "flat file and grep", "passages", "think_in_memory", "sir_llm", "sir_llm:random"]
    assert list(report["results"]) == [*names, "passages+think_in_memory", "full history"]
    assert (
        len(
            {
                tuple((kind, share["questions"]) for kind, share in row["kinds"].items())
                for row in report["results"].values()
            }
        )
        == 1
    )
    for name, row in report["results"].items():
        assert row["tokens"] <= 400 or name == "full history"
        for share in row["kinds"].values():
            assert 0 <= share["low"] <= share["mean"] <= share["high"] <= 1
            assert share["mean"] == pytest.approx(mean(share["by_seed"]), abs=1e-3)
    assert {name for name, row in report["results"].items() if row["baseline"]} == {*names[:3], "sir_llm:random"}
    assert steps[-1][0] == steps[-1][1] == len(steps)
    assert report["verdicts"]
    assert json.loads(json.dumps(report)) == report


@pytest.mark.parametrize(
    ("components", "why"),
    [
        (("telepathy",), "there is no component 'telepathy'"),
        (("recurrent_gpt",), "takes no part in these tasks: it remembers the paragraphs"),
        (("passages+recurrent_gpt",), "takes no part"),
        (("sir_llm:luck",), "there is no contestant 'sir_llm:luck'"),
        (("passages:random",), "there is no contestant 'passages:random'"),
    ],
)
def test_what_cannot_take_part_is_refused(components: tuple[str, ...], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        tasks.evaluate("grocery", components=components)


def test_an_unknown_task_and_a_single_seed_are_refused() -> None:
    with pytest.raises(ValueError, match="there is no task 'chess'"):
        tasks.evaluate("chess")
    with pytest.raises(ValueError, match="at least two"):
        tasks.evaluate("facts", seeds=1)


def test_an_interval_is_students() -> None:
    middle, low, high = interval([0.1, 0.2, 0.3, 0.4, 0.5])
    assert (middle, low, high) == pytest.approx((0.3, 0.3 - 0.19632, 0.3 + 0.19632), abs=1e-4)
    assert interval([0.5, 0.5]) == (0.5, 0.5, 0.5)


def test_the_sentences_say_where_a_baseline_wins() -> None:
    shares = {
        "grep": {"now": [0.9, 0.91, 0.92], "then": [0.1, 0.2, 0.3], "gone": [0.5, 0.9, 0.4], "never": [1.0, 1.0, 1.0]},
        "passages": {
            "now": [0.1, 0.1, 0.1],
            "then": [0.1, 0.1, 0.1],
            "gone": [0.1, 0.1, 0.1],
            "never": [1.0, 1.0, 1.0],
        },
        "thoughts": {
            "now": [0.5, 0.52, 0.51],
            "then": [0.8, 0.9, 1.0],
            "gone": [0.6, 0.5, 0.5],
            "never": [1.0, 1.0, 1.0],
        },
        "history": {"now": [1.0] * 3, "then": [1.0] * 3, "gone": [1.0] * 3, "never": [1.0] * 3},
    }
    told = verdicts(shares, {"grep", "passages"}, "history")
    assert told == [
        "now: the baseline grep (0.91) beats the best memory, thoughts (0.51).",
        "then: the best, thoughts (0.90), beats the best baseline, grep (0.20).",
        "gone: the baseline grep (0.60) is ahead of the best memory, thoughts (0.53), but not clearly.",
        "never: the best, thoughts (1.00), equals the best baseline, grep (1.00).",
    ]
    alone = verdicts({name: row for name, row in shares.items() if name != "thoughts"}, {"grep", "passages"}, "history")
    assert alone[0] == "now: the best, grep (0.91), beats the best other, passages (0.10)."


def test_the_page_has_the_numbers_of_the_results() -> None:
    written = runpy.run_path(str(ROOT / "benchmarks" / "tasks.py"))
    report = json.loads((ROOT / "benchmarks" / "results" / "tasks.json").read_text(encoding="utf-8"))
    page = (ROOT / "docs" / "tasks.md").read_text(encoding="utf-8")
    assert written["renewed"](page, report) == page, "run benchmarks/tasks.py --page"
    assert all(sentence in page for task in report["words"].values() for sentence in task["verdicts"])
