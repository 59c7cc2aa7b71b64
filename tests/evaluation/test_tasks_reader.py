"""The rule that answers from a context: a test for each of its sentences."""

import pytest

from memkit.evaluation.reader import first_mention, newest_statement, sentences
from memkit.evaluation.script import NOT_SAID, NOTHING, Ask, Option

PEOPLE = ("Ana", "Ben", "Carla")
TOWNS = tuple(Option(name=name, words=(name,)) for name in ("Turku", "Ghent", "Porto", "Leeds"))
ANA = Ask(text="Where does Ana live?", kind="now", options=TOWNS, right="Turku", about="Ana", topic=("live", "flat"))
PAST = Ask(text="Where did Ana live?", kind="before", options=TOWNS, right="Turku", about="Ana", past=True)


@pytest.mark.parametrize(
    ("context", "answer"),
    [
        ("", NOT_SAID),
        ("[1] 2024-01-08, Ana: I live in Turku.", "Turku"),
        ("[1] 2024-01-08, Ana: I live in turku.", "Turku"),
        ("[1] 2024-01-08, Ana: I live in Turkuland.", NOT_SAID),
        ("[1] 2024-01-08, Ben: I live in Turku.", NOT_SAID),
        ("[1] 2024-01-08, Ben: Ana lives in Turku.", "Turku"),
        ("[1] 2024-01-08, Ana: Ben lives in Turku.", NOT_SAID),
        ("[1] 2024-01-08: Ana lives in Turku.", "Turku"),
        ("[1] 2024-01-08, assistant: Ana, Turku, noted.", "Turku"),
        ("[1] 2024-01-08, Ana: Has anybody been to Turku?", NOT_SAID),
        ("[1] 2024-01-08, Ana: I live in Turku. Or so they say. Is Leeds nice?", "Turku"),
        ("[2] 2024-01-08, Ana: I live in Turku.\n[1] 2024-02-08, Ana: I moved to Ghent.", "Ghent"),
        ("[1] 2024-02-08, Ana: I moved to Ghent.\n[2] 2024-01-08, Ana: I live in Turku.", "Ghent"),
        ("[1] 2024-01-08 to 2024-03-01, 3 times, Ana: I live in Turku.\n[2] 2024-02-08, Ana: Ghent it is.", "Turku"),
        ("[1] 2024-01-08, Ana: Porto it is.\n[2] 2024-01-08, Ana: Leeds it is.", "Porto"),
        ("[1] 2024-01-08, Ana: Porto it is. No: Leeds it is.", "Leeds"),
        ("[1] 2024-01-08, Ana: I left Porto for Leeds.", "Leeds"),
        ("[1] 2024-01-08, Ana: I left Porto.", NOTHING),
        ("[1] 2024-01-08, Ana: I no longer live in Porto.", NOTHING),
        ("[1] 2024-01-08, Ana: I said\n    that Porto it is.", "Porto"),
        ('[1] 2024-01-08, Ana, "A letter": Porto it is.', "Porto"),
        ("[1] 2024-01-08, Ana: I live with Ben.\n[2] 2024-02-08, Ben: I moved to Leeds.", "Leeds"),
        ("[1] 2024-01-08, Ana: I share a flat with Ben.\n[2] 2024-02-08, Ben: I left Leeds.", NOTHING),
        ("[1] 2024-01-08, Ana: I play with Ben.\n[2] 2024-02-08, Ben: I moved to Leeds.", NOT_SAID),
        ("[1] 2024-01-08, Ana: I live with Ben and Carla.\n[2] 2024-02-08, Ben: I moved to Leeds.", NOT_SAID),
        (
            "[1] 2024-01-08, Ana: I live with Ben.\n[2] 2024-02-08, Ben: I live with Carla.\n[3] 2024-01-01, Carla: Leeds.",
            NOT_SAID,
        ),
        ("[1] 2024-01-08, Ana: I live in Porto, with Ben.\n[2] 2024-02-08, Ben: I moved to Leeds.", "Leeds"),
    ],
)
def test_the_newest_statement_about_the_person_is_the_answer(context: str, answer: str) -> None:
    assert newest_statement(context, ANA, PEOPLE) == answer


def test_what_ended_is_an_answer_about_the_past() -> None:
    assert newest_statement("[1] 2024-01-08, Ana: I left Porto.", PAST, PEOPLE) == "Porto"


def test_the_first_choice_that_is_mentioned_is_taken() -> None:
    options = (Option(name="a", words=("leeks", "figs")), Option(name="b", words=("oats", "dates")))
    ask = Ask(text="What was it?", kind="stated", options=options, right="a")
    assert first_mention("[1] 2024-01-08, user: Dates and figs.", ask, ()) == "b"
    assert first_mention("[1] 2024-01-08, user: Figs, leeks, oats.", ask, ()) == "a"
    assert first_mention("[1] 2024-01-08, user: updates", ask, ()) == NOT_SAID


def test_a_context_is_cut_into_sentences_with_their_speakers_and_days() -> None:
    found = list(sentences("[3] 2024-01-08, Ana: One. Two?\n    Three\n\n[1] 2024-01-09: Four!"))
    assert [(one.date, one.who, one.text, one.entry) for one in found] == [
        ("2024-01-08", "Ana", "One.", 0),
        ("2024-01-08", "Ana", "Two?", 0),
        ("2024-01-08", "Ana", "Three", 0),
        ("2024-01-09", "", "Four!", 1),
    ]
