"""Many rows at once in the driver's own words: SQLAlchemy's part of it would take longer than the database's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Table

from memkit_stores.journal import CHUNK


def put(connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows, each a tuple of these columns."""
    if rows:
        named = ", ".join(f'"{column}"' for column in columns)
        statement = f'INSERT INTO "{table.name}" ({named}) VALUES ({_marks(connection, len(columns))})'
        connection.exec_driver_sql(statement, list(rows))


def ask(connection: Connection, statement: str, values: Sequence[Any], *fixed: object) -> Iterator[tuple[Any, ...]]:
    """The rows that a statement gives for all of the values, however many: it says `IN (?*)` for them, after a `?` for each
    of the fixed ones."""
    for start in range(0, len(values), CHUNK):
        some = values[start : start + CHUNK]
        asked = statement.replace("?*", _marks(connection, len(some)))
        if connection.dialect.name == "postgresql":
            asked = asked.replace("?", "%s")
        yield from map(tuple, connection.exec_driver_sql(asked, (*fixed, *some)).all())


def take_ids(connection: Connection, table: Table, count: int) -> Sequence[int]:
    """Ids that no row of the table ever had, ascending, for rows that this transaction inserts."""
    if connection.dialect.name == "postgresql":
        series = "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)"
        return sorted(connection.exec_driver_sql(series, (table.name, count)).scalars())
    # an AUTOINCREMENT table; SQLite raises this number itself when it sees a larger id
    last = connection.exec_driver_sql("SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,)).scalar() or 0
    return range(last + 1, last + 1 + count)


def _marks(connection: Connection, count: int) -> str:
    return ", ".join(["%s" if connection.dialect.name == "postgresql" else "?"] * count)
