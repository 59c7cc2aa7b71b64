"""The sentence-transformers adapter, with the real all-MiniLM-L6-v2."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from memkit.errors import ModelError
from memkit.models.checked import Checked
from memkit.models.fingerprint import fingerprint
from memkit.models.specs import embedder_from

if TYPE_CHECKING:
    from memkit.models.local import SentenceTransformerEmbedder

TEXTS = [
    "I moved to Lisbon in May.",
    "yes",
    "The old piano in the corner has not been tuned since my grandmother stopped playing it, twenty years ago.",
    "Does anybody know why the trains from Porto are late every Friday afternoon, or is it only mine?",
    "ok :)",
    "Olá! 你好，世界 🙂",
    "a long story " * 200,  # more than the 256 tokens that the model reads
    "",
]


@pytest.fixture
def folder(minilm_folder: Path, tmp_path: Path) -> Path:
    """A copy of the model's files under another name; the weights are the same file, reached by a link."""
    copy = tmp_path / "a model by another name"
    shutil.copytree(minilm_folder, copy, ignore=shutil.ignore_patterns("*.safetensors", "README.md"))
    (copy / "model.safetensors").symlink_to(minilm_folder / "model.safetensors")
    return copy


def ask(embedder: SentenceTransformerEmbedder, texts: list[str]) -> NDArray[np.float32]:
    return asyncio.run(embedder.embed(texts, query=False))


def test_vectors_are_those_of_sentence_transformers(minilm: SentenceTransformerEmbedder, minilm_folder: Path) -> None:
    texts = [f"{text} {n}" for n in range(2) for text in TEXTS]
    expected = minilm._model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    vectors = ask(minilm, texts)
    assert vectors.dtype == np.float32
    assert np.abs(vectors - expected).max() < 1e-5


def test_a_paraphrase_is_nearer_than_another_subject(minilm: SentenceTransformerEmbedder) -> None:
    said, paraphrase, unrelated = ask(
        minilm,
        ["Ana moved to Lisbon in May.", "She relocated to Portugal's capital last spring.", "Add salt to the soup."],
    )
    assert said @ paraphrase > 0.4
    assert said @ unrelated < 0.2


def test_the_space_says_what_the_vectors_are(minilm: SentenceTransformerEmbedder, minilm_folder: Path) -> None:
    space = minilm.space
    assert (space.dimension, space.normalised, space.query_prefix, space.document_prefix) == (384, True, "", "")
    assert space.model.startswith("nreimers/MiniLM-L6-H384-uncased@")
    assert str(minilm_folder) not in space.model
    assert ask(minilm, []).shape == (0, 384)


def test_the_same_model_in_another_folder_is_the_same_space(minilm: SentenceTransformerEmbedder, folder: Path) -> None:
    assert fingerprint(folder) == minilm.space.model


def test_a_change_of_weights_tokenizer_or_pooling_is_another_space(
    folder: Path, minilm: SentenceTransformerEmbedder
) -> None:
    for name in ("config.json", "tokenizer.json", "1_Pooling/config.json", "sentence_bert_config.json"):
        file = folder / name
        before = file.read_bytes()
        file.write_bytes(before + b"\n")
        assert fingerprint(folder) != minilm.space.model, name
        file.write_bytes(before)
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").write_bytes(weights[:-1] + b"\1")
    assert fingerprint(folder) != minilm.space.model


def test_threads_can_share_a_model(minilm: SentenceTransformerEmbedder) -> None:
    texts = [[f"{TEXTS[n % 4]} {n}", TEXTS[(n + 1) % 4]] for n in range(24)]
    alone = [ask(minilm, pair) for pair in texts]
    with ThreadPoolExecutor(6) as threads:
        together = list(threads.map(lambda pair: ask(minilm, pair), texts))
    assert np.abs(np.array(together) - np.array(alone)).max() < 1e-5


def test_the_event_loop_goes_on_while_the_model_works(minilm: SentenceTransformerEmbedder) -> None:
    async def turns() -> tuple[int, float]:
        start = time.perf_counter()
        work = asyncio.create_task(minilm.embed([f"{TEXTS[2]} {n}" for n in range(128)], query=False))
        count = 0
        while not work.done():
            await asyncio.sleep(0.001)
            count += 1
        return count, time.perf_counter() - start

    count, seconds = asyncio.run(turns())
    assert count > 5 + seconds * 10  # 1,000 a second on an idle machine


def test_a_cancelled_call_stops_working(minilm: SentenceTransformerEmbedder) -> None:
    async def cancel() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await minilm.embed([f"{TEXTS[2]} {n}" for n in range(2000)], query=False)

    start = time.perf_counter()
    asyncio.run(cancel())  # waits for the thread to end
    stopped = time.perf_counter() - start
    start = time.perf_counter()
    ask(minilm, [f"{TEXTS[2]} {n}" for n in range(100)])  # equal texts would be embedded once
    assert stopped < 10 * (time.perf_counter() - start)


