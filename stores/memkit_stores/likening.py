"""The ways to look for synonyms, which the database numbers."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, insert, select

from memkit.values import Weave
from memkit_stores.bulk import plain
from memkit_stores.tables import likenings


@dataclass(frozen=True, slots=True)
class Likening:
    """A way to look for synonyms in a space."""

    space: int
    dimension: int
    threshold: float
    most: int
    letters: int

    @staticmethod
    def of(weave: Weave, space: int, dimension: int) -> Likening | None:
        """That of a weave, if it wants synonyms."""
        if weave.threshold is None or weave.most < 1:
            return None
        return Likening(space, dimension, float(weave.threshold), weave.most, weave.letters)

    @staticmethod
    def every(connection: Connection, space: int, dimension: int) -> list[Likening]:
        """All that were looked for in a space."""
        c = likenings.c
        rows = connection.execute(select(c.threshold, c.most, c.letters).where(c.space == space)).all()
        return [Likening(space, dimension, row.threshold, row.most, row.letters) for row in rows]

    def number(self, connection: Connection) -> int | None:
        """How the database calls it, if it knows it."""
        query = "SELECT id FROM likenings WHERE space = ? AND threshold = ? AND most = ? AND letters = ?"
        rows = plain(connection, query, self.space, self.threshold, self.most, self.letters)
        return rows[0][0] if rows else None

    def numbered(self, connection: Connection) -> int:
        """How the database calls it from now on."""
        known = self.number(connection)
        if known is not None:
            return known
        values = {"space": self.space, "threshold": self.threshold, "most": self.most, "letters": self.letters}
        return int(connection.execute(insert(likenings).values(**values).returning(likenings.c.id)).scalar_one())

    def admits(self, name: str) -> bool:
        """Whether a name has letters and digits enough to have a list. It may be on that of another without."""
        return sum(map(str.isalnum, name)) >= self.letters
