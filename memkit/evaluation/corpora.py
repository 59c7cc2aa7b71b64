"""Collections of documents with questions about them, in the formats they are published in. They come from the user.

MuSiQue and HotpotQA are read as HippoRAG's repository has them (questions.json, corpus.json), Cranfield in the classic
three files. Answers are not read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memkit.evaluation.conversations import read


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question; `gain` tells how much each passage that helps is worth, by the number of the passage."""

    text: str
    gain: Mapping[int, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    name: str
    passages: tuple[Passage, ...]
    questions: tuple[Asked, ...]


def musique(folder: Path) -> Corpus:
    """Questions that need two to four passages. Each supporting passage is worth 1."""
    passages = tuple(Passage(title=entry["title"], text=entry["text"]) for entry in _json(folder / "corpus.json"))
    place = {(passage.title, passage.text): number for number, passage in enumerate(passages)}
    questions = tuple(
        Asked(
            text=entry["question"],
            gain={place[one["title"], one["paragraph_text"]]: 1 for one in entry["paragraphs"] if one["is_supporting"]},
        )
        for entry in _json(folder / "questions.json")
    )
    return Corpus(name="MuSiQue", passages=passages, questions=questions)


def hotpotqa(folder: Path) -> Corpus:
    """Questions that need two pages. Each is worth 1."""
    pages: dict[str, list[str]] = _json(folder / "corpus.json")
    place = {title: number for number, title in enumerate(pages)}
    passages = tuple(Passage(title=title, text="".join(sentences)) for title, sentences in pages.items())
    questions = tuple(
        Asked(text=entry["question"], gain={place[title]: 1 for title, _ in entry["supporting_facts"]})
        for entry in _json(folder / "questions.json")
    )
    return Corpus(name="HotpotQA", passages=passages, questions=questions)


def cranfield(folder: Path) -> Corpus:
    """Abstracts in aerodynamics. A judgement of 1 (a complete answer) to 4 (of little interest) is worth 4 to 1."""
    passages = []
    for fields in _smart(folder / "cran.all.1400"):
        title, text = fields.get("T", ""), fields.get("W", "")
        passages.append(Passage(title=title, text=text.removeprefix(title).strip() or title))  # W begins with T
    gains: list[dict[int, float]] = []
    queries = [fields["W"] for fields in _smart(folder / "cran.qry")]
    gains += [{} for _ in queries]
    for line in (folder / "cranqrel").read_text(encoding="utf-8").splitlines():
        query, passage, judgement = (int(field) for field in line.split()[:3])
        if 1 <= judgement <= 4:
            gains[query - 1][passage - 1] = 5 - judgement
    questions = tuple(Asked(text=text, gain=gain) for text, gain in zip(queries, gains, strict=True))
    return Corpus(name="Cranfield", passages=tuple(passages), questions=questions)


def sentences(data: Path) -> list[str]:
    """The distinct sentences of everything in the folder: turns, passages and books, in the order of the files."""
    return list(dict.fromkeys(sentence for text in _texts(data) for sentence in split(text)))


def questions(data: Path) -> list[str]:
    """The distinct questions of LoCoMo, MuSiQue and HotpotQA."""
    asked = [question.text for talk in read(data / "locomo" / "locomo.json") for question in talk.questions]
    for corpus in (musique(data / "musique"), hotpotqa(data / "hotpotqa")):
        asked += [question.text for question in corpus.questions]
    return list(dict.fromkeys(asked))


def split(text: str) -> Iterator[str]:
    """The sentences of a text that have more than 15 characters, their white space made single."""
    for sentence in re.split(r"(?<=[.!?])\s+", " ".join(text.split())):
        if len(sentence) > 15:
            yield sentence


def _texts(data: Path) -> Iterator[str]:
    for talk in read(data / "locomo" / "locomo.json"):
        yield from (turn.text for turn in talk.turns)
    for corpus in (musique(data / "musique"), hotpotqa(data / "hotpotqa"), cranfield(data / "cranfield")):
        yield from (f"{passage.title}. {passage.text}" for passage in corpus.passages)
    for book in sorted((data / "books").glob("*.txt")):
        yield book.read_text(encoding="utf-8", errors="replace")


def _json(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def _smart(file: Path) -> Iterator[dict[str, str]]:
    """The records of a file in SMART's format: ".I 1" begins a record, ".T" alone in a line a field."""
    for record in re.split(r"^\.I.*\n", file.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        parts = re.split(r"^\.([A-Z])\s*\n", record, flags=re.MULTILINE)[1:]
        yield {name: " ".join(text.split()) for name, text in zip(parts[::2], parts[1::2], strict=True)}
