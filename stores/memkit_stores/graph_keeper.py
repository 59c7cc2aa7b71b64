"""One graph being kept up to date: which rows of SQL are new, and that all of them are of one moment."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, select

from memkit.errors import StoreError
from memkit.values import Space, Weave, Where
from memkit_stores.bulk import plain
from memkit_stores.database import Database
from memkit_stores.graph import Graph
from memkit_stores.graph_rows import Span, headers, one_moment, spans
from memkit_stores.likening import Likening
from memkit_stores.shelf import Shelf
from memkit_stores.shelves import Shelves
from memkit_stores.spaces import space_in_use
from memkit_stores.synonyms import Synonyms
from memkit_stores.tables import namespaces
from memkit_stores.web import Source, Web
from memkit_stores.where_sql import scope

_VERSIONS = (namespaces.c.path, namespaces.c.version, namespaces.c.rewritten)

TRIES = 5  # while others commit in between; then they wait


@dataclass(frozen=True, slots=True)
class Sources:
    """What graphs are made from."""

    database: Database
    shelves: Shelves
    synonyms: Synonyms


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which graph."""

    component: str
    namespace: str
    below: bool
    space: Space | None
    weave: Weave

    @property
    def where(self) -> Where:
        return Where(namespace=self.namespace, below=self.below)


class Readings:
    """Which extraction counts for each span: that of the highest stage."""

    def __init__(self) -> None:
        self._best: dict[Span, tuple[int, int]] = {}
        self._rows: dict[Span, list[int]] = {}
        self._last: dict[str, int] = {}

    def follow(
        self, connection: Connection, component: str, paths: list[str], first: int, shown: list[Span]
    ) -> dict[int, int]:
        """Read the extractions that are new, and note what the rows from `first` on show. The extraction of each row that
        is new or may have changed; 0 for none."""
        touched = set(shown)
        for row, span in enumerate(shown, start=first):
            self._rows.setdefault(span, []).append(row)
        for path in paths:
            for id, span, stage in headers(connection, (path, component), self._last.get(path, 0)):
                self._last[path] = id
                if span not in self._best or self._best[span][0] < stage:
                    self._best[span] = (stage, id)
                    touched.add(span)
        return {row: self._best.get(span, (0, 0))[1] for span in touched for row in self._rows.get(span, ())}


class Keeper:
    """`refreshed` is the only way in, under one lock."""

    def __init__(self, sources: Sources, wanted: Wanted) -> None:
        self._sources = sources
        self._wanted = wanted
        self._lock = threading.Lock()
        self.counted = 0
        self._start_over()

    def _start_over(self) -> None:
        space = self._wanted.space
        self._seen: dict[str, int] = {}
        self._stamp: int | None = None
        self._graph: Graph | None = None
        self._rows = np.empty(0, np.int64)  # the ids of the records
        self._readings = Readings()
        self._web = Web(self._wanted.weave, None if space is None else space.dimension)

    def refreshed(self) -> Graph:
        """The graph, with everything that was committed before this call."""
        with self._lock:
            stamp = self._sources.database.stamp()  # before the rows are read: they are at least as new
            if self._graph is not None and stamp is not None and stamp == self._stamp:
                return self._graph
            try:
                found = (self._followed() for _ in range(TRIES))
                graph = next((graph for graph in found if graph is not None), None) or self._insisted()
                self._graph, self._stamp = graph, stamp
                return graph
            except BaseException:
                self._start_over()  # some parts may have the new rows and some not
                raise

    def _followed(self) -> Graph | None:
        """The graph as of now, or None when something was committed meanwhile."""
        wanted, sources = self._wanted, self._sources
        shelf = sources.shelves.get(wanted.component, wanted.where, wanted.space)
        with sources.database.read() as connection:
            one_moment(connection)
            now, likening = self._versions(connection), self._likening(connection)
        if likening is not None:
            for path in self._behind(now):
                if sources.synonyms.complete((path, wanted.component), likening) != now[path][0]:
                    return None
        with sources.database.read() as connection:
            one_moment(connection)
            return self._woven(connection, shelf, likening) if self._versions(connection) == now else None

    def _insisted(self) -> Graph:
        """The graph as of now, while nobody else may commit."""
        wanted, sources = self._wanted, self._sources
        with sources.database.write() as connection:
            for path in sorted(self._versions(connection)):
                sources.database.hold(connection, path)
            likening = self._likening(connection)
            if likening is not None:
                for path in self._behind(self._versions(connection)):
                    sources.synonyms.complete((path, wanted.component), likening, connection)
            shelf = sources.shelves.get(wanted.component, wanted.where, wanted.space)
            graph = self._woven(connection, shelf, likening)
        if graph is None:
            raise StoreError(f"namespaces under {wanted.namespace!r} come faster than they can be read; try again")
        return graph

    def _woven(self, connection: Connection, shelf: Shelf, likening: Likening | None) -> Graph | None:
        """The graph of a shelf, with what is new on it. None when the shelf is not of this moment."""
        now = self._versions(connection)
        if shelf.seen != {path: version for path, (version, _) in now.items()}:
            return None
        if self._graph is not None and shelf.seen == self._seen:
            return self._graph
        source = self._source(connection, now, likening)
        if not self._only_grew(shelf, now) or not self._taken(source, shelf, now):
            self._start_over()
            self._taken(source, shelf, now)
        self._rows, self._seen = shelf.id, dict(shelf.seen)
        return self._web.graph(self._sources.database, shelf)

    def _behind(self, now: dict[str, tuple[int, int]]) -> list[str]:
        """The namespaces that have changed."""
        return [path for path, (version, _) in now.items() if self._seen.get(path) != version]

    def _taken(self, source: Source, shelf: Shelf, now: dict[str, tuple[int, int]]) -> bool:
        """Take what is new. False when the graph has to be made anew."""
        first = len(self._rows)
        shown = spans(source.connection, shelf.id[first:])
        read = self._readings.follow(source.connection, self._wanted.component, self._behind(now), first, shown)
        return self._web.take(source, read, shelf.size)

    def _versions(self, connection: Connection) -> dict[str, tuple[int, int]]:
        if not self._wanted.below:  # before every recall after a change: without SQLAlchemy's part
            query = "SELECT path, version, rewritten FROM namespaces WHERE path = ?"
            rows = plain(connection, query, self._wanted.namespace)
        else:
            rows = list(
                map(tuple, connection.execute(select(*_VERSIONS).where(scope(_VERSIONS[0], self._wanted.where))))
            )
        return {path: (version, rewritten) for path, version, rewritten in rows}

    def _likening(self, connection: Connection) -> Likening | None:
        """How synonyms are found, if they are."""
        number, space = self._space(connection), self._wanted.space
        return None if number is None or space is None else Likening.of(self._wanted.weave, number, space.dimension)

    def _space(self, connection: Connection) -> int | None:
        return None if self._wanted.space is None else space_in_use(connection, self._wanted.space)

    def _only_grew(self, shelf: Shelf, now: dict[str, tuple[int, int]]) -> bool:
        for path, version in self._seen.items():  # also when the version is less: by another machine's clock
            if path not in now or not now[path][1] <= version <= now[path][0]:
                return False
        return np.array_equal(shelf.id[: len(self._rows)], self._rows)

    def _source(self, connection: Connection, now: dict[str, tuple[int, int]], likening: Likening | None) -> Source:
        return Source(
            connection=connection,
            space=self._space(connection),
            likening=None if likening is None else likening.number(connection),
            most=self._wanted.weave.most,
            owners=tuple((path, self._wanted.component) for path in now),
        )
