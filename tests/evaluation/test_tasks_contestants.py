"""Every contestant of the tasks delivers what it says, within the budget, and forgets what it is told to."""

from collections.abc import Sequence
from statistics import mean

from memkit.context.tokens import estimate
from memkit.evaluation.contestants import Listing, Remembering, everything, grep, last_turns
from memkit.evaluation.facts import facts
from memkit.evaluation.grocery import grocery
from memkit.evaluation.reader import first_mention, newest_statement
from memkit.evaluation.script import NOT_SAID, Ask, Removal, Script
from memkit.values import Event
from memkit.wiring import components_from, open_memory


def turns(script: Script) -> list[Event]:
    return [step for step in script.steps if isinstance(step, Event)]


def played(contestant: Listing | Remembering, script: Script) -> list[tuple[Ask, str, int]]:
    """Each question with the rendered context and its tokens."""
    (way,) = contestant.ways.values()
    contestant.start(script.name)
    contexts = []
    for step in script.steps:
        if isinstance(step, Event):
            contestant.tell([step])
        elif isinstance(step, Removal):
            contestant.forget(step.ids)
        else:
            context = way(step.text, 300, step.as_of)
            contexts.append((step, context.text, estimate(context.text)))
    return contexts


def rate(contexts: Sequence[tuple[Ask, str, int]], script: Script) -> float:
    return mean(newest_statement(text, ask, script.people) == ask.right for ask, text, _ in contexts)


def test_the_full_history_answers_nearly_everything() -> None:
    (script,) = facts(0, sessions=12, turns=4)
    assert rate(played(Listing("full history", everything), script), script) > 0.95
    (dialogue, *_) = grocery(0)
    ((ask, text, _),) = played(Listing("full history", everything), dialogue)
    assert first_mention(text, ask, ()) == ask.right


def test_everybody_else_stays_within_the_budget_and_forgets_and_looks_back_in_time() -> None:
    (script,) = facts(0, sessions=12, turns=4)
    with open_memory(":memory:", components=components_from("passages"), durability="process") as memory:
        contestants = [Listing("last", last_turns), Listing("grep", grep), Remembering(memory, ["passages"])]
        for contestant in contestants:
            contexts = played(contestant, script)
            assert max(tokens for _, _, tokens in contexts) <= 300
            assert sum(tokens for _, _, tokens in contexts) > 0
            for ask, text, _ in contexts:
                if ask.kind == "forgotten":
                    assert newest_statement(text, ask, script.people) == NOT_SAID
                if ask.as_of is not None:
                    days = [line[line.index("] ") + 2 :][:10] for line in text.splitlines() if line.startswith("[")]
                    assert all(day <= str(ask.as_of.date()) for day in days)


def test_grep_prefers_lines_with_more_of_the_words_and_then_newer_ones() -> None:
    (script,) = facts(0)
    (first, second, third, *_) = turns(script)
    told = [
        Event(id=str(n), namespace="n", text=text, at=one.at, recorded=one.at, author=author)
        for n, (one, author, text) in enumerate(
            [
                (first, "Ana", "A boat in Lisbon"),
                (second, "Ben", "a BOAT"),
                (third, "Ben", "the boat, the boat"),
                (third, "Ana", "no"),
            ]
        )
    ]
    text = grep(told, "Which boat was it in Lisbon?", 400).text
    assert [line.rpartition(": ")[2] for line in text.splitlines()] == [
        "A boat in Lisbon",
        "the boat, the boat",
        "a BOAT",
    ]


def test_the_last_turns_are_as_many_as_fit_and_none_is_left_out_between() -> None:
    (script,) = facts(0)
    said = turns(script)
    lines = last_turns(said, "anything", 200).text.splitlines()
    assert 3 <= len(lines) < len(said)
    assert [line.split(": ", 1)[1] for line in lines] == [turn.text for turn in reversed(said)][: len(lines)]


def test_all_that_is_kept_fits_the_budget_whatever_is_asked() -> None:
    (script,) = facts(0, sessions=12, turns=4)
    with open_memory(":memory:", components=components_from("sir_llm"), durability="process") as memory:
        contestant = Remembering(memory, ["sir_llm:surprisal", "sir_llm:recent"])
        contestant.start(script.name)
        contestant.tell(turns(script))
        shown = {name: way("anything at all", 200, None) for name, way in contestant.ways.items()}
        again = contestant.ways["sir_llm:surprisal"]("something else", 200, None)
    assert all(120 <= context.used <= 200 for context in shown.values())
    assert shown["sir_llm:surprisal"].text == again.text != shown["sir_llm:recent"].text
