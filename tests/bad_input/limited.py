"""Processes with less than they need: `python limited.py readonly FOLDER` or `python limited.py room FOLDER`.

Everything is imported before the limits are set. Results are printed as JSON.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import memkit

NOBODY = 65_534
ROOM = 1_000_000  # bytes that a file may have


def attempted(call: Callable[[], object]) -> str:
    """The error that the call raises, or "done"."""
    try:
        call()
    except (memkit.MemkitError, OSError) as e:
        return f"{type(e).__name__}: {e}"
    return "done"


def give_up_rights() -> None:
    """Root may write anywhere, whatever the permissions say."""
    if os.geteuid() == 0:
        os.setegid(NOBODY)
        os.seteuid(NOBODY)


def readonly(folder: Path) -> dict[str, str]:
    """A memory in a folder that may not be written to, new or not; one that may only be read; one that may not."""
    give_up_rights()
    told = {
        "new": attempted(lambda: memkit.open(folder / "closed" / "new.db")),
        "folder": attempted(lambda: memkit.open(folder / "closed" / "memory.db")),
        "secret": attempted(lambda: memkit.open(folder / "secret" / "memory.db")),
    }
    with memkit.open(folder / "open" / "memory.db") as memory:
        told["file"] = attempted(lambda: memory.add("The lamp was repaired."))
        told["read"] = memory.recall("kettle")[0].text
    told["left behind"] = ", ".join(sorted(os.listdir(folder / "closed")))
    return told


def room(folder: Path) -> dict[str, object]:
    """Add until files may not grow any more, then go on when they may."""
    path = folder / "memory.db"
    memory = memkit.open(path)
    acknowledged: list[str] = []

    def fill() -> None:
        for n in range(10_000):
            acknowledged.extend(memory.add([f"number {n} part {part} " + "filling " * 40 for part in range(5)]).ids)
            memory.recall(f"number {n}")

    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, most))
    errors = [attempted(fill), attempted(lambda: memory.add("one more " * 5_000))]
    readable = len(memory.history())
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    acknowledged += memory.add("there is room again").ids
    found = [hit.text for hit in memory.recall("room again", k=1)]
    stored = [event.id for event in memory.history()]
    memory.close()
    return {"errors": errors, "acknowledged": acknowledged, "readable": readable, "stored": stored, "found": found}


if __name__ == "__main__":
    with memkit.open(":memory:") as first:  # imports what is imported late
        first.add("The kettle is broken.")
        first.recall("kettle")
    print(json.dumps({"readonly": readonly, "room": room}[sys.argv[1]](Path(sys.argv[2]))))
