"""Connections through the `openai` library: made for each event loop, and what their errors mean."""

from __future__ import annotations

import openai
from openai import AsyncOpenAI

from memkit.errors import ModelError
from memkit.models.loops import PerLoop


class Clients(PerLoop[AsyncOpenAI]):
    """A client of one server for each event loop. `api_key` and `base_url` None are taken from OPENAI_API_KEY and
    OPENAI_BASE_URL, as the library does. Raises ModelError when there is no key."""

    def __init__(self, model: str, *, base_url: str | None, api_key: str | None, timeout: float, retries: int) -> None:
        super().__init__(self._new)
        self._api_key, self._base_url, self._timeout, self._retries = api_key, base_url, timeout, retries
        try:
            client = self._connected()
        except openai.OpenAIError as error:
            raise ModelError(f"no key for {model!r}: pass api_key=, or set OPENAI_API_KEY") from error
        self._unused: AsyncOpenAI | None = client
        self._api_key, self._base_url = client.api_key, str(client.base_url)  # whatever the environment says later
        self.official = client.base_url.host == "api.openai.com"
        self.where = f"{model!r} at {client.base_url.copy_with(userinfo=b'')}"  # no password in an error

    async def aclose(self) -> None:
        """Close the connections of every event loop that still runs. The clients can be used again afterwards."""
        await self.end(AsyncOpenAI.close)

    def _new(self) -> AsyncOpenAI:
        client, self._unused = self._unused, None
        return client or self._connected()

    def _connected(self) -> AsyncOpenAI:
        return AsyncOpenAI(
            api_key=self._api_key,
            base_url=self._base_url,
            timeout=self._timeout,
            max_retries=self._retries,
            # the library would follow a redirect and send the texts to wherever it points
            http_client=openai.DefaultAsyncHttpxClient(follow_redirects=False),
        )
