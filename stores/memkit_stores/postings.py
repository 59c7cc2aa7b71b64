"""Which rows hold a term, and how often: the inverted index behind the lexical half of a search.

Rows are numbered 0, 1, 2, … as they are appended. The newest few hundred lie in a *head*, which is searched as it is.
A full head becomes a *segment*, sorted by term, and neighbouring segments are merged as they come to be of similar
size. So a row is moved a few times only, and a question looks into a handful of segments.

Threads: one at a time may write. Segments never change, and what grows is only ever written behind the end that a
`Snapshot` knows. A reader takes a snapshot, with one atomic read, and may use it while rows are added and removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from memkit_stores.columns import Column
from memkit_stores.words import asked, forget_words, hashed, hashed_mark, unpack_many

HEAD = 4096  # postings, about 200 short texts; to look through them takes 2 us a term
RATIO = 3  # a segment is at least this many times the next one; 2 moves rows less but makes more segments

T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Postings by term. Term t is in `rows[starts[t] : starts[t + 1]]`, ascending; no term is without rows."""

    terms: NDArray[np.uint64]
    starts: NDArray[np.int64]
    rows: NDArray[np.int32]
    counts: NDArray[np.float32]

    @staticmethod
    def of(terms: NDArray[np.uint64], rows: NDArray[np.int32], counts: NDArray[np.float32]) -> Segment:
        """A segment of postings in any order in which the rows ascend."""
        order = np.argsort(terms, kind="stable")
        ordered = terms[order]
        first = np.flatnonzero(np.diff(ordered, prepend=~ordered[:1]))
        starts = np.append(first, len(ordered))
        return Segment(terms=ordered[first], starts=starts, rows=rows[order], counts=counts[order])

    def then(self, later: Segment) -> Segment:
        """This and a segment of later rows in one."""
        terms = np.union1d(self.terms, later.terms)
        here, there = np.searchsorted(terms, self.terms), np.searchsorted(terms, later.terms)
        mine, theirs = np.zeros(len(terms), np.int64), np.zeros(len(terms), np.int64)
        mine[here], theirs[there] = np.diff(self.starts), np.diff(later.starts)
        starts = np.concatenate(([0], np.cumsum(mine + theirs)))
        rows = np.empty(starts[-1], np.int32)
        counts = np.empty(starts[-1], np.float32)
        for part, begins in ((self, starts[here]), (later, (starts[:-1] + mine)[there])):
            places = np.repeat(begins - part.starts[:-1], np.diff(part.starts))
            places += np.arange(len(places))
            rows[places], counts[places] = part.rows, part.counts
        return Segment(terms=terms, starts=starts, rows=rows, counts=counts)

    def only(self, keep: NDArray[np.bool_], numbers: NDArray[np.int32]) -> Segment:
        """The postings of the rows to keep, under their new numbers."""
        kept = keep[self.rows]
        starts = np.concatenate(([0], np.cumsum(kept)))[self.starts]
        held = np.flatnonzero(np.diff(starts))
        ends = np.append(starts[held], starts[-1])
        return Segment(terms=self.terms[held], starts=ends, rows=numbers[self.rows[kept]], counts=self.counts[kept])


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The answer to a question, as ports.Postings describes it."""

    terms: tuple[str, ...]
    frequency: NDArray[np.int64]
    rows: tuple[NDArray[np.int32], ...]
    counts: tuple[NDArray[np.float32], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The rows as they were at one moment. What is added or removed later does not change its answers.

    `lengths` is the number of terms in each row, repetitions included.
    """

    lengths: NDArray[np.float32]
    segments: tuple[Segment, ...]
    head_terms: NDArray[np.uint64]
    head_rows: NDArray[np.int32]
    head_counts: NDArray[np.float32]

    def postings(self, text: str, /) -> Found:
        """The rows that hold each term of the text. The text is text: it has no query syntax.

        The arrays are not to be written to: they may be the index itself.
        """
        terms = asked(text)
        rows, counts = self._found(np.fromiter(map(hashed, terms), np.uint64, len(terms)))
        return Found(
            terms=tuple(terms),
            frequency=np.fromiter(map(len, rows), np.int64, len(rows)),
            rows=rows,
            counts=counts,
        )

    def marked(self, mark: str, /) -> NDArray[np.int32]:
        """The rows with this mark, ascending. The array is not to be written to, either."""
        return self._found(np.array([hashed_mark(mark)], np.uint64))[0][0]

    def _found(
        self, values: NDArray[np.uint64]
    ) -> tuple[tuple[NDArray[np.int32], ...], tuple[NDArray[np.float32], ...]]:
        """For each hash the rows that hold it, and how often."""
        rows: list[list[NDArray[np.int32]]] = [[] for _ in values]
        counts: list[list[NDArray[np.float32]]] = [[] for _ in values]
        for segment in self.segments:
            places = np.searchsorted(segment.terms, values)
            places[places == len(segment.terms)] = 0
            for number in np.flatnonzero(segment.terms[places] == values).tolist():
                place = places[number]
                part = slice(segment.starts[place], segment.starts[place + 1])
                rows[number].append(segment.rows[part])
                counts[number].append(segment.counts[part])
        for number, value in enumerate(values):
            places = np.flatnonzero(self.head_terms == value)
            if len(places):
                rows[number].append(self.head_rows[places])
                counts[number].append(self.head_counts[places])
        return tuple(_joined(parts, np.int32) for parts in rows), tuple(_joined(parts, np.float32) for parts in counts)

    @property
    def nbytes(self) -> int:
        """The memory that the arrays take."""
        head = self.lengths.nbytes + self.head_terms.nbytes + self.head_rows.nbytes + self.head_counts.nbytes
        return head + sum(
            part.terms.nbytes + part.starts.nbytes + part.rows.nbytes + part.counts.nbytes for part in self.segments
        )


