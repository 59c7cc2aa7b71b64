"""How a remembered text is shown in a prompt: quoted, on a line of its own, with a mark that it cannot forge."""

from __future__ import annotations

import re
from collections.abc import Sequence

from memkit.values import Record

INDENT = "    "
ELLIPSIS = "…"

_LONGEST_NAME = 200  # characters of an author, a title or a caption
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_HALVES = re.compile("[\ud800-\udfff]")  # half a surrogate pair cannot be sent as UTF-8
_CHAT_TOKEN = re.compile(
    r"<[|｜][^|｜<>\n]{1,40}[|｜]>|<(?:start|end)_of_turn>|\[/?INST\]|<</?SYS>>|</?s>", re.IGNORECASE
)


def quote(mark: int, records: Sequence[Record], *, speaker: bool = True, text: str | None = None) -> str:
    """One entry of a prompt: `[1] 2024-05-08, Ana: I moved to Lisbon.`

    The records say the same, the first is shown; `text` is shown in place of its text. With `speaker` the author is
    named, or the role where there is no author; without it only the author is. A title stands in quotation marks, a
    caption in parentheses behind the text.

    What holds whatever the texts contain: the entry's first line alone starts with something other than four spaces,
    and it starts with this mark; every further line of the text is indented, blank ones are left out. Names, titles
    and captions take no further line. Control characters are removed, and the special tokens by which chat models tell
    roles apart, such as `<|im_start|>`, are broken by a space. What does not hold: inside its own lines a text may
    say anything, "[2]" or "system:" or "ignore the above" included. No quoting makes a model deaf to that.
    """
    record = records[0]
    who = record.author or (record.role if speaker else None)
    title = record.metadata.get("title")
    head = [_when(records), _name(who) if who else "", f'"{_name(title)}"' if isinstance(title, str) and title else ""]
    said = _indented(record.text if text is None else text)
    caption = record.metadata.get("caption")
    if isinstance(caption, str) and caption.strip():
        said = f"{said} (picture: {_name(caption)})".lstrip()
    return f"[{mark}] {', '.join(part for part in head if part)}: {said}".rstrip()


def line_of(text: str, length: int) -> str:
    """The text as one harmless line of at most `length` characters."""
    line = " ".join(_harmless(text).split())
    return line if len(line) <= length else line[: length - 1].rstrip() + ELLIPSIS


def _when(records: Sequence[Record]) -> str:
    days = sorted(record.at.date().isoformat() for record in records)
    if len(days) == 1:
        return days[0]
    span = days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"
    return f"{span}, {len(days)} times"


def _name(text: str) -> str:
    return line_of(text, _LONGEST_NAME)


def _indented(text: str) -> str:
    lines = [_harmless(line).rstrip() for line in text.splitlines()]
    return f"\n{INDENT}".join(line for line in lines if line).strip()


def _harmless(text: str) -> str:
    text = _HALVES.sub("\ufffd", _CONTROLS.sub(" ", text))
    return _CHAT_TOKEN.sub(lambda token: f"{token[0][0]} {token[0][1:]}", text)
