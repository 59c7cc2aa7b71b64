"""Text as sentences of tokens: words by their case, numbers, short quotations, punctuation. Linear in the text."""

from __future__ import annotations

import re
from typing import NamedTuple

from memkit.components.hipporag.rules.words import ABBREVIATED, FUNCTION, JOINTS, MONTHS


class Token(NamedTuple):
    """A piece of the text. `kind`: "cap" or "low" (a word by its first letter), "bare" (a word of a script without case),
    "han", "katakana", "hiragana", "asian" (a run of a script without blanks), "num", "quote" (its text is what is inside),
    "mark" (punctuation). `gap`: what stands before it: 0 nothing, 1 a blank, 2 the end of a paragraph or of a line that was
    not wrapped."""

    kind: str
    text: str
    start: int
    end: int
    gap: int


# Scripts written without blanks, each kind of run by itself: kanji, katakana, hiragana, and those of South-East Asia.
_HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_KATAKANA = "\u30a1-\u30ff\uff66-\uff9f"
_HIRAGANA = "\u3041-\u309f"
_ASIAN = "\u0e01-\u0e3a\u0e40-\u0e4e\u0e80-\u0eff\u0f00-\u0fff\u1000-\u1049\u1050-\u109f\u1780-\u17d3"
# Vowel signs and accents are no letters to `re`, but belong to the word.
_SIGNS = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed"
    "\u0900-\u0963\u0966-\u0dff\u200c\u200d"
)
_WORD = rf"(?:[^\W_{_HAN}{_KATAKANA}{_HIRAGANA}{_ASIAN}]|[{_SIGNS}])"
_INSIDE = 90  # characters of a quotation that may be a title; it bounds the work for each opening mark

_QUOTES = (
    ("“", "“”", "”"),
    ("«", "«»", "»"),
    ("„", "„“”", "[“”]"),
    ("「", "「」", "」"),
    ("『", "『』", "』"),
    ("《", "《》", "》"),
)
_QUOTE = "|".join(f"{first}[^{inner}\n]{{1,{_INSIDE}}}{last}" for first, inner, last in _QUOTES)

_TOKEN = re.compile(
    rf'(?P<quote>(?<![\w"])"(?=[^\s"])[^"\n]{{1,{_INSIDE}}}"|{_QUOTE}'
    rf"|``(?:[^`'\n]|'(?!')){{1,{_INSIDE}}}'')"
    r"|(?P<initials>(?:[^\W\d_]\.)++)"
    rf"|(?P<number>\d++(?:[.,]\d++)*+{_WORD}*+)"
    rf"|(?P<word>{_WORD}++(?:['’ʼ‘\-‐‑]{_WORD}++)*+['’]?)"
    rf"|(?P<han>[{_HAN}]++)|(?P<katakana>[{_KATAKANA}]++)|(?P<hiragana>[{_HIRAGANA}]++)|(?P<asian>[{_ASIAN}]++)"
    r"|(?P<mark>[^\s])"
)
_BLANK = re.compile(r"\s*+")
_JOINT = re.compile(f"({JOINTS})")
_ORDINAL = re.compile(r"\d[\d.,]*(?:st|nd|rd|th|s|er|e|º|ª)?$")
_ENDS = frozenset(".!?…。！？।॥؟۔;")
_WRAPPED = 50  # a line shorter than this was ended, not wrapped


def sentences(text: str) -> list[list[Token]]:
    """The tokens of each sentence, in order."""
    found: list[list[Token]] = []
    current: list[Token] = []
    for token in _tokens(text):
        if current and (token.gap == 2 or _ended(current, token)):
            found.append(current)
            current = []
        current.append(token)
    return [*found, current] if current else found


