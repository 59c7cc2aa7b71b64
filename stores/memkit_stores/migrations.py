"""From an empty database, or one that an earlier memkit wrote, to today's tables. Each step runs once, in order, in one
transaction; a released step is never changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, insert, inspect, select, update

from memkit.errors import StoreError
from memkit_stores import tables
from memkit_stores.failures import BUSY_SECONDS

SCHEMA = "memkit"  # PostgreSQL: the schema that all tables are in
APPLICATION_ID = 0x6D6D6B74  # "mmkt" in the header of a SQLite file
SMALLEST = 512  # bytes of a SQLite file; it takes a file of one byte for an empty one


def migrate(connection: Connection, name: str) -> None:
    """Bring the database up to date. Raises StoreError when a newer memkit wrote it, or somebody else."""
    version = _version(connection, name)
    if version > len(STEPS):
        raise StoreError(_too_new(name, version))
    for number, step in enumerate(STEPS[version:], start=version + 1):
        step(connection)
        connection.execute(update(tables.meta).where(tables.meta.c.name == "schema").values(value=str(number)))


def refuse_foreign(path: Path) -> None:
    """Raise StoreError when the file is not memkit's. Looks before it touches: a file of somebody else's is left as it is."""
    try:
        if path.is_dir():
            raise StoreError(f"{path} is a folder; name a file in it")
        if not path.parent.is_dir():
            raise StoreError(f"the folder {path.parent} does not exist; create it first")
        if not path.exists() or path.stat().st_size == 0:
            return
        if path.stat().st_size < SMALLEST:
            raise StoreError(f"{path} is not a memkit database; it was not changed. Choose another path")
    except OSError as e:  # a name that is too long, a folder that may not be looked into
        raise StoreError(f"{path} cannot be opened: {e.strerror}") from e
    try:
        probe = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)
        try:
            _refuse_others(probe, path)
        finally:
            probe.close()
    except sqlite3.Error as e:
        raise StoreError(f"{path} cannot be read as a memkit database ({e}); it was not changed") from e


def _refuse_others(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN")  # one moment for both: another process may be making the tables just now
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if application == APPLICATION_ID:
        if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
            return  # `migrate` looks at its version, and changes nothing of a newer one
        version = connection.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone()
        if version is not None and int(version[0]) > len(STEPS):
            raise StoreError(_too_new(str(path), int(version[0])))
    elif connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise StoreError(f"{path} is a SQLite file of another program; it was not changed. Choose another path")


def _version(connection: Connection, name: str) -> int:
    if not inspect(connection).has_table("meta", schema=_schema(connection)):
        return 0
    found = connection.execute(select(tables.meta.c.value).where(tables.meta.c.name == "schema")).scalar()
    if found is None:
        raise StoreError(f"{name} has a table called meta that is not memkit's; choose another database")
    return int(found)


def _schema(connection: Connection) -> str | None:
    """Where the tables are. On PostgreSQL the search path begins with it, and may go on to tables of others."""
    return SCHEMA if connection.dialect.name == "postgresql" else None


def _too_new(name: str, version: int) -> str:
    return (
        f"{name} was written by a newer memkit (its tables are version {version}, this one knows {len(STEPS)}); "
        "it was not changed. Update memkit to open it"
    )


def _m001_first_tables(connection: Connection) -> None:
    first = "meta events records lineage spaces vectors cursors deferred namespaces"
    _create(connection, *first.split())
    connection.execute(insert(tables.meta).values(name="schema", value="0"))
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA application_id={APPLICATION_ID}")


def _m002_calls(connection: Connection) -> None:
    _create(connection, "calls", "call_sources")
    # not in `tables`: step 1 would make it, too. The last turns of a session are read at every turn of a chat.
    connection.exec_driver_sql(
        "CREATE INDEX events_by_session ON events (namespace, session, position) WHERE session IS NOT NULL"
    )


def _m003_extractions(connection: Connection) -> None:
    _create(connection, "extractions", "edges", "nodes", "likenings", "synonyms", "likened")


def _create(connection: Connection, *names: str) -> None:
    # unchecked: a table of the same name in another schema of the search path is somebody else's
    new = [tables.metadata.tables[name] for name in names]
    tables.metadata.create_all(connection, tables=new, checkfirst=False)


STEPS: tuple[Callable[[Connection], None], ...] = (_m001_first_tables, _m002_calls, _m003_extractions)
