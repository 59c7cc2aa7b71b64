"""How wide a text is in a sans serif, and how it is broken into lines. Estimates: a picture is made without its fonts."""

from __future__ import annotations

import unicodedata

_NARROW, _WIDE = frozenset("!'(),-./:;I[]`fijlrt|"), frozenset("%@MWmw…—")


def width(text: str, size: float) -> float:
    """Pixels, on the safe side, at this size of the font."""
    return sum(map(_em, text)) * size


def lines(text: str, size: float, most: float, count: int) -> list[str]:
    """The text in at most `count` lines of at most `most` pixels, broken at blanks where there are any. What does not fit
    is left out, and "…" says so."""
    made = [""]
    for word in text.split():
        for part in _pieces(word, size, most):
            grown = f"{made[-1]} {part}".strip()
            if width(grown, size) <= most:
                made[-1] = grown
            else:
                made.append(part)
    made = [line for line in made if line] or [""]
    if len(made) > count:
        made = [*made[: count - 1], _cut(made[count - 1], size, most)]
    return made


def _pieces(word: str, size: float, most: float) -> list[str]:
    """A word in parts that fit into a line."""
    parts = [""]
    for letter in word:
        if parts[-1] and width(parts[-1] + letter, size) > most:
            parts.append("")
        parts[-1] += letter
    return parts


def _cut(line: str, size: float, most: float) -> str:
    while line and width(line + "…", size) > most:
        line = line[:-1]
    return line.rstrip() + "…"


def _em(letter: str) -> float:
    if unicodedata.combining(letter):
        return 0.0
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.05
    if letter in _NARROW or letter == " ":
        return 0.34
    if letter in _WIDE:
        return 0.92
    return 0.72 if letter.isupper() else 0.58
