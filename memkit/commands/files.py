"""Texts and lines from files and from standard input. All of them are UTF-8."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from os import fstat
from pathlib import Path
from typing import BinaryIO

from memkit.commands import output

STDIN = "-"


@contextmanager
def opened(name: str) -> Iterator[BinaryIO]:
    """The file of this name, or standard input for "-". Raises ValueError when there is none."""
    if name == STDIN:
        yield sys.stdin.buffer
        return
    if not Path(name).is_file():
        raise ValueError(f"there is no file {name}")
    with Path(name).open("rb") as file:
        yield file


@contextmanager
def rows(name: str, label: str) -> Iterator[Iterator[str]]:
    """The lines one by one, with a progress bar by bytes."""
    with opened(name) as file, output.progress(label, None if name == STDIN else fstat(file.fileno()).st_size) as move:
        yield _lines(file, name, move)


def text(name: str) -> str:
    """All of it. Line ends stay as they are; a byte order mark is left out."""
    with opened(name) as file:
        return _decoded(file.read(), name).removeprefix("\ufeff")


def _lines(file: Iterable[bytes], name: str, move: Callable[[int], None]) -> Iterator[str]:
    done = 0
    for number, line in enumerate(file, start=1):
        done += len(line)
        yield _decoded(line, f"line {number} of {name}").removeprefix("\ufeff" if number == 1 else "")
        move(done)


def messages(rows: Iterable[str], name: str) -> Iterator[dict[str, object]]:
    """The message on each line of JSON. Blank lines are passed over."""
    for number, row in enumerate(rows, start=1):
        if not row.strip():
            continue
        try:
            message = json.loads(row)
        except (ValueError, RecursionError) as e:
            raise ValueError(f"line {number} of {name} is not JSON: {e}") from None
        if not isinstance(message, dict):
            raise ValueError(f'line {number} of {name} is not a message such as {{"role": "user", "content": "…"}}')
        if "recorded" in message and "text" in message:
            raise ValueError(f"line {number} of {name} is of an export; `memkit import` reads it back")
        yield message


def _decoded(data: bytes, place: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as e:
        raise ValueError(
            f"{'standard input' if place == STDIN else place} is not UTF-8 text (at byte {e.start})"
        ) from None
