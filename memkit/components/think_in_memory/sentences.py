"""A relation triple as a sentence: what a thought is shown and embedded as when nobody worded it."""

from __future__ import annotations

_VERBS = ("is ", "was ", "has ", "wants ", "needs ", "can ")
_WORDED = frozenset(
    """is has likes dislikes prefers speaks plays studies drives rides uses does eats drinks avoids supports wears takes
    teaches runs visited works collects""".split()
)


def sentence(head: str, relation: str, tail: str, *, ends: bool = False) -> str:
    """Such as "Ana lives in Lisbon." and "The user's phone is 555 1234."; of an ending, "No longer: …"."""
    whole = f"{_affirmed(_subject(head), relation, tail)}."
    return f"No longer: {whole}" if ends else whole


def _subject(head: str) -> str:
    if head in ("user", "assistant") or head.startswith(("user's ", "assistant's ")):
        return f"The {head}"
    return head[:1].upper() + head[1:]


def _affirmed(subject: str, relation: str, tail: str) -> str:
    if relation == "age":
        return f"{subject} is {tail} years old" if tail.isdecimal() else f"{subject}'s age is {tail}"
    if relation == "was born":
        return f"{subject} was born {tail}"
    verb = (
        relation in _WORDED
        or relation.startswith(_VERBS)
        or relation.endswith((" in", " at", " as", " to", " by", " from", " near"))
    )
    return f"{subject} {relation} {tail}" if verb else f"{subject}'s {relation} is {tail}"
