"""Grows an index of vectors in a folder and saves it again and again, until killed: `python grower.py FOLDER SEED`."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memkit_stores.vectors import Vectors

DIMENSION = 16
EXACT_BELOW = 200
SIZE = 1_000


def matrix() -> NDArray[np.float32]:
    """The same vectors in every process."""
    made = np.random.default_rng(7).standard_normal((SIZE, DIMENSION)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def grown(folder: Path, size: int) -> Vectors:
    """An index of the first so many vectors, that begins with the file in the folder if that can be used."""
    made = Vectors(DIMENSION, exact_below=EXACT_BELOW, folder=folder, name="grown")
    made.add(np.arange(size), matrix()[:size], np.arange(size))
    made.settle()
    return made


def main(folder: Path, seed: int) -> None:
    chance = random.Random(seed)
    print("begun", flush=True)
    while True:
        grown(folder, chance.randrange(EXACT_BELOW, SIZE)).save()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
