"""A graph for finding nearest vectors without looking at all of them (HNSW, from FAISS), and its file.

The graph is the home of the vectors that are in it: there is no second copy. Vectors are numbered by *slot*, in the
order in which they came. It knows nothing of rows, ids or filters beyond a bit for each slot.

The file is a cache. It holds the links of the graph and no vector: those come from the database, and the file is
believed only if a digest says that it was made from the same ones. What is damaged or stale is removed, not repaired.
"""

from __future__ import annotations

import os
import struct
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from memkit.errors import StoreError

FAISS: Any = faiss  # the types that it publishes leave out, or get wrong, half of what is used here

LINKS = 32  # M of the paper; 16 needs half as much effort again for the same recall
BUILD = 96  # efConstruction; inserting takes 0.37 ms a vector at 100,000 x 384
CHUNK = 128  # vectors inserted while searches wait
UNFINISHED = ".new"  # how the name of a file ends that is being written
ABANDONED = 3600  # seconds; to write a file takes a few

MAGIC = b"memkit graph\n"
VERSION = 1
HEADER = struct.Struct("<13s3xIIQQ16s16s")  # magic, version, width, slots, live, digest of origin, checksum of the rest


class Gate:
    """Many may read, or one may write. Who wants to write goes before new readers."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._readers = 0
        self._writers = 0

    @contextmanager
    def reading(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: self._writers == 0)
            self._readers += 1
        try:
            yield
        finally:
            with self._changed:
                self._readers -= 1
                self._changed.notify_all()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """For one writer at a time, which the caller sees to."""
        with self._changed:
            self._writers += 1
            self._changed.wait_for(lambda: self._readers == 0)
        try:
            yield
        finally:
            with self._changed:
                self._writers -= 1
                self._changed.notify_all()


def products(
    matrix: NDArray[np.float32], vector: NDArray[np.float32], slots: NDArray[np.int64] | None = None
) -> NDArray[np.float32]:
    """The inner product of the vector with each row of the matrix, or with these rows of it.

    Equal rows have equal products wherever they lie, which BLAS does not promise, and one thread does it: at 10,000 x
    384 it takes 0.27 ms against 0.28 ms for BLAS on one thread, and at 50,000 2.2 ms against 5.7 ms. Waking a second
    thread for work this short costs more than it gives, above all on a busy machine.
    """
    size = len(matrix) if slots is None else len(slots)
    out = np.empty(size, np.float32)
    width = matrix.shape[1]
    if slots is None:
        _fill(out, vector, matrix, width)
        return out
    gathered = np.empty((min(size, 256), width), np.float32)  # stays in the cache of the processor
    for start in range(0, size, 256):
        part = slots[start : start + 256]
        np.take(matrix, part, axis=0, out=gathered[: len(part)], mode="clip")
        _fill(out[start : start + 256], vector, gathered, width)
    return out


def _fill(out: NDArray[np.float32], vector: NDArray[np.float32], matrix: NDArray[np.float32], width: int) -> None:
    if len(out):
        FAISS.fvec_inner_products_ny(
            FAISS.swig_ptr(out), FAISS.swig_ptr(vector), FAISS.swig_ptr(matrix), width, len(out)
        )


class Graph:
    """Vectors of `width` numbers, searchable by inner product. Any thread may search; one at a time may write."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._gate = Gate()
        self._index = FAISS.IndexHNSWFlat(width, LINKS, FAISS.METRIC_INNER_PRODUCT)
        self._index.hnsw.efConstruction = BUILD
        self._storage = FAISS.downcast_index(self._index.storage)

    @staticmethod
    def of(links: faiss.IndexHNSW, matrix: NDArray[np.float32]) -> Graph:
        """A graph of links that came without their vectors."""
        graph = Graph(links.d)
        graph._index = links
        graph._storage = FAISS.IndexFlat(links.d, FAISS.METRIC_INNER_PRODUCT)
        graph._storage.add(matrix)
        links.storage = graph._storage  # which stays in Python's hands: the index does not own it
        return graph

    def __len__(self) -> int:
        """The number of slots."""
        return int(self._index.ntotal)

    @property
    def nbytes(self) -> int:
        """The memory of the vectors and their links: on the lowest level, 2 * LINKS of four bytes for each vector."""
        return len(self) * (4 * self._width + 4 * 2 * LINKS + 12)

    def _matrix(self) -> NDArray[np.float32]:
        """A view of the vectors, good while the gate is held: an insertion may move them."""
        size = len(self)
        if not size:
            return np.empty((0, self._width), np.float32)
        flat: NDArray[np.float32] = FAISS.rev_swig_ptr(self._storage.get_xb(), size * self._width)
        return flat.reshape(size, self._width)

    def extend(self, matrix: NDArray[np.float32], *, threads: int = 1) -> None:
        """Insert vectors behind the others. Searches go on in between."""
        others = FAISS.omp_get_max_threads()  # of this thread; setting it does not change it for other threads
        FAISS.omp_set_num_threads(threads)
        try:
            for start in range(0, len(matrix), CHUNK * threads):
                with self._gate.writing():
                    self._index.add(matrix[start : start + CHUNK * threads])
        finally:
            FAISS.omp_set_num_threads(others)

    def search(
        self, vector: NDArray[np.float32], k: int, *, effort: int, below: int, admitted: NDArray[np.bool_] | None
    ) -> NDArray[np.int64]:
        """Slots of about the k nearest vectors, in no particular order, among the first `below` that are admitted."""
        parameters = FAISS.SearchParametersHNSW(efSearch=max(effort, k))
        with self._gate.reading():
            if admitted is None and len(self) > below:
                admitted = np.ones(below, np.bool_)
            if admitted is not None:
                selector = FAISS.IDSelectorBitmap(np.packbits(admitted[:below], bitorder="little"))
                parameters = FAISS.SearchParametersHNSW(efSearch=max(effort, k), sel=selector)
            found: NDArray[np.int64] = self._index.search(vector[None], k, params=parameters)[1][0]
        return found[found >= 0]

    def products(self, vector: NDArray[np.float32], slots: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        """The inner product with every vector, or with those in the slots."""
        with self._gate.reading():
            return products(self._matrix(), vector, slots)

    def gather(self, slots: NDArray[np.int64]) -> NDArray[np.float32]:
        """Copies of the vectors in the slots."""
        with self._gate.reading():
            return self._matrix()[slots]

    def erase(self, slots: NDArray[np.int64]) -> None:
        """Overwrite vectors with zeros. Their links stay: others are found by way of them."""
        with self._gate.writing():
            self._matrix()[slots] = 0

    def save(self, path: Path, live: NDArray[np.bool_], ids: NDArray[np.int64]) -> None:
        """Write the links to the file, whole or not at all. `live` says which slots count, `ids` whose those are.

        Raises StoreError when the file cannot be written.
        """
        with self._gate.reading():
            size = len(self)
            writer = FAISS.VectorIOWriter()
            FAISS.write_index(self._index, writer, FAISS.IO_FLAG_SKIP_STORAGE)
            origin = _digest(ids.tobytes(), self._matrix()[live])
        body = np.packbits(live).tobytes() + FAISS.vector_to_array(writer.data).tobytes()
        fields = (MAGIC, VERSION, self._width, size, len(ids), origin)
        whole = HEADER.pack(*fields, _checksum(fields, body)) + body
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                dir=path.parent, prefix=path.name, suffix=UNFINISHED, delete=False
            ) as file:
                try:
                    file.write(whole)
                    file.close()
                    os.replace(file.name, path)
                except BaseException:
                    Path(file.name).unlink(missing_ok=True)
                    raise
        except OSError as error:
            raise StoreError(f"cannot write the index {path}: {error}") from error


