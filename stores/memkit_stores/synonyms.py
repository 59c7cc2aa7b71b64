"""Which names mean the same: for each name those most like it, found once and kept in SQL (`memkit.values.Weave`).

The lists are a pure function of the names that a component has in a namespace, and of their vectors. A new name is
searched for among all of them, and lists of old ones that it belongs on are changed. Who asks for a graph sees to it that no name
lacks its list; whoever is first writes them.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, delete

from memkit_stores.bulk import ask, plain, put
from memkit_stores.comparing import Fetched, ranks, vectors_of
from memkit_stores.database import Database
from memkit_stores.graph_rows import Ids, Owner, list_sizes, listed_on, lists_of, matrix_of, one_moment
from memkit_stores.likeness import Likeness
from memkit_stores.likening import Likening
from memkit_stores.listing import Lists
from memkit_stores.sketch import Turn, units_of
from memkit_stores.tables import NAME, likened, synonyms

TRIES = 3  # before the lists are found while nobody else may write
PAGE = 4096  # vectors read at once
KEPT = 1 << 28  # bytes of sketches that are remembered; beyond it the namespace unused for longest goes

Matrix = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Change:
    """Entries to be written, and entries for which they leave no room."""

    new: Lists
    gone: Lists


@dataclass(frozen=True, slots=True)
class Waiting:
    """Names without a list at one moment, with their texts, by id, and the namespace's version then."""

    version: int
    rewritten: int
    last: int  # the highest id of a node
    names: dict[int, str]


