"""The weights of a BERT-type encoder as `encode_packed` reads them, made from a state dict of tensors.

Knows the names that Hugging Face's checkpoints of BERT, RoBERTa, XLM-R and DistilBERT use. Does not know transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

__all__ = ["EncoderWeights", "Layer", "Linear", "Norm"]

Gelu = Literal["none", "tanh"]  # torch's names: by the error function, or by its approximation with tanh

GELU: Mapping[str, Gelu] = {"gelu": "none", "gelu_new": "tanh", "gelu_pytorch_tanh": "tanh"}
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
USUAL_ROWS = 1024  # rows for which oneDNN chooses its layout; any number may come


@dataclass(frozen=True, slots=True)
class Linear:
    """x Wᵀ + b. `packed` is W again, in the layout that oneDNN's product wants, or None."""

    weight: Tensor  # [out, in]
    bias: Tensor  # [out]
    packed: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Norm:
    """Layer normalisation's factor and shift, both `[D]`."""

    weight: Tensor
    bias: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One block: attention, then two linear maps, each added to its input and normalised."""

    qkv: Linear  # [3 D, D]: queries, keys, values
    attended: Linear  # [D, D]
    after_attention: Norm
    up: Linear  # [F, D]
    down: Linear  # [D, F]
    after_down: Norm


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderWeights:
    """A post-norm encoder with learned positions. Axes: V vocabulary, P positions, D features, H heads, F inner features.

    `positions[p]` is what is added to token p of a sequence: token type 0 is in it already, and what a model keeps before
    its first position is not.
    """

    words: Tensor  # [V, D]
    positions: Tensor  # [P, D]
    embedded: Norm
    layers: tuple[Layer, ...]
    heads: int
    epsilon: float
    gelu: Gelu

    @classmethod
    def of(
        cls,
        state: Mapping[str, Tensor],
        config: Mapping[str, object],
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> EncoderWeights:
        """Read a checkpoint's tensors and the values of its `config.json`. `device` and `dtype`: None keeps theirs.

        `config` needs `model_type` ("bert", "roberta", "xlm-roberta", "camembert" or "distilbert") and what that type
        calls its heads, activation, epsilon and padding token. ValueError for another type, an activation other than GELU,
        positions that are not learned, a decoder, and for a tensor that is missing or that the encoder has no use for.
        """
        names = _Names.of(state, config)
        try:
            made = _read(names, config)
        except KeyError as error:
            raise ValueError(f"the checkpoint or its configuration has no {error.args[0]!r}") from error
        if unread := sorted(names.layer_tensors - names.read):
            raise ValueError(f"the encoder has no use for {', '.join(unread[:3])}: this is not a plain {names.kind}")
        if made.dimension % made.heads:
            raise ValueError(f"{made.dimension} features do not divide into {made.heads} heads")
        return made.to(device, dtype)

    @property
    def dimension(self) -> int:
        return self.words.shape[1]

    @property
    def longest(self) -> int:
        """The tokens that a sequence may have."""
        return len(self.positions)

    def to(self, device: torch.device | str | None, dtype: torch.dtype | None) -> EncoderWeights:
        """The same there and so, contiguous and without gradients. ValueError for a dtype that is not a float's."""
        kept = self.words.dtype if dtype is None else dtype
        if kept not in DTYPES:
            raise ValueError(f"dtype must be one of {', '.join(map(str, DTYPES))}, not {kept}")

        def moved(tensor: Tensor) -> Tensor:
            return tensor.detach().to(device=device or self.words.device, dtype=kept).contiguous()

        def linear(one: Linear) -> Linear:
            return Linear(moved(one.weight), moved(one.bias))

        def norm(one: Norm) -> Norm:
            return Norm(moved(one.weight), moved(one.bias))

        layers = tuple(
            Layer(
                qkv=linear(layer.qkv),
                attended=linear(layer.attended),
                after_attention=norm(layer.after_attention),
                up=linear(layer.up),
                down=linear(layer.down),
                after_down=norm(layer.after_down),
            )
            for layer in self.layers
        )
        return replace(
            self,
            words=moved(self.words),
            positions=moved(self.positions),
            embedded=norm(self.embedded),
            layers=layers,
        )

    def laid_out(self) -> EncoderWeights:
        """The same with the layers' matrices also in oneDNN's layout: faster on an x86 CPU, and as much
        memory again. Unchanged unless they are float32 on a CPU and this torch has oneDNN."""
        if self.words.device.type != "cpu" or self.words.dtype != torch.float32 or not has_onednn():
            return self
        return replace(
            self,
            layers=tuple(
                replace(
                    layer,
                    qkv=_packed(layer.qkv),
                    attended=_packed(layer.attended),
                    up=_packed(layer.up),
                    down=_packed(layer.down),
                )
                for layer in self.layers
            ),
        )


def has_onednn() -> bool:
    """Whether this torch has the products that torch.compile uses on CPUs. They are not of its documented interface."""
    wanted = ("_reorder_linear_weight", "_linear_pointwise")
    return torch.backends.mkldnn.is_available() and all(hasattr(torch.ops.mkldnn, name) for name in wanted)


