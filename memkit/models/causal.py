"""Hugging Face causal language models as token models, run on this machine. Needs the extra `local`.

The text is scored by windows: a model reads at most `window` tokens, and when they are full it goes on with the newer
half of them. So each token, but for the first of the stream, is predicted from at least half a window, and a stream
of any length is read in bounded memory, each token passing through the model twice at most.

Where the model's head is a linear map of its last hidden states, as nearly all are, tokens are told from those by
`memkit_kernels.linear_surprisal`, and logits are never held (memkit/models/heads.py).
"""

from __future__ import annotations

import copy
import math
import os
import re
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from memkit.errors import ModelError
from memkit.models.fingerprint import fingerprint
from memkit.values import Surprisal

try:
    import torch
    from safetensors import SafetensorError  # type: ignore[import-not-found,unused-ignore]  # an extra
    from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase
    from transformers.utils import cached_file

    from memkit.models.heads import PROBE, Head, head_of
    from memkit.models.loading import without_progress_bars
except ImportError as error:
    raise ImportError('causal models need the extra "local" of agentic-memkit (transformers, torch)') from error

WINDOW = 1024  # tokens, unless the model reads fewer
LEAST_WINDOW = PROBE
ROWS = 256  # tokens that pass through the model at once; by logits, a vocabulary of 150,000 makes that 150 MB
_LONE = re.compile("[\ud800-\udfff]")  # no tokenizer takes a lone surrogate
_BITS = 1 / math.log(2)  # a nat


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A model with its tokenizer. `lock` is for the tokenizer: in use in another thread it raises "Already
    borrowed"."""

    model: Any  # transformers has no type for what AutoModelForCausalLM returns
    head: Head
    tokenizer: PreTrainedTokenizerBase
    window: int
    begin: int | None
    lock: threading.Lock


class CausalScorer:
    """A `memkit.ports.TokenScorer`: any causal model of transformers, from a folder or by its name.

    Only files that are on this machine are used unless `download` is true. `device` is torch's name for it; None
    takes a GPU if there is one. `dtype` is that of the weights; probabilities are always made in float32. `window` is
    how many tokens the model reads at once (None: 1024, or fewer if the model has no more positions).

    A stream begins with the tokenizer's begin-of-text token (or its end-of-text token, as GPT-2 has it); if it has
    neither, the first token of a stream is taken for one of all tokens alike. Where several tokens stand for one
    character, or one for none, they are told as one: spans never divide a character. Nothing in a text is a special
    token; "<s>" is three signs.

    `scored_by` tells whether logits are made. Where they are, a RuntimeWarning says why.

    Raises ModelError when the model cannot be loaded or used. The same calls give the same bits on the same device.
    """

    def __init__(
        self,
        name_or_folder: str | os.PathLike[str],
        *,
        device: str | None = None,
        dtype: str = "float32",
        window: int | None = None,
        download: bool = False,
    ) -> None:
        if window is not None and window < LEAST_WINDOW:
            raise ValueError(f"window is {window} tokens; it is at least {LEAST_WINDOW}")
        if not isinstance(getattr(torch, dtype, None), torch.dtype):
            raise ValueError(f"dtype is {dtype!r}; it is one of torch's, such as float32 or bfloat16")
        name = os.fspath(name_or_folder)
        folder, model, tokenizer = _load(name, device, dtype, download)
        positions = getattr(model.config, "max_position_embeddings", None)
        most = positions if isinstance(positions, int) and positions > 0 else None
        if window is not None and most is not None and window > most:
            raise ValueError(f"window is {window} tokens; {name!r} has {most} positions")
        if window is None:
            window = min(WINDOW, most or WINDOW)
        begin = tokenizer.bos_token_id
        if begin is None:
            begin = tokenizer.eos_token_id
        try:
            head = head_of(model)
        except (RuntimeError, ValueError) as error:  # torch raises nothing narrower
            raise ModelError(f"the causal model {name!r} failed on {PROBE} tokens ({error})") from error
        if head.why:
            warnings.warn(f"{name!r} is scored by its logits: {head.why}", RuntimeWarning, stacklevel=2)
        self._loaded = _Loaded(model, head, tokenizer, window, begin, threading.Lock())
        self._name = f"{fingerprint(folder)} {dtype} {window}"

    @property
    def name(self) -> str:
        """See `memkit.ports.TokenScorer.name`. It names the model by its content, not by its place."""
        return self._name

    @property
    def scored_by(self) -> str:
        """What tells tokens: "hidden states", without logits, or "logits", where the head is not known to be linear."""
        return "logits" if self._loaded.head.why else "hidden states"

    def start(self) -> CausalReading:
        """See `memkit.ports.TokenScorer.start`."""
        return CausalReading(self._loaded)


