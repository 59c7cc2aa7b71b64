"""What may stand at the end of a rule: a place, a name, a thing, and where it stops."""

from __future__ import annotations

import re
from collections.abc import Callable

from memkit.components.think_in_memory import words as lists

Tail = Callable[[str, bool], str]
LONGEST, MOST_WORDS = 80, 8  # of a tail; what is longer is rarely one thing

_STOP_AT = re.compile(
    r"(?:\s*[,;(\[]|\s+(?:-|–|—)\s|\s+(?:but|because|since|with|which|that|who|where|when|while|so|though|although|as well|"
    r"right now|now|nowadays|these days|any ?more|any longer|originally|for good|at the moment|currently|at present|"
    r"too|again|instead|already|"
    r"very much|so much|a lot|the most|most of all|more than|lately|recently|today|yesterday|tomorrow|tonight|"
    r"for (?:\w+ ){0,3}(?:years?|months?|weeks?|days?|ages)|"
    r"(?:last|this|next) \w+|\w+ (?:years?|months?|weeks?|days?) ago|ago|since|during|after|before|until|"
    r"in (?:january|february|march|april|may|june|july|august|september|october|november|december|[12]\d{3}))\b).*$",
    re.IGNORECASE | re.DOTALL,
)
_TRIM = " \t\n.!?…,;:\"'“”‘’«»()[]*_"
_EMPTY = frozenset(
    """it that this them those these him her you me us they he she i we one ones there here to how what when where why
    who whom which if whether as being not no nothing everything everyone anything something someone somewhere so too
    your mine yours""".split()
)
_NO_PLACE = frozenset(
    """fear hope peace denial misery poverty luxury silence pain sin love exile isolation solitude harmony style constant
    tears bed sleep work hell heaven terms me my your this that the a an same front back next last first way past
    future present moment""".split()
)
_NO_EMPLOYER = frozenset(
    """night home free fun me my you myself it that this them all times once least most present hard speed scale dawn
    dusk noon a an the your his her their heights first weekends mornings nights days""".split()
)
_NOT_NAMES = frozenset(
    """i he she it we they you this that these those there here the a an my your his her its our their what who where when
    why how which everyone everybody someone somebody nobody anyone people monday tuesday wednesday thursday friday
    saturday sunday january february march april may june july august september october november december today
    tomorrow yesterday later back maybe please thanks god lol ok okay yes no not and but so if crazy anytime when at
    whatever old mom's nothing also then after before since because although asap soon
    hard easy long short unknown on in""".split()
)
_UNTELLING = frozenset(
    """wrong right fine good great bad ok okay sick ill tired broken dead late here there gone nice best
    worst annoying weird amazing awesome terrible awful full empty ready coming going visiting driving getting having
    doing making being not so very too really just only always never still all""".split()
)


def cut(tail: str, *, names: bool = False) -> str:
    """The tail up to where its thing ends, "" when it is none or too long."""
    text = tail if names else _STOP_AT.sub("", tail)
    text = re.sub(r"\s+", " ", text).strip(_TRIM)
    words = text.split()
    if not words or len(text) > LONGEST or len(words) > MOST_WORDS or "\0" in text:
        return ""
    return "" if words[0].casefold().strip(_TRIM) in _EMPTY else text


def thing(tail: str, lower: bool) -> str:
    """Whatever is liked, or one is allergic to."""
    text = cut(tail)
    return "" if re.search(r"(?i)\b(?:when|if|how|it|you|your|my|our|that|this)\b", text) else text


def place(tail: str, lower: bool) -> str:
    """Where somebody lives: a proper name, or a kind of place."""
    text = re.sub(r"(?i)\s+(?:and|at|near|on|by|from|to)\s.*$", "", cut(tail))
    if not text or " or " in text:
        return ""
    words = text.split()
    first = words[0].casefold()
    if re.match(r"(?i)(?:an?|the)\s", text):
        return text if len(words) > 1 and words[1].casefold() not in _NO_PLACE else ""
    if words[0][0].isupper() or not words[0].isascii():
        return text
    return text if lower and len(words) <= 3 and first not in _NO_PLACE else ""


