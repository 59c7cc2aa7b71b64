"""What was derived, as components look at it: shelves and graphs, up to date when they are handed out."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select

from memkit.ports import Graph as GraphPort
from memkit.ports import Shelf as ShelfPort
from memkit.values import Space, Weave, Where
from memkit_stores.database import Database
from memkit_stores.graphs import Graphs
from memkit_stores.shelves import Shelves
from memkit_stores.tables import records
from memkit_stores.vectors import EXACT_BELOW
from memkit_stores.where_sql import scope


class Looking:
    """The part of `memkit.ports.Derived` that shelves and graphs answer."""

    def __init__(self, database: Database, shelves: Shelves, graphs: Graphs) -> None:
        self._database = database
        self._shelves = shelves
        self._graphs = graphs

    def shelf(self, component: str, where: Where, space: Space | None, /) -> ShelfPort:
        """See `memkit.ports.Derived.shelf`."""
        return self._shelves.get(component, where, space)

    def graph(self, component: str, where: Where, space: Space | None, weave: Weave, /) -> GraphPort:
        """See `memkit.ports.Derived.graph`."""
        return self._graphs.get(component, where, space, weave)

    def settle(self, where: Where | None, components: Sequence[str], space: Space, /) -> None:
        """See `memkit.ports.Derived.settle`. Synonyms are found as graphs in this space were asked for before."""
        large = (
            select(records.c.namespace, records.c.component)
            .where(records.c.component.in_(components), *([] if where is None else [scope(records.c.namespace, where)]))
            .group_by(records.c.namespace, records.c.component)
            .having(func.count() >= EXACT_BELOW)
        )
        with self._database.read() as connection:
            found = connection.execute(large).all()
        for namespace, component in found:
            self._shelves.settle(component, Where(namespace=namespace), space)
        self._graphs.settle(where, components, space)
