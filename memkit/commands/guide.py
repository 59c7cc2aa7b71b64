"""The scenes of the demo on a terminal."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.text import Text

from memkit.commands import show as plain
from memkit.commands.output import harmless, plural
from memkit.demo import Asked, Erased, Held, Packed, Scene

if TYPE_CHECKING:
    from memkit.context.recall import Recall
    from memkit.values import Hit, Record

WIDEST = 100  # columns: longer lines are hard to read
SHOWN = 320  # characters of a passage
BAR = 10  # columns of a score of 1


def welcome(chapters: int, turns: int, seconds: float) -> None:
    """Say what was remembered."""
    screen = _screen()
    screen.print(Rule("memkit demo", style="cyan"))
    screen.print(
        f"Remembered Alice's Adventures in Wonderland ({chapters} chapters) and a conversation of two weeks ({turns} turns) "
        f"in {seconds:.1f} s. No network, no key, no model: everything below is found by words."
    )


def farewell(keep: Path | None, seconds: float) -> None:
    """Say where the memory is now."""
    screen = _screen()
    screen.print(Rule(f"{seconds:.1f} s", style="cyan"))
    if keep is None:
        screen.print("The memory was a temporary file and is gone. `memkit demo --keep alice.db` keeps it.")
    else:
        screen.print(f'The memory is in {keep}. Go on: memkit recall "golden key" --db {keep} --namespace demo/book')


def show(number: int, scene: Scene) -> None:
    """One scene. What it shows was computed just now."""
    screen = _screen()
    match scene:
        case Asked():
            _head(screen, number, scene.question.title, scene.question.remark, scene.question.call)
            if scene.whole:
                _block(screen, Text(harmless(scene.found.explain())))
            else:
                _found(screen, scene.found)
        case Packed():
            remark = "context() packs hits for a prompt, here by time. Each has a mark; what did not fit is named."
            _head(screen, number, "Ready for a prompt", remark, scene.call)
            _block(screen, Text(harmless(scene.context.text)))
            dropped = "".join(f'\ndropped: "{_short(one.hit.text)}": {one.reason}' for one in scene.context.dropped)
            _block(screen, Text(f"{scene.context.used} tokens{dropped}", style="dim"))
        case Erased():
            remark = "Not a mark on a row: every table, index and file is searched for the text afterwards."
            _head(screen, number, "Forgotten, and proven to be", remark, scene.call)
            _erased(screen, scene)
        case Held():
            _head(
                screen,
                number,
                "What the memory holds",
                "The secret and its row are no longer counted.",
                "memory.stats()",
            )
            plain.stats(scene.stats)


def _head(screen: Console, number: int, title: str, remark: str, call: str) -> None:
    screen.print()
    screen.print(Rule(f"{number}. {title}", align="left", style="cyan"))
    screen.print(Text(remark, style="dim"))
    screen.print(Text.assemble((">>> ", "dim"), (call, "green")))


def _found(screen: Console, found: Recall) -> None:
    for hit in found:
        for record in hit.before:
            _block(screen, _line(record, style="dim"))
        filled = round(hit.score * BAR)
        score = Text.assemble((f"{hit.score:.2f} ", "bold"), ("█" * filled, "cyan"), ("░" * (BAR - filled), "dim"))
        screen.print(Text.assemble(score, ("  " + _origin(hit.record), "dim")))
        _block(screen, _extract(hit))
        for record in hit.after:
            _block(screen, _line(record, style="dim"))
        _block(screen, Text(_why(hit), style="dim italic"))
    milliseconds = 1000 * sum(found.seconds.values())
    count = plural(len(found), "hit") if found else "nothing found"
    screen.print(Text(f"{count} in {milliseconds:.1f} ms", style="dim" if found else "bold yellow"))


def _erased(screen: Console, scene: Erased) -> None:
    result = scene.forgotten
    _block(screen, Text(f"{plural(result.events, 'event')}, {plural(result.records, 'derived row')} removed"))
    _block(screen, Text(f"searched: {', '.join(result.searched)}", style="dim"))
    for trace in result.traces or ():
        _block(screen, Text(f"still found in {trace.place}: {harmless(trace.detail)}", style="bold red"))
    copies = f"copies of its text in the bytes of the database's files: {scene.copies_before} before, {scene.copies_after} now"
    _block(screen, Text(copies))
    screen.print(Text.assemble((">>> ", "dim"), (scene.question.call, "green")))
    _found(screen, scene.again)
    if scene.proven:
        screen.print(Text("No byte of the secret is left.", style="bold green"))
    else:
        screen.print(Text("The secret is not gone.", style="bold red"))


def _extract(hit: Hit) -> Text:
    """The part of a passage with most of the words that led to it, these in bold."""
    said = str(hit.why.get("terms", ""))
    words = [re.escape(term) for term in said.split(", ") if term] if said != "only said nearby" else []
    text = " ".join(harmless(hit.text).split())
    pattern = re.compile(rf"\b(?:{'|'.join(words)})\w*", re.IGNORECASE) if words else None
    if len(text) > SHOWN:
        text = _window(text, [match.start() for match in pattern.finditer(text)] if pattern else [])
    shown = Text(f"{hit.record.author}: {text}" if hit.record.author else text)
    if pattern:
        shown.highlight_regex(pattern, "bold yellow")
    return shown


def _window(text: str, places: list[int]) -> str:
    """At most SHOWN characters, from a word on, around as many of the places as can be."""
    first = max(places, key=lambda start: sum(start <= place < start + SHOWN - 40 for place in places), default=0)
    start = max(0, min(first - 40, len(text) - SHOWN))
    start = text.find(" ", start) + 1 if start else 0
    end = min(len(text), start + SHOWN)
    end = text.rfind(" ", start, end) if end < len(text) else end
    return f"{'… ' if start else ''}{text[start:end]}{' …' if end < len(text) else ''}"


def _why(hit: Hit) -> str:
    words = f"words {hit.why['words']} (rank {hit.why['words rank']}: {hit.why['terms']})" if "words" in hit.why else ""
    author = f"author {hit.why['author']}" if "author" in hit.why else ""
    return ", ".join(part for part in (words, author) if part)


def _origin(record: Record) -> str:
    title = record.metadata.get("title")
    return f"{record.at:%Y-%m-%d}, {harmless(title) if isinstance(title, str) else record.author or record.role}"


def _line(record: Record, *, style: str) -> Text:
    return Text(f"{record.author}: {harmless(record.text)}", style=style)


def _short(text: str) -> str:
    return harmless(text[:50]) + ("…" if len(text) > 50 else "")


def _block(screen: Console, text: Text) -> None:
    screen.print(Padding(text, (0, 0, 0, 4), expand=False))


def _screen() -> Console:
    screen = Console(highlight=False, markup=False, emoji=False)
    screen.width = min(screen.width, WIDEST)
    return screen
