"""The benchmarks run, at sizes where they mean nothing, and say all that they promise."""

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest

from memkit.evaluation import bench, material, timing
from memkit.evaluation.cached import Cached
from memkit.evaluation.machine import machine
from memkit.testing.embedders import FaultyEmbedder, HashEmbedder

COST = {"p50_ms", "p95_ms", "cpu_ms", "cpu_best_ms"}


@pytest.fixture(autouse=True)
def no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEMKIT_DATA", raising=False)


def test_adding_is_measured_beside_bare_sqlite() -> None:
    report = bench.bench_add(blocks=2, calls=2, batch=5, batches=2)
    results = report["results"]
    names = {"memkit disk", "memkit process", "sqlite3 disk", "sqlite3 process"}
    assert set(results["one"]) == set(results["batch_per_turn"]) == names
    assert all(set(cost) == COST and cost["p50_ms"] > 0 for cost in results["one"].values())
    assert set(results["cpu_ratio"]) == {"one disk", "one process", "batch disk", "batch process"}
    assert report["settings"] == {"words": 25, "blocks": 2, "calls": 2, "batch": 5, "batches": 2}
    assert json.loads(json.dumps(report)) == report


def test_recalling_is_measured_beside_faiss_and_fts5_and_is_exact_where_it_should_be() -> None:
    stages: list[str] = []
    report = bench.bench_recall((60, 200), users=4, shared=80, blocks=2, calls=3, progress=stages.append)
    results = report["results"]
    assert list(results["by_size"]) == ["60", "200"]
    for size in results["by_size"].values():
        assert set(size["costs"]) == {"dense", "words", "hybrid", "faiss flat", "faiss hnsw", "sqlite fts5"}
        assert all(set(cost) == COST for cost in size["costs"].values())
        assert size["recall@10"]["dense"] == 1
    assert results["one_of_many_users"]["recall@10"] == {"dense": 1}
    assert "the book that comes with memkit" in report["settings"]["material"]
    assert stages[-1] == "4 users"
    assert json.loads(json.dumps(report)) == report


def test_importing_is_measured() -> None:
    report = bench.bench_import((40,), repeats=1)
    assert report["results"]["import"]["import_ms"] > 0
    assert set(report["results"]["40"]) == {
        "add_per_s",
        "absorb_words_per_s",
        "absorb_vectors_per_s",
        "open_ms",
        "first_words_ms",
        "first_dense_ms",
    }
    assert json.loads(json.dumps(report)) == report


def test_the_machine_is_told_but_not_whose_it_is() -> None:
    told = machine()
    assert {"processor", "cores", "memory_gb", "system", "python", "sqlite", "numpy", "commit", "date"} <= set(told)
    assert str(Path.home()) not in json.dumps(told)


def test_percentiles_are_values_that_were_measured() -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert [timing.percentile(values, percent) for percent in (0, 50, 95, 100)] == [1, 3, 5, 5]


def test_what_is_compared_is_measured_in_turns() -> None:
    order: list[tuple[str, int]] = []
    work = {name: (lambda number, name=name: order.append((name, number))) for name in ("a", "b")}
    found = timing.measure(work, blocks=2, calls=2)
    assert order == [("a", 0), ("a", 1), ("b", 0), ("b", 1), ("a", 2), ("a", 3), ("b", 2), ("b", 3)]
    assert [len(found["a"].wall), len(found["a"].cpu)] == [4, 2]


def test_material_is_as_large_as_asked_different_and_the_same_each_time() -> None:
    first, again = (material.gather(3_000, data=None, embedder=None, cache=None) for _ in range(2))
    assert len(set(first.texts)) == len(first.texts) == 3_000 == len(first.vectors)
    assert "each made of two" in first.origin
    assert np.allclose(np.linalg.norm(first.vectors, axis=1), 1, atol=1e-5)
    assert first.texts == again.texts
    assert np.array_equal(first.vectors, again.vectors)


def test_an_embedder_of_another_dimension_cannot_be_measured() -> None:
    with pytest.raises(ValueError, match="384 dimensions; memkit-hash-0 has 64"):
        material.gather(10, data=None, embedder=HashEmbedder(), cache=None)


def test_what_was_embedded_is_kept_in_the_cache(tmp_path: Path) -> None:
    embedder = FaultyEmbedder(HashEmbedder(384))
    first = material.gather(30, data=None, embedder=embedder, cache=tmp_path)
    assert len(embedder.calls) == 2  # the texts and the questions
    again = material.gather(30, data=None, embedder=embedder, cache=tmp_path)
    assert len(embedder.calls) == 2
    assert np.array_equal(first.vectors, again.vectors)
    assert "vectors of memkit-hash-0" in again.origin


async def _embed(embedder: Cached, *texts: str, query: bool = False) -> np.ndarray:
    return await embedder.embed(texts, query=query)


def test_a_cache_tells_questions_from_documents_and_asks_only_for_what_is_new(tmp_path: Path) -> None:
    inner = FaultyEmbedder(HashEmbedder(32))
    cached = Cached(inner, tmp_path)
    asyncio.run(_embed(cached, "a", "b"))
    asyncio.run(_embed(cached, "b", "c", "c"))
    asyncio.run(_embed(cached, "a", query=True))
    assert inner.calls == [("a", "b"), ("c",), ("a",)]
    cached.save()
    assert np.array_equal(asyncio.run(_embed(Cached(inner, tmp_path), "c")), HashEmbedder(32).vectors(["c"]))
    assert len(inner.calls) == 3
