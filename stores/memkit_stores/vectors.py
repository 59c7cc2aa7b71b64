"""The vectors of a shelf's rows: appended, removed, searched (see `nearest`), and a graph of them kept up to date.

A search above the threshold moves a few hundred vectors from the plain array into the graph, and looks at everything
until the graph has caught up, so that no search waits until a whole graph is built; `settle` builds it at once.

Threads: one at a time may add and compact; any may search, settle and save. What a `Snapshot` refers to never changes
but for the graph, which grows at its end and lets no search in while it does.
"""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memkit.errors import StoreError
from memkit_stores.columns import Column
from memkit_stores.hnsw import Graph, load
from memkit_stores.nearest import NARROWEST, TAIL, Ranked, Snapshot, fitted
from memkit_stores.slots import Slots, check_fit

EXACT_BELOW = 20_000  # vectors that are searched one by one; from here on a graph pays
STEP = 128  # vectors that one search moves into the graph; 50 ms at 100,000 x 384
DEAD = 0.03  # the part of a graph that may be empty slots; recall@10 falls from 0.991 to 0.985, at 0.09 to 0.980


class Vectors:
    """The vectors of the rows of one shelf. See the module about slots, snapshots and threads."""

    on_device = False

    def __init__(
        self, dimension: int, *, exact_below: int = EXACT_BELOW, folder: Path | None = None, name: str = "vectors"
    ) -> None:
        """With a folder, the graph is kept in its file `<name>.hnsw`, which nothing else may be called."""
        if dimension < 1:
            raise ValueError(f"the dimension is {dimension}; it must be at least 1")
        if not name or Path(name).name != name:
            raise ValueError(f"{name!r} cannot be the name of a file")
        self._exact_below = exact_below
        self._dimension = dimension
        self._path = None if folder is None else folder / f"{name}.hnsw"
        self._saved: tuple[int, int] | None = None
        self._generation = 0
        self._building = threading.Lock()  # who holds it writes the graph or its file; taken before the next one
        self._lock = threading.Lock()  # who holds it publishes
        none = np.empty(0, np.int64)
        self._start(none, none, 0, None, np.empty((0, self._width), np.float32))

    @property
    def _width(self) -> int:
        return max(self._dimension, NARROWEST)

    def _start(
        self,
        rows: NDArray[np.int64],
        ids: NDArray[np.int64],
        base: int,
        graph: Graph | None,
        tail: NDArray[np.float32],
    ) -> None:
        """Publish these rows, by slot, in place of what was there."""
        self._places = Slots(rows)
        self._ids: Column[np.int64] = Column(np.int64)
        self._tail: Column[np.float32] = Column(np.float32, self._width)
        self._ids.append(ids)
        self._tail.append(tail)
        self._tail_start = base
        self._publish(graph, base)

    def _publish(self, graph: Graph | None, base: int) -> None:
        moved = base - self._tail_start  # these are in the graph and still in the array
        if moved > len(self._tail.values) // 2:
            rest = self._tail.values[moved:]
            self._tail = Column(np.float32, self._width)
            self._tail.append(rest)
            self._tail_start = base
        self._snapshot = Snapshot(
            dimension=self._dimension,
            exact_below=self._exact_below,
            catch_up=self._caught_up,
            generation=self._generation,
            rows=self._places.rows,
            slots=self._places.slots,
            count=self._places.count,
            graph=graph,
            base=base,
            tail=self._tail.values[base - self._tail_start :],
        )

    def __len__(self) -> int:
        """How many rows have a vector."""
        return self._snapshot.count

    @property
    def nbytes(self) -> int:
        """The memory that the vectors and the graph take."""
        now = self._snapshot
        plain = self._tail.values.nbytes + now.rows.nbytes + now.slots.nbytes + self._ids.values.nbytes
        return plain + (now.graph.nbytes if now.graph else 0)

    @property
    def waiting(self) -> int:
        """How many vectors a graph could take in; 0 when there are too few for one."""
        now = self._snapshot
        return len(now.tail) if now.count >= self._exact_below else 0

    @property
    def has_graph(self) -> bool:
        """Whether there is something that took long to build, for `save` to keep."""
        return self._snapshot.graph is not None

    def snapshot(self) -> Snapshot:
        """The vectors as they are now, to be searched whatever happens to the index. It costs nothing."""
        return self._snapshot

    def nearest(self, vector: NDArray[np.float32], k: int, mask: NDArray[np.bool_] | None = None, /) -> Ranked:
        """`Snapshot.nearest`, as of now."""
        return self._snapshot.nearest(vector, k, mask)

    def similarity(self, vector: NDArray[np.float32], rows: NDArray[np.int64], /) -> NDArray[np.float32]:
        """`Snapshot.similarity`, as of now."""
        return self._snapshot.similarity(vector, rows)

    def add(self, rows: NDArray[np.int64], matrix: NDArray[np.float32], ids: NDArray[np.int64]) -> None:
        """Append the vectors of rows that come after all earlier ones. Rows in between may be left out.

        `matrix` is float32 of shape [len(rows), dimension], without NaN; `ids` are the record ids of the rows, by
        which the file is recognised. Raises ValueError for another shape, or rows that do not ascend.
        """
        check_fit(rows, matrix, ids)
        vectors = fitted(matrix, self._dimension)
        if not len(rows):
            return
        with self._lock:
            self._places.append(rows)
            self._ids.append(ids)
            self._tail.append(vectors)
            self._publish(self._snapshot.graph, self._snapshot.base)

    def compact(self, keep: NDArray[np.bool_]) -> None:
        """Remove the rows where `keep` is false, and number the others anew in the same order.

        Afterwards no removed vector is in this index or in its file, which is deleted: plain arrays are copied without
        them, and in the graph zeros take their place, as FAISS cannot take a vector out. When more than a few
        in a hundred are zeros the graph is dropped, to be built anew. `keep` may also count rows without a vector
        behind the last one with. Raises ValueError when it is shorter, and StoreError, with nothing removed, when the
        file cannot be deleted.
        """
        with self._building, self._lock:
            now = self._snapshot
            rows = self._places.renumbered(keep)
            stays, live = rows >= 0, now.live(len(now.rows))
            if self._path is not None and not np.array_equal(stays, live):
                self._forget_file(self._path)
            self._generation += 1
            base, graph, ids = now.base, now.graph, self._ids.values
            tail = now.tail[stays[base:]]
            if graph is None or self._outworn(stays, base):
                if graph is not None:
                    tail = np.concatenate((graph.gather(np.flatnonzero(stays[:base])), tail))
                self._start(rows[stays], ids[stays], 0, None, tail)
                return
            graph.erase(np.flatnonzero(~stays[:base]))
            stays[:base] = True
            self._start(rows[stays], np.where(rows >= 0, ids, -1)[stays], base, graph, tail)

    def _forget_file(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except NotADirectoryError:
            return  # where the folder should be is a file: nothing was ever kept there
        except OSError as error:
            raise StoreError(f"cannot delete the index {path}, which knows what is to be forgotten: {error}") from error
        self._saved = None

    def _outworn(self, stays: NDArray[np.bool_], base: int) -> bool:
        """Whether the graph has too many empty slots, or is not needed for so few vectors."""
        dead = int(np.count_nonzero(~stays[:base]))
        return int(np.count_nonzero(stays)) < self._exact_below or dead > DEAD * base

    def _caught_up(self, seen: Snapshot) -> Snapshot:
        """The same snapshot with more of it in the graph, where that is possible without waiting for long."""
        if len(seen.tail) <= TAIL and seen.graph is not None:
            return seen
        if seen.generation == self._generation and self._building.acquire(blocking=False):
            try:
                self._advance(STEP)
            finally:
                self._building.release()
        now = self._snapshot
        return now.first(len(seen.slots), seen.count) if now.generation == seen.generation else seen

    def settle(self, *, threads: int = 1) -> None:
        """Put all vectors into the graph, if there are enough for one. Searches and `add` go on meanwhile.

        With one thread the same vectors make the same graph; with more it is quicker, and differs a little each time.
        """
        while True:
            with self._building:
                if not self._advance(8 * STEP, threads):
                    return

    def _advance(self, most: int, threads: int = 1) -> bool:
        """Move so many vectors into the graph, or begin with the one from the file. False if there is nothing to do."""
        now = self._snapshot
        if now.count < self._exact_below or (now.graph is not None and not len(now.tail)):
            return False
        if now.graph is None and self._taken_from_file(now):
            return True
        graph = now.graph or Graph(self._width)
        more = now.tail[:most]
        graph.extend(more, threads=threads)
        with self._lock:
            self._publish(graph, now.base + len(more))
        return True

    def _taken_from_file(self, now: Snapshot) -> bool:
        """Begin with the graph from the file, if that can be used."""
        loaded = None if self._path is None else load(self._path, self._ids.values[: len(now.rows)], now.tail)
        if loaded is None:
            return False
        graph, live = loaded
        with self._lock:
            # Slots that were empty when the file was written are so again: the others move behind them.
            places = np.flatnonzero(live)
            rest = len(self._places.rows) - len(places)
            slots = np.concatenate((places, np.arange(len(live), len(live) + rest)))
            rows, ids = np.full((2, len(live) + rest), -1)
            rows[slots], ids[slots] = self._places.rows, self._ids.values
            self._start(rows, ids, len(live), graph, self._tail.values[len(places) :])
            self._saved = (self._generation, len(live))
        return True

    def save(self) -> bool:
        """Keep the graph in the folder. False when there is no folder, no graph, or nothing new in it.

        Several processes may share the folder: the last to save wins. Raises StoreError if it cannot be written.
        """
        with self._building:
            now = self._snapshot
            state = (now.generation, now.base)
            if self._path is None or now.graph is None or self._saved == state:
                return False
            live = now.live(now.base)
            now.graph.save(self._path, live, self._ids.values[: now.base][live])
            self._saved = state
            return True