def sweep(folder: Path) -> None:
    """Remove what processes left in the folder that were killed while they wrote a file."""
    for file in folder.glob(f"*.hnsw*{UNFINISHED}"):
        with suppress(OSError):  # another process was quicker, or the folder is read only
            if time.time() - file.stat().st_mtime > ABANDONED:
                file.unlink()


def load(path: Path, ids: NDArray[np.int64], matrix: NDArray[np.float32]) -> tuple[Graph, NDArray[np.bool_]] | None:
    """The graph in the file with these vectors in it, and which of its slots count; None if the file is of no use.

    It is of use when it is whole, and was made from the first so many of these ids and vectors. Otherwise it is
    removed. Raises StoreError when a file is there that cannot be read.
    """
    try:
        whole = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"cannot read the index {path}: {error}; it can be deleted, it is rebuilt") from error
    loaded = _parsed(whole, ids, matrix)
    if loaded is None:
        with suppress(OSError):  # in a folder that is read only it stays, and is not believed the next time either
            path.unlink()
    return loaded


def _parsed(
    whole: bytes, ids: NDArray[np.int64], matrix: NDArray[np.float32]
) -> tuple[Graph, NDArray[np.bool_]] | None:
    if len(whole) < HEADER.size:
        return None
    *fields, checksum = HEADER.unpack_from(whole)
    body = whole[HEADER.size :]
    magic, version, width, size, count, origin = fields
    if (magic, version, width) != (MAGIC, VERSION, matrix.shape[1]) or checksum != _checksum(tuple(fields), body):
        return None
    if count > len(ids) or origin != _digest(ids[:count].tobytes(), matrix[:count]):
        return None
    packed = np.frombuffer(body, np.uint8)
    bitmap = -(-size // 8)
    live = np.unpackbits(packed[:bitmap], count=size).astype(bool)
    try:
        index = FAISS.deserialize_index(packed[bitmap:], FAISS.IO_FLAG_SKIP_STORAGE)
    except RuntimeError:  # faiss knows nothing narrower; the bytes are whole, so another version of it wrote them
        return None
    vectors = matrix[:count]
    if count < size:
        vectors = np.zeros((size, width), np.float32)
        vectors[live] = matrix[:count]
    return Graph.of(index, vectors), live


def _digest(*parts: bytes | NDArray[np.float32]) -> bytes:
    digest = blake2b(digest_size=16)
    for part in parts:
        digest.update(np.ascontiguousarray(part).data if isinstance(part, np.ndarray) else part)
    return digest.digest()


def _checksum(fields: tuple[object, ...], body: bytes) -> bytes:
    return _digest(HEADER.pack(*fields, bytes(16)), body)
