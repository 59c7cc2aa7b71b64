"""Which texts say what an earlier one said already, in the same words or nearly."""

from __future__ import annotations

import math
import re
import zlib
from array import array
from typing import Generic, TypeVar

from memkit.hygiene import fingerprint

T = TypeVar("T")

LEAST_EXACT, LEAST_NEAR = 5, 10  # words: "yes, thank you" comes twice in any talk
SHINGLE = 3  # words in a row
ALIKE = 0.8  # shared shingles of all that both have (Jaccard), from which on texts are nearly the same
_BUCKET = 20  # earlier texts with one shingle that are compared: a phrase that is everywhere tells nothing

_WORD = re.compile(r"\w+")


class Likeness(Generic[T]):
    """Finds for each text the first one that it repeats. Only texts that repeat nothing are kept, as numbers.

    Near repetitions are found by prefix filtering: of two sets of which `ALIKE` is shared, the smallest few members of each
    must have one in common, whatever the order, so only those are looked up (Chaudhuri, Ganti, Kaushik, ICDE 2006).
    """

    def __init__(self) -> None:
        self._exact: dict[str, T] = {}
        self._kept: list[tuple[array[int], T]] = []
        self._index: dict[int, list[int]] = {}

    def earlier(self, text: str, name: T) -> tuple[T, float] | None:
        """The name of the earlier text that this one repeats, with how alike they are (1: the same words); None, and the
        text is kept under its name, if there is none."""
        words = _WORD.findall(text.casefold())
        if len(words) < LEAST_EXACT:
            return None
        known = self._exact.setdefault(fingerprint(text), name)
        if known is not name:
            return known, 1.0
        if len(words) < LEAST_NEAR:
            return None
        shingles = sorted(
            {
                zlib.crc32(" ".join(words[at : at + SHINGLE]).encode("utf-8", "surrogatepass"))
                for at in range(len(words) - SHINGLE + 1)
            }
        )
        prefix = shingles[: len(shingles) - math.ceil(ALIKE * len(shingles)) + 1]
        best = self._best(shingles, prefix)
        if best is not None:
            return best
        for shingle in prefix:
            bucket = self._index.setdefault(shingle, [])
            if len(bucket) < _BUCKET:
                bucket.append(len(self._kept))
        self._kept.append((array("L", shingles), name))
        return None

    def _best(self, shingles: list[int], prefix: list[int]) -> tuple[T, float] | None:
        own = set(shingles)
        best: tuple[T, float] | None = None
        for candidate in sorted({number for shingle in prefix for number in self._index.get(shingle, ())}):
            others, name = self._kept[candidate]
            if min(len(own), len(others)) < ALIKE * max(len(own), len(others)):
                continue
            shared = len(own.intersection(others))
            alike = shared / (len(own) + len(others) - shared)
            if alike >= ALIKE and (best is None or alike > best[1]):
                best = (name, alike)
        return best
