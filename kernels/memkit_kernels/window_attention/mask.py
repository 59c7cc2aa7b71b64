"""Which query sees which key, and the checks that window_attention and column_mass share.

Does not know what is computed from what is seen. Axes: B batch, T queries, S keys, H query heads, G key heads, D features.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import get_args

import torch
from torch import Tensor

from memkit_kernels.backend import Backend

KERNEL_DTYPES = frozenset({torch.float16, torch.bfloat16, torch.float32})
DTYPES = KERNEL_DTYPES | {torch.float64}
MAX_FEATURES = 256  # a row of features is one tile of the kernel
MAX_TOKENS = 1_000_000_000  # the kernel counts tokens, and queries times heads, in 32 bits


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask:
    """Query i of T, at position p = i + S - T, sees key j of S iff (not causal or j <= p) and p - j >= beyond (where
    causal) and (window is None or |p - j| < window or j < sinks)."""

    causal: bool = True
    window: int | None = None
    sinks: int = 0
    beyond: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.causal, bool):
            raise ValueError(f"causal must be a bool, not {self.causal!r}")
        if self.window is not None and (not _is_int(self.window) or self.window < 1):
            raise ValueError(f"window must be None or an integer of at least 1, not {self.window!r}")
        for name, value in (("sinks", self.sinks), ("beyond", self.beyond)):
            if not _is_int(value) or value < 0:
                raise ValueError(f"{name} must be an integer of at least 0, not {value!r}")
        if self.beyond and not self.causal:
            raise ValueError(f"beyond must be 0 where causal is False, not {self.beyond}")

    def seen(self, positions: Tensor, keys: Tensor) -> Tensor:
        """bool `[t, s]`: which of the queries at these positions `[t]` sees which of these keys `[s]`."""
        distance = positions[:, None] - keys
        seen = distance >= self.beyond if self.causal else torch.ones_like(distance, dtype=torch.bool)
        if self.window is not None:
            seen &= (distance.abs() < self.window) | (keys < self.sinks)
        return seen

    def spans(self, first: int, last: int, size: int) -> list[tuple[int, int]]:
        """Ranges of keys, in order, apart and none of them empty, outside which no query at first..last sees any."""
        end = min(max(last - self.beyond + 1, 0), size) if self.causal else size
        if self.window is None:
            return [(0, end)] if end else []
        near = min(max(first - self.window + 1, 0), end)
        if not self.causal:
            end = min(end, max(last + self.window, self.sinks, near))
        return [(low, high) for low, high in ((0, min(self.sinks, near)), (near, end)) if low < high]


def check_attention(q: Tensor, k: Tensor, cu_seqlens: Tensor | None, scale: float | None, backend: str) -> float:
    """The scale to use. ValueError unless q and k, and what goes with them, fit together."""
    if q.ndim != 4 or k.ndim != 4 or q.shape[0] != k.shape[0] or q.shape[3] != k.shape[3]:
        raise ValueError(
            f"q must be [B, T, H, D] and k [B, S, G, D] with one B and one D, not {list(q.shape)} and {list(k.shape)}"
        )
    heads, groups, features = q.shape[2], k.shape[2], q.shape[3]
    if groups == 0 or heads == 0 or heads % groups:
        raise ValueError(f"q must have a multiple of k's heads, at least 1, not {heads} and {groups}")
    if not 1 <= features <= MAX_FEATURES:
        raise ValueError(f"q and k must have 1 to {MAX_FEATURES} features, not {features}")
    if max(q.shape[1] * heads // 2, k.shape[1]) > MAX_TOKENS:
        raise ValueError(
            f"T H may be {2 * MAX_TOKENS} and S {MAX_TOKENS} at most, not {q.shape[1] * heads} and {k.shape[1]}; "
            "attend in parts, and merge them"
        )
    if q.dtype != k.dtype or q.dtype not in DTYPES:
        names = ", ".join(sorted(map(str, DTYPES)))
        raise ValueError(f"q and k must share one dtype of {names}, not {q.dtype} and {k.dtype}")
    if q.device != k.device:
        raise ValueError(f"q and k must be on one device, not {q.device} and {k.device}")
    if backend not in get_args(Backend):
        raise ValueError(f"backend must be one of {get_args(Backend)}, not {backend!r}")
    if cu_seqlens is not None:
        _check_packed(q, k, cu_seqlens)
    factor = features**-0.5 if scale is None else float(scale)
    if not isfinite(factor):
        raise ValueError(f"scale must be finite, not {scale}")
    return factor


def check_values(k: Tensor, v: Tensor) -> None:
    """ValueError unless v fits k."""
    if v.ndim != 4 or v.shape[:3] != k.shape[:3] or not 1 <= v.shape[3] <= MAX_FEATURES:
        raise ValueError(
            f"v must be [B, S, G, E] = {[*k.shape[:3], 'E']} with E of 1 to {MAX_FEATURES}, not {list(v.shape)}"
        )
    if (v.dtype, v.device) != (k.dtype, k.device):
        raise ValueError(f"v must be {k.dtype} on {k.device} as q and k are, not {v.dtype} on {v.device}")


def sequences(cu_seqlens: Tensor, tokens: int) -> Iterator[tuple[int, int]]:
    """The first token and the end of each packed sequence. Waits for the device. ValueError unless they cover all."""
    ends = cu_seqlens.tolist()
    pairs = list(pairwise(ends))
    if ends[0] != 0 or ends[-1] != tokens or any(end < start for start, end in pairs):
        raise ValueError(f"cu_seqlens must rise from 0 to the {tokens} tokens, not {_short(ends)}")
    return iter(pairs)


def _check_packed(q: Tensor, k: Tensor, cu_seqlens: Tensor) -> None:
    if q.shape[0] != 1 or q.shape[1] != k.shape[1]:
        raise ValueError(f"with cu_seqlens B must be 1 and T equal S, not q {list(q.shape)} and k {list(k.shape)}")
    if cu_seqlens.ndim != 1 or len(cu_seqlens) == 0 or cu_seqlens.dtype not in (torch.int32, torch.int64):
        raise ValueError(f"cu_seqlens must be int32 or int64 [N + 1], not {cu_seqlens.dtype} {list(cu_seqlens.shape)}")
    if cu_seqlens.device != q.device:
        raise ValueError(f"cu_seqlens must be on {q.device} as q is, not on {cu_seqlens.device}")
    if cu_seqlens.device.type == "cpu":  # elsewhere looking at the values would wait for the device
        sequences(cu_seqlens, q.shape[1])


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _short(numbers: list[int]) -> str:
    return str(numbers) if len(numbers) <= 8 else f"{str(numbers[:4])[:-1]}, ..., {str(numbers[-4:])[1:]}"
