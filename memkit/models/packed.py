"""A sentence-transformers model run on packed tokens, with no padding, where it is of the kind that can be. Needs the extra
`local`.

Whether a model is of that kind is read from its parts, and then tried: its vectors must be those of sentence-transformers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from memkit_kernels import encode_packed, pool_embeddings
from memkit_kernels.backend import BackendUnavailable
from memkit_kernels.encode_packed import EncoderWeights

try:
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers import PreTrainedTokenizerBase
except ImportError as error:
    raise ImportError(
        'local embedding models need the extra "local" of agentic-memkit (sentence-transformers, torch)'
    ) from error

if TYPE_CHECKING:
    from memkit_kernels.pool_embeddings import Mode

# What the two ways may differ by, as a share of the longest vector: they add the same numbers in another order.
TOLERANCE = {torch.float32: 1e-5, torch.float16: 1e-2, torch.bfloat16: 5e-2}
TRIED = (
    "yes",
    "  I moved to Lisbon in May.\n",
    "Olá! 你好，世界 🙂 <s>[SEP]</s>",
    "Does anybody know why the trains from PORTO are late every Friday afternoon, or is it only mine?",
    "yes, in May.",
    "",
)
LONG = "one very long story " * 2000  # more than models read: it must be cut where theirs is

_MODES: dict[object, Mode] = {"mean": "mean", "cls": "cls", "max": "max", "lasttoken": "last"}


class CannotPackError(Exception):
    """This model is left to sentence-transformers. The text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedEncoder:
    """Texts to vectors by `memkit_kernels`. A tokenizer is not for two threads at once."""

    weights: EncoderWeights
    tokenizer: PreTrainedTokenizerBase
    longest: int
    mode: Mode
    normalise: bool

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """The token numbers of each text, cut off after `longest`."""
        read = self.tokenizer(
            list(texts),
            truncation=True,
            max_length=self.longest,
            padding=False,
            return_attention_mask=False,
            return_token_type_ids=False,
        )
        numbers: list[list[int]] = read["input_ids"]
        return numbers

    def vectors(self, tokens: Sequence[Sequence[int]]) -> torch.Tensor:
        """A vector for each text's tokens, float32 `[N, D]`, on the weights' device."""
        device = self.weights.words.device
        flat = torch.tensor([number for text in tokens for number in text], dtype=torch.int64)
        bounds = torch.tensor([0, *accumulate(map(len, tokens))])
        flat, bounds = flat.to(device, non_blocking=True), bounds.to(device, non_blocking=True)
        strict = device.type != "cpu"  # there torch is the right choice and no fall-back
        hidden = encode_packed(flat, bounds, self.weights, strict=strict)
        return pool_embeddings(
            hidden, bounds, mode=self.mode, normalise=self.normalise, dtype=torch.float32, strict=strict
        )


def packed(model: SentenceTransformer, *, normalise: bool) -> PackedEncoder:
    """The model's weights, packed and tried. CannotPackError where it has other parts, or would give other vectors."""
    transformer, mode, always = _parts(model)
    tokenizer, longest = model.tokenizer, model.max_seq_length
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        raise CannotPackError("its tokenizer is not transformers'")
    network = transformer.auto_model
    weights = _weights(network, model.device)
    if longest is None or longest > weights.longest:
        raise CannotPackError(f"it says that it reads {longest} tokens, and has {weights.longest} positions")
    if len(tokenizer) > len(weights.words):
        raise CannotPackError(f"its tokenizer knows {len(tokenizer)} tokens, and it has {len(weights.words)} words")
    made = PackedEncoder(
        weights=weights.laid_out(),
        tokenizer=tokenizer,
        longest=longest,
        mode=mode,
        normalise=normalise or always,
    )
    return tried(made, model, normalise=normalise)


def _parts(model: SentenceTransformer) -> tuple[Any, Mode, bool]:
    """The transformer, how it is pooled, and whether the model normalises by itself."""
    modules = list(model)
    kinds = [type(module).__name__ for module in modules]  # by name: their modules' place differs by version
    own = all(type(module).__module__.startswith("sentence_transformers.") for module in modules)
    if not own or kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise CannotPackError(f"it is made of {', '.join(kinds)}")
    pooling = modules[1]
    # sentence-transformers 5 has a method for what 6 has an attribute for
    mode = pooling.pooling_mode if hasattr(pooling, "pooling_mode") else pooling.get_pooling_mode_str()
    if mode not in _MODES or not pooling.include_prompt:
        raise CannotPackError(f"it pools by {mode!r}{'' if pooling.include_prompt else ', without the prompt'}")
    if model.truncate_dim is not None:
        raise CannotPackError(f"its vectors are cut to {model.truncate_dim} features")
    return modules[0], _MODES[mode], len(modules) == 3


def _weights(network: torch.nn.Module, device: torch.device) -> EncoderWeights:
    """The network's weights where they are; of a CPU's, only float32 gains anything."""
    if device.type not in ("cpu", "cuda"):
        raise CannotPackError(f"there are no kernels for {device.type}")
    try:
        weights = EncoderWeights.of(network.state_dict(), network.config.to_dict(), device=device)
    except ValueError as error:
        raise CannotPackError(str(error)) from error
    if weights.words.dtype not in TOLERANCE or (device.type == "cpu" and weights.words.dtype != torch.float32):
        raise CannotPackError(f"its weights are {weights.words.dtype} on a {device.type}")
    return weights


@torch.inference_mode()
def tried(made: PackedEncoder, model: SentenceTransformer, *, normalise: bool) -> PackedEncoder:
    """The same. CannotPackError unless tokens and vectors are the model's."""
    texts = [*TRIED, LONG]
    read = getattr(model, "preprocess", model.tokenize)(texts)
    theirs = [row[kept.bool()].tolist() for row, kept in zip(read["input_ids"], read["attention_mask"], strict=True)]
    if made.tokens(texts) != theirs:
        raise CannotPackError("sentence-transformers reads other tokens")
    expected = model.encode(
        list(TRIED), normalize_embeddings=normalise, show_progress_bar=False, convert_to_tensor=True
    ).float()
    try:
        found = made.vectors(made.tokens(TRIED))
    except BackendUnavailable as error:
        raise CannotPackError(str(error)) from error
    off = (found - expected).abs().max() / expected.norm(dim=1).max()
    if not float(off) <= TOLERANCE[made.weights.words.dtype]:  # NaN is not
        raise CannotPackError(f"its vectors would differ by {float(off):.1e}")
    return made
