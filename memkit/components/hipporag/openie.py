"""What was read out of a passage: open information extraction (OpenIE), by whatever means, and files of it in HippoRAG's
format."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b, md5
from os import PathLike
from pathlib import Path

from memkit.components.hipporag.normalise import Normaliser, published
from memkit.values import Extraction, Json, Record

Triple = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class OpenIE:
    """Named entities and triples of one passage, as they are written there."""

    entities: tuple[str, ...] = ()
    triples: tuple[Triple, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """What a file holds, counted as HippoRAG's own code does, which takes the empty name for a node like any other.

    `triples` are those of three items, `dropped` the others. `phrases` are the different subjects and objects,
    `passage_edges` the pairs of a passage and a phrase of its triples, `phrase_pairs` the unordered pairs of different phrases
    that a triple joins, `self_pairs` the phrases that one joins with themselves. `unlisted` triples have no end among the
    entities that were listed for their passage.
    """

    passages: int
    triples: int
    dropped: int
    unique_triples: int
    phrases: int
    relations: int
    passage_edges: int
    phrase_pairs: int
    self_pairs: int
    unlisted: int
    without_triple: int


class OpenIEFile:
    """The extractions of a corpus that were made before, from a JSON file as HippoRAG keeps it, read when this is made.

    `{"docs": [{"passage": "title\\ntext", "extracted_entities": [...], "extracted_triples": [[s, r, o], ...]}, ...]}`; a doc
    may have "title" and "text" in place of "passage", as older files do. A triple is a list of three texts or numbers;
    the others are left out, and `dropped` counts them. Entities that are neither are left out. Passages are found by
    their text, whatever blanks are in it; what a file has on one passage in several places is put together.

    Raises OSError when the file cannot be read, and ValueError, which names the doc, when it is not of this form.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)
        self.dropped = 0
        self._read: dict[bytes, OpenIE] = {}
        try:
            whole: Json = json.loads(self.path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{self.path} is no JSON: {error}") from error
        docs = whole.get("docs") if isinstance(whole, dict) else None
        if not isinstance(docs, list):
            raise ValueError(f'{self.path} is no OpenIE file: it should be an object with a list "docs"')
        for number, doc in enumerate(docs):
            try:
                self._take(doc)
            except ValueError as error:
                raise ValueError(f"{self.path}, doc {number}: {error}") from error

    def __len__(self) -> int:
        """How many passages it has."""
        return len(self._read)

    def find(self, passage: str) -> OpenIE | None:
        """What was read out of the passage, "title\\ntext" or the text alone; None when the file does not have it."""
        return self._read.get(_digest(passage))

    def matched(self, passages: Iterable[str]) -> int:
        """How many of the passages it has."""
        return sum(_digest(passage) in self._read for passage in passages)

    def statistics(self, normaliser: Normaliser = published) -> Statistics:
        """The counts of the graph that HippoRAG makes of the file."""
        unique: set[Triple] = set()
        relations: set[str] = set()
        pairs: set[frozenset[str]] = set()
        triples = edges = unlisted = without = 0
        for read in self._read.values():
            keys = [(normaliser(s), normaliser(r), normaliser(o)) for s, r, o in read.triples]
            listed = {normaliser(entity) for entity in read.entities}
            triples += len(keys)
            without += not keys
            unlisted += sum(listed.isdisjoint(triple[::2]) for triple in keys)
            edges += len({end for triple in keys for end in triple[::2]})
            unique.update(keys)
            relations.update(relation for _, relation, _ in keys)
            pairs.update(frozenset(triple[::2]) for triple in keys)
        alone = sum(len(pair) == 1 for pair in pairs)
        return Statistics(
            passages=len(self._read),
            triples=triples,
            dropped=self.dropped,
            unique_triples=len(unique),
            phrases=len(frozenset[str]().union(*pairs)),
            relations=len(relations),
            passage_edges=edges,
            phrase_pairs=len(pairs) - alone,
            self_pairs=alone,
            unlisted=unlisted,
            without_triple=without,
        )

    @staticmethod
    def write(path: str | PathLike[str], passages: Iterable[tuple[str, OpenIE]]) -> None:
        """Write passages ("title\\ntext") and what was read out of them, with all keys that HippoRAG's own files have. Its
        code and this class read it. See `told` for what a memory holds. Raises ValueError, and writes nothing, for a triple that
        is not of three texts."""
        listed = list(passages)
        for triple in (triple for _, read in listed for triple in read.triples):
            if not _whole(triple):
                raise ValueError(f"a triple has three texts, not {triple!r}")
        docs = [
            {
                "idx": f"chunk-{md5(passage.encode(), usedforsecurity=False).hexdigest()}",
                "passage": passage,
                "extracted_entities": list(read.entities),
                "extracted_triples": [list(triple) for triple in read.triples],
            }
            for passage, read in listed
        ]
        entities = [entity for _, read in listed for entity in read.entities]
        count = max(1, len(entities))
        whole = {
            "docs": docs,
            "avg_ent_chars": round(sum(map(len, entities)) / count, 4),
            "avg_ent_words": round(sum(len(entity.split()) for entity in entities) / count, 4),
        }
        Path(path).write_text(json.dumps(whole, ensure_ascii=False), encoding="utf-8")

    def _take(self, doc: Json) -> None:
        if not isinstance(doc, dict):
            raise ValueError("it should be an object")
        key = _digest(_passage(doc))
        known = self._read.get(key, OpenIE())
        entities = [_item(entity) for entity in _listed(doc, "extracted_entities")]
        triples = [_triple(triple) for triple in _listed(doc, "extracted_triples")]
        self.dropped += triples.count(None)
        self._read[key] = OpenIE(
            known.entities + tuple(entity for entity in entities if entity is not None),
            known.triples + tuple(triple for triple in triples if triple is not None),
        )


def told(records: Sequence[Record], extractions: Sequence[Extraction]) -> list[tuple[str, OpenIE]]:
    """Each record with what counts of its extractions, that of the highest stage, as it was written: what `OpenIEFile.write`
    takes. The names of a passage stand for its entities. Records that nothing was read out of are left out."""
    by_stage = sorted(extractions, key=lambda one: one.stage)
    counting = {one.source: one for one in by_stage}  # the last one of a source stays
    return [
        (
            record.embedded,
            OpenIE(tuple(read.shown.get(name, name) for name in read.names), tuple(fact.told for fact in read.facts)),
        )
        for record in records
        if (read := counting.get(record.sources[0])) is not None
    ]


def plain(text: str) -> str:
    """The text without blanks at its ends, and without what databases do not take: a blank stands for NUL, a question mark for
    half a character, which JSON can spell."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8").strip()


def _passage(doc: dict[str, Json]) -> str:
    passage = doc.get("passage")
    if passage is None:
        title, text = doc.get("title"), doc.get("text")
        if not isinstance(title, str) or not isinstance(text, str):
            raise ValueError('it has neither a "passage" nor a "title" and a "text"')
        passage = f"{title}\n{text}"
    if not isinstance(passage, str) or not passage.strip():
        raise ValueError('its "passage" should be a text')
    return passage


def _listed(doc: dict[str, Json], name: str) -> list[Json]:
    found = doc.get(name)
    if not isinstance(found, list):
        raise ValueError(f'its "{name}" should be a list')
    return found


def _whole(triple: Sequence[object]) -> bool:
    return len(triple) == 3 and all(isinstance(item, str) for item in triple)


def _triple(given: Json) -> Triple | None:
    if not isinstance(given, list) or len(given) != 3:
        return None
    items = [item for item in map(_item, given) if item is not None]
    return (items[0], items[1], items[2]) if len(items) == 3 else None


def _item(given: Json) -> str | None:
    """A text, or a number as Python writes it, which is what HippoRAG's code makes of it."""
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        return None
    return plain(str(given))


def _digest(passage: str) -> bytes:
    return blake2b(" ".join(passage.split()).encode("utf-8", "surrogatepass"), digest_size=16).digest()
