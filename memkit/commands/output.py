"""What the commands print: results on standard output, progress and remarks on standard error."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # a remembered text must not steer the terminal

_UNITS = ("kB", "MB", "GB", "TB")


def console(*, error: bool = False) -> Console:
    """A console that prints texts as they are, on standard output or error. Long lines are left to the terminal."""
    return Console(stderr=error, highlight=False, markup=False, emoji=False, soft_wrap=True)


def remark(text: str) -> None:
    """Tell the user something that is not part of the result."""
    console(error=True).print(text, style="dim")


def emit(value: Mapping[str, object]) -> None:
    """Print one JSON object on one line."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")


def harmless(text: str) -> str:
    """The text with a sign in place of each control character."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)


def plural(count: int, noun: str) -> str:
    """ "1 event", "2 events", "12,000 events"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def size(count: int) -> str:
    """A number of bytes for people."""
    if count < 1000:
        return f"{count} bytes"
    power = min((len(str(count)) - 1) // 3, len(_UNITS))
    return f"{count / 1000**power:.1f} {_UNITS[power - 1]}"


@contextmanager
def progress(label: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, if that is a terminal. Calling it with what is done moves it."""
    screen = console(error=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done: bar.update(task, completed=done)


@contextmanager
def counting(label: str) -> Iterator[Callable[[int, int], None]]:
    """The same for callers that tell what is done and what there is in all."""
    screen = console(error=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
