"""More of what may stand at the end of a rule: what is of a list, or has a name of its own."""

from __future__ import annotations

import re

from memkit.components.think_in_memory import words as lists
from memkit.components.think_in_memory.tails import Tail, cut, name, thing


def subscription(tail: str, lower: bool) -> str:
    """ "Netflix subscription": Netflix."""
    found = re.match(r"(?i)([\w+ ]{2,30}?) (?:subscription|account|membership)\b", tail)
    found = found or re.match(r"(?i)subscription to ([\w+ ]{2,30})", tail)
    return branded(found[1], False) if found else ""


def owned(tail: str, lower: bool) -> str:
    """A thing that one has for long: with a name of its own ("a Volvo"), or of a list."""
    text = re.sub(r"(?i)\s+(?:and|at|near|on|by|from|of|to|as)\s.*$", "", cut(_until_for(tail)))
    if lists.HAD.fullmatch(text):
        return text
    return text if lists.BRANDED.fullmatch(text) and not lists.NO_BRAND.search(text) else ""


def owned_by_others(tail: str, lower: bool) -> str:
    """The same of somebody with a name, who may be a company: animals, relatives, brands."""
    text = owned(tail, lower)
    return text if lists.PEOPLE.fullmatch(text) or (text and not lists.HAD.fullmatch(text)) else ""


def lost(tail: str, lower: bool) -> str:
    """A thing that one has no longer."""
    text = re.sub(r"(?i)\s+(?:to|on|for|at|and)\s.*$", "", cut(tail))
    words = text.split()
    if not words or len(words) > 4:
        return ""
    known = lists.THING.fullmatch(words[-1]) or (lists.BRAND.fullmatch(words[-1]) and not lists.NO_BRAND.search(text))
    return text if known else ""


def _listed(pattern: str, most: int) -> Tail:
    """Of the list, behind at most `most` other words and maybe an article."""
    whole = re.compile(rf"(?i)(?:(?:the|my|an?|some) )?(?:[a-z-]+ ){{0,{most}}}?(?:{pattern})")

    def kept(tail: str, lower: bool) -> str:
        tail = re.sub(r"(?i)^(?:(?:quite )?a (?:lot|bit) of|lots of|loads of|some) ", "", tail)
        text = re.sub(
            r"(?i)\s+(?:in|at|on|with|for|to|every|each|once|twice|three times|most|from|as)\s.*$",
            "",
            cut(_until_for(tail)),
        )
        text = re.sub(r"(?i)\s+(?:regularly|professionally|competitively|every\w*)$", "", text)
        parts = re.split(r"\s+(?:and|or)\s+", text)
        return text if text and all(whole.fullmatch(part) for part in parts) else ""

    return kept


def _until_for(tail: str) -> str:
    return re.sub(r"(?i)\s+(?:for|every|each)\s.*$", "", tail, flags=re.DOTALL)


def branded(tail: str, lower: bool) -> str:
    """What has a name of its own: Linux, The Economist."""
    if " as " in tail:
        return ""
    text = re.sub(r"(?i)\s+(?:and|at|on|for|to|as|in|every|most)\s.*$", "", cut(tail))
    bare = re.sub(r"^(?:the|an?) ", "", text)
    return text if lists.BRAND.fullmatch(bare) and not lists.NO_BRAND.search(bare) else ""


def used(tail: str, lower: bool) -> str:
    """A product with a name, or a drink."""
    text = branded(tail, lower)
    return text or drinks(tail, lower)


def learnt(tail: str, lower: bool) -> str:
    """A language, an instrument, an activity, a subject."""
    skill = re.match(
        r"(?i)to (?:drive|swim|cook|code|sew|ski|surf|dance|ride|knit|sail|draw|paint|skate|juggle)\b", tail
    )
    if skill:
        return skill[0]
    played = instrument(tail, lower) if tail[:4].lower() == "the " else ""
    return studied(tail, lower) or activity(tail, lower) or played or language(tail, lower)


def language(tail: str, lower: bool) -> str:
    """Names of languages, without how well."""
    text = re.sub(
        r"(?i)\b(?:fluently|fluent|a bit of|a little(?: bit of)?|some|basic|native|decent|good|conversational|well|"
        r"at home|enough) ?",
        "",
        cut(tail),
    )
    text = re.sub(r"(?i)\s+(?:in|at|on|with|for|to|every|as|because|from|online|by)\b.*$", "", text).strip()
    parts = re.split(r"\s+and\s+", text)
    return (
        text
        if text and all((part[0].isupper() and part.isalpha()) or name(part, lower) for part in parts if part)
        else ""
    )


def clock(tail: str, lower: bool) -> str:
    """A time of day."""
    match = lists.CLOCK.match(tail)
    return (
        match[0]
        if match and re.match(r"(?i)\W*(?:$|every|on|in the|most|these|usually|now|sharp|and)", tail[match.end() :])
        else ""
    )


def avoided(tail: str, lower: bool) -> str:
    """What is not eaten or drunk, at no time."""
    if re.search(
        r"(?i)^(?:much|well|enough|out|too|another|any|anything|alone|as|properly)\b|\b(?:after|before|during|at|for|in the|on) ",
        tail,
    ):
        return ""
    return consumed(tail, lower)


