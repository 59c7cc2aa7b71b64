"""One database, SQLite or PostgreSQL: opening it, and the two kinds of transaction. It knows no table of memkit's.

SQLite runs in write-ahead mode. One lock per process and `BEGIN IMMEDIATE` make writers wait for each other; readers
never wait. PostgreSQL writers wait for each other only within a namespace (`hold`).
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Literal

from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event, func, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool, StaticPool

from memkit.errors import ClosedError, StoreError
from memkit_stores import descriptors, exact, migrations
from memkit_stores.failures import BUSY_SECONDS, translated

Durability = Literal["disk", "process"]

IDLE = 8  # connections for reading that are kept open between calls
WRITER = ("cache_size=-8192", "wal_autocheckpoint=4096")  # room for a batch of passages: 15 MB, written once


class Database:
    """An open database. `read()` and `write()` give a connection in a transaction; any thread may call them.

    `path` is the SQLite file, or None: in memory, or on a server.
    """

    def __init__(self, where: str, *, durability: Durability = "disk") -> None:
        if durability not in ("disk", "process"):
            raise ValueError(f"durability is {durability!r}; it can be 'disk' or 'process'")
        self.url = _url(where)
        self.dialect: str = self.url.get_backend_name()
        self.in_memory = self.dialect == "sqlite" and self.url.database in (None, "", ":memory:")
        in_file = self.dialect == "sqlite" and not self.in_memory
        self.path = Path(str(self.url.database)).absolute() if in_file else None
        self.name = str(
            self.path or (":memory:" if self.in_memory else self.url.render_as_string(hide_password=True))
        )  # for errors; has no password
        self._lock = threading.RLock()
        self._process = os.getpid()
        self._closed = False
        self._written = 0
        self._stamp: sqlite3.Connection | None = None
        self._stamping = threading.Lock()  # not `_lock`: who reads does not wait for who writes
        self._writer: tuple[Connection, sqlite3.Connection] | None = None
        self._idle: list[tuple[Connection, sqlite3.Connection]] = []  # for reading; who reads takes one out
        self._file: descriptors.Key | None = None
        self.engine = self._connect(durability)
        try:
            with translated(self.name):
                self._prepare()
        except BaseException:
            self.close()
            raise

    @property
    def inherited(self) -> bool:
        """Whether this process is a fork of the one that opened the database: then nothing can be done with it."""
        return self._process != os.getpid()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading; on SQLite all of its reads see one moment."""
        if self.dialect == "postgresql":
            with self._pooled(self.engine.connect) as connection:
                yield connection
            return
        with self._turn(self.in_memory), translated(self.name):
            connection, driver = kept = self._reader()
            try:
                if driver.in_transaction:  # in memory there is one connection for all
                    yield connection
                    return
                try:
                    driver.execute("BEGIN")
                    yield connection
                finally:
                    _roll_back(driver)
            finally:
                self._idle.append(kept)
                self._thin_out(0 if self._closed else IDLE)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection for writing: everything is committed when the block ends, or nothing if it raises."""
        if self.dialect == "postgresql":
            with self._pooled(self.engine.begin) as connection:
                yield connection
            return
        with self._turn(True), translated(self.name):
            if self._writer is None:
                self._writer = self._kept()
                for pragma in WRITER:
                    self._writer[1].execute(f"PRAGMA {pragma}")
            connection, driver = self._writer
            try:
                driver.execute("BEGIN IMMEDIATE")
                yield connection
                driver.execute("COMMIT")
            except BaseException as e:
                _roll_back(driver)
                if not isinstance(e, Exception) and not self.in_memory:
                    self._writer = None  # Ctrl-C within a statement leaves it unfinished, and nothing more is committed
                    connection.invalidate()
                raise
            self._written += 1

    @contextmanager
    def bare(self) -> Iterator[Connection]:
        """A connection outside any transaction, for statements such as VACUUM."""
        with (
            self._turn(self.dialect == "sqlite"),
            translated(self.name),
            self._outside_transactions() as connection,
        ):
            yield connection

    @contextmanager
    def _pooled(self, take: Callable[[], AbstractContextManager[Connection]]) -> Iterator[Connection]:
        """A connection of PostgreSQL's pool, which it goes back to."""
        try:
            with self._turn(False), translated(self.name), take() as connection:
                yield connection
        finally:
            if self._closed:
                self.engine.pool.dispose()

    def _reader(self) -> tuple[Connection, sqlite3.Connection]:
        with suppress(IndexError):
            return self._idle.pop()
        return self._kept()

    def _kept(self) -> tuple[Connection, sqlite3.Connection]:
        """A connection that stays: taking one from a pool for each call would cost as much as an insert."""
        connection = self._outside_transactions()
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        return connection, driver

    def _thin_out(self, most: int) -> None:
        """Close idle connections beyond so many. Nobody uses them: closing one that is in use crashes Python."""
        while len(self._idle) > most:
            with suppress(IndexError):  # another thread was quicker
                self._idle.pop()[0].close()

    def _outside_transactions(self) -> Connection:
        return self.engine.execution_options(isolation_level="AUTOCOMMIT", memkit_begin=None).connect()

    def hold(self, connection: Connection, namespace: str) -> None:
        """Let no other writer into the namespace until this transaction ends.

        PostgreSQL hands out numbers before commits: without this a cursor could pass an event not yet visible.
        """
        if self.dialect == "postgresql":
            digest = hashlib.blake2b(namespace.encode(), digest_size=8, person=b"memkit").digest()
            connection.execute(select(func.pg_advisory_xact_lock(int.from_bytes(digest, signed=True))))

    def stamp(self) -> int | None:
        """A number that changes whenever anybody commits; None where the database has no cheap one."""
        if self.in_memory:
            return self._written
        with self._stamping, translated(self.name):
            if self._stamp is not None and not self._closed and not self.inherited:
                row: tuple[int] = self._stamp.execute("PRAGMA data_version").fetchone()
                return row[0]
        with self._turn(False):  # says so if it is closed
            return None

    def close(self) -> None:
        """Give all connections back, those in use when their reading ends. Closing twice does nothing more."""
        if self.inherited:
            self._closed = True  # the connections are the other process's: closing them here would disturb it
            return
        with self._lock:
            if self._closed:
                return
            self._closed = True
            with self._stamping:
                if self._stamp is not None:
                    self._stamp.close()
                    self._stamp = None
            if self._writer is not None:
                self._writer[0].close()
            self._thin_out(0)
            self.engine.pool.dispose()  # and nothing is put in its place: who still reads gives back to this one
            if self._file is not None:
                descriptors.leave(self._file)

    @contextmanager
    def _turn(self, alone: bool) -> Iterator[None]:
        if self.inherited:
            raise StoreError(f"{self.name} was opened before this process was forked; open it again in this one")
        with self._lock if alone else nullcontext():
            if self._closed:
                raise ClosedError(f"the memory in {self.name} is closed; open it again to use it")
            yield

    def _connect(self, durability: Durability) -> Engine:
        if self.dialect == "postgresql":
            return self._connect_server(durability)
        path = self.path
        if path is not None:
            migrations.refuse_foreign(path)
        engine = create_engine(
            self.url,
            connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False, "isolation_level": None},
            poolclass=StaticPool if self.in_memory else NullPool,
        )
        synchronous = "FULL" if durability == "disk" else "NORMAL"

        def configure(connection: sqlite3.Connection, _: object) -> None:
            # deleted text is overwritten, and no temporary file ever holds any
            for pragma in (f"synchronous={synchronous}", "secure_delete=ON", "temp_store=MEMORY"):
                connection.execute(f"PRAGMA {pragma}")

        def begin(connection: Connection) -> None:
            statement = connection.get_execution_options().get("memkit_begin", "BEGIN")
            if statement is not None:
                connection.exec_driver_sql(statement)

        def stay(context: ExceptionContext) -> None:
            context.is_disconnect = False  # not after Ctrl-C either: the transaction is rolled back, that is enough

        event.listen(engine, "handle_error", stay)
        event.listen(engine, "connect", configure)
        event.listen(engine, "begin", begin)
        return engine

    def _connect_server(self, durability: Durability) -> Engine:
        options = f"-c search_path={migrations.SCHEMA},public"
        if durability == "process":
            options += " -c synchronous_commit=off"
        if importlib.util.find_spec("psycopg") is None:
            raise ImportError('PostgreSQL needs the extra "postgres": psycopg and pgvector are not installed')
        return create_engine(
            self.url,
            connect_args={"options": options},
            json_serializer=exact.dumps,
            json_deserializer=exact.loads,
            pool_size=8,
            max_overflow=24,
        )

    def _prepare(self) -> None:
        if self.path is not None:
            with self.bare() as connection:
                _use_wal(connection)
            self._file = descriptors.enter(self.path)
        with self.write() as connection:
            if self.dialect == "postgresql":
                self.hold(connection, "")  # two processes may open a new database at once
                connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {migrations.SCHEMA}")
            migrations.migrate(connection, self.name)
        if self.path is not None:
            self._stamp = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None)
            self._stamp.execute("PRAGMA data_version").fetchone()


def _roll_back(driver: sqlite3.Connection) -> None:
    if driver.in_transaction:  # a full disk may have ended it
        driver.execute("ROLLBACK")


def _url(where: str) -> URL:
    if not where.strip():
        raise ValueError("the place of the memory is empty; give the path of a file, a database URL, or ':memory:'")
    if "://" not in where:
        return URL.create("sqlite", database=where)
    try:
        url = make_url(where)
    except ArgumentError as e:
        raise StoreError(f"{where!r} is neither a path nor a database URL") from e
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise StoreError(f"{url.drivername!r} is not supported; use a path, sqlite:/// or postgresql://")
    return url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url


def _use_wal(connection: Connection) -> None:
    # the switch does not wait its turn as other statements do, so two processes opening a new file may collide
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            return
        except DBAPIError as e:
            if "locked" not in str(e.orig) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
