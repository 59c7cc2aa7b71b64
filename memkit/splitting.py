"""Cuts a document into passages at sentence borders. It looks at the characters and knows no language, no model.

Spans are (start, end) in characters of the text, end exclusive: `text[start:end]` is the passage, with no blank at
either side. Spans ascend and do not overlap, and every character that is not blank lies in one of them. The same text
gives the same spans, in time that grows with its length and nothing else.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

Span = tuple[int, int]

LIMIT = 1000

# Every quantifier that could give back what it took is possessive, and a run of full stops is tried at its first sign
# only. Otherwise a megabyte of dots or blanks would take quadratic time.
_CLOSERS = r"""["'”’»)\]}）］】」』》〉*_]"""
_BORDER = re.compile(
    rf"""
      (?P<paragraph> \n[^\S\n]*+\n\s*+ | [\f\u2029]\s*+ )
    | (?P<line>      \n[^\S\n]*+ (?= (?: \#{{1,6}} | [-*+•] | \d{{1,3}}[.)] ) [ ] | ``` | \| ) )
    | (?P<wide>      [。！？｡]++ {_CLOSERS}*+ )
    | (?P<full>      (?<![.!?…؟۔।။።։]) [.!?…؟۔।။።։]++ {_CLOSERS}*+ (?=\s|\Z) )
    """,
    re.VERBOSE,
)
_SOLID = re.compile(r"\S")
_HEADING = re.compile(r"[^\S\n]*+#{1,6} ")
_DOTTED = re.compile(r"(?:\w\.)*+\w")  # J, U.S, e.g, a.m: what stands before the last full stop

_TITLE = re.compile(
    "mrs?|ms|messrs|dr|prof|st|mt|jr|sr|gen|col|capt|lt|sgt|rev|hon|gov|sen|rep|vs|cf|al|approx|ca", re.IGNORECASE
)
_BEFORE_NUMBER = re.compile(
    "nos?|nr|vols?|pp|ch|sec|art|figs?|eqs?|tab|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec", re.IGNORECASE
)
_LONGEST = 12  # characters looked at before a full stop; no abbreviation above is as long
_HEADING_LENGTH = 200  # a longer line is no heading, however it starts

# Where a sentence that is too long is cut, in order of preference. A cut falls into the second half of the limit.
_CLAUSES = (". ", "? ", "! ", "; ", ": ", ", ", " – ", " — ", "…", "；", "：", "，", "、", "،", "؛")
_JOINERS = "\u200d\ufe0e\ufe0f"  # what stays with the sign before it, besides combining marks
_LONGEST_CLUSTER = 12


def split(text: str, *, limit: int = LIMIT) -> list[Span]:
    """Passages of at most `limit` characters, each as many whole sentences as fit.

    A passage that is more than half full ends where a paragraph, a heading or a list item begins. A heading stays with
    the sentence after it. A sentence longer than the limit is cut at a line end, else behind a clause, else between
    words, else anywhere, but not before a combining mark. A text without a word gives no passage.
    """
    if limit < 1:
        raise ValueError(f"limit is {limit}; a passage has at least one character")
    spans: list[Span] = []
    for start, end, opens in _pieces(text, limit):
        if spans:
            first, last = spans[-1]
            if end - first <= limit and not (opens and last - first > limit / 2):
                spans[-1] = (first, end)
                continue
        spans.append((start, end))
    return spans


def sentences(text: str) -> list[Span]:
    """The sentences, by the same rules, however long they are."""
    return [(start, end) for start, end, _ in _sentences(text)]


def _pieces(text: str, limit: int) -> Iterator[tuple[int, int, bool]]:
    """Sentences, the long ones in pieces, each with whether a paragraph begins there."""
    for start, end, opens in _sentences(text):
        while end - start > limit:
            stop = _cut(text, start, limit)
            yield start, _stripped(text, start, stop), opens
            start, opens = _solid(text, stop), False
        yield start, end, opens


def _sentences(text: str) -> Iterator[tuple[int, int, bool]]:
    start, opens = _solid(text, 0), True
    for border in _BORDER.finditer(text):
        if border.start() < start or not _ends_sentence(text, start, border):
            continue
        stop = border.end()
        yield start, _stripped(text, start, stop), opens
        start = _solid(text, stop)
        opens = border.lastgroup in ("paragraph", "line") or text.count("\n", stop, start) > 1
    if start < len(text):
        yield start, _stripped(text, start, len(text)), opens


def _ends_sentence(text: str, start: int, border: re.Match[str]) -> bool:
    if border.lastgroup == "full" and not _full_stop_ends(text, border):
        return False
    line = max(start, border.start() - _HEADING_LENGTH)
    line = max(line, text.rfind("\n", line, border.start()) + 1)
    return not (line == start or text[line - 1] == "\n") or _HEADING.match(text, line) is None


def _full_stop_ends(text: str, border: re.Match[str]) -> bool:
    """Whether the sign ends a sentence, by what stands around it."""
    following = _solid(text, border.end())
    if following == len(text) or text.count("\n", border.end(), following) > 1:
        return True
    sign, after = border[0], text[following]
    if after.islower():  # "Oh!" said Alice; approx. five; well… maybe; but: Really? yes
        return sign[-1] in "!?"
    return sign != "." or not _abbreviates(text, border.start(), after)


def _abbreviates(text: str, stop: int, after: str) -> bool:
    words = text[max(0, stop - _LONGEST) : stop].split()
    if not words:
        return False
    word = words[-1].lstrip("\"'“‘«([*_")
    if word.isdecimal():  # "1." at the start of a line numbers it; "in 1999." ends a sentence
        before = stop - len(word) - 1
        return len(word) <= 3 and (before < 0 or text[before] == "\n")
    if _DOTTED.fullmatch(word):
        return word != "I"
    return bool(_TITLE.fullmatch(word) or (after.isdecimal() and _BEFORE_NUMBER.fullmatch(word)))


def _cut(text: str, start: int, limit: int) -> int:
    """Where to end a piece of a sentence that does not fit: above start, at most start + limit."""
    low, high = start + max(1, limit // 2), start + limit
    line = text.rfind("\n", low, high + 1)
    if line > 0:
        return line
    clause = max(text.rfind(sign, low, high) + len(sign.rstrip()) for sign in _CLAUSES)
    if clause > low:
        return clause
    for place in range(high, low - 1, -1):
        if text[place].isspace():
            return place
    for place in range(high, max(start + 1, high - _LONGEST_CLUSTER), -1):
        if not _joined(text, place):
            return place
    return high


def _joined(text: str, place: int) -> bool:
    """Whether a cut would take a sign apart."""
    return text[place] in _JOINERS or text[place - 1] == "\u200d" or unicodedata.combining(text[place]) > 0


def _solid(text: str, start: int) -> int:
    """The first place from `start` on that is not blank; the text's length if there is none."""
    found = _SOLID.search(text, start)
    return found.start() if found else len(text)


def _stripped(text: str, start: int, end: int) -> int:
    """The end without the blanks before it."""
    return start + len(text[start:end].rstrip())
