"""All graphs that a process has looked at lately, and keeping them up to date.

A graph is a cache of SQL rows, beside a shelf. It is brought up to date before it is handed out: what came is added, what a
better reading replaces is taken out, and after any other change it is made anew. What is handed out does not change later.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

from sqlalchemy import select

from memkit.values import Space, Weave, Where
from memkit_stores.database import Database
from memkit_stores.graph import Graph
from memkit_stores.graph_keeper import Keeper, Sources, Wanted
from memkit_stores.likening import Likening
from memkit_stores.shelves import Shelves
from memkit_stores.spaces import number_of
from memkit_stores.synonyms import Synonyms
from memkit_stores.tables import nodes
from memkit_stores.where_sql import scope

NODES_KEPT = 2_000_000  # over all graphs of a process; beyond it the one unused for longest goes


class Graphs:
    """All graphs of a database that this process has looked at lately."""

    def __init__(self, database: Database, shelves: Shelves) -> None:
        self._synonyms = Synonyms(database)
        self._sources = Sources(database, shelves, self._synonyms)
        self._lock = threading.Lock()
        self._kept: OrderedDict[Wanted, Keeper] = OrderedDict()

    def get(self, component: str, where: Where, space: Space | None, weave: Weave) -> Graph:
        """The graph as of now."""
        wanted = Wanted(component, where.namespace, where.below, space, weave)
        with self._lock:
            keeper = self._kept.get(wanted)
            if keeper is None:
                keeper = self._kept[wanted] = Keeper(self._sources, wanted)
            self._kept.move_to_end(wanted)
        graph = keeper.refreshed()
        if graph.walk.nodes > keeper.counted:
            keeper.counted = graph.walk.nodes
            self._make_room()
        return graph

    def settle(self, where: Where | None, components: Sequence[str], space: Space) -> None:
        """See to it that no name in scope lacks its synonyms, as they were looked for before."""
        with self._sources.database.read() as connection:
            number = number_of(connection, space)
            known = [] if number is None else Likening.every(connection, number, space.dimension)
            c = nodes.c
            mine = [c.component.in_(components), *([] if where is None else [scope(c.namespace, where)])]
            owners = connection.execute(select(c.namespace, c.component).distinct().where(*mine)).all() if known else []
        for namespace, component in owners:
            for likening in known:
                self._synonyms.complete((namespace, component), likening)

    def clear(self) -> None:
        """Let go of all graphs."""
        with self._lock:
            self._kept.clear()
        self._synonyms.clear()

    def _make_room(self) -> None:
        with self._lock:
            total = sum(keeper.counted for keeper in self._kept.values())
            while total > NODES_KEPT and len(self._kept) > 1:
                _, oldest = self._kept.popitem(last=False)
                total -= oldest.counted
