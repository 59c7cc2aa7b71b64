"""The names in a text, by their capitals, and what of a question a text leaves open: two small rules that know no language."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

_WORD = re.compile(r"[^\W\d_]\.(?=\s?\w)|\w+(?:['’.-]\w+)*")  # an initial, or a word
_JOIN = re.compile(r"\s+(?:&\s+)?|\s*[-–/]\s*")  # what may stand between two words of one name
_LINKS = frozenset("of the de del della di da do dos du la le les van von der den".split())  # small words in names
_ENDS = re.compile(r"[.!?:;。！？][\"'”’)\]]*\s*$")
_BACK = 16  # characters before a word that tell whether a sentence begins with it
_LONGEST = 8  # words of a name: a headline in capitals is none


def words(text: str) -> frozenset[str]:
    """The words of a text, case folded."""
    return frozenset(word.casefold() for word in re.findall(r"[^\W_]+", text))


def left_open(question: str, text: str) -> str:
    """The question without the words that the text has, in their order: what is still to be found."""
    known = words(text)
    return " ".join(word for word in re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", question) if not words(word) <= known)


def names_in(text: str, known: Collection[str] = ()) -> list[str]:
    """The names in a text, in order, each once: runs of capitalised words, which "of", "von" and the like may join.

    A word that also occurs in small letters, here or in `known`, has its capital only because a sentence begins, and
    begins no name. A single word at the beginning of a sentence is a name if it stands inside one elsewhere in the text.
    A script without capitals has no names by this rule.
    """
    small = {word for word in re.findall(r"\w+", text) if word[:1].islower()} | set(known)
    inside = {word[0] for word in _WORD.finditer(text) if word[0][:1].isupper() and not _begins(text, word.start())}
    found: dict[str, None] = {}
    for begins, name in _spans(text, small):
        parts = name.split()
        if len(parts) > _LONGEST or (len(parts) == 1 and begins and name not in inside):
            continue
        if len(name) > 1:
            found.setdefault(name)
    return list(found)


def _spans(text: str, small: Collection[str]) -> Iterator[tuple[bool, str]]:
    """Runs of capitalised words, and whether they begin a sentence."""
    run: list[re.Match[str]] = []
    links: list[re.Match[str]] = []

    def closed() -> Iterator[tuple[bool, str]]:
        while run and run[0][0].casefold() in small and (len(run) == 1 or _begins(text, run[0].start())):
            del run[0]
        if run:
            yield _begins(text, run[0].start()), text[run[0].start() : run[-1].end()]

    for word in _WORD.finditer(text):
        before = (links or run)[-1] if run else None
        joined = before is not None and _JOIN.fullmatch(text, before.end(), word.start()) is not None
        if not joined:
            yield from closed()
            run, links = [], []
        if word[0][:1].isupper():
            run.append(word)
            links = []
        elif run and word[0] in _LINKS:
            links.append(word)
        else:
            yield from closed()
            run, links = [], []
    yield from closed()


def _begins(text: str, at: int) -> bool:
    before = text[max(0, at - _BACK) : at].rstrip("\"'“‘«([ \t")
    return not before or before.endswith("\n") or _ENDS.search(before[-4:]) is not None
