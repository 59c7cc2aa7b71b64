"""A story as a text to read."""

from __future__ import annotations

from collections.abc import Iterable

from memkit.components.recurrent_gpt.state import Slot, newest
from memkit.values import Event


def to_markdown(events: Iterable[Event]) -> str:
    """Title, chapters and paragraphs in their newest versions, in order; an empty text without paragraphs. The events come
    oldest first. What looks like a heading in a paragraph is kept from being one."""
    held = newest(events)
    parts = []
    title = held.get(Slot(kind="title"))
    if title is not None:
        parts.append(f"# {_line(title.text)}")
    for slot in sorted((slot for slot in held if slot.kind == "paragraph"), key=lambda slot: slot.step or 0):
        chapter = held.get(Slot(kind="chapter", step=slot.step))
        if chapter is not None:
            parts.append(f"## {_line(chapter.text)}")
        parts.append("\n".join(_prose(line) for line in held[slot].text.splitlines()))
    return "".join(f"{part}\n\n" for part in parts)[:-1]


def _line(text: str) -> str:
    return " ".join(text.split())


def _prose(line: str) -> str:
    return "\\" + line.lstrip() if line.lstrip().startswith("#") else line.rstrip()
