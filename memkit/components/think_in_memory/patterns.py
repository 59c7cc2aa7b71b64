"""What the rules look for: English patterns, each for what stands behind a subject."""

from __future__ import annotations

import re
from dataclasses import dataclass

from memkit.components.think_in_memory import tails
from memkit.components.think_in_memory.tails import Tail


@dataclass(frozen=True, slots=True)
class Rule:
    """`pattern` matches what stands behind the subject. `ends`: it says that this does not hold, or no longer."""

    relation: str
    pattern: re.Pattern[str]
    tail: Tail
    ends: bool = False
    many: bool = False  # the tail may be a list


_ADVERBS = (
    r"(?:(?:now|currently|still|also|just|recently|actually|really|finally|both|always|do|"
    r"absolutely|especially|already|mostly) )*"
)
_HAVE = r"(?:(?:'ve|have|'s|has) )?"
_BE = r"(?:'m|'re|'s| am| are| is|m(?= ))"
_NOT = r"(?:no longer|don't|do not|doesn't|does not|never|didn't|did not|have never|haven't|dont|stopped|quit|gave up|used to)"
_NOT_BE = rf"(?:{_BE} (?:no longer|not(?: actually)?)|aren't|isn't| isn't| aren't| was never| were never)"


def _rule(relation: str, pattern: str, tail: Tail, *, ends: bool = False, many: bool = False) -> Rule:
    return Rule(relation, re.compile(rf"{pattern} (?P<tail>.+)", re.IGNORECASE | re.DOTALL), tail, ends, many)


def _does(relation: str, verbs: str, tail: Tail, *, many: bool = False) -> tuple[Rule, Rule]:
    """I VERB …, and: I no longer VERB …"""
    return (
        _rule(relation, rf" {_ADVERBS}{_NOT} {_ADVERBS}(?:{verbs})", tail, ends=True, many=many),
        _rule(relation, rf" {_ADVERBS}(?:{verbs})", tail, many=many),
    )


def _is(relation: str, words: str, tail: Tail, *, many: bool = False) -> tuple[Rule, Rule]:
    """I am WORDS …, and: I am not WORDS …"""
    lead = f" {_ADVERBS}{words}" if words else "(?: (?:now|currently|still|also|actually|only|just|already))*"
    return (
        _rule(relation, _NOT_BE + lead, tail, ends=True, many=many),
        _rule(relation, _BE + lead, tail, many=many),
    )


