"""Processes that change a memory under others: `python switcher.py reembed WHERE NUMBER` or `… fork WHERE`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable

import memkit
from tests.crash.life import embedder


def reembed(where: str, number: int) -> None:
    """Switch the embedder."""
    memkit.reembed(where, embedder(number))


def attempted(call: Callable[[], object]) -> str:
    """The name and text of the error that the call raises, or the empty text."""
    try:
        call()
    except memkit.MemkitError as e:
        return f"{type(e).__name__}: {e}"
    return ""


def fork(where: str) -> None:
    """Open, fork, use the memory in the child, then in the parent; print what came of it."""
    memory = memkit.open(where)
    memory.add("said before the fork")
    memory.recall("fork")
    child = os.fork()
    if not child:
        try:
            told = [
                attempted(lambda: memory.add("said by the child")),
                attempted(lambda: memory.recall("fork")),
                attempted(lambda: memory.forget(everything=True)),
                attempted(memory.history),
                attempted(memory.stats),
                attempted(memory.close),
            ]
            with memkit.open(where) as mine:
                told.append(str(mine.add("said by the child in a memory of its own").added))
            print(json.dumps(told), flush=True)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    memory.add("said after the fork")
    print(json.dumps([hit.text for hit in memory.recall("said fork child", k=9, floor=0)]))
    memory.close()


if __name__ == "__main__":
    if sys.argv[1] == "fork":
        fork(sys.argv[2])
    else:
        reembed(sys.argv[2], int(sys.argv[3]))
