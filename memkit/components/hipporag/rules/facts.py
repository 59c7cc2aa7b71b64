"""What a sentence says about its names: facts whose relation is the words between them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from memkit.components.hipporag.openie import Triple
from memkit.components.hipporag.rules.manner import Mention
from memkit.components.hipporag.rules.tokens import Token
from memkit.components.hipporag.rules.words import KINDS

_EDGES = " \t\n,;:，。、：；.()[]{}–—-\"'“”«»„`*/&|#_=~<>\\"
_MARKUP = re.compile(r"\*\*|__|`")
_LIST = re.compile(
    r"(?:,|and|or|&|und|et|y|e|и|και|、|和|與|与|;|/|as well as|,\s*and|,\s*or)?",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"^(?:and|but|or|who|which|that|he|she|it|they|his|her|its|their|i|we|also|then|later|where|when|the|a|an)\s+",
    re.IGNORECASE,
)
_TAIL = re.compile(r"\s+(?:the|a|an|his|her|its|their)$", re.IGNORECASE)
_PLACES = ("in", "at", "near", "on", "to", "by")
_WORDS = 8  # of a relation; longer ones keep their end, where the verb or preposition is
MENTIONS = "mentions"
WITH = "with"


class Teller:
    """Gathers the facts of one passage, each once. One for each passage, and then done with."""

    def __init__(self, text: str, topic: str) -> None:
        self._text, self._topic, self._subject = text, topic, topic
        self._linked: set[str] = set()
        self.facts: dict[Triple, None] = {}

    def add(self, subject: str, relation: str, object_: str) -> None:
        """Keep the fact, unless it is about nothing or says of a name that it is itself."""
        if subject and object_ and subject != object_:
            self.facts.setdefault((subject, relation or WITH, object_))

    def sentence(self, tokens: Sequence[Token], found: Sequence[Mention], *, about: str | None = None) -> None:
        """The facts of a sentence. `about`: the subject that its first words stand for ("the film", the speaker)."""
        if not found:
            return
        opening = found[0]
        subject = about or self._topic or self._subject
        if about is None and opening.kind in ("name", "quote") and opening.first <= 1:
            subject = opening.name
        elif not subject:
            subject = next((m.name for m in found if m.kind in ("name", "quote")), "")
        self._subject = subject
        previous: Mention | None = None
        relation, owner = "", subject
        for mention in found:
            start = previous.last if previous else self._opening(tokens, about)
            between = self._between(tokens, start, mention.first)
            # one more of a list: what is said of the one before is said of this
            if previous is None or not _LIST.fullmatch(between.strip()):
                said = trimmed(between)
                if (
                    previous is not None
                    and previous.kind == "date"
                    and said in _PLACES
                    and relation not in ("in", "on")
                ):
                    said = f"{_verb(relation)} {said}".strip()
                elif mention.kind == "date" and said in ("is", "was", "is a", "was a", ""):
                    said = "in"
                relation = said
                owner = self._owner(tokens, previous, mention, subject, owner)
            self._tell(subject, owner, relation, mention)
            previous = mention

    def _opening(self, tokens: Sequence[Token], about: str | None) -> int:
        """How many tokens stand for the subject: two in "The film was"."""
        return (
            2
            if about and len(tokens) > 1 and tokens[1].text in KINDS and tokens[0].text.lower() in ("the", "this")
            else 0
        )

    def _tell(self, subject: str, owner: str, relation: str, mention: Mention) -> None:
        self.add(owner, relation, mention.name)
        if self._topic and mention.name != self._topic:
            if self._topic != owner and mention.name not in self._linked and mention.kind in ("name", "quote"):
                self.add(self._topic, relation or MENTIONS, mention.name)
            self._linked.add(mention.name)

    def _owner(
        self, tokens: Sequence[Token], previous: Mention | None, mention: Mention, subject: str, owner: str
    ) -> str:
        """Whom the words before `mention` are said of: the name before a bracket or a close "of", or the sentence's subject."""
        if previous is None:
            return subject
        between = tokens[previous.last : mention.first]
        marks = [t.text for t in between if t.kind == "mark"]
        words = [t for t in between if t.kind != "mark"]
        named = previous.kind in ("name", "quote")
        if "(" in marks and ")" not in marks:
            return previous.name if named else owner
        if ")" in marks:
            return subject
        if previous.kind == "date" and owner != subject and not words[2:]:
            return owner
        if (
            named
            and 0 < len(words) <= 4
            and words[-1].text in ("of", "in", "near", "from", "to", "de", "à", "von", "van", "di")
        ):
            return previous.name
        return subject

    def _between(self, tokens: Sequence[Token], first: int, last: int) -> str:
        return self._text[tokens[first].start : tokens[last - 1].end] if last > first else ""


def _verb(relation: str) -> str:
    """The end of a relation, "was founded" of "was founded in", for what is said of the same behind a date."""
    words = relation.split()[-3:]
    return " ".join(words[:-1] if words and words[-1] in _PLACES else words)


def trimmed(between: str) -> str:
    """The words between two names as a relation: without punctuation, articles and pronouns at its ends."""
    said = _MARKUP.sub("", " ".join(between[-400:].split())).strip(_EDGES)
    for cut in ("(", ")"):
        said = said.rpartition(cut)[2].strip(_EDGES)
    words = said.split()
    if len(words) > _WORDS:
        said = " ".join(words[-_WORDS:])
    if said.lower() in ("the", "a", "an", "his", "her", "its", "their"):
        return ""
    return _TAIL.sub("", _LEAD.sub("", _LEAD.sub("", said))).strip(_EDGES)
