"""encode_packed on a GPU: matrix products by torch, and kernels for what stands between them. See README.md.

Axes: T tokens, D features, F inner features, V vocabulary, P positions. BD is D rounded up to a power of two.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from memkit_kernels.encode_packed.weights import EncoderWeights, Layer, Linear, Norm
from memkit_kernels.window_attention import window_attention

_ROOT_HALF = tl.constexpr(0.7071067811865476)
_TANH_OUT = tl.constexpr(-1.5957691216057308)  # -2 √(2/π): (1 + tanh u) / 2 = 1 / (1 + e^-2u)
_CUBIC = tl.constexpr(0.044715)

FUSED = True  # multiply and add round once; said because Triton 3.10 changes the default
ROWS, COLUMNS = 4, 512  # the tile of the activation: 16 elements a thread


@triton.jit
def _normalised(x, inside, weight, bias, features, D, epsilon):
    """x, 0 outside, less its mean, by its deviation."""
    mean = tl.sum(x, axis=0) / D
    centred = tl.where(inside, x - mean, 0.0)
    scale = 1.0 / tl.sqrt(tl.sum(centred * centred, axis=0) / D + epsilon)
    factor = tl.load(weight + features, mask=inside, other=0.0).to(tl.float32)
    shift = tl.load(bias + features, mask=inside, other=0.0).to(tl.float32)
    return centred * scale * factor + shift


@triton.jit(do_not_specialize=["V", "P"])
def _embed(tokens, places, words, positions, weight, bias, out, V, P, D, token_step, epsilon, BD: tl.constexpr):
    """A token's word and position, normalised; NaN where either is not there. Grid: tokens."""
    row = tl.program_id(0).to(tl.int64)
    token = tl.load(tokens + row * token_step)
    place = tl.load(places + row)
    there = (token >= 0) & (token < V) & (place >= 0) & (place < P)
    token, place = tl.where(there, token, 0), tl.where(there, place, 0)
    features = tl.arange(0, BD)
    inside = features < D
    x = tl.load(words + token * D + features, mask=inside, other=0.0).to(tl.float32)
    x += tl.load(positions + place * D + features, mask=inside, other=0.0).to(tl.float32)
    y = _normalised(x, inside, weight, bias, features, D, epsilon)
    tl.store(out + row * D + features, tl.where(there, y, float("nan")).to(out.dtype.element_ty), mask=inside)


