"""Finds the JSON that a model wrote, among whatever it wrote around it.

Nothing is ever made up: all that is forgiven are ways of writing (a fence, text around the value, a comma before a closing
bracket, single quotes, True, False and None, line breaks in strings), and a list that was cut off loses its last,
unfinished item.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from memkit.values import Json

DEEPEST = 64  # brackets inside one another
_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_MORE, _REST = re.compile(r"[0-9.eE+_-]"), re.compile(r"[0-9.eE+-]*")
_WORD = re.compile(r"[A-Za-z]+")
_PLAIN = {'"': re.compile(r'[^"\\]*'), "'": re.compile(r"[^'\\]*")}
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", '"': '"', "'": "'", "\\": "\\", "/": "/"}
_HEX = re.compile(r"[0-9A-Fa-f]{4}")
_WORDS: dict[str, Json] = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None}
_FENCE = re.compile(r"```[ \t]*(?:json|JSON)?[ \t]*\r?\n?[ \t]*$")
_OPENING = re.compile(r"```(?:json)?[ \t\r\n]")
_THOUGHT = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)
_START = re.compile(r"[\[{]")
_VALUE_START = re.compile(r'\{\s*(?:["\'}]|\Z)|\[\s*(?:["\'\[{\]0-9-]|true|false|null|(?:True|False|None)\s*[,\]]|\Z)')


class BrokenError(ValueError):
    """What stands there is no JSON; the text says where and why."""


class _WrongError(BrokenError):
    """At this place there should be something else."""

    def __init__(self, at: int, wanted: str) -> None:
        super().__init__(wanted)
        self.at = at

    def told(self, text: str) -> BrokenError:
        """The error for whoever has the text before him."""
        line = text.count("\n", 0, self.at) + 1
        column = self.at - text.rfind("\n", 0, self.at)
        found = repr(text[self.at : self.at + 1]) if self.at < len(text) else "the end"
        return BrokenError(f"at line {line}, character {column}, there should be {self}, not {found}")


class _CutError(BrokenError):
    """The text ends in the middle of a value. `kept` holds what of it was complete, if it is a list or an object that
    leads to one."""

    def __init__(self, kept: Json = None) -> None:
        super().__init__("the reply ends in the middle of a value")
        self.kept = kept


@dataclass(frozen=True, slots=True)
class Found:
    """A value in a reply. `cut` says that a list in it was cut off, and lacks what came after its last whole item."""

    value: Json
    cut: bool = False


def values(text: str, *, cut_off: bool = False) -> list[Found]:
    """The JSON values in a reply, the likeliest first: the last one in a fence, then the longest. With `cut_off`, a list that
    the end of the text cuts off counts as well, if one of its items at least is whole. Raises BrokenError when there
    is none."""
    thought = _THOUGHT.match(text)
    at = thought.end() if thought else 0
    fenced: list[Found] = []
    bare: list[tuple[int, Found]] = []
    trouble: BrokenError | None = None
    while start := _START.search(text, at):
        try:
            value, end = _value(text, start.start(), 0)
            found = Found(value)
        except BrokenError as error:
            likely = _VALUE_START.match(text, start.start()) is not None
            trouble = error if likely or trouble is None else trouble
            kept = error.kept if isinstance(error, _CutError) and cut_off else None
            if kept is None:
                at = _past(text, start.start()) if likely else start.start() + 1
                continue
            found, end = Found(kept, cut=True), len(text)
        if _FENCE.search(text, max(0, start.start() - 64), start.start()):
            fenced.insert(0, found)
        else:
            bare.append((start.start() - end, found))
        at = end
    whole = [*fenced, *(found for _, found in sorted(bare, key=lambda one: one[0])), *_alone(text[at:])]
    if not whole:
        raise (
            trouble.told(text) if isinstance(trouble, _WrongError) else trouble or BrokenError("there is no JSON in it")
        )
    return whole


def _alone(text: str) -> Iterator[Found]:
    """A text, a number or a word, where it is all that stands in a fence, or all there is."""
    for start in (*[fence.end() for fence in _OPENING.finditer(text)][::-1], 0):
        try:
            value, end = _value(text, start, 0)
        except BrokenError:
            continue
        end = _skip(text, end)
        if end == len(text) or (start and text.startswith("```", end)):
            yield Found(value)


def _past(text: str, start: int) -> int:
    """Where the brackets close that open at `start`, or the end of the text. What is inside something that looks like JSON
    is never taken for a value of its own."""
    depth, at = 0, start
    while at < len(text):
        if text[at] == '"':
            at = _past_string(text, at)
            continue
        depth += (text[at] in "[{") - (text[at] in "]}")
        at += 1
        if depth == 0:
            return at
    return len(text)


def _past_string(text: str, at: int) -> int:
    at += 1
    while at < len(text) and text[at] != '"':
        at += 2 if text[at] == "\\" else 1
    return at + 1


def _value(text: str, at: int, depth: int) -> tuple[Json, int]:
    """The value that begins at `at`, and where it ends."""
    at = _skip(text, at)
    if depth > DEEPEST:
        raise BrokenError(f"the reply nests more than {DEEPEST} brackets")
    match text[at : at + 1]:
        case "":
            raise _CutError
        case "{":
            return _object(text, at, depth)
        case "[":
            return _list(text, at, depth)
        case '"' | "'":
            return _string(text, at)
        case sign if sign in "-0123456789":
            return _number(text, at)
    word = _WORD.match(text, at)
    if word and word[0] in _WORDS:
        return _WORDS[word[0]], word.end()
    if word and word.end() == len(text):
        raise _CutError
    raise _WrongError(at, "a value")


def _list(text: str, at: int, depth: int) -> tuple[Json, int]:
    items: list[Json] = []
    at = _skip(text, at + 1)
    try:
        while text[at : at + 1] != "]":
            item, at = _value(text, at, depth + 1)
            at = _skip(text, at)
            match text[at : at + 1]:
                case ",":
                    items.append(item)
                    at = _skip(text, at + 1)
                case "]":
                    items.append(item)
                case "":
                    if isinstance(item, str | list | dict):  # a number may have gone on
                        items.append(item)
                    raise _CutError
                case _:
                    raise _WrongError(at, '"," or "]"')
    except _CutError:
        raise _CutError(items or None) from None
    return items, at + 1


def _object(text: str, at: int, depth: int) -> tuple[Json, int]:
    members: dict[str, Json] = {}
    at = _skip(text, at + 1)
    while text[at : at + 1] != "}":
        if text[at : at + 1] == "":
            raise _CutError
        if text[at] not in "\"'":
            raise _WrongError(at, "a name in quotes")
        name, at = _string(text, at)
        if name in members:
            raise BrokenError(f"the name {name!r} stands twice in one object")
        at = _skip(text, at)
        if text[at : at + 1] != ":":
            raise _CutError if at >= len(text) else _WrongError(at, '":"')
        try:
            members[name], at = _value(text, at + 1, depth + 1)
        except _CutError as cut:
            if cut.kept is None:
                raise
            raise _CutError({**members, name: cut.kept}) from None
        at = _skip(text, at)
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)
        elif text[at : at + 1] != "}":
            raise _CutError if at >= len(text) else _WrongError(at, '"," or "}"')
    return members, at + 1


def _string(text: str, at: int) -> tuple[str, int]:
    quote, at = text[at], at + 1
    parts: list[str] = []
    while True:
        plain = _PLAIN[quote].match(text, at)
        if plain is not None:
            parts.append(plain[0])
            at = plain.end()
        match text[at : at + 1]:
            case "":
                raise _CutError
            case "\\":
                part, at = _escape(text, at + 1)
                parts.append(part)
            case _:
                joined = "".join(parts)  # two halves of one character, each written as \uXXXX
                return joined.encode("utf-16", "surrogatepass").decode("utf-16", "replace"), at + 1


def _escape(text: str, at: int) -> tuple[str, int]:
    sign = text[at : at + 1]
    if sign in _ESCAPES:
        return _ESCAPES[sign], at + 1
    if sign == "u" and (digits := _HEX.match(text, at + 1)):
        return chr(int(digits[0], 16)), digits.end()
    if len(text) < at + 6 and sign in ("", "u"):
        raise _CutError
    raise _WrongError(at - 1, "a sign that JSON knows after the backslash")


def _number(text: str, at: int) -> tuple[Json, int]:
    number = _NUMBER.match(text, at)
    if number is None:
        raise _CutError if at + 1 == len(text) else _WrongError(at, "a number")
    if _MORE.match(text, number.end()):
        raise _CutError if _REST.fullmatch(text, number.end()) else _WrongError(at, "a number")
    if number[1] is None and number[2] is None:
        if len(number[0]) > 4000:
            raise _WrongError(at, "a number of less than 4000 digits")
        return int(number[0]), number.end()
    value = float(number[0])
    if value in (float("inf"), float("-inf")):
        raise _WrongError(at, "a number that can be held")
    return value, number.end()


def _skip(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return at if space is None else space.end()
