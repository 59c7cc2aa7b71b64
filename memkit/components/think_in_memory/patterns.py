"""What the rules look for: which of them may match, what is said in one way only, and whose something is."""

from __future__ import annotations

import re
from functools import lru_cache

from memkit.components.think_in_memory import tails, things, words
from memkit.components.think_in_memory.predicates import RULES
from memkit.components.think_in_memory.tails import Tail
from memkit.components.think_in_memory.verbs import BE, BEING, HAS, NOT, NOT_BE, Rule, rule

_PLAIN_BE = re.compile(
    rf"{BE}|'ve been|'s been| have been| has been| aren't| isn't|aren't|isn't| was never| were never", re.IGNORECASE
)
_DENIED = re.compile(rf"{HAS}{NOT}\b", re.IGNORECASE)
_OF_BE = tuple(one for one in RULES if one.pattern.pattern.startswith((BE, NOT_BE, BEING)))
_OF_VERBS = tuple(one for one in RULES if one not in _OF_BE and not one.pattern.pattern.startswith(HAS + NOT))


_AUXILIARIES = re.compile(HAS, re.IGNORECASE)


def _letters(of: Rule) -> frozenset[str]:
    """Letters with which the verb may begin (and some more), none where that is not known."""
    pattern = of.pattern.pattern
    if not pattern.startswith(HAS):
        return frozenset()
    return frozenset(re.findall(r"(?:^|\(\?:|\||\)\?)\s*([a-z])", pattern.removeprefix(HAS)))


_VERBS = tuple((one, _letters(one)) for one in _OF_VERBS)


@lru_cache(maxsize=512)
def _with_verbs(letters: frozenset[str]) -> tuple[Rule, ...]:
    return tuple(one for one, mine in _VERBS if not mine or mine & letters)


def rules_for(rest: str) -> tuple[Rule, ...]:
    """The rules that may match, in their order: most cannot, and trying them all costs time."""
    if _DENIED.match(rest):
        return RULES
    if _PLAIN_BE.match(rest):
        return _OF_BE + _OF_VERBS if rest.startswith(("'s", "'ve", " have", " has")) or " was" in rest else _OF_BE
    lead = _AUXILIARIES.match(rest)
    start = lead.end() if lead else 0
    return _with_verbs(frozenset(word[0] for word in f"{rest[:start]} {rest[start : start + 1]}".lower().split()))


ALSO: tuple[Rule, ...] = (  # besides
    rule(
        "studies at",
        r"(?:'m|'s|'re| am| is| are| have been|'ve been)? (?:\w+ ){0,2}?(?:stud(?:y|ies|ying)|doing|majoring|"
        r"reading) [\w' ]{3,40}? at",
        things.school,
    ),
    rule(
        "uses",
        rf"{HAS}(?:switched|changed|swapped|migrated) from(?= [\w ]+ to )",
        lambda tail, lower: things.branded(tail.split(" to ")[0], lower),
        ends=True,
    ),
    rule("has", rf"{HAS}(?:traded in|swapped|traded) (?:my|our|the) [\w ]+? for", things.owned),
)
REACHED = re.compile(
    r"you can (?:reach|call|text|phone|ring) me (?:at|on)(?: my (?:mobile|cell|phone))?:? (?P<tail>\+?[\d -]{5,}\d)",
    re.IGNORECASE,
)
IS_MINE = re.compile(
    rf"(?P<tail>[^\W\d_][\w' -]*?)(?: is|'s| are) (?:my|our) (?P<noun>(?:new |older |younger |best )?(?:{words.KIN}|"
    rf"{words.PETS})|(?:all-time )?favou?rite [\w-]+(?: [\w-]+)?)(?= ?$|,)",
    re.IGNORECASE,
)
GONE = re.compile(
    rf"(?:my|our) (?P<noun>(?:{words.PETS})|(?:[\w-]+ )?[\w-]+?)(?P<named>(?-i: [A-Z]\w+)?) (?:(?:got|was|has been|"
    rf"is) (?:stolen|nicked|sold)|(?:has )?(?P<died>died|passed away))(?: .*)?",
    re.IGNORECASE,
)
FINITE = re.compile(
    r"(?:moved|bought|sold|started|got|switched|took|joined|adopted|became|left|gave|graduated|grew|stopped|visited|cancelled|"
    r"am|is|are|has|lives|works|drives|plays|likes|loves|hates|speaks|studies)\b",
    re.IGNORECASE,
)
ANOTHER = re.compile(
    rf"{HAS}(?:got|bought|have|has|upgraded to|picked up|treated myself to) an? (?:new|second-hand|used|"
    rf"brand new) (?P<noun>{words.DEVICES}|car|bike|van|motorbike|boat), (?P<tail>.+)",
    re.IGNORECASE,
)