def _tokens(text: str) -> list[Token]:
    tokens: list[Token] = []
    match, blank = _TOKEN.match, _BLANK.match
    at, line = 0, 0
    lines = "\n" in text
    while True:
        skipped = blank(text, at)
        start = skipped.end() if skipped else at
        if start >= len(text):
            return tokens
        gap = 1 if start > at else 0
        if lines and gap and (breaks := text.count("\n", at, start)):
            gap = 2 if breaks > 1 or text.find("\n", at) - line < _WRAPPED or text[start] in "-*•#|>" else 1
            line = start
        found = match(text, start)
        if found is None:  # pragma: no cover - every character that is not a blank is at least a mark
            return tokens
        token = _token(found, gap)
        tokens += _cut(token) if token.kind in ("han", "asian") else (token,)
        at = token.end


def _token(found: re.Match[str], gap: int) -> Token:
    kind, text, start, end = found.lastgroup or "mark", found.group(), found.start(), found.end()
    if kind == "quote":
        wide = 2 if text.startswith("``") else 1
        inside = text[wide:-wide].strip().rstrip(",.;").strip()
        if _titled(inside, marked=text[0] in "«„《「『"):
            return Token("quote", inside, start, end, gap)
        return Token("mark", text[:wide], start, start + wide, gap)
    if kind == "word":
        return Token(_case(text), text, start, end, gap)
    if kind == "number":
        return Token("num" if _ORDINAL.match(text) else "cap", text, start, end, gap)
    if kind == "initials":
        if text[0].isupper() or len(text) > 2:
            return Token(_case(text), text, start, end, gap)
        return Token("low", text[0], start, start + 1, gap)
    return Token(kind, text, start, end, gap)


def _cut(token: Token) -> list[Token]:
    """A run without blanks, cut at the particles that are known; they become words in lower case."""
    cut: list[Token] = []
    at = token.start
    for piece in _JOINT.split(token.text):
        if piece:
            kind = "low" if _JOINT.fullmatch(piece) else token.kind
            cut.append(Token(kind, piece, at, at + len(piece), 0 if cut else token.gap))
            at += len(piece)
    return cut


def _case(word: str) -> str:
    if word[0].isupper():
        return "cap"
    if word.islower():
        return "low" if not "\u10d0" <= word[0] <= "\u10ff" else "bare"  # Georgian is written without capitals
    if word.lower() == word.upper():
        return "bare" if any(c.isalpha() for c in word) else "mark"
    return "cap"


def _titled(inside: str, *, marked: bool) -> bool:
    """Is this quotation a title and not speech? It begins like a name, and most of its words do; in languages that write only the
    first word of a title with a capital (`marked`: by their quotation marks), it is short."""
    words = inside.split()
    if not words or len(words) > 12 or not any(c.isalnum() for c in inside):
        return False
    if inside.lower() == inside.upper():
        return len(inside) <= 30
    first = words[0].lstrip("'‘(¿¡")[:1]
    if not (first.isupper() or first.isdigit()):
        return False
    if marked and len(words) <= 6:
        return True
    small = sum(1 for w in words if w[:1].islower() and w not in FUNCTION)
    return small <= (len(words) - 1) // 2 if len(words) <= 3 else small * 4 <= len(words)


def _ended(current: list[Token], token: Token) -> bool:
    """Does a sentence end before `token`?"""
    last = current[-1]
    if (
        last.kind == "cap" and last.text[-1] == "."
    ):  # "U.S. The", "Malcolm X. He": initials, then what no name begins with
        return token.kind == "cap" and token.text.lower() in FUNCTION and token.text != "I"
    if last.kind != "mark" or last.text not in _ENDS:
        if last.kind == "quote" and len(current) > 1:
            return False
        return (
            last.text in "\"”»')" and len(current) > 1 and current[-2].text in _ENDS and token.kind in ("cap", "num", "quote")
            and token.gap > 0
        )  # fmt: skip
    if token.kind == "low" or token.text in "\"”»)'’,;" or (token.kind == "mark" and token.text in _ENDS):
        return False
    if last.text != ".":
        return True
    before = current[-2] if len(current) > 1 else None
    if before is None:
        return True
    if before.kind == "cap" and before.text.lower() in ABBREVIATED and last.gap == 0:
        return False
    if before.kind == "num" and token.text.lower() in MONTHS:  # "28. August"
        return False
    if token.gap == 0:
        return token.kind == "cap" and len(before.text) > 1
    return True
