"""Many rows at once in the driver's own words: SQLAlchemy's part of it would take longer than the database's."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Table

from memkit_stores.journal import CHUNK


def plain(connection: Connection, statement: str, *fixed: object) -> list[tuple[Any, ...]]:
    """The rows that a statement gives, with a `?` for each of the values."""
    driver = _sqlite(connection)
    if driver is not None:
        return driver.execute(statement, fixed).fetchall()
    return list(map(tuple, connection.exec_driver_sql(statement.replace("?", "%s"), fixed).all()))


def put(connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows, each a tuple of these columns."""
    if not rows:
        return
    named = ", ".join(f'"{column}"' for column in columns)
    statement = f'INSERT INTO "{table.name}" ({named}) VALUES ({_marks(len(columns))})'
    driver = _sqlite(connection)
    if driver is not None:
        driver.executemany(statement, rows)
    else:
        connection.exec_driver_sql(statement.replace("?", "%s"), list(rows))


def ask(connection: Connection, statement: str, values: Sequence[Any], *fixed: object) -> Iterator[tuple[Any, ...]]:
    """The rows that a statement gives for all of the values, however many: it says `IN (?*)` for them, after a `?` for each
    of the fixed ones."""
    for start in range(0, len(values), CHUNK):
        some = values[start : start + CHUNK]
        yield from plain(connection, statement.replace("?*", _marks(len(some))), *fixed, *some)


def take_ids(connection: Connection, table: Table, count: int) -> Sequence[int]:
    """Ids that no row of the table ever had, ascending, for rows that this transaction inserts."""
    if connection.dialect.name == "postgresql":
        series = "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)"
        return sorted(connection.exec_driver_sql(series, (table.name, count)).scalars())
    # an AUTOINCREMENT table; SQLite raises this number itself when it sees a larger id
    last = connection.exec_driver_sql("SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,)).scalar() or 0
    return range(last + 1, last + 1 + count)


def _sqlite(connection: Connection) -> sqlite3.Connection | None:
    """The driver's connection, if that is SQLite's."""
    driver = connection.connection.driver_connection
    return driver if isinstance(driver, sqlite3.Connection) else None


def _marks(count: int) -> str:
    return ", ".join("?" * count)
