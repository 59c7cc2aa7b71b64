"""`memkit add` and `memkit import`: what goes into a memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import memkit
from memkit.commands import files, options, output, shape
from memkit.commands.options import Durability, Target, Ways, spread

if TYPE_CHECKING:
    from memkit.intake import Addable
    from memkit.memory import Memory
    from memkit.values import Receipt


class Form(StrEnum):
    """What a file holds."""

    text = "text"
    document = "document"
    messages = "messages"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What is known of the events that are added. What a message says of itself goes before it."""

    session: Annotated[
        str | None, typer.Option("--session", metavar="NAME", help="The conversation it is part of.")
    ] = None
    role: Annotated[
        str | None, typer.Option("--role", metavar="NAME", help='Such as "assistant".  [default: user]')
    ] = None
    author: Annotated[str | None, typer.Option("--author", metavar="NAME", help="Who said or wrote it.")] = None
    kind: Annotated[
        str | None, typer.Option("--kind", metavar="NAME", help='What it is.  [default: "turn" or "document"]')
    ] = None
    at: Annotated[str | None, typer.Option("--at", metavar="TIME", help="When it happened.  [default: now]")] = None
    key: Annotated[
        str | None,
        typer.Option("--key", metavar="KEY", help="Add nothing if the namespace has an event with this key."),
    ] = None
    meta: Annotated[
        list[str] | None, typer.Option("--meta", metavar="KEY=VALUE", help="Metadata. VALUE is JSON, or a text.")
    ] = None

    def add(self, memory: Memory, what: Addable | Iterable[Addable], namespace: str | None) -> Receipt:
        """Add it to the memory with all that is known of it."""
        return memory.add(
            what,
            namespace=namespace,
            session=self.session,
            role=self.role,
            author=self.author,
            kind=self.kind,
            at=None if self.at is None else options.moment("--at", self.at),
            key=self.key,
            metadata=options.metadata(self.meta) if self.meta else None,
        )


@spread
def add(
    target: Target,
    said: Said,
    ways: Ways,
    text: Annotated[
        str | None,
        typer.Argument(metavar="TEXT|-", help='What to remember; "-" reads standard input.', show_default=False),
    ] = None,
    file: Annotated[str | None, typer.Option("--file", metavar="FILE", help="Remember this file instead.")] = None,
    form: Annotated[
        Form | None,
        typer.Option("--as", help="What it holds.  [default: messages in .jsonl, document in other files, else text]"),
    ] = None,
    title: Annotated[
        str | None, typer.Option("--title", help="The title of a document.  [default: the file's name]")
    ] = None,
    embedder: options.Embedder = "none",
    durability: options.Speed = Durability.disk,
) -> None:
    """Remember a text, a document, or messages.

    A file is one document, found by its passages. A .jsonl file has a message on each line: "content" and, if you like,
    "role", "name", "session", "at", "key", "metadata"; they are stored 1,000 at a time. With an embedder or a model what
    was added is absorbed at once, without either by the next recall.

    \b
    Examples:
      memkit add "I moved to Lisbon in May." --namespace ana --session s1
      memkit add --file handbook.md --title "Staff handbook"
      memkit add --file chat.jsonl --namespace ana
      git log -1 | memkit add - --kind note
    """
    if (text is None) == (file is None):
        raise ValueError('add what? Give a text, "-" for standard input, or --file FILE')
    name = file or (files.STDIN if text == files.STDIN else None)
    form = form or _form_of(name)
    if title is not None and form is not Form.document:
        raise ValueError(f"--title is for a document, and this is {form}; say --as document if it is one")
    with target.open(ways=ways, embedder=embedder, durability=durability, create=True) as memory:
        if name is not None and form is Form.messages:
            with files.rows(name, "Remembering") as rows:
                receipt = said.add(memory, files.messages(rows, name), target.namespace)
        else:
            receipt = said.add(memory, _whole(text, name, form, title), target.namespace)
        _index(memory, target, ways, embedder)
    _report(target, receipt, whole=True)


@spread
def import_(
    target: Target,
    ways: Ways,
    file: Annotated[
        str, typer.Argument(metavar="FILE|-", help='What `memkit export` wrote; "-" reads standard input.')
    ],
    embedder: options.Embedder = "none",
    durability: options.Speed = Durability.disk,
) -> None:
    """Read an export back, without loss.

    Every event keeps its id, times and namespace; with --namespace, events outside it are refused. Events that are
    there already are recognised by their ids, so importing twice, or again after an interruption, does no harm. Events are
    stored 1,000 at a time.

    \b
    Examples:
      memkit import backup.jsonl
      memkit export --db old.db | memkit import - --db new.db
    """
    with target.open(ways=ways, embedder=embedder, durability=durability, create=True) as memory:
        bound = memory if target.namespace is None else memory[target.namespace]
        with files.rows(file, "Importing") as rows:
            receipt = bound.add(memkit.read_export(rows))
        _index(memory, target, ways, embedder)
    _report(target, receipt, whole=False)


def _form_of(name: str | None) -> Form:
    if name is None or name == files.STDIN:
        return Form.text
    return Form.messages if Path(name).suffix.lower() in (".jsonl", ".ndjson") else Form.document


def _whole(text: str | None, name: str | None, form: Form, title: str | None) -> Addable:
    if form is Form.messages:
        raise ValueError("--as messages needs a file, or - for standard input")
    content = (text or "") if name is None else files.text(name)
    if form is Form.text:
        return content
    return memkit.Document(text=content, title=title or (None if name in (None, files.STDIN) else Path(name).stem))


def _index(memory: Memory, target: Target, ways: Ways, embedder: str) -> None:
    if options.spec(embedder) is not None or ways.llm is not None:
        memory.sync(**target.place)


def _report(target: Target, receipt: Receipt, *, whole: bool) -> None:
    """Say what happened; with `whole` also which events it was."""
    shaped = shape.of_receipt(receipt)
    if target.json:
        output.emit(shaped if whole else {name: value for name, value in shaped.items() if name != "ids"})
        return
    known = len(receipt.ids) - receipt.added
    lines = [f"{output.plural(receipt.added, 'event')} remembered" + (f", {known:,} known already" if known else "")]
    if whole and len(receipt.ids) == 1:
        lines.append(f"id {receipt.ids[0]}")
    output.console().print("; ".join(lines))
