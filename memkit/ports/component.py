"""A way of remembering, and what it may see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from memkit.ports.graph import Graph
from memkit.ports.models import Llm, TokenScorer
from memkit.ports.shelf import Shelf
from memkit.values import Cue, Draft, Event, Hit, Record, Space, Weave

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class View(Protocol):
    """What a component may see: its own rows in the scope of the call, and the models. It cannot write."""

    @property
    def space(self) -> Space | None:
        """The embedding space in use, or None when the memory has no embedder."""
        ...

    @property
    def llm(self) -> Llm | None:
        """The chat model, counted for this component, or None when the memory has none."""
        ...

    @property
    def scorer(self) -> TokenScorer:
        """What tells how surprising a text is; it needs no weights unless the memory was opened with others."""
        ...

    async def before(self, event: Event, count: int, /) -> list[Event]:
        """The last `count` events before this one in its session, oldest first. A row that depends on them names them
        in its sources."""
        ...

    async def embed(self, texts: Sequence[str], /, *, query: bool = False) -> NDArray[np.float32]:
        """Vectors of the texts, checked. Raises ModelError when the memory has no embedder."""
        ...

    async def shelf(self) -> Shelf:
        """This component's rows as columns, up to date with everything committed before the call."""
        ...

    async def graph(self, weave: Weave, /) -> Graph:
        """What this component's extractions say, woven into one graph, up to date with everything committed before the
        call."""
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


@runtime_checkable
class Asks(Protocol):
    """A component that asks the chat model while it absorbs, when the memory has one. That takes seconds: recall then
    does not wait for it unless told to; `sync` does."""

    @property
    def asks(self) -> bool: ...


def stage_of(component: str) -> str:
    """The name under which a component's second reading has its cursor and its deferred events."""
    return f"{component}/llm"


@runtime_checkable
class Refines(Protocol):
    """A component that reads events a second time, with the chat model, when the memory has one.

    What `absorb` made of them is there at once; `refine` is called by `sync` (and by `recall(wait=True)`), has a cursor and
    deferred events of its own, under `stage_of(name)`, and drafts extractions of a higher stage, which stand in for the first.
    """

    @property
    def refines(self) -> bool:
        """Whether there is anything to read again."""
        ...

    async def refine(self, events: Sequence[Event], view: View, /) -> Draft:
        """As `Component.absorb`."""
        ...


@runtime_checkable
class Weaves(Protocol):
    """A component whose extractions make a graph."""

    @property
    def weave(self) -> Weave:
        """How."""
        ...


@runtime_checkable
class Consolidates(Protocol):
    """A component that tidies up what it has, when `sync` is called."""

    async def consolidate(self, view: View, /) -> Draft:
        """Rows to add, whose sources name every event that they depend on. Nothing is removed: a row that stands for
        others says so, and recall leaves those out. They come back by themselves when it goes."""
        ...
