"""The questions of the demo, asked one after the other. Everything in a scene comes from the memory; nothing is prepared."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from memkit.demo.story import BOAT, BOOK

if TYPE_CHECKING:
    from memkit.context.prompt import Context
    from memkit.context.recall import Recall
    from memkit.memory import Memory
    from memkit.values import Forgotten, Stats


class Options(TypedDict, total=False):
    """The arguments of `recall` that the tour uses."""

    k: int
    neighbours: int
    since: str
    below: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked, where, and what to look at in the answer."""

    title: str
    remark: str
    namespace: str
    text: str
    options: Options = field(default_factory=Options)

    @property
    def call(self) -> str:
        """The call, as one would write it."""
        return _call(self.namespace, "recall", self.text, self.options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question and what was recalled. `whole`: show everything that `explain` has to say."""

    question: Question
    found: Recall
    whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A recall made ready for a prompt."""

    call: str
    context: Context


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """One event forgotten: what it said, what `forget` reports, the same question asked again, and how often the text
    occurs, byte for byte, in the files of the database before and after."""

    text: str
    call: str
    forgotten: Forgotten
    question: Question
    again: Recall
    copies_before: int
    copies_after: int

    @property
    def proven(self) -> bool:
        """Whether nothing is left by all accounts."""
        return self.forgotten.proven and not self.copies_after and all(hit.text != self.text for hit in self.again)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the memory holds at the end."""

    stats: Stats


Scene = Asked | Packed | Erased | Held

TARTS = Question(
    title="A book, found by its words",
    remark="Twelve chapters went in. What comes back is the passage, with its chapter and the words that led to it.",
    namespace=BOOK,
    text="Who stole the tarts?",
    options={"k": 2},
)
PIG = Question(
    title="And why each hit came",
    remark="explain() tells it all. Words said shortly before or after a passage count as well, with less weight.",
    namespace=BOOK,
    text="Where does the baby turn into a pig?",
    options={"k": 2},
)
ALLERGY = Question(
    title="A conversation",
    remark='Ines and Jonah restore a boat. "Jonah" is one of the speakers, so his own turns go before hers.',
    namespace=BOAT,
    text="What is Jonah allergic to?",
    options={"k": 1},
)
SUPPER = Question(
    title="The answer is in the next line",
    remark="Nobody says the name of the cat twice. With neighbours=1 a hit brings the turns around it.",
    namespace=BOAT,
    text="What does Fado eat?",
    options={"k": 1, "neighbours": 1},
)
GREEN = Question(
    title="A change of mind",
    remark="All of it was said, so all of it is found. This is the first half of the story …",
    namespace=BOAT,
    text="What colour do we paint the hull?",
    options={"k": 3},
)
BLUE = Question(
    title="The same question, from 14 May on",
    remark="… and a filter on the time gives the second half. Filters come before the limit, not after it.",
    namespace=BOAT,
    text="What colour do we paint the hull?",
    options={"k": 3, "since": "2024-05-14"},
)
TREACLE = Question(
    title="Across two namespaces",
    remark="A namespace is a wall: the questions above saw one of them. below=True asks all that lie under a path.",
    namespace="demo",
    text="Who lived in a treacle well?",
    options={"k": 2, "below": True},
)
FOOTBALL = Question(
    title="Something that was never mentioned",
    remark="A hit has to reach a floor. Nothing does, so nothing comes back: no answer is better than a wrong one.",
    namespace=BOAT,
    text="Which football club does Jonah support?",
)
CODE = Question(
    title="A secret",
    remark="Jonah asked Ines to keep this to herself.",
    namespace=BOAT,
    text="What is the padlock code?",
    options={"k": 1},
)


def tour(memory: Memory, path: Path) -> Iterator[Scene]:
    """Ask, scene by scene. `memory` is unbound and lies in the SQLite file at `path`."""
    yield Asked(question=TARTS, found=_ask(memory, TARTS))
    yield Asked(question=PIG, found=_ask(memory, PIG), whole=True)
    for question in (ALLERGY, SUPPER, GREEN, BLUE, TREACLE, FOOTBALL):
        yield Asked(question=question, found=_ask(memory, question))
    call = _call(BOAT, "recall", GREEN.text, {"k": 7}) + '.context(tokens=200, order="time")'
    yield Packed(call=call, context=memory[BOAT].recall(GREEN.text, k=7).context(tokens=200, order="time"))
    secret = _ask(memory, CODE)
    yield Asked(question=CODE, found=secret)
    if secret:
        yield _erase(memory, path, secret)
    yield Held(stats=memory.stats())


def _ask(memory: Memory, question: Question) -> Recall:
    return memory[question.namespace].recall(question.text, **question.options)


def _erase(memory: Memory, path: Path, secret: Recall) -> Erased:
    text, event = secret[0].text, secret[0].events[0]
    before = copies(path, text)
    forgotten = memory[BOAT].forget(ids=event, verify=True)
    return Erased(
        text=text,
        call=_call(BOAT, "forget", None, {"ids": event, "verify": True}),
        forgotten=forgotten,
        question=CODE,
        again=_ask(memory, CODE),
        copies_before=before,
        copies_after=copies(path, text),
    )


def copies(path: Path, text: str) -> int:
    """How often the text stands in the files of a SQLite database. It looks at bytes and asks nobody.

    Another process looks: when one that has the database open closes a file of it, all of its locks on that file are
    gone, and SQLite's with them.
    """
    looking = subprocess.run(
        [sys.executable, "-c", _LOOK, *map(str, path.parent.glob(f"{path.name}*"))],
        input=text.encode(),
        capture_output=True,
        check=True,
    )
    return int(looking.stdout)


_LOOK = """
import pathlib, sys
text = sys.stdin.buffer.read()
print(sum(pathlib.Path(name).read_bytes().count(text) for name in sys.argv[1:] if pathlib.Path(name).is_file()))
"""


def _call(namespace: str, verb: str, text: str | None, options: Mapping[str, object]) -> str:
    said = [] if text is None else [f'"{text}"']
    return (
        f'memory["{namespace}"].{verb}({", ".join([*said, *(f"{name}={value!r}" for name, value in options.items())])})'
    )
