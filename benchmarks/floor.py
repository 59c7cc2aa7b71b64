"""What the floor does: how many questions about something else come back empty, and what it costs the real ones.

    python benchmarks/floor.py DATA [--embedder SPEC] [--cache FOLDER] [--json OUT]

DATA holds locomo/locomo.json and cranfield/. Every conversation is asked its own questions, then questions about
aeronautics (Cranfield's), then questions of the other conversations, which are about much the same families and hobbies.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import memkit
from memkit.evaluation.cached import Cached
from memkit.evaluation.conversations import Conversation, read
from memkit.evaluation.corpora import cranfield
from memkit.evaluation.machine import machine
from memkit.models.specs import embedder_from
from memkit.ports import Embedder

EVERY = 3  # of the foreign questions: all of them would take long and say the same
ANSWERABLE = (1, 2, 3, 4)  # LoCoMo's categories whose questions have an answer


def empty(memory: memkit.Memory, questions: list[str]) -> float:
    """The share of the questions that come back empty."""
    return sum(not memory.recall(question) for question in questions) / len(questions)


def own(conversation: Conversation) -> list[str]:
    return [question.text for question in conversation.questions if question.category in ANSWERABLE]


def measure(data: Path, embedder: Embedder | None) -> dict[str, float]:
    """The means over the conversations."""
    conversations = read(data / "locomo" / "locomo.json")
    aeronautics = [asked.text for asked in cranfield(data / "cranfield").questions][::EVERY]
    shares: dict[str, list[float]] = {"own": [], "aeronautics": [], "other conversations": []}
    with memkit.open(":memory:", embedder=embedder) as memory:
        for conversation in conversations:
            bound = memory[conversation.name]
            bound.add(
                [
                    {"content": turn.text, "author": turn.author, "session": turn.session, "at": turn.at}
                    for turn in conversation.turns
                ]
            )
            foreign = [text for other in conversations if other is not conversation for text in own(other)][::EVERY]
            shares["own"].append(empty(bound, own(conversation)))
            shares["aeronautics"].append(empty(bound, aeronautics))
            shares["other conversations"].append(empty(bound, foreign))
    return {f"{name} empty": round(sum(found) / len(found), 4) for name, found in shares.items()}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("data", type=Path)
    options.add_argument("--embedder")
    options.add_argument("--cache", type=Path, default=Path(".benchmark-cache"))
    options.add_argument("--json", type=Path)
    given = options.parse_args()
    report: dict[str, object] = {"machine": machine(), "words": measure(given.data, None)}
    if given.embedder:
        embedder = Cached(embedder_from(given.embedder), given.cache)
        report["words and meaning"] = measure(given.data, embedder)
        embedder.save()
    print(json.dumps(report, indent=1))
    if given.json:
        given.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
