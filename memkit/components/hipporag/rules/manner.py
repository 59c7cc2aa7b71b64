"""What a mention of a name is, and how a passage is written: what its capitals are worth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from memkit.components.hipporag.rules.bare import KINDS as BARE_KINDS
from memkit.components.hipporag.rules.bare import repeats
from memkit.components.hipporag.rules.tokens import Token
from memkit.components.hipporag.rules.words import ARTICLES, ENGLISH

# Only German writes every noun with a capital; these words tell it from its neighbours.
_GERMAN = ARTICLES["de"] | frozenset("und ist war wurde mit von im auf zu sich nicht auch".split())
_ENGLISH = frozenset("the of and to is was with that for".split())


class Mention(NamedTuple):
    """A name in a sentence: its first token and the one after its last. `kind`: "name", "quote", "date", "amount"."""

    name: str
    kind: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Manner:
    """How a passage is written. Every rule about capitals asks here what they are worth.

    `lower`: words that occur in lower case. `inner`: how often a capitalised word occurs where capitals are no rule.
    `nouns`: capitals mean nothing for a single word (German). `known`: names that are looked for as they are, by their
    first word, the longest first, each as lower-case words; `own`: all their words. `repeated`: what is said more than
    once in a script without capitals.
    """

    lower: frozenset[str] = frozenset()
    inner: Counter[str] = field(default_factory=Counter)
    nouns: bool = False
    repeated: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()
    known: dict[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)


def manner(sentences: Sequence[Sequence[Token]], titles: Iterable[str] = ()) -> Manner:
    """What the sentences show about their capitals."""
    lower: set[str] = set()
    inner: Counter[str] = Counter()
    german = english = caseless = 0
    for sentence in sentences:
        for at, token in enumerate(sentence):
            if token.kind == "low":
                lower.add(token.text)
                german += token.text in _GERMAN
                english += token.text in _ENGLISH
            elif token.kind == "cap" and not opens(sentence, at):
                inner[bare(token.text)] += 1
            elif token.kind in BARE_KINDS:
                caseless += 1
    known: dict[str, tuple[tuple[str, ...], ...]] = {}
    for title in titles:
        words = tuple(w for w in _spelled(title) if w)
        if words:
            known[words[0]] = (*known.get(words[0], ()), words)
    for first, several in known.items():
        known[first] = tuple(sorted(several, key=len, reverse=True))
    own = frozenset(word for several in known.values() for words in several for word in words)
    repeated = repeats(sentences) if caseless else frozenset()
    return Manner(lower=frozenset(lower), inner=inner, nouns=german > english, repeated=repeated, own=own, known=known)


def _spelled(name: str) -> list[str]:
    return [w.strip(".,:;!?'’\"()").lower() for w in name.replace("&", " & ").split()]


def bare(word: str) -> str:
    """The word without the ending of a possessive."""
    if word.endswith(("'s", "’s")):
        return word[:-2]
    return word[:-1] if word[-1] in "'’" else word


def opens(sentence: Sequence[Token], at: int) -> bool:
    """Does a capital mean nothing here, because something begins?"""
    return at == 0 or (sentence[at - 1].kind == "mark" and sentence[at - 1].text in '"“„«‘(:*•—–-|[¿¡`')


def goes_on(sentence: Sequence[Token], end: int) -> bool:
    return end < len(sentence) and sentence[end].kind == "cap" and sentence[end].text.lower() not in ENGLISH


def written(tokens: Sequence[Token]) -> str:
    """The tokens as they stand in the text, blanks made one and a possessive's ending left out."""
    text = "".join(joined(tokens)).strip(" ,.:;") + (
        "." if tokens[-1].text[-1] == "." and len(tokens[-1].text) > 2 else ""
    )
    return bare(text) if text else ""


def joined(tokens: Sequence[Token]) -> list[str]:
    return [(" " if i and t.gap else "") + t.text for i, t in enumerate(tokens)]
