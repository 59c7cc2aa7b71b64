"""Proof that a forgotten text is gone: from the columns, the index files, the free pages and the write-ahead log.

On SQLite the bytes of every file are searched. On PostgreSQL the rows of every table are, after a VACUUM; its files,
its own log, replicas and backups are beyond a client's reach.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from io import FileIO
from pathlib import Path

from sqlalchemy import Connection, delete, insert, select, union

from memkit.values import Forgotten, Json, Trace
from memkit_stores import descriptors
from memkit_stores.database import Database
from memkit_stores.erasure import SHORTEST, Pieces
from memkit_stores.journal import CHUNK
from memkit_stores.orphans import orphans
from memkit_stores.pgvectors import left_over, near, present
from memkit_stores.tables import calls, edges, events, extractions, meta, metadata, nodes

DEBT = "erasure unfinished"  # in `meta` from a forget until the log that may still hold its text is emptied
PATIENCE = 5.0  # seconds to wait for readers in other processes to let go of the log

_ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))')  # of JSON
_SHORTHAND = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def texts_of(connection: Connection, positions: Sequence[int] | dict[int, str]) -> tuple[str, ...]:
    """Every text of the user's in these events."""
    ordered, found = sorted(positions), []
    for start in range(0, len(ordered), CHUNK):
        e = events.c
        query = select(e.text, e.metadata, e.author, e.session, e.key).where(
            e.position.in_(ordered[start : start + CHUNK])
        )
        for text, data, *said in connection.execute(query):
            found += [text, *_strings(data)]
            found += [name for name in said if name is not None and len(name.encode()) >= SHORTEST]
    return tuple(found)


def owe(connection: Connection) -> None:
    """Note, in the transaction that forgets, that files still have to be cleaned: a crash must not hide it."""
    if connection.dialect.name == "sqlite":
        connection.execute(delete(meta).where(meta.c.name == DEBT))
        connection.execute(insert(meta).values(name=DEBT, value=os.urandom(8).hex()))


def pay(database: Database) -> bool:
    """Empty the write-ahead log if a forget still owes it. False when another process keeps the log in use."""
    if database.path is None:
        return True
    with database.read() as connection:
        debt = _debt(connection)
    if debt is None:
        return True
    if not _truncate(database):
        return False
    with database.write() as connection:  # not the debt of a forget that was committed meanwhile
        connection.execute(delete(meta).where(meta.c.name == DEBT, meta.c.value == debt))
    return True


def _debt(connection: Connection) -> str | None:
    return connection.execute(select(meta.c.value).where(meta.c.name == DEBT)).scalar()


def verified(database: Database, folder: Path | None, texts: Sequence[str], result: Forgotten) -> Forgotten:
    """Search everything for the texts and say what was found where."""
    pieces = Pieces(texts)
    escaped = Pieces(form for text in texts if len(text.encode()) >= SHORTEST for form in _escaped(text))
    with database.read() as connection:
        _leave_out(connection, pieces, escaped)
        traces, searched = _in_tables(connection, pieces)
        short = sum(len(text.encode()) < SHORTEST for text in texts)
        if short:  # their bytes occur anywhere by chance
            searched.append(
                f"not for the bytes of {short} texts shorter than {SHORTEST} bytes: they went with their rows"
            )
        owed = _debt(connection) is not None
    if database.path is not None:
        pieces |= escaped
        found, files = _in_files(database.path, folder, pieces)
        if not owed and any(trace.place == str(database.path) for trace in found):
            with database.bare() as connection:  # a page was moved before it was wiped: write the file anew
                connection.exec_driver_sql("VACUUM")
            _truncate(database)
            found, files = _in_files(database.path, folder, pieces)
        traces, searched = traces + found, searched + files
        if owed:  # of a short text the search may have found nothing
            log = f"{database.path}-wal"
            traces.append(Trace(place=log, detail="not emptied yet: another process is reading; forget or open again"))
    elif database.dialect == "postgresql":
        with database.bare() as connection:
            for table in [*metadata.sorted_tables, *([near] if present(connection) else [])]:
                connection.exec_driver_sql(f'VACUUM "{table.name}"')
        searched += ["dead rows and index entries (VACUUM)"]
    return replace(result, traces=tuple(traces), searched=tuple(searched))


def _truncate(database: Database) -> bool:
    deadline = time.monotonic() + PATIENCE
    while True:
        with database.bare() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout=50")  # it holds up every writer while it waits for readers
            busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]
        if not busy:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)


