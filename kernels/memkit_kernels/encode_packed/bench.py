"""encode_packed with pooling beside transformers' padded BertModel, at MiniLM's shape, on texts of mixed lengths.

Weights are random: a time does not depend on them. On a GPU both run in half precision.
"""

import importlib
from collections.abc import Callable, Iterable
from functools import partial
from importlib.util import find_spec

import torch
from torch import Tensor

from memkit_kernels.bench.cases import Bar, Case, Contest, Kind, absent
from memkit_kernels.encode_packed import EncoderWeights, encode_packed
from memkit_kernels.encode_packed.reference import encode_packed_reference
from memkit_kernels.pool_embeddings import pool_embeddings
from memkit_kernels.pool_embeddings.bench import mixed_lengths
from memkit_kernels.testing import TOLERANCE

WORDS, PLACES, D, INNER, HEADS, LAYERS = 30_522, 512, 384, 1536, 12, 6  # all-MiniLM-L6-v2
SEQUENCES: dict[Kind, tuple[int, ...]] = {"cpu": (1, 4, 16, 48), "cuda": (64, 256, 1024, 4096, 16_384)}
DTYPES: dict[Kind, torch.dtype] = {"cpu": torch.float32, "cuda": torch.float16}
BARS = {"cpu": 1.3, "cuda": 2.0}
RIVAL = "transformers, padded"
BATCH = 32  # sentence-transformers' default
CHECKED = 4  # sequences held to the definition, which takes them one by one


def cases(kind: Kind) -> Iterable[Case]:
    """Tokens to normalised vectors. The rival sorts by length and pads batches of 32, as sentence-transformers does."""
    for n in SEQUENCES[kind]:
        dtype = DTYPES[kind]
        yield Case(
            operation="encode_packed", variant=f"MiniLM's shape, {str(dtype).removeprefix('torch.')}",
            size={"N": n, "D": D}, along="N", dtype=dtype, prepare=partial(_prepare, n, dtype),
            bar=Bar(of=RIVAL, least=BARS[kind]) if n == SEQUENCES[kind][-1] else None,
        )  # fmt: skip


def _prepare(n: int, dtype: torch.dtype, device: torch.device) -> Contest:
    lengths = mixed_lengths(n)
    bounds = torch.cat((torch.zeros(1, dtype=torch.int64), lengths.cumsum(0))).to(device)
    total = int(lengths.sum())
    tokens = torch.randint(WORDS, (total,), generator=torch.Generator().manual_seed(2)).to(device)
    state = _state()
    weights = EncoderWeights.of(
        state,
        {"model_type": "bert", "num_attention_heads": HEADS, "hidden_act": "gelu", "layer_norm_eps": 1e-12},
        device=device,
        dtype=dtype,
    ).laid_out()

    def check() -> None:
        few = int(bounds[min(n, CHECKED)])
        found = encode_packed(tokens, bounds, weights)[:few].float()
        defined = encode_packed_reference(tokens[:few], bounds[: CHECKED + 1], weights.to(None, torch.float32))
        error = float((found - defined).abs().max() / defined.square().mean().sqrt())
        # Each layer's steps are rounded to the dtype, and the definition's are not.
        assert error <= 2 * LAYERS * TOLERANCE[dtype], f"error {error:.1e} of the RMS"

    squares = int((lengths * lengths).sum())
    layer = 2 * total * (4 * D * D + 2 * D * INNER) + 4 * squares * D
    parameters = LAYERS * (4 * D * D + 2 * D * INNER)
    return Contest(
        ours=lambda: pool_embeddings(encode_packed(tokens, bounds, weights), bounds),
        rivals={RIVAL: _padded(state, tokens, lengths, dtype)},
        moved=(parameters + total * D + n * D) * weights.words.element_size() + 8 * (total + n + 1),
        flops=LAYERS * layer,
        check=check,
    )


def _state() -> dict[str, Tensor]:
    """Random weights under a checkpoint's names, of a size that keeps the hidden states of the order of 1."""
    chance = torch.Generator().manual_seed(3)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=chance) * 0.05

    state = {
        "embeddings.word_embeddings.weight": draw(WORDS, D),
        "embeddings.position_embeddings.weight": draw(PLACES, D),
        "embeddings.token_type_embeddings.weight": draw(2, D),
        "embeddings.LayerNorm.weight": 1 + draw(D),
        "embeddings.LayerNorm.bias": draw(D),
    }
    maps = {f"attention.self.{name}": (D, D) for name in ("query", "key", "value")}
    maps |= {"attention.output.dense": (D, D), "intermediate.dense": (INNER, D), "output.dense": (D, INNER)}
    for at in (f"encoder.layer.{number}." for number in range(LAYERS)):
        for name, (rows, columns) in maps.items():
            state |= {f"{at}{name}.weight": draw(rows, columns), f"{at}{name}.bias": draw(rows)}
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            state |= {f"{at}{name}.weight": 1 + draw(D), f"{at}{name}.bias": draw(D)}
    return state


def _padded(
    state: dict[str, Tensor], tokens: Tensor, lengths: Tensor, dtype: torch.dtype
) -> Callable[[], object] | str:
    """The same vectors from padded batches, masked and averaged as sentence-transformers does it."""
    if find_spec("transformers") is None:
        return absent("transformers")
    transformers = importlib.import_module("transformers")
    config = transformers.BertConfig(
        vocab_size=WORDS,
        max_position_embeddings=PLACES,
        hidden_size=D,
        intermediate_size=INNER,
        num_attention_heads=HEADS,
        num_hidden_layers=LAYERS,
    )
    model = transformers.BertModel(config, add_pooling_layer=False).eval()
    model.load_state_dict(state)
    model = model.to(tokens.device, dtype)
    batches = []
    texts = tokens.cpu().split(lengths.tolist())
    for rows in lengths.argsort(descending=True).split(BATCH):
        padded = torch.nn.utils.rnn.pad_sequence([texts[row] for row in rows.tolist()], batch_first=True)
        mask = torch.arange(padded.shape[1])[None, :] < lengths[rows][:, None]
        batches.append((padded.to(tokens.device), mask.to(tokens.device, torch.int64)))

    @torch.no_grad()
    def run() -> list[Tensor]:
        vectors = []
        for padded, mask in batches:
            hidden = model(input_ids=padded, attention_mask=mask).last_hidden_state
            kept = mask[:, :, None].to(dtype)
            mean = (hidden * kept).sum(1) / kept.sum(1).clamp_min(1e-9)
            vectors.append(torch.nn.functional.normalize(mean, dim=1))
        return vectors

    return run
