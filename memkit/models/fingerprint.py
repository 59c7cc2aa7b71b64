"""What names a model by its content, wherever its files lie. Knows files, no library."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path, PurePath

SAMPLE = 1 << 20  # bytes at either end of a file of weights; whole files would take a minute for a 7B model
SMALL_FILES = ("config.json", "sentence_bert_config.json", "tokenizer.json")


def fingerprint(folder: Path) -> str:
    """A name like "bert@1f3a…" for the model in a sentence-transformers or transformers folder.

    It depends on the weights (their sizes and both ends), the tokenizer, and the configuration of every module, and on
    nothing else: not on the folder's own name, the model card, or copies of the weights in other formats.
    """
    digest = hashlib.sha256()
    for file in _files(folder):
        size = file.stat().st_size
        digest.update(f"{file.relative_to(folder).as_posix()}\0{size}\0".encode())
        with file.open("rb") as content:
            digest.update(content.read(SAMPLE))
            if size > SAMPLE:
                content.seek(max(SAMPLE, size - SAMPLE))
                digest.update(content.read(SAMPLE))
    return f"{_label(folder)}@{digest.hexdigest()[:16]}"


def _files(folder: Path) -> Iterator[Path]:
    modules = folder / "modules.json"
    places = [folder]
    if modules.is_file():
        yield modules
        places = [folder / module["path"] for module in json.loads(modules.read_text(encoding="utf-8"))]
    for place in places:
        yield from (place / name for name in SMALL_FILES if (place / name).is_file())
        yield from sorted(place.glob("*.safetensors")) or sorted(place.glob("*.bin"))


def _label(folder: Path) -> str:
    """The name that the configuration has for the model, for people to read; it is part of what is digested."""
    file = folder / "config.json"
    config = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    name = str(config.get("_name_or_path") or "")
    is_path = PurePath(name).is_absolute() or name.startswith((".", "~")) or name.count("/") > 1 or "\\" in name
    return name if name and not is_path else str(config.get("model_type", "model"))