def _strings(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _all_forms(value: Json) -> Iterator[str]:
    """The strings of a JSON value in every form that they may be stored in."""
    for text in _strings(value):
        yield text
        yield from _escaped(text)


def _escaped(text: str) -> Iterator[str]:
    """The other forms that JSON gives a text: "é" may be stored as "\\u00e9". A model's reply may be JSON, and is kept
    in JSON, so that the text is escaped twice."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return  # JSON writes it as it is, and most texts are like that
    once = _written(text)
    forms = (*once, *(twice for one in once for twice in _written(one)))
    yield from dict.fromkeys(form for form in forms if form != text)


def _written(text: str) -> tuple[str, str]:
    """The text as JSON writes it, with characters beyond ASCII escaped, and left."""
    return json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]


def _unescaped(data: bytes) -> bytes:
    """What a reply says, were it in JSON. Surrogates become the characters that they stand for."""
    plain = _ESCAPE.sub(_meant, data.decode("utf-8", "surrogatepass"))
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _meant(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 16)) if escape[1] else _SHORTHAND.get(escape[2], escape[2])


def _remaining(connection: Connection, forms: Callable[[Json], Iterator[str]]) -> Generator[bytes]:
    """Everything that was not forgotten, in pieces."""
    e = events.c
    query = select(e.text, e.metadata, e.author, e.session, e.key, e.namespace, e.id).execution_options(yield_per=1000)
    with connection.execute(query) as rows:
        for row in rows:
            yield "\n".join(text for value in row for text in forms(value)).encode()
    # Names and facts are not always as their events have them; what has to do with an event that is gone is found by itself.
    x, d, n = extractions.c, edges.c, nodes.c
    read = edges.join(extractions, x.id == d.extraction).join(events, e.position == x.position)
    named = union(*(select(end).select_from(read).where(end.is_not(None)) for end in (d.target, d.source, d.label)))
    for kept in (select(n.text).where(n.id.in_(named)), select(d.shown).select_from(read).where(d.shown.is_not(None))):
        with connection.execute(kept.execution_options(yield_per=1000)) as rows:
            for some in rows.scalars().partitions():
                yield "\n".join(text for value in some for text in forms(value)).encode()


def _leave_out(connection: Connection, pieces: Pieces, escaped: Pieces) -> None:
    """Leave out what also occurs in what was not forgotten: it proves nothing."""
    for some, forms in ((pieces, _strings), (escaped, _all_forms)):
        with closing(_remaining(connection, forms)) as chunks:
            some.without(chunks)
    # Of "\\u65e5\\u672c" a piece is two letters, which other replies have by chance. They are searched for the text itself.
    escaped.without(connection.execute(select(calls.c.reply)).scalars())


def _in_tables(connection: Connection, pieces: Pieces) -> tuple[list[Trace], list[str]]:
    traces, searched = [], []
    for table in metadata.sorted_tables:
        searched.append(f"table {table.name}")
        for row in connection.execute(select(table).execution_options(yield_per=1000)):
            data = b"\n".join(_searchable(value) for value in row)
            if table is calls or table is edges:
                once = _unescaped(data)
                data = b"\n".join((data, once, _unescaped(once)))
            if any(True for _ in pieces.found(data)):
                traces.append(Trace(place=f"table {table.name}", detail=f"row {row[0]}"))
    searched.append("lineage")
    traces += orphans(connection)
    if present(connection):  # whether or not it is in use here
        searched.append("table near")
        traces += left_over(connection)
    return traces, searched


def _searchable(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    return ("\n".join(_strings(value)) if isinstance(value, (dict, list)) else str(value)).encode()


def _in_files(path: Path, folder: Path | None, pieces: Pieces) -> tuple[list[Trace], list[str]]:
    """Not in the index of the log (-shm): it has numbers only, and must not be opened (see `descriptors`)."""
    files = [path, path.with_name(path.name + "-wal")]
    if folder is not None and folder.is_dir():
        files += sorted(folder.iterdir())
    traces, searched = [], []
    for file in files:
        if not file.exists():
            continue
        searched.append(f"{file.name} ({file.stat().st_size} bytes)")
        with descriptors.reading(file) if file == path else FileIO(file) as content:
            piece = pieces.in_file(content)
        if piece is not None:
            traces.append(Trace(place=str(file), detail=f"{len(piece)} bytes of a forgotten text"))
    return traces, searched
