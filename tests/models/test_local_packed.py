"""The embedder's own encoder, without padding: where it runs, that it says so, and that its vectors are the model's."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from memkit.errors import ModelError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from memkit.models.local import SentenceTransformerEmbedder

TEXTS = ["yes", "I moved to Lisbon in May.", "", "Olá! 你好，世界 🙂", "a long story " * 200, "yes"]


@pytest.fixture
def folder(minilm_folder: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "a copy"
    shutil.copytree(minilm_folder, copy, ignore=shutil.ignore_patterns("*.safetensors", "README.md"))
    (copy / "model.safetensors").symlink_to(minilm_folder / "model.safetensors")
    return copy


@pytest.fixture
def model(folder: Path) -> SentenceTransformer:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def changed(file: Path, **settings: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **settings}), encoding="utf-8")


def test_minilm_runs_without_padding_and_says_so(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    from memkit.models.local import SentenceTransformerEmbedder

    with caplog.at_level(logging.INFO, logger="memkit"):
        embedder = SentenceTransformerEmbedder(folder, device="cpu")
        asyncio.run(embedder.embed(TEXTS, query=False))
    assert embedder.way == (True, "its vectors are those of sentence-transformers on cpu")
    assert [record.getMessage() for record in caplog.records if record.name == "memkit"] == [
        "the embedding model runs without padding on cpu"
    ]


def test_its_vectors_are_those_of_sentence_transformers(minilm: SentenceTransformerEmbedder) -> None:
    expected = minilm._model.encode(TEXTS, show_progress_bar=False)
    assert np.abs(asyncio.run(minilm.embed(TEXTS, query=False)) - expected).max() < 1e-5


def test_vectors_on_the_device_are_what_embed_gives(minilm: SentenceTransformerEmbedder) -> None:
    import torch

    from memkit_kernels import sim_topk

    vectors = minilm.embed_on_device(TEXTS)
    assert (vectors.dtype, vectors.device, vectors.shape) == (torch.float32, minilm._model.device, (6, 384))
    assert torch.equal(vectors, torch.from_numpy(asyncio.run(minilm.embed(TEXTS, query=False))))
    assert sim_topk(vectors, vectors[:5], 1, metric="cosine")[1][:5, 0].tolist() == [0, 1, 2, 3, 4]
    assert minilm.embed_on_device([]).shape == (0, 384)


def test_equal_texts_get_equal_vectors(minilm: SentenceTransformerEmbedder) -> None:
    vectors = asyncio.run(minilm.embed(["yes", "no", "yes", "yes", "no"], query=False))
    assert np.array_equal(vectors[[0, 0, 1]], vectors[[2, 3, 4]])
    assert not np.array_equal(vectors[0], vectors[1])


def test_more_texts_than_are_tokenised_at_once_keep_their_order(
    minilm: SentenceTransformerEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [f"{'word ' * (number % 5)}{number}" for number in range(40)]
    at_once = asyncio.run(minilm.embed(texts, query=False))
    monkeypatch.setattr("memkit.models.local.TOKENISED", 7)
    monkeypatch.setattr(minilm, "_tokens", 30)
    assert np.abs(asyncio.run(minilm.embed(texts, query=False)) - at_once).max() < 1e-6


@pytest.mark.parametrize("mode", ["cls", "max", "lasttoken"])
def test_other_poolings_are_packed_too(folder: Path, mode: str) -> None:
    from memkit.models.local import SentenceTransformerEmbedder

    changed(folder / "1_Pooling" / "config.json", pooling_mode_mean_tokens=False, **{POOLINGS[mode]: True})
    embedder = SentenceTransformerEmbedder(folder, device="cpu")
    assert embedder.way.packed
    expected = embedder._model.encode(TEXTS, show_progress_bar=False)
    assert np.abs(asyncio.run(embedder.embed(TEXTS, query=False)) - expected).max() < 1e-5


POOLINGS = {"cls": "pooling_mode_cls_token", "max": "pooling_mode_max_tokens", "lasttoken": "pooling_mode_lasttoken"}


def test_without_normalising_vectors_keep_their_length(folder: Path) -> None:
    from memkit.models.local import SentenceTransformerEmbedder

    modules = folder / "modules.json"
    modules.write_text(json.dumps(json.loads(modules.read_text(encoding="utf-8"))[:2]), encoding="utf-8")
    embedder = SentenceTransformerEmbedder(folder, device="cpu", normalise=False)
    assert embedder.way.packed
    vectors = asyncio.run(embedder.embed(TEXTS, query=False))
    expected = embedder._model.encode(TEXTS, show_progress_bar=False)
    assert np.abs(vectors - expected).max() < 1e-5 * np.linalg.norm(expected, axis=1).max()
    assert np.linalg.norm(vectors, axis=1).max() > 1.1


def unpacked(folder: Path) -> str:
    """The reason for which the model in the folder is left to sentence-transformers, with vectors that are its own."""
    from memkit.models.local import SentenceTransformerEmbedder

    embedder = SentenceTransformerEmbedder(folder, device="cpu")
    assert not embedder.way.packed
    expected = embedder._model.encode(TEXTS[:4], normalize_embeddings=True, show_progress_bar=False)
    assert np.abs(asyncio.run(embedder.embed(TEXTS[:4], query=False)) - expected).max() < 1e-5
    return embedder.way.reason


def test_another_pooling_is_left_to_sentence_transformers(folder: Path) -> None:
    changed(folder / "1_Pooling" / "config.json", pooling_mode_mean_tokens=False, pooling_mode_weightedmean_tokens=True)
    assert unpacked(folder) == "it pools by 'weightedmean'"


def test_another_activation_is_left_to_sentence_transformers(folder: Path) -> None:
    changed(folder / "config.json", hidden_act="relu")
    assert "hidden_act must be one of" in unpacked(folder)


def test_a_model_that_says_it_reads_more_than_it_has_positions_is_left_alone(folder: Path) -> None:
    from memkit.models.local import SentenceTransformerEmbedder

    changed(folder / "sentence_bert_config.json", max_seq_length=5000)
    embedder = SentenceTransformerEmbedder(folder, device="cpu")
    assert embedder.way == (False, "it says that it reads 5000 tokens, and has 512 positions")
    with pytest.raises(ModelError, match="failed on a batch of 1 texts"):
        asyncio.run(embedder.embed(["word " * 600], query=False))


def test_further_modules_are_left_to_sentence_transformers(model: SentenceTransformer) -> None:
    import torch

    from memkit.models.packed import CannotPackError, packed

    model.append(torch.nn.Identity())
    with pytest.raises(CannotPackError, match="it is made of Transformer, Pooling, Normalize, Identity"):
        packed(model, normalise=True)


def test_a_model_that_cuts_its_vectors_is_left_to_sentence_transformers(model: SentenceTransformer) -> None:
    from memkit.models.packed import CannotPackError, packed

    model.truncate_dim = 100
    with pytest.raises(CannotPackError, match="its vectors are cut to 100 features"):
        packed(model, normalise=True)


def test_half_precision_on_a_cpu_is_left_to_sentence_transformers(model: SentenceTransformer) -> None:
    from memkit.models.packed import CannotPackError, packed

    with pytest.raises(CannotPackError, match=r"its weights are torch.float16 on a cpu"):
        packed(model.half(), normalise=True)


def test_an_encoder_that_would_give_other_vectors_is_refused(model: SentenceTransformer) -> None:
    """The network's own code differs from what its configuration says."""
    from memkit.models.packed import CannotPackError, packed

    model[0].auto_model.encoder.layer[3].output.LayerNorm.eps = 0.5
    with pytest.raises(CannotPackError, match="its vectors would differ by"):
        packed(model, normalise=True)


def test_an_encoder_that_would_read_other_tokens_is_refused(model: SentenceTransformer) -> None:
    from memkit.models.packed import CannotPackError, PackedEncoder, packed, tried

    class Deaf(PackedEncoder):
        def tokens(self, texts: Sequence[str]) -> list[list[int]]:
            return [[101, 102] for _ in texts]

    made = packed(model, normalise=False)
    assert made.normalise  # the model does by itself
    deaf = Deaf(
        weights=made.weights, tokenizer=made.tokenizer, longest=made.longest, mode=made.mode, normalise=made.normalise
    )
    with pytest.raises(CannotPackError, match="reads other tokens"):
        tried(deaf, model, normalise=True)
