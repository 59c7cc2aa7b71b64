"""Processes with several threads each that use one memory: `python worker.py WHERE FOLDER PROCESSES THREADS ACTS`.

Each thread keeps a diary in the folder, as the processes of `tests/crash` do. The processes are forked before anything is
open, and begin together. The exit status tells whether all ended well.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
import traceback
from pathlib import Path

import memkit
from tests.crash.life import Diary, Talker, embedder


def work(memory: memkit.Memory, diary: Diary, name: str, acts: int) -> None:
    """So many calls; an error goes into the diary."""
    talker = Talker(memory, diary, random.Random(name), name)
    try:
        for _ in range(acts):
            talker.act()
    except BaseException as e:
        diary.write("error", error=f"{type(e).__name__}: {e}")
        raise


def live(where: str, folder: Path, name: str, threads: int, acts: int) -> None:
    """One process."""
    with memkit.open(where, embedder=embedder(0)) as memory:
        working = [
            threading.Thread(target=work, args=(memory, Diary(str(folder / f"diary-{name}x{n}")), f"{name}x{n}", acts))
            for n in range(threads)
        ]
        for thread in working:
            thread.start()
        for thread in working:
            thread.join()


def main(where: str, folder: Path, processes: int, threads: int, acts: int) -> int:
    """How many of the processes ended badly."""
    memkit.open(":memory:", embedder=embedder(0)).close()  # imports what is imported late
    go = time.monotonic() + 0.1
    children = []
    for number in range(processes):
        if child := os.fork():
            children.append(child)
            continue
        status = 1
        try:
            time.sleep(max(0, go - time.monotonic()))
            live(where, folder, str(number), threads, acts)
            status = 0
        except BaseException:  # noqa: BLE001  whatever ends it is printed, and told by the exit status
            traceback.print_exc()
        finally:
            os._exit(status)
    return sum(os.waitpid(child, 0)[1] != 0 for child in children)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:])))