def uneaten(tail: str, lower: bool) -> str:
    """The same behind "eat" and "drink", where it need not be of a list."""
    text = thing(tail, lower) if avoided("meat " + tail.partition(" ")[2], lower) else ""
    bad = (
        r"(?i)(?:much|well|enough|out|too|another|any\w*|alone|as|properly|breakfast|lunch|dinner|and|more|less|or|"
        r"for|at|in|on|with|like)\b"
    )
    return "" if re.match(bad, text) else avoided(tail, lower) or text


def allergen(tail: str, lower: bool) -> str:
    """What one is allergic to in earnest."""
    text = thing(tail, lower)
    bad = (
        r"(?i)(?:\w+days?|mornings|work|exercise|change|people|commitment|nonsense|drama|fun|stupidity|meetings|"
        r"bullshit|idiots|sports?)$"
    )
    return "" if re.match(bad, text) else text


def school(tail: str, lower: bool) -> str:
    """A university, college or school by its name."""
    text = re.sub(r"(?i)\s+(?:and|on|for|to|as|part-time|full-time)\b.*$", "", cut(tail))
    return text if re.match(r"(?:the )?[A-Z]", text) and not lists.NO_BRAND.search(text) else ""


def college(tail: str, lower: bool) -> str:
    """The same where only the name tells that it is one."""
    text = school(tail, lower)
    return (
        text
        if re.search(r"(?i)\b(?:university|college|school|academy|polytechnic|conservatoire|institute)\b", text)
        else ""
    )


def far_place(tail: str, lower: bool) -> str:
    """A place with a name of its own."""
    text = re.sub(r"(?i)\s+(?:and|at|on|for|to|with|twice|once|three|many|several|in|every|by)\b.*$", "", cut(tail))
    return text if lists.BRAND.fullmatch(text) and not lists.NO_BRAND.search(text) else ""


def membership(tail: str, lower: bool) -> str:
    """A club or choir."""
    text = re.sub(r"(?i)\s+(?:and|at|on|for|to|as|of|near)\s.*$", "", cut(tail))
    return (
        text if lists.MEMBERSHIPS.fullmatch(text) and not re.fullmatch(r"(?i)\w+ (?:team|board|council)", text) else ""
    )


_DATE = re.compile(
    r"(?i)\d|\b(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day|january|february|march|april|may|june|july|august|september|"
    r"october|november|december|christmas|easter|new year)"
)


def dated(tail: str, lower: bool) -> str:
    """When something is."""
    text = cut(re.sub(r"(?i)^(?:on|in|at) ", "", tail))
    return text if _DATE.search(text) and len(text.split()) <= 6 else ""


def measured(tail: str, lower: bool) -> str:
    """A number with its unit."""
    text = cut(tail)
    return (
        text
        if re.fullmatch(
            r"(?i)\d'\d{1,2}\"?|\d[\d.,' ]*(?:cm|m|metres?|meters?|feet|foot|ft|kg|kilos?|pounds|lbs)?(?: \d+)?", text
        )
        else ""
    )


def post(tail: str, lower: bool) -> str:
    """A position somebody rose to."""
    text = cut(tail)
    bad = r"(?i)(?:the next|another|a different|my|his|her)\b"
    return text if 1 <= len(text.split()) <= 5 and not re.match(bad, text) else ""


instrument = _listed(lists.INSTRUMENTS, 1)
game = _listed(lists.GAMES, 1)
activity = _listed(lists.ACTIVITIES, 1)
studied = _listed(lists.SUBJECTS, 2)
drinks = _listed(lists.DRINKS, 2)
consumed = _listed(rf"{lists.DRINKS}|{lists.FOODS}", 1)
illness = _listed(lists.ILLNESSES, 1)
worn = _listed(
    "glasses|contacts|contact lenses|hearing aids|a hearing aid|dentures|braces|a wig|reading glasses|hijab", 1
)
medicine = _listed(
    r"\w+(?:formin|statin|pril|olol|cillin|oxetine|prazole|thyroxine|sartan)|insulin|ibuprofen|aspirin|antihistamines|statins|"
    r"antidepressants|vitamin d|beta blockers|blood thinners|warfarin|lithium|sertraline|the pill|iron tablets|creatine",
    1,
)
shifts = _listed(
    r"(?:night|day|early|late|evening|weekend|double)s?(?: shifts?)|part[- ]time|full[- ]time|nights|remotely|freelance",
    0,
)
venture = _listed(
    "bakery|shop|bookshop|café|cafe|restaurant|bar|pub|company|startup|start-up|business|farm|studio|gallery|blog|podcast|agency|"
    "practice|salon|workshop|newsletter|charity|hostel|hotel|nursery|brewery|book club|youtube channel|clinic|store|garage",
    3,
)
trade_field = _listed(
    "marketing|finance|it|tech|sales|hr|human resources|education|healthcare|construction|advertising|logistics|"
    "retail|hospitality|"
    "insurance|publishing|fashion|banking|consulting|government|academia|research|biotech|pharma|agriculture|television|film|"
    "journalism|accounting|cybersecurity|real estate|customer service|customer support|tourism|law|aviation|gaming",
    1,
)


def title(tail: str, lower: bool) -> str:
    """A book or film by its name."""
    text = re.sub(r"(?i)\s+(?:at|by|for|to|on|with)\b.*$", "", cut(tail))
    return text if re.match(r"[A-Z]", text) and not lists.NO_BRAND.search(text) else ""


def only_for_good(kind: Tail) -> Tail:
    """Not what lasted for a while: "I went vegan for a month"."""
    return lambda tail, lower: (
        "" if re.search(r"(?i)\bfor (?:a|an|two|three|\d|some|the)\b", tail) else kind(tail, lower)
    )
