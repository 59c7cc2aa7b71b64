"""From a question to passages: names and facts are linked, what does not help is left out, and PageRank walks from the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from memkit.components.hipporag import linking, ranking, seeds, why
from memkit.components.hipporag.company import in_company
from memkit.components.hipporag.linking import Asked, Linked
from memkit.components.hipporag.normalise import Normaliser
from memkit.components.hipporag.ranking import Ranked
from memkit.components.hipporag.recognition import named, recognised
from memkit.components.hipporag.rules import asked as phrases_in
from memkit.components.hipporag.seeds import Reset
from memkit.components.hipporag.settings import Settings
from memkit.hits import Chosen, beside, chosen
from memkit.offload import NeedsLoop, looped, offload
from memkit.ports import Graph, Llm, View
from memkit.values import Cue, Hit, Record, Where

if TYPE_CHECKING:
    from numpy.typing import NDArray

Filter = Literal["auto", "llm", "rules"]

# Without vectors most passages have no word of the question, and what a walk finds among them must not count for nothing:
# recall@5 on musique / hotpotqa, by rules and words alone, was .717 / .910 with 0 and .671 / .895 with 0.5, the default of `own`,
# before passages were judged in company.
BY_WORDS = 0.0
SHOWN = 60  # characters of a passage without a title, where another one names it
SPARE = 4  # passages beyond k that are ranked: some repeat others


@dataclass(frozen=True, slots=True)
class _Walk:
    """What passages are ranked by. `mask` has those that the cue admits, None for all; `told` says what a model did."""

    graph: Graph
    linked: Linked
    reset: Reset
    near: NDArray[np.float64]
    mask: NDArray[np.bool_] | None
    told: str | None
    settings: Settings
    vector: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalling:
    """How questions are answered. `key` is what names are known by."""

    key: Normaliser
    settings: Settings
    filter: Filter | None

    async def hits(self, cue: Cue, view: View) -> list[Hit]:
        """The best `cue.k` passages that `cue.where` admits. A chat model that filters needs a loop."""
        llm = view.llm if self.filter in ("auto", "llm") else None
        if llm is not None and not looped():
            raise NeedsLoop
        graph = await view.graph(self.settings.weave)
        if not graph.shelf.size:
            return []
        walk = await self._walk(cue, view, graph, llm)
        count = cue.k + SPARE
        while True:
            ranked = await offload(self._ranked, cue, walk, count)
            found = await chosen(view, walk.graph.shelf, ranked.rows, cue.k)
            if len(found) == cue.k or len(ranked.rows) < count:
                return await self._shown(cue, view, walk, _at(ranked, found), found)
            count *= 4

    async def _walk(self, cue: Cue, view: View, graph: Graph, llm: Llm | None) -> _Walk:
        known = await offload(_known, graph, cue.where)
        if known is not None:  # what was said since must not lead anywhere
            graph = await offload(graph.within, known)
        phrases, told = await self._phrases(cue.text, llm if self.settings.version == 1 else None)
        asked = await offload(self._asked, cue.text, phrases, graph)
        vectors = await self._vectors(cue, view, asked)
        settings = self.settings if vectors is not None else replace(self.settings, own=BY_WORDS)
        linked = await offload(linking.linked, asked, graph, vectors, settings)
        if not graph.name_vectors.size:
            told = "no passage has a name: nothing was read out of them yet"
        elif self.filter == "llm" and llm is None:
            told = _instead("this memory has none")
        if self.filter is not None:
            linked, told = await self._filtered(asked, linked, graph, llm if self.settings.version == 2 else None, told)
        near = await offload(ranking.closeness, graph, cue.text, vectors, settings)
        if known is not None:
            near = np.where(known, near, 0.0)
        reset = await offload(seeds.reset, graph, linked, near, settings)
        return _Walk(
            graph,
            linked,
            reset,
            near,
            graph.shelf.admitted(cue.where),
            told,
            settings,
            None if vectors is None else vectors[0],
        )

    @staticmethod
    async def _phrases(question: str, llm: Llm | None) -> tuple[Sequence[str], str | None]:
        """What the question names, and who found it if it was not the rules. They stand in for a model that gives nothing that
        can be used."""
        if llm is None:
            return phrases_in(question), None
        reply = await named(question, llm)
        if reply.trouble is None:
            return reply.names, f"{llm.model} named {len(reply.names)}"
        return phrases_in(question), _instead(reply.trouble)

    def _asked(self, question: str, phrases: Sequence[str], graph: Graph) -> Asked:
        return linking.asked(question, phrases, graph, key=self.key, settings=self.settings)

    @staticmethod
    async def _vectors(cue: Cue, view: View, asked: Asked) -> NDArray[np.float32] | None:
        """Of the question and of what in it names nothing, in one call; the cue may bring the question's own."""
        if cue.vector is None:
            return None if view.space is None else await view.embed(asked.texts, query=True)
        own = cue.vector[np.newaxis]
        if view.space is None or not asked.unmatched:
            return own
        return np.concatenate((own, await view.embed(asked.unmatched, query=True)))

    async def _filtered(
        self, asked: Asked, linked: Linked, graph: Graph, llm: Llm | None, told: str | None
    ) -> tuple[Linked, str | None]:
        """What of the linked facts helps, and who chose it if it was not the rules. They stand in for a model that gives nothing
        that can be used."""
        if llm is not None and linked.facts:
            facts = graph.facts([link.fact for link in linked.facts])
            reply = await recognised(asked.question, facts, llm)
            if reply.trouble is None:
                return linked.only(reply.kept), f"{llm.model} kept {len(reply.kept)} of {len(facts)} facts"
            told = _instead(reply.trouble)
        return await offload(linking.kept, linked, asked, graph), told

    def _ranked(self, cue: Cue, walk: _Walk, count: int) -> Ranked:
        company = walk.settings.company
        ranked = ranking.ranked(walk.graph, walk.reset, walk.near, max(count, company), walk.mask, walk.settings)
        ranked = in_company(walk.graph, cue.text, walk.vector, ranked, walk.linked, company)
        floor = cue.floor if cue.floor is not None else np.nextafter(0, 1)  # what has nothing of the question is no hit
        above = ranked.scores >= floor
        return ranked if above.all() else ranked.at(above)

    async def _shown(self, cue: Cue, view: View, walk: _Walk, ranked: Ranked, found: list[Chosen]) -> list[Hit]:
        reasons = await offload(why.reasons, walk.graph, walk.linked, walk.reset, ranked, walk.settings)
        company = await _company(view, walk.graph, ranked)
        sides = await beside(view, walk.graph.shelf, ranked.rows, cue.neighbours, walk.mask)
        also: dict[str, str | float] = {} if walk.told is None else {"question": walk.told}
        return [
            Hit(
                record=one.record,
                score=score,
                why={**reason, **goes, **also, **({"repeats folded": one.repeats} if one.repeats else {})},
                before=before,
                after=after,
            )
            for one, score, reason, goes, (before, after) in zip(
                found, ranked.scores.tolist(), reasons, company, sides, strict=True
            )
        ]


def _instead(trouble: str) -> str:
    return f"by rules, without the model: {trouble}"


def _known(graph: Graph, where: Where) -> NDArray[np.bool_] | None:
    """The passages that had been recorded by the time that is asked about, [R]; None when all had been."""
    scope = Where(namespace=where.namespace, below=where.below, as_of=where.as_of)
    admitted = None if where.as_of is None else graph.shelf.admitted(scope)
    return None if admitted is None or admitted.all() else admitted


def _at(ranked: Ranked, found: list[Chosen]) -> Ranked:
    return ranked.at(np.array([one.place for one in found], np.int64))


async def _company(view: View, graph: Graph, ranked: Ranked) -> list[dict[str, str]]:
    """For each passage the one that it was judged with, by its title or its first words."""
    if ranked.company is None:
        return [{} for _ in ranked.rows]
    ids = [int(graph.shelf.id[row]) if row >= 0 else 0 for row in ranked.company.tolist()]
    records = {record.id: record for record in await view.records(sorted(set(ids) - {0}))}
    return [{"goes with": _named(records[id])} if id in records else {} for id in ids]


def _named(record: Record) -> str:
    title = record.metadata.get("title")
    text = title if isinstance(title, str) and title else " ".join(record.text.split())
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
