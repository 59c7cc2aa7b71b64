"""A BERT-type encoder run on packed tokens: no padding, and no mask that hides it.

Does not know how texts become tokens, nor what becomes of the hidden states. The definition is reference.py, the CPU's way
grouped.py, the derivation README.md.
"""

from typing import get_args

import torch
from torch import Tensor

from memkit_kernels.backend import Backend, choose, undisturbed
from memkit_kernels.encode_packed.grouped import encode_packed_grouped
from memkit_kernels.encode_packed.reference import encode_packed_reference
from memkit_kernels.encode_packed.weights import EncoderWeights
from memkit_kernels.pool_embeddings import check_bounds

__all__ = ["MAX_FEATURES", "EncoderWeights", "encode_packed", "encode_packed_reference"]

MAX_FEATURES = 16_384  # a token's features live in one program's registers
KERNEL_DTYPES = frozenset({torch.float16, torch.bfloat16, torch.float32})


@undisturbed(tensors=2, gradients=False)
def encode_packed(
    tokens: Tensor,
    cu_seqlens: Tensor,
    weights: EncoderWeights,
    *,
    backend: Backend = "auto",
    strict: bool = False,
) -> Tensor:
    """Return the last layer's hidden states `[T, D]` in the weights' dtype: each sequence's as if it were alone.

    Axes: T tokens, N sequences, D features; T and N may be 0. `tokens` is int64 `[T]`, and `cu_seqlens`, int32 or int64
    `[N + 1]`, rises from 0 to T: sequence n is the tokens cu_seqlens[n] to cu_seqlens[n + 1], and may be empty. Both are on
    the weights' device. `weights` is made by `EncoderWeights.of`; `weights.laid_out()` is faster on an x86 CPU.

    - The model: words and learned positions, normalised; then in each layer self-attention and two linear maps with GELU
      between them, each added to what it was given and then normalised ("post-norm"). Every token sees all tokens of its
      sequence. No dropout, no pooler.
    - Positions count from each sequence's first token. A padding token has no special meaning.
    - Products accumulate in float32, as do means and variances; float64 weights are float64 throughout, and torch only.

    On a CPU it is a ValueError if a token is not in the vocabulary, a sequence has more tokens than there are positions, or
    `cu_seqlens` does not rise from 0 to T. On a GPU those checks would wait for the device: there such a token's hidden
    state is NaN, and so are its sequence's.

    `backend` and `strict`: see `memkit_kernels.backend`; "triton" is kernels for what is not a matrix product, with
    `memkit_kernels.window_attention`. Bit-equal from run to run on one device where torch's products are. No gradient flows.
    ValueError for any other shape, dtype or device; BackendUnavailable from the choice of backend.

    Source: Devlin et al., BERT (NAACL 2019); without padding as in Zhai et al., ByteTransformer (IPDPS 2023).
    """
    _check(tokens, weights, backend)
    check_bounds(cu_seqlens, len(tokens), tokens.device)
    _check_values(tokens, cu_seqlens, weights)
    if choose("encode_packed", weights.words, KERNEL_DTYPES, backend=backend, strict=strict) == "torch":
        return encode_packed_grouped(tokens, cu_seqlens, weights)
    from memkit_kernels.encode_packed.kernel import (
        encode_packed_triton,
    )  # triton is optional, and slow to import

    return encode_packed_triton(tokens, cu_seqlens, weights)


def _check(tokens: Tensor, weights: EncoderWeights, backend: str) -> None:
    if tokens.ndim != 1 or tokens.dtype != torch.int64:
        raise ValueError(f"tokens must be int64 [T], not {tokens.dtype} {list(tokens.shape)}")
    if tokens.device != weights.words.device:
        raise ValueError(f"tokens and weights must be on one device, not {tokens.device} and {weights.words.device}")
    if weights.dimension > MAX_FEATURES:
        raise ValueError(f"an encoder may have at most {MAX_FEATURES} features, not {weights.dimension}")
    if backend not in get_args(Backend):
        raise ValueError(f"backend must be one of {get_args(Backend)}, not {backend!r}")


def _check_values(tokens: Tensor, cu_seqlens: Tensor, weights: EncoderWeights) -> None:
    if tokens.device.type != "cpu" or len(tokens) == 0:
        return
    least, most = (int(value) for value in torch.aminmax(tokens))
    if least < 0 or most >= len(weights.words):
        raise ValueError(f"tokens must be 0 to {len(weights.words) - 1}, not {least if least < 0 else most}")
    longest = int(cu_seqlens.diff().max())
    if longest > weights.longest:
        raise ValueError(f"a sequence may have at most {weights.longest} tokens, not {longest}")
