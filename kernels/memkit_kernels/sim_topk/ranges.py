"""Queries gathered by the range of keys that they search, on the device. Does not know how anything is searched.

A *slot* is up to `size` queries of one range. Nothing here waits for the device: numbers of slots are upper bounds from
the shapes, and what is left over is empty.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """`order` `[S, size]`: the queries of each slot, -1 is nobody; `starts`, `ends` `[S]`: its keys;
    `units` `[S + 1]`: where its units begin in the list of all units. int64."""

    order: Tensor
    starts: Tensor
    ends: Tensor
    units: Tensor


def ranges_of(cu_seqlens: Tensor, within: Tensor, keys: int) -> tuple[Tensor, Tensor]:
    """Each query's first key and the one past its last. A namespace that does not exist is an empty range."""
    bounds = torch.nn.functional.pad(cu_seqlens.long().clamp(0, keys), (0, 1))  # past the last: back to 0
    exists = (within >= 0) & (within < len(cu_seqlens) - 1)
    space = torch.where(exists, within.long(), len(cu_seqlens) - 1)
    starts = bounds[space] * exists
    return starts, torch.maximum(bounds[space + 1] * exists, starts)


def slots_of(starts: Tensor, ends: Tensor, spaces: int, size: int, unit: int) -> Slots:
    """The queries in slots of at most `size`. A unit is `unit` keys; `spaces` is how many ranges there are at most."""
    m, device = len(starts), starts.device
    count = min(m, -(-m // size) + spaces)
    by_end = ends.argsort(stable=True)
    order = by_end[starts[by_end].argsort(stable=True)]
    first, last = starts[order], ends[order]
    place = torch.arange(m, device=device)
    opens = torch.ones(m, dtype=torch.bool, device=device)
    opens[1:] = (first[1:] != first[:-1]) | (last[1:] != last[:-1])
    place -= torch.where(opens, place, 0).cummax(0).values  # a query's place in its run of equals
    place %= size
    slot = (place == 0).cumsum(0) - 1
    queries = torch.full((count, size), -1, dtype=torch.int64, device=device)
    queries[slot, place] = order
    slot_starts, slot_ends = (torch.zeros(count, dtype=torch.int64, device=device) for _ in range(2))
    slot_starts[slot], slot_ends[slot] = first, last  # equal values where a slot has several queries
    long = torch.where(slot_ends > slot_starts, (slot_ends + unit - 1) // unit - slot_starts // unit, 0)
    return Slots(
        order=queries, starts=slot_starts, ends=slot_ends, units=torch.nn.functional.pad(long.cumsum(0), (1, 0))
    )
