"""Rounds: several processes on one database, all killed, then what is left is looked at."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import memkit
import memkit_kernels
import memkit_stores
from tests.crash.aftermath import Told, wrong
from tests.crash.life import SCRIPT, Life, to_line


def surroundings() -> dict[str, str]:
    """The environment of a process that is to import what this one imports."""
    homes = [str(Path(str(package.__file__)).parents[1]) for package in (memkit, memkit_stores, memkit_kernels)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(homes), "OMP_NUM_THREADS": "1"}


class Nursery:
    """A process that others are forked from: importing memkit for each of hundreds would take most of the time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=surroundings(),
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def round(self, lives: list[Life]) -> int:
        """Let them live and die; return how many were killed. The others ended by an error, which their diary tells."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(to_line(lives))
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@dataclass
class Trial:
    """One database through several rounds of killing. Everything follows from the seed but the moments in time."""

    folder: Path
    where: str
    seed: int
    durability: str = "disk"
    processes: int = 3
    reembedding: bool = False
    kills: int = 0
    told: Told = field(default_factory=Told)

    def round(self, nursery: Nursery, *, number: int) -> list[str]:
        """Kill some processes that use the database; return what is wrong with it afterwards."""
        chance = random.Random(f"{self.seed} {number}")
        lives = [self._life(chance, number * 10 + n) for n in range(self.processes)]
        if self.reembedding:
            lives[-1] = self._life(chance, number * 10 + 9, kind="reembedding")
        self.kills += nursery.round(lives)
        for life in lives:
            self.told.read(Path(life.diary))
        return [f"seed {self.seed}, round {number}: {what}" for what in wrong(self.where, self.told)]

    def _life(self, chance: random.Random, number: int, kind: str = "talking") -> Life:
        seed = self.seed * 1000 + number
        counted = chance.random() < 0.5 and "://" not in self.where
        return Life(
            where=self.where,
            kind=kind,
            seed=seed,
            diary=str(self.folder / f"diary-{seed}"),
            durability=self.durability,
            embeds=self.reembedding or self.seed % 2 == 0,
            statements=chance.randrange(1, 400) if counted else 0,
            seconds=1.5 if counted else chance.uniform(0.02, 0.8),
        )
