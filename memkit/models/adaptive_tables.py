"""Fixed tables of the adaptive model: how a byte is spelled in choices, and what a context remembers of a choice.

A byte is spelled as the path to it in a binary tree, in which the bytes that English text has most of lie near the
root: 4 to 5 choices a letter instead of 8. What a context has seen of one choice is one of at most 256 states, a pair
of counts; when the other outcome comes, a large count is cut down, so that what came last counts most (after the
nonstationary states of PAQ, Mahoney 2005). These tables are the same in every process; they hold no text.
"""

from __future__ import annotations

import heapq
import math
from itertools import count

# How often a byte is expected: rough shares in per cent, of English letters as in any table of them. They decide about
# speed alone: whatever comes is learned, and a byte that is rare here takes more choices and no other harm.
_LETTERS = "e12 t9.1 a8.1 o7.7 i7.3 n6.9 s6.3 r6 h5.9 d4.3 l4 u2.9 c2.7 m2.6 f2.3 y2.1 w2.1 g2 p1.8 b1.5 v1.1 k.7 x.2 q.1 j.1 z.1"
_SIGNS = {
    " ": 20.0,
    "\n": 1.5,
    ",": 1.5,
    ".": 1.2,
    "'": 0.6,
    '"': 0.6,
    "-": 0.5,
    "\r": 0.3,
    "?": 0.2,
    "!": 0.2,
    ";": 0.1,
    ":": 0.1,
}
_CAPITAL = 0.04  # of its small letter's share
_DIGIT, _ASCII, _CONTINUED, _OTHER = 0.1, 0.01, 0.02, 0.002
_TYPOGRAPHY = {0xE2: 1.0, 0x80: 1.0, 0x99: 0.3, 0x9C: 0.3, 0x9D: 0.3, 0x98: 0.1, 0x94: 0.1}  # UTF-8 of ’ “ ” ‘ —

# The largest larger count for each smaller one: what was seen evenly needs no long memory.
_MOST = {0: 41, 1: 30, 2: 14, 3: 9, 4: 7, 5: 6}
_CUT = (0, 1, 2, 2, 3, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 7)  # what is left of a count when the other outcome comes
_HALF = 0.4  # added to both counts before their ratio is taken


def shares() -> list[float]:
    """How often each byte is expected, relative to the others; above 0 for all 256."""
    share = [_ASCII] * 128 + [_CONTINUED] * 64 + [_OTHER] * 64
    for digit in b"0123456789":
        share[digit] = _DIGIT
    for control in range(32):
        share[control] = _OTHER
    for entry in _LETTERS.split():
        letter, value = entry[0], float(entry[1:])
        share[ord(letter)] = value
        share[ord(letter.upper())] = value * _CAPITAL
    for sign, value in _SIGNS.items():
        share[ord(sign)] = value
    for byte, value in _TYPOGRAPHY.items():
        share[byte] = value
    return share


def spellings() -> tuple[tuple[tuple[int, int], ...], ...]:
    """For each byte its choices from the root on, as (number of the choice below 255, outcome 0 or 1): a Huffman
    code."""
    numbers = count(256)
    heap: list[tuple[float, int, tuple[int, ...]]] = [(share, byte, (byte,)) for byte, share in enumerate(shares())]
    heapq.heapify(heap)
    spelled: list[list[tuple[int, int]]] = [[] for _ in range(256)]
    while len(heap) > 1:
        few, _, left = heapq.heappop(heap)
        more, _, right = heapq.heappop(heap)
        number = next(numbers)
        for outcome, side in enumerate((left, right)):
            for byte in side:
                spelled[byte].append((number - 256, outcome))
        heapq.heappush(heap, (few + more, number, left + right))
    return tuple(tuple(reversed(path)) for path in spelled)


def states() -> tuple[bytes, bytes, tuple[float, ...]]:
    """The state that follows each state on outcome 0, on outcome 1, and the log odds of outcome 1 that its counts say.
    State 0 has seen nothing."""
    pairs = [(0, 0)]
    for low, most in _MOST.items():
        for high in range(max(1, low), most + 1):
            pairs += [(low, high)] if low == high else [(low, high), (high, low)]
    number = {pair: n for n, pair in enumerate(pairs)}

    def after(seen: int, other: int) -> tuple[int, int]:
        """The counts after the first of the two was seen again, cut to a pair that is a state."""
        seen, other = seen + 1, _CUT[min(other, len(_CUT) - 1)]
        while (seen, other) not in number:
            if seen > other:
                seen -= 1
            else:
                other -= 1
        return seen, other

    after0 = bytes(number[after(zeros, ones)] for zeros, ones in pairs)
    after1 = bytes(number[after(ones, zeros)[::-1]] for zeros, ones in pairs)
    return after0, after1, tuple(math.log((ones + _HALF) / (zeros + _HALF)) for zeros, ones in pairs)
