"""Whether a turn supports what a model says that it says. What is not supported is no thought.

The quote must stand in the turn word for word; only case, blanks and punctuation may differ. Head and tail must be made of
words of the turns, or be their speakers.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from memkit.components.think_in_memory.clauses import sentences
from memkit.components.think_in_memory.relations import content, folded, told
from memkit.components.think_in_memory.thoughts import ASSISTANTS, speaker
from memkit.hygiene import spans
from memkit.values import Event

_WORD = re.compile(r"\w+")
_TELLING = re.compile(
    r"\w*\d\w*|(?<=\s)[^\W\d_]\w*"
)  # words that a sentence may not bring along by itself, if capitals
_I = frozenset(("i", "me", "myself", "we", "us", "user", "the user", "speaker", "the speaker"))
_YOU = frozenset(("you", "yourself"))
_MINE = re.compile(r"^(?:my|our|(?:the )?user's)\s+", re.IGNORECASE)
_YOUR = re.compile(r"^your\s+", re.IGNORECASE)
_REFUSAL = re.compile(
    r"\b(?:as an? (?:ai|language model)|i['’]?m (?:sorry|unable|just an ai)|"
    r"i (?:can(?:no|['’])t|am unable|am not able|won['’]t|don['’]t have))\b",
    re.IGNORECASE,
)


Span = tuple[int, int]
LONGEST = 8_000  # characters of a turn that are shown at once: some 2,000 tokens


def parts(*events: Event) -> list[Turns]:
    """The turns as a model is shown them: together, and what is left of long ones in parts, each alone."""
    windows = [_windows(event.text) for event in events]
    whole = Turns(events, tuple(one[0] for one in windows))
    return [whole, *(Turns((event,), (one,)) for event, mine in zip(events, windows, strict=True) for one in mine[1:])]


def _windows(text: str) -> list[Span]:
    """Parts of at most LONGEST characters, cut behind a sentence where there is one."""
    found: list[Span] = []
    start = end = 0
    for _, stop in [*(sentences(text) if len(text) > LONGEST else ()), (0, len(text))]:
        if stop - start > LONGEST and end > start:
            found.append((start, end))
            start = end
        while stop - start > LONGEST:
            found.append((start, start + LONGEST))
            start += LONGEST
        end = stop
    return [*found, (start, end)]


@dataclass(frozen=True, slots=True)
class Turns:
    """The turns that a model was shown, in order: one, or a person's and the answer to it. Of a long one, `windows` has the
    part that was shown."""

    events: tuple[Event, ...]
    windows: tuple[Span, ...]

    def who(self, turn: int) -> str:
        """Who says "I" in the turn."""
        return speaker(self.events[turn])

    def _whom(self, turn: int) -> str:
        """Who is "you" in the turn: the other one, or the assistant if there is none."""
        others = [speaker(event) for n, event in enumerate(self.events) if n != turn]
        return others[0] if others else "assistant"

    def shown(self, turn: int) -> str:
        """The turn's own words, without what was pasted from a memory."""
        text = self.events[turn].text
        return "\n".join(text[start:end] for start, end in self._spans(turn))

    def find(self, turn: int, quote: str) -> Span | None:
        """Where the quote stands in what was shown of the turn."""
        text = self.events[turn].text
        for start, end in self._spans(turn):
            found = _exact(text, quote.strip(), start, end) or _by_words(text, quote, start, end)
            if found is not None:
                return found
        return None

    def asserts(self, turn: int, start: int, end: int) -> bool:
        """Whether the turn states what stands there, rather than asking it or refusing something."""
        event = self.events[turn]
        for first, last in sentences(event.text):
            if first < end and last > start and event.text[first:last].rstrip(" \t\n)\"'”").endswith(("?", "？")):
                return False
        refuses = (event.role or "").lower() in ASSISTANTS and _REFUSAL.search(event.text[start:end])
        return not refuses

    def resolved(self, turn: int, name: str) -> str:
        """The head or tail with "I", "you", "my" and "user" replaced by the one who is meant."""
        plain = folded(name).strip(" .,;:!?'\"")
        if plain in _I:
            return self.who(self._user(turn) if "user" in plain else turn)
        if plain in _YOU:
            return self._whom(turn)
        user = self.who(self._user(turn) if re.match(r"(?i)(?:the )?user", name) else turn)
        name = _MINE.sub(lambda _: f"{user}'s ", name)
        return _YOUR.sub(lambda _: f"{self._whom(turn)}'s ", name).strip(' \t\n.,;:!?"')

    def support(self, text: str) -> bool:
        """Whether the text says something, and says it with words of the turns and their speakers' names only."""
        words = content(text)
        names = self._names()
        if not words:
            return folded(text) in {folded(speaker(event)) for event in self.events}
        return self._told(words - names)

    def unfounded(self, sentence: str, *known: str) -> bool:
        """Whether the sentence has a name or a number that neither the turns nor the known texts have."""
        allowed = self._names().union(*map(content, known))
        marked = {word for word in _TELLING.findall(sentence) if word[0].isupper() or any(map(str.isdigit, word))}
        return not self._told(content(" ".join(sorted(marked))) - allowed)

    def worded(self, sentence: str, *known: str) -> bool:
        """Whether the sentence has words of the turns and the known texts only."""
        return self._told(content(sentence) - self._names().union(*map(content, known)))

    def _spans(self, turn: int) -> list[Span]:
        first, last = self.windows[turn]
        cut = [(max(start, first), min(end, last)) for start, end in spans(self.events[turn])]
        return [(start, end) for start, end in cut if start < end]

    def _told(self, words: Iterable[str]) -> bool:
        said = [self.shown(turn) for turn in range(len(self.events))]
        known = frozenset().union(*map(content, said))
        whole = folded("\n".join(said))
        # a script without blanks has no words to compare
        return all(told(word, known) or (not word.isascii() and word in whole) for word in words)

    def _names(self) -> frozenset[str]:
        return frozenset().union(*(content(speaker(event)) for event in self.events))

    def _user(self, turn: int) -> int:
        """The turn of the person that "the user" is."""
        people = [n for n, event in enumerate(self.events) if (event.role or "").lower() not in ASSISTANTS]
        return people[0] if people else turn


def _exact(text: str, quote: str, start: int, end: int) -> tuple[int, int] | None:
    if not _WORD.search(quote):
        return None
    at = text.find(quote, start, end)
    while at >= 0:
        stop = at + len(quote)
        if not (_inside(text, at, start) or _inside(text, stop, start, end)):
            return at, stop
        at = text.find(quote, at + 1, end)
    return None


def _inside(text: str, place: int, start: int, end: int | None = None) -> bool:
    """Whether the place is within a word; scripts without blanks have none."""
    if place <= start or (end is not None and place >= end):
        return False
    pair = text[place - 1 : place + 1]
    return len(pair) == 2 and pair.isascii() and pair.isalnum()


def _by_words(text: str, quote: str, start: int, end: int) -> tuple[int, int] | None:
    wanted = [_plain(word) for word in _WORD.findall(quote)]
    if not wanted:
        return None
    said = list(_WORD.finditer(text, start, end))
    plain = [_plain(word[0]) for word in said]
    for first in range(len(said) - len(wanted) + 1):
        if plain[first : first + len(wanted)] == wanted:
            return said[first].start(), said[first + len(wanted) - 1].end()
    return None


def _plain(word: str) -> str:
    return unicodedata.normalize("NFKC", word).casefold()
