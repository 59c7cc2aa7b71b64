"""HippoRAG 1 and 2 (arXiv 2405.14831, NeurIPS 2024; arXiv 2502.14802, ICML 2025): passages, the names and facts in them, and
personalised PageRank from what a question names.

docs/components/hipporag.md says how it works, and where it departs from the papers and their code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from memkit.components.hipporag import reading
from memkit.components.hipporag.extraction import Keeping
from memkit.components.hipporag.normalise import Named, Normaliser
from memkit.components.hipporag.normalise import normaliser as normaliser_of
from memkit.components.hipporag.openie import OpenIE as OpenIE
from memkit.components.hipporag.openie import OpenIEFile as OpenIEFile
from memkit.components.hipporag.openie import Statistics as Statistics
from memkit.components.hipporag.openie import told as told
from memkit.components.hipporag.passages import NAME, Passage, passages
from memkit.components.hipporag.recalling import Filter, Recalling
from memkit.components.hipporag.rules import extract
from memkit.components.hipporag.settings import Settings as Settings
from memkit.offload import offload
from memkit.ports import View
from memkit.values import Cue, Draft, Event, Extraction, Hit, Weave

Extractor = Literal["rules"] | OpenIEFile | None

FIRST, SECOND = 0, 1  # the stages of extraction: at once, and by the chat model


class HippoRAG:
    """Remembers passages and what they say of whom, as a graph; recalls passages by walking it from what a question names.

    `version` 2 has passages as nodes of the graph, 1 has not. `extractor` reads each passage when it comes: "rules", or an
    `OpenIEFile`, which has to have every passage; None leaves it to the chat model. With `refine`, `sync` lets the chat model, if
    the memory has one, read passages again that were not read from a file; until then what was read first counts.
    `normaliser` makes of a name what it is known by: "unicode", "published" as in the papers' code, or a function.

    `filter` leaves out linked facts that do not help to answer, before the walk (recognition memory): by the chat model
    ("llm"), by "rules", or "auto": by the model if the memory has one. None keeps all. Version 1 has no such filter by a model:
    there the model names what the question is about. `settings` has the numbers of recall, each with its source;
    `HippoRAG.published(version)` has all that was published.
    """

    name = NAME

    def __init__(
        self,
        *,
        version: Literal[1, 2] = 2,
        extractor: Extractor = "rules",
        refine: bool = True,
        normaliser: Named | Normaliser = "unicode",
        filter: Filter | None = "auto",  # noqa: A002  the argument is called what it is
        settings: Settings | None = None,
    ) -> None:
        if version not in (1, 2):
            raise ValueError(f"version is {version!r}; it can be 1 or 2")
        if extractor is not None and extractor != "rules" and not isinstance(extractor, OpenIEFile):
            raise ValueError(f"extractor is {extractor!r}; it can be 'rules', an OpenIEFile, or None")
        if filter is not None and filter not in get_args(Filter):
            raise ValueError(f"filter is {filter!r}; it can be {', '.join(map(repr, get_args(Filter)))}, or None")
        if settings is not None and settings.version != version:
            raise ValueError(f"the settings are those of version {settings.version}; give version={settings.version}")
        self._extractor = extractor
        self._refine = refine
        self._key = normaliser_of(normaliser)
        self._settings = settings or Settings(version=version)
        self._recalling = Recalling(key=self._key, settings=self._settings, filter=filter)

    @classmethod
    def published(
        cls,
        version: Literal[1, 2] = 2,
        *,
        extractor: Extractor = None,
        filter: Filter | None = "auto",  # noqa: A002  as above
    ) -> HippoRAG:
        """What the papers' official code does, with `Settings.published` and its normaliser: the chat model reads every passage,
        unless an `extractor` does, and filters (2) or names what is asked about (1)."""
        return cls(
            version=version,
            extractor=extractor,
            normaliser="published",
            filter=filter,
            settings=Settings.published(version),
        )

    @property
    def weave(self) -> Weave:
        """How the graph is woven. See `memkit.ports.Weaves`."""
        return self._settings.weave

    @property
    def refines(self) -> bool:
        """Whether a chat model would read passages again. See `memkit.ports.Refines`."""
        return self._refine and not isinstance(self._extractor, OpenIEFile)

    async def absorb(self, events: Sequence[Event], view: View, /) -> Draft:
        """See `memkit.ports.Component.absorb`. Raises ValueError for a passage that the OpenIE file does not have."""
        return await offload(self._draft, events)

    async def refine(self, events: Sequence[Event], view: View, /) -> Draft:
        """See `memkit.ports.Refines.refine`. A reply that cannot be used raises ModelReplyError; what was read first stays."""
        llm = view.llm
        if llm is None:
            return Draft()
        shown = [passage for event in events for passage in passages(event) if self._key(passage.shown)]
        found = await reading.read(shown, llm, self._key)
        keeping = Keeping(key=self._key, entities=self._settings.entities, embed=True)
        return Draft(
            extractions=tuple(
                keeping.extraction(passage, read, by=llm.model, stage=SECOND)
                for passage, read in zip(shown, found, strict=True)
            )
        )

    async def recall(self, cue: Cue, view: View, /) -> list[Hit]:
        """See `memkit.ports.Component.recall`."""
        return await self._recalling.hits(cue, view)

    def _draft(self, events: Sequence[Event]) -> Draft:
        shown = [passage for event in events for passage in passages(event)]
        extractions = () if self._extractor is None else tuple(self._read(passage) for passage in shown)
        return Draft(tuple(passage.record for passage in shown), extractions)

    def _read(self, passage: Passage) -> Extraction:
        if not isinstance(self._extractor, OpenIEFile):
            read = extract(passage.text, title=passage.title, author=passage.record.author)
            keeping = Keeping(key=self._key, entities=True, embed=self._settings.embed_rules)
            return keeping.extraction(passage, read, by="rules", stage=FIRST)
        found = self._extractor.find(passage.shown)
        if found is None:
            raise ValueError(
                f"{self._extractor.path} has nothing on the passage at characters {passage.record.sources[0].start} to "
                f"{passage.record.sources[0].end} of this event: it was made for another corpus, or for other passages "
                "(OpenIEFile.matched tells of how many it has something)"
            )
        keeping = Keeping(key=self._key, entities=self._settings.entities, embed=True)
        return keeping.extraction(passage, found, by="openie", stage=FIRST)
