"""Questions over a folder of texts: python examples/rag/ask.py FOLDER "Who …?" [--llm openai:NAME] [--embedder NAME] [--steps]

With a chat model it answers and cites files and lines; without one it quotes the passages that tell. --steps is for
questions that no single passage answers. OPENAI_BASE_URL and OPENAI_API_KEY say which server. Reads .txt, .md, .rst and
.jsonl (lines with "text" and maybe "title"). Only what changed is read into the memory again; what is gone is forgotten.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import memkit
from memkit.agents import Expansion, Findings, MultiHop, StateMachine
from memkit.values import Json
from memkit.wiring import components_from

SUFFIXES = (".txt", ".md", ".markdown", ".rst", ".jsonl")
HEADINGS = {
    ".md": re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE),
    ".rst": re.compile(r"^(\S.*)\n(?:={3,}|-{3,}|~{3,})\s*$", re.MULTILINE),
}
HEADINGS[".markdown"] = HEADINGS[".md"]


@dataclass(frozen=True)
class Folder:
    """What is in a folder: its documents by key, files that cannot be read with the reason, and their paths."""

    documents: dict[str, memkit.Document]
    unread: dict[str, str]


@dataclass(frozen=True)
class Indexed:
    """What bringing the memory up to date came to, in documents."""

    new: int
    gone: int
    unread: dict[str, str]


def look_at(folder: Path) -> Folder:
    """Read the folder. A file is one document, of JSON lines each line is; the key has path, line and digest."""
    documents: dict[str, memkit.Document] = {}
    unread: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in SUFFIXES or path.is_dir():
            continue
        name = path.relative_to(folder).as_posix()
        try:
            text = path.read_text(encoding="utf-8-sig")
            if "\0" in text:
                raise ValueError("it is no text")
            parts = list(lines_of(text) if path.suffix.lower() == ".jsonl" else [(1, title_of(path, text), text)])
        except (OSError, ValueError) as e:
            unread[name] = str(e)
            continue
        for line, title, part in parts:
            if part.strip():
                digest = hashlib.sha256(f"{title}\n{part}".encode()).hexdigest()
                about: dict[str, Json] = {"path": name, "line": line}
                documents[f"{name}:{line}:{digest}"] = memkit.Document(text=part, title=title, metadata=about)
    return Folder(documents, unread)


def title_of(path: Path, text: str) -> str:
    """The first heading, or else the name of the file."""
    pattern = HEADINGS.get(path.suffix.lower())
    heading = pattern.search(text) if pattern else None
    return heading[1] if heading else path.stem


def lines_of(text: str) -> Iterator[tuple[int, str | None, str]]:
    """The documents in JSON lines, with their line numbers."""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        said = json.loads(line)
        if not isinstance(said, dict) or not isinstance(said.get("text"), str):
            raise ValueError(f'line {number} is no object with a "text"')
        title = said.get("title")
        yield number, title if isinstance(title, str) and title.strip() else None, said["text"]


async def index(memory: memkit.AsyncMemory, folder: Path) -> Indexed:
    """Bring the memory up to date with the folder. What a file said that cannot be read now stays."""
    found = look_at(folder)
    known = {str(event.key): event for event in await memory.history()}
    new = [key for key in found.documents if key not in known]
    for key in new:
        await memory.add(found.documents[key], key=key)
    gone = [
        event.id
        for key, event in known.items()
        if key not in found.documents and event.metadata["path"] not in found.unread
    ]
    if gone:
        await memory.forget(ids=gone)
    return Indexed(len(new), len(gone), found.unread)


async def places(memory: memkit.AsyncMemory, hits: Sequence[memkit.Hit]) -> list[str]:
    """File and lines of each hit."""
    events = {event.id: event for event in await memory.history(ids=[hit.events[0] for hit in hits])}
    told = []
    for source, hit in ((hit.sources[0], hit) for hit in hits):
        first = last = int(str(hit.metadata["line"]))
        event = events.get(source.event)
        if event is not None and not str(hit.metadata["path"]).endswith(".jsonl"):
            first += event.text.count("\n", 0, source.start)
            last = first + event.text[source.start : source.end].rstrip().count("\n")
        told.append(f"{hit.metadata['path']}:{first}" + (f"-{last}" if last > first else ""))
    return told


async def cited(memory: memkit.AsyncMemory, findings: Findings) -> str:
    """The answer with what it cites; without one, the passages."""
    hits = findings.citations if findings.answer else findings.recall.hits
    if not hits and not findings.answer:
        return "Nothing in the folder is about that."
    lines = [findings.answer, ""] if findings.answer else []
    if findings.answer and not hits:
        lines.append("It cites nothing: do not rely on it.")
    for mark, (place, hit) in enumerate(zip(await places(memory, hits), hits, strict=True), 1):
        title = hit.metadata.get("title")
        lines.append(f"[{mark}] {place}" + (f' "{title}"' if title else ""))
        lines += [f"    {line}" for line in hit.text.strip().splitlines()]
    return "\n".join(lines)


async def ask(memory: memkit.AsyncMemory, question: str, *, steps: bool = False, trace: bool = False) -> str:
    """The answer to a question, or what the folder says about it."""
    several = Expansion() if memory.llm is None else StateMachine()
    searching = MultiHop(memory, strategy=several if steps else Expansion(hops=0))
    verb = searching.recall if memory.llm is None else searching.ask
    try:
        findings = await verb(question)
    except memkit.ModelError as e:
        if searching.last is None:
            raise
        return f"[No answer: {e}]\n\n{await cited(memory, searching.last)}"
    told = await cited(memory, findings)
    if findings.ended == "gave up":
        told = f"[No answer: the model said nothing that can be used.]\n\n{told}"
    return f"{findings.explain()}\n\n{told}" if trace else told


async def main(words: Sequence[str] | None = None) -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", type=Path)
    options.add_argument("question")
    options.add_argument("--llm", help='a chat model, as in "openai:gpt-5-mini"')
    options.add_argument("--embedder", help='"openai:NAME", or the name or folder of a sentence-transformers model')
    options.add_argument("--steps", action="store_true", help="look in several steps")
    options.add_argument("--trace", action="store_true", help="print the steps, too")
    options.add_argument(
        "--components", default="hipporag", help='"hipporag" (the default), "passages", or both with a comma'
    )
    options.add_argument("--db", default="rag.db")
    given = options.parse_args(words)
    if not given.folder.is_dir():
        options.error(f"{given.folder} is not a folder")
    async with await memkit.open_async(
        given.db, components=components_from(given.components), embedder=given.embedder, llm=given.llm
    ) as opened:
        memory = opened[f"folders/{given.folder.resolve().as_posix().strip('/')}"]  # one namespace for each folder
        indexed = await index(memory, given.folder)
        for name, reason in indexed.unread.items():
            print(f"Not read: {name}: {reason}", file=sys.stderr)
        print(f"{indexed.new} documents read, {indexed.gone} forgotten", file=sys.stderr)
        print(await ask(memory, given.question, steps=given.steps, trace=given.trace))


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except (memkit.MemkitError, ValueError) as e:
        raise SystemExit(str(e)) from None
