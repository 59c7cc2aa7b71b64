"""The stream of a namespace, as its token model reads it: every memorable unit in order, a line each.

A model that had read everything could only be made again by reading everything again. So it starts anew with each
block of the stream, having read the last half of the block before: a score depends on at least half a block of what
came before, and after a restart no more than one and a half blocks have to be read again. Both follow from the
component's own rows alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from memkit.components.sir_llm.units import Span
from memkit.values import Event, Source

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from memkit.ports import Reading, TokenScorer


@dataclass(frozen=True, slots=True)
class Line:
    """A unit in the stream. `offset` counts the characters before it, one more for each unit."""

    source: Source
    text: str
    offset: int


@dataclass(frozen=True, slots=True)
class Told:
    """A line, and the bits and entropies of its tokens, float32."""

    line: Line
    bits: NDArray[np.float32]
    entropy: NDArray[np.float32]


@dataclass(slots=True)
class Place:
    """Where a token model is in a stream. `digest` names all that has been read, in order; `turns` counts the
    turns."""

    scorer: TokenScorer
    block: int
    offset: int = 0
    turns: int = 0
    digest: str = ""
    number: int = 0  # of the block that the model reads now
    lines: list[Line] = field(default_factory=list)  # what the model has read
    reading: Reading | None = None

    @property
    def last(self) -> Source | None:
        """The unit that was read last."""
        return self.lines[-1].source if self.lines else None

    def read(self, event: Event, spans: Sequence[Span]) -> list[Told]:
        """Read one turn of at least one unit."""
        lines: list[Line] = []
        digest = blake2b(self.digest.encode(), digest_size=8)
        for start, end in spans:
            line = Line(Source(event=event.id, start=start, end=end), event.text[start:end], self.offset)
            lines.append(line)
            digest.update(line.text.encode("utf-8", "surrogatepass") + b"\n")
            self.offset += len(line.text) + 1
        told: list[Told] = []
        for number, part in groupby(lines, key=lambda line: line.offset // self.block):
            told += self._read(number, list(part))
        self.turns += 1
        self.digest = digest.hexdigest()
        return told

    def resume(self, lines: Sequence[Line]) -> None:
        """Read again what is needed to go on behind the last of these lines."""
        self.number = lines[-1].offset // self.block
        before = [line for line in lines if self.since <= line.offset < self.number * self.block]
        self.lines = before
        self.reading = None
        self._read(self.number, [line for line in lines if line.offset >= self.number * self.block])

    @property
    def since(self) -> int:
        """The offset of the first line that the model has to have read in this block."""
        return self.number * self.block - self.block // 2

    def _read(self, number: int, lines: list[Line]) -> list[Told]:
        if number != self.number:
            self.number = number
            self.lines = [line for line in self.lines if line.offset >= self.since]
            self.reading = None
        if self.reading is None:
            self.reading = self.scorer.start()
            _by_turn(self.reading, self.lines)
        self.lines += lines
        return _by_turn(self.reading, lines)


def _by_turn(reading: Reading, lines: Sequence[Line]) -> list[Told]:
    """Read lines turn by turn. A token belongs to the line that its first sign other than a line end is in."""
    told: list[Told] = []
    for _, turn in groupby(lines, key=lambda line: line.source.event):
        part = list(turn)
        text = "".join(f"{line.text}\n" for line in part)
        scores = reading.read(text)
        signs = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
        first = scores.start + (signs[scores.start] == ord("\n"))
        real = first < scores.end
        first, bits, entropy = first[real], scores.bits[real], scores.entropy[real]
        starts = np.cumsum([0, *(len(line.text) + 1 for line in part)])
        edges = np.searchsorted(first, starts).tolist()
        told += [
            Told(line, bits[low:high], entropy[low:high])
            for line, low, high in zip(part, edges[:-1], edges[1:], strict=True)
        ]
    return told
