"""Replies of models, kept with the events that they are about: not asked for twice, and forgotten with them."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import Connection, and_, delete, insert, select

from memkit_stores.database import Database
from memkit_stores.journal import CHUNK
from memkit_stores.tables import call_sources, calls, events


class SqlCalls:
    """`memkit.ports.Calls` over a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, namespace: str, component: str, keys: Sequence[str], /) -> dict[str, str]:
        """See `memkit.ports.Calls.find`."""
        asked, found = list(dict.fromkeys(keys)), dict[str, str]()
        mine = and_(calls.c.namespace == namespace, calls.c.component == component)
        with self._database.read() as connection:
            for start in range(0, len(asked), CHUNK):
                query = select(calls.c.key, calls.c.reply).where(mine, calls.c.key.in_(asked[start : start + CHUNK]))
                found.update({key: _to_text(reply) for key, reply in connection.execute(query)})
        return found

    def keep(self, namespace: str, component: str, key: str, reply: str, about: Sequence[str], /) -> bool:
        """See `memkit.ports.Calls.keep`."""
        if not about:
            raise ValueError("no event is named that the reply is about, and so it could never be forgotten")
        named = sorted(set(about))
        with self._database.write() as connection:
            self._database.hold(connection, namespace)  # none of them is forgotten meanwhile
            places = _places(connection, namespace, named)
            if len(places) < len(named):
                return False
            mine = and_(calls.c.namespace == namespace, calls.c.component == component, calls.c.key == key)
            if connection.execute(select(calls.c.id).where(mine)).first() is None:
                row = {"namespace": namespace, "component": component, "key": key, "reply": _to_bytes(reply)}
                statement = insert(calls).values(**row, at=time.time_ns() // 1000).returning(calls.c.id)
                id = connection.execute(statement).scalar_one()
                connection.execute(insert(call_sources), [{"call": id, "event": place} for place in places])
        return True


def forget_calls(connection: Connection, positions: Sequence[int]) -> None:
    """Remove every reply that is about one of these events, and what else it is about with it: it may quote them."""
    about = select(call_sources.c.call).where(call_sources.c.event.in_(positions))
    doomed = connection.execute(about.distinct()).scalars().all()
    for start in range(0, len(doomed), CHUNK):
        chunk = doomed[start : start + CHUNK]
        connection.execute(delete(call_sources).where(call_sources.c.call.in_(chunk)))
        connection.execute(delete(calls).where(calls.c.id.in_(chunk)))


def _places(connection: Connection, namespace: str, ids: Sequence[str]) -> list[int]:
    """The positions of those events that the namespace has."""
    found: list[int] = []
    for start in range(0, len(ids), CHUNK):
        chunk = ids[start : start + CHUNK]
        query = select(events.c.position).where(events.c.namespace == namespace, events.c.id.in_(chunk))
        found += connection.execute(query).scalars()
    return found


def _to_bytes(reply: str) -> bytes:
    return reply.encode("utf-8", "surrogatepass")


def _to_text(reply: bytes) -> str:
    return bytes(reply).decode("utf-8", "surrogatepass")
