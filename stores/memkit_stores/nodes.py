"""Names and facts in SQL: each once in its namespace and component, and there as long as an edge names it."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, exists, func, or_, select, tuple_

from memkit.errors import AbsorbError
from memkit.values import Fact
from memkit_stores.bulk import ask, put, take_ids
from memkit_stores.journal import CHUNK
from memkit_stores.tables import BARE_FACT, FACT, NAME, edges, likened, likenings, nodes, synonyms, vectors
from memkit_stores.words import pack

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Node = tuple[int, str]  # kind and text
Owner = tuple[str, str]  # namespace and component

_HALVES = re.compile("[\ud800-\udfff]").search
_COLUMNS = ("id", "namespace", "component", "kind", "text", "digest", "terms")


def digest(kind: int, text: str) -> bytes:
    """What a node is found by in SQL."""
    return blake2b(bytes([kind]) + text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def fact_of(text: str, shown: tuple[str, str, str] | None = None, *, embed: bool = True) -> Fact:
    """The fact that a node's text stands for: the inverse of `Fact.embedded`."""
    if "\\" in text:
        subject, relation, other = ast.literal_eval(text)
    else:  # a quote that is not escaped ends what it begins
        first = text.index(text[1], 2)
        second = text.index(text[first + 3], first + 4)
        subject, relation, other = text[2:first], text[first + 4 : second], text[second + 4 : -2]
    return Fact(subject, relation, other, shown, embed)


def intern(connection: Connection, owner: Owner, wanted: Collection[Node]) -> tuple[dict[Node, int], frozenset[int]]:
    """The ids of these nodes, and which of them are new: they are entered in the order given, each once."""
    by_digest = {digest(*node): node for node in dict.fromkeys(wanted)}
    found = _found(connection, owner, by_digest)
    new = [(key, node) for key, node in by_digest.items() if node not in found]
    ids = take_ids(connection, nodes, len(new))
    rows = [
        (id, *owner, kind, _storable(text, owner), key, pack(text) if kind == NAME else None)
        for id, (key, (kind, text)) in zip(ids, new, strict=True)
    ]
    put(connection, nodes, _COLUMNS, rows)
    found.update((node, id) for id, (_, node) in zip(ids, new, strict=True))
    return found, frozenset(ids)


def store_vectors(
    connection: Connection,
    number: int,
    given: Mapping[str, NDArray[np.float32]],
    found: Mapping[Node, int],
    new: frozenset[int],
) -> bool:
    """Enter the vectors, by text, of nodes that want one and have none in the space. Whether one of them is not new."""
    wanted = {id: given[text] for (kind, text), id in found.items() if kind != BARE_FACT and text in given}
    query = "SELECT record FROM vectors WHERE space = ? AND record IN (?*)"
    for (record,) in ask(connection, query, [-id for id in wanted if id not in new], number):
        del wanted[-record]
    rows = [(-id, number, vector.astype("<f4", copy=False).tobytes()) for id, vector in wanted.items()]
    put(connection, vectors, ("record", "space", "vector"), rows)
    return not new.issuperset(wanted)


def with_vectors(connection: Connection, owner: Owner, texts: Sequence[str], space: int) -> set[str]:
    """Those of the texts that are names or facts, and have vectors in the space as each of both that they are."""
    kinds = {False: (NAME,), True: (NAME, FACT)}  # the text of a fact begins with a bracket; that of a name may
    by_digest = {digest(kind, text): text for text in texts for kind in kinds[text.startswith("(")]}
    query = (
        "SELECT n.digest, v.record FROM nodes n LEFT JOIN vectors v ON v.record = -n.id AND v.space = ? "
        "WHERE n.namespace = ? AND n.component = ? AND n.digest IN (?*)"
    )
    rows = [(by_digest[bytes(key)], record) for key, record in ask(connection, query, list(by_digest), space, *owner)]
    return {text for text, _ in rows} - {text for text, record in rows if record is None}


def lacking_nodes(space: int) -> Select[int, str]:
    """Nodes that want a vector and have none in the space."""
    has = exists().where(and_(vectors.c.record == -nodes.c.id, vectors.c.space == space))
    return select(nodes.c.id, nodes.c.text).where(nodes.c.kind != BARE_FACT, ~has)


def remove_unnamed(connection: Connection, candidates: Iterable[int]) -> None:
    """Remove those of these nodes that no edge names any more, with what is known of them."""
    n, e = nodes.c, edges.c
    named = or_(*(exists().where(end == n.id) for end in (e.target, e.source, e.label)))
    ordered, doomed = sorted(candidates), list[int]()
    for start in range(0, len(ordered), CHUNK):
        some = n.id.in_(ordered[start : start + CHUNK])
        doomed += connection.execute(select(n.id).where(some, ~named)).scalars()
    for start in range(0, len(doomed), CHUNK):
        _remove(connection, doomed[start : start + CHUNK])


def remove_nodes(connection: Connection, *mine: ColumnElement[bool]) -> None:
    """Remove all nodes of a namespace and component, with what is known of them. No others have one as a synonym."""
    ids = select(nodes.c.id).where(*mine)
    connection.execute(delete(vectors).where(vectors.c.record.in_(select(-nodes.c.id).where(*mine))))
    for table in (synonyms, likened):
        connection.execute(delete(table).where(table.c.node.in_(ids)))
    connection.execute(delete(nodes).where(*mine))


def forget_likenings(connection: Connection, space: int) -> None:
    """Remove all synonyms that were found in a space."""
    ids = select(likenings.c.id).where(likenings.c.space == space)
    for table in (synonyms, likened):
        connection.execute(delete(table).where(table.c.likening.in_(ids)))
    connection.execute(delete(likenings).where(likenings.c.space == space))


def _found(connection: Connection, owner: Owner, by_digest: Mapping[bytes, Node]) -> dict[Node, int]:
    query = "SELECT digest, id FROM nodes WHERE namespace = ? AND component = ? AND digest IN (?*)"
    return {by_digest[bytes(key)]: id for key, id in ask(connection, query, list(by_digest), *owner)}


def _remove(connection: Connection, doomed: Sequence[int]) -> None:
    connection.execute(delete(vectors).where(vectors.c.record.in_([-id for id in doomed])))
    for table in (synonyms, likened):
        connection.execute(delete(table).where(table.c.node.in_(doomed)))
    _unlike(connection, doomed)
    connection.execute(delete(synonyms).where(synonyms.c.other.in_(doomed)))
    connection.execute(delete(nodes).where(nodes.c.id.in_(doomed)))


def _unlike(connection: Connection, doomed: Sequence[int]) -> None:
    """Give up the lists of synonyms that lose one of these nodes and were full: what would have come next is not known."""
    s, m = synonyms.c, likenings.c
    losing = select(s.node, s.likening).where(s.other.in_(doomed))
    full = (
        select(s.node, s.likening)
        .join(likenings, m.id == s.likening)
        .where(tuple_(s.node, s.likening).in_(losing))
        .group_by(s.node, s.likening, m.most)
        .having(func.count() >= m.most)
    )
    for node, likening in connection.execute(full).all():
        for table in (synonyms, likened):
            connection.execute(delete(table).where(table.c.node == node, table.c.likening == likening))


def _storable(text: str, owner: Owner) -> str:
    """The text. Raises AbsorbError when no database takes it: a model may write anything."""
    if text.isprintable() or ("\0" not in text and not _HALVES(text)):
        return text
    raise AbsorbError(f"component {owner[1]} drafted a name with a NUL or half a character in it: {text!r}")