def moved(tail: str, lower: bool) -> str:
    """Where somebody moved to: "the next question" is no home."""
    text = place(tail, lower)
    homes = r"(?i)\b(?:house|flat|apartment|city|town|village|farm|country|countryside|suburbs?|coast|studio|island)\b"
    if re.match(r"(?i)(?:an?|the)\s", text):
        return text if re.search(homes, text) or text.split()[1][0].isupper() else ""
    return text


def employer(tail: str, lower: bool) -> str:
    """Where somebody works."""
    text = re.sub(r"(?i)\s+(?:and|as|in|on|from)\s.*$", "", cut(tail))
    words = text.split()
    if not words:
        return ""
    if re.match(r"(?i)(?:an?|the)\s", text):
        return (
            text
            if len(words) > 1
            and words[1].casefold()
            not in {"moment", "living", "time", "day", "while", "bottom", "top", "end", "beginning", "start"}
            else ""
        )
    if words[0].casefold() in _NO_EMPLOYER:
        return ""
    return text if words[0][0].isupper() or lower or not words[0].isascii() else ""


def name(tail: str, lower: bool) -> str:
    """One to three names."""
    text = re.sub(r"(?i)\s+(?:and|from|by|at|on|for|in)\s.*$", "", cut(tail))
    words = text.split()
    if not 1 <= len(words) <= 3 or words[0].casefold() in _NOT_NAMES or re.search(r"\d|[@/:]", text):
        return ""
    if not all(word[0].isalpha() for word in words):
        return ""
    capitals = all(
        not word[0].islower() or word in ("de", "da", "van", "von", "der", "al", "bin", "la") for word in words
    )
    return text if capitals and not words[0][0].islower() else text if lower and len(words) <= 2 else ""


def age(tail: str, lower: bool) -> str:
    """A person's age in years."""
    if re.search(rf"(?i)\band (?:\d|{lists.NUMBERS}|{lists.SMALL})", tail):  # "my kids are 4 and 7"
        return ""
    text = re.sub(r"(?i)\s+(?:and|on|in|at)\s.*$", "", cut(tail))
    match = re.fullmatch(rf"(?i)(\d{{1,3}}|{lists.NUMBERS})(?:[- ]?years?[- ]old| yrs? old| ?y\.?o\.?)?", text)
    return match[1] if match and (not match[1].isdecimal() or 0 < int(match[1]) < 125) else ""


def small_age(tail: str, lower: bool) -> str:
    """The age of somebody who may be a child or an animal: "five" too."""
    match = re.fullmatch(rf"(?i)({lists.SMALL})(?: years? old)?", cut(tail))
    return match[1] if match else age(tail, lower)


def role(tail: str, lower: bool) -> str:
    """What somebody works as, with its article."""
    text = re.sub(r"(?i)\s+(?:and|at|for|in|on|from)\s.*$", "", cut(tail))
    return text if 1 <= len(text.split()) <= 4 else ""


