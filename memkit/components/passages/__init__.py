"""What was said, found by words and by meaning: the component that every memory has unless told otherwise.

Turns stay turns; documents, and turns too long to be one, are split at sentence borders. What `memkit.hygiene` says is not
worth remembering has no row. `score` has the formula.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from memkit import hygiene
from memkit.components.passages import score
from memkit.components.passages.ranking import Names, Ranking
from memkit.hits import beside, chosen
from memkit.offload import offload
from memkit.splitting import split
from memkit.values import Cue, Draft, Event, Hit, Record, Where

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from memkit.ports import Postings, Shelf, View

LONGEST_TURN = 4_000  # characters: a longer turn is split as a document is
CANDIDATES, NEAREST = 100, 50  # rows by words and by meaning that are scored in full, at least
ASKING = 0.9  # weight of an author's turn that ends with a question mark: answers are in the turns that tell
FLOOR_WORDS, FLOOR = 0.10, 0.15  # of the best hit, without and with vectors: below it nothing was found
MORE = 10  # rows beyond k that a bare vector looks at: some turn out to repeat others
_MONTHS = (
    "January February March April May June July August September October November December"
).split()  # not strftime: the words of a row must not depend on the machine's language


class Passages:
    """Remembers every turn as it was said and every document in passages; recalls them by words and meaning.

    `passage` is the length that documents are split to, in characters. `floor` (0 to 1) is the score
    that the best hit must reach for anything to be found at all; the defaults were measured with words alone (0.10) and with
    MiniLM's vectors (0.15); an embedder whose cosines are all high needs a higher one.
    """

    name = "passages"

    def __init__(self, *, passage: int = 600, floor: float | None = None) -> None:
        if passage < 100:
            raise ValueError(f"passage is {passage} characters; fewer than 100 say too little to be found")
        self._passage = passage
        self._floor = floor
        self._around: WeakKeyDictionary[Shelf, score.Surroundings] = WeakKeyDictionary()

    async def absorb(self, events: Sequence[Event], view: View, /) -> Draft:
        """See `memkit.ports.Component.absorb`."""
        return Draft(tuple(record for event in events for record in self._rows(event)))

    async def recall(self, cue: Cue, view: View, /) -> list[Hit]:
        """See `memkit.ports.Component.recall`."""
        shelf = await view.shelf()
        if not shelf.size:
            return []
        names = Names.of(tuple(shelf.authors))
        vector = cue.vector
        if vector is None and view.space is not None:
            vector = (await view.embed([names.in_first_person(cue.text)], query=True))[0]
        ranking = await offload(self._rank, cue, shelf, names.named_in(cue.text), vector)
        return await self._hits(cue, view, shelf, ranking)

    def _rows(self, event: Event) -> list[Record]:
        return [_row(event, start, end) for span in hygiene.spans(event) for start, end in self._parts(event, *span)]

    def _parts(self, event: Event, start: int, end: int) -> list[tuple[int, int]]:
        if event.kind != "document" and end - start <= LONGEST_TURN:
            return [(start, end)]
        parts = split(event.text[start:end], limit=self._passage)
        return [(start + first, start + last) for first, last in parts]

    def _rank(self, cue: Cue, shelf: Shelf, named: Sequence[int], vector: NDArray[np.float32] | None) -> Ranking:
        """Every row that could be a hit, best first."""
        around = self._around.get(shelf)
        if around is None:
            around = self._around[shelf] = score.surroundings(shelf)
        mask = shelf.admitted(cue.where)
        postings = shelf.postings(cue.text)
        if cue.where.as_of is not None:  # what was said since must not count as said nearby
            scope = Where(namespace=cue.where.namespace, below=cue.where.below, as_of=cue.where.as_of)
            postings = score.within(postings, shelf.admitted(scope))
        rows, words = self._by_words(cue, shelf, around, postings, mask)
        meaning = None
        if vector is not None:
            wanted = max(NEAREST, 2 * cue.k) if postings.terms else cue.k + MORE
            near, products = shelf.nearest(vector, wanted, mask)
            new = np.isin(near, rows, assume_unique=True, invert=True)
            near, products = near[new], products[new]
            products = np.concatenate((shelf.similarity(vector, rows), products))
            meaning = np.maximum(products, 0)
            words = np.concatenate((words, score.words(postings, around, shelf.size, near)))
            rows = np.concatenate((rows, near))
        both = score.combined(words, meaning, asked=bool(postings.terms))
        if postings.terms:  # a bare vector asks for what is nearest, and gets just that
            both *= shelf.weight[rows]
        factor = score.others(shelf, named, rows)
        if factor is not None:
            both *= factor
        nearer = both if meaning is None else products  # below 0 as well, where all meaning is 0
        order = np.lexsort((shelf.id[rows], -nearer, -both))  # at last by record: every process has the same order
        return Ranking(
            rows=rows[order],
            scores=both[order],
            words=words[order],
            meaning=None if meaning is None else meaning[order],
            named=None if factor is None else factor[order] == 1,
            mask=mask,
            postings=postings,
        )

    @staticmethod
    def _by_words(
        cue: Cue, shelf: Shelf, around: score.Surroundings, postings: Postings, mask: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The rows with the best word scores, unordered, and these scores."""
        count = max(CANDIDATES, 4 * cue.k)
        rows = score.candidates(postings, around, shelf, mask, count)
        words = score.words(postings, around, shelf.size, rows)
        if len(rows) > count:
            kept = np.argpartition(-words, count - 1)[:count]
            rows, words = rows[kept], words[kept]
        return rows, words

    async def _hits(self, cue: Cue, view: View, shelf: Shelf, ranking: Ranking) -> list[Hit]:
        """The best `cue.k` of the ranking, without repetitions, with their neighbours."""
        if cue.floor is not None:
            count = int((ranking.scores >= cue.floor).sum())
        else:
            least = self._floor if self._floor is not None else FLOOR_WORDS if ranking.meaning is None else FLOOR
            count = len(ranking.rows) if len(ranking.rows) and ranking.scores[0] >= least else 0
        rows = ranking.rows[:count]
        hits = await chosen(view, shelf, rows, cue.k)
        places = [one.place for one in hits]
        sides = await beside(view, shelf, rows[places], cue.neighbours, ranking.mask)
        whys = ranking.why(places, [one.repeats for one in hits])
        scores = np.minimum(ranking.scores[places], 1).tolist() if places else []
        return [
            Hit(record=one.record, score=scored, why=why, before=before, after=after)
            for one, why, scored, (before, after) in zip(hits, whys, scores, sides, strict=True)
        ]


def _row(event: Event, start: int, end: int) -> Record:
    """A passage. Its vector is of the text alone, with title and caption: a date or a speaker's name in front of it
    made MiniLM worse. Its words have the date as well, so that "8 May" finds what was said that day."""
    record = Record.of(event, Passages.name, start=start, end=end)
    title, caption = (event.metadata.get(name) for name in ("title", "caption"))
    shown = record.text
    if isinstance(caption, str) and caption:
        shown = f"{shown} ({caption})"
    if isinstance(title, str) and title:
        shown = f"{title}\n{shown}"
    date = f"{event.at.day} {_MONTHS[event.at.month - 1]} {event.at.year}"
    asks = event.author is not None and record.text.rstrip().endswith(("?", "？"))
    return replace(
        record, weight=ASKING if asks else 1.0, index=None if shown == record.text else shown, words=f"{date} {shown}"
    )
