"""Record what models answer once, and replay it without them: for tests of an agent that need no key, no network and no
luck."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeAlias, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from memkit.errors import BudgetError, ClosedError, ModelError, ModelReplyError, UnreachableError
from memkit.messages import Piece, Reply, Request
from memkit.ports import ChatModel, Embedder
from memkit.testing.growing import Growing
from memkit.testing.masks import Mask, masked, without_dates
from memkit.testing.nearest import nearest_call, nearest_text
from memkit.testing.tape import (
    HEAD_LINE,
    Call,
    CassetteError,
    Embedding,
    Outcome,
    Tape,
    call_line,
    embedding_key,
    embedding_line,
    fresh,
    model_line,
    space_key,
    space_line,
)
from memkit.values import Space

__all__ = ["Cassette", "CassetteError", "Mode", "NotRecordedError", "without_dates"]

Mode: TypeAlias = Literal["replay", "record", "extend"]
T = TypeVar("T")


class NotRecordedError(UnreachableError):
    """A call is not on the cassette, and no model was asked. The text shows how it differs from the nearest one that is."""


class Cassette:
    """Calls of chat models and embedders in a file, found again by their content.

    "replay" answers from the file and reaches no model; a call that is not there raises NotRecordedError and is added
    to `missed`. "record" begins a new file, "extend" asks the models only for what the file does not have. A request
    that is made twice is asked once, in every mode, and a stream is collected before its first piece is handed on:
    so recording gives the code the same as replaying will.

    Replies are recorded, and errors that belong to a request (ModelError, ModelReplyError); that a model was unreachable
    is not. `close`, or leaving the `with`, puts the file in place, whole. Until then what came is in a file beside it that
    ends in ".part", from which "extend" goes on if the process was killed. Any thread and any event loop may call; one
    cassette at a time may record into a file.

    Calls are compared, and recorded, as `mask` leaves their texts: `without_dates` for prompts that tell the date. The
    models are given them as they are.
    """

    def __init__(self, path: str | os.PathLike[str], *, mode: Mode = "replay", mask: Mask | None = None) -> None:
        if mode not in get_args(Mode):
            raise ValueError(f"mode is {mode!r}; it must be one of {', '.join(get_args(Mode))}")
        self.path = Path(path)
        self.mode: Mode = mode
        self.missed: list[str] = []
        self._mask: Mask = mask or (lambda text: text)
        self._tape = Tape()
        self._lock = threading.Lock()
        self._closed = False
        self._file = None if mode == "replay" else self._begin()
        if self._file is None:
            if not self.path.exists():
                raise CassetteError(
                    f'there is no cassette {self.path}; record one: mode="record", or pytest --memkit-record=record'
                )
            self._tape.read(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def chat(self, model: ChatModel | None = None, *, name: str | None = None) -> ChatModel:
        """A chat model that is recorded, or replayed. To replay, no model is needed; `name` says which one is meant if the
        cassette has several. Raises ValueError if that is not clear, and if there is no model to record."""
        if model is not None:
            self._register(model=model.model)
            return _Chat(self, model.model, None if self.mode == "replay" else model)
        if self.mode != "replay":
            raise ValueError(f'mode="{self.mode}" needs a model to ask; only "replay" goes without')
        return _Chat(self, _only(self._tape.models, name, f"chat models on {self.path}", "name"), None)

    def embedder(self, embedder: Embedder | None = None, *, space: Space | None = None) -> Embedder:
        """An embedder that is recorded, or replayed. To replay, none is needed; `space` says which one is meant if the
        cassette has several. Raises ValueError if that is not clear, and if there is no embedder to record."""
        if embedder is not None:
            if space not in (None, embedder.space):
                raise ValueError(f"the embedder has the space {embedder.space}, not {space}")
            self._register(space=embedder.space)
            return _Embedder(self, embedder.space, None if self.mode == "replay" else embedder)
        if self.mode != "replay":
            raise ValueError(f'mode="{self.mode}" needs an embedder to ask; only "replay" goes without')
        recorded = set(self._tape.spaces.values())
        return _Embedder(self, _only(recorded, space, f"embedding spaces on {self.path}", "space"), None)

    def close(self) -> None:
        """Put the file in place, in a stable order. Nothing can be asked afterwards."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._file is not None:
                self._file.finish(self._tape.lines())

    def _begin(self) -> Growing:
        try:
            file = Growing(self.path, keep=self.mode == "extend")
        except BlockingIOError as error:
            raise CassetteError(f"somebody else is recording into {self.path}; one at a time can") from error
        try:
            if self.mode == "extend":
                for path in (self.path, file.part):
                    if path.exists() and path.stat().st_size:
                        self._tape.read(path)
            if not file.part.stat().st_size:
                file.append(HEAD_LINE)
        except CassetteError:
            file.leave()
            raise
        return file

    def _tape_now(self) -> Tape:
        if self._closed:
            raise ClosedError(f"the cassette {self.path} is closed")
        return self._tape

    def _keep(self, call: Call) -> Call:
        """The call as it is on the cassette: this one, unless the same request was answered in the meantime."""
        with self._lock:
            if call.key not in self._tape.calls:
                self._tape.calls[call.key] = call
                self._append(call_line(call))
            return self._tape.calls[call.key]

    def _keep_all(self, made: Iterable[Embedding]) -> None:
        with self._lock:
            for one in made:
                if one.key not in self._tape.embeddings:
                    self._tape.embeddings[one.key] = one
                    self._append(embedding_line(one))

    def _register(self, *, model: str | None = None, space: Space | None = None) -> None:
        """Note what is recorded here, so that it can be replayed without being named, called or not."""
        with self._lock:
            if self.mode == "replay":
                return
            if model is not None and model not in self._tape.models:
                self._tape.models.add(model)
                self._append(model_line(model))
            if space is not None and space_key(space) not in self._tape.spaces:
                self._tape.spaces[space_key(space)] = space
                self._append(space_line(space))

    def _append(self, line: str) -> None:
        if self._closed or self._file is None:
            raise ClosedError(f"the cassette {self.path} was closed during this call, which is not recorded")
        self._file.append(line)

    def _miss(self, told: str) -> NotRecordedError:
        text = f'this call is not on {self.path}; mode="extend" records it (pytest --memkit-record=extend). {told}'
        with self._lock:
            self.missed.append(text)
        return NotRecordedError(text, again=False)