class Synonyms:
    """The lists of all namespaces of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._nets: OrderedDict[tuple[Owner, Likening], Net] = OrderedDict()

    def complete(self, owner: Owner, likening: Likening, held: Connection | None = None) -> int:
        """See to it that every name with a vector has its list; the version of the namespace for which that is so. It is done
        in the transaction of who holds the namespace already."""
        with self._lock:
            net = self._nets.setdefault((owner, likening), Net(owner, likening))
            self._nets.move_to_end((owner, likening))
            total = sum(each.size for each in self._nets.values())
            while total > KEPT and len(self._nets) > 1:
                total -= self._nets.popitem(last=False)[1].size
        with net.lock:
            return net.completed(self._database) if held is None else net.completed_by(held).version

    def clear(self) -> None:
        """Let go of all sketches."""
        with self._lock:
            self._nets.clear()


class Net:
    """The names of one component in one namespace, to be searched by likeness."""

    def __init__(self, owner: Owner, likening: Likening) -> None:
        self.lock = threading.Lock()
        self._owner = owner
        self._likening = likening
        self._done = (0, 0)  # the version for which all lists are complete, and the highest id then
        self._start_over()

    def _start_over(self) -> None:
        self._known: Likeness | None = None
        self._read: tuple[int, int] = (0, 0)  # the version that the sketches are of, and the highest id then

    @property
    def size(self) -> int:
        """The memory that the sketches take."""
        return 0 if self._known is None else self._known.nbytes

    def completed(self, database: Database) -> int:
        """See `Synonyms.complete`."""
        for _ in range(TRIES):
            with database.read() as connection:
                one_moment(connection)
                waiting = self._waiting(connection)
                change = self._change(connection, waiting) if waiting.names else None
            if change is None or self._written(database, waiting, change):
                return self._finished(waiting)
        with database.write() as connection:  # the names change faster than they are searched: let them wait
            database.hold(connection, self._owner[0])
            waiting = self.completed_by(connection)
        return self._finished(waiting)

    def completed_by(self, connection: Connection) -> Waiting:
        """See to it in the transaction of who holds the namespace. Nothing is taken for done before it is committed."""
        waiting = self._waiting(connection)
        if waiting.names:
            self._store(connection, waiting, self._change(connection, waiting))
        return waiting

    def _finished(self, waiting: Waiting) -> int:
        self._done = (waiting.version, waiting.last)
        return waiting.version

    def _written(self, database: Database, waiting: Waiting, change: Change) -> bool:
        """Write the lists if they are still those of the names there are, and nobody else did."""
        try:
            with database.write() as connection:
                database.hold(connection, self._owner[0])
                if self._still(connection, waiting):
                    self._store(connection, waiting, change)
                    return True
        except BaseException:
            self._start_over()
            raise
        self._start_over()  # the sketches have names that may be gone
        return False

    def _still(self, connection: Connection, waiting: Waiting) -> bool:
        """Whether those names wait, and nothing else has changed. Whoever writes lists writes those of all that wait."""
        known = "SELECT version, rewritten FROM namespaces WHERE path = ?"
        number = self._likening.number(connection)
        taken = "SELECT node FROM likened WHERE node = ? AND likening = ?"
        if number is not None and plain(connection, taken, min(waiting.names), number):
            return False
        return plain(connection, known, self._owner[0]) == [(waiting.version, waiting.rewritten)]

    def _waiting(self, connection: Connection) -> Waiting:
        rows = plain(connection, "SELECT version, rewritten FROM namespaces WHERE path = ?", self._owner[0])
        version, rewritten = rows[0] if rows else (0, 0)
        done, last = self._done
        if version == done:
            return Waiting(version, rewritten, last, {})
        number = self._likening.number(connection)
        query = (
            "SELECT n.id, n.text FROM nodes n JOIN vectors v ON v.record = -n.id AND v.space = ? "
            "LEFT JOIN likened l ON l.node = n.id AND l.likening = ? "
            f"WHERE n.namespace = ? AND n.component = ? AND n.kind = {NAME} AND l.node IS NULL AND n.id > ? ORDER BY n.id"
        )
        after = last if rewritten <= done <= version else 0
        fixed = (self._likening.space, -1 if number is None else number, *self._owner, after)
        names = dict(map(tuple, plain(connection, query, *fixed)))
        newest = "SELECT max(id) FROM nodes WHERE namespace = ? AND component = ?"
        [(highest,)] = plain(connection, newest, *self._owner)
        return Waiting(version, rewritten, highest or 0, names)

    def _change(self, connection: Connection, waiting: Waiting) -> Change:
        """What is to be written so that every name has its list."""
        new = np.fromiter(waiting.names, np.int64, len(waiting.names))
        try:
            known, matrix = self._up_to_date(connection, waiting, new)
            fetched = Fetched(connection, self._likening, new, matrix)
            pairs = known.joined(new, matrix, self._likening.threshold)
            self._read = (waiting.version, waiting.last)
            number = self._likening.number(connection)
            return self._gathered(connection, number, waiting, fetched, pairs)
        except BaseException:
            self._start_over()
            raise

    def _gathered(
        self,
        connection: Connection,
        number: int | None,
        waiting: Waiting,
        fetched: Fetched,
        pairs: Iterator[tuple[Ids, Ids]],
    ) -> Change:
        mine, most = Lists.of(()), self._likening.most
        rank = partial(ranks, connection)
        for some, others in pairs:
            mine = mine.joined(Lists.both_ways(*fetched.alike(some, others))).cut(most, rank)
        new = np.fromiter(waiting.names, np.int64, len(waiting.names))
        old = np.setdiff1d(mine.node, new).tolist()
        texts = dict(ask(connection, "SELECT id, text FROM nodes WHERE id IN (?*)", old)) | waiting.names
        short = [id for id, text in texts.items() if not self._likening.admits(text)]
        mine = mine.only(~np.isin(mine.node, short))
        if number is None:
            return Change(mine, Lists.of(()))
        mine = mine.without(Lists.of(listed_on(connection, new, number)))
        sizes, added = list_sizes(connection, old, number), Counter(mine.node.tolist())
        crowded = np.array([id for id in old if sizes.get(id, 0) + added[id] > most], np.int64)
        there = Lists.of(lists_of(connection, crowded, number))
        touched = np.isin(mine.node, crowded)
        merged = there.joined(mine.only(touched)).cut(most, rank)
        return Change(merged.without(there).joined(mine.only(~touched)), there.without(merged))

    def _store(self, connection: Connection, waiting: Waiting, change: Change) -> None:
        number = self._likening.numbered(connection)
        put(connection, likened, ("node", "likening"), [(id, number) for id in waiting.names])
        c, gone, new = synonyms.c, change.gone, change.new
        for node, other in zip(gone.node.tolist(), gone.other.tolist(), strict=True):
            connection.execute(delete(synonyms).where(c.node == node, c.likening == number, c.other == other))
        rows = zip(new.node.tolist(), new.other.tolist(), new.weight.tolist(), strict=True)
        put(connection, synonyms, ("node", "likening", "other", "weight"), [(a, number, b, w) for a, b, w in rows])

    def _up_to_date(self, connection: Connection, waiting: Waiting, new: Ids) -> tuple[Likeness, Matrix]:
        """The sketches of all names that are not new, and the vectors of those that are."""
        known, (version, last) = self._known, self._read
        if known is None or known.outgrown or not waiting.rewritten <= version <= waiting.version:
            return self._loaded(connection, waiting, new)
        for ids, matrix in self._pages(connection, last, waiting):
            known.add(ids, units_of(matrix))
        return known, vectors_of(connection, self._likening, new)

    def _loaded(self, connection: Connection, waiting: Waiting, new: Ids) -> tuple[Likeness, Matrix]:
        """All of it read anew."""
        matrix = vectors_of(connection, self._likening, new)
        pages = list(self._pages(connection, 0, waiting))
        old = np.concatenate([page for _, page in pages]) if pages else matrix[:0]
        turn = Turn.of(old if len(old) > len(matrix) else matrix, self._likening.threshold)
        self._known = Likeness(turn, self._likening.dimension)
        for ids, page in pages:
            self._known.add(ids, units_of(page))
        return self._known, matrix

    def _pages(self, connection: Connection, after: int, waiting: Waiting) -> Iterator[tuple[Ids, Matrix]]:
        """The names above an id that are not waiting and have a vector."""
        query = (
            "SELECT n.id, v.vector FROM nodes n JOIN vectors v ON v.record = -n.id AND v.space = ? "
            f"WHERE n.namespace = ? AND n.component = ? AND n.kind = {NAME} AND n.id > ? ORDER BY n.id LIMIT {PAGE}"
        )
        while True:
            rows = list(plain(connection, query, self._likening.space, *self._owner, after))
            some = [(id, blob) for id, blob in rows if id not in waiting.names]
            if some:
                yield (
                    np.array([id for id, _ in some], np.int64),
                    matrix_of([blob for _, blob in some], self._likening.dimension),
                )
            if len(rows) < PAGE:
                return
            after = rows[-1][0]
