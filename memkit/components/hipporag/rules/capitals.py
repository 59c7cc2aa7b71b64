"""Runs of capitals that are one name: where they begin, what holds them together, when a single word is none."""

from __future__ import annotations

from collections.abc import Sequence

from memkit.components.hipporag.rules.dates import is_unit, is_year
from memkit.components.hipporag.rules.manner import Manner, Mention, bare, goes_on, opens, written
from memkit.components.hipporag.rules.tokens import Token
from memkit.components.hipporag.rules.words import (
    ABBREVIATED,
    ADDRESS,
    ARTICLES,
    BODIES,
    DAYS,
    ENGLISH,
    FUNCTION,
    HONORIFICS,
    HYPHENED,
    INNER,
    LINKING,
    MONTHS,
    NATIONAL,
    NATIONS,
    OWNERS,
    ROYAL,
    UNITS,
)

_LONGEST = 12  # words of a name; a longer run of capitals is a headline, and is cut


def run(sentence: Sequence[Token], at: int, how: Manner) -> Mention | None:
    """The capitals from here on that are one name, if they are a name."""
    if not _may_begin(sentence, at):
        return None
    end = at + 1
    while end < len(sentence) and end - at < _LONGEST:
        step = 0 if _owns(sentence, end - 1) else _step(sentence, at, end)
        if not step:
            break
        end += step
    first = _first(sentence, at, end, how)
    if first >= end:
        return None
    name = written(sentence[first:end])
    return Mention(_unhyphened(name), "name", first, end) if any(c.isalpha() for c in name) else None


def _may_begin(sentence: Sequence[Token], at: int) -> bool:
    word = sentence[at].text.lower()
    if word in (FUNCTION if opens(sentence, at) else ENGLISH) or bare(word) in ENGLISH:
        follows = at + 1 < len(sentence) and sentence[at + 1].kind == "cap" and sentence[at + 1].gap == 1
        if sentence[at].text.isupper():
            return sentence[at].text in ("US", "IT", "WHO")
        return bool(follows) and not opens(sentence, at) and word not in ("i", "i'm", "and", "or", "by", "of")
    return word not in DAYS and not (word in MONTHS and len(word) > 3)


def _first(sentence: Sequence[Token], at: int, end: int, how: Manner) -> int:
    """Where the name begins once the words are gone that only stand before it. `end` if nothing is left."""
    if end - at == 1:
        return at if _alone(sentence, at, how) else end
    word = sentence[at].text.lower().rstrip(".")
    called = at
    while called < end and sentence[called].text.lower() in HONORIFICS:
        called += 1 + (called + 1 < end and sentence[called + 1].text == ".")
    if called > at and end - called >= (1 if word in ADDRESS else 2) and sentence[called].kind == "cap":
        return called
    if word in ROYAL and end - at > 2 and any(_roman(t.text) for t in sentence[at + 1 : end]):
        return at + 1
    if at and _national(word) and sentence[at - 1].text in ("a", "an"):
        return at + 1
    if (
        opens(sentence, at)
        and word in how.lower
        and not how.inner[sentence[at].text]
        and sentence[at + 1].kind == "cap"
    ):
        return at + 1
    return at


def _roman(word: str) -> bool:
    return len(word) <= 6 and not word.strip("IVX")


def _alone(sentence: Sequence[Token], at: int, how: Manner) -> bool:
    """Is this single capitalised word a name?"""
    token = sentence[at]
    word = bare(token.text)
    low = word.lower()
    if len(word) < 2 and not word.isdigit() and word.lower() != word.upper():
        return False
    if low in how.own and low not in FUNCTION:
        return True
    after = sentence[at + 1] if at + 1 < len(sentence) else None
    if opens(sentence, at):
        return how.inner[word] > 0 or (low not in how.lower and low not in HONORIFICS and _subject(word, token, after))
    before = sentence[at - 1]
    if how.nouns and not word.isupper():
        return (before.text.lower() not in ARTICLES["de"] and before.kind != "low" and how.inner[word] < 2) or (
            before.text in ("in", "aus", "nach", "bei", "von", "und", "durch", "mit") and how.inner[word] < 3
        )  # fmt: skip
    describes = after is not None and after.kind == "low" and after.text not in FUNCTION
    return not (describes and token.text == word and _national(low) and not _after_subject(before))


def _after_subject(before: Token) -> bool:
    return before.text in (",", "and", "when", "that", "while", "where", "as", "before", "after", "because", "if")


def _national(low: str) -> bool:
    return low.endswith(NATIONAL) or low in NATIONS


