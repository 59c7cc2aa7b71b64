"""The vectors of a shelf's rows on a device, searched by `memkit_kernels.sim_topk`. The contract is that of `vectors`.

sim_topk proposes a few more candidates than are wanted; their products are then taken anew, by arithmetic whose result
does not depend on where a vector lies. The answer is returned only if no other vector can belong to it, by the bound
on the error of a product. Otherwise all are compared. So answers are exact, at any size, with any mask.

The vectors are float32: halves would need the float32 ones beside them for this, and the search of one question is
bound by reading them once. There is no file: the vectors come from the database.

Threads: one at a time may add and compact; any may search. What a `Snapshot` refers to never changes. The memory of
vectors that were removed is overwritten as soon as no snapshot refers to them.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from memkit_kernels import sim_topk
from memkit_kernels.reporting import tell
from memkit_kernels.sim_topk import MAX_K
from memkit_stores.device import Matrix, working
from memkit_stores.hnsw import products
from memkit_stores.nearest import FEW, NARROWEST, ExactSearch, Ranked, fitted
from memkit_stores.slots import Slots, check_fit

SPARE = 5  # candidates beyond those wanted, at least; the kernel rounds its list up to a power of two anyway
GATHERED = 32_768  # vectors that are multiplied at once: 50 MB of products at 384 dimensions
EPSILON = 2.0**-24  # the rounding of one float32 operation
SMALLEST = 2.0**-126  # the least normal float32
COARSE = 2.0**-6  # the same for a product whose factors were cut to bfloat16 or TF32, with room


class KernelIndex:
    """The vectors of the rows of one shelf, in the memory of a device. See the module; `Vectors` has the contract."""

    on_device = True
    waiting = 0  # there is no graph
    has_graph = False

    def __init__(self, dimension: int, *, device: torch.device) -> None:
        if dimension < 1:
            raise ValueError(f"the dimension is {dimension}; it must be at least 1")
        self._dimension = dimension
        self._lock = threading.Lock()  # who holds it publishes
        self._start(np.empty(0, np.int64), Matrix.empty(max(dimension, NARROWEST), device), 0.0)

    def _start(self, rows: NDArray[np.int64], keys: Matrix, longest: float) -> None:
        """Publish these rows, by slot, in place of what was there."""
        self._places = Slots(rows)
        self._publish(keys, longest)

    def _publish(self, keys: Matrix, longest: float) -> None:
        self._snapshot = Snapshot(
            dimension=self._dimension,
            rows=self._places.rows,
            slots=self._places.slots,
            count=self._places.count,
            keys=keys,
            longest=longest,
        )

    def __len__(self) -> int:
        """How many rows have a vector."""
        return self._snapshot.count

    @property
    def nbytes(self) -> int:
        """The memory that the vectors take on the device, with room to grow, and their rows on the host."""
        now = self._snapshot
        return now.keys.nbytes + now.rows.nbytes + now.slots.nbytes

    def snapshot(self) -> Snapshot:
        """The vectors as they are now, to be searched whatever happens to the index. It costs nothing."""
        return self._snapshot

    def nearest(self, vector: NDArray[np.float32], k: int, mask: NDArray[np.bool_] | None = None, /) -> Ranked:
        """`Snapshot.nearest`, as of now."""
        return self._snapshot.nearest(vector, k, mask)

    def similarity(self, vector: NDArray[np.float32], rows: NDArray[np.int64], /) -> NDArray[np.float32]:
        """`Snapshot.similarity`, as of now."""
        return self._snapshot.similarity(vector, rows)

    def add(self, rows: NDArray[np.int64], matrix: NDArray[np.float32], ids: NDArray[np.int64]) -> None:
        """Append the vectors of rows that come after all earlier ones. Rows in between may be left out.

        `matrix` is float32 of shape [len(rows), dimension]; `ids`, the record ids of the rows, are needed by an index
        that has a file. Raises ValueError for another shape, rows that do not ascend, NaN or infinity, and
        StoreError when the device has no room; nothing is added then.
        """
        check_fit(rows, matrix, ids)
        vectors = fitted(matrix, self._dimension)
        if not len(rows):
            return
        longest = _longest(vectors)
        with self._lock:
            now = self._snapshot
            self._places.check(rows)
            keys = now.keys.appended(vectors)
            self._places.append(rows)
            self._publish(keys, max(now.longest, longest))

    def compact(self, keep: NDArray[np.bool_]) -> None:
        """Remove the rows where `keep` is false, and number the others anew in the same order.

        Those that stay are copied to memory of their own; what was there is overwritten when the last snapshot of it is
        gone. `keep` may also count rows without a vector behind the last one with. Raises ValueError when it is
        shorter, and StoreError when the device has no room for the copy; nothing is removed then.
        """
        with self._lock:
            now = self._snapshot
            rows = self._places.renumbered(keep)
            stays = np.flatnonzero(rows >= 0)
            keys = now.keys if len(stays) == len(rows) else now.keys.only(stays)
            self._start(rows[stays], keys, keys.longest())

    def settle(self, *, threads: int = 1) -> None:
        """Nothing: a vector can be searched as soon as it is added."""

    def save(self) -> bool:
        """False: there is nothing to keep that is not in the database."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot(ExactSearch):
    """The vectors on the device as they were at one moment."""

    keys: Matrix  # by slot
    longest: float  # no vector is longer

    def _quickly(
        self, query: NDArray[np.float32], k: int, admitted: NDArray[np.bool_] | None, count: int
    ) -> Ranked | None:
        """The answer from sim_topk's candidates, or None if they do not prove it."""
        if admitted is not None and count * FEW < len(admitted):
            return None  # so few are gathered, see `_looked_at`
        if k > MAX_K:
            tell("sim_topk", "torch", f"{k} nearest are wanted, more than its {MAX_K}: all vectors are compared")
            return None
        wanted = min(1 << (k + SPARE - 1).bit_length(), MAX_K)
        found, scores = self._candidates(query, wanted, admitted)
        best = self._ranked(found, self._products(query, found), k)
        # No comparison with NaN is true: what overflows, or is asked for with NaN, is never proven.
        if len(found) == count or (
            len(found) == wanted and float(best[1][-1]) > float(scores[-1]) + self._error(query)
        ):
            return best
        tell("sim_topk", "torch", f"{wanted} candidates leave open which are the {k} nearest: all vectors are compared")
        return None

    def _error(self, query: NDArray[np.float32]) -> float:
        """By how much two computations of one product in float32 may differ, at most.

        Each is wrong by at most D eps |q| |k|, however the sum is bracketed (Higham, Accuracy and Stability of
        Numerical Algorithms, section 3.1); twice that leaves room for the second order. What is below float32's
        normal range may count as 0.
        """
        device = self.keys.tensor.device
        # A GPU's kernel chooses by three products in tf32: it may miss what is better by D 2^-21, see sim_topk.
        rough = 8 if device.type == "cuda" else 2
        each = rough * len(query) * EPSILON if multiplies_exactly(device) else COARSE
        length = float(np.linalg.norm(query.astype(np.float64)))
        return 2 * (each * length * self.longest + len(query) * SMALLEST)

    def _candidates(
        self, query: NDArray[np.float32], wanted: int, admitted: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The slots of the best by sim_topk, and its scores, best first."""
        device = self.keys.tensor.device
        with working(device):
            mask = None if admitted is None else torch.tensor(admitted, device=device)
            scores, slots = sim_topk(torch.tensor(query[None], device=device), self.keys.tensor, wanted, mask=mask)
            found: NDArray[np.int64] = slots[0].cpu().numpy()
            worth: NDArray[np.float32] = scores[0].cpu().numpy()
        return found[found >= 0], worth[found >= 0]

    def _products(self, query: NDArray[np.float32], slots: NDArray[np.int64]) -> NDArray[np.float32]:
        keys = self.keys.tensor
        if keys.device.type == "cpu":
            return products(keys.numpy(), query, slots)
        return folded(keys, query, slots)

    def _all_products(self, query: NDArray[np.float32]) -> NDArray[np.float32]:
        keys = self.keys.tensor
        return products(keys.numpy(), query) if keys.device.type == "cpu" else folded(keys, query)


def multiplies_exactly(device: torch.device) -> bool:
    """Whether torch's own products of float32 are not cut to bfloat16 or TF32 here, which is a setting of the process.

    Asked of the device: `torch.get_float32_matmul_precision` raises where a program has set it by `torch.backends`.
    """
    backend = torch.backends.cuda if device.type == "cuda" else torch.backends.mkldnn
    return backend.matmul.fp32_precision in ("none", "ieee")


def folded(
    keys: torch.Tensor, query: NDArray[np.float32], slots: NDArray[np.int64] | None = None
) -> NDArray[np.float32]:
    """The inner product of the vector with each row of `keys` `[N, D]`, or with these rows of it, in float32.

    The products of the elements are added by halves, elementwise: equal rows have equal results wherever they lie,
    which no library promises of its sums and matrix products, whose order of addition follows the shapes.
    """
    size = len(keys) if slots is None else len(slots)
    out = np.empty(size, np.float32)
    with working(keys.device):
        factor = torch.tensor(query, device=keys.device)
        for start in range(0, size, GATHERED):
            part = slice(start, start + GATHERED)
            rows = keys[part] if slots is None else keys[torch.tensor(slots[part], device=keys.device)]
            terms = rows * factor
            while terms.shape[1] > 1:
                half = terms.shape[1] // 2
                sums = terms[:, :half] + terms[:, half : 2 * half]
                if terms.shape[1] % 2:
                    sums[:, 0] += terms[:, -1]
                terms = sums
            out[part] = terms[:, 0].cpu().numpy()
    return out


def _longest(vectors: NDArray[np.float32]) -> float:
    """The largest length among the vectors. Raises ValueError when one holds NaN or infinity."""
    # float64: the square of a float32 may be beyond its range
    squares = np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64)
    if not np.isfinite(squares).all():
        raise ValueError(f"vector {int(np.argmin(np.isfinite(squares)))} of those to be added holds NaN or infinity")
    return float(np.sqrt(squares.max()))
