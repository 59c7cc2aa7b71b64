"""Causal models as token models, on tiny models with random weights, compared with a loop that scores one token at a time."""

from __future__ import annotations

import json
import math
import warnings
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    MambaConfig,
    MambaForCausalLM,
    PreTrainedTokenizerFast,
)

from memkit.errors import ModelError
from memkit.models.causal import CausalScorer, _by_character
from memkit.models.specs import scorer_from

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memkit.values import Surprisal

END = "<|endoftext|>"
TEXT = "The cat said: “日本語 😀 is hard,” and left. The cat came back; the dog said nothing at all, and left too.\n"


def tokenizer(**special: str) -> PreTrainedTokenizerFast:
    """Byte-level BPE as GPT-2 has it, learned from next to nothing."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(["the cat said the dog and the cat"] * 5, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=made, **special)


def saved(folder: Path, model: Any, **special: str) -> Path:
    model.save_pretrained(folder)
    tokenizer(**special).save_pretrained(folder)
    return folder


def gpt2(positions: int = 64, scale: float = 0.5) -> GPT2LMHeadModel:
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=300,
        n_positions=positions,
        n_embd=32,
        n_layer=2,
        n_head=2,
        initializer_range=scale,
        bos_token_id=0,
        eos_token_id=0,
    )
    return GPT2LMHeadModel(config)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Several only wait for each other on models as small as these."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("gpt2"), gpt2(), bos_token=END, eos_token=END)


@pytest.fixture(scope="module")
def scorer(folder: Path) -> CausalScorer:
    return CausalScorer(folder, device="cpu")


def one_by_one(folder: Path, texts: list[str], window: int, *, begin: int | None = 0) -> list[tuple[float, float]]:
    """Bits and entropy of every raw token of the last text, each from a forward pass of its own, in float64."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64).eval()
    split = AutoTokenizer.from_pretrained(folder)
    context = [] if begin is None else [begin]
    told = []
    for text in texts:
        told = []
        for token in split(text, add_special_tokens=False)["input_ids"]:
            if len(context) >= window:
                context = context[-(window // 2) :]
                if begin is not None:
                    context[0] = begin
            if context:
                with torch.no_grad():
                    logs = torch.log_softmax(model(torch.tensor([context])).logits[0, -1], -1)
            else:
                logs = torch.full((300,), -math.log(300), dtype=torch.float64)
            told.append((-logs[token].item() / math.log(2), -(logs.exp() * logs).sum().item() / math.log(2)))
            context.append(token)
    return told


def close(said: Surprisal, expected: list[tuple[float, float]]) -> None:
    assert said.bits.sum() == pytest.approx(sum(bits for bits, _ in expected), rel=1e-5)
    assert said.entropy.sum() == pytest.approx(sum(entropy for _, entropy in expected), rel=1e-5)


def test_each_token_is_scored_by_what_came_before_it_and_not_by_the_next(scorer: CausalScorer, folder: Path) -> None:
    text = "the cat said the dog"  # ASCII: every token has characters of its own
    said = scorer.start().read(text)
    expected = one_by_one(folder, [text], 64)
    assert said.bits == pytest.approx([bits for bits, _ in expected], rel=1e-4)
    assert said.entropy == pytest.approx([entropy for _, entropy in expected], rel=1e-4)
    assert said.bits.dtype == said.entropy.dtype == np.float32
    assert said.start.dtype == said.end.dtype == np.int32


@pytest.mark.parametrize("window", [4, 7, 16, 64])
def test_a_long_text_is_read_by_windows_that_overlap_by_half(folder: Path, window: int) -> None:
    said = CausalScorer(folder, device="cpu", window=window).start().read(TEXT)
    close(said, one_by_one(folder, [TEXT], window))


def test_reading_goes_on_from_call_to_call_across_windows(folder: Path) -> None:
    reading = CausalScorer(folder, device="cpu", window=16).start()
    texts = ["the cat", "", " said the dog and the cat", TEXT, " and left"]
    for place, text in enumerate(texts):
        said = reading.read(text)
        close(said, one_by_one(folder, texts[: place + 1], 16))


def test_spans_are_of_characters_and_never_divide_one(scorer: CausalScorer) -> None:
    said = scorer.start().read(TEXT)
    spans = list(zip(said.start.tolist(), said.end.tolist(), strict=True))
    assert all(one[1] <= other[0] for one, other in pairwise(spans))
    assert all(start < end for start, end in spans)
    assert {TEXT[start:end].strip("“ ") for start, end in spans} >= {"日", "本", "語", "😀"}
    assert "".join(TEXT[start:end] for start, end in spans) == TEXT


def test_tokens_without_a_character_of_their_own_join_their_neighbours() -> None:
    spans = [(0, 0), (0, 0), (0, 2), (2, 3), (2, 3), (3, 3), (5, 6)]
    said = _by_character(spans, [(1.0, 0.5)] * 7)
    assert said.start.tolist() == [0, 2, 5]
    assert said.end.tolist() == [2, 3, 6]
    assert said.bits.tolist() == [3, 3, 1]
    assert said.entropy.tolist() == [1.5, 1.5, 0.5]


@given(st.text(st.characters(), max_size=60))
@settings(max_examples=40)
def test_any_text_can_be_read(scorer: CausalScorer, text: str) -> None:
    """Lone surrogates and names of special tokens as well."""
    said = scorer.start().read(text)
    assert np.isfinite(said.bits).all()
    assert (said.bits >= 0).all()
    assert (said.entropy >= 0).all()
    assert (said.end <= len(text)).all()
    assert (said.start[1:] >= said.end[:-1]).all()
    assert bool(text) == bool(len(said.bits))


def test_the_name_of_a_special_token_is_text(scorer: CausalScorer) -> None:
    said = scorer.start().read(f"a {END} b")
    assert len(said.bits) > 8


def test_a_fork_goes_on_from_the_same_place_by_itself(folder: Path) -> None:
    scorer = CausalScorer(folder, device="cpu", window=16)
    reading = scorer.start()
    reading.read(TEXT)
    fork = reading.fork()
    fork.read("something else entirely, and more of it than fits a window")
    assert fork.read("the cat").bits.tolist() != reading.fork().read("the cat").bits.tolist()
    alone = scorer.start()
    alone.read(TEXT)
    assert reading.read("the dog").bits.tolist() == alone.read("the dog").bits.tolist()


def test_a_fork_of_a_reading_that_has_read_nothing_is_a_start(scorer: CausalScorer) -> None:
    assert scorer.start().fork().read("the cat").bits.tolist() == scorer.start().read("the cat").bits.tolist()


def test_the_same_calls_give_the_same_bits(scorer: CausalScorer) -> None:
    one, other = scorer.start().read(TEXT), scorer.start().read(TEXT)
    assert one.bits.tolist() == other.bits.tolist()
    assert one.entropy.tolist() == other.entropy.tolist()


def test_without_a_token_to_begin_with_the_first_one_is_one_of_all(tmp_path: Path) -> None:
    folder = saved(tmp_path, gpt2())
    said = CausalScorer(folder, device="cpu").start().read("the cat")
    close(said, one_by_one(folder, ["the cat"], 64, begin=None))
    assert said.bits[0] == pytest.approx(math.log2(300))


def test_probabilities_are_made_in_float32_though_the_weights_are_not(folder: Path) -> None:
    """In half precision a confident model's losing tokens would have infinite bits, and be the most surprising for ever."""
    said = CausalScorer(folder, device="cpu", dtype="bfloat16").start().read(TEXT)
    exact = CausalScorer(folder, device="cpu").start().read(TEXT)
    assert np.isfinite(said.bits).all()
    assert said.bits.max() > 17  # smaller than the least half-precision number above 0
    assert said.bits.sum() == pytest.approx(exact.bits.sum(), rel=0.1)


def test_a_model_that_keeps_no_cache_of_keys_is_read_too(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = MambaConfig(vocab_size=300, hidden_size=16, num_hidden_layers=1, state_size=4)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="transformers")  # it tells of kernels that are not installed
        folder = saved(tmp_path, MambaForCausalLM(config), bos_token=END)
        reading = CausalScorer(folder, device="cpu", window=16).start()
        reading.read("the dog said")
        close(reading.read(" the cat"), one_by_one(folder, ["the dog said", " the cat"], 16))


def test_weights_that_make_no_numbers_are_an_error_and_not_a_score(tmp_path: Path) -> None:
    model = gpt2()
    with torch.no_grad():
        model.transformer.wte.weight.fill_(math.nan)
    folder = saved(tmp_path, model, bos_token=END)
    with pytest.raises(ModelError, match="NaN"):
        CausalScorer(folder, device="cpu").start().read("the cat")


def test_the_name_is_that_of_the_content_and_tells_the_parameters(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    copy.mkdir()
    for file in folder.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    names = {CausalScorer(place, device="cpu").name for place in (folder, copy)}
    assert len(names) == 1
    assert CausalScorer(folder, device="cpu", window=16).name not in names
    assert str(folder) not in names.pop()


def test_a_text_names_a_scorer(folder: Path, scorer: CausalScorer) -> None:
    assert scorer_from(str(folder)).name == scorer.name
    with pytest.raises(ValueError, match="folder"):
        scorer_from("")


@pytest.mark.parametrize(("window", "why"), [(3, "at least 4"), (65, "64 positions")])
def test_a_window_that_cannot_be_is_refused(folder: Path, window: int, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        CausalScorer(folder, device="cpu", window=window)


def test_a_dtype_that_torch_does_not_have_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="bfloat16"):
        CausalScorer(folder, dtype="float17")


def test_a_model_that_is_not_on_this_machine_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(ModelError, match="download=True"):
        CausalScorer("nobody/has-this-model")


def test_a_folder_without_a_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot load the causal model"):
        CausalScorer(tmp_path)


def test_a_damaged_model_is_an_error(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{}")
    with pytest.raises(ModelError, match="cannot load the causal model"):
        CausalScorer(tmp_path)
    assert json.loads((folder / "config.json").read_text())["model_type"] == "gpt2"