def _joined(parts: list[NDArray[T]], kind: type[T]) -> NDArray[T]:
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.empty(0, kind)


class Words:
    """An inverted index that rows are appended to. See the module about threads."""

    def __init__(self) -> None:
        self._start(np.empty(0, np.float32), ())

    def _start(self, lengths: NDArray[np.float32], segments: tuple[Segment, ...]) -> None:
        self._lengths: Column[np.float32] = Column(np.float32)
        self._lengths.append(lengths)
        self._empty_head()
        self._publish(segments)

    def _empty_head(self) -> None:
        self._terms: Column[np.uint64] = Column(np.uint64)
        self._rows: Column[np.int32] = Column(np.int32)
        self._counts: Column[np.float32] = Column(np.float32)

    def _publish(self, segments: tuple[Segment, ...]) -> None:
        self._snapshot = Snapshot(
            lengths=self._lengths.values,
            segments=segments,
            head_terms=self._terms.values,
            head_rows=self._rows.values,
            head_counts=self._counts.values,
        )

    def __len__(self) -> int:
        """The number of rows."""
        return len(self._snapshot.lengths)

    @property
    def lengths(self) -> NDArray[np.float32]:
        """The number of terms in each row, repetitions included."""
        return self._snapshot.lengths

    def snapshot(self) -> Snapshot:
        """The rows as they are now, to be searched whatever happens to the index. It costs nothing."""
        return self._snapshot

    def postings(self, text: str, /) -> Found:
        """The rows that hold each term of the text, as of now."""
        return self._snapshot.postings(text)

    def add(self, blobs: Sequence[bytes]) -> None:
        """Append a row for each text that `words.pack` packed. Raises ValueError, and adds none, if one is damaged."""
        if not blobs:
            return
        sizes, terms, counts = unpack_many(blobs)
        first = len(self)
        numbers = np.arange(first, first + len(blobs), dtype=np.int32)
        rows = np.repeat(numbers, sizes)
        self._lengths.append(np.bincount(rows - first, weights=counts, minlength=len(blobs)))
        self._terms.append(terms)
        self._rows.append(rows)
        self._counts.append(counts)
        segments = self._snapshot.segments
        if len(self._terms.values) > HEAD:
            newest = Segment.of(self._terms.values, self._rows.values, self._counts.values)
            self._empty_head()
            while segments and len(segments[-1].rows) < RATIO * len(newest.rows):
                newest = segments[-1].then(newest)
                segments = segments[:-1]
            segments = (*segments, newest)
        self._publish(segments)

    def compact(self, keep: NDArray[np.bool_]) -> None:
        """Remove the rows where `keep`, of shape [rows], is false, and number the others anew in the same order.

        Afterwards nothing that came from the removed rows is in this index or in the cache of words; a snapshot that
        somebody still holds has it until it is dropped.
        """
        if keep.shape != (len(self),):
            raise ValueError(f"keep has shape {keep.shape}, the index has {len(self)} rows")
        before = self._snapshot
        numbers = np.cumsum(keep, dtype=np.int32) - 1
        segments = [segment.only(keep, numbers) for segment in before.segments]
        self._start(before.lengths[keep], tuple(segment for segment in segments if len(segment.rows)))
        kept = keep[before.head_rows]
        self._terms.append(before.head_terms[kept])
        self._rows.append(numbers[before.head_rows[kept]])
        self._counts.append(before.head_counts[kept])
        self._publish(self._snapshot.segments)
        forget_words()
