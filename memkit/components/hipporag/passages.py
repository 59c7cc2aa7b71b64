"""The passages that the graph is made of: one for each turn or document, if it is not too long for one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from memkit import hygiene
from memkit.splitting import split
from memkit.values import Event, Record

NAME = "hipporag"
LONGEST = (
    4_000  # characters: a longer text is split at sentence borders. The longest passage of HippoRAG's corpora has 1,909
)


@dataclass(frozen=True, slots=True)
class Passage:
    """A row, and what names are read out of: its title, or None, and its text, with the caption of its picture if it has one."""

    record: Record
    title: str | None

    text: str

    @property
    def shown(self) -> str:
        """The passage as models read it, and as OpenIE files have it: "title\\ntext"."""
        return self.record.embedded


def passages(event: Event) -> list[Passage]:
    """The passages of an event in order; none when it is not worth remembering."""
    return [_passage(event, start, end) for span in hygiene.spans(event) for start, end in _parts(event, *span)]


def _parts(event: Event, start: int, end: int) -> list[tuple[int, int]]:
    """Their spans. As in `Passages` a document has no blanks at its ends, and a turn stays as it is: what both components
    find is shown once in a prompt."""
    text = event.text[start:end]
    if len(text) > LONGEST:
        return [(start + first, start + last) for first, last in split(text, limit=LONGEST)]
    if event.kind != "document":
        return [(start, end)]
    first, last = len(text) - len(text.lstrip()), len(text.rstrip())
    return [(start + first, start + last)] if first < last else []


def _passage(event: Event, start: int, end: int) -> Passage:
    """Its vector is made from title and text, as in HippoRAG; it is found by the words of its author, too."""
    record = Record.of(event, NAME, start=start, end=end)
    title, caption = (_text(event.metadata.get(name)) for name in ("title", "caption"))
    text = record.text if caption is None else f"{record.text} ({caption})"
    index = text if title is None else f"{title}\n{text}"
    words = None if event.author is None else f"{event.author}\n{index}"
    return Passage(replace(record, index=None if index == record.text else index, words=words), title, text)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None
