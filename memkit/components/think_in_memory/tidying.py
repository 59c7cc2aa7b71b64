"""Forget and merge: within one bucket, by a chat model, and never on its word alone.

Nothing is changed or removed. A row is added that stands for lines of one bucket, and what reads the rows leaves those out
(see `reading`). A reply that names lines which are not there, or a line that says what its lines do not, leaves everything
as it was.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from memkit.components.think_in_memory import prompts, thoughts
from memkit.components.think_in_memory.lsh import Hash
from memkit.components.think_in_memory.reading import TIDIED, Meaning, Reader, triples
from memkit.components.think_in_memory.relations import content, name_key, told
from memkit.components.think_in_memory.replies import FORGET, MERGE, Group
from memkit.errors import ModelError
from memkit.messages import Options
from memkit.ports import Llm, Shelf, View
from memkit.values import Json, Record, Source, Where

_log = logging.getLogger("memkit")
_CALM = Options(temperature=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a bucket is looked at: when it has got so many more thoughts (None: never), and at each time that it shows
    more than `max_bucket` lines."""

    forget_every: int | None
    merge_every: int | None
    max_bucket: int

    def window(self, thoughts: int, every: int | None, shown: int) -> int:
        """How many of a bucket's thoughts are looked at. It stays the same until more are due: the same lines are the same
        question, whose reply is known."""
        if every is None:
            return 0
        return thoughts if shown > self.max_bucket else thoughts // every * every


