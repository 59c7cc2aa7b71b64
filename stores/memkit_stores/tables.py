"""The tables. Times are microseconds since 1970 in UTC; texts of the user's are only in `events`, `records`, `calls`,
`nodes` and `edges`.

`events` is the truth. `records`, `lineage` and `vectors` can be made again from it. There is no word table: a
record's words and marks are kept as hashes in `terms` (see `words`), so that a row's words go when the row goes.
`calls` has what models replied, which may quote the events that `call_sources` names.

What was read out of an event (`memkit.values.Extraction`) lies in `extractions` and `edges`, which may also be made
again. The names and facts themselves are `nodes`, each once in a namespace and component, and there as long as an edge
names it. Which names mean the same is kept in `synonyms`, once found, for each way to look for them (`likenings`).

A change here needs a step in `migrations`, which says which version has which of them.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()

_Serial = BigInteger().with_variant(Integer, "sqlite")
_Json = JSON().with_variant(JSONB, "postgresql")

meta = Table(
    "meta",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("position", _Serial, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False),
    Column("namespace", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("role", String),
    Column("author", String),
    Column("session", String),
    Column("key", String),
    Column("at", BigInteger, nullable=False),
    Column("recorded", BigInteger, nullable=False),
    Column("text", String, nullable=False),
    Column("metadata", _Json, nullable=False),
    # unique within a namespace only: an id that somebody else uses must not be noticed through the wall
    UniqueConstraint("id", "namespace"),
    Index("events_by_namespace", "namespace", "position"),
    # AUTOINCREMENT: a position is never given twice, or a cursor could pass over a new event
    sqlite_autoincrement=True,
)
Index(
    "events_by_key",
    events.c.namespace,
    events.c.key,
    unique=True,
    sqlite_where=events.c.key.is_not(None),
    postgresql_where=events.c.key.is_not(None),
)

records = Table(
    "records",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("namespace", String, nullable=False),
    Column("component", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("role", String),
    Column("author", String),
    Column("session", String),
    Column("at", BigInteger, nullable=False),
    Column("recorded", BigInteger, nullable=False),
    Column("text", String, nullable=False),
    Column("index_text", String),
    Column("metadata", _Json, nullable=False),
    Column("weight", Float, nullable=False),
    Column("embed", Boolean, nullable=False),
    Column("terms", LargeBinary, nullable=False),
    # where the first source lies: the order of a shelf
    Column("position", BigInteger, nullable=False),
    Column("start", Integer, nullable=False),
    Index("records_by_component", "namespace", "component", "id"),
    sqlite_autoincrement=True,
)

lineage = Table(
    "lineage",
    metadata,
    Column("record", BigInteger, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("event", BigInteger, nullable=False),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    PrimaryKeyConstraint("record", "ordinal"),
    Index("lineage_by_event", "event"),
    sqlite_with_rowid=False,
)

spaces = Table(
    "spaces",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("model", String, nullable=False),
    Column("dimension", Integer, nullable=False),
    Column("normalised", Boolean, nullable=False),
    Column("document_prefix", String, nullable=False),
    Column("query_prefix", String, nullable=False),
    Column("current", Boolean, nullable=False),
    UniqueConstraint("model", "dimension", "normalised", "document_prefix", "query_prefix"),
)

vectors = Table(
    "vectors",
    metadata,
    Column("record", BigInteger, nullable=False),  # the id of a record, or the negative of the id of a node
    Column("space", Integer, nullable=False),
    Column("vector", LargeBinary, nullable=False),  # float32, little-endian
    PrimaryKeyConstraint("record", "space"),
)

cursors = Table(
    "cursors",
    metadata,
    Column("namespace", String, nullable=False),
    Column("component", String, nullable=False),
    Column("position", BigInteger, nullable=False),
    PrimaryKeyConstraint("namespace", "component"),
)

deferred = Table(
    "deferred",
    metadata,
    Column("namespace", String, nullable=False),
    Column("component", String, nullable=False),
    Column("event", BigInteger, nullable=False),
    Column("error", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
    PrimaryKeyConstraint("namespace", "component", "event"),
)

# `version` grows with every change to the namespace's rows, `rewritten` is its value at the last change other
# than appending: what a cache of them compares. Both are clock readings, so that a namespace that comes back never repeats one.
namespaces = Table(
    "namespaces",
    metadata,
    Column("path", String, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("rewritten", BigInteger, nullable=False),
)

calls = Table(
    "calls",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("namespace", String, nullable=False),
    Column("component", String, nullable=False),
    Column("key", String, nullable=False),
    Column("reply", LargeBinary, nullable=False),  # UTF-8: no database takes every text that a model may write
    Column("at", BigInteger, nullable=False),
    UniqueConstraint("namespace", "component", "key"),
    sqlite_autoincrement=True,
)

call_sources = Table(
    "call_sources",
    metadata,
    Column("call", BigInteger, nullable=False),
    Column("event", BigInteger, nullable=False),
    PrimaryKeyConstraint("call", "event"),
    Index("call_sources_by_event", "event"),
    sqlite_with_rowid=False,
)

extractions = Table(
    "extractions",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("namespace", String, nullable=False),
    Column("component", String, nullable=False),
    Column("position", BigInteger, nullable=False),  # of the event
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("stage", Integer, nullable=False),
    Column("by", String, nullable=False),
    UniqueConstraint("position", "component", "start", "end", "stage", "namespace"),
    Index("extractions_by_component", "namespace", "component", "id"),
    sqlite_autoincrement=True,
)

# An edge from the passage (the extraction's span) to a name has neither `source` nor `label`. That of a fact goes from its
# subject to its object, and its label is the fact. `shown` is the name (a JSON string) or the fact (a list of three) as
# it was written, where that differs. Ordinals: first the names, then the facts, in the order of the extraction.
edges = Table(
    "edges",
    metadata,
    Column("extraction", BigInteger, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("source", BigInteger),  # a node
    Column("target", BigInteger, nullable=False),  # a node
    Column("label", BigInteger),  # a node
    Column("shown", String),
    PrimaryKeyConstraint("extraction", "ordinal"),
    Index("edges_by_target", "target"),
    sqlite_with_rowid=False,
)
for _end in (edges.c.source, edges.c.label):
    Index(f"edges_by_{_end.name}", _end, sqlite_where=_end.is_not(None), postgresql_where=_end.is_not(None))

NAME, FACT, BARE_FACT = 0, 1, 2  # the kinds of nodes; names and facts want vectors, bare facts do not

nodes = Table(
    "nodes",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("namespace", String, nullable=False),
    Column("component", String, nullable=False),
    Column("kind", Integer, nullable=False),
    Column("text", String, nullable=False),  # of a fact: `Fact.embedded`
    # 16 bytes that stand for kind and text (`nodes.digest`): no index of PostgreSQL takes every text
    Column("digest", LargeBinary, nullable=False),
    Column("terms", LargeBinary),  # of names (see `words`)
    UniqueConstraint("namespace", "component", "digest"),
    Index("nodes_by_component", "namespace", "component", "id"),
    sqlite_autoincrement=True,
)

# A way to look for synonyms, in one space: the fields of `memkit.values.Weave`.
likenings = Table(
    "likenings",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("space", Integer, nullable=False),
    Column("threshold", Float, nullable=False),
    Column("most", Integer, nullable=False),
    Column("letters", Integer, nullable=False),
    UniqueConstraint("space", "threshold", "most", "letters"),
    sqlite_autoincrement=True,
)

# `other` is among the `most` nearest names of `node`. A node that is not in `likened` has no list yet, and no entries.
synonyms = Table(
    "synonyms",
    metadata,
    Column("node", BigInteger, nullable=False),
    Column("likening", BigInteger, nullable=False),
    Column("other", BigInteger, nullable=False),
    Column("weight", Float, nullable=False),  # the cosine
    PrimaryKeyConstraint("node", "likening", "other"),
    Index("synonyms_by_other", "other"),
    sqlite_with_rowid=False,
)

likened = Table(
    "likened",
    metadata,
    Column("node", BigInteger, nullable=False),
    Column("likening", BigInteger, nullable=False),
    PrimaryKeyConstraint("node", "likening"),
    sqlite_with_rowid=False,
)
