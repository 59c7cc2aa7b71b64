"""Reads a passage by rules: its names, and facts between them."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from memkit.components.hipporag.openie import OpenIE
from memkit.components.hipporag.rules.facts import MENTIONS, Teller
from memkit.components.hipporag.rules.manner import Mention, manner, written
from memkit.components.hipporag.rules.mentions import mentions
from memkit.components.hipporag.rules.same import Names, headed, initials_of, shorter, uninitialled
from memkit.components.hipporag.rules.tokens import Token, sentences
from memkit.components.hipporag.rules.words import ENGLISH, FUNCTION, KINDS, PRONOUNS, SPEAKING

_JOINING = frozenset(", : and & for of in on to from with by at a the und et y ' ’ I".split())
_FEW = 2  # names, the title among them; a passage with fewer is linked by its concepts too
_CONCEPTS = 4
_END = Token("mark", ".", 0, 0, 0)
_CHAIN = 6  # names in a row that may be one title
_PLACED = ("in", "at", "near", "from", "of", "to", "outside")


def extract(text: str, *, title: str | None = None, author: str | None = None) -> OpenIE:
    """The names of a passage and what it says about them, as they are written there.

    `title`: what the passage is about; it is linked to each name, and sentences without a subject of their own speak of
    it. `author`: who says it, and is meant by "I". Takes time in proportion to the text, and never fails on one.
    """
    title, author = _clean(title or ""), _clean(author or "")
    text = html.unescape(text) if "&" in text else text
    head, apart = headed(title)
    read = sentences(text)
    forms = shorter(head)
    how = manner(read, (head, *forms))
    human = not how.lower.isdisjoint(("he", "she", "his", "her", "born", "died")) or "He" in text or "She" in text
    names = Names(head, (title, *forms), human=human)
    teller = Teller(text, head)
    found: dict[str, None] = {}
    if head:
        found[head] = None
    for sentence in read:
        here = _resolved(mentions(sentence, how), sentence, names)
        for at in range(len(here) - 1):
            if _is_place(sentence, here, at):
                teller.add(here[at].name, "in", here[at + 1].name)
        teller.sentence(sentence, here, about=_about(sentence, here, head, author))
        found.update(dict.fromkeys(m.name for m in here))
    if author and found.keys() - {author}:
        found.setdefault(author)
    if len(found) < _FEW:
        for phrase in _concepts(read, alone=not found):
            found.setdefault(phrase)
            teller.add(head or author, MENTIONS, phrase)
    for full, other in _others(title, head, apart, forms, names.same):
        found.setdefault(other)
        teller.add(full, "also called", other)
    for name in list(found):
        _parts(name, found, teller)
    return OpenIE(tuple(found), tuple(teller.facts))


def asked(question: str) -> tuple[str, ...]:
    """The names of a question as they are written, in order; where there are none, phrases that tell most, in lower case.

    Longer readings stand before the shorter ones inside them ("Jump for Glory" before "Jump" and "Glory"). Whoever finds a longer
    one in a graph can leave out those inside it, and whoever does not, the longer one.
    """
    found: dict[str, None] = {}
    read = sentences(_clean(question))
    how = manner(read)
    for sentence in read:
        here = mentions(sentence, how)
        for first, last in _longer(sentence, here):
            found.setdefault(written(sentence[first:last]))
        found.update(dict.fromkeys(m.name for m in here))
    return tuple(found) or tuple(_concepts(read, alone=True))


def _longer(sentence: Sequence[Token], here: Sequence[Mention]) -> Iterable[tuple[int, int]]:
    """Where names may be one with those after them: a title without quotation marks, a place with what it lies in."""
    names = [m for m in here if m.kind in ("name", "date")]
    for at in range(len(names)):
        first = _reaching_back(sentence, names[at])
        for last in range(at, min(at + _CHAIN, len(names))):
            if last > at and not _may_join(sentence, names[last - 1], names[last]):
                break
            end = _reaching_on(sentence, names[last])
            if (first, end) != (names[at].first, names[at].last):
                yield first, end


def _reaching_back(sentence: Sequence[Token], name: Mention) -> int:
    """Where the name begins if a capitalised "In" or "How" before it is its own ("In Love and War")."""
    before = sentence[name.first - 1] if name.first > 1 else None
    own = (
        before and before.kind == "cap" and before.text.lower() in ENGLISH and before.text not in ("Who", "Which", "I")
    )
    return name.first - 1 if own else name.first


def _reaching_on(sentence: Sequence[Token], name: Mention) -> int:
    """Where it ends if the capitalised words after it are its own ("Pick Me Up")."""
    end = name.last
    while (
        end < min(len(sentence), name.last + 3)
        and sentence[end].kind == "cap"
        and sentence[end].text.lower() in ENGLISH
    ):
        end += 1
    return end


def _may_join(sentence: Sequence[Token], one: Mention, other: Mention) -> bool:
    between = [t.text for t in sentence[one.last : other.first]]
    if not between:
        return True
    return len(between) <= 3 and all(word in _JOINING for word in between) and between[0] != "the"


def _concepts(read: Sequence[Sequence[Token]], *, alone: bool) -> list[str]:
    """What a text without names is about: its first runs of two or three words that are no function words.

    `alone`: single words if there are no such runs. Beside names they only mislead: on both question sets recall was 1 to 4
    points lower with them.
    """
    phrases: dict[str, None] = {}
    words: dict[str, None] = {}
    for sentence in read:
        run: list[str] = []
        for token in (*sentence, _END):
            if token.kind == "low" and token.text not in FUNCTION and (token.gap == 1 or not run):
                run.append(token.text)
                continue
            while run and run[-1].endswith("ed"):
                run.pop()
            if len(run) > 1:
                phrases[" ".join(run[-3:])] = None
            words.update((word, None) for word in run if len(word) > 3 and len(words) < _CONCEPTS)
            run = []
        if len(phrases) >= _CONCEPTS:
            break
    return list(phrases or (words if alone else ()))[:_CONCEPTS]


def _clean(line: str) -> str:
    return " ".join(html.unescape(line).split()) if "&" in line else " ".join(line.split())


def _resolved(here: Iterable[Mention], sentence: Sequence[Token], names: Names) -> list[Mention]:
    resolved: list[Mention] = []
    for mention in here:
        if mention.kind in ("date", "amount"):
            resolved.append(mention)
            continue
        before = resolved[-1] if resolved else None
        if (
            before
            and before.kind == "name"
            and _bracketed(sentence, before, mention)
            and initials_of(before.name, mention.name)
        ):
            names.short_for(mention.name, before.name)
            continue
        name = names.resolved(mention.name)
        if name:
            resolved.append(mention._replace(name=name))
    return resolved


def _bracketed(sentence: Sequence[Token], before: Mention, mention: Mention) -> bool:
    return mention.first == before.last + 1 and sentence[before.last].text == "("


def _is_place(sentence: Sequence[Token], here: Sequence[Mention], at: int) -> bool:
    """Is the mention at `at` a place within the one after it? Not if they are two of a list."""
    mention, after = here[at], here[at + 1]
    if (
        mention.kind != "name"
        or not _next(sentence, mention, after)
        or len(mention.name.split()) > 3
        or len(after.name.split()) > 3
    ):
        return False
    if mention.first == 0 or sentence[mention.first - 1].text not in _PLACED:
        return False
    last = at + 1
    while last + 1 < min(len(here), at + _CHAIN) and _next(sentence, here[last], here[last + 1]):
        last += 1
    rest = [t.text for t in sentence[here[last].last : here[last].last + 2]]
    return not rest or not {"and", "or", "&", "of"} & set(rest[: 1 + (rest[0] == ",")])


def _next(sentence: Sequence[Token], mention: Mention, after: Mention) -> bool:
    return after.kind == "name" and after.first == mention.last + 1 and sentence[mention.last].text == ","


def _about(sentence: Sequence[Token], here: Sequence[Mention], topic: str, author: str) -> str | None:
    """Whom the first words of a sentence stand for, if they stand for somebody."""
    first = here[0].first if here else len(sentence)
    words = [t.text.lower() for t in sentence[: min(first + 1, 30)]]
    if author and any(t.text.lower() in SPEAKING for t in sentence):
        return author
    if not topic:
        return None
    if any(word in PRONOUNS for word in words[:first]):
        return topic
    return topic if len(words) > 1 and words[0] in ("the", "this", "its") and words[1] in KINDS else None


def _others(
    title: str, head: str, apart: str, forms: Sequence[str], same: Sequence[tuple[str, str]]
) -> Iterable[tuple[str, str]]:
    if apart:
        yield head, title
    for form in forms:
        yield head, form
    yield from same


def _parts(name: str, found: dict[str, None], teller: Teller) -> None:
    """What a name says about itself: "University of Vienna" is of Vienna, "Leland, North Carolina" in North Carolina."""
    if "(" in name:
        return
    if short := uninitialled(name):
        found.setdefault(short)
        teller.add(name, "also called", short)
        return
    _, comma, whole = name.partition(", ")
    if comma and name.count(",") == 1 and whole[:1].isupper() and not whole.startswith(("Jr", "Inc", "Sr", "Ltd")):
        found.setdefault(whole)
        teller.add(name, "in", whole)
        return
    for joint in (" of the ", " of "):
        _, of, tail = name.partition(joint)
        if of and tail[:1].isupper():
            found.setdefault(tail)
            teller.add(name, "of", tail)
            return
