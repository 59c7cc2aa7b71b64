"""What the model is sent at each step: what it is to do, then the material, which is quoted and gives no orders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from memkit.context.quote import INDENT, line_of
from memkit.context.recall import Recall
from memkit.messages import Message, Shape
from memkit.tokens import Count
from memkit.values import Cue, Hit, Json, Where

_MARKS = re.compile(r"\[([0-9]{1,9}(?:\s?[,;]\s?[0-9]{1,9})*+)\]")
_TEXT: Json = {"type": "string"}
_NUMBERS: Json = {"type": "array", "items": {"type": "integer"}}
_YES: Json = {"type": "boolean"}
_NO_CUE = Cue(text="", where=Where(namespace="default"))  # a context shows hits, and nothing of what was asked


@dataclass(frozen=True, slots=True)
class Told:
    """An answer, and the marks of the passages that it rests on. An empty one says that the passages do not tell."""

    text: str
    marks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Yes or no, and the question to go on with."""

    yes: bool
    text: str


@cache
def prompt(name: str) -> str:
    """The text of one of the prompts."""
    return files("memkit.agents").joinpath("prompts", f"multihop_{name}.md").read_text(encoding="utf-8").strip()


def messages(state: str, *material: tuple[str, str]) -> list[Message]:
    """What is asked in a state. Parts of the material that are empty are left out."""
    body = "\n\n".join(f"<{name}>\n{text}\n</{name}>" for name, text in material if text)
    return [
        Message(role="system", content=f"{prompt(state)}\n\n{prompt('rules')}"),
        Message(role="user", content=body),
    ]


def quoted(text: str) -> str:
    """A text with every line indented, so that none looks like the end of the material, and without special tokens."""
    lines = (line_of(line, len(line) + 1) for line in text.splitlines())
    return "\n".join(f"{INDENT}{line}" for line in lines if line)


def listed(pairs: Sequence[tuple[str, str]]) -> str:
    """Questions with their answers."""
    return "\n".join(
        f"- {line_of(asked, len(asked) + 1)}\n{INDENT}{line_of(said, len(said) + 1)}" for asked, said in pairs
    )


@dataclass(frozen=True, slots=True)
class Shown:
    """Passages as the model sees them: `text` has a mark before each of those that fit, and `hits` has these by their marks."""

    text: str
    hits: dict[int, Hit]

    @staticmethod
    def of(hits: Sequence[Hit], tokens: int, count: Count) -> Shown:
        """The best that fit into so many tokens. A hit's mark is its rank; of several that say the same only one is shown."""
        context = Recall(hits=tuple(hits), cue=_NO_CUE).context(tokens, count=count)
        return Shown(context.text, {mark: hits[mark - 1] for mark in sorted(context.sources)})

    def cited(self, marks: Sequence[int]) -> tuple[list[Hit], list[int]]:
        """The hits that were cited, each once in that order, and the marks under which nothing was shown."""
        once = list(dict.fromkeys(marks))
        return [self.hits[mark] for mark in once if mark in self.hits], [m for m in once if m not in self.hits]

    def renumbered(self, told: Told) -> tuple[str, list[Hit], list[int]]:
        """The answer with marks that count its citations from 1, the hits cited, and the marks that were dropped from it."""
        inline = [int(mark) for found in _MARKS.findall(told.text) for mark in re.findall("[0-9]+", found)]
        marks = list(dict.fromkeys([*inline, *told.marks]))
        cited, dropped = self.cited(marks)
        place = {mark: n for n, mark in enumerate([mark for mark in marks if mark in self.hits], 1)}

        def again(found: re.Match[str]) -> str:
            kept = [place[int(mark)] for mark in re.findall("[0-9]+", found[1]) if int(mark) in place]
            return "".join(f"[{mark}]" for mark in dict.fromkeys(kept))

        text = re.sub(r" +(?=[.,;:!?]|$)", "", _MARKS.sub(again, told.text))
        return re.sub(r" {2,}", " ", text).strip(), cited, dropped


def question_of(value: Json) -> str:
    """The next question. Raises ValueError when there is none."""
    text = _text(value, "question")
    if not text:
        raise ValueError("'question' is empty; ask one question")
    return text


def told_of(value: Json) -> Told:
    marks = value["citations"] if isinstance(value, dict) else None
    numbers = marks if isinstance(marks, list) else []
    return Told(_text(value, "answer"), tuple(int(mark) for mark in numbers if isinstance(mark, int | float)))


def check_of(value: Json) -> Verdict:
    return Verdict(isinstance(value, dict) and value["supported"] is True, _text(value, "question"))


def decision_of(value: Json) -> Verdict:
    """Whether it is enough. Raises ValueError when it is not and what is left to find out is not said."""
    verdict = Verdict(isinstance(value, dict) and value["enough"] is True, _text(value, "remaining"))
    if not verdict.yes and not verdict.text:
        raise ValueError("'enough' is false, so 'remaining' needs to say what is still to be found out")
    return verdict


def _text(value: Json, name: str) -> str:
    text = value.get(name) if isinstance(value, dict) else None
    return " ".join(text.split()) if isinstance(text, str) else ""


def _schema(**members: Json) -> dict[str, Json]:
    required: list[Json] = [*members]
    return {"type": "object", "properties": members, "required": required, "additionalProperties": False}


DECOMPOSED = Shape(name="subquestion", schema=_schema(question=_TEXT), read=question_of)
ANSWERED = Shape(name="answer", schema=_schema(answer=_TEXT, citations=_NUMBERS), read=told_of)
CHECKED = Shape(name="check", schema=_schema(supported=_YES, question=_TEXT), read=check_of)
DECIDED = Shape(name="decision", schema=_schema(enough=_YES, remaining=_TEXT), read=decision_of)
