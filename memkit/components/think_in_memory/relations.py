"""When two relations, two heads or two tails are the same: the canonical forms that facts are compared by."""

from __future__ import annotations

import re
import unicodedata

# Canonical relation → other ways to say it. The canonical form makes a sentence between head and tail.
_SYNONYMS = {
    "lives in": "live in|living in|is living in|moved to|move to|relocated to|relocates to|resides in|reside in|"
    "lives at|based in|is based in|home|residence|located in|lives|lived in|has moved to|moved back to|current city",
    "works at": "work at|works for|work for|working at|working for|employed at|employed by|is employed by|"
    "is employed at|employer|workplace|works with|joined|works in",
    "works as": "work as|working as|is working as|job|job title|profession|occupation|job is|has job",
    "age": "is aged|aged|years old|is years old|age is|has age|turned|is old",
    "name": "is called|called|named|is named|name is|has name|first name",
    "likes": "like|love|loves|enjoy|enjoys|adore|adores|is fond of|fond of|liked|loved",
    "dislikes": "dislike|hate|hates|detest|detests|loathe|loathes|can't stand|cannot stand|does not like|doesn't like",
    "prefers": "prefer|would rather have",
    "is allergic to": "allergic to|allergy|has an allergy to|has allergy to|has allergy|allergies",
    "phone": "phone number|telephone|telephone number|mobile|mobile number|cell phone|cell number|number|phone is",
    "e-mail": "email|email address|e-mail address|mail address",
    "birthday": "birth date|date of birth|birthdate|born on|was born on|is born on|has birthday",
    "is married to": "married to|spouse",
    "is from": "from|comes from|come from|hails from",
    "has": "have|owns|own|possesses",
    "speaks": "speak",
    "plays": "play",
    "studies": "study|studying|is studying",
    "is learning": "learning|learns",
    "drives": "drive|driving",
    "uses": "use|using|switched to",
    "does": "practises|practices",
    "eats": "eat",
    "drinks": "drink",
    "avoids": "avoid|does not eat|doesn't eat|does not drink|doesn't drink",
    "supports": "support",
    "is a member of": "member of|belongs to",
    "subscribes to": "subscribe to|is subscribed to|has a subscription to",
    "is": "am|are|being",
}
_CANONICAL = {other: name for name, others in _SYNONYMS.items() for other in (name, *others.split("|"))}

# What one has one of at a time. A later statement takes the earlier one's place.
_SINGLE = frozenset(
    "lives in|works at|works as|age|name|phone|e-mail|birthday|is married to|is from|address|nationality|"
    "height|weight|postcode|zip code|blood type|time zone|timezone|lives near|grew up in|is engaged to|is dating|"
    "studies at|drives|gets up at|goes to bed at|works from|nickname|surname|is reading|field".split("|")
)
_MANY = frozenset(
    "likes|dislikes|prefers|is allergic to|has|speaks|plays|studies|is|was born|is learning|uses|does|eats|drinks|avoids|"
    "supports|is a member of|subscribes to|has been to|visited|rides|teaches|runs|graduated from|has a degree in|is flying to|"
    "wears|takes|works|collects|volunteers at|is afraid of".split("|")
)
_FAMILIES = {
    "dislikes": "likes",
    "avoids": "eats",
    "drinks": "eats",
}  # relations that contradict each other are looked up together

_ARTICLE = re.compile(r"^(?:(?:an?|the|my|our|his|her|their|some|now|currently)\s+)+", re.IGNORECASE)
_WORD = re.compile(r"\w+(?:['’]\w+)*")
_BLANK = re.compile(r"\s+")
_STOP = frozenset(
    """a about after again all also am an and any are aren't as at be been being both but by can can't could did didn't do
    does doesn't doing don't down during each for from further had has hasn't have haven't having he her here hers him
    his how i i'd i'll i'm i've if in into is isn't it it's its just me more most my no nor not now of off on once only
    or other our out over own same she so some such than that the their theirs them then there these they this those
    through to too under until up very was wasn't we we're were what when where which while who whom whose why will
    with won't would you your yours user assistant named called""".split()
)


def folded(text: str) -> str:
    """The text without what makes no difference: compatibility forms, case, kinds of apostrophe, blanks."""
    plain = unicodedata.normalize("NFKC", text).replace("’", "'").casefold()
    return _BLANK.sub(" ", plain).strip()


def canonical(relation: str) -> str:
    """The one form of a relation. An unknown one is itself, in lower case."""
    name = folded(relation).replace("_", " ").strip(" .:").replace("favorite", "favourite")
    name = name.removesuffix(" is") if name.startswith("favourite ") else name
    return _CANONICAL.get(name, name)


def single(relation: str, said: bool) -> bool:
    """Whether a head has one such tail at a time. `said` decides where the relation is not known."""
    if relation in _SINGLE or relation.startswith("favourite "):
        return True
    return said and relation not in _MANY


def family(relation: str) -> str:
    """What a canonical relation is looked up by: it and those that contradict it have the same."""
    return _FAMILIES.get(relation, relation)


def opposites(relation: str) -> list[str]:
    """The canonical relations that contradict it."""
    mine = family(relation)
    return [other for other in (mine, *_FAMILIES) if other != relation and family(other) == mine]


def name_key(name: str) -> str:
    """Equal for two ways of writing one head."""
    return _ARTICLE.sub("", folded(name)).strip(" .,;:!?'\"")


def tail_key(tail: str) -> str:
    """Equal for two ways of writing one tail: without articles, case and punctuation."""
    return " ".join(_WORD.findall(_ARTICLE.sub("", folded(tail)))) or folded(tail)


def content(text: str) -> frozenset[str]:
    """The words that say something, folded, without "'s"."""
    words = (word.removesuffix("'s") for word in _WORD.findall(folded(text)))
    return frozenset(word for word in words if word not in _STOP)


def told(word: str, words: frozenset[str]) -> bool:
    """Whether the word is among the words, in this or another form: "lives" is told by "live"."""
    if word in words:
        return True
    stem = _stem(word)
    return len(stem) >= 3 and any(_stem(other) == stem for other in words)


def _stem(word: str) -> str:
    for ending in ("ing", "ies", "ied", "es", "ed", "s", "e", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and word.isascii():
            return word.removesuffix(ending)
    return word