def _subject(word: str, token: Token, after: Token | None) -> bool:
    """Does a sentence's first word, unknown otherwise, look like a name? What follows it must be able to follow a subject."""
    low = word.lower()
    if low.endswith(
        ("ly", "ing", "ed", "tion", "tions", "ment", "ments", "ness", "ists", "ers", "ors", "als", "ures", "ities")
    ):
        return False
    if after is None or token.text != word:
        return True
    if after.kind == "mark":
        return after.text in ",(.–—-"
    if _national(low):
        return False
    return after.kind == "low" and (
        after.text
        in ("is", "was", "has", "had", "became", "and", "did", "does", "will", "would", "can", "also", "then")
        or after.text.endswith(("ed", "s"))
    )


def _owns(sentence: Sequence[Token], at: int) -> bool:
    """Does the possessive at `at` end its name ("Chicago's Wrigley Field") and not go on with it ("St. Mary's Church")?"""
    word = sentence[at].text
    if not word.endswith(("'s", "’s")):
        return False
    if word[:-2].lower() in OWNERS or word[:-2].isupper():
        return False
    return not (at >= 1 and (sentence[at - 1].text in ("St.", "Saint") or (at >= 2 and sentence[at - 2].text == "St")))


def _step(sentence: Sequence[Token], at: int, end: int) -> int:
    """How many tokens from `end` on still belong to the name that began at `at`."""
    token = sentence[end]
    if token.gap == 2:
        return 0
    if token.kind == "cap":
        low = token.text.lower()
        if low in ENGLISH and not _roman(token.text) and token.text not in ("US", "IT", "WHO"):
            if token.text.isupper() and len(low) > 1:  # a headline
                return 0
            return (
                1
                if low not in ("he", "she", "it", "they", "i", "in", "his", "her") and goes_on(sentence, end + 1)
                else 0
            )
        return 0 if low in MONTHS and end + 1 < len(sentence) and sentence[end + 1].kind == "num" else 1
    if token.kind == "num":
        joins = token.gap <= 1 and len(token.text) <= 4 and sentence[end - 1].kind == "cap"
        follows = end + 1 < len(sentence) and (sentence[end + 1].text in UNITS or is_unit(sentence[end + 1].text))
        return 1 if joins and not follows else 0
    if token.kind == "mark":
        return _joint(sentence, at, end)
    if token.kind == "quote":  # Nicholas "Nick" Hexum
        return (
            2
            if " " not in token.text and end + 1 < len(sentence) and sentence[end + 1].kind == "cap" and end - at <= 3
            else 0
        )
    return _particles(sentence, at, end) if token.kind == "low" else 0


def _joint(sentence: Sequence[Token], at: int, end: int) -> int:
    token, after = sentence[end], sentence[end + 1] if end + 1 < len(sentence) else None
    if after is None or after.kind not in ("cap", "num"):
        return 0
    before = sentence[end - 1]
    if token.text == "&":
        return 2
    if token.text in "/–-‐" and token.gap == 0 and after.gap == 0 and after.kind == "cap":
        return 2
    if token.text == "." and before.text.lower() in ABBREVIATED and token.gap == 0 and after.kind == "cap":
        return 2
    if (
        token.text == "-"
        and token.gap == 1
        and after.gap == 1
        and after.kind == "cap"
        and after.text.lower() not in MONTHS
    ):  # "Metro - North Railroad"
        return 2
    if token.text == "," and (_roman(after.text) and len(after.text) > 1):
        return 2
    if token.text == "," and after.text.rstrip(".") in ("Inc", "Jr", "Sr", "Ltd", "LLC", "D.C"):
        return 2
    return 0


def _particles(sentence: Sequence[Token], at: int, end: int) -> int:
    """Lower-case words inside a name: how many tokens up to and with the capital after them, or 0."""
    first = sentence[end].text
    head = sentence[end - 1].text.lower()
    if first in ("for", "and"):
        body = next((t for t in sentence[at:end] if t.text.lower() in BODIES), None)
        if body is None or (first == "and" and not any(t.text in ("of", "for") for t in sentence[at:end])):
            return 0
        if first == "and" and (head in BODIES or not goes_on(sentence, end + 1)):
            return 0
    elif first == "the":  # "Henry the Navigator"
        return 2 if goes_on(sentence, end + 1) and sentence[end - 1].text[-1].isalpha() else 0
    elif first == "of" and _follows_year(sentence, end):  # "Judiciary Act of 1869"
        return 2
    elif first not in LINKING:
        return 0
    size = 1
    while size <= 3 and end + size < len(sentence):
        token = sentence[end + size]
        if token.gap != 1 and token.gap != 0:
            return 0
        if token.kind == "cap":
            return size + 1 if token.text.lower() not in ENGLISH or goes_on(sentence, end + size + 1) else 0
        if token.kind != "low" or token.text not in INNER:
            return 0
        size += 1
    return 0


def _follows_year(sentence: Sequence[Token], end: int) -> bool:
    return end + 1 < len(sentence) and is_year(sentence[end + 1])


def _unhyphened(name: str) -> str:
    head, dash, tail = name.rpartition("-")
    return head if dash and tail in HYPHENED else name
