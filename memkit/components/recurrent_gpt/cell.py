"""The recurrent cell: the one prompt of a step, and what is made of the reply.

A step reads (a) the short-term memory, (b) the paragraph before, (c) the plan, (d) the paragraphs of long-term memory that
are nearest to the plan, (e) now and then the hint that somebody new may come in; and with them the premise, which does not
change. Nothing else goes in, so a prompt is as long after a thousand steps as after ten. It writes the next paragraph,
the memory after it, and three plans (arXiv 2305.13304, section 2).
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template

from memkit.components.recurrent_gpt.state import OPTIONS, Proposal
from memkit.hygiene import fingerprint
from memkit.messages import Message, Shape
from memkit.values import Json

NEW_CHARACTER = 0.1  # the share of steps in which somebody new may come in; the published value
OPENING = 3  # paragraphs that a story begins with

_WIDE = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"  # Chinese, Japanese, Korean: a sign counts as a word
_WORD = re.compile(rf"[{_WIDE}]|[^\W{_WIDE}]+")
_END = re.compile(r"(?<!\b[A-Z])(?<!\b[DM]r)(?<!\bM[rs]s)(?<!\b[MS][st])[.!?…]+[\"'”’»)\]]*(?=\s|$)|[。！？]+")
_EDGE = re.compile(r"(?<=[.!?…。！？])[\"'”’»)\]]*\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How long things may be. `words` and `sentences` bound the short-term memory: a longer one is not taken. `shown` bounds
    each paragraph, and the premise and the plan, in words where a prompt shows them: of a longer one a part is shown, and the
    prompt says so."""

    words: int = 500
    sentences: int = 20
    shown: int = 1_000

    def __post_init__(self) -> None:
        if min(self.words, self.sentences, self.shown) < 1:
            raise ValueError(f"bounds are at least 1; {self} has a lower one")

    def check(self, memory: str) -> None:
        """Raise ValueError when a short-term memory is too long."""
        words, sentences = count_words(memory), count_sentences(memory)
        if words > self.words or sentences > self.sentences:
            raise ValueError(
                f"the memory has {words} words in {sentences} sentences; at most {self.words} words and "
                f"{self.sentences} sentences are allowed: leave out what matters least"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """What one step reads. `rejected` are the reasons why earlier versions of it were turned down."""

    premise: str
    memory: str
    previous: str
    plan: str
    recalled: tuple[str, ...] = ()
    new_character: bool = False
    second_person: bool = False
    rejected: tuple[str, ...] = ()


def opening_messages(
    premise: str,
    bounds: Bounds,
    *,
    second_person: bool = False,
    summaries: bool = False,
    rejected: tuple[str, ...] = (),
) -> list[Message]:
    """The prompt that a story begins with."""
    more = [_text("summaries")] if summaries else []
    more += ["\n" + _text("second_person")] if second_person else []
    more += [_rejected(rejected)] if rejected else []
    filled = Template(_text("opening")).substitute(
        premise=head(premise, bounds.shown),
        sentences=bounds.sentences,
        words=bounds.words,
        more="\n".join(more),
    )
    return _messages(filled)


def step_messages(reads: Reads, bounds: Bounds, *, summary: bool = False) -> list[Message]:
    """The prompt of one step."""
    recalled = [
        f'<passage number="{number}">\n{head(text, bounds.shown)}\n</passage>'
        for number, text in enumerate(reads.recalled, start=1)
    ]
    more = [_text("summary")] if summary else []
    more += ["\n" + _text("second_person")] if reads.second_person else []
    filled = Template(_text("step")).substitute(
        premise=head(reads.premise, bounds.shown),
        memory=reads.memory or "(nothing yet)",
        previous=tail(reads.previous, bounds.shown),
        recalled="\n\n".join(recalled) or "(none yet)",
        plan=head(reads.plan, bounds.shown),
        character=f"\n{_text('character')}\n" if reads.new_character else "",
        rejected=_rejected(reads.rejected) if reads.rejected else "",
        sentences=bounds.sentences,
        words=bounds.words,
        more="\n".join(more),
    )
    return _messages(filled)


def opening_shape(bounds: Bounds, *, summaries: bool = False) -> Shape[Proposal]:
    """What the beginning has to be."""
    fields: dict[str, Json] = {
        "title": _STRING,
        "outline": _STRING,
        "paragraphs": _list(OPENING),
        "memory": _STRING,
        "plans": _list(OPTIONS),
    }
    if summaries:
        fields["summaries"] = _list(OPENING - 1)

    def read(reply: Json) -> Proposal:
        told = _object(reply)
        return Proposal(
            step=OPENING,
            title=" ".join(text_in(told, "title").split()),
            outline=text_in(told, "outline"),
            paragraphs=_several(told, "paragraphs", OPENING),
            memory=_memory(told, bounds),
            plans=_plans(told),
            summaries=tuple(enumerate(_several(told, "summaries", OPENING - 1), start=1)) if summaries else (),
        )

    return Shape(name="opening", schema=_schema(fields), read=read)


def step_shape(step: int, bounds: Bounds, *, summary: bool = False) -> Shape[Proposal]:
    """What a reply that writes paragraph `step` has to be."""
    fields: dict[str, Json] = {"paragraph": _STRING, "rationale": _STRING, "memory": _STRING, "plans": _list(OPTIONS)}
    if summary:
        fields["summary"] = _STRING

    def read(reply: Json) -> Proposal:
        told = _object(reply)
        return Proposal(
            step=step,
            paragraphs=(text_in(told, "paragraph"),),
            rationale=text_in(told, "rationale"),
            memory=_memory(told, bounds),
            plans=_plans(told),
            summaries=((step - 1, text_in(told, "summary")),) if summary else (),
        )

    return Shape(name="step", schema=_schema(fields), read=read)


def brings_character(seed: int, story: str, step: int, share: float = NEW_CHARACTER) -> bool:
    """Whether the prompt of this step says that somebody new may come in. The same in every run."""
    return random.Random(f"character/{seed}/{story}/{step}").random() < share


def drawn(seed: int, story: str, step: int) -> int:
    """The plan that is followed after this step when nobody chooses: 1 to 3, each as likely. The same in every run."""
    return random.Random(f"plan/{seed}/{story}/{step}").randint(1, OPTIONS)


def count_words(text: str) -> int:
    """How many words a text has; each Chinese, Japanese or Korean sign counts as one."""
    return len(_WORD.findall(text))


def count_sentences(text: str) -> int:
    """How many sentences a text has. A line that ends without a mark, as in a list, is one as well."""
    count = 0
    for line in filter(str.strip, text.splitlines()):
        ends = [match.end() for match in _END.finditer(line)]
        count += len(ends) + bool(line[ends[-1] if ends else 0 :].strip())
    return count


def text_in(told: Mapping[str, Json], name: str) -> str:
    """A field that has to be a text which can be stored. Raises ValueError."""
    value = told.get(name)
    return _storable(value, f"'{name}'")


def _storable(value: Json, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name} must be a text that is not empty")
    if "\0" in value or any("\ud800" <= sign <= "\udfff" for sign in value):
        raise ValueError(f"{name} holds a NUL or half a character; write plain text")
    return value.strip()


@cache
def _text(name: str) -> str:
    return files(__package__ or "").joinpath(f"{name}.md").read_text(encoding="utf-8").strip()


def _messages(filled: str) -> list[Message]:
    return [Message(role="system", content=_text("system")), Message(role="user", content=filled.strip())]


def _rejected(reasons: tuple[str, ...]) -> str:
    return "\n".join(["", _text("rejected"), *(f"- {reason}" for reason in reasons), ""])


def head(text: str, words: int) -> str:
    """The beginning of a text, at most so many words, cut behind a sentence where there is one."""
    found = [match.end() for match in _WORD.finditer(text)]
    if len(found) <= words:
        return text
    kept = text[: found[words - 1]]
    edges = [match.end() for match in _EDGE.finditer(kept)]
    return kept[: edges[-1] if edges else len(kept)].rstrip() + "\n[The rest is left out here.]"


def tail(text: str, words: int) -> str:
    """The end of a text, at most so many words, cut before a sentence where there is one."""
    found = [match.start() for match in _WORD.finditer(text)]
    if len(found) <= words:
        return text
    kept = text[found[-words] :]
    edges = [match.end() for match in _EDGE.finditer(kept) if match.end() < len(kept)]
    return "[The beginning is left out here.]\n" + kept[edges[0] if edges else 0 :].lstrip()


_STRING: Json = {"type": "string"}


def _list(count: int) -> Json:
    return {"type": "array", "items": _STRING, "description": f"exactly {count} texts"}


def _schema(fields: dict[str, Json]) -> Mapping[str, Json]:
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def _object(reply: Json) -> dict[str, Json]:
    if not isinstance(reply, dict):
        raise ValueError("the reply must be a JSON object with the fields that were asked for")
    return reply


def _several(told: Mapping[str, Json], name: str, count: int) -> tuple[str, ...]:
    value = told.get(name)
    if not isinstance(value, list) or len(value) != count:
        raise ValueError(f"'{name}' must be a list of exactly {count} texts")
    return tuple(_storable(one, f"number {number} of '{name}'") for number, one in enumerate(value, start=1))


def _plans(told: Mapping[str, Json]) -> tuple[str, ...]:
    plans = _several(told, "plans", OPTIONS)
    if len({fingerprint(plan) for plan in plans}) < OPTIONS:
        raise ValueError(f"the {OPTIONS} plans must differ from each other")
    return plans


def _memory(told: Mapping[str, Json], bounds: Bounds) -> str:
    memory = text_in(told, "memory")
    bounds.check(memory)
    return memory
