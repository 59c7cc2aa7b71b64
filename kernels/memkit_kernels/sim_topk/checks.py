"""What sim_topk refuses, before anything is computed. Does not know how anything is computed."""

from typing import Literal, get_args

import torch
from torch import Tensor

from memkit_kernels.backend import Backend
from memkit_kernels.sim_topk.int8 import Int8Keys
from memkit_kernels.sim_topk.masks import BITS, words
from memkit_kernels.sim_topk.reference import COARSE_FACTOR, Search

Metric = Literal["ip", "cosine", "l2"]

MAX_K = 128  # a query's list lives in registers; beyond this a radix select over stored scores is the better algorithm
MAX_COARSE_K = MAX_K // COARSE_FACTOR  # the list of groups is that much longer
MAX_KEYS = 2_000_000_000  # an index is 31 bits of the 64 that are compared
KERNEL_DTYPES = frozenset({torch.float16, torch.bfloat16, torch.float32})
DTYPES = KERNEL_DTYPES | {torch.float64}
INTEGERS = frozenset({torch.int32, torch.int64})


def check(queries: Tensor, k: object, search: Search, backend: str) -> None:
    """ValueError for anything that sim_topk's docstring does not allow."""
    _check_vectors(queries, search.keys)
    most = MAX_K if search.coarse is None else MAX_COARSE_K
    if not isinstance(k, int) or isinstance(k, bool) or not 1 <= k <= most:
        raise ValueError(
            f"k must be an integer from 1 to {most}{'' if search.coarse is None else ' with coarse keys'}, not {k!r}"
        )
    if search.metric not in get_args(Metric):
        raise ValueError(f"metric must be one of {get_args(Metric)}, not {search.metric!r}")
    if backend not in get_args(Backend):
        raise ValueError(f"backend must be one of {get_args(Backend)}, not {backend!r}")
    _check_bias(search.bias, search.keys)
    _check_mask(search.mask, len(queries), search.keys)
    _check_ranges(search.cu_seqlens, search.within, len(queries), search.keys)
    _check_coarse(search.coarse, search.keys)


def _check_vectors(queries: Tensor, keys: Tensor) -> None:
    if queries.ndim != 2 or keys.ndim != 2 or queries.shape[1] != keys.shape[1] or keys.shape[1] == 0:
        raise ValueError(
            f"queries must be [M, D] and keys [N, D] with one D of at least 1, "
            f"not {list(queries.shape)} and {list(keys.shape)}"
        )
    if queries.dtype != keys.dtype or keys.dtype not in DTYPES:
        names = ", ".join(sorted(map(str, DTYPES)))
        raise ValueError(f"queries and keys must share one dtype of {names}, not {queries.dtype} and {keys.dtype}")
    if queries.device != keys.device:
        raise ValueError(f"queries and keys must be on one device, not {queries.device} and {keys.device}")
    if len(keys) > MAX_KEYS:
        raise ValueError(f"at most {MAX_KEYS} keys in one call, not {len(keys)}; split them and merge the results")


def _check_bias(bias: Tensor | None, keys: Tensor) -> None:
    n = len(keys)
    if bias is not None and (bias.shape != (n,) or not bias.is_floating_point() or bias.device != keys.device):
        raise ValueError(
            f"bias must be a float tensor [N] = [{n}] on {keys.device}, "
            f"not {bias.dtype} {list(bias.shape)} on {bias.device}"
        )


def _check_mask(mask: Tensor | None, m: int, keys: Tensor) -> None:
    if mask is None:
        return
    n = words(len(keys), mask.dtype) if mask.dtype in BITS else len(keys)
    if mask.dtype not in BITS or mask.shape not in ((n,), (m, n)) or mask.device != keys.device:
        raise ValueError(
            f"mask must be a bool tensor [N] = [{len(keys)}] or [M, N] = [{m}, {len(keys)}] on {keys.device}, "
            f"or its bits in uint8 or int32, ceil(N/8) or ceil(N/32) of them for N; "
            f"not {mask.dtype} {list(mask.shape)} on {mask.device}"
        )


def _check_ranges(cu_seqlens: Tensor | None, within: Tensor | None, m: int, keys: Tensor) -> None:
    if cu_seqlens is None or within is None:
        if cu_seqlens is not within:
            raise ValueError("cu_seqlens and within go together: the ranges of keys, and each query's range")
        return
    for name, tensor, right in (
        ("cu_seqlens", cu_seqlens, cu_seqlens.ndim == 1 and len(cu_seqlens) > 0),
        ("within", within, within.shape == (m,)),
    ):
        if not right or tensor.dtype not in INTEGERS or tensor.device != keys.device:
            raise ValueError(
                f"{name} must be int32 or int64 [{'R + 1' if name == 'cu_seqlens' else m}] on {keys.device}, "
                f"not {tensor.dtype} {list(tensor.shape)} on {tensor.device}"
            )
    if keys.device.type == "cpu":  # elsewhere to look would be to wait for the device
        _check_values(cu_seqlens, within, len(keys))


def _check_values(cu_seqlens: Tensor, within: Tensor, n: int) -> None:
    if int(cu_seqlens.min()) < 0 or int(cu_seqlens.max()) > n or bool((cu_seqlens.diff() < 0).any()):
        raise ValueError(f"cu_seqlens must ascend from 0 or more to at most N = {n}, not {cu_seqlens.tolist()}")
    ranges = len(cu_seqlens) - 1
    if len(within) and (int(within.min()) < 0 or int(within.max()) >= ranges):
        raise ValueError(
            f"within must be 0 to R - 1 = {ranges - 1}, not {int(within.min())} to {int(within.max())}"
        )  # fmt: skip


def _check_coarse(coarse: Int8Keys | None, keys: Tensor) -> None:
    if coarse is None:
        return
    if coarse.values.shape != keys.shape or coarse.values.device != keys.device:
        raise ValueError(
            f"coarse must be quantise(keys): int8 {list(keys.shape)} on {keys.device}, "
            f"not {list(coarse.values.shape)} on {coarse.values.device}"
        )
