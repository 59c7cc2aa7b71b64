"""Whether recall in several steps without a model finds more than one recall does.

    python benchmarks/steps.py SET… [--components NAMES] [--embedder SPEC] [--cache FOLDER] [--json OUT]

Each SET is a folder with questions.json and corpus.json, as for `memkit eval multihop`. See docs/multihop.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path

import memkit
from memkit.agents import Expansion, MultiHop
from memkit.evaluation.cached import Cached
from memkit.evaluation.machine import machine
from memkit.evaluation.multihop_figures import Outcome, interval, means
from memkit.evaluation.multihop_sets import Hops, read
from memkit.models.specs import embedder_from
from memkit.ports import Embedder
from memkit.wiring import components_from

WAYS = {"one recall": Expansion(hops=0), "one hop": Expansion(), "two hops": Expansion(hops=2)}
K = 20  # hits: several may be parts of one passage, and ten different ones are wanted


async def measured(hops: Hops, components: str, embedder: Embedder | None) -> dict[str, object]:
    """The figures of every way, and the recall@5 that each has more than one recall, question by question."""
    outcomes: dict[str, list[Outcome]] = {}
    figures: dict[str, object] = {}
    async with await memkit.open_async(":memory:", components=components_from(components), embedder=embedder) as memory:
        await memory.add(
            [
                memkit.Document(text=passage.text, title=passage.title, metadata={"number": number})
                for number, passage in enumerate(hops.passages)
            ]
        )
        await memory.sync()
        for name, strategy in WAYS.items():
            searching = MultiHop(memory, strategy=strategy)
            recalls, started = 0, time.perf_counter()
            outcomes[name] = []
            for question in hops.questions:
                findings = await searching.recall(question.text, k=K)
                ranking = dict.fromkeys(int(str(hit.metadata["number"])) for hit in findings.recall)
                outcomes[name].append(Outcome.of([*ranking], question.gold))
                recalls += len(findings.trace)
            seconds = time.perf_counter() - started
            more = [a.at_5 - b.at_5 for a, b in zip(outcomes[name], outcomes["one recall"], strict=True)]
            figures[name] = {
                **means(outcomes[name]),
                "recall@5 gained": dict(interval(more)),
                "recalls": round(recalls / len(hops.questions), 1),
                "ms": round(1000 * seconds / len(hops.questions), 1),
            }
    return figures


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("sets", type=Path, nargs="+")
    options.add_argument("--components", default="passages")
    options.add_argument("--embedder")
    options.add_argument("--cache", type=Path, default=Path(".benchmark-cache"))
    options.add_argument("--json", type=Path)
    given = options.parse_args()
    sets = {folder.name: read(folder) for folder in given.sets}
    report: dict[str, object] = {"machine": machine(), "components": given.components}
    report["words"] = {name: asyncio.run(measured(hops, given.components, None)) for name, hops in sets.items()}
    if given.embedder is not None:
        embedder = Cached(embedder_from(given.embedder), given.cache)
        meaning = {name: asyncio.run(measured(hops, given.components, embedder)) for name, hops in sets.items()}
        report["words and meaning"] = meaning
        embedder.save()
    print(json.dumps(report, indent=1))
    if given.json is not None:
        given.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
