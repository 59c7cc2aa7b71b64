"""What a name is known by: two ways of writing one name give one node.

A normaliser is a function from a text to a key. A text whose key is "" names nothing: it makes no node and no edge.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Literal

Normaliser = Callable[[str], str]
Named = Literal["unicode", "published"]

_NOT_PUBLISHED = re.compile(r"[^a-z0-9 ]")
_NOT_ASCII_WORD = re.compile(r"[^a-z0-9]+")


def published(text: str) -> str:
    """HippoRAG's own, of both versions: lower case; every character but A-Z, a-z, 0-9 and the space becomes one space; the
    ends are stripped, and runs of spaces inside are kept. Names in other scripts become ""."""
    return _NOT_PUBLISHED.sub(" ", text.lower()).strip()


def unicode(text: str) -> str:
    """The default: case and compatibility forms (NFKC) are folded, and letters, marks and digits of every script are kept;
    what else there is parts words, which one space stands between. Signs that join or are not seen (Unicode's Cf: the soft
    hyphen, the zero-width joiners) are dropped. A text without a letter or digit keeps its signs: "$" is a name, too."""
    if text.isascii():
        folded = text.lower()
        key = _NOT_ASCII_WORD.sub(" ", folded).strip()
    else:
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
        key = " ".join("".join(map(_shown, folded)).split())
    return key or " ".join("".join(" " if _unseen(sign) else sign for sign in folded).split())


def normaliser(given: Named | Normaliser) -> Normaliser:
    """The normaliser of this name, or the function that was given. Raises ValueError for a name that there is not."""
    if callable(given):
        return given
    named: dict[str, Normaliser] = {"unicode": unicode, "published": published}
    if given not in named:
        raise ValueError(f"normaliser is {given!r}; it can be {' or '.join(map(repr, named))}, or a function")
    return named[given]


@lru_cache(maxsize=4096)
def _shown(sign: str) -> str:
    kind = unicodedata.category(sign)
    if kind == "Cf":
        return ""
    return sign if kind[0] in "LMN" else " "


def _unseen(sign: str) -> bool:
    """A control or half a character: no database takes all of them."""
    return unicodedata.category(sign) in ("Cc", "Cf", "Cs")
