"""Which rows may answer a question, and how well: by the hash, by all vectors, or by words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from memkit.components.think_in_memory import thoughts
from memkit.components.think_in_memory.lsh import Hash
from memkit.errors import SpaceError
from memkit.values import Cue

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from memkit.ports import Shelf

K1, B = 1.2, 0.75  # BM25's usual constants; rows are one sentence and the turn it came from


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """Rows, best first, with scores in [0, 1]. `bucket` has the bucket of each, -1 where none was looked into."""

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]
    bucket: NDArray[np.int64]
    why: str  # what the scores are called
    notes: dict[str, str] = field(default_factory=dict)


def in_buckets(cue: Cue, shelf: Shelf, hashing: Hash, vector: NDArray[np.float32], probes: int) -> Ranked:
    """The rows of the question's bucket, or of the `probes` most likely ones. No other row is compared.

    Raises SpaceError when there are rows that are in no bucket of this function: they would never be found.
    """
    stated, hashed = len(shelf.marked(thoughts.STATED)), len(shelf.marked(hashing.hashed))
    if hashed < stated:
        raise SpaceError(
            f"{stated - hashed} of {stated} thoughts are in no bucket of {hashing.space.model} with {hashing.buckets} buckets "
            f"and seed {hashing.seed}: they were hashed for others, or without an embedder. Run sync(rebuild=True)"
        )
    mask = shelf.admitted(cue.where)
    rows, buckets = [], []
    for bucket in hashing.probes(vector, probes):
        inside = shelf.marked(hashing.mark(bucket)).astype(np.int64)
        inside = inside if mask is None else inside[mask[inside]]
        rows.append(inside)
        buckets.append(np.full(len(inside), bucket, np.int64))
    every = np.concatenate(rows)
    products = shelf.similarity(vector, every) if len(every) else np.empty(0, np.float32)
    return _ranked(shelf, every, products, np.concatenate(buckets), "similarity")


def by_vectors(cue: Cue, shelf: Shelf, vector: NDArray[np.float32], count: int) -> Ranked:
    """The `count` nearest rows of all: what the hash is an approximation of."""
    rows, products = shelf.nearest(vector, count, _stated(shelf, shelf.admitted(cue.where)))
    return _ranked(shelf, rows, products, np.full(len(rows), -1, np.int64), "similarity")


def by_words(cue: Cue, shelf: Shelf) -> Ranked:
    """All rows that hold a word of the question, by BM25 as a share of the most that a row could have."""
    postings = shelf.postings(cue.text)
    wanted = _stated(shelf, shelf.admitted(cue.where))
    held = np.zeros(shelf.size, np.bool_)
    score = np.zeros(shelf.size, np.float32)
    stated = shelf.marked(thoughts.STATED)
    mean = float(shelf.length[stated].mean()) if len(stated) else 1.0
    norm = K1 * (1 - B + B * shelf.length / max(mean, 1e-9))
    most = 0.0
    for rows, counts in zip(postings.rows, postings.counts, strict=True):
        frequency = len(rows) or 1  # a word never said weighs as one said once
        idf = float(np.log(1 + (max(len(stated), frequency) - frequency + 0.5) / (frequency + 0.5)))
        most += idf
        score[rows] += np.float32(idf) * counts / (counts + norm[rows])
        held[rows] = True
    found = np.flatnonzero(held & wanted)
    scores = score[found] / np.float32(most) if most else score[found]
    notes = {"search": "by words: there is no embedder, so no buckets"}
    return _ranked(shelf, found, scores, np.full(len(found), -1, np.int64), "words", notes)


def _stated(shelf: Shelf, mask: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    wanted = np.zeros(shelf.size, np.bool_)
    wanted[shelf.marked(thoughts.STATED)] = True
    return wanted if mask is None else wanted & mask


def _ranked(
    shelf: Shelf,
    rows: NDArray[np.int64],
    scores: NDArray[np.float32],
    bucket: NDArray[np.int64],
    why: str,
    notes: dict[str, str] | None = None,
) -> Ranked:
    order = np.lexsort((shelf.id[rows], -scores))  # at last by record: every process has the same order
    return Ranked(
        rows=rows[order],
        scores=np.clip(scores[order], 0, 1),
        bucket=bucket[order],
        why=why,
        notes=notes or {},
    )
