"""sentence-transformers models, run on this machine. Needs the extra `local`."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memkit.errors import ModelError
from memkit.models.fingerprint import fingerprint
from memkit.offload import offload
from memkit.values import Space

try:
    import torch
    from safetensors import SafetensorError  # type: ignore[import-not-found,unused-ignore]  # an extra
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.util import load_file_path
    from transformers import PreTrainedTokenizerBase

    from memkit.models.loading import without_progress_bars
    from memkit.models.packed import CannotPackError, PackedEncoder, packed
except ImportError as error:
    raise ImportError(
        'local embedding models need the extra "local" of agentic-memkit (sentence-transformers, torch)'
    ) from error

# On a CPU the activations of a batch should fit its cache. Where the model pads, texts are sorted by tokens, and so many
# tokens are a batch.
CPU_TOKENS = 1024
# Where it does not pad, the encoder cuts its work to the cache by itself. This is how long a cancelled call goes on, about
# a second of MiniLM on two cores.
PACKED_CPU_TOKENS = 8192
TOKENISED = 8192  # texts whose tokens are held at once

_log = logging.getLogger("memkit")


class Way(NamedTuple):
    """How texts become vectors: `packed`, by memkit's own encoder without padding, or else by sentence-transformers."""

    packed: bool
    reason: str


