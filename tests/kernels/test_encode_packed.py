"""encode_packed: its contract, its definition held to transformers, and what runs on a CPU held to the definition."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from memkit_kernels import encode_packed
from memkit_kernels.backend import report
from memkit_kernels.encode_packed import EncoderWeights, encode_packed_reference
from memkit_kernels.encode_packed.grouped import BLOCK, blocks
from memkit_kernels.encode_packed.weights import has_onednn
from memkit_kernels.testing import assert_close

WORDS, D, HEADS, INNER, PLACES, LAYERS = 50, 48, 3, 80, 40, 2
CONFIG: dict[str, object] = {
    "model_type": "bert", "num_attention_heads": HEADS, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "pad_token_id": 0,
}  # fmt: skip
LENGTHS = [5, 1, 9, 5, 0, 30, 9, 0]


def bounds(*lengths: int) -> Tensor:
    return torch.tensor([0, *lengths]).cumsum(0)


def tokens(count: int) -> Tensor:
    return torch.randint(3, WORDS, (count,), generator=torch.Generator().manual_seed(0))


def checkpoint(prefix: str = "") -> dict[str, Tensor]:
    """A small BERT's tensors by the names that its checkpoints have."""
    shapes = {
        "embeddings.word_embeddings.weight": (WORDS, D),
        "embeddings.position_embeddings.weight": (PLACES, D),
        "embeddings.token_type_embeddings.weight": (2, D),
        "embeddings.LayerNorm.weight": (D,),
        "embeddings.LayerNorm.bias": (D,),
    }
    for number in range(LAYERS):
        for name, rows, columns in (
            ("attention.self.query", D, D),
            ("attention.self.key", D, D),
            ("attention.self.value", D, D),
            ("attention.output.dense", D, D),
            ("intermediate.dense", INNER, D),
            ("output.dense", D, INNER),
        ):
            shapes[f"encoder.layer.{number}.{name}.weight"] = (rows, columns)
            shapes[f"encoder.layer.{number}.{name}.bias"] = (rows,)
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes |= {f"encoder.layer.{number}.{name}.{part}": (D,) for part in ("weight", "bias")}
    shapes["pooler.dense.weight"] = (D, D)
    chance = torch.Generator().manual_seed(1)
    return {
        prefix + name: torch.randn(shape, generator=chance, dtype=torch.float64) * 0.3 for name, shape in shapes.items()
    }


@pytest.fixture(scope="module")
def weights() -> EncoderWeights:
    return EncoderWeights.of(checkpoint(), CONFIG)


def test_each_sequence_is_encoded_as_if_it_were_alone(weights: EncoderWeights) -> None:
    packed, cu = tokens(sum(LENGTHS)), bounds(*LENGTHS)
    together = encode_packed(packed, cu, weights)
    for start, stop in zip(cu[:-1].tolist(), cu[1:].tolist(), strict=True):
        alone = encode_packed(packed[start:stop], bounds(stop - start), weights)
        assert_close(together[start:stop], alone, dtype=torch.float64)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_what_runs_on_a_cpu_is_the_definition(weights: EncoderWeights, dtype: torch.dtype) -> None:
    packed, cu, cast = tokens(sum(LENGTHS)), bounds(*LENGTHS), weights.to("cpu", dtype)
    with report() as ran:
        found = encode_packed(packed, cu, cast)
    assert [(call.operation, call.backend) for call in ran] == [("encode_packed", "torch")]
    assert found.dtype == dtype
    assert_close(found, encode_packed_reference(packed, cu, cast), dtype=dtype)


@pytest.mark.skipif(not has_onednn(), reason="this torch has no oneDNN")
@pytest.mark.parametrize("gelu", ["none", "tanh"])
def test_weights_in_onednns_layout_give_the_same(weights: EncoderWeights, gelu: str) -> None:
    name = {"none": "gelu", "tanh": "gelu_new"}[gelu]
    plain = EncoderWeights.of(checkpoint(), {**CONFIG, "hidden_act": name}, dtype=torch.float32)
    assert plain.gelu == gelu
    packed, cu, laid = tokens(sum(LENGTHS)), bounds(*LENGTHS), plain.laid_out()
    assert laid.layers[0].up.packed is not None
    assert_close(encode_packed(packed, cu, laid), encode_packed_reference(packed, cu, plain), dtype=torch.float32)


def test_only_float32_is_laid_out(weights: EncoderWeights) -> None:
    assert weights.laid_out() is weights


def test_long_calls_are_cut_into_blocks_of_whole_sequences() -> None:
    lengths = [400, 30, 2 * BLOCK, 400, 0, 400, 30]
    cut = list(blocks(bounds(*lengths).tolist(), torch.device("cpu")))
    assert [block.groups for block in cut] == [((1, 2 * BLOCK),), ((2, 400),), ((1, 400), (2, 30))]
    assert torch.cat([block.tokens for block in cut]).sort().values.tolist() == list(range(sum(lengths)))
    assert cut[2].positions.tolist() == [*range(400), *range(30), *range(30)]


HUGGING_FACE = {
    "BertModel": ("BertConfig", {}),
    "RobertaModel": ("RobertaConfig", {"hidden_act": "gelu_new", "pad_token_id": 1}),
    "XLMRobertaModel": ("XLMRobertaConfig", {"pad_token_id": 1, "type_vocab_size": 1}),
    "DistilBertModel": (
        "DistilBertConfig",
        {"dim": D, "n_layers": LAYERS, "n_heads": HEADS, "hidden_dim": INNER},
    ),
}


