"""Where the names of a sentence are: known ones, runs of capitals, quoted titles, dates, numbers with units."""

from __future__ import annotations

from collections.abc import Sequence

from memkit.components.hipporag.rules.bare import KINDS as BARE_KINDS
from memkit.components.hipporag.rules.bare import named
from memkit.components.hipporag.rules.capitals import run
from memkit.components.hipporag.rules.dates import amount, date, is_year
from memkit.components.hipporag.rules.manner import Manner, Mention, bare, goes_on, written
from memkit.components.hipporag.rules.tokens import Token
from memkit.components.hipporag.rules.words import MONTHS


def mentions(sentence: Sequence[Token], how: Manner) -> list[Mention]:
    """The names, dates and amounts of a sentence, in order, none inside another."""
    found: list[Mention] = []
    at = 0
    while at < len(sentence):
        mention = _at(sentence, at, how)
        if mention is None:
            at += 1
        else:
            found.append(mention)
            at = mention.last
    return found


def _at(sentence: Sequence[Token], at: int, how: Manner) -> Mention | None:
    token = sentence[at]
    if token.kind == "quote":
        return Mention(token.text, "quote", at, at + 1)
    if token.kind == "mark":
        return None
    known = _known(sentence, at, how)
    if known:
        return Mention(written(sentence[at:known]), "name", at, known)
    if token.kind == "num":
        return date(sentence, at) or _numbered(sentence, at, how) or amount(sentence, at)
    if token.kind == "cap":
        return date(sentence, at) or run(sentence, at, how)
    if token.kind in BARE_KINDS:
        name, end = named(sentence, at, how.repeated)
        return Mention(name, "name", at, end) if name else None
    return None


def _known(sentence: Sequence[Token], at: int, how: Manner) -> int:
    """Where a known name that begins here ends, or 0."""
    several = how.known.get(bare(sentence[at].text).lower())
    if not several:
        return 0
    for words in several:
        end, matched = at, 0
        while end < len(sentence) and matched < len(words):
            token = sentence[end]
            if token.kind == "mark" and token.text != "&":
                if token.text not in ".,:!?'’-" or not matched:
                    break
                end += 1
                continue
            spelled = token.text.strip(".'’").lower()
            if spelled != words[matched] and bare(token.text).lower() != words[matched]:
                break
            if matched == 0 and token.kind == "low" and len(words) == 1:
                break
            end, matched = end + 1, matched + 1
        if matched == len(words) and (len(words) > 1 or not goes_on(sentence, end)):
            return end
    return 0


def _numbered(sentence: Sequence[Token], at: int, how: Manner) -> Mention | None:
    """A name that begins with a number: "2017 World Series", "26th Chess Olympiad"."""
    token = sentence[at]
    ordinal = not token.text[-1].isdigit() and not token.text.endswith("0s")
    if not goes_on(sentence, at + 1) or sentence[at + 1].text.lower() in MONTHS or len(token.text) > 6:
        return None
    if not ordinal and not (at and sentence[at - 1].text.lower() in ("the", "at") and goes_on(sentence, at + 2)):
        return Mention(token.text, "date", at, at + 1) if is_year(token) else None
    rest = run(sentence, at + 1, how)
    return rest and Mention(f"{token.text} {rest.name}", "name", at, rest.last)
