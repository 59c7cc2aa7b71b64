"""A model of bytes that knows nothing at first and learns from what it reads: contexts mixed by logistic regression.

A byte is spelled as a few choices (`adaptive_tables`). For each choice, seven contexts are looked up: the last 1, 2,
3, 4 and 6 bytes, the word so far, and the word so far with the word before. Each remembers in one byte what it has
seen of this choice. The log odds of the choice are the sum of what these seven states are worth, which is itself
learned, by the gradient of −log2 p, and apart for each length of the longest context that has seen the choice before.
This is the context mixing of PAQ and lpaq (Mahoney 2005, 2007) with its state maps and its mixer in one table.

Every choice has two outcomes whose probabilities add up to 1, so those of all 256 bytes do, whatever was read.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log2

from memkit.models.adaptive_tables import spellings, states

CONTEXTS = 7
LENGTHS = 6  # 0 to 5: how many of the five contexts of bytes have seen a choice before, from the shortest on
RATE = 0.02  # of learning what a state is worth; 0.01 to 0.04 differ by 0.02 bits a character
FIRST = 0.3  # of its own log odds is what a state is worth at first: seven contexts say much the same
FURTHEST = 11.0  # log odds: no outcome is less likely than 1 in 60,000
_SPREAD = 0x2545F491  # odd: from the number of a choice to a slot
_AFTER0, _AFTER1, _ODDS = states()
_PATHS = tuple(tuple((choice * _SPREAD, outcome) for choice, outcome in path) for path in spellings())
_PER_NAT = 1 / 0.6931471805599453  # bits

_LETTER = bytes(byte > 127 or chr(byte).isalpha() for byte in range(256))


class ByteModel:
    """A reading of bytes. `slots`, a power of two, is how many states are kept, of one byte each.

    What was seen is never thrown away: the more has been read, the more contexts share slots, and the vaguer the model
    gets. It never gets larger.
    """

    __slots__ = ("_history", "_mask", "_previous", "_states", "_word", "_worth")

    def __init__(self, slots: int) -> None:
        self._mask = slots - 1
        self._states = bytearray(slots)
        worth = [odds * FIRST for odds in _ODDS]
        self._worth = [[list(worth) for _ in range(CONTEXTS)] for _ in range(LENGTHS)]
        self._history = self._word = self._previous = 0

    @property
    def slots(self) -> int:
        """How many states there is room for."""
        return len(self._states)

    def fork(self) -> ByteModel:
        """The same model at the same place, which goes on by itself. Copies the slots: about 1 ms for 4 MB."""
        other = ByteModel.__new__(ByteModel)
        other._mask, other._states = self._mask, self._states[:]
        other._worth = [[list(row) for row in rows] for rows in self._worth]
        other._history, other._word, other._previous = self._history, self._word, self._previous
        return other

    def read(self, pieces: Sequence[bytes]) -> tuple[list[float], list[float]]:
        """Read the pieces one after another. For each: −log2 of its probability, and its entropy, the sum of those of
        the choices on its way."""
        surprise: list[float] = []
        entropy: list[float] = []
        for piece in pieces:
            bits = expected = 0.0
            for byte in piece:
                one, other = self._byte(byte)
                bits += one
                expected += other
            surprise.append(bits)
            entropy.append(expected)
        return surprise, entropy

    def _byte(self, byte: int) -> tuple[float, float]:
        """−log2 of the byte's probability and the entropy of its choices. Then it has been read."""
        states, mask, worth = self._states, self._mask, self._worth
        c1, c2, c3, c4, c5, c6, c7 = self._contexts()
        bits = expected = 0.0
        for choice, outcome in _PATHS[byte]:
            i1, i2, i3, i4 = (c1 + choice) & mask, (c2 + choice) & mask, (c3 + choice) & mask, (c4 + choice) & mask
            i5, i6, i7 = (c5 + choice) & mask, (c6 + choice) & mask, (c7 + choice) & mask
            s1, s2, s3, s4, s5, s6, s7 = (
                states[i1], states[i2], states[i3], states[i4], states[i5], states[i6], states[i7],
            )  # fmt: skip
            w1, w2, w3, w4, w5, w6, w7 = worth[5 if s5 else 4 if s4 else 3 if s3 else 2 if s2 else 1 if s1 else 0]
            odds = w1[s1] + w2[s2] + w3[s3] + w4[s4] + w5[s5] + w6[s6] + w7[s7]
            if not outcome:
                odds = -odds
            if not -FURTHEST < odds < FURTHEST:
                odds = FURTHEST if odds > 0 else -FURTHEST
            missed = 1 / (1 + exp(odds))  # the probability of the other outcome
            told = -log2(1 - missed)
            bits += told
            expected += told + missed * odds * _PER_NAT  # the other outcome has odds / ln 2 bits more
            if outcome:
                step, after = RATE * missed, _AFTER1
            else:
                step, after = -RATE * missed, _AFTER0
            states[i1], states[i2], states[i3], states[i4] = after[s1], after[s2], after[s3], after[s4]
            states[i5], states[i6], states[i7] = after[s5], after[s6], after[s7]
            w1[s1] += step
            w2[s2] += step
            w3[s3] += step
            w4[s4] += step
            w5[s5] += step
            w6[s6] += step
            w7[s7] += step
        self._passed(byte)
        return bits, expected

    def _contexts(self) -> tuple[int, int, int, int, int, int, int]:
        """A hash of each context, to which the choice is added."""
        history, word = self._history, self._word
        c1 = (history & 0xFF) * 0x9E3779B1 + 0x1234567
        c2 = (history & 0xFFFF) * 0x85EBCA6B + 0x2345671
        c3 = (history & 0xFFFFFF) * 0xC2B2AE35 + 0x3456712
        c4 = (history & 0xFFFFFFFF) * 0x27D4EB2F165667C5 + 0x456
        c5 = history * 0x9E3779B97F4A7C15 + 0x567
        c6 = word * 0xD6E8FEB86659FD93 + 0x678
        c7 = (word * 31 + self._previous) * 0xA0761D6478BD642F + 0x789
        return c1 ^ c1 >> 29, c2 ^ c2 >> 29, c3 ^ c3 >> 29, c4 ^ c4 >> 31, c5 ^ c5 >> 33, c6 ^ c6 >> 33, c7 ^ c7 >> 33

    def _passed(self, byte: int) -> None:
        """Move on by one byte. A word is letters, whatever their case, and all of UTF-8 beyond ASCII."""
        self._history = (self._history << 8 | byte) & 0xFFFFFFFFFFFF
        if _LETTER[byte]:
            self._word = (self._word * 0x2F0B4C47 + (byte | 32) + 1) & 0xFFFFFFFFFFFF
        elif self._word:
            self._previous, self._word = self._word, 0
