"""Names where there are no capitals: Chinese, Japanese, Korean, Thai, Arabic, Hebrew, Hindi and the like.

Nothing tells a name from a noun there, so the words between the particles are taken, as long as few passages would share them for
nothing: that is enough for passages to be connected by what they are about.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from memkit.components.hipporag.rules.tokens import Token
from memkit.components.hipporag.rules.words import BARE, ENDINGS

KINDS = ("han", "katakana", "asian", "bare")
_LONGEST = 12  # characters of a name between particles; what is longer is a clause
_ENDINGS = re.compile(f"(?<=[\uac00-\ud7a3]{{2}})(?:{'|'.join(ENDINGS)})$")


def named(sentence: Sequence[Token], at: int, repeated: frozenset[str]) -> tuple[str, int]:
    """The name that begins at token `at` and the token after it; ("", at + 1) if none does.

    `repeated`: words and pieces of four, three and two characters that the passage has more than once.
    """
    token = sentence[at]
    if token.kind == "bare":
        word = _ENDINGS.sub("", token.text)
        hangul = "\uac00" <= word[0] <= "\ud7a3"
        telling = word not in BARE and len(word) >= (2 if hangul or word in repeated else 3)
        return (word if telling else ""), at + 1
    end = at + 1
    while end < len(sentence) and sentence[end].gap == 0 and sentence[end].kind in ("han", "katakana"):
        if token.kind == "asian" or sentence[end - 1].end != sentence[end].start:
            break
        end += 1
    name = "".join(t.text for t in sentence[at:end])
    if len(name) <= (_LONGEST * 2 if token.kind == "asian" else _LONGEST):
        return (name if len(name) >= (3 if token.kind == "asian" else 2) else ""), end
    return next(
        (name[i : i + n] for n in (4, 3, 2) for i in range(min(len(name), 200)) if name[i : i + n] in repeated), ""
    ), end


def repeats(sentences: Sequence[Sequence[Token]]) -> frozenset[str]:
    """What a passage in such a script says more than once: words, and pieces of words that are written without blanks."""
    seen: set[str] = set()
    again: set[str] = set()
    for sentence in sentences:
        for token in sentence:
            if token.kind == "bare":
                (again if token.text in seen else seen).add(token.text)
            elif token.kind in ("han", "asian"):
                for size in (2, 3, 4):
                    for start in range(len(token.text) - size + 1):
                        piece = token.text[start : start + size]
                        (again if piece in seen else seen).add(piece)
    return frozenset(again)
