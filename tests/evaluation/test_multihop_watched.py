"""An embedder that tells how long it was busy."""

import asyncio
from pathlib import Path

from memkit.evaluation.cached import Cached
from memkit.evaluation.watched import Watched
from memkit.testing.embedders import HashEmbedder, SlowEmbedder


def test_calls_at_the_same_time_count_once() -> None:
    watched = Watched(SlowEmbedder(HashEmbedder(), 0.2))

    async def both() -> None:
        await asyncio.gather(watched.embed(["a"], query=True), watched.embed(["b"], query=False))

    asyncio.run(both())
    assert 0.2 <= watched.seconds < 0.4
    assert (watched.documents, watched.made) == (1, 1)


def test_a_question_is_never_taken_from_the_cache(tmp_path: Path) -> None:
    cache = Cached(HashEmbedder(), tmp_path)
    watched = Watched(HashEmbedder(), cache)

    async def ask(query: bool) -> None:
        await watched.embed(["a", "b", "a"], query=query)

    for query in (True, False, False, True):
        asyncio.run(ask(query))
    assert (watched.documents, watched.made, len(cache)) == (6, 2, 2)


def test_the_model_behind_it_is_closed() -> None:
    class Closing(HashEmbedder):
        closed = False

        async def aclose(self) -> None:
            self.closed = True

    model = Closing()
    asyncio.run(Watched(model).aclose())
    asyncio.run(Watched(HashEmbedder()).aclose())
    assert model.closed
