"""Cuts a turn into what is kept or dropped as one: sentences, or phrases. It looks at the characters and knows no
language.

Spans are (start, end) in characters, end exclusive, with no blank at either side. They ascend, do not overlap, are at
most LONGEST long, and hold every character that is not blank. The time grows with the length of the text and nothing
else.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Literal

Unit = Literal["sentence", "phrase"]
Span = tuple[int, int]

LONGEST = 300  # characters: a budget of 1024 tokens should hold more than a few units

_CLOSERS = r"""["'”’»)\]}）」』》〉*_]"""
_SENTENCE = rf"(?<![.!?…])[.!?…]++{_CLOSERS}*+(?=\s|\Z)|[。！？｡]++{_CLOSERS}*+|\n\s*+"
_BORDERS: dict[Unit, re.Pattern[str]] = {
    "sentence": re.compile(_SENTENCE),
    "phrase": re.compile(rf"{_SENTENCE}|[,;:](?=\s)|[，、；：]|\s[–—-]++(?=\s)|—"),
}
_CLAUSE = re.compile(r"[.!?;:,](?=\s)|[，、；：。！？]|[–—]")
_ABBREVIATED = re.compile(
    r"(?:\b(?i:mrs?|ms|dr|prof|st|jr|sr|gen|vs|cf|approx|no|nr|vol)|\b[A-HJ-Z]|\b\w(?:\.\w)+)\Z"  # J. Smith; but: So do I.
)
_LOOKED_AT = 12  # characters before a full stop: no abbreviation above is as long


def spans(text: str, unit: Unit) -> list[Span]:
    """The units of a text, in order. A text without a visible character has none."""
    return list(_short(text, _pieces(text, _BORDERS[unit])))


def _pieces(text: str, borders: re.Pattern[str]) -> Iterator[Span]:
    start = 0
    for border in borders.finditer(text):
        if border[0][0] in ".!?…" and _goes_on(text, border):
            continue
        yield start, border.end()
        start = border.end()
    yield start, len(text)


def _goes_on(text: str, border: re.Match[str]) -> bool:
    """Whether the sign ends no sentence: before a small letter, unless it is a bare "!" or "?", or behind an abbreviation."""
    following = text[border.end() : border.end() + _LOOKED_AT].lstrip()
    if following[:1].islower():
        return border[0][-1] not in "!?"
    if not following or border[0] != ".":
        return False
    return _ABBREVIATED.search(text, max(0, border.start() - _LOOKED_AT), border.start()) is not None


def _short(text: str, pieces: Iterator[Span]) -> Iterator[Span]:
    """The pieces without the blanks around them, the long ones cut."""
    for first, last in pieces:
        start, end = _solid(text, first, last)
        while end - start > LONGEST:
            stop = _cut(text, start)
            yield _solid(text, start, stop)
            start, end = _solid(text, stop, end)
        if start < end:
            yield start, end


def _cut(text: str, start: int) -> int:
    """Where a piece that is too long is cut: behind a clause, else at a blank, else anywhere but before a combining
    mark."""
    low, high = start + LONGEST // 2, start + LONGEST
    clauses = [found.end() for found in _CLAUSE.finditer(text, low, high)]
    if clauses:
        return clauses[-1]
    for place in range(high, low, -1):
        if text[place].isspace():
            return place
    return next((place for place in range(high, low, -1) if not unicodedata.combining(text[place])), high)


def _solid(text: str, start: int, end: int) -> Span:
    part = text[start:end]
    left = len(part) - len(part.lstrip())
    return start + left, max(start + left, start + len(part.rstrip()))
