"""Passages read by a chat model, in two steps: their named entities, then the triples that hold them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from memkit.components.hipporag import prompts
from memkit.components.hipporag.normalise import Normaliser
from memkit.components.hipporag.openie import OpenIE, Triple, plain
from memkit.components.hipporag.passages import Passage
from memkit.errors import ModelError
from memkit.messages import Options, Shape
from memkit.ports import Llm
from memkit.values import Json

T = TypeVar("T")

MOST = 2048  # tokens of a reply, as in HippoRAG 2's code
LONGEST = 300  # characters of a name or relation: what is longer is a sentence
_log = logging.getLogger("memkit")
_TEXTS: Mapping[str, Json] = {"type": "array", "items": {"type": "string"}}


def _listed(reply: Json, name: str) -> list[Json]:
    found = reply.get(name) if isinstance(reply, dict) else None
    if not isinstance(found, list):
        raise ValueError(f'the reply must be an object with a list "{name}"')
    return found


def _read_entities(reply: Json) -> tuple[str, ...]:
    """In order, without repetition and without blank ones."""
    names = [plain(name) for name in _listed(reply, "named_entities") if isinstance(name, str)]
    return tuple(dict.fromkeys(name for name in names if name))


def _read_triples(reply: Json) -> tuple[Triple, ...]:
    """In order, without repetition and without those that are none."""
    listed = _listed(reply, "triples")
    found = [triple for one in listed if (triple := _triple(one)) is not None]
    if listed and not found:
        raise ValueError('each of the "triples" must be a list of three texts that are not empty')
    return tuple(dict.fromkeys(found))


def _triple(given: Json) -> Triple | None:
    if not isinstance(given, list) or len(given) != 3:
        return None
    items = [item for one in given if isinstance(one, str) and (item := plain(one))]
    return (items[0], items[1], items[2]) if len(items) == 3 else None


def _object(name: str, items: Mapping[str, Json]) -> Mapping[str, Json]:
    return {"type": "object", "properties": {name: dict(items)}, "required": [name], "additionalProperties": False}


ENTITIES = Shape(name="named_entities", schema=_object("named_entities", _TEXTS), read=_read_entities)
TRIPLES = Shape(name="triples", schema=_object("triples", {"type": "array", "items": dict(_TEXTS)}), read=_read_triples)


async def read(passages: Sequence[Passage], llm: Llm, key: Normaliser) -> list[OpenIE]:
    """What the model reads out of each passage, two questions a passage, many at once. Replies are kept with the passage's
    event: what was answered before is not asked again.

    Raises the ModelError of the first passage whose reply could not be used, or what concerns all of them.
    """
    about = [[passage.record.sources[0].event] for passage in passages]
    options = Options(temperature=0, most=MOST)
    questions = [prompts.entities(one.shown, one.record.author) for one in passages]
    replies = await llm.ask_all(questions, ENTITIES, stage="entities", options=options, sources=about)
    named = _whole(replies)
    questions = [
        prompts.triples(one.shown, one.record.author, names) for one, names in zip(passages, named, strict=True)
    ]
    answers = await llm.ask_all(questions, TRIPLES, stage="triples", options=options, sources=about)
    triples = _whole(answers)
    return [
        Grounds.of(one, key).kept(OpenIE(names, facts))
        for one, names, facts in zip(passages, named, triples, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a reply is held against: the key of the passage and of its author."""

    text: str
    key: Normaliser

    @staticmethod
    def of(passage: Passage, key: Normaliser) -> Grounds:
        return Grounds(key(f"{passage.record.author or ''}\n{passage.shown}"), key)

    def kept(self, read: OpenIE) -> OpenIE:
        """The entities that stand in the passage, and the triples that have an end in it. How many are left out, and why, is
        logged; what they say is not."""
        left: Counter[str] = Counter()
        entities = [name for name in read.entities if self._taken(self._entity(name), left)]
        triples = [triple for triple in read.triples if self._taken(self._triple(triple), left)]
        if left:
            reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(left.items()))
            _log.info("hipporag: of what a model read out of a passage were left out: %s", reasons)
        return OpenIE(tuple(entities), tuple(triples))

    @staticmethod
    def _taken(trouble: str | None, left: Counter[str]) -> bool:
        if trouble is not None:
            left[trouble] += 1
        return trouble is None

    def _entity(self, name: str) -> str | None:
        if len(name) > LONGEST:
            return "names that are too long"
        return None if self._stands(name) else "names that are not in the passage"

    def _triple(self, triple: Triple) -> str | None:
        if max(map(len, triple)) > LONGEST:
            return "triples that are too long"
        ends = triple[::2]
        if not all(map(self.key, ends)):
            return "triples with an end that names nothing"
        return None if any(map(self._stands, ends)) else "triples without an end in the passage"

    def _stands(self, name: str) -> bool:
        """Not by whole words: not all scripts part them, and an ending may have been left out."""
        key = self.key(name)
        return bool(key) and key in self.text


def _whole(replies: Sequence[T | ModelError]) -> list[T]:
    found: list[T] = []
    for reply in replies:
        if isinstance(reply, ModelError):
            raise reply
        found.append(reply)
    return found
