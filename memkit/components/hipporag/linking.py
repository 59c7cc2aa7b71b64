"""From a question to names and facts of the graph.

A name in a question is looked up as it is written. Rules and models cut names too short or in pieces ("Jump for
Glory", "The Girl Who Kicked the Hornets' Nest"), so the longest group of words that is a name of the graph and
overlaps what they found counts first. What names nothing stands for the nearest name by meaning; without an embedder,
for the one that shares most of its words. Facts are linked by meaning, as in HippoRAG 2.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from memkit.components.hipporag.normalise import Normaliser
from memkit.components.hipporag.rules.words import FUNCTION
from memkit.components.hipporag.settings import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from memkit.ports import Graph

SHARED = 0.5  # the least share of words, on either side, by which a name stands for a phrase
CANDIDATES = 64  # names of which the words are counted: those that have most of the phrase's
SAYING = 2  # words of the question that a fact must have to be kept without a name


@dataclass(frozen=True, slots=True)
class NameLink:
    """A name of the graph that `phrase`, a part of the question, stands for. `how`: it is the same "name", it shares
    "words" with it, or it is near by "meaning". `score`, in [0, 1]: 1, the share, or the cosine."""

    name: int
    phrase: str
    how: Literal["name", "words", "meaning"]
    score: float


@dataclass(frozen=True, slots=True)
class FactLink:
    """A fact that the question is near to. `score` is the inner product, and `scaled` its place between the smallest and the
    largest of all facts, 0 to 1, as in HippoRAG: the nearest fact has 1, however far it is. None where seeds do not use it:
    it takes the products of all facts."""

    fact: int
    score: float
    scaled: float | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and the names found in it. `unmatched` are the phrases that the graph has no name for, in order."""

    question: str
    names: tuple[NameLink, ...] = ()
    unmatched: tuple[str, ...] = ()

    @property
    def texts(self) -> list[str]:
        """What `linked` wants vectors of, in one call."""
        return [self.question, *self.unmatched]


@dataclass(frozen=True, slots=True)
class Linked:
    """Names, each once, in the order of the question; facts, the nearest first."""

    names: tuple[NameLink, ...] = ()
    facts: tuple[FactLink, ...] = ()

    def only(self, places: Sequence[int]) -> Linked:
        """With only the facts at these places of `facts`, in this order."""
        return Linked(self.names, tuple(self.facts[place] for place in places))


def asked(question: str, phrases: Sequence[str], graph: Graph, *, key: Normaliser, settings: Settings) -> Asked:
    """Look up the names of a question. `phrases` are what rules or a model found in it, as written; one may lie inside another.

    Word groups of up to `settings.longest` words are tried, longest first, none inside another that was found. One
    must overlap a name by more than function words, and may not be a mere piece of one. Phrases that begin in lower
    case are looked up only where nothing else is found; and then, if they are not known either, every group of two
    words and more.
    """
    names = list(dict.fromkeys(filter(None, (key(phrase) for phrase in phrases if not phrase[:1].islower()))))
    found = _found(question, names, graph, key, settings.longest)
    if found.names or found.unmatched or not settings.longest:
        return found
    others = list(dict.fromkeys(filter(None, (key(phrase) for phrase in phrases if phrase[:1].islower()))))
    found = _found(question, others, graph, key, 0)
    return replace(found, unmatched=()) if found.names else _found(question, [], graph, key, settings.longest)


def linked(asked: Asked, graph: Graph, vectors: NDArray[np.float32] | None, settings: Settings) -> Linked:
    """Link what names nothing, and facts. `vectors` are those of `asked.texts`, or of the question alone, [M, dimension]; None
    without an embedder: then no facts are linked, and phrases by their words."""
    names = {link.name: link for link in asked.names}
    if vectors is not None and len(vectors) > 1:
        nearest, cosines = graph.name_vectors.nearest(vectors[1:], 1)
        for phrase, name, cosine in zip(asked.unmatched, nearest[:, 0].tolist(), cosines[:, 0].tolist(), strict=True):
            if name >= 0 and cosine >= settings.alike:
                names.setdefault(name, NameLink(name, phrase, "meaning", min(max(cosine, 0.0), 1.0)))
    else:
        for phrase in asked.unmatched:
            link = _by_words(phrase, graph)
            if link is not None:
                names.setdefault(link.name, link)
    facts = () if vectors is None else _facts(graph, vectors[0], settings)
    return Linked(tuple(names.values()), facts)


def kept(linked: Linked, asked: Asked, graph: Graph) -> Linked:
    """The facts that may help, told without a chat model: those about a name of the question; where it names nothing,
    those that have at least SAYING of its words."""
    names = {link.name for link in linked.names}
    numbers = [link.fact for link in linked.facts]
    if names:
        at = np.array(numbers, np.int64)
        ends = [set(two) for two in zip(graph.subject[at].tolist(), graph.object[at].tolist(), strict=True)]
        return linked.only([place for place, two in enumerate(ends) if two & names])
    said = _words(asked.question)
    words = [_words(" ".join(fact.told)) for fact in graph.facts(numbers)]
    return linked.only([place for place, has in enumerate(words) if len(said & has) >= SAYING])


