"""Questions over a folder of text files: python examples/rag/ask.py FOLDER "What …?" [--embedder NAME]

Prints the passages that answer, with citations, ready for a prompt. Files that are there already and have not changed
are not read again; files that changed are forgotten and read anew.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator
from pathlib import Path

import memkit

SUFFIXES = (".txt", ".md")


def documents(folder: Path) -> Iterator[Path]:
    """The text files under the folder, in order."""
    return (path for path in sorted(folder.rglob("*")) if path.suffix in SUFFIXES and path.is_file())


def index(memory: memkit.Memory, folder: Path) -> int:
    """Bring the memory up to date with the folder; how many files were read."""
    known = {str(event.metadata["path"]): event for event in memory.history(kind="document")}
    read = 0
    for path in documents(folder):
        name, text = str(path.relative_to(folder)), path.read_text(encoding="utf-8", errors="replace")
        digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
        before = known.pop(name, None)
        if before is not None and before.metadata["sha256"] == digest:
            continue
        if before is not None:
            memory.forget(ids=before.id)
        if text.strip():
            what = memkit.Document(text=text, title=path.stem, metadata={"path": name, "sha256": digest})
            memory.add(what, key=f"{name}:{digest}")
            read += 1
    if known:  # their files are gone
        memory.forget(ids=[event.id for event in known.values()])
    return read


def ask(memory: memkit.Memory, question: str, *, tokens: int = 800) -> str:
    """A prompt's context for the question, with a list of the files that its marks stand for."""
    found = memory.recall(question, k=8, kind="document")
    if not found:
        return "Nothing in the folder is about that."
    context = found.context(tokens=tokens)
    cited = [f"[{rank}] {hit.metadata['path']}" for rank, hit in enumerate(found, 1) if hit in context.kept]
    return "\n".join([context.text, "", *cited])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("question")
    options.add_argument("--embedder")
    options.add_argument("--db", default="rag.db")
    given = options.parse_args()
    if not given.folder.is_dir():
        options.error(f"{given.folder} is not a folder")
    with memkit.open(given.db, embedder=given.embedder) as opened:
        memory = opened[f"folders/{given.folder.resolve().as_posix().strip('/')}"]  # one namespace for each folder
        print(f"{index(memory, given.folder)} files read")
        print(ask(memory, given.question))


if __name__ == "__main__":
    main()
