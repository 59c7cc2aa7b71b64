"""Attention to the keys that an index table names, tokens or pages, where they lie: no copy is made.

Does not know who chose them. The definition is reference.py, the derivation README.md.
"""

from typing import get_args

import torch
from torch import Tensor

from memkit_kernels.backend import Backend, choose, undisturbed
from memkit_kernels.gather_attention.gradient import Gathered
from memkit_kernels.gather_attention.reference import gather_attention_reference

__all__ = ["MAX_FEATURES", "MAX_LIST", "gather_attention", "gather_attention_reference"]

MAX_FEATURES = 256  # a tile holds all features of its keys
MAX_LIST = 2_000_000_000  # tokens that one list names, holes included: positions are 32 bits
KERNEL_DTYPES = frozenset({torch.float16, torch.bfloat16, torch.float32})
DTYPES = KERNEL_DTYPES | {torch.float64}
INTEGERS = (torch.int32, torch.int64)


@undisturbed(tensors=4, gradients=True)
def gather_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    table: Tensor,
    *,
    counts: Tensor | None = None,
    scale: float | None = None,
    backend: Backend = "auto",
    strict: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return softmax(scale q·k) v over the keys that the table names, `[B, T, H, E]` in q's dtype, and the natural
    logarithm of the softmax's denominator, `[B, T, H]`, in float32 (float64 for float64 tensors).

    Axes: B batch, T queries, H query heads, G key heads, D and E features (1 to 256), N tokens, P pages, L list entries.
    `q` is `[B, T, H, D]`. `k` is `[N, G, D]` and `v` `[N, G, E]`, and the table names tokens; or `k` is `[P, page, G, D]`
    and `v` `[P, page, G, E]`, and it names pages of `page` tokens each (any number; powers of two are fastest). All three
    are of one dtype (float16, bfloat16, float32, float64). `table` is int32 or int64 `[B, L]`, or `[B, G, L]`, a list for
    each key head. All are on one device, with any strides. H is a multiple of G: head h reads key head h // (H / G).
    B, T, N, P and L may be 0. `scale` is D**-0.5 if None.

    - All queries of a sequence see all keys that its list names: retrieved memory has no causal mask. To see recent keys
      in the same softmax, merge with them: `merge_attention(*zip(gather_attention(...), window_attention(...)))`.
    - Order does not matter, except to rounding. An entry that is there twice counts twice. A negative entry is a hole.
    - `counts`, int32 or int64 `[B]`: how many tokens of each list count, from its start, so that a last page may be part
      full. A hole takes as many as an entry. What is beyond is not looked at. None: all of them.
    - A query that sees nothing gets 0 and -inf.
    - A score of NaN or +inf makes the results of its query and head NaN. Keys that the table does not name change nothing.
    - An entry of N (or P) or more, or a count that is negative or above L (or L pages): ValueError on a CPU. On a GPU,
      which this function does not wait for, nothing outside is read, and all results of that list are NaN: of the
      sequence, or, for an entry of a list that is a key head's, of that head's query heads.
    - Differentiable in q, k and v, once, through both results. The backward pass is plain torch, a part of a list at a
      time, and adds in a fixed order; it needs float32 tensors of the size of k and of v.

    `backend` and `strict`: see `memkit_kernels.backend`. Bit-equal from run to run on one device.
    ValueError for any other shape, dtype, device or scale; BackendUnavailable from the choice of backend.

    Sources: splitting the keys of a decode step, Dao et al. 2023 (Flash-Decoding); pages, Kwon et al., PagedAttention
    (SOSP 2023); what fills the table, Xiao et al., InfLLM (NeurIPS 2024), Fountas et al., EM-LLM (ICLR 2025), Recycled
    Attention (arXiv 2411.05787: a list for each key head), RetroLM (arXiv 2502.11444: pages, trained through).
    """
    _check(q, k, v, backend)
    _check_lists(q, k, table, counts)
    factor = q.shape[-1] ** -0.5 if scale is None else float(scale)
    if not abs(factor) < float("inf"):
        raise ValueError(f"scale must be finite, not {scale}")
    if choose("gather_attention", q, KERNEL_DTYPES, backend=backend, strict=strict) == "torch":
        attend = gather_attention_reference
    else:
        from memkit_kernels.gather_attention.kernel import gather_attention_triton  # triton is optional, slow to import

        attend = gather_attention_triton
    if k.ndim == 3:  # a token is a page of one
        k, v = k[:, None], v[:, None]
    lists = table if table.ndim == 3 else table[:, None]
    return Gathered.apply(attend, factor, q, k, v, lists, counts)


def _check(q: Tensor, k: Tensor, v: Tensor, backend: str) -> None:
    if q.ndim != 4 or k.ndim not in (3, 4) or q.shape[-1] != k.shape[-1] or not 1 <= k.shape[-1] <= MAX_FEATURES:
        raise ValueError(
            f"q must be [B, T, H, D] and k [N, G, D] or [P, page, G, D], D being 1 to {MAX_FEATURES}, "
            f"not {list(q.shape)} and {list(k.shape)}"
        )
    if v.ndim != k.ndim or v.shape[:-1] != k.shape[:-1] or not 1 <= v.shape[-1] <= MAX_FEATURES:
        raise ValueError(
            f"v must be [{', '.join(map(str, k.shape[:-1]))}, E] as k is {list(k.shape)}, E being 1 to {MAX_FEATURES}, "
            f"not {list(v.shape)}"
        )
    h, g = q.shape[2], k.shape[-2]
    if g == 0 or h == 0 or h % g:
        raise ValueError(f"H query heads must be a multiple of G key heads, both at least 1, not {h} and {g}")
    if k.ndim == 4 and k.shape[1] == 0:
        raise ValueError(f"a page must have at least 1 token, not 0: k is {list(k.shape)}")
    if not q.dtype == k.dtype == v.dtype or q.dtype not in DTYPES:
        names = ", ".join(sorted(map(str, DTYPES)))
        raise ValueError(f"q, k and v must share one dtype of {names}, not {q.dtype}, {k.dtype} and {v.dtype}")
    if not q.device == k.device == v.device:
        raise ValueError(f"q, k and v must be on one device, not {q.device}, {k.device} and {v.device}")
    if backend not in get_args(Backend):
        raise ValueError(f"backend must be one of {get_args(Backend)}, not {backend!r}")


def _check_lists(q: Tensor, k: Tensor, table: Tensor, counts: Tensor | None) -> None:
    b, g, page = q.shape[0], k.shape[-2], k.shape[1] if k.ndim == 4 else 1
    if table.shape[:-1] not in ((b,), (b, g)) or table.dtype not in INTEGERS or table.device != q.device:
        raise ValueError(
            f"table must be int32 or int64 [B, L] or [B, G, L] with B = {b} and G = {g} on {q.device}, "
            f"not {table.dtype} {list(table.shape)} on {table.device}"
        )
    tokens = table.shape[-1] * page
    if tokens > MAX_LIST:
        raise ValueError(f"at most {MAX_LIST} tokens in a list, not {tokens}; split the table and merge the results")
    if counts is not None and (counts.shape != (b,) or counts.dtype not in INTEGERS or counts.device != q.device):
        raise ValueError(
            f"counts must be int32 or int64 [B] = [{b}] on {q.device}, "
            f"not {counts.dtype} {list(counts.shape)} on {counts.device}"
        )
    if table.device.type == "cpu":  # a GPU would have to be waited for; its results become NaN
        _check_values(table, counts, len(k), page)


def _check_values(table: Tensor, counts: Tensor | None, rows: int, page: int) -> None:
    tokens = table.shape[-1] * page
    looked_at = table
    if counts is not None and len(counts):
        if int(counts.min()) < 0 or int(counts.max()) > tokens:
            raise ValueError(f"counts must be 0 to {tokens} tokens, not {int(counts.min())} to {int(counts.max())}")
        begins = page * torch.arange(table.shape[-1])
        within = begins < counts[:, None]
        looked_at = table.masked_fill(~(within if table.ndim == 2 else within[:, None]), -1)
    if looked_at.numel() and int(looked_at.max()) >= rows:
        kind = "N tokens" if page == 1 else "P pages"
        raise ValueError(f"table must be below {rows}, the {kind} of k, not {int(looked_at.max())}; negative is a hole")
