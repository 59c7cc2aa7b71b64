"""The two texts, as they are given to `add`. Where they come from stands in PROVENANCE.md."""

from __future__ import annotations

import json
import re
from importlib.resources import files

from memkit.values import Document

BOOK, BOAT = "demo/book", "demo/boat"  # the namespaces they go to
PUBLISHED = "1865-11-26"

_CHAPTER = re.compile(r"^CHAPTER (?P<number>[IVX]+)\.\n(?P<title>.+)\n", re.MULTILINE)


def chapters() -> list[Document]:
    """The chapters of Alice's Adventures in Wonderland, in order."""
    text = _read("alice.txt")
    heads = list(_CHAPTER.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    return [
        Document(
            text=text[head.end() : end].strip(),
            title=f"Chapter {head['number']}. {head['title']}",
            metadata={"book": "Alice's Adventures in Wonderland", "chapter": number},
        )
        for number, (head, end) in enumerate(zip(heads, ends, strict=True), start=1)
    ]


def turns() -> list[dict[str, object]]:
    """What Ines and Jonah, who restore a boat together, wrote to each other from 6 to 20 May 2024."""
    return [json.loads(line) for line in _read("conversation.jsonl").splitlines()]


def _read(name: str) -> str:
    return (files("memkit.demo") / name).read_text(encoding="utf-8")
