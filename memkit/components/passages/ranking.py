"""What lies between the scores and the hits: who is named, what was ranked and why."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from memkit.ports import Postings

# names that are words as well: they count as names only as they are written, and not where a sentence begins
_WORDS_TOO = frozenset(
    "art bill chase dawn dean drew faith frank grace grant hope i it joy mark me miles pat rich rob rose sue us will you".split()
)
_MONTHS = frozenset(("april", "august", "june", "may"))  # these only with an apostrophe: "in May" is nobody


@dataclass(frozen=True, slots=True)
class Names:
    """The authors of a namespace, as a question may name them. Codes are positions in the given order."""

    patterns: tuple[tuple[int, re.Pattern[str]], ...]

    @staticmethod
    @lru_cache(maxsize=256)
    def of(authors: tuple[str, ...]) -> Names:
        """Longer names first: "Ana Maria" is not "Ana"."""
        ordered = sorted(enumerate(authors), key=lambda pair: -len(pair[1]))
        return Names(tuple((code, _pattern(name)) for code, name in ordered))

    def named_in(self, text: str) -> list[int]:
        """The codes of the authors that the text names."""
        return [code for code, pattern in self.patterns if pattern.search(text)]

    def in_first_person(self, text: str) -> str:
        """The question as its answer would put it: "Ana's dog" was said as "my dog", "Ana likes" as "I like".

        Only vectors are made from this. In a conversation hardly anybody says their own name
        (benchmarks/results/ablation.json has what it is worth on LoCoMo).
        """
        for _, pattern in self.patterns:
            text = pattern.sub(lambda match: "my" if match.group(1) else "I", text)
        return text


@lru_cache(maxsize=16_384)
def _pattern(name: str) -> re.Pattern[str]:
    """Matches the name, and as its only group the "'s" behind it."""
    plain = rf"(?<!\w)(?:the\s+)?{re.escape(name)}"
    word = name.casefold()
    if word in _MONTHS:
        return re.compile(rf"{plain}(['’]s)(?!\w)")
    if word in _WORDS_TOO:
        return re.compile(rf"(?<=[\w,;:] ){plain}(['’]s)?(?!\w)")
    return re.compile(rf"{plain}(['’]s)?(?!\w)", re.IGNORECASE)


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
        words = self.words[at].tolist()
        words_rank = _ranks(self.words, at) if self.postings.terms else []
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
