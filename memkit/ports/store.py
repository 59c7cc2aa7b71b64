"""One database: the journal, what was derived from it, and the embedding spaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from memkit.ports.graph import Graph
from memkit.ports.shelf import Shelf
from memkit.values import (
    Deferred,
    Draft,
    Event,
    Extraction,
    Forgotten,
    Receipt,
    Record,
    Space,
    Stats,
    Weave,
    Where,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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

    def read(
        self,
        where: Where,
        /,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int | None = None,
        newest: bool = False,
    ) -> list[Event]:
        """Events that `where` admits with a position above `after` and below `before`, in journal order. With `newest`,
        the limit keeps the last ones instead of the first."""
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

    def graph(self, component: str, where: Where, space: Space | None, weave: Weave, /) -> Graph:
        """The component's extractions in the scope of `where`, woven into a graph, as of now."""
        ...

    def unembedded(self, namespace: str, component: str, texts: Sequence[str], space: Space, /) -> list[str]:
        """Which of these names, or facts (by `Fact.embedded`), have no vector in the space: also those that are not known
        yet. Each once, in the order given."""
        ...

    def extractions(self, component: str, where: Where, /) -> list[Extraction]:
        """All extractions in the scope of `where`, by their place in the journal and then by stage."""
        ...

    def settle(self, where: Where | None, components: Sequence[str], space: Space, /) -> None:
        """Finish whatever index takes long to build for the vectors in scope, or all. Nothing depends on it but speed."""
        ...

    def records(self, component: str, where: Where, ids: Sequence[int], /) -> list[Record]:
        """The rows with these ids that lie in scope, in the order of the ids, without vectors."""
        ...

    def every(
        self, where: Where, /, *, component: str | None = None, after: int = 0, limit: int | None = None
    ) -> list[Record]:
        """The rows that `where` admits, of one component or of all, by id, above `after`, without vectors."""
        ...


class Upkeep(Protocol):
    """What is done now and then."""

    def forget(self, where: Where, /, *, verify: bool) -> Forgotten:
        """Remove the events that `where` admits, and every row that depends on them, in one transaction.

        Where such a row has other sources as well, its component's cursor is put back to before the forgotten event and
        all rows with a source from there on are removed, so that absorbing again leaves what would have been there
        without the forgotten events. Rows that were made before it stay.
        """
        ...

    def rewind(self, where: Where | None, component: str, /) -> int:
        """Remove all rows of a component in scope, or everywhere, with what waits of it in the deferred queue, and put
        its cursors back to the beginning. Returns how many rows there were."""
        ...

    def retry(self, entry: Deferred, draft: Draft, space: Space | None, /) -> bool:
        """Store the draft of a deferred event and take it off the deferred queue, in one transaction. False when it
        is no longer in the queue.

        A draft that names later events is not stored: the component starts again at the deferred event, as if neither
        it nor what came after had been absorbed, so that every row is made in the order of the journal."""
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


class Calls(Protocol):
    """Replies of models to questions about events: not asked twice, and forgotten with the events."""

    def find(self, namespace: str, component: str, keys: Sequence[str], /) -> dict[str, str]:
        """The kept replies, by key. A key that is not known is left out."""
        ...

    def keep(self, namespace: str, component: str, key: str, reply: str, events: Sequence[str], /) -> bool:
        """Keep a reply to a question about these events. False, and nothing is kept, when one of them is gone. A key
        that is known keeps its first reply. Raises ValueError when no event is named."""
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
    @property
    def calls(self) -> Calls: ...

    def close(self) -> None:
        """Release files and connections. Afterwards every call raises ClosedError."""
        ...
