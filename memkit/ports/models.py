"""Models: what turns texts into vectors, answers messages, and is surprised by what it reads."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from memkit.errors import ModelError
from memkit.messages import Message, Options, Piece, Reply, Request, Shape
from memkit.values import Space, Surprisal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")


class Embedder(Protocol):
    """Turns texts into vectors of one embedding space."""

    @property
    def space(self) -> Space:
        """The space of every vector that this embedder returns."""
        ...

    async def embed(self, texts: Sequence[str], /, *, query: bool) -> NDArray[np.float32]:
        """Return float32 of shape [len(texts), space.dimension], row i for text i. `query` chooses the prefix."""
        ...


class ChatModel(Protocol):
    """A model that answers messages: the adapter of one library or server, and nothing else. `Metered` puts limits,
    retries, counting and structured replies around it.

    Raises UnreachableError when it can answer nobody now, ModelReplyError when what came back is no reply, and plain
    ModelError when this one request was refused. Works on a running loop only.
    """

    @property
    def model(self) -> str:
        """The name that prices, counts and recordings go by."""
        ...

    async def complete(self, request: Request, /) -> Reply:
        """The whole reply."""
        ...

    def stream(self, request: Request, /) -> AsyncIterator[Piece]:
        """The reply in pieces as they come. The last piece has `finish`, and `tokens` where the server tells them."""
        ...


class Llm(Protocol):
    """A chat model as a component or an agent has it: within limits, retried, counted for them, within a budget.

    `stage` names what a call is for ("thoughts", "merge"): tokens, cost and seconds are counted by it. `sources` are the ids of
    the events whose text is in the messages. With them the reply is kept in the database, so that the same
    question is not asked twice, also after a restart or when rows are derived again; when one of the events is
    forgotten, the reply goes too. Without them nothing is kept.

    Raises UnreachableError, BudgetError, ModelReplyError or ModelError: see `memkit.errors`.
    """

    @property
    def model(self) -> str:
        """The model's name."""
        ...

    async def complete(
        self,
        messages: Sequence[Message],
        /,
        *,
        stage: str,
        options: Options | None = None,
        sources: Sequence[str] = (),
    ) -> Reply:
        """The whole reply."""
        ...

    def stream(
        self, messages: Sequence[Message], /, *, stage: str, options: Options | None = None
    ) -> AsyncGenerator[Piece, None]:
        """The reply in pieces. It is tried again only as long as no piece has come; when it breaks later, UnreachableError
        with `again` False, or ModelReplyError. Whoever does not hear it to its end closes it (`contextlib.aclosing`)."""
        ...

    async def ask(
        self,
        messages: Sequence[Message],
        shape: Shape[T],
        /,
        *,
        stage: str,
        options: Options | None = None,
        sources: Sequence[str] = (),
    ) -> T:
        """A reply of the shape: by JSON schema where the server has it, else a fenced one, repaired if need be; asked
        again with what was wrong a bounded number of times, then ModelReplyError with the raw text."""
        ...

    async def ask_all(
        self,
        questions: Sequence[Sequence[Message]],
        shape: Shape[T],
        /,
        *,
        stage: str,
        options: Options | None = None,
        sources: Sequence[Sequence[str]] = (),
    ) -> list[T | ModelError]:
        """`ask` for several questions at once, in their order. A question whose own reply or request failed has the
        error in its place; what concerns all of them (UnreachableError, BudgetError) is raised. Needs no gather, and may be
        called without a loop like everything else here."""
        ...


class Reading(Protocol):
    """A token model in the middle of a stream: it has read what `read` was given, in order. Not for several threads."""

    def read(self, text: str, /) -> Surprisal:
        """How surprising each token of the text was after all that was read before. Then the text has been read, too."""
        ...

    def fork(self) -> Reading:
        """A reading at the same place that goes on by itself."""
        ...


class TokenScorer(Protocol):
    """Tells how surprising each token of a text is: −log2 p(token | what came before), in bits."""

    @property
    def name(self) -> str:
        """Names the model and its parameters: scores under two names are never compared."""
        ...

    def start(self) -> Reading:
        """A reading that has read nothing yet."""
        ...
