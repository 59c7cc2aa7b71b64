"""Finding what is left of a text in raw bytes.

A text is cut into pieces of 16 bytes. Any run of 31 of its bytes that survived somewhere holds a whole piece, so
looking for the pieces finds it at any offset. Pieces that also occur in what was *not* forgotten prove nothing and
are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from io import RawIOBase

import numpy as np
from numpy.typing import NDArray

PIECE = 16
SHORTEST = 8  # bytes; a shorter text is found anywhere by chance, and proves nothing
BLOCK = 1 << 24  # bytes read at a time


class Pieces:
    """The pieces of some texts, and where they occur."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._pieces = {piece for text in texts for piece in _cut(text.encode())}
        self._index()

    def __len__(self) -> int:
        return len(self._pieces)

    def __or__(self, other: Pieces) -> Pieces:
        """The pieces of both."""
        both = Pieces(())
        both._pieces = self._pieces | other._pieces
        both._index()
        return both

    def without(self, chunks: Iterable[bytes]) -> None:
        """Leave out every piece that occurs in these bytes."""
        for chunk in chunks:
            if not self._pieces:
                return
            common = set(self.found(chunk))
            if common:
                self._pieces -= common
                self._index()

    def found(self, data: bytes) -> Iterator[bytes]:
        """The pieces that occur in the data."""
        if not self._pieces or len(data) < SHORTEST:
            return
        words = np.frombuffer(data + b"\0" * 8, np.uint8)
        pairs = words[:-8].astype(np.uint16) << 8 | words[1:-7]
        places = np.flatnonzero(self._starts[pairs])  # most bytes are ruled out by their first two
        if not len(places):
            return
        heads = _heads(words, places)
        order = np.searchsorted(self._heads, heads)
        order[order == len(self._heads)] = 0
        for place in places[self._heads[order] == heads].tolist():
            head = data[place : place + SHORTEST]
            for piece in self._by_head.get(head, ()):
                if data.startswith(piece, place):
                    yield piece

    def in_file(self, file: RawIOBase) -> bytes | None:
        """The first piece that occurs in the file, or None."""
        tail = b""
        while block := file.read(BLOCK):
            for piece in self.found(tail + block):
                return piece
            tail = (tail + block)[-PIECE:]
        return None

    def _index(self) -> None:
        self._by_head: Mapping[bytes, list[bytes]] = {}
        by_head: dict[bytes, list[bytes]] = {}
        for piece in self._pieces:
            by_head.setdefault(piece[:SHORTEST], []).append(piece)
        self._by_head = by_head
        self._heads = np.unique(np.array([int.from_bytes(head, "big") for head in by_head], np.uint64))
        self._starts = np.zeros(1 << 16, bool)
        self._starts[(self._heads >> np.uint64(48)).astype(np.int64)] = True


def _heads(words: NDArray[np.uint8], places: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The eight bytes at each place as one big-endian number."""
    heads = np.zeros(len(places), np.uint64)
    for n in range(SHORTEST):
        heads = heads << np.uint64(8) | words[places + n]
    return heads


def _cut(data: bytes) -> Iterator[bytes]:
    if len(data) < SHORTEST:
        return
    if len(data) <= PIECE:
        yield data
        return
    for start in range(0, len(data) - PIECE + 1, PIECE):
        yield data[start : start + PIECE]
    yield data[-PIECE:]
