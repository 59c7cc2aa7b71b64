"""What lies between the scores and the hits: who is named, what was ranked and why, and which rows repeat others."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from memkit.values import Record

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from memkit.ports import Postings

LIKE_LENGTH = 0.75  # texts of lengths further apart are not compared
ALIKE = 0.9  # share of words in common from which two texts of one author count as the same


@dataclass(frozen=True, slots=True)
class Names:
    """The authors of a namespace, as a question may name them. Codes are positions in the given order."""

    patterns: tuple[tuple[int, re.Pattern[str]], ...]

    @staticmethod
    @lru_cache(maxsize=1024)
    def of(authors: tuple[str, ...]) -> Names:
        """Longer names first: "Ana Maria" is not "Ana"."""
        ordered = sorted(enumerate(authors), key=lambda pair: -len(pair[1]))
        return Names(
            tuple(
                (code, re.compile(rf"(?<!\w)(?:the\s+)?{re.escape(name)}(['’]s)?(?!\w)", re.IGNORECASE))
                for code, name in ordered
            )
        )

    def named_in(self, text: str) -> list[int]:
        """The codes of the authors that the text names."""
        return [code for code, pattern in self.patterns if pattern.search(text)]

    def in_first_person(self, text: str) -> str:
        """The question as its answer would put it: "Ana's dog" was said as "my dog", "Ana likes" as "I like".

        Only vectors are made from this. On LoCoMo it lifts MiniLM's recall@10 alone from .30 to .64: in a
        conversation hardly anybody says their own name.
        """
        for _, pattern in self.patterns:
            text = pattern.sub(lambda match: "my" if match.group(1) else "I", text)
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """Rows that could be hits, best first. All arrays but `mask`, which is over the shelf, are in that order."""

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]
    words: NDArray[np.float32]
    meaning: NDArray[np.float32] | None
    named: NDArray[np.bool_] | None
    mask: NDArray[np.bool_] | None
    postings: Postings

    def why(self, places: Sequence[int], repeats: Sequence[int]) -> list[Mapping[str, float | str]]:
        """Where the scores of the rows at these places come from."""
        if not places:
            return []
        at = np.array(places)
        rows = self.rows[at]
        words, words_rank = self.words[at].tolist(), _ranks(self.words, at)
        terms = self._terms(rows)
        if self.meaning is not None:
            meaning, meaning_rank = self.meaning[at].tolist(), _ranks(self.meaning, at)
        if self.named is not None:
            named = self.named[at].tolist()
        every: list[Mapping[str, float | str]] = []
        for n in range(len(places)):
            told: dict[str, float | str] = {}
            if words[n] > 0:
                told["words"] = round(words[n], 4)
                told["words rank"] = words_rank[n]
                told["terms"] = ", ".join(terms[n]) or "only said nearby"
            if self.meaning is not None:
                told["meaning"] = round(meaning[n], 4)
                told["meaning rank"] = meaning_rank[n]
            if self.named is not None:
                told["author"] = "named in the question" if named[n] else "another than the question names"
            if repeats[n]:
                told["repeats folded"] = repeats[n]
            every.append(told)
        return every

    def _terms(self, rows: NDArray[np.int64]) -> list[list[str]]:
        """The question's terms that each row itself holds."""
        found: list[list[str]] = [[] for _ in rows]
        for term, holding in zip(self.postings.terms, self.postings.rows, strict=True):
            if len(holding):
                at = np.searchsorted(holding, rows)
                at[at == len(holding)] = 0
                for n in np.flatnonzero(holding[at] == rows).tolist():
                    found[n].append(term)
        return found


def _ranks(values: NDArray[np.float32], at: NDArray[np.int64]) -> list[int]:
    above = np.count_nonzero(values > values[at, None], axis=1)
    return [1 + int(count) for count in above]


@dataclass(slots=True)
class Chosen:
    """A row that becomes a hit, and how many lower ones repeated it."""

    place: int
    record: Record
    repeats: int = 0


def fold(chosen: list[Chosen], place: int, record: Record, k: int) -> None:
    """Add a row to the chosen ones, or count it with the one that it repeats. At most k are chosen."""
    for one in chosen:
        if one.record.author == record.author and _alike(one.record.text, record.text):
            one.repeats += 1
            return
    if len(chosen) < k:
        chosen.append(Chosen(place, record))


def _alike(one: str, other: str) -> bool:
    if one == other:
        return True
    if not LIKE_LENGTH * len(one) <= len(other) <= len(one) / LIKE_LENGTH:
        return False
    first, second = (frozenset(re.findall(r"\w+", text.casefold())) for text in (one, other))
    return len(first & second) >= ALIKE * len(first | second) > 0
