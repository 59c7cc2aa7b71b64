"""Thoughts without a model: facts that somebody states plainly about themselves, theirs, or somebody named. English.

Rules miss most of what a model would find. They are written for the opposite failing: what they take down was said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from memkit.components.think_in_memory import patterns, tails
from memkit.components.think_in_memory.clauses import Clause, clauses
from memkit.components.think_in_memory.relations import canonical, single
from memkit.components.think_in_memory.sentences import sentence
from memkit.components.think_in_memory.tails import Tail
from memkit.components.think_in_memory.thoughts import ASSISTANTS, Thought, speaker
from memkit.hygiene import spans
from memkit.values import Event


def by_rules(event: Event) -> list[Thought]:
    """The thoughts of one event, in the order of its text. Of an assistant without a name, what it says of others only."""
    nameless = (event.role or "").lower() in ASSISTANTS and event.author is None
    found: list[Thought] = []
    for begin, end in spans(event):
        text = event.text[begin:end]
        lower = text == text.lower()
        changed = ""
        for clause in clauses(text):
            told, noun = _told(clause, speaker(event), lower=lower, changed=changed, first=not nameless)
            found += [_placed(one, clause, begin) for one in told]
            changed = noun
    return _without_repetitions(found)


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


def _told(clause: Clause, who: str, *, lower: bool, changed: str, first: bool) -> tuple[list[Thought], str]:
    """What a clause tells, and what of the speaker's it says has changed: "it" in the next one."""
    text = clause.text
    noun = ""
    if first:
        match = patterns.CHANGED.fullmatch(text)
        noun = match["noun"] if match and (match["told"] or patterns.KNOWN.fullmatch(match["noun"])) else ""
        now = patterns.NOW.fullmatch(text)
        if now and changed:
            return _owned(who, changed, now["tail"], lower=lower), ""
        if called := patterns.TELL_NAME.fullmatch(text):
            return _made(who, "name", [tails.name(called["tail"], lower=False)]), ""
        if subject := patterns.FIRST.match(text):
            return _predicate(who, text[subject.end() :], lower), ""
        if re.match(r"(?i)(?:my|our) ", text):
            return _mine(who, text, lower), noun
    return _others(text), noun


def _mine(who: str, text: str, lower: bool) -> list[Thought]:
    """My sister lives in …; my dog is called …; my favourite colour is …"""
    subject = patterns.OURS.match(text)
    if subject and subject["who"].casefold() in patterns.KIN:
        head = subject["named"].strip() or f"{who}'s {subject['who'].casefold()}"
        found = _predicate(head, text[subject.end() :], lower)
        if found:
            return found
    owned = patterns.OWNED.fullmatch(text.partition(" ")[2])
    if owned is None:
        return []
    noun = owned["noun"]
    if "'s " in noun:  # my sister's birthday
        whose, _, noun = noun.partition("'s ")
        who = f"{who}'s {whose}"
    return _owned(who, noun, owned["tail"], lower=lower, named=bool(owned["named"]), ends=_denied(owned, text))


def _denied(owned: re.Match[str], text: str) -> bool:
    return owned["no"] is not None or bool(re.match(r"(?i)(?:no longer|not)\b", owned["tail"])) or " no longer " in text


def _owned(who: str, noun: str, tail: str, *, lower: bool, named: bool = False, ends: bool = False) -> list[Thought]:
    noun = re.sub(r"(?i)^(?:new|current|own) ", "", noun.strip()).removesuffix("'s name").casefold()
    words = noun.split()
    if (
        not words
        or words[0] in patterns.PAST
        or words[-1] in patterns.PAST
        or re.search(r"\b(?:is|are|and|that|who)\b", noun)
    ):
        return []
    if named:
        kind: Tail = tails.name
    elif noun.startswith(("favourite ", "favorite ")) or patterns.KNOWN.fullmatch(noun):
        kind = tails.name if noun == "name" else tails.anything
    else:
        kind = tails.value
    found = kind(tail, lower)
    if (
        found and re.match(r"(?i)an?\s", found) and kind is tails.value
    ):  # my car is a Volvo: what it is, not what it is called
        return _made(f"{who}'s {noun}", "is", [found], ends=ends)
    return _made(who, canonical(noun), [found], ends=ends, one=True)


def _predicate(head: str, rest: str, lower: bool) -> list[Thought]:
    """What is said of the head: `rest` begins behind it."""
    if named := patterns.NAMED.fullmatch(rest):
        tail = tails.name(named["tail"], lower)
        return _made(head, named["noun"].casefold(), [tail], ends=named["no"] is not None, one=False)
    for rule in patterns.RULES:
        match = rule.pattern.fullmatch(rest)
        if match is None:
            continue
        whole = match["tail"]
        kept = rule.tail(whole, lower)
        if not kept:
            if rule.ends and rule.relation not in ("age", "is"):
                return []  # what was denied must not be met by a rule that affirms
            continue
        parts = re.split(r"\s+and\s+|\s+or\s+", kept) if rule.many else [kept]
        short = all(len(part.split()) <= 3 for part in parts)
        return _made(head, rule.relation, parts if short else [kept], ends=rule.ends)
    return []


def _others(text: str) -> list[Thought]:
    """Ana lives in …; Ana's dog is called …"""
    subject = patterns.SOMEBODY.match(text)
    if subject is None:
        return []
    for count in (3, 2, 1):
        words = text.split(" ")[:count]
        who = " ".join(words)
        bare = re.sub(r"'s$", "", who)
        if len(words) < count or "'s " in bare or not tails.name(bare, lower=False) or not _is_name(bare):
            continue
        rest = text[len(bare) :]
        if rest.startswith("'s ") and (owned := patterns.OWNED.fullmatch(rest[3:])):
            found = _owned(
                bare, owned["noun"], owned["tail"], lower=False, named=bool(owned["named"]), ends=_denied(owned, text)
            )
        else:
            found = _predicate(bare, rest, False)
        if found and (found[0].relation != "age" or " old" in rest):  # "The price is 30" is no age
            return found
    return []


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
