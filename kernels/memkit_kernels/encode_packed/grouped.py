"""encode_packed in torch, fast: sequences of equal length attend together, so that nothing is padded and nothing masked.

What runs on a CPU, and where a GPU's kernels cannot. Held to reference.py. Reads the sequences' bounds, so that on a GPU it
waits for the device. Axes: T tokens, D features, H heads, d features of a head; a group is n sequences of L tokens.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise

import torch
from torch import Tensor
from torch.nn.functional import gelu, layer_norm, scaled_dot_product_attention

from memkit_kernels.encode_packed.weights import EncoderWeights, Layer, Linear, Norm

BLOCK = 1024  # tokens that pass through the layers together: their activations should fit a CPU's cache

Group = tuple[int, int]  # n sequences, L tokens in each


@dataclass(frozen=True, slots=True)
class Block:
    """Sequences that pass through the layers together. `tokens` says where each of its tokens stands in the call."""

    tokens: Tensor
    positions: Tensor
    groups: tuple[Group, ...]


def encode_packed_grouped(tokens: Tensor, cu_seqlens: Tensor, weights: EncoderWeights) -> Tensor:
    """See `memkit_kernels.encode_packed.encode_packed`; takes its arguments as checked there."""
    kept = weights.words.dtype
    if kept not in (torch.float32, torch.float64):  # sums in 16 bits would lose what the definition keeps
        weights = weights.to(None, torch.float32)
    hidden = torch.empty((len(tokens), weights.dimension), dtype=kept, device=tokens.device)
    for block in blocks(cu_seqlens.tolist(), tokens.device):
        x = weights.words[tokens[block.tokens]].add_(weights.positions[block.positions])
        x = norm(x, weights.embedded, weights.epsilon)
        for layer in weights.layers:
            x = through(x, layer, block.groups, weights)
        hidden[block.tokens] = x.to(kept)
    return hidden


def blocks(bounds: Sequence[int], device: torch.device) -> Iterator[Block]:
    """The sequences by length, the longest first, in blocks of BLOCK tokens, or of one sequence that is longer."""
    lengths = [stop - start for start, stop in pairwise(bounds)]
    order = sorted((n for n, length in enumerate(lengths) if length), key=lambda n: -lengths[n])
    taken: list[int] = []
    total = 0
    for n in order:
        if taken and total + lengths[n] > BLOCK:
            yield _block(taken, bounds, lengths, device)
            taken, total = [], 0
        taken.append(n)
        total += lengths[n]
    if taken:
        yield _block(taken, bounds, lengths, device)


def _block(taken: Sequence[int], bounds: Sequence[int], lengths: Sequence[int], device: torch.device) -> Block:
    sizes = torch.tensor([lengths[n] for n in taken])
    total = sum(lengths[n] for n in taken)
    firsts = torch.tensor([0, *accumulate(lengths[n] for n in taken)][:-1])
    positions = torch.arange(total) - firsts.repeat_interleave(sizes, output_size=total)
    starts = torch.tensor([bounds[n] for n in taken]).repeat_interleave(sizes, output_size=total)
    groups = tuple((len(list(alike)), length) for length, alike in groupby(lengths[n] for n in taken))
    return Block((starts + positions).to(device), positions.to(device), groups)


def through(x: Tensor, layer: Layer, groups: Sequence[Group], weights: EncoderWeights) -> Tensor:
    """One layer, `[T, D]` to `[T, D]`."""
    seen = attended(linear(x, layer.qkv), groups, weights.heads)
    x = norm(added(seen, layer.attended, x), layer.after_attention, weights.epsilon)
    return norm(added(activated(x, layer.up, weights.gelu), layer.down, x), layer.after_down, weights.epsilon)


def attended(qkv: Tensor, groups: Sequence[Group], heads: int) -> Tensor:
    """Each token's mix of its own sequence's values, `[T, 3 D]` to `[T, D]`."""
    d = qkv.shape[1] // 3 // heads
    parts = []
    for group, (n, length) in zip(qkv.split([n * length for n, length in groups]), groups, strict=True):
        q, k, v = group.view(n, length, 3, heads, d).permute(2, 0, 3, 1, 4)  # [n, H, L, d] each
        parts.append(scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n * length, heads * d))
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def norm(x: Tensor, by: Norm, epsilon: float) -> Tensor:
    return layer_norm(x, by.weight.shape, by.weight, by.bias, epsilon)


def linear(x: Tensor, by: Linear) -> Tensor:
    if by.packed is None:
        return torch.nn.functional.linear(x, by.weight, by.bias)
    made: Tensor = torch.ops.mkldnn._linear_pointwise(x, by.packed, by.bias, "none", [], "")
    return made


def activated(x: Tensor, by: Linear, approximate: str) -> Tensor:
    """gelu(x Wᵀ + b). oneDNN applies it to each tile of the product while that is in the cache."""
    if by.packed is None:
        return gelu(torch.nn.functional.linear(x, by.weight, by.bias), approximate=approximate)
    made: Tensor = torch.ops.mkldnn._linear_pointwise(x, by.packed, by.bias, "gelu", [], approximate)
    return made


def added(x: Tensor, by: Linear, to: Tensor) -> Tensor:
    """x Wᵀ + b + to."""
    if by.packed is None:
        return torch.nn.functional.linear(x, by.weight, by.bias).add_(to)
    made: Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, to, by.packed, by.bias, "add")
    return made
