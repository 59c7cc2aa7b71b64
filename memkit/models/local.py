"""sentence-transformers models, run on this machine. Needs the extra `local`."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memkit.errors import ModelError
from memkit.models.fingerprint import fingerprint
from memkit.offload import offload
from memkit.values import Space

try:
    from safetensors import SafetensorError
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.util import load_file_path
    from transformers.utils import logging as transformers_logging
except ImportError as error:
    raise ImportError('local embedding models need the extra "local": pip install "agentic-memkit[local]"') from error

# On a CPU the activations of a batch should fit its cache: about 1,000 tokens at four characters each.
# MiniLM on LoCoMo turns: 1.16 times as fast as batches of 32 texts, and as fast as batches cut by token counts.
CPU_CHARACTERS = 4096

loading = threading.Lock()  # the progress bars are switched off for the whole process while a model loads


class SentenceTransformerEmbedder:
    """A sentence-transformers model by its hub name, or from a folder (then nothing is downloaded).

    `device` is torch's name for it; None takes a GPU if there is one. `batch` bounds the texts in one forward pass.
    A prefix that is None is the one that the model's own files name for questions or documents, if any. A text
    that is longer than the model reads is cut off. The space names the model by its content, not by its place.

    Raises ModelError when the model cannot be loaded. Safe to use from several threads: they take turns, batch by batch.
    """

    def __init__(
        self,
        name_or_folder: str | os.PathLike[str],
        *,
        device: str | None = None,
        batch: int = 64,
        query_prefix: str | None = None,
        document_prefix: str | None = None,
        normalise: bool = True,
    ) -> None:
        if batch < 1:
            raise ValueError(f"batch must be at least 1, not {batch}")
        folder, self._model = _load(os.fspath(name_or_folder), device)
        self._batch = batch
        self._lock = threading.Lock()
        self._characters = CPU_CHARACTERS if self._model.device.type == "cpu" else None
        self._normalise = normalise
        prompts = self._model.prompts
        asked = prompts.get("query", "") if query_prefix is None else query_prefix
        told = _document_prompt(prompts) if document_prefix is None else document_prefix
        self._model.default_prompt_name = None  # prefixes are put in front by whoever reads the space
        if (asked or told) and any(getattr(module, "include_prompt", True) is False for module in self._model):
            raise ModelError(
                f"{name_or_folder} leaves its prompt out when it pools, which memkit cannot do with a prefix; "
                'pass query_prefix="" and document_prefix="", or take another model'
            )
        self._space = Space(
            model=fingerprint(folder),
            dimension=self._encode(["dimension"], threading.Event()).shape[1],
            normalised=normalise,
            query_prefix=asked,
            document_prefix=told,
        )

    @property
    def space(self) -> Space:
        return self._space

    async def embed(self, texts: Sequence[str], /, *, query: bool) -> NDArray[np.float32]:
        """See `memkit.ports.Embedder.embed`. When it is cancelled, the model stops after the batch that it is in."""
        if not texts:
            return np.empty((0, self._space.dimension), dtype=np.float32)
        stop = threading.Event()
        try:
            return await offload(self._encode, texts, stop)
        finally:
            stop.set()

    def _encode(self, texts: Sequence[str], stop: threading.Event) -> NDArray[np.float32]:
        parts: list[NDArray[np.float32]] = []
        batches = list(self._batches(texts))
        for rows in batches:
            with self._lock:  # a tokenizer that is in use in another thread raises "Already borrowed"
                if stop.is_set():
                    raise ModelError("embedding was cancelled")  # nobody is left to hear of it
                parts.append(self._forward([texts[row] for row in rows]))
        return np.concatenate(parts)[np.argsort([row for rows in batches for row in rows])]

    def _batches(self, texts: Sequence[str]) -> Iterator[list[int]]:
        """Row numbers, longest texts first: texts of like length waste no work on padding."""
        order = sorted(range(len(texts)), key=lambda row: -len(texts[row]))
        start = 0
        while start < len(order):
            size = self._batch
            if self._characters is not None:
                size = min(size, max(1, self._characters // max(1, len(texts[order[start]]))))
            yield order[start : start + size]
            start += size

    def _forward(self, texts: list[str]) -> NDArray[np.float32]:
        try:
            vectors = self._model.encode(
                texts, batch_size=len(texts), normalize_embeddings=self._normalise, show_progress_bar=False
            )
        except RuntimeError as error:  # torch raises nothing narrower
            raise ModelError(
                f"the embedding model failed on a batch of {len(texts)} texts ({error}); "
                "if memory ran out, make batch= smaller"
            ) from error
        return np.asarray(vectors, dtype=np.float32)


def _load(name: str, device: str | None) -> tuple[Path, SentenceTransformer]:
    """The model, and the folder that its files are in."""
    here = Path(name).expanduser()
    local = here.is_dir()
    # sentence-transformers looks here itself; that its files are found again, they must be looked for where it put them
    cache = os.environ.get("SENTENCE_TRANSFORMERS_HOME")
    try:
        with _without_progress_bars():
            source = str(here) if local else name
            model = SentenceTransformer(source, device=device, cache_folder=cache, local_files_only=local)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelError(
            f"cannot load the embedding model {name!r}: {error} (it must be a folder with a sentence-transformers model, "
            "or the name of one on the Hugging Face hub, which is downloaded the first time)"
        ) from error
    return here if local else _cached_folder(name, cache), model


def _cached_folder(name: str, cache: str | None) -> Path:
    """Where the hub's cache has the files of a model that has just been loaded."""
    for full in (name, f"sentence-transformers/{name}"):  # a name without an organisation is theirs, or an old one
        for file in ("modules.json", "config.json"):
            found = load_file_path(full, file, cache_folder=cache, local_files_only=True)
            if found is not None:
                return Path(found).parent
    raise ModelError(f"{name!r} was loaded, but its files are not in the cache; save it to a folder and give that")


def _document_prompt(prompts: dict[str, str]) -> str:
    """The names under which sentence-transformers itself looks for it, in its order."""
    return next((prompts[name] for name in ("document", "passage", "corpus") if prompts.get(name)), "")


@contextmanager
def _without_progress_bars() -> Iterator[None]:
    with loading:
        shown = transformers_logging.is_progress_bar_enabled()
        transformers_logging.disable_progress_bar()
        try:
            yield
        finally:
            if shown:
                transformers_logging.enable_progress_bar()
