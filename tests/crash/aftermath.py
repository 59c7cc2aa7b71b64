"""What must hold of a memory after processes that used it were killed, whatever they were doing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import text

import memkit
from memkit.values import Event, Where
from memkit.wiring import engine as wired
from memkit_stores import SqlStore
from tests.crash.life import NAMESPACES, embedder

SAMPLE = 40  # events that are recalled one by one


@dataclass
class Told:
    """What the diaries say: every text that was to be stored, and what became of it as far as its process knew."""

    texts: dict[str, tuple[str, str]] = field(default_factory=dict)  # word → namespace, text
    acknowledged: dict[str, str] = field(default_factory=dict)  # word → event id
    unanswered: list[list[str]] = field(default_factory=list)  # words of adds that may have happened
    forgotten: set[str] = field(default_factory=set)  # ids
    perhaps: list[list[str]] = field(default_factory=list)  # ids of forgets that may have happened
    complaints: list[str] = field(default_factory=list)

    def read(self, diary: Path) -> None:
        """Take in the diary of one process."""
        asked: dict[str, Any] = {}
        for line in diary.read_text().splitlines() if diary.exists() else ():
            said = json.loads(line)
            match said["what"]:
                case "add":
                    self.texts |= {content.split()[0]: (said["namespace"], content) for content in said["texts"]}
                case "added":
                    words = [content.split()[0] for content in asked["texts"]]
                    self.acknowledged |= dict(zip(words, said["ids"], strict=True))
                case "forgotten":
                    self.forgotten |= set(asked["ids"])
                    if said["count"] != len(asked["ids"]):
                        self.complaints.append(f"{said['count']} of {len(asked['ids'])} were there to be forgotten")
                case "lost" | "error":
                    self.complaints.append(f"{diary.name}: {line}")
            asked = said
        if asked.get("what") == "add":
            self.unanswered.append([content.split()[0] for content in asked["texts"]])
        if asked.get("what") == "forget":
            self.perhaps.append(asked["ids"])


def wrong(where: str, told: Told) -> list[str]:
    """Everything that is not as it must be, in words; empty when nothing was lost. Opens, uses and closes the memory."""
    store = SqlStore(where)
    try:
        found = [*told.complaints, *_integrity(store), *_rows(store)]
        journal = {event.id: event for name in NAMESPACES for event in store.journal.read(Where(namespace=name))}
        current = [
            number
            for number in (0, 1)
            for space, used in store.spaces.every()
            if used and space == embedder(number).space
        ]
    finally:
        store.close()
    found += _journal(told, list(journal.values()))
    using = embedder(current[0]) if current else None
    with memkit.open(where, embedder=using) as memory:
        memory.sync()
        found += _recalled(memory, told, list(journal.values()))
    found += _replayed(where, current[0] if current else None)
    return found if "://" in where else [*found, *_bytes(Path(where), told)]


def _integrity(store: SqlStore) -> Iterator[str]:
    if store.database.dialect == "sqlite":
        with store.database.bare() as connection:
            for (said,) in connection.exec_driver_sql("PRAGMA integrity_check"):
                if said != "ok":
                    yield f"integrity_check: {said}"


_LAWS = {
    "a record has no source": "SELECT id FROM records WHERE id NOT IN (SELECT record FROM lineage)",
    "a source has no record": "SELECT record FROM lineage WHERE record NOT IN (SELECT id FROM records)",
    "a source is no event": "SELECT record FROM lineage WHERE event NOT IN (SELECT position FROM events)",
    "a vector has no record": "SELECT record FROM vectors WHERE record NOT IN (SELECT id FROM records)",
    "a vector has no space": "SELECT record FROM vectors WHERE space NOT IN (SELECT id FROM spaces)",
    "an event is deferred": "SELECT event FROM deferred",
    "an absorbed event has no record": """
        SELECT e.id FROM events e JOIN cursors c ON c.namespace = e.namespace AND c.position >= e.position
        WHERE e.position NOT IN (SELECT event FROM lineage)""",
    "an event has a record before it was absorbed": """
        SELECT e.id FROM events e JOIN lineage l ON l.event = e.position LEFT JOIN cursors c ON c.namespace = e.namespace
        WHERE coalesce(c.position, 0) < e.position""",
    "an event has two records": "SELECT event FROM lineage GROUP BY event HAVING count(*) > 1",
    "a namespace has rows and no version": "SELECT id FROM records WHERE namespace NOT IN (SELECT path FROM namespaces)",
}


def _rows(store: SqlStore) -> Iterator[str]:
    """Before anything is repaired by using the memory."""
    with store.database.read() as connection:
        for law, query in _LAWS.items():
            if broken := connection.execute(text(query)).all():
                yield f"{law}: {len(broken)}, the first is {broken[0]}"


def _journal(told: Told, events: Sequence[Event]) -> Iterator[str]:
    by_word = {event.text.split()[0]: event for event in events}
    repeated = [word for word, count in Counter(event.text.split()[0] for event in events).items() if count > 1]
    if repeated:
        yield f"stored twice: {repeated[:3]}"
    for word, event in by_word.items():
        if told.texts.get(word) != (event.namespace, event.text):
            yield f"stored otherwise than it was given: {event}"
    in_doubt = {id for ids in told.perhaps for id in ids}
    there = {event.id for event in events}
    for word, id in told.acknowledged.items():
        if id not in there and id not in told.forgotten | in_doubt:
            yield f"acknowledged and lost: {word} {id}"
    if risen := told.forgotten & there:
        yield f"forgotten and there again: {sorted(risen)[:3]}"
    for words in told.unanswered:
        unshared = [word for word in words if not word.startswith("shared")]
        if 0 < sum(word in by_word for word in unshared) < len(unshared):
            yield f"half a batch: {words}"
    for ids in told.perhaps:
        if 0 < sum(id in there for id in ids) < len(ids):
            yield f"half forgotten: {ids}"
    unknown = by_word.keys() - told.acknowledged.keys() - {word for words in told.unanswered for word in words}
    if unknown:
        yield f"nobody added {sorted(unknown)[:3]}"


def _recalled(memory: memkit.Memory, told: Told, events: Sequence[Event]) -> Iterator[str]:
    step = max(1, len(events) // SAMPLE)
    for event in [*events[::step], *events[-3:]]:
        found = memory.recall(event.text, namespace=event.namespace, k=3, floor=0)
        if event.id not in {id for hit in found for id in hit.events}:
            yield f"not recalled: {event.text[:40]!r}"
    for word, id in list(told.acknowledged.items())[-200:]:
        if id in told.forgotten:
            for name in NAMESPACES:
                if any(word in hit.text for hit in memory.recall(word, namespace=name, k=3, floor=0)):
                    yield f"recalled though forgotten: {word}"


def _replayed(where: str, number: int | None) -> Iterator[str]:
    """The rows against those that a fresh memory makes of the same journal."""
    replay = wired(
        ":memory:", components=None, embedder=None if number is None else embedder(number), durability="disk"
    )
    fresh = memkit.Memory(replay)
    store = SqlStore(where)
    try:
        for name in NAMESPACES:
            fresh.add(store.journal.read(Where(namespace=name)))
        fresh.sync()
        assert isinstance(replay.store, SqlStore)
        ours, theirs = list(_dump(store, number)), list(_dump(replay.store, number))
    finally:
        fresh.close()
        store.close()
    if len(ours) != len(theirs):
        yield f"{len(ours)} records where the journal makes {len(theirs)}"
    for mine, other in zip(ours, theirs, strict=False):
        if mine != other:
            yield f"a row differs from what the journal makes:\n  {mine}\n  {other}"
            return


def _dump(store: SqlStore, number: int | None) -> Iterator[tuple[object, ...]]:
    """Every record in journal order with its event and its vectors, but for ids and positions."""
    query = """
        SELECT r.id, e.id AS event, l.ordinal, l.start, l."end", r.namespace, r.component, r.kind, r.role, r.author,
               r.session, r.at, r.recorded, r.text, r.index_text, r.metadata, r.weight, r.embed, r.terms
        FROM records r JOIN lineage l ON l.record = r.id JOIN events e ON e.position = l.event
        ORDER BY r.namespace, e.position, l.start, l.ordinal"""
    vectors = """
        SELECT v.record, s.model, v.vector FROM vectors v JOIN spaces s ON s.id = v.space ORDER BY v.record, s.model"""
    wanted = None if number is None else embedder(number)
    with store.database.read() as connection:
        by_record: dict[int, dict[str, bytes]] = {}
        for record, model, vector in connection.execute(text(vectors)):
            by_record.setdefault(record, {})[model] = bytes(vector)
        for row in connection.execute(text(query)):
            held = by_record.get(row.id, {})
            now = held.pop(wanted.space.model, None) if wanted else None
            for model, vector in held.items():  # of the space that is not in use, as far as it was made
                other = embedder(int(model.rpartition("-")[2])).vectors([row.index_text or row.text])[0]
                if not np.allclose(np.frombuffer(vector, "<f4"), other, atol=1e-6):
                    yield ("a vector of another text", row.id)
            data = row.metadata if isinstance(row.metadata, str) else json.dumps(row.metadata)
            yield (*row[1:15], json.loads(data), row.weight, bool(row.embed), bytes(row.terms), now)


def _bytes(path: Path, told: Told) -> Iterator[str]:
    """What was forgotten is in no log and no index file either, once the memory was opened again.

    The database itself is left out: SQLite may leave a copy in a page that it took the row out of earlier, which
    `forget(verify=True)` finds and wipes (about one text in 5,000 here).
    """
    words = [word for word, id in told.acknowledged.items() if id in told.forgotten]
    folder = path.with_name(path.name + "-indexes")
    for file in [path.with_name(path.name + "-wal"), *(folder.iterdir() if folder.is_dir() else ())]:
        data = file.read_bytes() if file.exists() else b""
        left = [word for word in words if f"{word} ends".encode() in data]
        if left:
            yield f"{len(left)} forgotten texts are still in {file.name}: {left[:3]}"