class _Chat:
    """See `memkit.ports.ChatModel`. Without a model it knows the recorded calls only."""

    def __init__(self, cassette: Cassette, name: str, model: ChatModel | None) -> None:
        self._cassette = cassette
        self._name = name
        self._inner = model

    @property
    def model(self) -> str:
        return self._name

    async def complete(self, request: Request, /) -> Reply:
        return await self._outcome(request, streamed=False)

    async def stream(self, request: Request, /) -> AsyncIterator[Piece]:
        reply = await self._outcome(request, streamed=True)
        if reply.text:
            yield Piece(text=reply.text)
        yield Piece(calls=reply.calls, finish=reply.finish, tokens=reply.tokens)

    async def _outcome(self, request: Request, *, streamed: bool) -> Reply:
        asyncio.get_running_loop()
        tape = self._cassette._tape_now()
        known = masked(request, self._cassette._mask)
        call = tape.calls.get(known.key(self._name))
        if call is None:
            if self._inner is None:
                raise self._cassette._miss(nearest_call(self._name, known, list(tape.calls.values())))
            outcome = await _ask(self._inner, request, streamed=streamed)
            call = self._cassette._keep(Call(model=self._name, request=known, outcome=outcome))
        if isinstance(call.outcome, Reply):
            return call.outcome
        raise fresh(call.outcome)


class _Embedder:
    """See `memkit.ports.Embedder`. Without an embedder it knows the recorded texts only."""

    def __init__(self, cassette: Cassette, space: Space, embedder: Embedder | None) -> None:
        self._cassette = cassette
        self._space = space
        self._inner = embedder

    @property
    def space(self) -> Space:
        return self._space

    async def embed(self, texts: Sequence[str], /, *, query: bool) -> NDArray[np.float32]:
        asyncio.get_running_loop()
        made = self._cassette._tape_now().embeddings
        known = [self._cassette._mask(text) for text in texts]
        keys = [embedding_key(self._space, text, query=query) for text in known]
        lacking = {text: whole for text, whole, key in zip(known, texts, keys, strict=True) if key not in made}
        if lacking:
            if self._inner is None:
                recorded = list(made.values())
                raise self._cassette._miss(nearest_text(self._space, next(iter(lacking)), recorded, query=query))
            rows = np.array(await self._inner.embed(list(lacking.values()), query=query), dtype=np.float32)
            if rows.shape != (len(lacking), self._space.dimension) or not np.isfinite(rows).all():
                raise ModelError(
                    f"{self._space.model!r} answered {len(lacking)} texts with what is no vectors of its space, of shape "
                    f"{rows.shape}; nothing of it is recorded"
                )
            pairs = zip(lacking, rows, strict=True)
            news = [Embedding(space=self._space, query=query, text=text, vector=row) for text, row in pairs]
            self._cassette._keep_all(news)
        found = [made[key].vector for key in keys]
        return np.stack(found) if found else np.empty((0, self._space.dimension), dtype=np.float32)


async def _ask(model: ChatModel, request: Request, *, streamed: bool) -> Outcome:
    """The reply, or the error that belongs to the request."""
    try:
        if not streamed:
            return await model.complete(request)
        pieces = [piece async for piece in model.stream(request)]
    except (UnreachableError, BudgetError):
        raise  # says nothing of the request
    except ModelError as error:
        return fresh(error)
    last = pieces[-1] if pieces else Piece()
    text = "".join(piece.text for piece in pieces)
    if last.finish is None:
        return ModelReplyError("the stream ended without a finish", raw=text)
    return Reply(text=text, calls=last.calls, finish=last.finish, tokens=last.tokens)


def _only(recorded: Collection[T], wanted: T | None, what: str, argument: str) -> T:
    """The one that is wanted, or else the only one there is."""
    if wanted is not None:
        return wanted
    if len(recorded) != 1:
        names = ", ".join(sorted(map(repr, recorded))) or "none"
        raise ValueError(f"there must be one of the {what}; there are: {names}. Pass {argument}=")
    return next(iter(recorded))
