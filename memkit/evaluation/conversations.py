"""LoCoMo's format: long conversations and questions about them, each with the turns that answer it.

    [{"sample_id": "conv-1",
      "conversation": {"session_1_date_time": "1:56 pm on 8 May, 2023",
                       "session_1": [{"speaker": "Ana", "dia_id": "D1:1", "text": "…", "blip_caption": "…"}, …], …},
      "qa": [{"question": "…", "answer": "…", "evidence": ["D1:1"], "category": 4}, …]}, …]

Answers are not read. Evidence is kept as far as it names turns of the conversation: "D8:6; D9:17" is two, "D30:05" is
D30:5, and what names none ("D", "D:11:26", a turn that is not there) is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path

_MONTHS = "january february march april may june july august september october november december".split()
_DATE = re.compile(r"\s*(\d{1,2}):(\d{2})\s*([ap])m\s+on\s+(\d{1,2})\s+([a-z]+),?\s+(\d{4})\s*", re.IGNORECASE)
_SESSION = re.compile(r"session_(\d+)")
_TURN = re.compile(r"\bD(\d+):(\d+)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """`name` is the turn's dia_id, "D2:3" for the third turn of the second session. `at` is the session's."""

    name: str
    session: str
    author: str | None
    text: str
    caption: str | None
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """`evidence` names turns of the conversation, at least one."""

    text: str
    evidence: frozenset[str]
    category: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Turns in the order they were said. `skipped` counts the questions left without evidence."""

    name: str
    turns: tuple[Turn, ...]
    questions: tuple[Question, ...]
    skipped: int


def read(path: str | PathLike[str]) -> list[Conversation]:
    """The conversations of a file. Raises ValueError, which says where, when it is missing or of another format."""
    file = Path(path)
    try:
        loaded = json.loads(file.read_text(encoding="utf-8"))
    except OSError as e:
        raise ValueError(f"cannot read {file}: {e.strerror}") from e
    except (ValueError, RecursionError) as e:
        raise ValueError(f"{file} is not JSON: {e}") from e
    if not isinstance(loaded, list) or not loaded:
        raise ValueError(f"{file} is not in LoCoMo's format: it must be a list of conversations")
    try:
        return [_conversation(number, _mapping(sample, "it")) for number, sample in enumerate(loaded, start=1)]
    except (_Foreign, KeyError, TypeError, ValueError) as e:
        said = f"{e} is missing" if isinstance(e, KeyError) else str(e)
        raise ValueError(f"{file} is not in LoCoMo's format: {said}") from e


class _Foreign(Exception):
    """Raised with what is wrong, and where."""


def _conversation(number: int, sample: Mapping[str, object]) -> Conversation:
    name = str(sample.get("sample_id") or number)
    try:
        spoken = _mapping(sample["conversation"], "conversation")
        turns = tuple(_turns(spoken))
        asked = [_question(_mapping(entry, "a question")) for entry in _list(sample["qa"], "qa")]
    except KeyError as e:
        raise _Foreign(f"conversation {name}: {e} is missing") from e
    except _Foreign as e:
        raise _Foreign(f"conversation {name}: {e}") from e
    known = {turn.name for turn in turns}
    questions = [
        Question(text=text, evidence=evidence & known, category=category)
        for text, evidence, category in asked
        if evidence & known
    ]
    return Conversation(name=name, turns=turns, questions=tuple(questions), skipped=len(asked) - len(questions))


def _turns(spoken: Mapping[str, object]) -> Iterator[Turn]:
    sessions = sorted(
        (int(found[1]), key) for key in spoken if (found := _SESSION.fullmatch(key)) and isinstance(spoken[key], list)
    )
    if not sessions:
        raise _Foreign("there is no session_1, session_2, …")
    for _, session in sessions:
        at = _moment(spoken.get(f"{session}_date_time"), session)
        for entry in _list(spoken[session], session):
            turn = _mapping(entry, f"a turn of {session}")
            text, caption = _text(turn.get("text")), _text(turn.get("blip_caption"))
            if text or caption:  # else there is nothing to remember, and nothing that could be evidence
                name = _name(_TURN.fullmatch(str(turn["dia_id"]).strip()), str(turn["dia_id"]))
                yield Turn(
                    name=name,
                    session=session,
                    author=_text(turn.get("speaker")),
                    text=text or caption or "",
                    caption=caption if text else None,
                    at=at,
                )


def _question(entry: Mapping[str, object]) -> tuple[str, frozenset[str], int]:
    text, category = _text(entry["question"]), entry["category"]
    if text is None or not isinstance(category, int):
        raise _Foreign(f"a question needs a text and a number as category, not {entry.get('question')!r}, {category!r}")
    named = " ".join(str(one) for one in _list(entry.get("evidence") or [], "evidence"))
    return text, frozenset(_name(found, found[0]) for found in _TURN.finditer(named)), category


def _name(found: re.Match[str] | None, otherwise: str) -> str:
    """A turn's name without leading zeros."""
    return otherwise if found is None else f"D{int(found[1])}:{int(found[2])}"


def _moment(said: object, session: str) -> datetime | None:
    """The time of a session as UTC; None when the file has none."""
    if said is None:
        return None
    found = _DATE.fullmatch(str(said))
    if found is None or found[5].lower() not in _MONTHS:
        raise _Foreign(f"{session}_date_time is {said!r}; it should read like '1:56 pm on 8 May, 2023'")
    hour = int(found[1]) % 12 + (12 if found[3].lower() == "p" else 0)
    month = _MONTHS.index(found[5].lower()) + 1
    try:
        return datetime(int(found[6]), month, int(found[4]), hour, int(found[2]), tzinfo=UTC)
    except ValueError as e:
        raise _Foreign(f"{session}_date_time is {said!r}: {e}") from e


def _text(value: object) -> str | None:
    """The text, or None for what is missing or blank."""
    if value is None or isinstance(value, str):
        return value if value and value.strip() else None
    raise _Foreign(f"{value!r} should be a text")


def _mapping(value: object, place: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise _Foreign(f"{place} should be an object, and is a {type(value).__name__}")
    return value


def _list(value: object, place: str) -> list[object]:
    if not isinstance(value, list):
        raise _Foreign(f"{place} should be a list, and is a {type(value).__name__}")
    return value