@pytest.mark.slow  # transformers takes seconds to import
@pytest.mark.parametrize("family", HUGGING_FACE)
def test_hidden_states_are_those_of_transformers(family: str) -> None:
    transformers = pytest.importorskip("transformers")
    config_class, options = HUGGING_FACE[family]
    sizes = {
        "hidden_size": D, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "intermediate_size": INNER,
    }  # fmt: skip
    if family == "DistilBertModel":
        sizes = {}
    config = getattr(transformers, config_class)(vocab_size=WORDS, max_position_embeddings=PLACES, **sizes, **options)
    torch.manual_seed(0)
    model = getattr(transformers, family)(config).eval()
    made = EncoderWeights.of(model.state_dict(), config.to_dict())
    assert made.longest == PLACES - (2 if "roberta" in family.lower() else 0)
    packed, cu = tokens(sum(LENGTHS)), bounds(*LENGTHS)
    with torch.no_grad():
        parts = [model(part[None]).last_hidden_state[0] for part in packed.split(LENGTHS) if len(part)]
    for found in (encode_packed(packed, cu, made), encode_packed_reference(packed, cu, made)):
        assert_close(found, torch.cat(parts), dtype=torch.float32)


def test_a_prefix_before_the_names_is_passed_over(weights: EncoderWeights) -> None:
    prefixed = EncoderWeights.of(checkpoint("bert."), CONFIG)
    assert torch.equal(prefixed.layers[1].qkv.weight, weights.layers[1].qkv.weight)


def without(name: str) -> dict[str, Tensor]:
    return {key: value for key, value in checkpoint().items() if key != name}


@pytest.mark.parametrize(
    ("state", "changes", "said"),
    [
        (checkpoint(), {"model_type": "mpnet"}, "model_type must be one of bert, .*, not 'mpnet'"),
        (checkpoint(), {"position_embedding_type": "relative_key"}, "learned and absolute, not 'relative_key'"),
        (checkpoint(), {"is_decoder": True}, "must be an encoder"),
        (checkpoint(), {"hidden_act": "relu"}, "hidden_act must be one of gelu, .*, not 'relu'"),
        (checkpoint(), {"layer_norm_eps": "small"}, "layer_norm_eps must be a float, not 'small'"),
        (checkpoint(), {"num_attention_heads": 5}, "48 features do not divide into 5 heads"),
        (checkpoint(), {"num_attention_heads": -1}, "-1 where a whole number"),
        ({}, {}, "must have one tensor named …embeddings.word_embeddings.weight, not 0"),
        (without("encoder.layer.1.output.dense.bias"), {}, "no 'encoder.layer.1.output.dense.bias'"),
        ({**checkpoint(), "encoder.layer.0.adapter.weight": torch.ones(1)}, {}, "no use for encoder.layer.0.adapter"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_such_encoder_is_refused(state: Mapping[str, Tensor], changes: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        EncoderWeights.of(state, {**CONFIG, **changes})


def test_a_configuration_that_is_an_object_is_refused_with_the_remedy() -> None:
    with pytest.raises(
        ValueError, match=r"config must be a mapping, not SimpleNamespace; a model's is config.to_dict\(\)"
    ):
        EncoderWeights.of(checkpoint(), cast(Any, SimpleNamespace(**CONFIG)))


def test_integers_are_no_weights(weights: EncoderWeights) -> None:
    with pytest.raises(ValueError, match=r"dtype must be one of .*, not torch.int8"):
        weights.to(None, torch.int8)


def test_no_tokens_and_no_sequences_are_ordinary_cases(weights: EncoderWeights) -> None:
    for cu in (bounds(), bounds(0, 0)):
        assert encode_packed(tokens(0), cu, weights).shape == (0, D)


@pytest.mark.parametrize(
    ("packed", "cu", "options", "said"),
    [
        (tokens(4).int(), bounds(4), {}, r"tokens must be int64 \[T\], not torch.int32"),
        (tokens(4)[None], bounds(4), {}, r"not torch.int64 \[1, 4\]"),
        (tokens(4).to("meta"), bounds(4), {}, "must be on one device, not meta and cpu"),
        (tokens(4), bounds(3), {}, "must rise from 0 to the 4 tokens there are"),
        (torch.tensor([1, WORDS]), bounds(2), {}, "tokens must be 0 to 49, not 50"),
        (torch.tensor([1, -7]), bounds(2), {}, "tokens must be 0 to 49, not -7"),
        (tokens(PLACES + 1), bounds(PLACES + 1), {}, "at most 40 tokens, not 41"),
        (tokens(4), bounds(4), {"backend": "cuda"}, "backend must be one of"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_mistakes_are_refused_at_the_door(
    weights: EncoderWeights, packed: Tensor, cu: Tensor, options: dict[str, object], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        encode_packed(packed, cu, weights, **options)


def test_as_many_tokens_as_positions_are_taken(weights: EncoderWeights) -> None:
    found = encode_packed(tokens(PLACES), bounds(PLACES), weights)
    assert_close(found, encode_packed_reference(tokens(PLACES), bounds(PLACES), weights), dtype=torch.float64)
