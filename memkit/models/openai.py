"""Embeddings from OpenAI, or from any server that speaks its language, through the `openai` library."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import numpy as np
import openai
from numpy.typing import NDArray
from openai import AsyncOpenAI

from memkit.errors import ModelError
from memkit.models.openai_client import Clients
from memkit.values import Space

DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}
SHORTENABLE = ("text-embedding-3-small", "text-embedding-3-large")
RETRIES = 4  # the library waits 0.5 s, 1, 2 and 4 s, or as long as the server asks for
REQUESTS_AT_ONCE = 4
REQUEST_CHARACTERS = 250_000  # OpenAI takes 300,000 tokens a request, and a token is seldom less than a character


class OpenAIEmbedder:
    """An embedding model behind OpenAI's API; `base_url` is where, if not at OpenAI, as in "http://localhost:8000/v1".

    For OpenAI's own models `dimensions` may be left out, or shorten the vectors of the third generation. For any other
    model it must say what the server returns, and is not sent. `api_key` None takes OPENAI_API_KEY from the
    environment; a server that wants no key gets any text. `batch` bounds the texts in one request, and `timeout` is the
    seconds that one request may take.

    Raises ModelError when the server cannot be reached, refuses, or answers with something else than vectors; it has
    then been asked up to five times, if that could have helped. Safe to use from several event loops: each gets
    connections of its own. Works on a running loop only.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        dimensions: int | None = None,
        batch: int = 128,
        timeout: float = 60.0,
    ) -> None:
        if batch < 1:
            raise ValueError(f"batch must be at least 1, not {batch}")
        self._space = Space(model=model, dimension=_dimension(model, dimensions))
        self._shorten = model in SHORTENABLE and self._space.dimension != DIMENSIONS[model]
        self._batch = batch
        self._clients = Clients(model, base_url=base_url, api_key=api_key, timeout=timeout, retries=RETRIES)

    @property
    def space(self) -> Space:
        return self._space

    async def embed(self, texts: Sequence[str], /, *, query: bool) -> NDArray[np.float32]:
        """See `memkit.ports.Embedder.embed`. Up to four requests are under way at a time."""
        client = self._clients.here()
        turn = asyncio.Semaphore(REQUESTS_AT_ONCE)
        try:
            async with asyncio.TaskGroup() as group:
                parts = [group.create_task(self._request(client, turn, part)) for part in self._parts(texts)]
        except ExceptionGroup as failed:
            first = failed.exceptions[0]  # the others were cancelled, or failed for the same reason
            raise first from first.__cause__
        if not parts:
            return np.empty((0, self._space.dimension), dtype=np.float32)
        vectors = [part.result() for part in parts]
        if len({part.shape[1:] for part in vectors}) > 1:
            raise ModelError(f"{self._space.model!r} answered with vectors of different dimensions")
        return np.concatenate(vectors)

    async def aclose(self) -> None:
        """Close the connections of every event loop that still runs. The embedder can be used again afterwards."""
        await self._clients.aclose()

    def _parts(self, texts: Sequence[str]) -> Iterator[list[str]]:
        part: list[str] = []
        characters = 0
        for text in texts:
            if part and (len(part) == self._batch or characters + len(text) > REQUEST_CHARACTERS):
                yield part
                part, characters = [], 0
            part.append(text)
            characters += len(text)
        if part:
            yield part

    async def _request(self, client: AsyncOpenAI, turn: asyncio.Semaphore, texts: list[str]) -> NDArray[np.float32]:
        dimensions = self._space.dimension if self._shorten else openai.omit
        try:
            async with turn:
                reply = await client.embeddings.create(model=self._space.model, input=texts, dimensions=dimensions)
            rows = sorted(reply.data, key=lambda row: row.index)
            vectors = np.asarray([row.embedding for row in rows], dtype=np.float32)
        except openai.OpenAIError as error:
            raise ModelError(f"{self._clients.where}: {_advice(error)}") from error
        except (AttributeError, TypeError, ValueError) as error:  # the library unpacks a reply without a look at it
            raise ModelError(f"{self._clients.where} did not answer with embeddings; is base_url right?") from error
        if [row.index for row in rows] != list(range(len(texts))):
            raise ModelError(
                f"{self._clients.where} answered {len(texts)} texts with {len(rows)} vectors, or misnumbered them"
            )
        return vectors


def _dimension(model: str, asked: int | None) -> int:
    known = DIMENSIONS.get(model)
    if known is None:
        if asked is None or asked < 1:
            raise ValueError(f"pass dimensions=, the length of the vectors that {model!r} returns; not {asked}")
        return asked
    if asked is None or asked == known:
        return known
    if model in SHORTENABLE and 1 <= asked < known:
        return asked
    shorter = " or less" if model in SHORTENABLE else ""
    raise ValueError(f"{model!r} has vectors of dimension {known}{shorter}, not {asked}")


def _advice(error: openai.OpenAIError) -> str:
    match error:
        case openai.AuthenticationError():
            return "the key was refused (401); pass api_key=, or set OPENAI_API_KEY"
        case openai.PermissionDeniedError():
            return "the key may not use this model (403); ask whoever gave it out"
        case openai.NotFoundError():
            return f"there is no such model or address (404); check the model's name and base_url. {error}"
        case openai.RateLimitError():
            return (
                f"too many requests, or no credit left (429), after {RETRIES} retries; wait, or ask for less. {error}"
            )
        case openai.APITimeoutError():
            return f"no answer in time, after {RETRIES} retries; pass a longer timeout= or a smaller batch="
        case openai.APIConnectionError():
            return f"no connection, after {RETRIES} retries; check base_url and the server. {error.__cause__ or error}"
        case openai.InternalServerError():
            return f"the server failed ({error.status_code}), after {RETRIES} retries; try again later. {error}"
        case _:
            return f"the request was refused; a text may be longer than the model reads. {error}"
