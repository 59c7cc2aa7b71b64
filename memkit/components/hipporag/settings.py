"""The numbers of recall over the graph, each with its source.

HippoRAG 1 is Gutiérrez et al., NeurIPS 2024 (arXiv 2405.14831), HippoRAG 2 Gutiérrez et al., ICML 2025 (arXiv 2502.14802), each
with its official code. "Ours" was chosen without a chat model on three settings at once; the table in
docs/components/hipporag.md shows how flat the optimum is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from memkit.values import Weave
from memkit_kernels.ppr import MAX_DAMPING

Seeds = Literal["names", "facts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a question is linked to the graph, where the walk begins, and what is made of it. Defaults are ours;
    `Settings.published(version)` has what the papers' code does. ValueError for a number that cannot be meant.

    Extraction. `entities`: a passage is linked to listed names that are in none of its facts, too (the papers: no).
    `embed_rules`: facts read by rules get vectors (ours: no, names and passages find as much without). With facts as
    seeds they need them.

    Linking. `longest`: word groups of up to so many words are looked up as names, where they overlap a name that was
    found in the question; 0: only these (the papers). `alike`: the cosine that the nearest name must have to stand
    for one that the graph does not have (the papers: any). `facts`: how many facts the question is linked to
    (HippoRAG 2: linking_top_k 5; HippoRAG 1: none).

    Seeds. `seeds`: "names": those of the question, with a share `told` of their mass for the ends of the facts that
    were kept; "facts": HippoRAG 2's weights, the facts' ends alone, of which the `ends` heaviest count (linking_top_k
    5). HippoRAG 1 knows names alone. `specificity`: a name in many passages gets less, 1/|P| (both papers).
    `passages`: what the passages get: with "names" a share of all mass, with "facts" a factor to their min-max
    closeness (HippoRAG 2: 0.05). `sharpness`: the exponent of closeness there (HippoRAG 2: 1).

    Ranking. `damping`: the probability of going on (0.5 in both papers' experiments). `own`: the exponent of a
    passage's closeness, with the mean of all added to it, by which the walk's result is multiplied (the papers: 0).
    `words`: closeness is half words, half meaning (the papers: meaning alone). `ensemble`: when the least certain
    link is at most this cosine, the mean of the walk and of closeness counts, each min-max (HippoRAG 1's option
    doc_ensemble, 0.9); None: never. `company`: so many of the best passages are judged again, each with the one among
    them that it goes with best (see `company.py`; 0: none, as in the papers). `replace`: see `Weave`.
    """

    version: Literal[1, 2] = 2
    entities: bool = True
    embed_rules: bool = False
    longest: int = 12
    alike: float = 0.5
    facts: int = 5
    seeds: Seeds = "names"
    told: float = 0.1
    ends: int = 5
    specificity: bool = True
    passages: float = 0.05
    sharpness: float = 2.0
    damping: float = 0.5
    own: float = 0.5
    words: bool = True
    ensemble: float | None = None
    company: int = 20
    replace: bool = False

    def __post_init__(self) -> None:
        if self.version not in (1, 2):
            raise ValueError(f"version is {self.version!r}; it can be 1 or 2")
        if self.seeds not in get_args(Seeds):
            raise ValueError(f"seeds is {self.seeds!r}; it can be {' or '.join(map(repr, get_args(Seeds)))}")
        for name, least in (("longest", 0), ("facts", 0), ("ends", 1), ("company", 0)):
            if not isinstance(getattr(self, name), int):
                raise ValueError(f"{name} must be a whole number, not {getattr(self, name)!r}")
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)}")
        if not 0 <= self.told < 1:
            raise ValueError(f"told must be at least 0 and below 1, not {self.told}")
        if not 0 <= self.damping <= MAX_DAMPING:
            raise ValueError(f"damping must be from 0 to {MAX_DAMPING}, not {self.damping}")
        for name in ("passages", "sharpness", "own"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be at least 0 and finite, not {getattr(self, name)}")
        for name in ("alike", "ensemble"):
            if getattr(self, name) is not None and not -1 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a cosine, from -1 to 1, not {getattr(self, name)}")
        if self.seeds == "names" and self.passages >= 1:
            raise ValueError(f"with names as seeds passages is a share, below 1, not {self.passages}")

    @classmethod
    def published(cls, version: Literal[1, 2] = 2) -> Settings:
        """What the official code of this version does."""
        return cls(
            version=version,
            entities=False,
            embed_rules=version == 2,
            longest=0,
            alike=-1.0,
            facts=5 if version == 2 else 0,
            seeds="facts" if version == 2 else "names",
            told=0.0,
            passages=0.05 if version == 2 else 0.0,
            sharpness=1.0,
            own=0.0,
            words=False,
            company=0,
            replace=True,
        )

    @property
    def weave(self) -> Weave:
        """How the graph is woven: HippoRAG 1 has no passages in it."""
        return Weave(context=1.0 if self.version == 2 else None, replace=self.replace)