@triton.jit
def _add_norm(x, added, residual, weight, bias, out, D, epsilon, BD: tl.constexpr):
    """A row of x, plus a bias, plus the residual's row, normalised. Grid: tokens. `out` may be x."""
    row = tl.program_id(0).to(tl.int64) * D
    features = tl.arange(0, BD)
    inside = features < D
    total = tl.load(x + row + features, mask=inside, other=0.0).to(tl.float32)
    total += tl.load(added + features, mask=inside, other=0.0).to(tl.float32)
    total += tl.load(residual + row + features, mask=inside, other=0.0).to(tl.float32)
    y = _normalised(total, inside, weight, bias, features, D, epsilon)
    tl.store(out + row + features, y.to(out.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=["T"])
def _bias_gelu(x, bias, T, F, TANH: tl.constexpr, BT: tl.constexpr, BF: tl.constexpr):
    """gelu(x + bias), in place. Grid: tiles of tokens, tiles of features."""
    rows = tl.program_id(0).to(tl.int64) * BT + tl.arange(0, BT)[:, None]
    columns = tl.program_id(1) * BF + tl.arange(0, BF)[None, :]
    inside = (rows < T) & (columns < F)
    where = x + rows * F + columns
    y = tl.load(where, mask=inside, other=0.0).to(tl.float32)
    y += tl.load(bias + columns, mask=columns < F, other=0.0).to(tl.float32)
    if TANH:
        y = y / (1.0 + tl.exp(tl.minimum(_TANH_OUT * (y + _CUBIC * y * y * y), 80.0)))  # e^80 is no infinity
    else:
        y = 0.5 * y * (1.0 + tl.erf(y * _ROOT_HALF))
    tl.store(where, y.to(x.dtype.element_ty), mask=inside)


def encode_packed_triton(tokens: Tensor, cu_seqlens: Tensor, weights: EncoderWeights) -> Tensor:
    """See `memkit_kernels.encode_packed.encode_packed`; takes its arguments as checked there."""
    if len(tokens) == 0:  # an empty grid cannot be launched
        return torch.empty((0, weights.dimension), dtype=weights.words.dtype, device=tokens.device)
    with torch.cuda.device_of(tokens):
        x = embedded(tokens, places(cu_seqlens, len(tokens)), weights)
        for layer in weights.layers:
            x = through(x, layer, cu_seqlens, weights)
    return x


def places(cu_seqlens: Tensor, total: int) -> Tensor:
    """Each token's position in its sequence, int64 `[T]`, -1 for a token of no sequence. Does not wait for the device."""
    each = torch.arange(total, device=cu_seqlens.device)
    if len(cu_seqlens) == 1:
        return torch.full_like(each, -1)
    bounds = cu_seqlens.to(torch.int64).contiguous()
    sequence = torch.searchsorted(bounds, each, right=True) - 1
    known = (sequence >= 0) & (sequence < len(bounds) - 1)
    return torch.where(known, each - bounds[sequence.clamp(0, len(bounds) - 2)], -1)


def embedded(tokens: Tensor, at: Tensor, weights: EncoderWeights) -> Tensor:
    """The first hidden states, `[T, D]`."""
    d, by = weights.dimension, weights.embedded
    out = torch.empty((len(tokens), d), dtype=weights.words.dtype, device=tokens.device)
    bd, warps = _row(d)
    _embed[(len(tokens),)](
        tokens, at, weights.words, weights.positions, by.weight, by.bias, out, len(weights.words), weights.longest, d,
        tokens.stride(0), weights.epsilon, BD=bd, num_warps=warps, enable_fp_fusion=FUSED,
    )  # fmt: skip
    return out


def through(x: Tensor, layer: Layer, cu_seqlens: Tensor, weights: EncoderWeights) -> Tensor:
    """One layer, `[T, D]` to `[T, D]`."""
    qkv = torch.nn.functional.linear(x, layer.qkv.weight, layer.qkv.bias).view(1, len(x), 3, weights.heads, -1)
    q, k, v = qkv.unbind(2)
    seen, _ = window_attention(q, k, v, causal=False, cu_seqlens=cu_seqlens, backend="triton")
    x = normalised(seen.reshape(x.shape) @ layer.attended.weight.T, layer.attended, x, layer.after_attention, weights)
    inner = activated(x @ layer.up.weight.T, layer.up.bias, weights)
    return normalised(inner @ layer.down.weight.T, layer.down, x, layer.after_down, weights)


def normalised(x: Tensor, of: Linear, residual: Tensor, by: Norm, weights: EncoderWeights) -> Tensor:
    """norm(x + bias + residual), in x's memory."""
    bd, warps = _row(x.shape[1])
    _add_norm[(len(x),)](
        x, of.bias, residual, by.weight, by.bias, x, x.shape[1], weights.epsilon,
        BD=bd, num_warps=warps, enable_fp_fusion=FUSED,
    )  # fmt: skip
    return x


def activated(x: Tensor, bias: Tensor, weights: EncoderWeights) -> Tensor:
    """gelu(x + bias), in x's memory."""
    t, f = x.shape
    grid = (triton.cdiv(t, ROWS), triton.cdiv(f, COLUMNS))
    _bias_gelu[grid](
        x, bias, t, f, TANH=weights.gelu == "tanh", BT=ROWS, BF=COLUMNS, num_warps=4, enable_fp_fusion=FUSED
    )
    return x


def _row(d: int) -> tuple[int, int]:
    """BD and the number of warps: at most 32 elements a thread, until there are 16 warps."""
    bd = triton.next_power_of_2(d)
    return bd, max(1, min(16, bd // 256))


def warm(device: torch.device, dtype: torch.dtype) -> None:
    """Compile what the encoders of MiniLM's, BERT's and BERT-large's sizes need, attention included."""
    bounds = torch.tensor([0, 5, 16], device=device)
    for d, heads in ((384, 12), (768, 12), (1024, 16)):
        norm = Norm(torch.ones(d, dtype=dtype, device=device), torch.zeros(d, dtype=dtype, device=device))
        layer = Layer(
            qkv=_zeros(3 * d, d, norm),
            attended=_zeros(d, d, norm),
            after_attention=norm,
            up=_zeros(4 * d, d, norm),
            down=_zeros(d, 4 * d, norm),
            after_down=norm,
        )
        words = torch.zeros((16, d), dtype=dtype, device=device)
        weights = EncoderWeights(
            words=words, positions=words, embedded=norm, layers=(layer,), heads=heads, epsilon=1e-12, gelu="none"
        )
        encode_packed_triton(torch.arange(16, device=device), bounds, weights)


def _zeros(rows: int, columns: int, like: Norm) -> Linear:
    return Linear(like.bias.new_zeros(rows, columns), like.bias.new_zeros(rows))