TELL_NAME = re.compile(
    r"(?:(?:everyone|everybody|people|(?:my|most) [\w ]*friends|friends|they|you can|you may|please|just|"
    r"all my \w+) )*calls? me (?P<tail>.+)",
    re.IGNORECASE,
)
NAMED = re.compile(
    rf"{HAS}(?P<no>(?:don't|do not|no longer|doesn't) )?(?:have got|have|has|own|owns|got|adopted|bought|rescued)"
    r" (?:an?|one|another) (?:new )?(?P<noun>[\w-]+(?: [\w-]+){0,2}?),? (?:named|called|whose name is) (?P<tail>.+)",
    re.IGNORECASE,
)
OWNED = re.compile(
    r"(?P<noun>[\w'-]+(?: [\w'-]+){0,3}?)(?:'s name)?(?:(?P<no> isn't| aren't| is not| is no longer| are not)|'s| is| are)"
    r"(?: (?:now|currently|actually|still|also|no longer|not))*(?P<named> called| named)? (?P<tail>.+)",
    re.IGNORECASE,
)
FIRST = re.compile(r"(?:i|we)(?=['\s]|m )", re.IGNORECASE)
OURS = re.compile(
    r"(?i:my|our) (?P<who>(?:(?:best|older|younger|little|big|eldest|oldest|youngest|elder|new|dear|good|old) )*[\w-]+)"
    r"(?P<named>(?: [A-Z][\w-]+){0,2})(?=['\s])"
)
SOMEBODY = re.compile(r"(?P<who>[^\W\d_][\w-]*(?: [^\W\d_][\w-]*){0,2}?)(?=['\s])")
KIN = re.compile(rf"(?i)(?:{words.KIN}|{words.MANY_KIN}|{words.PETS})")
NO_KIN = re.compile(r"(?i)(?:new |old )?(?:friend|mate|therapist|teacher|doctor|boss|coach|partner|trainer|tutor)")
PET = re.compile(rf"(?i){words.PETS}")
DEVICE = re.compile(rf"(?i){words.DEVICES}|car|bike|van|motorbike|boat|scooter")
BARE_KIN = re.compile(r"(?i:mum|mom|dad|grandma|grandpa|granny|nan|mam|mummy|daddy)(?=[' ])")
KNOWN = re.compile(  # attributes whose value may be any word
    r"(?i)(?:(?:home|work|mobile|cell|phone|postal|email|e-mail|zip|blood|middle|last|first|user|shoe|time|native|maiden) ?)*"
    r"(?:name|phone|number|e-?mail|address|birthday|age|job|occupation|profession|nickname|hobby|username|password|pin|code|"
    r"type|size|zone|timezone|nationality|language|height|weight|anniversary|star sign|employer|surname)"
)
COLON = re.compile(
    rf"(?i)^(?P<noun>(?:my|our) (?:new |current )?(?:{KNOWN.pattern.removeprefix('(?i)')}))(?: is)?: ?(?=\S)"
)
CHANGED = re.compile(
    r"(?i)(?:my|our) (?P<noun>[\w-]+(?: [\w-]+){0,2}?) "
    r"(?:(?P<told>(?:has |have |just |recently )*changed|(?:isn't|is not|is no longer) .+)|was .+)"
)
NOW = re.compile(r"(?i)(?:it's|it is)(?: now)? (?P<tail>.+)")
PAST = frozenset(
    "old former previous ex last first next only whole biggest main best worst other point problem question guess".split()
)

PLURAL = re.compile(
    r" (?:live|work|like|love|hate|have|play|prefer|speak|own|drive|use|do|are|aren't|were|go|drink|eat|study|don't|"
    r"run|teach|wear|"
    r"take|ride|support|enjoy)\b"
)


def what_it_is(noun: str) -> Tail:
    """Of "my NOUN is a …"."""
    if PET.fullmatch(noun):
        return tails.value
    return things.owned if DEVICE.fullmatch(noun) else tails.trade if KIN.fullmatch(noun) else lambda tail, lower: ""


_OF = (
    (r"(?:.* )?name|surname", tails.name),
    (r"age", tails.age),
    (r"(?:.* )?(?:job|occupation|profession)", tails.trade),
    (
        r"fav.*|username|user name|password|nickname|star sign|nationality|(?:native |first )?language|hobby|e-?mail",
        tails.anything,
    ),
    (words.DATED.pattern.removeprefix("(?i)"), things.dated),
    (rf"(?:{words.KIN}|{words.MANY_KIN}|(?:{words.PETS})s?)", tails.names),
)
_OF_NOUNS = tuple((re.compile(noun, re.IGNORECASE), tail) for noun, tail in _OF)


def what_it_has(noun: str) -> Tail:
    """Of "my NOUN is …" without an article."""
    return next((tail for pattern, tail in _OF_NOUNS if pattern.fullmatch(noun)), tails.value)
