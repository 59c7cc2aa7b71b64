"""The scope arguments that every verb takes, and the filter that they ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from memkit.intake import check_json, check_namespace, check_text, kind_of, to_moment
from memkit.values import Cue, Scalar, Space, Where

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

DEFAULT = "default"  # the namespace of a memory that was not bound to one


class Scope(TypedDict, total=False):
    """The scope arguments, the same on every verb. A text or several texts; see `memkit.values.Where`."""

    namespace: str
    below: bool
    session: str | Iterable[str] | None
    role: str | Iterable[str] | None
    author: str | Iterable[str] | None
    kind: str | Iterable[str] | None
    ids: str | Iterable[str] | None
    since: datetime | str | None
    until: datetime | str | None
    as_of: datetime | str | None
    metadata: Mapping[str, Scalar] | None


_SCOPE = frozenset(Scope.__annotations__)


def to_where(namespace: str, scope: Scope) -> Where:
    """The filter that the scope arguments ask for, in this namespace whatever they say of theirs."""
    unknown = sorted(scope.keys() - _SCOPE)
    if unknown:
        raise TypeError(f"unknown filter {', '.join(unknown)}; there are {', '.join(sorted(_SCOPE))}")
    moments = {name: scope.get(name) for name in ("since", "until", "as_of")}
    metadata = {} if scope.get("metadata") is None else scope["metadata"]
    if not isinstance(metadata, Mapping):
        raise TypeError(f"metadata is {kind_of(metadata)}; it must be a dict of what to compare")
    for key, value in metadata.items():
        if not isinstance(value, (str, int, float, bool, type(None))):
            raise TypeError(f"metadata[{key!r}] is {kind_of(value)}; filters compare single values")
    check_json(dict(metadata), "metadata")
    below = scope.get("below", False)
    if not isinstance(below, bool):
        raise TypeError(f"below is {below!r}; it can be True or False")
    return Where(
        namespace=namespace,
        below=below,
        sessions=_names("session", scope.get("session")),
        roles=_names("role", scope.get("role")),
        authors=_names("author", scope.get("author")),
        kinds=_names("kind", scope.get("kind")),
        ids=_names("ids", scope.get("ids")),
        metadata=dict(metadata),
        **{name: None if given is None else to_moment(given, name) for name, given in moments.items()},
    )


def _names(name: str, value: object) -> frozenset[str] | None:
    if value is None:
        return None
    if isinstance(value, str):
        return frozenset((check_text(value, name),))
    if isinstance(value, bytes) or not isinstance(value, Iterable):
        raise TypeError(f"{name} is {kind_of(value)}; it must be a text or several texts")
    return frozenset(check_text(one, name) for one in value)


@dataclass(frozen=True, slots=True)
class Binding:
    """The namespace that a memory is bound to, or None. Nothing outside it can be named."""

    namespace: str | None

    def path(self, namespace: str | None) -> str:
        """The full path of a namespace given by the caller."""
        if namespace is None:
            return self.namespace or DEFAULT
        check_namespace(namespace)
        return namespace if self.namespace is None else f"{self.namespace}/{namespace}"

    def inner(self, namespace: str) -> str:
        """The full path of a namespace that has to be named: a user who is None must not get everybody's memory."""
        return self.path(check_namespace(namespace))

    def where(self, scope: Scope) -> Where:
        """The filter that the scope arguments ask for."""
        return to_where(self.path(scope.get("namespace")), scope)

    def wide(self, scope: Scope) -> Where | None:
        """The namespace and all below it; None, everything, when neither the memory nor the caller names one."""
        narrower = sorted(scope.keys() - {"namespace", "below"})
        if narrower:
            raise TypeError(
                f"{', '.join(narrower)} cannot be asked for here; this verb takes namespace= and nothing else"
            )
        if self.namespace is None and scope.get("namespace") is None:
            return None
        return replace(self.where(scope), below=True)

    def doomed(self, scope: Scope, *, everything: bool) -> Where:
        """What `forget` is asked to forget: never all of a namespace by an oversight."""
        where = self.where(scope)
        if not (where.narrows or everything or scope.get("namespace") is not None):
            raise ValueError("forget what? Give ids, session, times, …, or everything=True for the whole namespace")
        return where

    def cue(
        self,
        text: str,
        *,
        k: int,
        neighbours: int,
        floor: float | None,
        vector: ArrayLike | None,
        space: Space | None,
        scope: Scope,
    ) -> Cue:
        """The question, checked."""
        if not isinstance(text, str):
            raise TypeError(f"the question is {kind_of(text)}; it must be a text")
        if not text.strip() and vector is None:
            raise ValueError("the question is empty; give a text, or a vector")
        check_count("k", k, least=1)
        check_count("neighbours", neighbours, least=0)
        check_floor(floor)
        given = None if vector is None else to_vector(vector, space)
        return Cue(text=text, where=self.where(scope), k=k, neighbours=neighbours, floor=floor, vector=given)


def check_count(name: str, value: int, *, least: int) -> None:
    """Raise ValueError when it is not a whole number of at least so many."""
    if type(value) is not int or value < least:  # True is an int, but no number of hits
        raise ValueError(f"{name} is {value!r}; it needs to be a whole number of at least {least}")


def check_floor(floor: object) -> None:
    """Raise ValueError when it is neither None nor a number from 0 to 1."""
    if floor is None or (isinstance(floor, (int, float)) and not isinstance(floor, bool) and 0 <= floor <= 1):
        return
    raise ValueError(f"floor is {floor!r}; scores lie between 0 and 1")


def to_vector(given: ArrayLike, space: Space | None) -> NDArray[np.float32]:
    """A caller's vector, of unit length where the space has that. Raises ValueError when it is not one of the space."""
    if space is None:
        raise ValueError("a vector was given, but this memory has no embedder to say what it means")
    try:
        vector = np.asarray(given, np.float32)
    except (TypeError, ValueError) as e:
        raise ValueError(f"the vector is not a list of numbers: {e}") from None
    if vector.shape != (space.dimension,):
        raise ValueError(f"the vector has shape {vector.shape}; {space.model} makes vectors of ({space.dimension},)")
    length = float(np.linalg.norm(vector))
    if not np.isfinite(length) or not length:
        raise ValueError("the vector is zero or holds NaN or infinity")
    return vector / np.float32(length) if space.normalised else vector
