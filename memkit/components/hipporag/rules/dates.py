"""Dates and amounts in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

from memkit.components.hipporag.rules.manner import Mention, goes_on, joined, written
from memkit.components.hipporag.rules.tokens import Token
from memkit.components.hipporag.rules.words import MONTHS, SCALES, UNITS


def is_year(token: Token) -> bool:
    return token.kind == "num" and len(token.text) == 4 and token.text.isdigit() and "1000" <= token.text <= "2199"


def date(sentence: Sequence[Token], at: int) -> Mention | None:
    """ "5 May 1950", "May 5, 1950", "5. Mai 1950", "5 de mayo de 1950", "May 1950", "1950", "the 1950s"."""
    token, size = sentence[at], len(sentence)
    if token.kind == "num":
        end = at + 1
        if end < size and sentence[end].text in (".", "de", "of"):
            end += 1
        if end < size and sentence[end].text.lower() in MONTHS and len(token.text) <= 4:
            return _dated(sentence, at, end + 1)
        if is_year(token) and not goes_on(sentence, at + 1):
            return Mention(token.text, "date", at, at + 1)
        if token.text.endswith("0s") and token.text[:-1].isdigit():
            return Mention(token.text, "date", at, at + 1)
        if at + 1 < size and sentence[at + 1].text in ("century", "centuries"):
            return Mention(f"{token.text} century", "date", at, at + 2)
        return None
    if token.text.lower() not in MONTHS or at + 1 >= size or sentence[at + 1].kind != "num":
        return None
    return _dated(sentence, at, at + 1 if is_year(sentence[at + 1]) else at + 2)


def _dated(sentence: Sequence[Token], first: int, end: int) -> Mention:
    """The year, if there is one, belongs to the date."""
    at = end
    if at < len(sentence) and sentence[at].text in (",", "de", "of"):
        at += 1
    if at < len(sentence) and is_year(sentence[at]):
        end = at + 1
    return Mention(written(sentence[first:end]).replace(" ,", ","), "date", first, end)


def amount(sentence: Sequence[Token], at: int) -> Mention | None:
    """A number with its unit: "25 square kilometres", "$1.4 billion", "28 °C"."""
    end, first = at + 1, at
    if at and sentence[at - 1].kind == "mark" and sentence[at - 1].text in "$€£¥₹":
        first = at - 1
    while end < len(sentence) and sentence[end].text.lower() in SCALES:
        end += 1
    if end < len(sentence) and sentence[end].text == "°":
        end += 2
    elif end < len(sentence) and (
        sentence[end].text in UNITS or sentence[end].text == "%" or is_unit(sentence[end].text)
    ):
        end += 1
    elif first == at:
        return None
    end = min(end, len(sentence))
    return Mention("".join(joined(sentence[first:end])).rstrip("."), "amount", at, end)


def is_unit(word: str) -> bool:
    return len(word) > 1 and word != "In" and word.lower() in UNITS
