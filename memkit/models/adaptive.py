"""A token model without weights: it learns from the stream that it reads. The default where a memory has no other.

A token is a word, a number, a sign of a script without spaces, or any other sign, with the blanks before it; blanks
at the end of a text are a token by themselves. Tokens touch, and together are the whole text. A token's bits are
those of its UTF-8 bytes, so that their sum is what an ideal coder would need for the text. `adaptive_bytes` has the
model.
"""

from __future__ import annotations

import re

import numpy as np

from memkit.models.adaptive_bytes import ByteModel
from memkit.values import Surprisal

SLOTS = 1 << 22
LEAST_SLOTS, MOST_SLOTS = 1 << 12, 1 << 30

_WIDE = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ua4cf\uf900-\ufaff\U00020000-\U0003ffff"  # written without spaces
)
_TOKEN = re.compile(rf"\s*+(?:[^\W_{_WIDE}]++|\S)|\s++")


class AdaptiveScorer:
    """A `memkit.ports.TokenScorer` that has read nothing: every reading starts from zero and learns as it goes.

    `slots`, a power of two, bounds the memory of one reading in bytes. A novel of 144,000 characters uses a fifth of the
    default; the more has been read, the more often contexts share a slot, and the vaguer the model gets. The same texts read
    in the same order have the same bits; how they are divided into calls of `read` makes no difference but to where
    tokens end.

    The entropy of a token is the sum of the entropies of the choices that its bytes are spelled with, on the way that
    was taken. Its mean over all that could have come is the entropy of what could have come (the chain rule).
    """

    def __init__(self, *, slots: int = SLOTS) -> None:
        if not LEAST_SLOTS <= slots <= MOST_SLOTS or slots & (slots - 1):
            raise ValueError(f"slots is {slots}; give a power of two from {LEAST_SLOTS} to {MOST_SLOTS}")
        self._slots = slots

    @property
    def name(self) -> str:
        """See `memkit.ports.TokenScorer.name`."""
        return f"adaptive-1 {self._slots}"

    def start(self) -> AdaptiveReading:
        """See `memkit.ports.TokenScorer.start`."""
        return AdaptiveReading(ByteModel(self._slots))


class AdaptiveReading:
    """See `memkit.ports.Reading`."""

    __slots__ = ("_model",)

    def __init__(self, model: ByteModel) -> None:
        self._model = model

    def read(self, text: str, /) -> Surprisal:
        """See `memkit.ports.Reading.read`. Any str will do, also with lone surrogates; an empty one has no tokens."""
        tokens = _TOKEN.findall(text)
        bits, entropy = self._model.read([token.encode("utf-8", "surrogatepass") for token in tokens])
        end = np.cumsum(np.fromiter(map(len, tokens), np.int32, len(tokens)), dtype=np.int32)
        start = np.concatenate((np.zeros(min(1, len(tokens)), np.int32), end[:-1]))
        return Surprisal(start, end, np.array(bits, np.float32), np.array(entropy, np.float32))

    def fork(self) -> AdaptiveReading:
        """See `memkit.ports.Reading.fork`. Copies the slots: about 1 ms for 4 MB."""
        return AdaptiveReading(self._model.fork())
