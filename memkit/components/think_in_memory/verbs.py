"""What the rules are made of: what stands before and after a verb in English."""

from __future__ import annotations

import re
from dataclasses import dataclass

from memkit.components.think_in_memory.tails import Tail


@dataclass(frozen=True, slots=True)
class Rule:
    """`pattern` matches what stands behind the subject. `ends`: it says that this does not hold, or no longer."""

    relation: str
    pattern: re.Pattern[str]
    tail: Tail
    ends: bool = False
    many: bool = False  # the tail may be a list


ADVERBS = (
    r"(?:(?:now|currently|still|also|just|recently|actually|really|finally|both|always|do|"
    r"absolutely|especially|already|mostly|only|usually|always|mainly|even|officially|ended up|totally|normally|happily|since) )*"
)
BE = r"(?:'m|'re|'s| am| are| is|m(?= ))"
HAS = rf"(?:(?:'ve|'s| have| has)(?= ))? {ADVERBS}"
NOT = r"(?:no longer|don't|do not|doesn't|does not|never|didn't|did not|have never|haven't|dont|stopped|quit|gave up|used to)"
NOT_BE = rf"(?:{BE} (?:no longer|not(?: actually)?)|aren't|isn't| isn't| aren't| was never| were never)"


def rule(relation: str, pattern: str, tail: Tail, *, ends: bool = False, many: bool = False) -> Rule:
    return Rule(relation, re.compile(rf"{pattern} (?P<tail>.+)", re.IGNORECASE | re.DOTALL), tail, ends, many)


def does(relation: str, verbs: str, tail: Tail, *, many: bool = False) -> tuple[Rule, Rule]:
    """I VERB …, and: I no longer VERB …"""
    return (
        rule(relation, rf"{HAS}{NOT} (?!just|only|always){ADVERBS}(?:{verbs})", tail, ends=True, many=many),
        rule(relation, rf"{HAS}(?:{verbs})", tail, many=many),
    )


def did(relation: str, verbs: str, tail: Tail, *, ends: bool = False, many: bool = False) -> Rule:
    """I (have) VERB …, or with `ends` the contrary of the relation."""
    return rule(relation, rf"{HAS}(?:{verbs})", tail, ends=ends, many=many)


def doing(relation: str, verbs: str, tail: Tail, *, many: bool = False) -> Rule:
    """I am VERBing …, I have been VERBing …"""
    return rule(relation, rf"{BEING}(?:{verbs})", tail, many=many)


def is_(relation: str, words: str, tail: Tail, *, many: bool = False) -> tuple[Rule, Rule]:
    """I am WORDS …, and: I am not WORDS …"""
    lead = f" {ADVERBS}{words}" if words else "(?: (?:now|currently|still|also|actually|only|just|already))*"
    return (
        rule(relation, NOT_BE + lead, tail, ends=True, many=many),
        rule(relation, BE + lead, tail, many=many),
    )


BEING = rf"(?:{BE}|'ve been|'s been| have been| has been) {ADVERBS}"
OUT = r"(?: back| over| away| out| here| house)*(?: from [\w ]+?)?"