class CausalReading:
    """See `memkit.ports.Reading`. It holds the keys and values of at most a window of tokens."""

    def __init__(self, loaded: _Loaded) -> None:
        self._loaded = loaded
        self._read: list[int] = []  # the tokens that the model has in view
        self._cache: Any = None
        self._last: torch.Tensor | None = None  # what the head makes the next token's probabilities of, one row

    def read(self, text: str, /) -> Surprisal:
        """See `memkit.ports.Reading.read`. Tokens do not reach from one call into the next."""
        tokens, spans = self._tokens(text)
        try:
            with torch.inference_mode():
                told = [pair for part in self._parts(tokens) for pair in self._score(part)]
        except (RuntimeError, ValueError) as error:  # torch raises nothing narrower
            raise ModelError(f"the causal model failed on {len(tokens)} tokens ({error})") from error
        return _by_character(spans, told)

    def fork(self) -> CausalReading:
        """See `memkit.ports.Reading.fork`. Copies the keys and values."""
        other = CausalReading(self._loaded)
        with torch.inference_mode():
            other._cache = copy.deepcopy(self._cache)
        other._read, other._last = list(self._read), self._last
        return other

    def _tokens(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        if not text:
            return [], []
        with self._loaded.lock:
            found = self._loaded.tokenizer(
                _LONE.sub("\ufffd", text),
                add_special_tokens=False,
                return_offsets_mapping=True,
                split_special_tokens=True,
                truncation=False,
                verbose=False,
            )
        return found["input_ids"], found["offset_mapping"]

    def _parts(self, tokens: Sequence[int]) -> Iterator[list[int]]:
        """The tokens in parts that fit behind what the model has in view. Makes room when there is none."""
        begin, window = self._loaded.begin, self._loaded.window
        if not self._read and begin is not None:
            self._forward([begin])
        start = 0
        while start < len(tokens):
            if len(self._read) >= window:
                kept = self._read[-(window // 2) :]
                if begin is not None:
                    kept[0] = begin
                self._read, self._cache = [], None
                for first in range(0, len(kept), ROWS):
                    self._forward(kept[first : first + ROWS])
            stop = min(len(tokens), start + window - len(self._read), start + ROWS)
            yield list(tokens[start:stop])
            start = stop

    def _score(self, part: list[int]) -> list[tuple[float, float]]:
        """Bits and entropy of tokens that follow what was read. Each is told by the distribution that the one before
        it left."""
        head, before = self._loaded.head, self._last
        after = self._forward(part)
        if before is None:  # no begin-of-text token, and nothing read: all tokens alike
            alike, rows, labels = [math.log(head.words)], after[:-1], part[1:]
        else:
            alike, rows, labels = [], torch.cat((before[None], after[:-1])), part
        surprisal, entropy = head.told(rows, torch.tensor(labels, dtype=torch.int64, device=rows.device))
        if bool(torch.isnan(surprisal).any() | torch.isnan(entropy).any()):
            raise ModelError("the causal model gave NaN for a probability; try dtype='float32'")
        columns = (alike + surprisal.tolist(), alike + entropy.tolist())
        return [(bits * _BITS, expected * _BITS) for bits, expected in zip(*columns, strict=True)]

    def _forward(self, tokens: list[int]) -> torch.Tensor:
        """A row for each of the tokens, of which the head tells the next one. They have been read then."""
        whole = tokens if self._cache is not None or not self._read else self._read + tokens
        given = torch.tensor([whole], device=self._loaded.model.device)
        rows, self._cache = self._loaded.head.rows(given, self._cache)  # without a cache, the model reads all again
        self._read = self._read + tokens
        self._last = rows[-1].clone()
        return rows[-len(tokens) :]


def _by_character(spans: Sequence[tuple[int, int]], told: Sequence[tuple[float, float]]) -> Surprisal:
    """Tokens with a character of their own. One that shares its first with the token before, or has none, joins it."""
    merged: list[list[float]] = []  # start, end, bits, entropy
    for (start, end), (bits, entropy) in zip(spans, told, strict=True):
        last = merged[-1] if merged else None
        if last is not None and (start < last[1] or start == end or last[0] == last[1]):
            if last[0] == last[1]:  # only at the beginning: it waited for a character
                last[0] = start
            last[1] = max(last[1], end)
            last[2] += bits
            last[3] += entropy
        else:
            merged.append([start, end, bits, entropy])
    columns = np.array(merged, np.float64).reshape(-1, 4)
    return Surprisal(
        columns[:, 0].astype(np.int32),
        columns[:, 1].astype(np.int32),
        columns[:, 2].astype(np.float32),
        columns[:, 3].astype(np.float32),
    )


def _load(name: str, device: str | None, dtype: str, download: bool) -> tuple[Path, Any, PreTrainedTokenizerBase]:
    """The model, its tokenizer, and the folder that its files are in."""
    here = Path(name).expanduser()
    local = here.is_dir()
    source, only = str(here) if local else name, local or not download
    try:
        with without_progress_bars():
            tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=only)
            model = AutoModelForCausalLM.from_pretrained(
                source, dtype=getattr(torch, dtype), local_files_only=only, trust_remote_code=False
            )
            config = cached_file(source, "config.json", local_files_only=only)
        model = model.to(device or ("cuda" if torch.cuda.is_available() else "cpu")).eval()
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelError(
            f"cannot load the causal model {name!r} (device: {device or 'any'}): {error}. It must be a folder with a causal "
            "model of transformers and its tokenizer, or the name of one in the Hugging Face cache of this machine; "
            "download=True fetches it"
        ) from error
    if not tokenizer.is_fast:
        raise ModelError(f"{name!r} has no tokenizer.json, and without it the place of a token in the text is unknown")
    return Path(config).parent, model, tokenizer
