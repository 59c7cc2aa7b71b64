"""A story as a text to read."""

from __future__ import annotations

import re
from collections.abc import Iterable

from memkit.components.recurrent_gpt.state import Slot, newest
from memkit.values import Event

_HEADING_OR_HTML = re.compile(r"\s*(?:#|<[A-Za-z/!?])")
_UNDERLINE = re.compile(r"\s*(?:=+|-+)\s*")  # makes a heading of the line above
_FENCE = re.compile(r"\s*(?:```|~~~)")


def to_markdown(events: Iterable[Event]) -> str:
    """Title, chapters and paragraphs in their newest versions, in order; an empty text without paragraphs. The events come
    oldest first. What would be a heading in a paragraph, or begin HTML, or a block of code that has no end, is kept from
    it: the chapters are the story's own."""
    held = newest(events)
    parts = []
    title = held.get(Slot(kind="title"))
    if title is not None:
        parts.append(f"# {_line(title.text)}")
    for slot in sorted((slot for slot in held if slot.kind == "paragraph"), key=lambda slot: slot.step or 0):
        chapter = held.get(Slot(kind="chapter", step=slot.step))
        if chapter is not None:
            parts.append(f"## {_line(chapter.text)}")
        parts.append(_prose(held[slot].text))
    return "".join(f"{part}\n\n" for part in parts)[:-1]


def _line(text: str) -> str:
    return " ".join(text.split())


def _prose(text: str) -> str:
    lines = text.splitlines()
    open_ended = sum(_FENCE.match(line) is not None for line in lines) % 2 == 1
    told, above = [], ""
    for line in lines:
        strange = _HEADING_OR_HTML.match(line) or (open_ended and _FENCE.match(line))
        underlining = above.strip() and _UNDERLINE.fullmatch(line)
        told.append(f"\\{line.strip()}" if strange or underlining else line.rstrip())
        above = line
    return "\n".join(told)
