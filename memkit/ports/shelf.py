"""A component's rows as columns: what is ranked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from memkit.values import Where

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Postings(Protocol):
    """Which rows hold the terms of one query, and how often.

    Terms are in the order in which the query first has them, without repetition, stop words left out (unless nothing
    else is there). `frequency[t]` counts the rows that hold term t; `rows[t]` are those rows, ascending, int32;
    `counts[t]` the occurrences in each, float32.
    """

    @property
    def terms(self) -> tuple[str, ...]: ...
    @property
    def frequency(self) -> NDArray[np.int64]: ...
    @property
    def rows(self) -> tuple[NDArray[np.int32], ...]: ...
    @property
    def counts(self) -> tuple[NDArray[np.float32], ...]: ...


class Shelf(Protocol):
    """All rows of one component in one scope, as columns, at one moment. Row numbers are 0 … size-1.

    Rows are ordered by the journal: within a namespace a row made from an earlier event comes first. Shapes are
    [size]. `id`: record ids, int64. `strand`: int32 code of what the row is part of: its session, or its document;
    negative for turns without a session, which follow each other but need not have to do with each other.
    `author`: int32 code into `authors`, -1 for none. `length`: number of terms in the row,
    `weight`: what the component gave it; both float32.
    """

    @property
    def size(self) -> int: ...
    @property
    def id(self) -> NDArray[np.int64]: ...
    @property
    def strand(self) -> NDArray[np.int32]: ...
    @property
    def author(self) -> NDArray[np.int32]: ...
    @property
    def length(self) -> NDArray[np.float32]: ...
    @property
    def weight(self) -> NDArray[np.float32]: ...
    @property
    def authors(self) -> Sequence[str]: ...

    def beside(self, rows: NDArray[np.int64], /) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """For each row the one before it and the one after it in its strand, -1 for none."""
        ...

    def postings(self, text: str, /) -> Postings:
        """The rows that hold each term of the text. The text is text: it has no query syntax."""
        ...

    def marked(self, mark: str, /) -> NDArray[np.int32]:
        """The rows whose record has this mark, ascending."""
        ...

    def nearest(
        self, vector: NDArray[np.float32], k: int, mask: NDArray[np.bool_] | None, /
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The k rows with the largest inner product among those the mask admits, best first, with the products.

        Fewer than k come back when fewer have a vector. The mask comes before the limit.
        """
        ...

    def similarity(self, vector: NDArray[np.float32], rows: NDArray[np.int64], /) -> NDArray[np.float32]:
        """The inner product with each of the rows; -1 for a row without a vector."""
        ...

    def admitted(self, where: Where, /) -> NDArray[np.bool_] | None:
        """A mask of shape [size] of the rows that `where` admits; None when it narrows nothing."""
        ...
