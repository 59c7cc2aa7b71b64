"""From a reset to passages, best first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from memkit.components.hipporag.seeds import Reset, scaled
from memkit.components.hipporag.settings import Settings
from memkit_kernels.ppr import ppr

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from memkit.ports import Graph, Shelf

    Floats = NDArray[np.float64]

K1, B = 1.2, 0.75  # BM25's usual parameters (Robertson and Zaragoza 2009)
TOLERANCE = 3e-5  # of a walk's result, in sum: no order among the first ten of 400 lists differs from that of 1e-7
EQUAL = 7  # decimals of a score; what is closer is equal, and does not depend on the order in which the graph was made


@dataclass(frozen=True, slots=True)
class Ranked:
    """`rows` [≤ k] are passages, best first, of equal ones that with the smaller record id; `scores` are in [0, 1].
    By the "graph" they are shares of the best score of all passages, whether the mask admits it or not; by
    "closeness", where nothing was linked, that itself. `company` [≤ k] has for each the passage that it was judged with, if
    that lifted it, else -1; None where none was."""

    rows: NDArray[np.int64]
    scores: Floats
    how: Literal["graph", "closeness"]
    company: NDArray[np.int64] | None = None

    def at(self, places: NDArray[np.int64] | NDArray[np.bool_]) -> Ranked:
        """What stands at these places."""
        company = None if self.company is None else self.company[places]
        return Ranked(self.rows[places], self.scores[places], self.how, company)


def closeness(graph: Graph, question: str, vectors: NDArray[np.float32] | None, settings: Settings) -> Floats:
    """How near each passage is to the question by itself, [R]: half words, half meaning, in [0, 1], as in
    `memkit.Passages`; words alone without an embedder; with `words` off the inner product as it is. `vectors[0]` is
    the question's."""
    shelf = graph.shelf
    if vectors is None:
        return _words(shelf, question)
    products = shelf.similarity(vectors[0], np.arange(shelf.size)).astype(np.float64)
    return 0.5 * _words(shelf, question) + 0.5 * np.clip(products, 0.0, 1.0) if settings.words else products


def ranked(
    graph: Graph, reset: Reset, near: Floats, k: int, mask: NDArray[np.bool_] | None, settings: Settings
) -> Ranked:
    """The k best passages that the mask [R] admits; the walk goes everywhere. Without seeds, the nearest passages."""
    if not len(reset.nodes):
        rows = _best(near, k, mask, graph.shelf)
        return Ranked(rows, np.clip(near[rows], 0.0, 1.0), "closeness")
    seeds = np.zeros(graph.walk.nodes)
    seeds[reset.nodes] = reset.mass
    stay = ppr(graph.walk, seeds, damping=settings.damping, tolerance=TOLERANCE)
    assert isinstance(stay, np.ndarray)  # an array was given
    if settings.version == 2:
        scores = np.where(graph.passage_node >= 0, stay[graph.passage_node], 0.0)
    else:
        scores = _through_facts(graph, stay)
    if settings.own:
        own = np.maximum(near, 0.0)
        scores = scores * (own + own.mean()) ** settings.own  # one that has no word of the question may still answer it
    if settings.ensemble is not None and reset.doubt <= settings.ensemble:
        scores = 0.5 * scaled(scores) + 0.5 * scaled(near)
    best = float(scores.max(initial=0.0))
    shares = (scores / best).round(EQUAL) if best > 0 else np.zeros_like(scores)
    rows = _best(shares, k, mask, graph.shelf)
    return Ranked(rows, shares[rows], "graph")


def _through_facts(graph: Graph, stay: Floats) -> Floats:
    """HippoRAG 1: docs_to_facts · (facts_to_phrases · π). A name in several facts of a passage counts for each."""
    names = stay[graph.name_node]
    facts = names[graph.subject] + np.where(graph.subject == graph.object, 0.0, names[graph.object])
    told, tellers = graph.telling()
    return np.bincount(tellers, facts[told], minlength=graph.shelf.size).astype(np.float64)


def _words(shelf: Shelf, question: str) -> Floats:
    """The share in [0, 1) of the question's words that each passage has, by BM25."""
    found = shelf.postings(question)
    if not found.rows or not shelf.size:
        return np.zeros(shelf.size)
    rows, counts = np.concatenate(found.rows), np.concatenate(found.counts)
    frequency = np.maximum(found.frequency, 1)  # a word that nothing has weighs as one that one passage has
    idf = np.log(1 + (shelf.size - frequency + 0.5) / (frequency + 0.5))
    norm = K1 * (1 - B + B * shelf.length / max(float(shelf.length.mean()), 1e-9))
    parts = np.repeat(idf, found.frequency) * counts / (counts + norm[rows])
    return np.bincount(rows, parts, minlength=shelf.size).astype(np.float64) / float(idf.sum())


def _best(scores: Floats, k: int, mask: NDArray[np.bool_] | None, shelf: Shelf) -> NDArray[np.int64]:
    rows = np.arange(len(scores)) if mask is None else np.flatnonzero(mask)
    if len(rows) > 4 * k > 0:
        least = np.partition(scores[rows], len(rows) - k)[len(rows) - k]
        rows = rows[scores[rows] >= least]  # all that equal the last one: their ids decide
    return rows[np.lexsort((shelf.id[rows], -scores[rows]))][:k].astype(np.int64)