def _packed(linear: Linear) -> Linear:
    return replace(linear, packed=torch.ops.mkldnn._reorder_linear_weight(linear.weight, USUAL_ROWS))


@dataclass(frozen=True, slots=True)
class _Kind:
    """What one family of checkpoints calls things. {} is the layer's number."""

    layers: str
    qkv: tuple[str, str, str]
    rest: tuple[str, str, str, str, str]  # attended, after_attention, up, down, after_down
    heads: str
    activation: str


_BERT = _Kind(
    "encoder.layer.",
    ("attention.self.query", "attention.self.key", "attention.self.value"),
    ("attention.output.dense", "attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm"),
    "num_attention_heads",
    "hidden_act",
)
_DISTILBERT = _Kind(
    "transformer.layer.",
    ("attention.q_lin", "attention.k_lin", "attention.v_lin"),
    ("attention.out_lin", "sa_layer_norm", "ffn.lin1", "ffn.lin2", "output_layer_norm"),
    "n_heads",
    "activation",
)
_KINDS = {"bert": _BERT, "distilbert": _DISTILBERT, **dict.fromkeys(("camembert", "roberta", "xlm-roberta"), _BERT)}
_OFFSET = frozenset({"camembert", "roberta", "xlm-roberta"})  # their first position is the padding token's number + 1
_WORDS = "embeddings.word_embeddings.weight"


@dataclass(frozen=True, slots=True)
class _Names:
    """A state dict under the names of its kind, whatever stands before them, and which were read."""

    kind: str
    parts: _Kind
    state: Mapping[str, Tensor]
    prefix: str
    read: set[str]

    @classmethod
    def of(cls, state: Mapping[str, Tensor], config: Mapping[str, object]) -> _Names:
        if not isinstance(config, Mapping):
            raise ValueError(f"config must be a mapping, not {type(config).__name__}; a model's is config.to_dict()")
        kind = config.get("model_type")
        if not isinstance(kind, str) or kind not in _KINDS:
            raise ValueError(f"model_type must be one of {', '.join(sorted(_KINDS))}, not {kind!r}")
        if config.get("position_embedding_type", "absolute") != "absolute":
            raise ValueError(f"positions must be learned and absolute, not {config['position_embedding_type']!r}")
        if config.get("is_decoder") or config.get("sinusoidal_pos_embds"):
            raise ValueError("the model must be an encoder with learned positions, not a decoder or one with sinusoids")
        found = [name.removesuffix(_WORDS) for name in state if name.endswith(_WORDS)]
        if len(found) != 1:
            raise ValueError(f"the checkpoint must have one tensor named …{_WORDS}, not {len(found)}")
        return cls(kind, _KINDS[kind], state, found[0], set())

    @property
    def layer_tensors(self) -> set[str]:
        return {name for name in self.state if name.startswith(self.prefix + self.parts.layers)}

    def __getitem__(self, name: str) -> Tensor:
        self.read.add(self.prefix + name)
        return self.state[self.prefix + name]

    def linear(self, *names: str) -> Linear:
        """Several beside each other make one."""
        parts = [Linear(self[f"{name}.weight"], self[f"{name}.bias"]) for name in names]
        return Linear(torch.cat([part.weight for part in parts]), torch.cat([part.bias for part in parts]))

    def norm(self, name: str) -> Norm:
        return Norm(self[f"{name}.weight"], self[f"{name}.bias"])


def _read(names: _Names, config: Mapping[str, object]) -> EncoderWeights:
    parts, positions = names.parts, names["embeddings.position_embeddings.weight"]
    if names.kind in _OFFSET:
        positions = positions[_number(config["pad_token_id"]) + 1 :]
    if names.kind != "distilbert":
        positions = positions + names["embeddings.token_type_embeddings.weight"][0]
    activation = config[parts.activation]
    if not isinstance(activation, str) or activation not in GELU:
        raise ValueError(f"{parts.activation} must be one of {', '.join(GELU)}, not {activation!r}")
    epsilon = 1e-12 if names.kind == "distilbert" else config["layer_norm_eps"]  # DistilBERT's is not configurable
    if not isinstance(epsilon, float):
        raise ValueError(f"layer_norm_eps must be a float, not {epsilon!r}")
    return EncoderWeights(
        words=names["embeddings.word_embeddings.weight"],
        positions=positions,
        embedded=names.norm("embeddings.LayerNorm"),
        layers=tuple(_layer(names, f"{parts.layers}{number}.") for number in range(_depth(names))),
        heads=_number(config[parts.heads]),
        epsilon=epsilon,
        gelu=GELU[activation],
    )


def _layer(names: _Names, at: str) -> Layer:
    attended, after_attention, up, down, after_down = (at + name for name in names.parts.rest)
    return Layer(
        qkv=names.linear(*(at + name for name in names.parts.qkv)),
        attended=names.linear(attended),
        after_attention=names.norm(after_attention),
        up=names.linear(up),
        down=names.linear(down),
        after_down=names.norm(after_down),
    )


def _depth(names: _Names) -> int:
    start = len(names.prefix + names.parts.layers)
    return 1 + max((int(name[start:].partition(".")[0]) for name in names.layer_tensors), default=-1)


def _number(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"the configuration has {value!r} where a whole number is wanted")
    return value
