"""What the libraries underneath cost when nothing is built on them: no memory can be cheaper than these."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LINKS, BUILD, EFFORT = 32, 80, 64  # of HNSW, as memkit has them

# The columns of an event. What is bare has no index beside the primary key.
_FIELDS = "id, namespace, kind, role, author, session, key, at, recorded, text, metadata"
Row = tuple[str | int | None, ...]


class BareTable:
    """A SQLite table in write-ahead mode. `synchronous` is "FULL" or "NORMAL"."""

    def __init__(self, file: Path, synchronous: str) -> None:
        self._connection = sqlite3.connect(file, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute(f"PRAGMA synchronous={synchronous}")
        self._connection.execute(f"CREATE TABLE events (position INTEGER PRIMARY KEY, {_FIELDS})")
        self._insert = f"INSERT INTO events ({_FIELDS}) VALUES ({', '.join('?' * 11)})"

    def add(self, row: Row) -> None:
        """One transaction, committed."""
        self._connection.execute(self._insert, row)

    def add_all(self, rows: Sequence[Row]) -> None:
        """One transaction for all, committed."""
        self._connection.execute("BEGIN")
        self._connection.executemany(self._insert, rows)
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()


class BareWords:
    """SQLite's full-text index FTS5, in memory: its BM25, the ten best rows with any word of the question."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._connection = sqlite3.connect(":memory:")
        self._connection.execute("CREATE VIRTUAL TABLE texts USING fts5(text, tokenize='porter unicode61')")
        self._connection.executemany("INSERT INTO texts (text) VALUES (?)", ((text,) for text in texts))
        self._connection.execute("INSERT INTO texts (texts) VALUES ('optimize')")

    def search(self, question: str) -> list[int]:
        """Row numbers, best first."""
        words = "".join(letter if letter.isalnum() else " " for letter in question).split()
        anything = " OR ".join(f'"{word}"' for word in words)
        query = "SELECT rowid FROM texts WHERE texts MATCH ? ORDER BY rank LIMIT 10"
        return [row[0] - 1 for row in self._connection.execute(query, (anything,))]

    def close(self) -> None:
        self._connection.close()


class BareVectors:
    """A FAISS index: "flat" compares with every vector, "hnsw" follows a graph."""

    def __init__(self, kind: str, vectors: NDArray[np.float32]) -> None:
        width = vectors.shape[1]
        self._index: Any = faiss.IndexFlatIP(width)
        if kind == "hnsw":
            self._index = faiss.IndexHNSWFlat(width, LINKS, faiss.METRIC_INNER_PRODUCT)
            self._index.hnsw.efConstruction = BUILD
            self._index.hnsw.efSearch = EFFORT
        self._index.add(vectors)

    def search(self, vector: NDArray[np.float32]) -> NDArray[np.int64]:
        """The numbers of the ten nearest, best first."""
        found: NDArray[np.int64] = self._index.search(vector[None], 10)[1][0]
        return found
