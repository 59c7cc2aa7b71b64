"""The options that commands share. Each group is a dataclass; a command takes the whole group as one parameter."""

from __future__ import annotations

import functools
import importlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_type_hints

import typer

import memkit
from memkit.errors import StoreError
from memkit.values import Scalar, utc

if TYPE_CHECKING:
    from memkit.memory import Memory
    from memkit.ports import Component
    from memkit.scope import Scope

WIRING = "memkit.wiring"  # loads memkit's machinery, for which `memkit --help` shall not wait


class Durability(StrEnum):
    disk = "disk"
    process = "process"


Embedder = Annotated[
    str,
    typer.Option(
        "--embedder",
        metavar="SPEC|none",
        help='Find by meaning too: "openai:NAME", or the name or folder of a sentence-transformers model.',
    ),
]
Speed = Annotated[
    Durability,
    typer.Option(
        "--durability", help="What survives: a power cut (disk), or the death of the process (process, faster)."
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How it is remembered."""

    components: Annotated[
        str | None,
        typer.Option("--components", metavar="A,B", help="The components that remember, by name.  [default: passages]"),
    ] = None
    llm: Annotated[
        str | None,
        typer.Option(
            "--llm",
            metavar="openai:NAME",
            help="The chat model of components that ask one, at OpenAI or where OPENAI_BASE_URL says.",
        ),
    ] = None

    def made(self) -> Sequence[Component] | None:
        """The components, None when none are named."""
        if self.components is None:
            return None
        made: Sequence[Component] = importlib.import_module(WIRING).components_from(self.components)
        return made


PASSAGES = Ways()  # what a command has that takes no others


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Which memory, and how to report."""

    db: Annotated[
        str, typer.Option("--db", envvar="MEMKIT_DB", metavar="PATH_OR_URL", help="A SQLite file, or postgresql://…")
    ] = "memkit.db"
    namespace: Annotated[
        str | None,
        typer.Option("--namespace", metavar="PATH", help='The namespace, such as "acme/ana".  [default: default]'),
    ] = None
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False

    @property
    def place(self) -> Scope:
        """The namespace as a scope argument, if one was given."""
        return {} if self.namespace is None else {"namespace": self.namespace}

    def open(
        self,
        *,
        ways: Ways = PASSAGES,
        embedder: str = "none",
        durability: Durability = Durability.disk,
        create: bool = False,
    ) -> Memory:
        """The memory. Unless `create`, a file that is not there is an error and is not made."""
        if not create:
            self.check()
        return memkit.open(
            self.db,
            components=ways.made(),
            llm=ways.llm,
            embedder=spec(embedder),
            durability="process" if durability is Durability.process else "disk",
        )

    def check(self) -> None:
        """Raise StoreError when there is no such file."""
        path = None if "://" in self.db or self.db == ":memory:" else Path(self.db)
        if self.db.startswith("sqlite:///"):
            path = Path(self.db.removeprefix("sqlite:///").partition("?")[0])
        if path is not None and path.name and not path.exists():
            raise StoreError(f"there is no memory at {path}; add something first, or name another with --db")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which events. All conditions hold together; one that is given several times holds for any of its values."""

    below: Annotated[bool, typer.Option("--below", help="The namespaces under this one as well.")] = False
    session: Annotated[list[str] | None, typer.Option("--session", metavar="NAME", help="Only of this session.")] = None
    role: Annotated[
        list[str] | None, typer.Option("--role", metavar="NAME", help='Only in this role, such as "user".')
    ] = None
    author: Annotated[list[str] | None, typer.Option("--author", metavar="NAME", help="Only by this author.")] = None
    kind: Annotated[
        list[str] | None, typer.Option("--kind", metavar="NAME", help='Only of this kind: "turn", "document".')
    ] = None
    ids: Annotated[list[str] | None, typer.Option("--id", metavar="ID", help="Only this event.")] = None
    since: Annotated[str | None, typer.Option("--since", metavar="TIME", help="Only what happened then or later.")] = (
        None
    )
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Only what happened before.")] = None
    as_of: Annotated[str | None, typer.Option("--as-of", metavar="TIME", help="Only what had been added by then.")] = (
        None
    )
    meta: Annotated[
        list[str] | None,
        typer.Option("--meta", metavar="KEY=VALUE", help="Only with this metadata. VALUE is JSON, or a text."),
    ] = None

    @property
    def narrow(self) -> bool:
        """Whether any condition was given."""
        return any(getattr(self, field.name) for field in fields(self) if field.name != "below")

    def scope(self, target: Target) -> Scope:
        """The target's namespace and the conditions as scope arguments; only those that were given."""
        found = target.place
        if self.below:
            found["below"] = True
        if self.session:
            found["session"] = self.session
        if self.role:
            found["role"] = self.role
        if self.author:
            found["author"] = self.author
        if self.kind:
            found["kind"] = self.kind
        if self.ids:
            found["ids"] = self.ids
        if self.since is not None:
            found["since"] = moment("--since", self.since)
        if self.until is not None:
            found["until"] = moment("--until", self.until)
        if self.as_of is not None:
            found["as_of"] = moment("--as-of", self.as_of)
        if self.meta:
            found["metadata"] = metadata(self.meta)
        return found


def spec(embedder: str) -> str | None:
    """The embedder's name, None for "none"."""
    return None if embedder == "none" else embedder


def moment(option: str, text: str) -> datetime:
    """The time that an option gives."""
    try:
        return utc(text)
    except ValueError:
        raise ValueError(f'{option}: {text!r} is not a time; write 2024-05-08 or "2024-05-08 14:30" (UTC)') from None


def metadata(pairs: list[str]) -> Mapping[str, Scalar]:
    """KEY=VALUE pairs; a value is a JSON number, true, false, null or quoted text, and any other text stands for itself."""
    found: dict[str, Scalar] = {}
    for pair in pairs:
        key, sign, text = pair.partition("=")
        if not key or not sign:
            raise ValueError(f"--meta: {pair!r} is not KEY=VALUE")
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = text
        found[key] = text if isinstance(value, (list, dict)) else value
    return found


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """The command with each parameter that is a group of options replaced by these options, for typer to read."""
    own: list[inspect.Parameter] = []
    groups: dict[str, type] = {}
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        if isinstance(parameter.annotation, type) and is_dataclass(parameter.annotation):
            groups[parameter.name] = parameter.annotation
        else:
            own.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
    shared = [parameter for group in groups.values() for parameter in _parameters(group)]

    @functools.wraps(command)
    def spreading(**options: object) -> None:
        for name, group in groups.items():
            given = {field.name: options.pop(field.name) for field in fields(group)}
            options[name] = group(**given)
        command(**options)

    spreading.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
    spreading.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *shared)}
    return spreading


def _parameters(group: type) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(group)
    ]
