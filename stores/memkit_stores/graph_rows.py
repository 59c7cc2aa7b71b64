"""What graphs are made of, read from SQL in the driver's own words: there are many rows, and little is done with each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from memkit_stores.bulk import ask, plain
from memkit_stores.nodes import digest
from memkit_stores.tables import BARE_FACT, FACT

Span = tuple[int, int, int]  # the position of an event, and the first and last character
Owner = tuple[str, str]  # namespace and component
Ids = NDArray[np.int64]
Node = tuple[int, bytes, bytes | None, bytes | None]  # id, key, terms, vector
Like = tuple[int, int, float]  # a node, another on its list, and their cosine


def one_moment(connection: Connection) -> None:
    """Let all that is read in this transaction, from the first statement on, be as of one moment."""
    if connection.dialect.name == "postgresql":  # on SQLite it always is
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


def matrix_of(blobs: Sequence[bytes], dimension: int) -> NDArray[np.float32]:
    """Vectors, as they are stored, in rows."""
    matrix = np.frombuffer(b"".join(blobs), "<f4").reshape(-1, dimension)
    return matrix.astype(np.float32, copy=False)


def headers(connection: Connection, owner: Owner, after: int) -> list[tuple[int, Span, int]]:
    """(id, span, stage) of the extractions with an id above `after`."""
    query = (
        'SELECT id, position, start, "end", stage FROM extractions '
        "WHERE namespace = ? AND component = ? AND id > ? ORDER BY id"
    )
    rows = plain(connection, query, *owner, after)
    return [(id, (position, start, end), stage) for id, position, start, end, stage in rows]


def spans(connection: Connection, ids: Ids) -> list[Span]:
    """What each of these records shows."""
    query = (
        'SELECT l.record, r.position, l.start, l."end" FROM lineage l JOIN records r ON r.id = l.record '
        "WHERE l.ordinal = 0 AND l.record IN (?*)"
    )
    found = {id: (position, start, end) for id, position, start, end in ask(connection, query, ids.tolist())}
    return [found[id] for id in ids.tolist()]


def edges_of(connection: Connection, ids: Ids) -> NDArray[np.int64]:
    """(extraction, ordinal, source, target, label) of the edges of extractions, in rows, 0 for none; by ordinal."""
    query = "SELECT extraction, ordinal, coalesce(source, 0), target, coalesce(label, 0) FROM edges WHERE extraction IN (?*)"
    edges = whole(ask(connection, query, ids.tolist()), 5)
    ordered: NDArray[np.int64] = edges[np.lexsort((edges[:, 1], edges[:, 0]))]
    return ordered


def nodes_of(connection: Connection, ids: Ids, space: int | None, page: int) -> Iterator[list[Node]]:
    """(id, key, terms, vector) of nodes, in the order of the ids, a page at a time. The key is the same for equal names, and
    for equal facts."""
    query = (
        f"SELECT n.id, n.digest, CASE n.kind WHEN {BARE_FACT} THEN n.text END, n.terms, v.vector FROM nodes n "
        "LEFT JOIN vectors v ON v.record = -n.id AND v.space = ? WHERE n.id IN (?*)"
    )
    for start in range(0, len(ids), page):
        wanted = ids[start : start + page].tolist()
        found = {}
        for id, key, bare, terms, vector in ask(connection, query, wanted, -1 if space is None else space):
            same = bytes(key) if bare is None else digest(FACT, bare)
            found[id] = (id, same, terms, vector)
        yield [found[id] for id in wanted]


def whole(rows: Iterable[tuple[int, ...]], width: int) -> NDArray[np.int64]:
    """Rows of whole numbers as an array [rows, width]; making it of a list of rows takes three times as long."""
    return np.fromiter(chain.from_iterable(rows), np.int64).reshape(-1, width)


def all_likes(connection: Connection, owner: Owner, likening: int) -> list[Like]:
    """All synonyms of a namespace."""
    query = (
        "SELECT s.node, s.other, s.weight FROM synonyms s JOIN nodes n ON n.id = s.node "
        "WHERE s.likening = ? AND n.namespace = ? AND n.component = ?"
    )
    return [(node, other, weight) for node, other, weight in plain(connection, query, likening, *owner)]


def lists_of(connection: Connection, ids: Ids, likening: int) -> list[Like]:
    """The lists of these names."""
    query = "SELECT node, other, weight FROM synonyms WHERE likening = ? AND node IN (?*)"
    return [(node, other, weight) for node, other, weight in ask(connection, query, ids.tolist(), likening)]


def listed_on(connection: Connection, ids: Ids, likening: int) -> list[Like]:
    """The entries of these names on the lists of others, and on each other's."""
    query = "SELECT node, other, weight FROM synonyms WHERE likening = ? AND other IN (?*)"
    return [(node, other, weight) for node, other, weight in ask(connection, query, ids.tolist(), likening)]


def list_sizes(connection: Connection, ids: Sequence[int], likening: int) -> dict[int, int]:
    """How many are on the list of each of these names that has one with any."""
    query = "SELECT node, count(*) FROM synonyms WHERE likening = ? AND node IN (?*) GROUP BY node"
    return dict(ask(connection, query, ids, likening))
