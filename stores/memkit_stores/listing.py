"""Lists of the most alike: entries (node, other, weight) in arrays, and cutting each node's list to its best."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Rank = Callable[[Ids], Ids]


@dataclass(frozen=True, slots=True)
class Lists:
    """Directed entries, each once: `other` is on the list of `node`, and how like it it is. Shapes are [entries]."""

    node: Ids
    other: Ids
    weight: NDArray[np.float64]

    @staticmethod
    def of(rows: Iterable[tuple[int, int, float]]) -> Lists:
        """Of rows (node, other, weight)."""
        every = list(rows)
        node, other = (np.array([row[n] for row in every], np.int64) for n in (0, 1))
        return Lists(node, other, np.array([row[2] for row in every], np.float64))

    @staticmethod
    def both_ways(some: Ids, others: Ids, weight: NDArray[np.float64]) -> Lists:
        """Of pairs, each on the list of the other."""
        return Lists(np.concatenate((some, others)), np.concatenate((others, some)), np.concatenate((weight, weight)))

    def joined(self, more: Lists) -> Lists:
        """These entries and more; of those that both have, these."""
        extra = more.without(self) if len(self.node) else more
        return Lists(
            np.concatenate((self.node, extra.node)),
            np.concatenate((self.other, extra.other)),
            np.concatenate((self.weight, extra.weight)),
        )

    def without(self, others: Lists) -> Lists:
        """The entries that the others do not have."""
        if not len(others.node) or not len(self.node):
            return self
        ids, places = np.unique(np.concatenate((self.node, self.other, others.node, others.other)), return_inverse=True)
        a, b, c, d = np.split(places, np.cumsum((len(self.node), len(self.node), len(others.node))))
        return self.only(~np.isin(a * len(ids) + b, c * len(ids) + d))

    def only(self, kept: NDArray[np.bool_]) -> Lists:
        """Some of the entries."""
        return Lists(self.node[kept], self.other[kept], self.weight[kept])

    def cut(self, most: int, rank: Rank) -> Lists:
        """The best of each node's list, at most so many; of equally good ones those with a lower rank."""
        _, list_of, sizes = np.unique(self.node, return_inverse=True, return_counts=True)
        if not len(sizes) or sizes.max() <= most:
            return self
        full = np.flatnonzero(sizes[list_of] > most)
        order = full[np.lexsort((rank(self.other[full]), -self.weight[full], list_of[full]))]
        first = np.flatnonzero(np.diff(list_of[order], prepend=-1))
        place = np.arange(len(order)) - np.repeat(first, np.diff(first, append=len(order)))
        kept = sizes[list_of] <= most
        kept[order[place < most]] = True
        return self.only(kept)
