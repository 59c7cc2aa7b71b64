"""The best passages of a walk, judged in company: what one passage leaves open of a question, one that it is linked to may have.

A question over several passages is answered by none of them alone: "Who is the mother of the director of Aurora?" has its
words in the film's passage and in the director's. So of the `company` best passages each is judged with that one of the others
with which it has most of the question. Let w(t) be the idf of word t of the question, c(p, t) in [0, 1] how much passage p
has of it (BM25's saturation), and m(p) its closeness by meaning, as a share of the largest. Then

    explains(p)    = Σ w(t) c(p, t) / Σ w(t) + m(p) / 2
    explains(p, q) = Σ w(t) max(c(p, t), c(q, t)) / Σ w(t) + (m(p) + m(q)) / 4
    score(p)       = s(p) (FAINT + explains(p)) + max over q of link(p, q) √(s(p) s(q)) explains(p, q)

with s the walk's result. link(p, q) is the specificity log((R + 1) / |P|) / log(R + 1) of the most specific name that
both have and the question has not: a bridge. It is at least APART, for questions that compare things that have nothing to
do with each other; what explains nothing keeps the order of the walk. Ours; the papers have nothing like it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from memkit.components.hipporag.linking import Linked
from memkit.components.hipporag.ranking import EQUAL, K1, B, Ranked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from memkit.ports import Graph, Shelf

    Floats = NDArray[np.float64]

APART = 0.5  # of the link between two passages that no name connects, or only one of the question's
FAINT = 0.01  # orders what has nothing of the question
FULL = 1.6  # a word that is said about twice in a passage of mean length counts whole


def in_company(
    graph: Graph, question: str, vector: NDArray[np.float32] | None, ranked: Ranked, linked: Linked, size: int
) -> Ranked:
    """The ranking with the first `size` passages in the order of their new scores, shares of the best of these; those behind
    them keep their order and are scaled to come after. What was found without the graph stays as it is."""
    if ranked.how != "graph" or not size or len(ranked.rows) < 2:
        return ranked
    rows, scores = ranked.rows[:size], ranked.scores[:size]
    meaning = np.zeros(len(rows)) if vector is None else graph.shelf.similarity(vector, rows).astype(np.float64)
    new, company = judged(graph, question, rows, scores, meaning, linked)
    new = (new / max(float(new.max()), 1e-12)).round(EQUAL)
    order = np.lexsort((graph.shelf.id[rows], -new))
    rest = ranked.scores[size:] * float(new.min()) / max(float(scores.min()), 1e-12)
    return replace(
        ranked,
        rows=np.concatenate((rows[order], ranked.rows[size:])),
        scores=np.concatenate((new[order], rest.round(EQUAL))),
        company=np.concatenate((company[order], np.full(len(rest), -1))),
    )


def judged(
    graph: Graph, question: str, rows: NDArray[np.int64], scores: Floats, meaning: Floats, linked: Linked
) -> tuple[Floats, NDArray[np.int64]]:
    """New scores [n] of the passages `rows` [n], which have `scores` [n] and inner products with the question `meaning`
    [n] (0 without vectors), not scaled, and not comparable with the old ones; and the passage [n] that each goes with, if it
    owes more to that than to itself, else -1."""
    weights, held = _held(graph.shelf, question, rows)
    near = np.maximum(meaning, 0.0)
    near = near / max(float(near.max(initial=0.0)), 1e-12)
    total = max(float(weights.sum()), 1e-12)
    alone = held.sum(axis=1) / total + near / 2
    together = np.maximum(held[:, None, :], held[None, :, :]).sum(axis=2) / total + (near[:, None] + near[None, :]) / 4
    pairs = together * np.sqrt(scores[:, None] * scores[None, :]) * _links(graph, rows, linked)
    own, by_pair = scores * (FAINT + alone), pairs.max(axis=1, initial=0.0)
    return own + by_pair, np.where(by_pair > own, rows[pairs.argmax(axis=1)], -1)


def _held(shelf: Shelf, question: str, rows: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """The weight of each word of the question, [T], and what of it each passage has, [n, T]."""
    found = shelf.postings(question)
    weights = np.log1p((shelf.size - found.frequency + 0.5) / (np.maximum(found.frequency, 1) + 0.5))
    mean = float(shelf.length.mean()) if shelf.size else 1.0
    norm = K1 * (1 - B + B * shelf.length[rows] / max(mean, 1e-9))
    count = np.zeros((len(rows), len(weights)))
    for word, (has, counts) in enumerate(zip(found.rows, found.counts, strict=True)):
        if len(has):
            at = np.minimum(np.searchsorted(has, rows.astype(has.dtype)), len(has) - 1)
            count[:, word] = np.where(has[at] == rows, counts[at], 0.0)
    return weights, weights * np.minimum(FULL * count / (count + norm[:, None]), 1.0)


def _links(graph: Graph, rows: NDArray[np.int64], linked: Linked) -> Floats:
    """link(p, q), [n, n]; 0 between a passage and itself."""
    links = np.full((len(rows), len(rows)), APART)
    asked = {link.name for link in linked.names if link.how == "name"}
    names = [graph.names_in(row) for row in rows.tolist()]
    shared, place = np.unique(np.concatenate([np.empty(0, np.int32), *names]), return_inverse=True)
    has = np.zeros((len(rows), len(shared)), np.bool_)
    has[np.repeat(np.arange(len(rows)), [len(each) for each in names]), place] = True
    size = float(np.log(graph.shelf.size + 1))
    specific = np.maximum(np.log((graph.shelf.size + 1) / np.maximum(graph.mentions[shared], 1)) / size, 0.0)
    specific[np.isin(shared, np.fromiter(asked, np.int64, len(asked)))] = 0.0
    bridges = np.flatnonzero((has.sum(axis=0) > 1) & (specific > APART))
    for one, by in zip(has[:, bridges].T, specific[bridges].tolist(), strict=True):
        np.maximum(links, by, out=links, where=one[:, None] & one)
    np.fill_diagonal(links, 0.0)
    return links
