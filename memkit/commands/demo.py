"""`memkit demo`: the tour through a book and a conversation, shown as it goes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import memkit
from memkit.commands import guide, output, shape
from memkit.demo import BOAT, BOOK, PUBLISHED, Asked, Erased, Held, Packed, Scene, chapters, tour, turns

if TYPE_CHECKING:
    from memkit.memory import Memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What went in, and how long that took."""

    chapters: int
    turns: int
    seconds: float


def demo(
    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="FILE", help="Keep the memory in this new file, to go on asking.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Show it all: remember, recall, explain, forget, prove.

    A book, Alice's Adventures in Wonderland, and a conversation are remembered and asked about; then a secret is
    forgotten, with proof. Runs in seconds, without network, key or model. Whatever is shown was computed a moment
    before. The exit code is 1 when a trace of the secret was found.

    \b
    Examples:
      memkit demo
      memkit demo --keep alice.db
      memkit recall "mad tea-party" --db alice.db --namespace demo/book
    """
    started = time.perf_counter()
    with _place(keep) as path, memkit.open(path) as memory:
        remembered = _remember(memory)
        scenes = []
        if not json:
            guide.welcome(remembered.chapters, remembered.turns, remembered.seconds)
        for number, scene in enumerate(tour(memory, path), start=1):
            scenes.append(scene)
            if not json:
                guide.show(number, scene)
    seconds = time.perf_counter() - started
    if json:
        told = [{"scene": type(scene).__name__.lower(), **_shaped(scene)} for scene in scenes]
        output.emit({"kept": keep and str(keep), "scenes": told, "seconds": round(seconds, 3)})
    else:
        guide.farewell(keep, seconds)
    if not all(scene.proven for scene in scenes if isinstance(scene, Erased)):
        raise typer.Exit(1)


@contextmanager
def _place(keep: Path | None) -> Iterator[Path]:
    """Where the memory is to be: the new file, or one in a folder that is removed afterwards."""
    if keep is not None:
        if keep.exists():
            raise ValueError(f"{keep} is there already; --keep needs a new file")
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="memkit-demo-") as folder:
        yield Path(folder) / "demo.db"


def _remember(memory: Memory) -> Remembered:
    started = time.perf_counter()
    book, said = chapters(), turns()
    steps = 2 * (len(book) + len(said))
    with output.counting("Remembering") as move:
        for done, chapter in enumerate(book, start=1):
            memory[BOOK].add(chapter, at=PUBLISHED)
            move(done, steps)
        memory[BOAT].add(said)
        move(steps // 2, steps)
        memory[BOOK].sync()
        move(steps // 2 + len(book), steps)
        memory[BOAT].sync()
        move(steps, steps)
    return Remembered(chapters=len(book), turns=len(said), seconds=time.perf_counter() - started)


def _shaped(scene: Scene) -> shape.Shaped:
    match scene:
        case Asked():
            return {"title": scene.question.title, "call": scene.question.call, **shape.of_recall(scene.found)}
        case Packed():
            return {"call": scene.call, **shape.of_context(scene.context)}
        case Erased():
            return {
                "call": scene.call,
                "text": scene.text,
                **shape.of_forgotten(scene.forgotten),
                "copies_before": scene.copies_before,
                "copies_after": scene.copies_after,
                "asked_again": shape.of_recall(scene.again),
            }
        case Held():
            return shape.of_stats(scene.stats)
