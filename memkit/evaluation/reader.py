"""Answers questions from a rendered context: a fixed rule in place of a language model, the same for every contestant.

What is compared is what a memory delivers, not who reads it best. The rule sees the text that a prompt would have, as
`Recall.context` renders it, and nothing else but the question's options and the names of the people. It is simple: a model would
read better, so that figures are about the delivery and no bound on what is possible with it.

`first_mention`, for the grocery task: the choice that the context mentions first.

`newest_statement`, for the changing facts:

1. The context is cut into entries, and these into sentences. Sentences that end with a question mark tell nothing.
2. A sentence is about the people that it names, or if it names none about its speaker.
3. Of the sentences about the person in question that mention an option, the one with the newest date counts; among several
   of one date that of the best placed entry, and in it the last sentence.
4. Its last mentioned option is the answer. If it mentions only one and has a word of ending ("no longer", "sold", …), the
   answer is that there is nothing any more; not so when the question asks for the past.
5. If no sentence counts, but one says that the person shares with exactly one other what is asked ("wherever Ben lives is
   where I live"), the other's sentences count; this is done once.
6. Else the answer is that it was not said.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from memkit.evaluation.script import NOT_SAID, NOTHING, Ask, Option

_ENTRY = re.compile(
    r"^\[\d+\] (?:[\d-]+ to )?(?P<date>\d{4}-\d\d-\d\d)(?:, \d+ times)?(?:, (?P<who>[^\n:]*))?: ?", re.MULTILINE
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n\s*")
_ENDED = re.compile(
    r"\b(?:no longer|any ?more|gave up|given up|quit|stopped|sold|left|cancelled|got rid|used to|no more|without|done with|"
    r"is gone|are gone|over and done|former|ended|until)\b",
    re.IGNORECASE,
)
_SHARED = re.compile(r"\b(?:wherever|whatever|whichever|same|shares?|together|with)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of a context: when it was said, by whom, and the place of its entry."""

    date: str
    who: str
    text: str
    entry: int


def first_mention(context: str, ask: Ask, people: Sequence[str]) -> str:
    """The option that the context mentions first; NOT_SAID if it mentions none."""
    places = [(found.start(), option.name) for option in ask.options if (found := _mention(option).search(context))]
    return min(places)[1] if places else NOT_SAID


def newest_statement(context: str, ask: Ask, people: Sequence[str]) -> str:
    """The option that the newest statement about the person has; NOTHING if that says it ended, NOT_SAID without any."""
    told = [sentence for sentence in sentences(context) if not sentence.text.endswith("?")]
    assert ask.about is not None
    for person in (ask.about, *_sharing(told, ask.about, ask.topic, people)):
        answer = _newest(told, person, ask, people)
        if answer is not None:
            return answer
    return NOT_SAID


def sentences(context: str) -> Iterator[Sentence]:
    """The sentences of a rendered context, in its order."""
    heads = list(_ENTRY.finditer(context))
    for number, head in enumerate(heads):
        end = heads[number + 1].start() if number + 1 < len(heads) else len(context)
        who = (head["who"] or "").partition(', "')[0]
        for text in _SENTENCE.split(context[head.end() : end]):
            if text.strip():
                yield Sentence(head["date"], who, text.strip(), number)


def _newest(told: Iterable[Sentence], person: str, ask: Ask, people: Sequence[str]) -> str | None:
    best: tuple[str, int, int] | None = None
    answer = None
    for number, sentence in enumerate(told):
        mentioned = _mentioned(sentence.text, ask.options)
        if not mentioned or person not in (_named(sentence.text, people) or [sentence.who]):
            continue
        rank = (sentence.date, -sentence.entry, number)
        if best is None or rank > best:
            best = rank
            ended = len(mentioned) == 1 and not ask.past and _ENDED.search(sentence.text) is not None
            answer = NOTHING if ended else mentioned[-1]
    return answer


def _sharing(told: Iterable[Sentence], person: str, topic: Sequence[str], people: Sequence[str]) -> list[str]:
    """The one other person that the newest sentence about sharing this names, if there is any."""
    found: list[tuple[str, str]] = []
    for sentence in told:
        named = _named(sentence.text, people)
        others = [name for name in named if name != person]
        shared = _SHARED.search(sentence.text) and any(
            re.search(rf"\b{word}\b", sentence.text, re.IGNORECASE) for word in topic
        )
        if shared and person in (*named, sentence.who) and len(others) == 1:
            found.append((sentence.date, others[0]))
    return [max(found)[1]] if found else []


def _mentioned(text: str, options: Iterable[Option]) -> list[str]:
    """The options that the text mentions, by where it does so last."""
    places = [
        (max(m.start() for m in found), option.name)
        for option in options
        if (found := list(_mention(option).finditer(text)))
    ]
    return [name for _, name in sorted(places)]


def _mention(option: Option) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, option.words))})(?!\w)", re.IGNORECASE)


def _named(text: str, people: Iterable[str]) -> list[str]:
    return [name for name in people if re.search(rf"\b{re.escape(name)}\b", text)]
