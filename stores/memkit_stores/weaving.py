"""What extractions say, in arrays, and the weights of the edges that follow from it (`memkit.values.Weave`).

Every weight is a multiple of 1 / GRAIN, so that sums of them are exact, and the same in whatever order they are added up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from memkit.values import Weave

GRAIN = float(2**30)  # cosines are multiples of 2^-20; float64 keeps sums of these up to 8 million

Whole = NDArray[np.int32]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Edges = tuple[NDArray[np.int64], NDArray[np.int64], Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Pairs of numbers. `context` are (passage, name), `told` (passage, fact), both ordered and each pair once; `place` is
    the ordinal of the edge that tells it. `liked` are (name, other), ordered, with their `cosine`. Shapes are [2, pairs]."""

    passages: int
    names: int
    subject: Whole
    object: Whole
    context: Whole
    told: Whole
    place: Whole
    liked: Whole
    cosine: Floats

    @property
    def facts(self) -> int:
        return len(self.subject)

    @staticmethod
    def empty() -> Links:
        pairs, none = np.empty((2, 0), np.int32), np.empty(0, np.int32)
        return Links(
            passages=0,
            names=0,
            subject=none,
            object=none,
            context=pairs,
            told=pairs,
            place=none,
            liked=pairs,
            cosine=np.empty(0),
        )

    def grown(self, more: Links) -> Links:
        """These and more: `more` has the counts of both, only the new facts, and only the new pairs."""
        context, told, liked = (
            np.searchsorted(keys_of(ours), keys_of(theirs))  # copying is all that takes longer when there is more
            for ours, theirs in ((self.context, more.context), (self.told, more.told), (self.liked, more.liked))
        )
        return Links(
            passages=more.passages,
            names=more.names,
            subject=np.concatenate((self.subject, more.subject)),
            object=np.concatenate((self.object, more.object)),
            context=np.insert(self.context, context, more.context, axis=1),
            told=np.insert(self.told, told, more.told, axis=1),
            place=np.insert(self.place, told, more.place),
            liked=np.insert(self.liked, liked, more.liked, axis=1),
            cosine=np.insert(self.cosine, liked, more.cosine),
        )

    def likes(self, pairs: Whole) -> Mask:
        """Which of these pairs (name, other) are liked."""
        keys, asked = keys_of(self.liked), keys_of(pairs)
        places = np.searchsorted(keys, asked)
        liked: Mask = np.append(keys, -1)[places] == asked
        return liked

    def unlike(self, names: Whole) -> Links:
        """Without the lists of these names."""
        kept = ~np.isin(self.liked[0], names)
        return replace(self, liked=self.liked[:, kept], cosine=self.cosine[kept])

    def only(self, passages: Mask) -> tuple[Links, Whole, Whole]:
        """What these passages say by themselves, under the old numbers of passages and new ones of names and facts; and the
        new number of each name and of each fact, -1 for those that are gone."""
        told = self.told[:, passages[self.told[0]]]
        context = self.context[:, passages[self.context[0]]]
        there = np.zeros(self.facts, np.bool_)
        there[told[1]] = True
        facts, begin, end = numbers_of(there), self.subject[there], self.object[there]
        named = np.zeros(self.names, np.bool_)
        for part in (context[1], begin, end):
            named[part] = True
        names = numbers_of(named)
        kept = named[self.liked].all(axis=0)
        links = Links(
            passages=self.passages,
            names=int(np.count_nonzero(named)),
            subject=names[begin],
            object=names[end],
            context=np.stack((context[0], names[context[1]])),
            told=np.stack((told[0], facts[told[1]])),
            place=self.place[passages[self.told[0]]],
            liked=names[self.liked[:, kept]],
            cosine=self.cosine[kept],
        )
        return links, names, facts

    def edges(self, weave: Weave, passage_node: Whole, name_node: Whole) -> Edges:
        """The edges between nodes; the same pair may come several times, and the sum counts. Ends may be equal."""
        ends = [np.stack((self.subject[self.told[1]], self.object[self.told[1]])), self.liked]
        weights = [np.full(len(self.place), _grained(weave.fact)), _grained_each(weave.synonym * self.cosine)]
        if weave.replace:
            ends[0], weights[0] = self._not_replaced(weave.fact)
        pairs, each = [name_node[part] for part in ends], list(weights)
        if weave.context is not None:
            pairs.append(np.stack((passage_node[self.context[0]], name_node[self.context[1]])))
            each.append(np.full(self.context.shape[1], _grained(weave.context)))
        rows, cols = np.concatenate(pairs, axis=1).astype(np.int64)
        return rows, cols, np.concatenate(each)

    def _not_replaced(self, weight: float) -> tuple[Whole, Floats]:
        """The directed edges of facts, half the weight each way, without those whose place a synonym takes."""
        one = np.stack((self.subject[self.told[1]], self.object[self.told[1]]))
        both = np.concatenate((one, one[::-1]), axis=1)
        kept = ~self.likes(both)
        return both[:, kept], np.full(int(np.count_nonzero(kept)), _grained(weight / 2))


@dataclass(frozen=True, slots=True)
class Reverse:
    """For each thing the passages that have it, ascending: those of thing t are `passages[starts[t]:starts[t + 1]]`."""

    starts: NDArray[np.int64]
    passages: Whole

    @staticmethod
    def of(pairs: Whole, size: int) -> Reverse:
        """From pairs (passage, thing), ordered."""
        order = np.argsort(pairs[1], kind="stable")
        counts = np.bincount(pairs[1], minlength=size)
        return Reverse(np.concatenate((np.zeros(1, np.int64), np.cumsum(counts))), pairs[0][order])

    def grown(self, more: Whole, size: int) -> Reverse:
        """With more pairs, whose passages come after all of these."""
        counts, added = np.zeros(size, np.int64), np.bincount(more[1], minlength=size)
        counts[: len(self.starts) - 1] = np.diff(self.starts)
        starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts + added)))
        passages = np.empty(starts[-1], np.int32)
        passages[np.arange(len(self.passages)) + np.repeat(starts[:-1] - np.cumsum(counts) + counts, counts)] = (
            self.passages
        )
        order = np.argsort(more[1], kind="stable")
        first = np.cumsum(added) - added
        places = np.repeat(starts[:-1] + counts - first, added) + np.arange(len(order))
        passages[places] = more[0][order]
        return Reverse(starts, passages)

    def of_thing(self, thing: int) -> Whole:
        return self.passages[self.starts[thing] : self.starts[thing + 1]]


def keys_of(pairs: Whole) -> NDArray[np.int64]:
    """One number for each pair, in the same order."""
    keys: NDArray[np.int64] = (pairs[0].astype(np.int64) << 32) | pairs[1]
    return keys


def numbers_of(kept: Mask) -> Whole:
    """The new number of each, -1 for those that are not kept."""
    numbers: Whole = np.where(kept, np.cumsum(kept) - 1, -1).astype(np.int32)
    return numbers


def _grained(weight: float) -> float:
    return round(weight * GRAIN) / GRAIN


def _grained_each(weights: Floats) -> Floats:
    rounded: Floats = np.round(weights * GRAIN) / GRAIN
    return rounded