def test_without_an_event_loop_the_work_is_done_in_place(minilm: SentenceTransformerEmbedder) -> None:
    threads = threading.active_count()
    with pytest.raises(StopIteration) as done:
        minilm.embed(["I moved to Lisbon in May."], query=False).send(None)
    assert threading.active_count() == threads
    assert np.abs(done.value.value - ask(minilm, ["I moved to Lisbon in May."])).max() < 1e-6


def test_checked_goes_well_with_it(minilm: SentenceTransformerEmbedder) -> None:
    vectors = asyncio.run(Checked(minilm).embed(TEXTS, query=False))
    assert np.abs(vectors[:-1] - ask(minilm, TEXTS)[:-1]).max() < 1e-5
    assert not vectors[-1].any()


def test_prompts_of_the_model_become_prefixes_of_the_space(folder: Path, minilm: SentenceTransformerEmbedder) -> None:
    from memkit.models.local import SentenceTransformerEmbedder

    settings = folder / "config_sentence_transformers.json"
    prompts = {"query": "query: ", "passage": "passage: "}
    settings.write_text(json.dumps({"prompts": prompts, "default_prompt_name": "query"}), encoding="utf-8")
    prompted = SentenceTransformerEmbedder(folder, device="cpu")
    assert (prompted.space.query_prefix, prompted.space.document_prefix) == ("query: ", "passage: ")
    unprompted = ask(prompted, TEXTS[:3])  # the adapter itself puts nothing in front
    assert np.abs(unprompted - ask(minilm, TEXTS[:3])).max() < 1e-5
    question = asyncio.run(Checked(prompted).embed(["Where?"], query=True))
    assert np.abs(question - ask(minilm, ["query: Where?"])).max() < 1e-5


def test_prefixes_can_be_given_and_switched_off(folder: Path) -> None:
    from memkit.models.local import SentenceTransformerEmbedder

    settings = folder / "config_sentence_transformers.json"
    settings.write_text(json.dumps({"prompts": {"query": "query: "}}), encoding="utf-8")
    space = SentenceTransformerEmbedder(folder, device="cpu", query_prefix="", document_prefix="text: ").space
    assert (space.query_prefix, space.document_prefix) == ("", "text: ")


def test_a_prompt_that_is_left_out_of_pooling_is_refused(folder: Path) -> None:
    from memkit.models.local import SentenceTransformerEmbedder

    pooling = folder / "1_Pooling" / "config.json"
    pooling.write_text(json.dumps({**json.loads(pooling.read_text()), "include_prompt": False}), encoding="utf-8")
    with pytest.raises(ModelError, match="leaves its prompt out when it pools"):
        SentenceTransformerEmbedder(folder, device="cpu", query_prefix="query: ")


def test_a_model_from_the_hub_is_the_same_space_as_its_folder(
    minilm: SentenceTransformerEmbedder, minilm_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "models--sentence-transformers--all-MiniLM-L6-v2"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("0" * 40)
    (place / "snapshots").mkdir()
    (place / "snapshots" / ("0" * 40)).symlink_to(minilm_folder, target_is_directory=True)
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path))
    assert embedder_from("all-MiniLM-L6-v2").space == minilm.space


def test_loading_is_quiet(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from memkit.models.local import SentenceTransformerEmbedder

    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    ask(SentenceTransformerEmbedder(folder, device="cpu"), TEXTS[:3])
    assert capfd.readouterr() == ("", "")
    assert (root.level, list(root.handlers)) == before


@pytest.mark.parametrize("damage", ["missing", "empty", "weights", "settings"])
def test_a_model_that_cannot_be_loaded_is_reported(folder: Path, damage: str) -> None:
    from memkit.models.local import SentenceTransformerEmbedder

    if damage == "missing":
        folder = folder / "nothing"
    elif damage == "empty":
        shutil.rmtree(folder)
        folder.mkdir()
    elif damage == "weights":
        (folder / "model.safetensors").unlink()
        (folder / "model.safetensors").write_bytes(b"not weights " * 100)
    else:
        (folder / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(ModelError, match=r"(?s)cannot load the embedding model .*It must be a folder"):
        SentenceTransformerEmbedder(folder, device="cpu")


def test_a_model_that_is_not_in_reach_is_reported() -> None:
    pytest.importorskip("sentence_transformers")
    with pytest.raises(ModelError, match="cannot load the embedding model 'nobody/nothing'"):
        embedder_from("nobody/nothing")


def test_a_failure_in_the_model_is_reported(folder: Path) -> None:
    from memkit.models.local import SentenceTransformerEmbedder

    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 5000}), encoding="utf-8")
    embedder = SentenceTransformerEmbedder(folder, device="cpu")  # it says 5,000 tokens, but has 512 positions
    with pytest.raises(ModelError, match="failed on a batch of 1 texts"):
        ask(embedder, ["word " * 600])


def test_mistakes_are_refused_at_the_door(minilm_folder: Path) -> None:
    from memkit.models.local import SentenceTransformerEmbedder

    with pytest.raises(ValueError, match="batch must be at least 1"):
        SentenceTransformerEmbedder(minilm_folder, batch=0)
    with pytest.raises(ValueError, match="not an empty text"):
        embedder_from("")
