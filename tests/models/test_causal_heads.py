"""Whether a model's head needs logits, on tiny models with random weights, and that both ways tell the same."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import (
    AutoModelForCausalLM,
    CohereConfig,
    Gemma2Config,
    GPT2Config,
    GraniteConfig,
    OPTConfig,
    PreTrainedTokenizerFast,
    RecurrentGemmaConfig,
)

from memkit.models.causal import CausalScorer
from memkit.models.heads import LinearHead, LogitsHead, head_of

if TYPE_CHECKING:
    from collections.abc import Iterator

WORDS = 3000  # more than a block of linear_surprisal
SMALL = {"vocab_size": WORDS, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
KEYS = {"num_key_value_heads": 1, "head_dim": 16, "intermediate_size": 32}
LARGE = {"initializer_range": 1.0}  # logits that a cap bends
CONFIGS = {
    "plain": GPT2Config(vocab_size=WORDS, n_embd=32, n_layer=1, n_head=2, **LARGE),
    "scaled up": CohereConfig(**SMALL, **KEYS, **LARGE, logit_scale=0.5),
    "scaled down": GraniteConfig(**SMALL, **KEYS, **LARGE, logits_scaling=8.0),
    "capped": Gemma2Config(**SMALL, **KEYS, **LARGE, final_logit_softcapping=3.0),
    "projected": OPTConfig(**SMALL, ffn_dim=32, word_embed_proj_dim=16, init_std=1.0),
}
CAPPED_IN_ITS_OWN_WAY = RecurrentGemmaConfig(
    **(SMALL | {"num_hidden_layers": 3}),
    num_key_value_heads=1,
    intermediate_size=32,
    lru_width=32,
    logits_soft_cap=3.0,
    w_init_variance_scale=1.0,
)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def made(config: Any, dtype: torch.dtype = torch.float32) -> Any:
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config).to(dtype).eval()


def told(head: Any, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.inference_mode():
        rows, _ = head.rows(tokens, None)
        return head.told(rows, tokens[0])


@pytest.mark.parametrize("kind", list(CONFIGS))
def test_a_linear_head_tells_the_same_without_logits(kind: str) -> None:
    model, tokens = made(CONFIGS[kind]), torch.arange(0, WORDS, 250)[None]
    head = head_of(model)
    assert isinstance(head, LinearHead)
    assert (head.why, head.words) == ("", WORDS)
    for one, other in zip(told(head, tokens), told(LogitsHead(model, WORDS, "asked for"), tokens), strict=True):
        assert one.tolist() == pytest.approx(other.tolist(), rel=1e-5, abs=1e-5)


def test_in_half_precision_logits_are_not_rounded_to_it() -> None:
    """So a linear head is nearer to the exact model than its logits are."""
    model, tokens = made(CONFIGS["plain"], torch.bfloat16), torch.arange(0, WORDS, 250)[None]
    head = head_of(model)
    assert isinstance(head, LinearHead)
    with torch.inference_mode():
        rows, _ = head.rows(tokens, None)
        logs = (rows.double() @ model.lm_head.weight.double().T).log_softmax(1)
    exact = -logs.gather(1, tokens[0][:, None])[:, 0]
    errors = [(told(one, tokens)[0] - exact).abs().max() for one in (head, LogitsHead(model, WORDS, "asked for"))]
    assert errors[0] < 1e-3 < errors[1]


def test_a_head_that_caps_under_a_name_of_its_own_is_found_out() -> None:
    head = head_of(made(CAPPED_IN_ITS_OWN_WAY))
    assert isinstance(head, LogitsHead)
    assert "hidden states times" in head.why


def test_logits_that_a_model_changes_a_little_are_found_out() -> None:
    model = made(CONFIGS["plain"])

    def warmer(_: Any, given: Any, found: Any) -> None:
        found.logits = found.logits * 1.001

    model.register_forward_hook(warmer)
    assert "hidden states times" in head_of(model).why


def test_a_head_that_is_another_kind_of_linear_is_not_taken_for_one() -> None:
    class Quantised(torch.nn.Linear):
        pass

    model = made(CONFIGS["plain"])
    model.lm_head = Quantised(32, WORDS, bias=False)
    assert head_of(model).why == "its head is a Quantised, not a Linear"


def saved(folder: Path, config: Any) -> Path:
    made(config).save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel({f"w{word}": word for word in range(WORDS)}, unk_token="w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="w0").save_pretrained(folder)
    return folder


class Largest(TorchDispatchMode):
    """The most elements of any tensor that torch was asked for inside the block."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        found = [leaf.numel() for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        self.elements = max([self.elements, *found])
        return result


def test_a_scorer_with_a_linear_head_never_holds_the_logits(tmp_path: Path) -> None:
    text = " ".join(f"w{word}" for word in range(200))
    scorer = CausalScorer(saved(tmp_path, CONFIGS["plain"]), device="cpu")
    assert scorer.scored_by == "hidden states"
    with Largest() as largest:
        said = scorer.start().read(text)
    assert len(said.bits) == 200
    assert largest.elements < 200 * WORDS / 2
    assert said.bits[0] == pytest.approx(math.log2(WORDS))  # no begin-of-text token


def test_a_scorer_that_needs_logits_says_so(tmp_path: Path) -> None:
    folder = saved(tmp_path, CAPPED_IN_ITS_OWN_WAY)
    with pytest.warns(RuntimeWarning, match="scored by its logits: they are not its hidden states"):
        scorer = CausalScorer(folder, device="cpu")
    assert scorer.scored_by == "logits"
    assert len(scorer.start().read("w1 w2 w3").bits) == 3
