"""What is remembered and asked in a benchmark of speed: texts, their vectors, and questions.

With a folder of data sets (see benchmarks/README.md) they are real sentences and real questions. Without one the
sentences of the book that comes with memkit stand in, and what is asked are parts of them. With an embedder the vectors
are real as well; else they are points around random centres, which is easier for a graph of neighbours than life is.
Where there are fewer sentences, or fewer embedded ones, than records, the rest are made of two: the beginning of one and
the end of another, and between their vectors a point with some noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from memkit.blocking import Blocking
from memkit.evaluation import corpora
from memkit.evaluation.cached import Cached
from memkit.ports import Embedder
from memkit.values import Space

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIMENSION = 384  # that of all-MiniLM-L6-v2, and of vectors that are made up
EMBEDDED = 16_000  # sentences that are really embedded: some five minutes on two cores
QUESTIONS = 500
NOISE = 0.3  # length of the noise added to a vector between two others
CENTRES = 500
AUTHORS = ("Ana", "Caroline", "Gina", "Joanna", "John", "Jon", "Maria", "Melanie", "Nate", "Tim")
SESSION = 25  # turns


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """`vectors` is float32 of shape [len(texts), DIMENSION], `asked` of shape [len(questions), DIMENSION], all of
    length 1. `origin` says where they come from."""

    texts: list[str]
    vectors: NDArray[np.float32]
    questions: list[str]
    asked: NDArray[np.float32]
    origin: str

    def turns(self, size: int) -> list[dict[str, object]]:
        """The first texts as messages: ten people talk in sessions of 25 turns."""
        return [
            {"content": text, "session": f"s{number // SESSION}", "author": AUTHORS[number % len(AUTHORS)]}
            for number, text in enumerate(self.texts[:size])
        ]


class Prepared:
    """An embedder that looks vectors up: filling a memory then costs no embedding. It knows no other text."""

    space = Space(model="prepared", dimension=DIMENSION)

    def __init__(self, material: Material) -> None:
        self._rows = {text: row for row, text in enumerate(material.texts)}
        self._vectors = material.vectors

    async def embed(self, texts: Sequence[str], /, *, query: bool) -> NDArray[np.float32]:
        """See `memkit.ports.Embedder.embed`."""
        return self._vectors[[self._rows[text] for text in texts]]


def gather(size: int, *, data: Path | None, embedder: Embedder | None, cache: Path | None, seed: int = 0) -> Material:
    """As many different texts as asked for, with questions. What was embedded is kept in the folder `cache`, if given."""
    chance = np.random.default_rng(seed)
    if data is None:
        book = files("memkit.demo").joinpath("alice.txt").read_text(encoding="utf-8")
        found = list(dict.fromkeys(corpora.split(book)))
        wanted = [_part(found[number], chance) for number in chance.integers(len(found), size=QUESTIONS)]
        origin = "sentences of the book that comes with memkit; as questions, parts of them"
    else:
        found, wanted = corpora.sentences(data), corpora.questions(data)
        chance.shuffle(wanted)
        origin = "real sentences (books, Cranfield, MuSiQue, HotpotQA, LoCoMo) and real questions"
    chance.shuffle(found)
    base = found[: min(size, EMBEDDED)]
    questions = wanted[:QUESTIONS]
    if embedder is None:
        vectors, asked = _scattered(len(base), len(questions), chance)
        origin += "; made-up vectors around random centres"
    else:
        vectors, asked = _embedded(embedder, cache, base, questions)
        origin += f"; vectors of {embedder.space.model}"
    texts, vectors = _more(base, vectors, size, chance)
    if size > len(base):
        origin += f"; {len(base):,} of {size:,} records are like this, the others each made of two of them"
    return Material(texts=texts, vectors=vectors, questions=questions, asked=asked, origin=origin)


def _part(sentence: str, chance: np.random.Generator) -> str:
    """Up to seven words of it."""
    words = sentence.split()
    start = int(chance.integers(max(1, len(words) - 6)))
    return " ".join(words[start : start + 7])


def _embedded(
    embedder: Embedder, cache: Path | None, texts: Sequence[str], questions: Sequence[str]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    if embedder.space.dimension != DIMENSION:
        raise ValueError(
            f"the benchmark is of {DIMENSION} dimensions; {embedder.space.model} has {embedder.space.dimension}"
        )
    kept = embedder if cache is None else Cached(embedder, cache)
    blocking = Blocking()
    try:
        vectors = blocking.run(lambda: kept.embed(texts, query=False))
        asked = blocking.run(lambda: kept.embed(questions, query=True))
    finally:
        blocking.close()
    if isinstance(kept, Cached):
        kept.save()
    return _unit(vectors), _unit(asked)


def _scattered(
    texts: int, questions: int, chance: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Points around random centres, and questions around the same ones."""
    centres = _unit(_normal(chance, CENTRES))
    vectors, asked = (
        _unit(centres[chance.integers(CENTRES, size=count)] + np.float32(0.8) * _unit(_normal(chance, count)))
        for count in (texts, questions)
    )
    return vectors, asked


def _more(
    texts: list[str], vectors: NDArray[np.float32], size: int, chance: np.random.Generator
) -> tuple[list[str], NDArray[np.float32]]:
    """The texts, and as many new ones as are lacking, with their vectors."""
    known = dict.fromkeys(texts)
    pairs: list[tuple[int, int]] = []
    while len(known) < size:
        one, other = (int(number) for number in chance.integers(len(texts), size=2))
        first, second = texts[one].split(), texts[other].split()
        made = " ".join((*first[: -(-2 * len(first) // 3)], *second[len(second) // 2 :]))
        if made not in known:
            known[made] = None
            pairs.append((one, other))
    if pairs:
        ones, others = np.array(pairs).T
        noise = np.float32(NOISE) * _unit(_normal(chance, len(pairs)))
        between = np.float32(0.6) * vectors[ones] + np.float32(0.4) * vectors[others] + noise
        vectors = np.concatenate((vectors, _unit(between)))
    return list(known), vectors


def _normal(chance: np.random.Generator, count: int) -> NDArray[np.float32]:
    return chance.standard_normal((count, DIMENSION), dtype=np.float32)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths: NDArray[np.float32] = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / lengths
