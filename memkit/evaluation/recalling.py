"""`memkit bench recall`: how long an answer takes, and how many of the nearest vectors are in it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from memkit.evaluation.floors import BareVectors, BareWords
from memkit.evaluation.machine import Machine, machine
from memkit.evaluation.material import Material, Prepared, gather
from memkit.evaluation.timing import Cost, measure
from memkit.memory import Memory
from memkit.models.specs import embedder_from
from memkit.ports import Embedder
from memkit.wiring import open_memory

if TYPE_CHECKING:
    from numpy.typing import NDArray

K = 10
WARM = 8  # calls before the first block

Found = dict[str, float]
SizeReport = TypedDict("SizeReport", {"costs": dict[str, Cost], "recall@10": Found})


class RecallSettings(TypedDict):
    dimension: int
    k: int
    blocks: int
    calls: int
    users: int
    users_records: int
    material: str


class RecallResults(TypedDict):
    by_size: dict[str, SizeReport]
    one_of_many_users: SizeReport


class RecallReport(TypedDict):
    machine: Machine
    settings: RecallSettings
    results: RecallResults


def bench_recall(
    sizes: Sequence[int] = (1_000, 10_000, 100_000),
    *,
    users: int = 200,
    shared: int = 10_000,
    blocks: int = 10,
    calls: int = 50,
    data: Path | None = None,
    embedder: Embedder | str | None = None,
    cache: Path | None = None,
    progress: Callable[[str], None] = lambda stage: None,
) -> RecallReport:
    """The latency of the ten best of so many records, and of one of `users` who share a file of `shared` records.

    "dense" is recall with a vector and no text, "words" with a text in a memory without an embedder, "hybrid" with a text and
    its vector: no embedding is in the times. Beside them: FAISS, every vector compared ("faiss flat") and the graph
    ("faiss hnsw"), and SQLite's own full-text search ("sqlite fts5"). "recall@10" is the part of the ten nearest
    vectors, found exactly, that are among the ten hits of a dense search.

    `data` is a folder of data sets (default: the environment variable MEMKIT_DATA), `embedder` makes the vectors, which
    are kept in `cache`; see `material` for what is used without them.
    """
    before = machine()
    folder = data or (Path(os.environ["MEMKIT_DATA"]) if os.environ.get("MEMKIT_DATA") else None)
    model = embedder_from(embedder) if isinstance(embedder, str) else embedder
    progress("preparing texts and vectors")
    material = gather(max(*sizes, shared), data=folder, embedder=model, cache=cache)
    by_size = {}
    for size in sizes:
        progress(f"{size:,} records")
        by_size[str(size)] = _one_namespace(material, size, blocks, calls)
    progress(f"{users} users")
    return {
        "machine": before,
        "settings": {
            "dimension": material.vectors.shape[1],
            "k": K,
            "blocks": blocks,
            "calls": calls,
            "users": users,
            "users_records": shared,
            "material": material.origin,
        },
        "results": {
            "by_size": by_size,
            "one_of_many_users": _many_users(material, users, shared, blocks, calls),
        },
    }


def _one_namespace(material: Material, size: int, blocks: int, calls: int) -> SizeReport:
    vectors, asked, questions = material.vectors[:size], material.asked, material.questions
    with ExitStack() as stack:
        file = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="memkit-bench-"))) / "memory.db"
        memory = stack.enter_context(open_memory(file, embedder=Prepared(material), durability="process"))
        events = _places(memory, material.turns(size))
        wordy = stack.enter_context(open_memory(file))
        flat, hnsw = (BareVectors(kind, vectors) for kind in ("flat", "hnsw"))
        fts = BareWords(material.texts[:size])
        stack.callback(fts.close)
        for number in range(WARM):
            memory.recall("", vector=asked[number], k=K)
            wordy.recall(questions[number], k=K)
        count = len(questions)
        work: dict[str, Callable[[int], object]] = {
            "dense": lambda n: memory.recall("", vector=asked[n % count], k=K, floor=0),
            "words": lambda n: wordy.recall(questions[n % count], k=K, floor=0),
            "hybrid": lambda n: memory.recall(questions[n % count], vector=asked[n % count], k=K, floor=0),
            "faiss flat": lambda n: flat.search(asked[n % count]),
            "faiss hnsw": lambda n: hnsw.search(asked[n % count]),
            "sqlite fts5": lambda n: fts.search(questions[n % count]),
        }
        measured = measure(work, blocks=blocks, calls=calls)
        nearest = _nearest(vectors, asked)
        dense = [[events[hit.events[0]] for hit in memory.recall("", vector=one, k=K, floor=0)] for one in asked]
        return {
            "costs": {name: found.cost() for name, found in measured.items()},
            "recall@10": {
                "dense": _share(dense, nearest),
                "faiss hnsw": _share([hnsw.search(one).tolist() for one in asked], nearest),
            },
        }


def _many_users(material: Material, users: int, shared: int, blocks: int, calls: int) -> SizeReport:
    each = shared // users
    with ExitStack() as stack:
        file = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="memkit-bench-"))) / "memory.db"
        memory = stack.enter_context(open_memory(file, embedder=Prepared(material), durability="process"))
        turns = material.turns(users * each)
        mine = [memory[f"user-{user}"] for user in range(users)]
        parts = [slice(user * each, (user + 1) * each) for user in range(users)]
        events = [_places(one, turns[part]) for one, part in zip(mine, parts, strict=True)]
        asked = material.asked
        for one in mine:
            one.recall("", vector=asked[0], k=K)
        work: dict[str, Callable[[int], object]] = {
            "dense": lambda n: mine[n % users].recall("", vector=asked[n % len(asked)], k=K, floor=0)
        }
        measured = measure(work, blocks=blocks, calls=calls)
        shares = [
            _share(
                [[events[user][hit.events[0]] for hit in mine[user].recall("", vector=vector, k=K, floor=0)]],
                _nearest(material.vectors[parts[user]], vector[None]),
            )
            for user, vector in zip(range(users), _cycle(asked, users), strict=True)
        ]
        return {
            "costs": {name: found.cost() for name, found in measured.items()},
            "recall@10": {"dense": round(mean(shares), 4)},
        }


def _places(memory: Memory, turns: Sequence[dict[str, object]]) -> dict[str, int]:
    """Add the turns and absorb them; `sync` also finishes the graph. From events to the numbers of their turns."""
    receipt = memory.add(list(turns))
    memory.sync()
    return {event: number for number, event in enumerate(receipt.ids)}


def _nearest(vectors: NDArray[np.float32], asked: NDArray[np.float32]) -> list[set[int]]:
    """The numbers of the ten nearest vectors of each, by comparing all."""
    return [set(np.argsort(-(vectors @ one), kind="stable")[:K].tolist()) for one in asked]


def _share(found: Iterable[Iterable[int]], nearest: Sequence[set[int]]) -> float:
    return round(mean(len(right & set(hits)) / len(right) for hits, right in zip(found, nearest, strict=True)), 4)


def _cycle(vectors: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    return vectors[np.arange(count) % len(vectors)]