@dataclass(frozen=True, slots=True)
class Line:
    """What the model is shown of a bucket: a current fact, or a merged line. `rows` are all rows that say it."""

    row: Record
    rows: tuple[Record, ...]

    @property
    def head(self) -> str:
        return thoughts.field(self.row, "head")

    @property
    def facts(self) -> list[tuple[str, str, str]]:
        """What it tells, as (head, relation, tail)."""
        if self.row.kind == thoughts.MERGED:
            return triples(self.row)
        return [(self.head, thoughts.field(self.row, "relation"), thoughts.field(self.row, "tail"))]


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket with the lines that are looked at, in the order in which they were said."""

    number: int
    lines: tuple[Line, ...]

    @property
    def events(self) -> list[str]:
        """The events that the lines came from."""
        return list(dict.fromkeys(source.event for source in _sources(self.lines)))


async def tidied(view: View, llm: Llm, hashing: Hash, schedule: Schedule) -> list[Record]:
    """The rows that forgetting and merging add now. Each stands for lines of one bucket."""
    shelf = await view.shelf()
    due = await _due(view, shelf, hashing, schedule, schedule.forget_every)
    dropped = await _forgotten(llm, hashing, due)
    gone = {line.row.id for bucket, lines, _ in dropped for line in lines}
    due = await _due(view, shelf, hashing, schedule, schedule.merge_every, gone)
    merged = await _merged(llm, hashing, due)
    if merged:
        vectors = await view.embed([row.text for row in merged])
        merged = [replace(row, vector=vector) for row, vector in zip(merged, vectors, strict=True)]
    return [*(row for _, _, row in dropped), *merged]


async def _due(
    view: View,
    shelf: Shelf,
    hashing: Hash,
    schedule: Schedule,
    every: int | None,
    gone: set[int] | frozenset[int] = frozenset(),
) -> list[Bucket]:
    """The buckets to look at, each with two lines or more."""
    found = []
    tidy = set(shelf.marked(TIDIED).tolist())
    for number in range(hashing.buckets if every is not None else 0):
        rows = shelf.marked(hashing.mark(number)).tolist()
        plain = [row for row in rows if row not in tidy]
        window = schedule.window(len(plain), every, len(rows))
        if len(plain) < 2 or (not window and len(rows) <= schedule.max_bucket):
            continue
        reader = Reader(view, shelf, None, tidied_by=[_tidied_mark(hashing, number)])
        records = await reader.rows(shelf.id[sorted(rows)].tolist())
        means = await reader.meaning(records)
        lines = _lines(records, means)
        if len(lines) <= schedule.max_bucket:
            early = {int(id) for id in shelf.id[plain[: len(plain) // (every or 1) * (every or 1)]]}
            lines = [line for line in lines if line.row.id in early or line.row.kind == thoughts.MERGED]
        lines = [line for line in lines if line.row.id not in gone]
        if len(lines) >= 2:
            found.append(Bucket(number, tuple(lines)))
    return found


def _lines(records: Sequence[Record], means: Meaning) -> list[Line]:
    """What the rows of a bucket show: each current fact once, and merged lines that hold."""
    found: dict[int, Line] = {}
    for row in records:
        if means.instead(row, Where(namespace=row.namespace)) is not None or row.id in means.void:
            continue
        if row.kind == thoughts.MERGED:
            found[row.id] = Line(row, (row,))
        elif (fact := means.facts.get(row.id)) is not None and fact.current:
            found.setdefault(fact.records[0].id, Line(fact.records[0], fact.records))
    return list(found.values())


async def _forgotten(llm: Llm, hashing: Hash, due: Sequence[Bucket]) -> list[tuple[Bucket, tuple[Line, ...], Record]]:
    if not due:
        return []
    replies = await llm.ask_all(
        [prompts.forget([line.row.text for line in bucket.lines]) for bucket in due],
        FORGET,
        stage="forget",
        options=_CALM,
        sources=[bucket.events for bucket in due],
    )
    found = []
    for bucket, reply in zip(due, replies, strict=True):
        if isinstance(reply, ModelError):
            _log.warning("think_in_memory: bucket %d stays as it was: the reply could not be used", bucket.number)
        elif not set(reply) <= set(range(1, len(bucket.lines) + 1)) or len(set(reply)) == len(bucket.lines):
            _log.warning(
                "think_in_memory: bucket %d stays as it was: lines to forget that are not there, or all", bucket.number
            )
        elif reply:
            lines = tuple(bucket.lines[n - 1] for n in sorted(set(reply)))
            found.append((bucket, lines, _forget_row(hashing, bucket, lines)))
    return found


async def _merged(llm: Llm, hashing: Hash, due: Sequence[Bucket]) -> list[Record]:
    if not due:
        return []
    replies = await llm.ask_all(
        [prompts.merge([(line.head, line.row.text) for line in bucket.lines]) for bucket in due],
        MERGE,
        stage="merge",
        options=_CALM,
        sources=[bucket.events for bucket in due],
    )
    rows = []
    for bucket, reply in zip(due, replies, strict=True):
        if isinstance(reply, ModelError):
            _log.warning("think_in_memory: bucket %d stays as it was: the reply could not be used", bucket.number)
            continue
        used: set[int] = set()
        for group in reply:
            lines = _grouped(bucket, group, used)
            if not lines:
                _log.warning("think_in_memory: a merge in bucket %d was rejected", bucket.number)
                continue
            used.update(group.numbers)
            rows.append(_merge_row(hashing, bucket, lines, group.text))
    return rows


def _grouped(bucket: Bucket, group: Group, used: set[int]) -> tuple[Line, ...]:
    """The lines of a group, () if it must not be: unknown, repeated or already used lines, different heads, words that the
    lines do not have, or a tail lost."""
    numbers = set(group.numbers)
    if len(numbers) < 2 or len(numbers) < len(group.numbers) or numbers & used:
        return ()
    if not numbers <= set(range(1, len(bucket.lines) + 1)):
        return ()
    lines = tuple(bucket.lines[n - 1] for n in sorted(numbers))
    if len({name_key(line.head) for line in lines}) > 1:
        return ()
    said = frozenset().union(*(content(line.row.text) for line in lines))
    words = content(group.text)
    kept = frozenset().union(*(content(tail) | content(head) for line in lines for head, _, tail in line.facts))
    if all(told(word, said) for word in words) and all(told(word, words) for word in kept):
        return lines
    return ()


def _forget_row(hashing: Hash, bucket: Bucket, lines: Sequence[Line]) -> Record:
    """It depends on every line that the model was shown: one of those that stay is the reason."""
    first = lines[0].row
    others = [line for line in bucket.lines if line not in lines]
    return replace(
        _row(lines, hashing, bucket),
        kind=thoughts.FORGOTTEN,
        text=" ".join(line.row.text for line in lines),
        sources=_sources([*lines, *others]),
        metadata={"lines": _identities(lines)},
        marks=(TIDIED, _tidied_mark(hashing, bucket.number)),
        embed=False,
        words="",
        author=first.author,
    )


def _merge_row(hashing: Hash, bucket: Bucket, lines: Sequence[Line], text: str) -> Record:
    """It lies in the bucket of its lines, wherever its own words would hash to: one bucket is rewritten, no other."""
    head = lines[0].head
    facts: list[Json] = [[*fact] for line in lines for fact in line.facts]
    return replace(
        _row(lines, hashing, bucket),
        kind=thoughts.MERGED,
        text=text,
        sources=_sources(lines),
        metadata={"head": head, "lines": _identities(lines), "facts": facts},
        marks=(
            thoughts.STATED,
            hashing.hashed,
            hashing.mark(bucket.number),
            TIDIED,
            _tidied_mark(hashing, bucket.number),
            f"head:{name_key(head)}",
        ),
        words="\n".join([text, *(line.row.text for line in lines)]),
    )


def _row(lines: Sequence[Line], hashing: Hash, bucket: Bucket) -> Record:
    """What both kinds have in common: what all lines have, and the times of the latest."""
    rows = [row for line in lines for row in line.rows]
    first = lines[0].row
    return replace(
        first,
        id=0,
        at=max(row.at for row in rows),
        recorded=max(row.recorded for row in rows),
        session=first.session if all(row.session == first.session for row in rows) else None,
        author=first.author if all(row.author == first.author for row in rows) else None,
        role=first.role if all(row.role == first.role for row in rows) else None,
        index=None,
        vector=None,
    )


def _identities(lines: Sequence[Line]) -> list[Json]:
    return list(dict.fromkeys(thoughts.identity(row) for line in lines for row in line.rows))


def _sources(lines: Sequence[Line]) -> tuple[Source, ...]:
    """The spans of all rows, each event once, in order."""
    every = [source for line in lines for row in line.rows for source in row.sources]
    first: dict[str, Source] = {}
    for source in every:
        first.setdefault(source.event, source)
    return tuple(first.values())


def _tidied_mark(hashing: Hash, bucket: int) -> str:
    return f"{TIDIED}:{hashing.mark(bucket)}"
