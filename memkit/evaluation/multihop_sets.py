"""Questions that need several passages, and the passages: MuSiQue, HotpotQA, 2WikiMultihopQA, or anything in their formats.

The folder holds two files, as HippoRAG's repository has them:

    questions.json  [{"question": "…", "paragraphs": [{"title": "…", "paragraph_text": "…", "is_supporting": true}, …]}, …]
               or   [{"question": "…", "supporting_facts": [["title", 0], …], "context": [["title", ["sentence", …]], …]}, …]
    corpus.json     [{"title": "…", "text": "…"}, …]
               or   {"title": ["sentence", …], …}

Answers are not read. Titles repeat in MuSiQue, so that a supporting paragraph is the passage with its title and its text.
HotpotQA names titles: there the passage with that title is meant, and where several have it, those that have the
text which the question shows; if none has, any of them will do. White space makes no difference. A passage that is twice in the
corpus is one passage.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TypeVar

from memkit.evaluation.corpora import Passage

T = TypeVar("T")

Alternatives = frozenset[int]  # passages by their numbers, any of which is the one that is meant


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question with what supports it, as far as it is in the corpus. `missing` counts what is not."""

    text: str
    gold: tuple[Alternatives, ...]
    missing: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hops:
    """Different passages, and the questions that at least one of them supports.

    `repeated` counts passages that the corpus has once more, `blank` those without a text, which are left out; `skipped`
    the questions of which nothing that supports them is in the corpus.
    """

    passages: tuple[Passage, ...]
    questions: tuple[Asked, ...]
    repeated: int = 0
    blank: int = 0
    skipped: int = 0


class _Foreign(Exception):
    """Raised with what is wrong, and where."""


def read(folder: str | PathLike[str]) -> Hops:
    """The set in a folder. Raises ValueError, which says where, for a file that is missing or of another format, and when no
    question has a passage that supports it."""
    place = Path(folder)
    corpus, questions = place / "corpus.json", place / "questions.json"
    if not place.is_dir():
        raise ValueError(f"there is no folder {place}; it must hold questions.json and corpus.json")
    given = _told(corpus, _passages)
    filled = [one for one in given if one.text.strip()]
    if not filled:
        raise ValueError(f"{corpus} holds no passage with a text")
    different: dict[tuple[str, str], Passage] = {}
    for one in filled:
        different.setdefault((_key(one.title), _key(one.text)), one)
    kept = tuple(different.values())
    shelf = _Shelf(kept)
    asked = [_asked(entry, shelf) for entry in _told(questions, _questions)]
    answerable = tuple(one for one in asked if one.gold)
    if not answerable:
        raise ValueError(f"of {len(asked)} questions in {questions} none has a supporting passage in {corpus}")
    return Hops(
        passages=kept,
        questions=answerable,
        repeated=len(filled) - len(kept),
        blank=len(given) - len(filled),
        skipped=len(asked) - len(answerable),
    )


@dataclass(frozen=True, slots=True)
class _Entry:
    """A question, and each passage that supports it: title and, where it is told, text. With `titles` the title decides."""

    text: str
    supports: tuple[tuple[str, str | None], ...]
    titles: bool


