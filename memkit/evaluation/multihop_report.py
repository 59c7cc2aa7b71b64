"""The report of `memkit eval multihop`: its fields, and what is counted and weighed for it."""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import TypedDict

from memkit.evaluation.machine import Machine
from memkit.evaluation.multihop_figures import Interval
from memkit.values import KnowledgeGraph


class Counts(TypedDict):
    """What a graph holds. Edges are counted once, whatever their direction; facts by their three texts."""

    names: int
    facts: int
    relations: int
    fact_edges: int
    facts_about_themselves: int
    context_edges: int
    synonym_edges: int
    passages_without_a_name: int


class Indexing(TypedDict):
    """Seconds, of which so many were spent in the embedder; texts embedded, of which so many came from the cache."""

    seconds: float
    embedding_seconds: float
    embedded: int
    from_cache: int


Milliseconds = TypedDict(
    "Milliseconds",
    {"p50": float, "p95": float, "p50 with embedding": float, "p95 with embedding": float, "first": float},
)


class Settings(TypedDict):
    components: list[str]
    embedder: str | None
    llm: str | None
    k: int
    options: dict[str, str]


MultihopReport = TypedDict(
    "MultihopReport",
    {
        "questions": int,
        "passages": int,
        "recall@2": float,
        "recall@5": float,
        "recall@10": float,
        "all-recall@5": float,
        "mrr": float,
        "recall@5 interval": Interval,
        "ms_per_query": Milliseconds,
        "graph": dict[str, Counts],
        "indexing": Indexing,
        "peak_mb": float,
        "skipped": int,
        "missing": int,
        "repeated": int,
        "blank": int,
        "deferred": int,
        "settings": Settings,
        "machine": Machine,
    },
)


def counts(graph: KnowledgeGraph) -> Counts:
    """What the graph holds."""
    pairs = [(one.fact.subject, one.fact.object) for one in graph.facts]
    return {
        "names": len(graph.names),
        "facts": len(graph.facts),
        "relations": len({one.fact.relation for one in graph.facts}),
        "fact_edges": len({frozenset(pair) for pair in pairs if pair[0] != pair[1]}),
        "facts_about_themselves": sum(one == other for one, other in pairs),
        "context_edges": len(graph.mentions),
        "synonym_edges": len(graph.synonyms),
        "passages_without_a_name": len(graph.passages) - len({one.passage for one in graph.mentions}),
    }


def peak_mb() -> float:
    """The most memory that this process has had so far, in millions of bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage tells on Linux may be from before exec: that of whoever started this process
        told = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines() if ":" in line)
        return round(int(told["VmHWM"].split()[0]) * 1024 / 1e6, 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak * (1 if sys.platform == "darwin" else 1024) / 1e6, 1)  # macOS tells bytes, Linux KiB
