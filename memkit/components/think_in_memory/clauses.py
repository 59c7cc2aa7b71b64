"""The clauses of a turn that assert something: what is asked, supposed, quoted, or told to the memory is left out.

It knows English and looks at characters. In a text of another language it finds clauses too, which then meet no rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

HIDDEN = "\0"  # in the place of what nobody asserts; no event's text holds it

LONGEST = 600  # characters of a sentence; longer ones are lists and logs, and cost time
MOST_INTROS = 3  # "Oh, by the way, guess what: …"

_END = re.compile(r"(?<![.!?…])[.!?…]++[)\"”']*+(?=\s|$)|[。！？]++|\n++")
_SHORT = re.compile(r"(?:^|\W)(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|No|vs|e\.g|i\.e|approx)$")
_QUOTES = (
    re.compile(r"```.*?(?:```|\Z)", re.DOTALL),
    re.compile(r"^[ \t]*>.*$", re.MULTILINE),
    re.compile(  # a letter that somebody pasted, to the end
        r"^(?:[^\n]{0,80}\b(?:e-?mail|mail|message|letter) from\b[^\n]{0,80}:[ \t]*|"
        r"(?:from|subject|sent): [^\n]{1,200}|-+ ?(?:forwarded|original) message[^\n]{0,80})\n.*",
        re.MULTILINE | re.DOTALL | re.IGNORECASE,
    ),
    re.compile(r'"[^"\n]*(?:"|$)', re.MULTILINE),
    re.compile(r"“[^”\n]*(?:”|$)", re.MULTILINE),
    re.compile(r"«[^»\n]*(?:»|$)", re.MULTILINE),
    re.compile(r"„[^“”\n]*(?:[“”]|$)", re.MULTILINE),
    re.compile(r"(?<!\w)['‘](?=\S)[^\n]{1,300}?(?<=\S)['’](?!\w)"),
)
_SPEAKS = re.compile(r"\b(?:i|i['’]m|i['’]ve|my|we|our|me|is|am|are|lives?|works?)\b", re.IGNORECASE)

# Somewhere in the sentence: nobody asserts what it says.
_UNREAL = re.compile(
    r"\b(?:if|unless|whether|suppos(?:e|ing|ed|edly)|imagin(?:e|ing)|pretend(?:ing)?|assum(?:e|ing)|hypothetical(?:ly)?|"
    r"wish(?:es|ed|ing)?|as though|what about|hopefully|maybe|perhaps|possibly|probably|apparently|allegedly|"
    r"according to|"
    r"say|says|said|saying|tells?|told|telling|claims?|claimed|thinks?|thought|thinking|believes?|believed|guess(?:es|ed)?|"
    r"heard|hears?|asks?|asked|asking|wrote|writes|quotes?|quoted|dream(?:s|t|ed|ing)?|joke[ds]?|joking|kidding|"
    r"rumou?rs?|lyrics?|translate|"
    r"for (?:example|instance)|sake of argument|let['’]s|sentence|phrase|paraphrase|rewrite|role[- ]?play|act as|you are now|"
    r"in the (?:story|book|novel|film|movie|game|play|song|show|series|text|passage|poem|article)|"
    r"(?:story|novel|poem|character|protagonist|narrator|fiction(?:al)?)|once upon|"
    r"forget|ignore|disregard|delete|erase|overwrite)\b",
    re.IGNORECASE,
)
# What leads to a statement without making it less of one. It may hold words that would.
_INTRO = re.compile(
    r"\W*(?:(?:oh|so|and|well|hey|anyway|ok|okay|also|but|yes|no|right|sorry|haha)\b[\s,]*)*"
    r"(?:guess what|you(?:['’]ll)? never guess(?: what)?|(?:it )?turns out|as it turns out|long story short|"
    r"believe it or not|you know(?: what)?|you see|"
    r"(?:i|we)(?:['’]ve)? (?:just |also |only )*(?:forgot|wanted|meant|have|need|should|"
    r"must)(?: probably)?(?: to)? (?:tell you|mention|say|add|let you know|admit|confess)(?: you)?|"
    r"(?:just )?(?:so|to let) (?:that )?you(?:['’]re)? (?:know|aware)|just letting you know|(?:as|"
    r"like) i(?:['’]ve)? (?:said|told you|mentioned)(?: before| earlier)?|as you (?:may |might )?know|"
    r"i(?:['’]m| am) (?:happy|pleased|sad|sorry|glad|proud) to (?:say|report|tell you|announce)|"
    r"(?:(?:some|my|the|quick|small|big|good|bad|great|sad|exciting|other|latest|family|fun|random|little|life|"
    r"another|weird|more) )*"
    r"(?:news|update|fact|correction|confession|psa|heads[- ]up|reminder)(?: is| about me| for you)?(?= that|\s*[:,–—!-])|"
    r"in other news|on another note|speaking of which|for what it['’]s worth|fwiw|tbh|to be (?:honest|fair|clear|"
    r"precise)|as it happens|funnily enough|funny enough|"
    r"(?:the )?(?:thing|truth|fact) is|(?:no )?wait|scratch that|no[,.]? i meant?|"
    r"(?:what )?i meant(?: to say)?(?: was| is)?|my mistake|let me correct (?:that|myself)|i misspoke|"
    r"i think i (?:told you|mentioned)(?: before)?|one more thing|another thing|about me|a bit about me|"
    r"a little about me|on the bright side|in case you(?:['’]re| are| were) wondering)"
    r"(?![\w'’])[\s,:;!.–—-]*(?:but |and )?(?:that |is )?",
    re.IGNORECASE,
)
_SUBORDINATE = re.compile(
    r"^\W*(?:when(?:ever)?|until|till|before|after|while|once|as soon as|as long as|in case|even though|unlike|like)\b",
    re.IGNORECASE,
)
_MODAL = re.compile(
    r"\b(?:would|wouldn['’]t|could|might|(?-i:may)|should|shall|must|will|won['’]t|i['’](?:ll|d)|we['’](?:ll|d)|"
    r"(?<!stopped )(?<!like )(?<!love )(?<!enjoy )(?<!hate )(?<!likes )(?<!loves )(?<!enjoys )(?<!hates )going to|"
    r"gonna|want(?:s|ed)? to|hop(?:e|es|ed|ing) to|plan(?:s|ned|ning)?|about to|used to be|rather)\b",
    re.IGNORECASE,
)
_TAKEN_BACK = re.compile(
    r"\b(?:just kidding|only kidding|just joking|i was kidding|i['’]m kidding|jk|not really|not true|a lie|i lied|"
    r"april fools?|"
    r"(?<=[.!,;–—-] )(?:no,? wait|wait,? no|scratch that|strike that|i take (?:it|that) back|i misspoke)"
    r"(?![\s,:.!–—-]*(?:that )?(?:i|my|we|our|it)\b)|"  # what is said instead takes the place of what was
    r"(?<=[,;–—-] )(?:no,? )?i mean(?= (?!i\b|my\b|we\b|our\b|it\b|you\b)))\b|(?:^|[.!…] )yeah,? right\b|(?<=\s)/s\s*$",
    re.IGNORECASE | re.MULTILINE,
)
_AMENDED = re.compile(r"(?:[,–—]|\s-)\s*(?:no|sorry|wait|or rather|make that|oops|i mean)\b,?\s", re.IGNORECASE)
_QUESTION = re.compile(
    r"^\W*(?:who|whom|whose|what|where|when|why|which|how|do|does|did|am|are|is|was|were|have|has|had|can|could|should|"
    r"would|will|shall|may|might)\b(?!\s*,)",
    re.IGNORECASE,
)
_BETWEEN = re.compile(
    r"\s*[;–—]\s*|\s+-\s+|,\s*(?:(?:and|but|so|yet|plus|also|then|though)\s+)*"
    r"(?=(?:i|i['’]m|i['’]ve|my|we|we['’]re|our|it['’]s|it is)\b)"
    r"|\s+(?:and|but|because|so|plus)\s+(?:also\s+|then\s+|now\s+)?"
    r"(?=(?:i|i['’]m|i['’]ve|my|we|we['’]re|our|it['’]s|it is)\b)"
    r"|\s*,?\s+(?:and|but)\s+(?=(?-i:[A-Z])\w+ (?:is|has|lives|works|drives|plays|likes|loves|hates|speaks|moved|got|bought)\b)",
    re.IGNORECASE,
)
_CARRIED = re.compile(  # a predicate that shares the subject of the one before
    r",?\s+(?P<how>and|but|so)\s+(?:(?:also|then|now|still|just|recently|really|absolutely|currently|finally)\s+)*"
    r"(?=(?:lives?|works?|moved|drives?|rides?|plays?|likes?|loves?|hates?|has|have|had|am|is|are|was|bought|sold|"
    r"speaks?|study|studies|"
    r"prefers?|uses?|started|quit|got|don['’]t|doesn['’]t|can['’]t|no longer|switched|took|joined|adopted|enjoys?|"
    r"teach|teaches|runs?|"
    r"owns?|supports?|became|left|never|go|goes|do|does|drinks?|eats?|wears?|gave|graduated|grew|stopped|visited|"
    r"cancelled|subscribes?)\b)",
    re.IGNORECASE,
)
_GREETING = re.compile(
    r"(?:^|[.!?\n])\W*(?:hi|hello|hey)\b(?: there| all| everyone| again| everybody)?[\s,.!:–—-]*$", re.IGNORECASE
)
_LEAD = re.compile(
    r"\W*(?:(?:actually|oh|well|hi|hello|hey|yes|yeah|yep|no|nope|ok|okay|so|and|but|also|then|btw|by the way|fyi|correction|"
    r"update|sorry|right|sure|thanks|thank you|anyway|honestly|frankly|finally|recently|lately|just so you know|you should know|"
    r"for the record|in fact|of course|as of (?:now|today)|now|today|currently|these days|nowadays|at the moment|"
    r"(?:last|this) (?:week|month|year|summer|winter|spring|autumn|fall)|yesterday|since [\w ]{3,20}(?=,)|"
    r"(?:please |and )?(?:remember|note|keep in mind|don['’]t forget)(?: that)?)(?![\w'’])[,:!.]*\s+)*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Clause:
    """`text` is the asserted words with one kind of apostrophe; it began at character `start` of what was given to
    `clauses`, and is as long there."""

    text: str
    start: int
    carried: str = ""  # "and", "but" or "so" where the subject is that of the clause before
    greets: bool = False

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def clauses(text: str) -> Iterator[Clause]:
    """Clauses that assert something, in order, each with the words that lead to it taken off."""
    shown = _hidden(text)
    if _TAKEN_BACK.search(shown):
        return
    for start, end in sentences(shown):
        said = shown[start:end]
        if len(said) > LONGEST:
            continue
        said = _without_intros(said)
        if said.rstrip(" \t)\"'”").endswith(("?", "？")) or _UNREAL.search(_without_reminders(said)):
            continue
        if _SUBORDINATE.match(said) or _QUESTION.match(said):
            continue
        place = 0
        for cut in [*_BETWEEN.finditer(said), None]:
            stop = len(said) if cut is None else cut.start()
            for clause in _carrying(said[place:stop], start + place):
                greets = _GREETING.search(shown, max(0, clause.start - 30), clause.start) is not None
                yield replace(clause, greets=greets)
            place = stop if cut is None else cut.end()


def _without_intros(sentence: str) -> str:
    """Blanks in their place, so that characters keep theirs."""
    for _ in range(MOST_INTROS):
        intro = _INTRO.match(sentence, len(sentence) - len(sentence.lstrip()))
        if not intro:
            break
        sentence = " " * intro.end() + sentence[intro.end() :]
    return sentence


def _carrying(part: str, start: int) -> Iterator[Clause]:
    """The clause, and those that share its subject. What nobody asserts hides those that follow it."""
    place, how = 0, ""
    for cut in [*_CARRIED.finditer(part), None]:
        stop = len(part) if cut is None else cut.start()
        clause = _clause(part[place:stop], start + place)
        if clause is None:
            return
        yield replace(clause, carried=how)
        if cut is not None:
            place, how = cut.end(), cut["how"].lower()


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Where the sentences of a text are, with the signs that end them."""
    start = 0
    for sign in _END.finditer(text):
        if sign[0] == "." and _SHORT.search(text[max(start, sign.start() - 8) : sign.start()]):
            continue
        if text[start : sign.end()].strip():
            yield start, sign.end()
        start = sign.end()
    if text[start:].strip():
        yield start, len(text)


def _clause(part: str, start: int) -> Clause | None:
    lead = _LEAD.match(part)
    begin = lead.end() if lead else 0
    begin += len(part[begin:]) - len(part[begin:].lstrip(" \t,"))
    said = part[begin:].rstrip(" \t\n.!…。！,:")
    if not said or _MODAL.search(said) or _AMENDED.search(said):
        return None
    return Clause(said.replace("’", "'"), start + begin)


def _without_reminders(sentence: str) -> str:
    """ "Don't forget that …" is no order to forget."""
    return re.sub(r"(?i)\bdon['’]t forget\b", " ", sentence)


def _hidden(text: str) -> str:
    """The text with quotations, code and cited lines blotted out; a name in quotes stays."""
    for pattern in _QUOTES:
        text = pattern.sub(lambda match: _blotted(match[0]), text)
    return text


def _blotted(quoted: str) -> str:
    if len(quoted.split()) < 4 and not _SPEAKS.search(quoted) and "\n" not in quoted and "`" not in quoted:
        return quoted
    return re.sub(r"[^\n]", HIDDEN, quoted)