class SentenceTransformerEmbedder:
    """A sentence-transformers model by its hub name, or from a folder (then nothing is downloaded).

    `device` is torch's name for it; None takes a GPU if there is one. `batch` bounds the texts in one forward pass; without
    padding, on a GPU, it is as many tokens as so many of the longest texts have. The weights keep the dtype of the model's files.
    A prefix that is None is the one that the model's own files name for questions or documents, if any. A text
    that is longer than the model reads is cut off. The space names the model by its content, not by its place.

    A model of BERT's kind runs without padding (`memkit_kernels.encode_packed`) if its vectors, tried when it is loaded, are
    those of sentence-transformers to 1e-5 (in half precision, to the precision). `way` says whether, and the log once.

    Raises ModelError when the model cannot be loaded. Safe to use from several threads: they take turns
    by the batch.
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
        self._normalise = normalise
        asked, told = _prefixes(self._model, query_prefix, document_prefix)
        self._packed, self._way = _packed(self._model, normalise)
        self._tokens = self._most_tokens()
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

    @property
    def way(self) -> Way:
        """How texts become vectors here, and why."""
        return self._way

    async def embed(self, texts: Sequence[str], /, *, query: bool) -> NDArray[np.float32]:
        """See `memkit.ports.Embedder.embed`. When it is cancelled, the model stops after the batch that it is in."""
        if not texts:
            return np.empty((0, self._space.dimension), dtype=np.float32)
        stop = threading.Event()
        try:
            return await offload(self._encode, texts, stop)
        finally:
            stop.set()

    def embed_on_device(self, texts: Sequence[str], /) -> torch.Tensor:
        """The same vectors as `embed`, float32 `[N, dimension]`, left on the device that the model runs on: what
        `memkit_kernels.sim_topk` takes. In this thread. No prefix is put before the texts."""
        if not texts:
            return torch.empty((0, self._space.dimension), device=self._model.device)
        return self._vectors(texts, threading.Event())

    def _encode(self, texts: Sequence[str], stop: threading.Event) -> NDArray[np.float32]:
        vectors: NDArray[np.float32] = self._vectors(texts, stop).cpu().numpy()
        return vectors

    @torch.inference_mode()
    def _vectors(self, texts: Sequence[str], stop: threading.Event) -> torch.Tensor:
        """Each different text is encoded once."""
        places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        distinct = list(places)
        parts = [self._some(distinct[start : start + TOKENISED], stop) for start in range(0, len(distinct), TOKENISED)]
        vectors = parts[0] if len(parts) == 1 else torch.cat(parts)
        if len(distinct) == len(texts):
            return vectors
        return vectors[torch.tensor([places[text] for text in texts], device=vectors.device)]

    def _some(self, texts: Sequence[str], stop: threading.Event) -> torch.Tensor:
        lengths, forward = self._read(texts)
        parts, order = [], []
        for rows in self._batches(lengths):
            with self._lock:  # a tokenizer that is in use in another thread raises "Already borrowed"
                if stop.is_set():
                    raise ModelError("embedding was cancelled")  # nobody is left to hear of it
                parts.append(_guarded(forward, rows))
            order += rows
        vectors = torch.cat(parts)
        return torch.empty_like(vectors).index_copy_(0, torch.tensor(order, device=vectors.device), vectors)

    def _read(self, texts: Sequence[str]) -> tuple[list[int], Callable[[list[int]], torch.Tensor]]:
        """The tokens in each text, and what makes vectors of some of them."""
        encoder = self._packed
        if encoder is None:
            return self._lengths(texts), lambda rows: self._padded([texts[row] for row in rows])
        with self._lock:
            tokens = encoder.tokens(texts)
        return [len(each) for each in tokens], lambda rows: encoder.vectors([tokens[row] for row in rows])

    def _most_tokens(self) -> int | None:
        """The tokens of a batch; None where a batch is so many texts."""
        cpu = self._model.device.type == "cpu"
        if self._packed is None:
            return CPU_TOKENS if cpu else None
        return PACKED_CPU_TOKENS if cpu else self._batch * self._packed.longest

    def _lengths(self, texts: Sequence[str]) -> list[int]:
        """The tokens in each text; for the few models whose tokenizer is not transformers', a guess."""
        if not isinstance(self._model.tokenizer, PreTrainedTokenizerBase):
            return [1 + len(text) // 4 for text in texts]
        with self._lock:
            cut = {"truncation": True, "max_length": self._model.max_seq_length}
            return [len(tokens) for tokens in self._model.tokenizer(list(texts), **cut)["input_ids"]]

    def _batches(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Row numbers, longest texts first: texts of like length waste no work on padding, and attend together."""
        order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
        start = 0
        while start < len(order):
            size = self._batch if self._packed is None else len(order)
            if self._tokens is not None:
                size = min(size, max(1, self._tokens // max(1, lengths[order[start]])))
            yield order[start : start + size]
            start += size

    def _padded(self, texts: list[str]) -> torch.Tensor:
        vectors: torch.Tensor = self._model.encode(
            texts,
            batch_size=len(texts),
            normalize_embeddings=self._normalise,
            show_progress_bar=False,
            convert_to_tensor=True,
        )
        return vectors.float()


def _guarded(forward: Callable[[list[int]], torch.Tensor], rows: list[int]) -> torch.Tensor:
    try:
        return forward(rows)
    except RuntimeError as error:  # torch raises nothing narrower
        raise ModelError(
            f"the embedding model failed on a batch of {len(rows)} texts ({error}); "
            "if memory ran out, make batch= smaller"
        ) from error


def _packed(model: SentenceTransformer, normalise: bool) -> tuple[PackedEncoder | None, Way]:
    """The encoder without padding, if the model can run on it. Where a GPU does without, that is a warning."""
    try:
        encoder = packed(model, normalise=normalise)
    except CannotPackError as error:
        level = logging.WARNING if model.device.type == "cuda" else logging.INFO
        _log.log(level, "the embedding model runs in sentence-transformers, with padding: %s", error)
        return None, Way(packed=False, reason=str(error))
    _log.info("the embedding model runs without padding on %s", model.device)
    return encoder, Way(packed=True, reason=f"its vectors are those of sentence-transformers on {model.device}")


def _load(name: str, device: str | None) -> tuple[Path, SentenceTransformer]:
    """The model, and the folder that its files are in."""
    here = Path(name).expanduser()
    local = here.is_dir()
    # sentence-transformers looks here itself; that its files are found again, they must be looked for where it put them
    cache = os.environ.get("SENTENCE_TRANSFORMERS_HOME")
    try:
        with without_progress_bars():
            source = str(here) if local else name
            model = SentenceTransformer(source, device=device, cache_folder=cache, local_files_only=local)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelError(
            f"cannot load the embedding model {name!r} (device: {device or 'any'}): {error}. It must be a folder with a "
            "sentence-transformers model, or the name of one on the Hugging Face hub, downloaded the first time"
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


def _prefixes(model: SentenceTransformer, query: str | None, document: str | None) -> tuple[str, str]:
    """What is put before questions and documents, by whoever reads the space: the model itself no longer does it."""
    model.default_prompt_name = None
    if query is None:
        query = model.prompts.get("query") or ""
    if document is None:  # the names are those that sentence-transformers looks for, in its order
        document = next(
            (model.prompts[name] for name in ("document", "passage", "corpus") if model.prompts.get(name)), ""
        )
    if (query or document) and any(getattr(module, "include_prompt", True) is False for module in model):
        raise ModelError(
            "this embedding model leaves its prompt out when it pools, which memkit cannot do with a prefix; "
            'pass query_prefix="" and document_prefix="", or take another model'
        )
    return query, document
