"""Thoughts without a model: facts that somebody states plainly about themselves, theirs, or somebody named. English.

Rules miss most of what a model would find. They are written for the opposite failing: what they take down was said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from memkit.components.think_in_memory import patterns, tails, things, words
from memkit.components.think_in_memory.clauses import Clause, clauses
from memkit.components.think_in_memory.relations import canonical, single
from memkit.components.think_in_memory.sentences import sentence
from memkit.components.think_in_memory.thoughts import ASSISTANTS, Thought, speaker
from memkit.components.think_in_memory.verbs import Rule
from memkit.hygiene import spans
from memkit.values import Event


@dataclass(frozen=True, slots=True)
class _Told:
    """What a clause tells. `changed`: what of the speaker's it says has changed, "it" in the next one. `head`: who a
    predicate without a subject is about that follows; None where nobody can know."""

    found: list[Thought]
    changed: str = ""
    head: str | None = None


def by_rules(event: Event) -> list[Thought]:
    """The thoughts of one event, in the order of its text. Of an assistant without a name, what it says of others only."""
    nameless = (event.role or "").lower() in ASSISTANTS and event.author is None
    found: list[Thought] = []
    for begin, end in spans(event):
        text = event.text[begin:end]
        lower = text == text.lower()
        before = _Told([])
        for clause in clauses(text):
            if clause.carried:
                before = _carried(clause, before, lower=lower)
            else:
                before = _told(clause, speaker(event), lower=lower, changed=before.changed, first=not nameless)
            found += [_placed(one, clause, begin) for one in before.found]
    return _without_repetitions(found)


def _carried(clause: Clause, before: _Told, *, lower: bool) -> _Told:
    """What follows an "and" is denied with what precedes it: "I no longer live in Rome and work at Acme"."""
    plain = bool(before.found) and not any(one.ends for one in before.found)
    if before.head is None or not (plain or clause.carried == "but" or patterns.FINITE.match(clause.text)):
        return _Told([])
    found = _predicate(before.head, f" {clause.text}", lower)
    return _Told(found, head=before.head)


def _without_repetitions(found: Sequence[Thought]) -> list[Thought]:
    """The thoughts but for those that say what the one before them about the same head and relation said."""
    last: dict[tuple[str, str], tuple[str, bool]] = {}
    kept = []
    for thought in found:
        about, said = (thought.head, thought.relation), (thought.tail, thought.ends)
        if last.get(about) != said:
            kept.append(thought)
        last[about] = said
    return kept


def _told(clause: Clause, who: str, *, lower: bool, changed: str, first: bool) -> _Told:
    text = patterns.COLON.sub(r"\g<noun> is ", clause.text)
    if not first:
        return _others(text)
    match = patterns.CHANGED.fullmatch(text)
    noun = match["noun"] if match and (match["told"] or patterns.KNOWN.fullmatch(match["noun"])) else ""
    now = patterns.NOW.fullmatch(text)
    if now and changed:
        return _Told(_owned(who, changed, now["tail"], lower=lower))
    if (plain := _set_phrase(who, text)) is not None:
        return _Told(plain)
    if subject := patterns.FIRST.match(text):
        rest = text[subject.end() :]
        name = tails.introduced(rest) if clause.greets else ""
        if name:
            return _Told(_made(who, "name", [name]), head=who)
        return _Told(_predicate(who, rest, lower), head=who)
    if re.match(r"(?i)(?:my|our) ", text):
        found, head = _mine(who, text, lower)
        return _Told(found, noun, head)
    if bare := patterns.BARE_KIN.match(text):
        head = f"{who}'s {bare[0].casefold()}"
        return _Told(_predicate(head, text[bare.end() :], lower), noun, head)
    mine = patterns.IS_MINE.fullmatch(text)
    if mine and (mine["tail"][0].isupper() or lower) and mine["tail"].casefold() not in ("this", "that", "it", "here"):
        if patterns.NO_KIN.fullmatch(mine["noun"]) and not re.match(r"(?:Mr|Mrs|Ms|Miss|Dr|Prof)\b", mine["tail"]):
            return _Told([])  # "Time is my friend"
        kin = not mine["noun"].casefold().startswith("favo")
        return _Told(_owned(who, mine["noun"], mine["tail"], lower=lower, named=kin))
    return replace(_others(text), changed=noun)


def _set_phrase(who: str, text: str) -> list[Thought] | None:
    """What is said in one way only, None if nothing is."""
    if called := patterns.TELL_NAME.fullmatch(text):
        return _made(who, "name", [tails.name(called["tail"], lower=False)])
    if reached := patterns.REACHED.fullmatch(text):
        return _made(who, "phone", [reached["tail"]])
    if code := words.CODES.fullmatch(text):
        return _made(who, code["noun"].casefold(), [code["tail"]], one=True)
    if gone := patterns.GONE.fullmatch(text):
        noun, name = gone["noun"], gone["named"].strip()
        if gone["died"]:
            pet = patterns.PET.fullmatch(noun) is not None
            return _made(who, noun.casefold() if name else "has", [name or noun] if pet else [], ends=True)
        return _made(who, "has", [things.lost(noun, lower=False)], ends=True)
    return None


def _mine(who: str, text: str, lower: bool) -> tuple[list[Thought], str | None]:
    """My sister lives in …; my dog is called …; my favourite colour is …"""
    subject = patterns.OURS.match(text)
    if subject and patterns.KIN.fullmatch(subject["who"].split()[-1]):
        kin = re.sub(r"(?i)\b(?:new|dear|good|old) ", "", subject["who"]).casefold()
        head = subject["named"].strip() or f"{who}'s {kin}"
        found = _predicate(head, text[subject.end() :], lower, small=True)
        if found:
            return found, head
    owned = patterns.OWNED.fullmatch(text.partition(" ")[2])
    if owned is None:
        return [], None
    noun = owned["noun"]
    if "'s " in noun:  # my sister's birthday
        whose, _, noun = noun.partition("'s ")
        if noun.casefold() == "name" and patterns.PET.fullmatch(whose):
            noun = whose
        else:
            who = f"{who}'s {whose}"
    found = _owned(who, noun, owned["tail"], lower=lower, named=bool(owned["named"]), ends=_denied(owned, text))
    return found, None


def _denied(owned: re.Match[str], text: str) -> bool:
    return owned["no"] is not None or bool(re.match(r"(?i)(?:no longer|not)\b", owned["tail"])) or " no longer " in text


def _owned(who: str, noun: str, tail: str, *, lower: bool, named: bool = False, ends: bool = False) -> list[Thought]:
    noun = re.sub(r"(?i)^(?:(?:new|current|own|all-time|older|younger|best) )+(?!friend)", "", noun.strip())
    noun = noun.removesuffix("'s name").casefold()
    parts = noun.split()
    if (
        not parts
        or parts[0] in patterns.PAST
        or parts[-1] in patterns.PAST
        or re.search(r"\b(?:is|are|and|that|who)\b|^favou?rite$", noun)
    ):
        return []
    if named:
        return _made(who, canonical(noun), [tails.name(tail, lower)], ends=ends, one=True)
    if re.match(r"(?i)an?\s", tail) and not noun.startswith(("favourite ", "favorite ")):
        found = patterns.what_it_is(noun)(tail, lower)  # my car is a Volvo: what it is, not what it is called
        made = _made(f"{who}'s {noun}", "is", [found], ends=ends)
        return [replace(one, single=patterns.DEVICE.fullmatch(noun) is not None) for one in made]
    return _made(who, canonical(noun), [patterns.what_it_has(noun)(tail, lower)], ends=ends, one=True)


def _predicate(head: str, rest: str, lower: bool, *, small: bool = False) -> list[Thought]:
    """What is said of the head: `rest` begins behind it. `small`: it may be a child or an animal."""
    if named := patterns.NAMED.fullmatch(rest):
        tail = tails.name(named["tail"], lower)
        return _made(head, named["noun"].casefold(), [tail], ends=named["no"] is not None, one=False)
    if another := patterns.ANOTHER.fullmatch(rest):
        tail = things.owned(another["tail"], lower)
        return [replace(one, single=True) for one in _made(f"{head}'s {another['noun'].casefold()}", "is", [tail])]
    old = re.fullmatch(r"(?:'s| is)(?: now| only| just)? (.+)", rest) if small else None
    if old and (years := tails.small_age(old[1], lower)):
        return _made(head, "age", [years])
    also = [one for rule in patterns.ALSO for one in _by_rule(rule, head, rest, lower) or []]
    for rule in patterns.rules_for(rest):
        found = _by_rule(rule, head, rest, lower)
        if found is not None:
            return [one for one in also if one.ends] + found + [one for one in also if not one.ends]
    return also


def _by_rule(rule: Rule, head: str, rest: str, lower: bool) -> list[Thought] | None:
    """What the rule takes down, None if others may be tried."""
    match = rule.pattern.fullmatch(rest)
    if match is None:
        return None
    kept = rule.tail(match["tail"], lower)
    if not kept:
        denied = rule.ends and rule.relation not in (
            "age",
            "is",
            "has",
            "studies at",
            "is a member of",
            "plays",
            "does",
        )
        return [] if denied else None  # what was denied must not be met by a rule that affirms
    parts = re.split(r"\s+and\s+|\s+or\s+", kept) if rule.many else [kept]
    short = all(len(part.split()) <= 3 for part in parts)
    return _made(head, rule.relation, parts if short else [kept], ends=rule.ends)


def _others(text: str) -> _Told:
    """Ana lives in …; Ana's dog is called …"""
    if patterns.SOMEBODY.match(text) is None:
        return _Told([])
    for count in (3, 2, 1):
        parts = text.split(" ")[:count]
        who = " ".join(parts)
        bare = re.sub(r"'s$", "", who)
        if len(parts) < count or "'s " in bare or not tails.name(bare, lower=False) or not _is_name(bare):
            continue
        rest = text[len(bare) :]
        if rest.startswith("'s ") and (owned := patterns.OWNED.fullmatch(rest[3:])):
            found = _owned(
                bare, owned["noun"], owned["tail"], lower=False, named=bool(owned["named"]), ends=_denied(owned, text)
            )
        elif patterns.PLURAL.match(rest):  # "Dogs love bones"
            found = []
        else:
            found = _of_somebody(_predicate(bare, rest, False), rest)
        if found:
            return _Told(found, head=bare)
    return _Told([])


def _of_somebody(found: list[Thought], rest: str) -> list[Thought]:
    """Without what may be said of companies and prices: "Google has a new phone", "The price is 30"."""
    return [
        one
        for one in found
        if (one.relation != "age" or " old" in rest or "turned" in rest)
        and (one.relation != "has" or things.owned_by_others(one.tail, False) or things.illness(one.tail, False))
    ]


def _is_name(text: str) -> bool:
    """Whether every word has a capital, or is of a script without capitals."""
    return all(word[0].isupper() or not word[0].islower() for word in text.split())


def _made(head: str, relation: str, found: list[str], *, ends: bool = False, one: bool | None = None) -> list[Thought]:
    """Thoughts of one head and relation. Their spans are not known yet."""
    name = canonical(relation)
    alone = single(name, one is True) if one is not False else False
    return [
        Thought(
            sentence=sentence(head, name, tail, ends=ends),
            head=head,
            relation=name,
            tail=tail,
            start=0,
            end=0,
            single=alone,
            ends=ends,
        )
        for tail in found
        if tail
    ]


def _placed(thought: Thought, clause: Clause, begin: int) -> Thought:
    return replace(thought, start=begin + clause.start, end=begin + clause.end)
