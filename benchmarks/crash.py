"""Kills processes that write to a memory, by the hundred, and counts what was lost. It must be nothing.

    python benchmarks/crash.py [--kills 300] [--seed 1] [--json benchmarks/results/crash.json]

Three processes at a time add, recall and forget on one SQLite file, in half of the trials one of them switches the
embedder instead. Each is killed at a random moment or as a chosen SQL statement begins. After every round the
file is opened, checked, and compared row for row with what a fresh memory makes of its journal. `tests/crash` has the
processes (life.py) and the checks (aftermath.py). The exit status is 1 when anything was lost.
"""

from __future__ import annotations

import argparse
import json
import platform
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "stores"), str(ROOT / "kernels")]  # runs with nothing installed, as the tests do

from tests.crash.rounds import Nursery, Trial  # noqa: E402

ROUNDS = 3  # on one file: a crash also meets what an earlier one left


def commit() -> str:
    """The commit that was measured."""
    asked = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()


def trials(kills: int, first: int, folder: Path) -> tuple[list[Trial], list[str]]:
    """Trials until so many processes have been killed, and everything that was wrong after any of them."""
    done: list[Trial] = []
    wrong: list[str] = []
    with Nursery() as nursery:
        while sum(trial.kills for trial in done) < kills:
            seed = first + len(done)
            where = folder / str(seed)
            where.mkdir()
            durability = "disk" if seed % 4 < 2 else "process"
            trial = Trial(where, str(where / "memory.db"), seed, durability, reembedding=seed % 2 == 0)
            for number in range(ROUNDS):
                wrong += trial.round(nursery, number=number)
            done.append(trial)
            so_far = sum(trial.kills for trial in done)
            print(f"seed {seed}: {so_far} of {kills} kills, {len(wrong)} things wrong", flush=True)
    return done, wrong


def main() -> int:
    """Run the trials, print and write what came of them."""
    reading = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    reading.add_argument("--kills", type=int, default=300, help="how many processes to kill")
    reading.add_argument("--seed", type=int, default=1, help="the first trial's seed")
    reading.add_argument("--json", type=Path, help="a file to write the result to")
    given = reading.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="memkit-crash-") as folder:
        done, wrong = trials(given.kills, given.seed, Path(folder))
    result = {
        "kills": sum(trial.kills for trial in done),
        "by durability": {
            name: sum(trial.kills for trial in done if trial.durability == name) for name in ("disk", "process")
        },
        "databases": len(done),
        "processes at a time": done[0].processes,
        "adds acknowledged": sum(len(trial.told.acknowledged) for trial in done),
        "forgets acknowledged": sum(len(trial.told.forgotten) for trial in done),
        "killed within an add": sum(len(trial.told.unanswered) for trial in done),
        "killed within a forget": sum(len(trial.told.perhaps) for trial in done),
        "lost or wrong": len(wrong),
        "what": wrong[:20],
        "seeds": [done[0].seed, done[-1].seed],
        "seconds": round(time.monotonic() - started, 1),
        "machine": f"{platform.machine()}, {platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "commit": commit(),
    }
    print(json.dumps(result, indent=2))
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(result, indent=2) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
