"""A question as the thoughts that answer it would put it: they name who "I" is."""

from __future__ import annotations

import re
from collections.abc import Sequence

_VERBS = {"do": "does", "am": "is", "have": "has", "was": "was", "did": "did"}
_INVERTED = re.compile(r"\b(do|am|have|was|did) I\b", re.IGNORECASE)
_I_AM, _I = re.compile(r"\bI(?:['’]m| am)\b"), re.compile(r"\b(?:I|me)\b")
_MY, _MINE = re.compile(r"\bmy\b", re.IGNORECASE), re.compile(r"\bmine\b", re.IGNORECASE)


def asked(text: str, authors: Sequence[str]) -> str:
    """The question in the third person: "Where do I live?" is "Where does Ana live?" where Ana is the only author, and "Where
    does the user live?" where nobody has a name. Among several authors it stays as it is: nobody knows who asks. English.
    """
    if len(authors) > 1:
        return text
    who = authors[0] if authors else "the user"
    text = _INVERTED.sub(lambda match: f"{_VERBS[match[1].lower()]} {who}", text)
    text = _I_AM.sub(lambda _: f"{who} is", text)
    text = _MY.sub(lambda _: f"{who}'s", text)
    return _MINE.sub(lambda _: f"{who}'s", _I.sub(lambda _: who, text))