_OUT = r"(?: back| over| away| out| here| house)*(?: from [\w ]+?)?"
# What stands behind "I", "we", "my sister" or "Ana". Endings come first: they are the longer ones.
RULES: tuple[Rule, ...] = (
    *_does("lives in", r"(?:lives?|liv(?:ing|e)|resides?)(?: with my [\w ]+?)?(?: back)? in", tails.place),
    _rule("lives in", rf"(?:{_BE}|'ve been| have been| has been) {_ADVERBS}(?:living|based)(?: back)? in", tails.place),
    _rule("lives in", r"(?:'ve| have| has) lived in", tails.place),
    _rule(
        "lives in",
        rf"(?:'ve| have| has)? {_ADVERBS}(?:moved|relocated)(?: out| away) (?:of|from)(?! [\w ]+ to )",
        tails.place,
        ends=True,
    ),
    _rule("lives in", rf"(?:'ve| have| has)? {_ADVERBS}(?:moved|relocated){_OUT} to", tails.moved),
    *_does("works at", r"work(?:s|ing)? (?:at|for)", tails.employer),
    _rule(
        "works at",
        rf"(?:{_BE}|'ve been| have been| has been) {_ADVERBS}(?:working|employed) (?:at|for|by)",
        tails.employer,
    ),
    _rule("works at", r" (?:quit|left|lost) (?:my|his|her|our|their) job (?:at|with)", tails.employer, ends=True),
    _rule("works at", r" (?:got|took|found|accepted|started|have|has) a (?:new )?job (?:at|with)", tails.employer),
    _rule("works at", rf" {_ADVERBS}(?:started|began)(?: working)? at", tails.employer),
    *_does("works as", r"work(?:s|ing)? as", tails.role),
    _rule("works as", rf"{_BE} {_ADVERBS}working as", tails.role),
    *_is("is allergic to", r"(?:(?:very|severely|highly|deathly) )?allergic to", tails.thing, many=True),
    _rule("is allergic to", r" (?:have|has) an allergy to", tails.thing, many=True),
    _rule("is married to", rf"{_BE} {_ADVERBS}married to", tails.name),
    _rule("is from", rf"(?:{_BE} {_ADVERBS}(?:originally )?| come | comes )from", tails.place),
    _rule("was born", r" (?:was|were) born", lambda tail, lower: tails.cut(tail, names=True)),
    *_is("age", "", tails.age),
    _rule("age", rf" {_ADVERBS}turned", tails.age),
    *_is("is", "", tails.trade),
    *_does("likes", r"likes?|liking|loves?|loving|enjoy(?:s|ing)?|adores?", tails.thing, many=True),
    *_does("dislikes", r"hates?|hating|dislikes?|detests?|loathes?|can't stand|cannot stand", tails.thing, many=True),
    *_does("prefers", r"prefers?", tails.thing),
    *_does("speaks", r"speaks?", tails.name, many=True),
    *_does("plays", r"plays?|playing", lambda tail, lower: tails.thing(tail, lower) if tail.startswith("the ") else ""),
)
TELL_NAME = re.compile(
    r"(?:(?:everyone|everybody|people|(?:my|most) [\w ]*friends|friends|they|you can|you may|please|just|"
    r"all my \w+) )*calls? me (?P<tail>.+)",
    re.IGNORECASE,
)
NAMED = re.compile(
    r" (?:also |now |still )*(?P<no>(?:don't|do not|no longer|doesn't) )?(?:have|has|own|owns|got|adopted)"
    r" (?:an?|one|another) (?:new )?(?P<noun>[\w-]+(?: [\w-]+){0,2}?),? (?:named|called|whose name is) (?P<tail>.+)",
    re.IGNORECASE,
)
OWNED = re.compile(
    r"(?P<noun>[\w'-]+(?: [\w'-]+){0,3}?)(?:'s name)?(?:(?P<no> isn't| aren't| is not| is no longer| are not)|'s| is| are)"
    r"(?: (?:now|currently|actually|still|also|no longer|not))*(?P<named> called| named)? (?P<tail>.+)",
    re.IGNORECASE,
)
FIRST = re.compile(r"(?:i|we)(?=['\s]|m )", re.IGNORECASE)
OURS = re.compile(r"(?i:my|our) (?P<who>[\w-]+)(?P<named>(?: [A-Z][\w-]+)?)(?=['\s])")
SOMEBODY = re.compile(r"(?P<who>[^\W\d_][\w-]*(?: [^\W\d_][\w-]*){0,2}?)(?=['\s])")
KIN = frozenset(
    """mother mom mum father dad brother sister son daughter wife husband partner girlfriend boyfriend grandmother grandma
    grandfather grandpa aunt uncle cousin niece nephew friend boss neighbour neighbor roommate flatmate colleague
    doctor dentist teacher""".split()
)
KNOWN = re.compile(  # attributes whose value may be any word
    r"(?i)(?:(?:home|work|mobile|cell|phone|postal|email|e-mail|zip|blood|middle|last|first|user|shoe|time|native|maiden) ?)*"
    r"(?:name|phone|number|e-?mail|address|birthday|age|job|occupation|profession|nickname|hobby|username|password|pin|code|"
    r"type|size|zone|timezone|nationality|language|height|weight|anniversary|star sign|employer|surname)"
)
CHANGED = re.compile(
    r"(?i)(?:my|our) (?P<noun>[\w-]+(?: [\w-]+){0,2}?) "
    r"(?:(?P<told>(?:has |have |just |recently )*changed|(?:isn't|is not|is no longer) .+)|was .+)"
)
NOW = re.compile(r"(?i)(?:it's|it is)(?: now)? (?P<tail>.+)")
PAST = frozenset(
    "old former previous ex last first next only whole biggest main best worst other point problem question guess".split()
)
