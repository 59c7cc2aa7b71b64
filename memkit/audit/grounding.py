"""Whether a derived text is supported by what it says it came from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from memkit.values import Event, Record

SUPPORTED = 0.5  # of the words of a text must be in its sources: "lives in Lisbon" may be drawn from "moved to Lisbon"
_STEM = 5  # letters by which two forms of a word are taken for one

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_WIDE = re.compile("[\u1100-\u11ff\u2e80-\ua4cf\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")
_STARTS = re.compile(r"(?:\A|[.!?:;\n])\W*\Z")
# Words that a sentence about somebody needs and their own words need not have.
_FREE = frozenset(
    "a about an and are as at be been but by do does for from had has have he her his i in is it its me my no not of on or our "
    "s she that the their them they this to was we were will with you your user assistant said says wants likes lives".split()
)  # fmt: skip


def misquoted(record: Record, events: Mapping[str, Event]) -> bool:
    """Whether the record claims to show a part of an event, and shows something else. It claims so when it has one source
    and the event's kind."""
    if len(record.sources) != 1:
        return False
    source = record.sources[0]
    event = events.get(source.event)
    return event is not None and record.kind == event.kind and record.text != event.text[source.start : source.end]


def unsupported(record: Record, events: Mapping[str, Event]) -> list[str]:
    """The words of the record that speak against it: names and numbers that its source spans and their speakers do not have;
    or, if most of its words are missing there, all that are. Empty for a record that its sources support."""
    told = [events[source.event].text[source.start : source.end] for source in record.sources if source.event in events]
    if not told or record.text in told:
        return []
    known = set(_stems(text for text in (*told, *_around(record, events))))
    words = {found[0]: found.start() for found in _WORD.finditer(record.text)}
    own = [word for word in words if word.casefold() not in _FREE]
    missing = [word for word in own if not known.issuperset(_stems([word]))]
    names = [word for word in missing if _is_name(word, record.text[: words[word]])]
    if names:
        return names
    return missing if len(missing) > (1 - SUPPORTED) * len(own) else []


def _around(record: Record, events: Mapping[str, Event]) -> Iterable[str]:
    for source in record.sources:
        event = events.get(source.event)
        if event is not None:
            yield event.author or ""
            yield from (str(event.metadata[key]) for key in ("title", "caption") if key in event.metadata)


def _stems(texts: Iterable[str]) -> Iterable[str]:
    for text in texts:
        for found in _WORD.findall(text.casefold()):
            if _WIDE.search(found):  # no spaces between words: every character by itself
                yield from found
            else:
                yield found.partition("'")[0].partition("’")[0][:_STEM]


def _is_name(word: str, before: str) -> bool:
    """A number, or written with a capital where no sentence begins."""
    return any(sign.isdigit() for sign in word) or (word[0].isupper() and not _STARTS.search(before))
