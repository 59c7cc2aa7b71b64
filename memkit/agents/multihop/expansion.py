"""Several steps without a model: the names in the passages found, and what these leave open of the question."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from memkit.agents.multihop.names import left_open, names_in, words
from memkit.agents.multihop.search import Search
from memkit.agents.multihop.values import Ended
from memkit.scope import check_count
from memkit.values import Hit

LONGEST = 10_000  # characters of a passage that names are looked for in


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """Recalls again with each name in the best passages that the question has not, and with the words of the question that
    these passages have not: "Who founded the company that built the Aurora?" and a passage that says who built it give the
    query "Halden & Sons Who founded company".

    From the best `starts` passages at most `names` names each are followed, the title first, through `hops` further
    recalls, of `k` passages each. A passage that is reached by another has the product of both scores, each as a share of
    the best of its recall. So `hops` × `starts` × `names` recalls at most; the same memory gives the same hits.
    """

    hops: int = 1
    starts: int = 3
    names: int = 5
    k: int = 10

    def __post_init__(self) -> None:
        for name, least in (("hops", 0), ("starts", 1), ("names", 1), ("k", 1)):
            check_count(name, getattr(self, name), least=least)

    @property
    def asks(self) -> bool:
        """It needs no chat model."""
        return False

    async def run(self, search: Search, found: Sequence[Hit]) -> Ended:
        """Go on from the first recall. See `memkit.agents.multihop.Strategy`."""
        if not found:
            return "nothing"
        small = _small([search.question, *(hit.text for hit in found[: self.starts])])
        paths = [_Path(hits=(hit,), score=hit.score) for hit in found[: self.starts]]
        asked: set[str] = set()
        for _ in range(self.hops):
            reached: list[_Path] = []
            for path in paths:
                for query in self._queries(search.question, path, small):
                    if query not in asked:
                        asked.add(query)
                        hits = await search.find(query, self.k, share=path.score)
                        reached += [path.to(hit) for hit in hits if hit.sources not in path.places]
            paths = _best(reached, self.starts)
        return "done"

    def _queries(self, question: str, path: _Path, small: Collection[str]) -> list[str]:
        last = path.hits[-1]
        title = _title(last)
        known = words(question)
        names = dict.fromkeys([*([title] if title else []), *names_in(last.text[:LONGEST], small)])
        fresh = [name for name in names if not words(name) <= known]
        rest = left_open(question, "\n".join(f"{_title(hit)}\n{hit.text}" for hit in path.hits))
        return [f"{name} {rest}".strip() for name in fresh[: self.names]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Path:
    """Passages, each reached by a name in the one before it."""

    hits: tuple[Hit, ...]
    score: float

    @property
    def places(self) -> set[object]:
        return {hit.sources for hit in self.hits}

    def to(self, hit: Hit) -> _Path:
        """The hit's score has the path's in it already."""
        return _Path(hits=(*self.hits, hit), score=hit.score)


def _best(paths: Iterable[_Path], count: int) -> list[_Path]:
    """The best path to each passage, and of these the best."""
    chosen: dict[object, _Path] = {}
    for path in sorted(paths, key=lambda path: -path.score):
        chosen.setdefault(path.hits[-1].sources, path)
    return list(chosen.values())[:count]


def _title(hit: Hit) -> str:
    title = hit.metadata.get("title")
    return title if isinstance(title, str) else ""


def _small(texts: Iterable[str]) -> frozenset[str]:
    """The words that occur in small letters."""
    return frozenset(word for text in texts for word in re.findall(r"\w+", text) if word[:1].islower())
