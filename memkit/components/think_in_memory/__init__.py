"""Think-in-Memory (TiM, arXiv 2311.08719): thoughts drawn from what was said, kept by a hash, recalled from one bucket.

docs/components/think_in_memory.md says how it works, and where it departs from the paper.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

import numpy as np

from memkit.components.think_in_memory import searching, tidying
from memkit.components.think_in_memory.asking import asked
from memkit.components.think_in_memory.drawing import by_model
from memkit.components.think_in_memory.lsh import Hash
from memkit.components.think_in_memory.reading import TIDIED, Reader
from memkit.components.think_in_memory.rules import by_rules
from memkit.components.think_in_memory.searching import Ranked
from memkit.components.think_in_memory.showing import Shown, hits
from memkit.components.think_in_memory.thoughts import NAME, row_of
from memkit.components.think_in_memory.timeline import Fact as Fact
from memkit.components.think_in_memory.timeline import timeline as timeline
from memkit.errors import UnreachableError
from memkit.offload import offload
from memkit.ports import Shelf, View
from memkit.values import Cue, Draft, Event, Hit, Record, Space

if TYPE_CHECKING:
    from numpy.typing import NDArray

Draw = Literal["auto", "rules", "llm"]
Search = Literal["lsh", "flat"]
Superseded = Literal["hide", "show"]

FLOOR, FLOOR_WORDS = (
    0.30,
    0.25,
)  # of each hit, with vectors and by words; docs/components/think_in_memory.md has how they were measured
STEP = 32  # ranked rows that are read at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinkInMemory:
    """Remembers thoughts: sentences with a relation triple, each with the words that it came from.

    `draw`: by "rules" (English, plain statements only), by the chat model ("llm"), or "auto": by the model if the memory has
    one. Thoughts are kept in `buckets` (even) by the hash that `seed` draws. `search`: "lsh" looks into the question's
    bucket and `probes` - 1 of the next likely ones; "flat" compares all thoughts. Facts that no longer hold are left out
    unless `superseded` is "show". `floor` (0 to 1) is the least score of a hit.

    With a chat model, `sync` also tidies: a bucket that got `forget_every` (`merge_every`) more thoughts is shown to
    the model, which names lines to drop (to fuse); one that shows more than `max_bucket` lines is shown each time. None
    turns it off. The numbers are ours: the paper gives no schedule.
    """

    draw: Draw = "auto"
    search: Search = "lsh"
    buckets: int = 16
    seed: int = 0
    probes: int = 1
    superseded: Superseded = "hide"
    floor: float | None = None
    forget_every: int | None = 8
    merge_every: int | None = 8
    max_bucket: int = 32

    name: ClassVar[str] = NAME

    def __post_init__(self) -> None:
        for name, value, choices in (
            ("draw", self.draw, get_args(Draw)),
            ("search", self.search, get_args(Search)),
            ("superseded", self.superseded, get_args(Superseded)),
        ):
            if value not in choices:
                raise ValueError(f"{name} is {value!r}; it can be {' or '.join(map(repr, choices))}")
        for name in ("buckets", "seed", "probes", "max_bucket", "forget_every", "merge_every"):
            value = getattr(self, name)
            if type(value) is not int and not (value is None and name.endswith("_every")):
                raise ValueError(f"{name} is {value!r}; it is a whole number")
        if self.buckets < 2 or self.buckets % 2:
            raise ValueError(f"buckets is {self.buckets}; the hash has pairs of them: give an even number")
        if not 1 <= self.probes <= self.buckets:
            raise ValueError(f"probes is {self.probes}; it can be 1 to {self.buckets}, the number of buckets")
        if not -(2**63) <= self.seed < 2**63:
            raise ValueError(f"seed is {self.seed}; it has to fit into 64 bits")
        if self.floor is not None and not 0 <= self.floor <= 1:
            raise ValueError(f"floor is {self.floor}; scores lie between 0 and 1")
        for name, every in (("forget_every", self.forget_every), ("merge_every", self.merge_every)):
            if every is not None and every < 2:
                raise ValueError(f"{name} is {every}; it takes two thoughts to compare. None turns it off")
        if self.max_bucket < 2:
            raise ValueError(f"max_bucket is {self.max_bucket}; it takes two lines to compare")

    @property
    def asks(self) -> bool:
        """Whether absorbing may ask the chat model. See `memkit.ports.Asks`."""
        return self.draw != "rules"

    async def absorb(self, events: Sequence[Event], view: View, /) -> Draft:
        """See `memkit.ports.Component.absorb`."""
        llm = view.llm if self.asks else None
        if llm is not None:
            rows = await by_model(events, view, llm)
        elif self.draw == "llm":
            raise UnreachableError('draw="llm" needs a chat model; open the memory with llm=…', again=False)
        else:
            rows = [row_of(thought, event) for event in events for thought in by_rules(event)]
        return Draft(tuple(await self._hashed(rows, view)))

    async def recall(self, cue: Cue, view: View, /) -> list[Hit]:
        """See `memkit.ports.Component.recall`. Raises SpaceError when thoughts were hashed for another space."""
        shelf = await view.shelf()
        if not shelf.size:
            return []
        vector = cue.vector
        if vector is None and view.space is not None:
            vector = (await view.embed([asked(cue.text, tuple(shelf.authors))], query=True))[0]
        count = 4 * cue.k + STEP
        while True:
            ranked = await offload(self._ranked, cue, shelf, view.space, vector, count)
            found = await self._hits(cue, view, shelf, ranked)
            if len(found) >= cue.k or self.search == "lsh" or len(ranked.rows) < count:
                return found
            count *= 4

    async def consolidate(self, view: View, /) -> Draft:
        """Forget and merge within buckets. See `memkit.ports.Consolidates`. Without a chat model or an embedder, nothing."""
        llm = view.llm if self.asks else None
        if llm is None or view.space is None:
            return Draft()
        schedule = tidying.Schedule(
            forget_every=self.forget_every, merge_every=self.merge_every, max_bucket=self.max_bucket
        )
        return Draft(tuple(await tidying.tidied(view, llm, self._hash(view.space), schedule)))

    def _hash(self, space: Space) -> Hash:
        return Hash(space=space, buckets=self.buckets, seed=self.seed)

    async def _hashed(self, rows: Sequence[Record], view: View) -> list[Record]:
        """The rows with vectors and the marks of their buckets, where there is an embedder."""
        wanted = [n for n, row in enumerate(rows) if row.embed]
        if view.space is None or not wanted:
            return list(rows)
        hashing = self._hash(view.space)
        vectors = await view.embed([rows[n].embedded for n in wanted])
        done = list(rows)
        for n, vector, bucket in zip(wanted, vectors, hashing.bucket(vectors).tolist(), strict=True):
            marks = (*rows[n].marks, hashing.hashed, hashing.mark(bucket))
            done[n] = replace(rows[n], vector=vector, marks=marks)
        return done

    def _ranked(
        self, cue: Cue, shelf: Shelf, space: Space | None, vector: NDArray[np.float32] | None, count: int
    ) -> Ranked:
        if vector is None or space is None:
            return searching.by_words(cue, shelf)
        if self.search == "flat":
            return searching.by_vectors(cue, shelf, vector, count)
        return searching.in_buckets(cue, shelf, self._hash(space), vector, self.probes)

    async def _hits(self, cue: Cue, view: View, shelf: Shelf, ranked: Ranked) -> list[Hit]:
        """The best `cue.k` that hold, each fact once."""
        found: dict[int, Hit] = {}
        reader = Reader(view, shelf, cue.where.as_of, tidied_by=self._tidied_by(view.space, ranked))
        floor = self._floor(cue, ranked)
        rows = ranked.rows[: int((ranked.scores >= floor).sum())]
        place = {int(id): n for n, id in enumerate(shelf.id[rows].tolist())}
        for start in range(0, len(rows), STEP):
            records = await reader.rows(shelf.id[rows[start : start + STEP]].tolist())
            means = await reader.meaning(records)
            shown = Shown(means, cue.where, everything=self.superseded == "show")
            for hit in hits(records, shown, ranked, place):
                found.setdefault(hit.record.id, hit)
                if len(found) == cue.k:
                    return list(found.values())
        return list(found.values())

    def _tidied_by(self, space: Space | None, ranked: Ranked) -> Iterator[str]:
        """The marks of the rows that may stand for what was found: in buckets, only those of the buckets looked into."""
        looked = np.unique(ranked.bucket).tolist()
        if space is None or not looked or looked[0] < 0:
            yield TIDIED
        else:
            yield from (f"{TIDIED}:{self._hash(space).mark(bucket)}" for bucket in looked)

    def _floor(self, cue: Cue, ranked: Ranked) -> float:
        if cue.floor is not None:
            return cue.floor
        if self.floor is not None:
            return self.floor
        return FLOOR_WORDS if ranked.why == "words" else FLOOR
