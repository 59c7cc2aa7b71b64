"""Which names of a passage mean the same: the title and its shorter forms, surnames, initials in brackets."""

from __future__ import annotations

import re
from collections.abc import Iterable

from memkit.components.hipporag.rules.words import BODIES, FUNCTION, INNER, KINDS, NATIONS, PLACED

_BRACKETS = re.compile(r"^(.*\S)\s*[(（]([^()（）]*)[)）]$")
_NUMERAL = re.compile(r" [IVX]+$")
_MIDDLE = re.compile(r"([^\W\d_][\w'’-]+)(?: [^\W\d_]\.)+ ([^\W\d_][\w'’-]+)")
_PEOPLES = ("nese", "glish", "ttish", "rican", "stani", "sian")  # not the "ian" of Brian
_ARTICLE = re.compile(r"^(?:the|a|an)\s+(?=\S)", re.IGNORECASE)


def headed(title: str) -> tuple[str, str]:
    """The title without what tells it from others of its name, and that: ("Lilu", "mythology")."""
    found = _BRACKETS.match(title) if title.endswith((")", "）")) and len(title) < 300 else None
    return (found[1], found[2].strip()) if found else (title, "")


def shorter(head: str) -> tuple[str, ...]:
    """What the page may call its subject besides: without the place after a comma, without the article."""
    forms = []
    place, comma, tail = head.partition(", ")
    if comma and ", " not in tail and len(tail.split()) <= 3 and tail[:1].isupper() and len(place.split()) <= 4:
        forms.append(place)
    king, of, _ = head.partition(" of ")
    if of and _NUMERAL.search(king):
        forms.append(king)
    bare = _ARTICLE.sub("", head)
    if bare != head:
        forms.append(bare)
    return tuple(forms)


def uninitialled(name: str) -> str:
    """ "Walter J. Penrose" as others may write him, "Walter Penrose"; "" for other names."""
    found = _MIDDLE.fullmatch(name)
    return f"{found[1]} {found[2]}" if found else ""


def key(name: str) -> str:
    """What two spellings of one name have in common."""
    return " ".join(re.findall(r"[^\W_]+", name.casefold()))


def person_like(name: str) -> bool:
    """May its last word stand for the whole of it?"""
    words = name.replace(",", " ").split()
    if not 2 <= len(words) <= 5 or any(c.isdigit() for c in name):
        return False
    if any(not w[0].isupper() and w not in INNER for w in words) or "of" in words or "&" in words:
        return False
    first, last = words[0].lower(), words[-1].lower()
    if first.rstrip(".") in PLACED or first in FUNCTION or first in NATIONS or first.endswith(_PEOPLES):
        return False
    return last not in BODIES and last not in KINDS and len(last) > 2


class Names:
    """The names met in a passage so far, each under the fullest form it was met in. One for each passage, and then done with."""

    def __init__(self, topic: str, forms: Iterable[str] = (), *, human: bool = False) -> None:
        self._full: dict[str, str] = {}  # by key
        self._last: dict[str, str] = {}  # full name by its last word
        self.same: list[tuple[str, str]] = []  # (full name, other name of it), as the passage tells
        self._topic, self._words = topic, key(topic).split()
        if topic:
            self._full[key(topic)] = topic
            for form in forms:
                self._full.setdefault(key(form), topic)
            if person_like(topic):
                self._last[self._words[-1]] = topic
                if human:
                    self._full.setdefault(self._words[0], topic)

    def resolved(self, name: str) -> str:
        """The full name that `name` stands for; from now on also for its own last word. "" if nothing is left of it."""
        spelled = key(name)
        if not spelled:
            return ""
        if known := self._full.get(spelled):
            return known
        words = spelled.split()
        if len(words) == 1 and (full := self._last.get(spelled)):
            return full
        if self._is_topic(words):
            self._full[spelled] = self._topic
            if len(words) > len(self._words):
                self.same.append((self._topic, name))
            return self._topic
        self._full[spelled] = name
        if person_like(name):
            self._last[words[-1]] = (
                self._last.get(words[-1], name) if self._last.get(words[-1]) == self._topic else name
            )
        return name

    def short_for(self, initials: str, full: str) -> None:
        """ "Australian National University (ANU)": from now on the one means the other."""
        self._full[key(initials)] = full
        self.same.append((full, initials))

    def _is_topic(self, words: list[str]) -> bool:
        """The title with a middle name more or less."""
        mine = self._words
        if len(words) < 2 or len(mine) < 2 or words[-1] != mine[-1] or not person_like(self._topic):
            return False
        return set(mine) < set(words) or (words[0] == mine[0] and set(words) < set(mine))


def initials_of(full: str, short: str) -> bool:
    """Are these the initials of that name?"""
    letters = [c for c in short if c.isalpha()]
    if len(letters) < 2 or not short.isupper():
        return False
    every = [w[0].upper() for w in re.findall(r"[^\W_]+", full)]
    capital = [w[0] for w in re.findall(r"[^\W_]+", full) if w[0].isupper()]
    return letters in (every, capital) or (len(letters) >= 3 and letters == capital[: len(letters)])
