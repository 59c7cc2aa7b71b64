"""From what was read out of a passage to what the graph is made of."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

from memkit.components.hipporag.normalise import Normaliser
from memkit.components.hipporag.openie import OpenIE, Triple
from memkit.components.hipporag.passages import Passage
from memkit.values import Extraction, Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """How readings are kept. `key` is what a name is known by. With `entities` the passage is linked to every name that was
    listed for it, otherwise to the ends of its facts alone, as in HippoRAG. With `embed` facts want vectors."""

    key: Normaliser
    entities: bool
    embed: bool

    def extraction(self, passage: Passage, read: OpenIE, *, by: str, stage: int) -> Extraction:
        """Names in the order in which they were read, the listed ones first, and each fact once.

        What has the key "" is no name: a fact with such an end is left out, and its other end stays a name. A fact whose ends
        have the same key stays, though it joins nothing.
        """
        keys = {text: self.key(text) for text in {*read.entities, *chain.from_iterable(read.triples)}}
        ends = [end for triple in read.triples for end in triple[::2]]
        shown: dict[str, str] = {}
        for name in (*(read.entities if self.entities else ()), *ends):
            shown.setdefault(keys[name], name)
        shown.pop("", None)
        facts: dict[Triple, Fact] = {}
        for triple in read.triples:
            key = (keys[triple[0]], keys[triple[1]], keys[triple[2]])
            if key[0] and key[2]:
                facts.setdefault(key, Fact(*key, shown=None if key == triple else triple, embed=self.embed))
        record = passage.record
        return Extraction(
            source=record.sources[0],
            namespace=record.namespace,
            component=record.component,
            names=tuple(shown),
            facts=tuple(facts.values()),
            shown={key: name for key, name in shown.items() if key != name},
            by=by,
            stage=stage,
        )
