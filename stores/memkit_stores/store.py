"""`memkit.ports.Store` over one database."""

from __future__ import annotations

from memkit_stores import indexes, proof
from memkit_stores.calls import SqlCalls
from memkit_stores.database import Database, Durability
from memkit_stores.derived import SqlDerived
from memkit_stores.graphs import Graphs
from memkit_stores.hnsw import sweep
from memkit_stores.journal import SqlJournal
from memkit_stores.pgvectors import PgVectors
from memkit_stores.shelves import Shelves
from memkit_stores.spaces import SqlSpaces
from memkit_stores.upkeep import SqlUpkeep


class SqlStore:
    """A SQLite file, a SQLite database in memory (":memory:"), or a PostgreSQL database, by path or URL.

    `durability="disk"`: what was acknowledged survives a power cut. "process": it survives the death of the process,
    and adding does not wait for the disk. Graphs of vectors are kept in a folder beside a SQLite file.
    `vectors="memory"`: this process holds the vectors that it searches. "kernel": on a GPU, or else on the CPU;
    "kernel:cpu", "kernel:cuda" and "kernel:cuda:1" name the device. "pgvector": PostgreSQL searches them.
    """

    def __init__(self, where: str, *, durability: Durability = "disk", vectors: str = "memory") -> None:
        make, searched_by = indexes.chosen(vectors)
        self.database = Database(where, durability=durability)
        try:
            served = PgVectors(self.database) if vectors == indexes.PGVECTOR else None
        except BaseException:
            self.database.close()
            raise
        path = self.database.path
        folder = None if path is None else path.with_name(path.name + "-indexes")
        if folder is not None:
            sweep(folder)
        self._shelves = Shelves(self.database, folder, served, make)
        self.journal = SqlJournal(self.database)
        self._graphs = Graphs(self.database, self._shelves)
        self.derived = SqlDerived(self.database, self._shelves, self._graphs)
        self.spaces = SqlSpaces(self.database, served)
        self.calls = SqlCalls(self.database)
        self.upkeep = SqlUpkeep(self.database, self._shelves, self.spaces, searched_by)
        proof.pay(self.database)

    def close(self) -> None:
        """See `memkit.ports.Store.close`."""
        try:
            if not self.database.inherited:
                self._shelves.save()
        finally:
            self._graphs.clear()
            self._shelves.clear()
            self.database.close()
