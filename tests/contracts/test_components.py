"""The shipped laws of components hold for `Passages`, and for two components that are harder to keep to them."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import closing

import numpy as np
import pytest

from memkit import Passages
from memkit.ports import Component, Embedder, Store, View
from memkit.testing.contracts import ComponentContract
from memkit.testing.embedders import HashEmbedder
from memkit.values import Cue, Draft, Event, Hit, Record, Source
from memkit_stores import SqlStore


def whole(event: Event) -> Source:
    return Source(event=event.id, start=0, end=len(event.text))


class Pairs:
    """Remembers each turn together with the one before it in its session, if there is one: rows of two sources."""

    name = "pairs"

    async def absorb(self, events: Sequence[Event], view: View, /) -> Draft:
        await asyncio.sleep(0)
        shelf = await view.shelf()
        last = {row.session: row for row in await view.records(shelf.id.tolist())}
        records: list[Record] = []
        for event in events:
            before = last.get(event.session)
            text, sources = event.text, [whole(event)]
            if before is not None:
                text, sources = f"{before.metadata['own']} / {text}", [*sources, before.sources[0]]
            records.append(
                Record(
                    text=text,
                    sources=tuple(sources),
                    namespace=event.namespace,
                    component=self.name,
                    at=event.at,
                    recorded=event.recorded,
                    kind=event.kind,
                    role=event.role,
                    author=event.author,
                    session=event.session,
                    metadata={**event.metadata, "own": event.text},
                )
            )
            last[event.session] = records[-1]
        return Draft(tuple(records))

    async def recall(self, cue: Cue, view: View, /) -> list[Hit]:
        return await by_words(self.name, cue, view)


class Summary:
    """Each row sums up everything said so far: it depends on all earlier events, and on the row before it."""

    name = "summary"

    async def absorb(self, events: Sequence[Event], view: View, /) -> Draft:
        await asyncio.sleep(0.0005)
        shelf = await view.shelf()
        newest = await view.records(shelf.id[-1:].tolist())
        said, sources = (newest[0].text, newest[0].sources) if newest else ("", ())
        records: list[Record] = []
        for event in events:
            said = f"{len(sources) + 1}. {event.text.split()[0]}; {said}"[:300]
            sources = (whole(event), *sources)
            records.append(
                Record(
                    text=said,
                    sources=sources,
                    namespace=event.namespace,
                    component=self.name,
                    at=event.at,
                    recorded=event.recorded,
                    kind="summary",
                    embed=False,
                )
            )
        return Draft(tuple(records))

    async def recall(self, cue: Cue, view: View, /) -> list[Hit]:
        return await by_words(self.name, cue, view)


async def by_words(name: str, cue: Cue, view: View) -> list[Hit]:
    """The rows that hold most of the question's words."""
    await asyncio.sleep(0)
    shelf = await view.shelf()
    found = shelf.postings(cue.text)
    score = np.zeros(shelf.size, np.float32)
    for rows in found.rows:
        score[rows] += 1 / len(found.terms)
    mask = shelf.admitted(cue.where)
    if mask is not None:
        score[~mask] = 0
    order = np.argsort(-score, kind="stable")[: cue.k]
    order = order[score[order] > (cue.floor or 0)]
    records = await view.records(shelf.id[order].tolist())
    return [
        Hit(record=record, score=min(1.0, float(value))) for record, value in zip(records, score[order], strict=True)
    ]


class WithHashes:
    """A memory with an embedder."""

    @pytest.fixture
    def embedder(self) -> Embedder:
        return HashEmbedder(16)


class OnPostgres:
    """A PostgreSQL database."""

    @pytest.fixture
    def store(self, fresh_postgres_url: str) -> Iterator[Store]:
        with closing(SqlStore(fresh_postgres_url)) as store:
            yield store


class TestPassagesByWords(ComponentContract):
    @pytest.fixture
    def component(self) -> Component:
        return Passages()


class TestPassagesByMeaning(WithHashes, ComponentContract):
    @pytest.fixture
    def component(self) -> Component:
        return Passages(passage=200)


class TestPassagesOnPostgres(OnPostgres, WithHashes, ComponentContract):
    @pytest.fixture
    def component(self) -> Component:
        return Passages(passage=200)


class TestPairs(WithHashes, ComponentContract):
    @pytest.fixture
    def component(self) -> Component:
        return Pairs()


class TestPairsOnPostgres(OnPostgres, ComponentContract):
    @pytest.fixture
    def component(self) -> Component:
        return Pairs()


class TestSummary(ComponentContract):
    @pytest.fixture
    def component(self) -> Component:
        return Summary()


class TestSummaryOnPostgres(OnPostgres, ComponentContract):
    @pytest.fixture
    def component(self) -> Component:
        return Summary()
