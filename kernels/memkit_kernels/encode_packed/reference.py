"""encode_packed in plain torch, one sequence after the other: what the operation means.

In float32, or float64 for float64 weights. Axes: L tokens of the sequence, H heads, d features of a head, D features.
"""

from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import gelu

from memkit_kernels.encode_packed.weights import EncoderWeights, Layer, Linear, Norm


def encode_packed_reference(tokens: Tensor, cu_seqlens: Tensor, weights: EncoderWeights) -> Tensor:
    """See `memkit_kernels.encode_packed.encode_packed`; takes its arguments as checked there."""
    wide = torch.float64 if weights.words.dtype == torch.float64 else torch.float32
    exact = weights.to(None, wide)
    hidden = torch.empty((len(tokens), weights.dimension), dtype=wide, device=tokens.device)
    for start, stop in pairwise(cu_seqlens.tolist()):
        x = normalised(exact.words[tokens[start:stop]] + exact.positions[: stop - start], exact.embedded, exact.epsilon)
        for layer in exact.layers:
            x = block(x, layer, exact)
        hidden[start:stop] = x
    return hidden.to(weights.words.dtype)


def block(x: Tensor, layer: Layer, weights: EncoderWeights) -> Tensor:
    """One layer, `[L, D]` to `[L, D]`."""
    q, k, v = linear(x, layer.qkv).unflatten(1, (3, weights.heads, -1)).permute(1, 2, 0, 3)  # [H, L, d] each
    attention = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
    seen = (attention @ v).transpose(0, 1).flatten(1)
    x = normalised(x + linear(seen, layer.attended), layer.after_attention, weights.epsilon)
    inner = gelu(linear(x, layer.up), approximate=weights.gelu)
    return normalised(x + linear(inner, layer.down), layer.after_down, weights.epsilon)


def linear(x: Tensor, by: Linear) -> Tensor:
    return x @ by.weight.T + by.bias


def normalised(x: Tensor, by: Norm, epsilon: float) -> Tensor:
    centred = x - x.mean(1, keepdim=True)
    deviation = (centred.square().mean(1, keepdim=True) + epsilon).sqrt()
    return centred / deviation * by.weight + by.bias