def _found(question: str, keys: Sequence[str], graph: Graph, key: Normaliser, longest: int) -> Asked:
    """What the graph has of these keys, and of the word groups that overlap them; of all word groups if there are no keys."""
    keyed = key(question)
    words = [(match.start(), match.end()) for match in re.finditer(r"\S+", keyed)]
    owner = _owners([keyed[a:b] for a, b in words], keys)
    spans = _spans([keyed[a:b] for a, b in words], owner if keys else None, longest)
    texts = [keyed[words[first][0] : words[last - 1][1]] for first, last in spans]
    numbers = graph.find([*texts, *keys]).tolist() if texts or keys else []
    links: dict[int, tuple[int, NameLink]] = {}
    taken: set[int] = set()
    for (first, last), text, name in zip(spans, texts, numbers, strict=False):
        if name >= 0 and taken.isdisjoint(range(first, last)):
            taken.update(range(first, last))
            links.setdefault(name, (first, NameLink(name, text, "name", 1.0)))
    unmatched = []
    for place, (phrase, name) in enumerate(zip(keys, numbers[len(texts) :], strict=True)):
        mine = {at for at, who in enumerate(owner) if who == place}
        if mine & taken or any(other != phrase and f" {other} " in f" {phrase} " for other in keys):
            continue  # a longer name has it; or it is a longer reading of others, and no name
        if name >= 0:
            links.setdefault(name, (min(mine, default=len(words)), NameLink(name, phrase, "name", 1.0)))
        else:
            unmatched.append(phrase)
    return Asked(
        question, tuple(link for _, link in sorted(links.values(), key=lambda pair: pair[0])), tuple(unmatched)
    )


def _owners(words: Sequence[str], keys: Sequence[str]) -> list[int]:
    """For each word of the question the place in `keys` of what it belongs to, -1 for none. Of two the shorter has it."""
    owner = [-1] * len(words)
    for place, phrase in sorted(enumerate(keys), key=lambda pair: -len(pair[1])):
        parts = phrase.split()
        for first in range(len(words) - len(parts) + 1):
            if list(words[first : first + len(parts)]) == parts:
                owner[first : first + len(parts)] = [place] * len(parts)
    return owner


def _spans(words: Sequence[str], owner: Sequence[int] | None, longest: int) -> list[tuple[int, int]]:
    """The word groups to look up, longest first, then from the left. Without owners those of two words and more."""
    spans = []
    count = len(words)
    telling = [word not in FUNCTION and (owner is None or owner[at] >= 0) for at, word in enumerate(words)]
    following = [count] * (count + 1)  # the first telling word from each on
    for at in range(count - 1, -1, -1):
        following[at] = at if telling[at] else following[at + 1]
    for size in range(min(longest, count), 0 if owner else 1, -1):
        for first in range(count - size + 1):
            last = first + size
            if following[first] < last and not (owner and _cuts(owner, first, last)):
                spans.append((first, last))
    return spans


def _cuts(owner: Sequence[int], first: int, last: int) -> bool:
    """Is it a piece of one phrase, with words of that left over?"""
    who = owner[first]
    if who < 0 or any(other != who for other in owner[first:last]):
        return False
    return (first > 0 and owner[first - 1] == who) or (last < len(owner) and owner[last] == who)


def _by_words(phrase: str, graph: Graph) -> NameLink | None:
    """The name that shares most words with the phrase: the smaller of the share of the phrase's words that it has, by
    weight, and of the share of its own words that these are. A word weighs the more the fewer names have it."""
    found = graph.naming(phrase)
    held = np.concatenate([np.empty(0, np.int32), *found.rows])
    if not len(held):
        return None
    weights = np.log1p(graph.name_vectors.size / np.maximum(found.frequency, 1))
    names, place = np.unique(held, return_inverse=True)
    shared = np.bincount(place, np.repeat(weights, [len(part) for part in found.rows])) / weights.sum()
    best = np.lexsort((names, -shared))[:CANDIDATES]
    sizes = np.array([max(len(text.split()), 1) for text in graph.names(names[best].tolist())])
    scores = np.minimum(shared[best], np.minimum(np.bincount(place)[best] / sizes, 1.0))
    top = int(np.argmax(scores))
    return NameLink(int(names[best[top]]), phrase, "words", float(scores[top])) if scores[top] >= SHARED else None


def _facts(graph: Graph, vector: NDArray[np.float32], settings: Settings) -> tuple[FactLink, ...]:
    if not settings.facts:
        return ()
    most = min(settings.facts, max(graph.fact_vectors.size, 1))  # room is made for all that are asked for
    numbers, scores = graph.fact_vectors.nearest(vector[np.newaxis], most)
    links = [
        FactLink(fact, score) for fact, score in zip(numbers[0].tolist(), scores[0].tolist(), strict=True) if fact >= 0
    ]
    if settings.seeds != "facts" or not links:
        return tuple(links)
    low, high = graph.fact_vectors.range(vector)
    wide = high - low
    return tuple(replace(link, scaled=(link.score - low) / wide if wide > 0 else 1.0) for link in links)


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"[^\W_]+", text.lower()) if word not in FUNCTION}