class _Shelf:
    """Passages by title, and by title and text."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._exact = {(_key(one.title), _key(one.text)): number for number, one in enumerate(passages)}
        self._titled: dict[str, set[int]] = {}
        for number, one in enumerate(passages):
            self._titled.setdefault(_key(one.title), set()).add(number)

    def find(self, title: str, text: str | None, *, titles: bool) -> Alternatives:
        """The passages that are meant; none when there is no such passage."""
        exact = None if text is None else self._exact.get((_key(title), _key(text)))
        if exact is not None:
            return frozenset({exact})
        return frozenset(self._titled.get(_key(title), ())) if titles else frozenset()


def _asked(entry: _Entry, shelf: _Shelf) -> Asked:
    found = [shelf.find(title, text, titles=entry.titles) for title, text in entry.supports]
    return Asked(
        text=entry.text,
        gold=tuple(dict.fromkeys(one for one in found if one)),
        missing=sum(not one for one in found),
    )


def _passages(loaded: object) -> Iterator[Passage]:
    if isinstance(loaded, Mapping):
        for title, told in loaded.items():
            yield Passage(title=str(title), text=told if isinstance(told, str) else _joined(told, f"passage {title!r}"))
        return
    for number, entry in enumerate(_list(loaded, "it"), start=1):
        one = _mapping(entry, f"passage {number}")
        yield Passage(title=_text(one, "title", f"passage {number}"), text=_text(one, "text", f"passage {number}"))


def _questions(loaded: object) -> Iterator[_Entry]:
    for number, given in enumerate(_list(loaded, "it"), start=1):
        where = f"question {number}"
        entry = _mapping(given, where)
        text = _text(entry, "question", where)
        if not text.strip():
            raise _Foreign(f"{where} is empty")
        if "paragraphs" in entry:
            yield _Entry(text, tuple(_supporting(entry["paragraphs"], where)), titles=False)
        elif "supporting_facts" in entry:
            yield _Entry(text, tuple(_named(entry, where)), titles=True)
        else:
            raise _Foreign(f"{where} has neither paragraphs nor supporting_facts")


def _supporting(paragraphs: object, where: str) -> Iterator[tuple[str, str]]:
    for number, given in enumerate(_list(paragraphs, f"paragraphs of {where}"), start=1):
        place = f"paragraph {number} of {where}"
        one = _mapping(given, place)
        if not isinstance(one.get("is_supporting"), bool):
            raise _Foreign(f"is_supporting of {place} must be true or false")
        if one["is_supporting"]:
            yield _text(one, "title", place), _text(one, "paragraph_text", place)


def _named(entry: Mapping[str, object], where: str) -> Iterator[tuple[str, str | None]]:
    shown: dict[str, str] = {}
    for pair in _list(entry.get("context", []), f"context of {where}"):
        title, sentences = _pair(pair, f"context of {where}")
        shown[title] = _joined(sentences, f"context of {where}")
    facts = _list(entry["supporting_facts"], f"supporting_facts of {where}")
    for title in dict.fromkeys(_pair(one, f"supporting_facts of {where}")[0] for one in facts):
        yield title, shown.get(title)


def _joined(sentences: object, what: str) -> str:
    """Sentences as one text; a space between two that have none of their own."""
    text = ""
    for sentence in _list(sentences, what):
        if not isinstance(sentence, str):
            raise _Foreign(f"{what} must be a list of sentences")
        apart = text and sentence and not (text[-1].isspace() or sentence[0].isspace())
        text += f" {sentence}" if apart else sentence
    return text


def _key(text: str) -> str:
    """Two texts that differ in white space alone have the same."""
    return "".join(text.split())


def _told(file: Path, reading: Callable[[object], Iterator[T]]) -> list[T]:
    """What the function reads out of the JSON in the file."""
    try:
        return list(reading(json.loads(file.read_text(encoding="utf-8"))))
    except OSError as e:
        raise ValueError(f"cannot read {file}: {e.strerror}") from e
    except (ValueError, RecursionError) as e:
        raise ValueError(f"{file} is not JSON: {e}") from e
    except _Foreign as e:
        raise ValueError(f"{file} is not in the format of a multi-hop set: {e}") from e


def _list(value: object, what: str) -> Sequence[object]:
    if not isinstance(value, list):
        raise _Foreign(f"{what} must be a list")
    return value


def _mapping(value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise _Foreign(f"{what} must be an object")
    return value


def _text(entry: Mapping[str, object], name: str, what: str) -> str:
    if not isinstance(entry.get(name), str):
        raise _Foreign(f"{name} of {what} is missing or no text")
    return str(entry[name])


def _pair(value: object, what: str) -> tuple[str, object]:
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[0], str):
        raise _Foreign(f"{what} must be a list of pairs that begin with a title")
    return value[0], value[1]