_TRADES = re.compile(
    r"(?i)(?:an?\s+)?(?:[\w-]+\s+){0,2}(?:nurse|doctor|surgeon|dentist|teacher|professor|lecturer|student|engineer|developer|"
    r"programmer|designer|architect|lawyer|judge|accountant|chef|cook|baker|farmer|gardener|pilot|driver|mechanic|"
    r"electrician|plumber|carpenter|writer|author|journalist|editor|translator|musician|pianist|guitarist|violinist|"
    r"singer|painter|photographer|actor|actress|artist|librarian|scientist|biologist|chemist|physicist|"
    r"mathematician|historian|psychologist|therapist|pharmacist|veterinarian|vet|firefighter|soldier|salesman|"
    r"waiter|waitress|barista|hairdresser|cashier|consultant|manager|analyst|researcher|vegetarian|vegan|"
    r"diabetic|coeliac|celiac|catholic|muslim|buddhist|hindu|atheist|widow|widower|twin|grandmother|grandfather|"
    r"pensioner|retiree|paramedic|intern|apprentice|trainee|lifeguard|tutor|coach|instructor|butcher|bartender|builder|"
    r"bricklayer|roofer|welder|painter|decorator|tailor|postman|postwoman|policeman|policewoman|police officer|detective|"
    r"solicitor|barrister|paralegal|secretary|receptionist|administrator|banker|broker|economist|statistician|astronomer|"
    r"geologist|botanist|zoologist|archaeologist|anthropologist|sociologist|linguist|philosopher|priest|vicar|rabbi|imam|"
    r"midwife|carer|caregiver|physiotherapist|optician|radiologist|cardiologist|paediatrician|pediatrician|psychiatrist|"
    r"social worker|civil servant|flight attendant|steward|stewardess|sailor|fisherman|miner|potter|sculptor|illustrator|"
    r"animator|dancer|comedian|composer|conductor|cellist|drummer|bassist|poet|novelist|playwright|publisher|blogger|"
    r"podcaster|streamer|entrepreneur|freelancer|contractor|founder|director|executive|recruiter|supervisor|foreman|"
    r"technician|tester|sysadmin|admin|data scientist|statistician|florist|jeweller|locksmith|cleaner|janitor|caretaker|"
    r"gardener|landscaper|beekeeper|brewer|bus driver|taxi driver|truck driver|nanny|au pair|childminder|housewife|"
    r"househusband|stay-at-home (?:mum|mom|dad|parent)|night owl|morning person|early bird|pescatarian|smoker|non-smoker)"
)


def trade(tail: str, lower: bool) -> str:
    """What somebody is, of a list: most of what follows "I am a" says how one feels."""
    text = role(tail, lower)
    if re.search(
        r"\w an? |\b(?:terrible|bad|good|great|big|slow|fast|lousy|awful|poor|better|decent|careful|natural|huge|nervous)\b",
        text,
    ):
        return ""  # "dating a nurse", "a terrible cook"
    return text if text[:1].islower() and _TRADES.fullmatch(text) else ""  # "Tim Cook" is a name


def state(tail: str, lower: bool) -> str:
    """What somebody is, without an article: vegan, Portuguese, retired."""
    text = cut(tail)
    return text if lists.STATES.fullmatch(text) else ""


def names(tail: str, lower: bool) -> str:
    """One name or several."""
    text = cut(tail)
    parts = re.split(r"\s+and\s+", text)
    return text if text and all(name(part, lower) for part in parts) else ""


def person(tail: str, lower: bool) -> str:
    """A name that is written as one."""
    return name(tail, lower=False)


def value(tail: str, lower: bool) -> str:
    """What is had under a name ("my X is …"): a name, a number, an address, or a thing with an article."""
    text = cut(tail)
    words = text.split()
    if not words or words[0].casefold() in _UNTELLING:
        return ""
    if text.endswith(" old") or re.match(
        r"(?i)(?:on|at|in|from|to|by|with|for|under|about|out|off|up|down|over|of|like)\b", text
    ):
        return ""
    if re.match(r"(?i)an?\s+\w", text):
        return text if len(words) <= 5 else ""
    if re.search(r"[\d@]", text) or not words[0][0].islower():
        return text
    return text if lower and len(words) == 1 and not re.search(r"(?:ing|ed|ly)$", text) else ""


def anything(tail: str, lower: bool) -> str:
    """Any value, of what is known to have one (a favourite colour, a phone number)."""
    text = cut(tail)
    return "" if text.split()[:1] and text.split()[0].casefold() in _UNTELLING else text


def introduced(rest: str) -> str:
    """The name in " am Ben", said behind a greeting."""
    found = re.fullmatch(r"(?:'m| am) ([A-Z]\w+(?: [A-Z]\w+){0,2})(?:(?:,| from | and ).*)?", rest)
    if (
        not found
        or state(found[1], False)
        or re.search(r"ing\b|^(?:Home|Back|Here|Sorry|Happy|Glad|New|Sick|Team)\b", found[1])
    ):
        return ""
    return name(found[1], lower=False)
