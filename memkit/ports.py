"""The protocols between memkit's parts. Whoever implements one imports nothing else of memkit but `values` and `errors`.

Everything here that is a plain `def` is local work and may be called from any thread; what may wait for a network is
`async def`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from memkit.values import Cue, Deferred, Draft, Event, Forgotten, Hit, Receipt, Record, Space, Stats, Where

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Embedder(Protocol):
    """Turns texts into vectors of one embedding space."""

    @property
    def space(self) -> Space:
        """The space of every vector that this embedder returns."""
        ...

    async def embed(self, texts: Sequence[str], /, *, query: bool) -> NDArray[np.float32]:
        """Return float32 of shape [len(texts), space.dimension], row i for text i. `query` chooses the prefix."""
        ...


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


class View(Protocol):
    """What a component may see: its own rows in the scope of the call, and the models. It cannot write."""

    @property
    def space(self) -> Space | None:
        """The embedding space in use, or None when the memory has no embedder."""
        ...

    async def embed(self, texts: Sequence[str], /, *, query: bool = False) -> NDArray[np.float32]:
        """Vectors of the texts, checked. Raises ModelError when the memory has no embedder."""
        ...

    async def shelf(self) -> Shelf:
        """This component's rows as columns, up to date with everything committed before the call."""
        ...

    async def records(self, ids: Sequence[int], /) -> list[Record]:
        """The rows with these ids, in this order, without vectors. Unknown ids are left out."""
        ...


class Component(Protocol):
    """A way of remembering. It holds no state of its own: what it knows is in its rows.

    Laws, which `memkit.testing` checks: the rows of a draft depend on nothing but the events that their sources
    name; absorbing in one batch or in several gives the same rows; `recall` returns rows that `cue.where` admits,
    at most `cue.k`, best first, with scores in [0, 1].
    """

    @property
    def name(self) -> str:
        """A short name, unique in a memory and the same from one run to the next: rows are kept under it."""
        ...

    async def absorb(self, events: Sequence[Event], view: View, /) -> Draft:
        """What to remember of these events of one namespace, oldest first. Raising leaves nothing behind."""
        ...

    async def recall(self, cue: Cue, view: View, /) -> Sequence[Hit]:
        """The rows that answer the cue, best first."""
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """Where one namespace stands: the position of its newest event, and how far each component has come."""

    head: int
    cursors: Mapping[str, int]


class Journal(Protocol):
    """The raw events: appended, read, never changed."""

    def append(self, events: Sequence[Event], /, *, minted: bool = False) -> Receipt:
        """Store all events durably in one transaction, or none.

        An event whose id, or whose key in its namespace, is there already is not stored; the receipt has the id of the
        stored one in its place. With `minted` the caller has just made the ids, and they are not looked up.
        """
        ...

    def read(self, where: Where, /, *, after: int = 0, limit: int | None = None, newest: bool = False) -> list[Event]:
        """Events that `where` admits with a position above `after`, in journal order. With `newest`, the limit keeps
        the last ones instead of the first."""
        ...

    def namespaces(self, under: str | None = None, /) -> list[str]:
        """All namespaces that hold events, sorted; with `under`, that one and those below it."""
        ...


class Derived(Protocol):
    """The rows that components derived, and how far each component has read the journal."""

    def progress(self, where: Where, components: Sequence[str], /) -> dict[str, Progress]:
        """By namespace in scope. A component that has read nothing has cursor 0."""
        ...

    def commit(
        self,
        namespace: str,
        component: str,
        draft: Draft,
        space: Space | None,
        /,
        *,
        since: int,
        upto: int,
        failed: Sequence[Deferred] = (),
    ) -> bool:
        """Store the draft, put the failed events on the deferred queue, and move the cursor from `since` to `upto`, in
        one transaction.

        False, and nothing stored, when the cursor was not at `since`: another process was quicker. Raises AbsorbError
        when a source is not in the journal, and SpaceError when `space`, which the vectors are of, is not in use.
        """
        ...

    def shelf(self, component: str, where: Where, space: Space | None, /) -> Shelf:
        """The component's rows in the scope (namespace and below) of `where`, as of now."""
        ...

    def settle(self, where: Where | None, components: Sequence[str], space: Space, /) -> None:
        """Finish whatever index takes long to build for the vectors in scope, or all. Nothing depends on it but speed."""
        ...

    def records(self, component: str, where: Where, ids: Sequence[int], /) -> list[Record]:
        """The rows with these ids that lie in scope, in the order of the ids, without vectors."""
        ...


class Upkeep(Protocol):
    """What is done now and then."""

    def forget(self, where: Where, /, *, verify: bool) -> Forgotten:
        """Remove the events that `where` admits, and every row that depends on them, in one transaction.

        Where such a row has other sources as well, its component's cursor is put back to before the earliest of
        them and all its later rows in that namespace are removed, so that absorbing again leaves what would have
        been there without the forgotten events.
        """
        ...

    def retry(self, entry: Deferred, draft: Draft, space: Space | None, /) -> bool:
        """Store the draft of a deferred event and take it off the deferred queue, in one transaction. False when it
        is no longer in the queue."""
        ...

    def failed_again(self, entry: Deferred, /) -> None:
        """Replace the error, attempts and time of an entry of the deferred queue, if it is still there."""
        ...

    def deferred(self, where: Where | None, /) -> list[Deferred]:
        """The deferred events in scope, or all, oldest first."""
        ...

    def stats(self, where: Where | None, components: Sequence[str], /) -> Stats:
        """What is held, in scope or altogether."""
        ...


class Spaces(Protocol):
    """The embedding spaces of a database. At most one is in use; vectors of others lie beside it."""

    def every(self) -> list[tuple[Space, bool]]:
        """All spaces there are, oldest first, each with whether it is in use."""
        ...

    def use(self, space: Space, /, *, whole: bool) -> None:
        """Put the space in use. With `whole`, raises SpaceError when rows still lack a vector in it."""
        ...

    def holds(self, space: Space, /) -> bool:
        """Whether there is any vector in the space."""
        ...

    def missing(
        self, space: Space, limit: int, /, *, after: int = 0, where: Where | None = None
    ) -> list[tuple[int, str]]:
        """Ids and index texts of rows in scope that want a vector and have none in the space, by id, above `after`."""
        ...

    def count_missing(self, space: Space, /) -> int:
        """How many rows `missing` would name in all."""
        ...

    def fill(self, space: Space, vectors: Mapping[int, NDArray[np.float32]], /) -> None:
        """Store vectors for rows in the space, in one transaction. Rows that are gone, or have one, are passed over."""
        ...

    def discard(self, space: Space, /) -> None:
        """Remove a space and its vectors. Raises SpaceError when it is in use."""
        ...


class Store(Protocol):
    """One database: the journal, what was derived from it, and the embedding spaces."""

    @property
    def journal(self) -> Journal: ...
    @property
    def derived(self) -> Derived: ...
    @property
    def upkeep(self) -> Upkeep: ...
    @property
    def spaces(self) -> Spaces: ...

    def close(self) -> None:
        """Release files and connections. Afterwards every call raises ClosedError."""
        ...
