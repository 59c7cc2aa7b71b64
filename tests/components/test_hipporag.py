"""What `HippoRAG` keeps of what is said: at once, and once a chat model has read it again."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import memkit
from memkit import Document, HippoRAG, Memory, OpenIEFile, Passages, UnreachableError
from memkit.components.hipporag import OpenIE, Settings, told
from memkit.components.hipporag.passages import LONGEST
from memkit.engine import Engine
from memkit.messages import Reply, Request
from memkit.models.calls import Limits
from memkit.models.checked import Checked
from memkit.models.metered import Metered
from memkit.ports import Embedder
from memkit.testing.embedders import HashEmbedder
from memkit.testing.scripted import ScriptedModel
from memkit.values import Extraction, Record, Where
from memkit.view import Workshop
from memkit_stores import SqlStore

ESK = "Gelt Mill stands on the Esk. Ada Munro built it in 1890."
Opened = Callable[..., Memory]


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Opens memories of which nobody waits before a second attempt, and that ask one question at a time."""
    with ExitStack() as stack:

        def open_memory(
            component: HippoRAG | None = None,
            *,
            llm: ScriptedModel | None = None,
            embedder: Embedder | None = None,
            where: str = ":memory:",
        ) -> Memory:
            store = SqlStore(where)
            checked = None if embedder is None else Checked(embedder)
            if checked is not None:
                store.spaces.use(checked.space, whole=False)
            metered = None if llm is None else Metered(llm, limits=Limits(at_once=1, repairs=0, retries=0))
            engine = Engine(Workshop(store, checked, metered), [component or HippoRAG()], pauses=())
            return stack.enter_context(Memory(engine))

        yield open_memory


def extractions(memory: Memory) -> list[Extraction]:
    return memory._engine.store.derived.extractions("hipporag", Where(namespace="default"))


def rows(memory: Memory) -> list[Record]:
    return list(memory.records("hipporag"))


def asked_about(request: Request) -> str:
    """The passage that a request shows."""
    found = re.search(r"<passage[^>]*>\n(.*?)\n</passage>", request.messages[-1].content, re.DOTALL)
    assert found is not None
    return found[1]


def first_and_last(request: Request) -> str:
    """A model that names the first and the last word of a passage, and says that one goes with the other."""
    words = asked_about(request).split()
    if request.schema_name == "named_entities":
        return json.dumps({"named_entities": [words[0], words[-1]]})
    return json.dumps({"triples": [[words[0], "goes with", words[-1]]]})


class TestAtOnce:
    """What is read by rules, or from a file, when it comes."""

    def test_a_passage_is_a_row_and_what_is_read_out_of_it(self, opened: Opened) -> None:
        memory = opened(embedder=HashEmbedder(16))
        memory.add(Document(text=ESK, title="Gelt Mill"))
        assert memory.sync().unembedded == 0
        (record,) = rows(memory)
        (read,) = extractions(memory)
        assert (record.text, record.sources) == (ESK, (read.source,))
        assert (read.by, read.stage) == ("rules", 0)
        assert {"gelt mill", "esk", "ada munro"} <= set(read.names)
        assert read.shown["ada munro"] == "Ada Munro"

    def test_the_title_and_the_author_are_among_the_names(self, opened: Opened) -> None:
        memory = opened()
        memory.add(Document(text="It stands on the Esk.", title="Gelt Mill"))
        memory.add("I swam in the Esk.", author="Ana")
        memory.sync()
        by_document, by_author = extractions(memory)
        assert {"gelt mill", "esk"} <= set(by_document.names)
        assert {"ana", "esk"} <= set(by_author.names)

    def test_a_long_text_is_split_at_sentence_borders(self, opened: Opened) -> None:
        memory = opened()
        memory.add(Document(text=f"{ESK} " * 100, title="Gelt Mill"))
        memory.sync()
        records = rows(memory)
        assert len(records) == len(extractions(memory)) > 1
        assert all(len(one.text) <= LONGEST and one.text.endswith(".") for one in records)
        assert all("gelt mill" in one.names for one in extractions(memory))

    def test_what_passages_finds_too_is_the_same_span_and_shown_once(self) -> None:
        with memkit.open(":memory:", components=[Passages(), HippoRAG()]) as memory:
            memory.add([Document(text=f"\n {ESK}\n\n"), "I swam in the Esk.\n"])
            found = memory.recall("Where on the Esk did I swim?")
            assert len(found) == 4
            assert {hit.sources[0] for hit in found if hit.component == "passages"} == {
                hit.sources[0] for hit in found if hit.component == "hipporag"
            }
            assert len(found.context(tokens=500).text.splitlines()) == 2

    def test_what_names_nothing_is_kept_and_found_all_the_same(self, opened: Opened) -> None:
        memory = opened()
        memory.add(["it rained and rained", "…", "and then it stopped"])
        memory.sync()
        assert [one.names for one in extractions(memory)] == [(), (), ()]
        assert len(rows(memory)) == 3

    def test_what_is_not_worth_remembering_is_no_passage(self, opened: Opened) -> None:
        memory = opened()
        memory.add("You are Ana.", role="system")
        memory.sync()
        assert rows(memory) == []
        assert extractions(memory) == []

    def test_without_an_extractor_and_a_model_passages_are_just_passages(self, opened: Opened) -> None:
        memory = opened(HippoRAG(extractor=None))
        memory.add(ESK)
        memory.sync()
        assert len(rows(memory)) == 1
        assert extractions(memory) == []

    @pytest.mark.slow
    def test_a_megabyte_is_read_in_parts(self, opened: Opened) -> None:
        memory = opened()
        memory.add(Document(text=f"{ESK} " * (1_000_000 // len(ESK)), title="Gelt Mill"))
        assert memory.sync().deferred == ()
        assert len(rows(memory)) > 250


@pytest.fixture
def file(tmp_path: Path) -> OpenIEFile:
    triples = (("Gelt Mill", "stands on", "Esk"), ("Ada Munro", "built", "Gelt Mill"), ("Gelt Mill", "is", "Gelt Mill"))
    read = OpenIE(("Gelt Mill", "Esk", "Ada Munro", "1890"), triples)
    OpenIEFile.write(tmp_path / "openie.json", [(f"Gelt Mill\n{ESK}", read), ("Esk\nA river.", OpenIE())])
    return OpenIEFile(tmp_path / "openie.json")


class TestFromAFile:
    """What was read before, and is in an OpenIE file."""

    def test_its_names_are_the_ends_of_triples_and_those_that_it_lists(self, opened: Opened, file: OpenIEFile) -> None:
        memory = opened(HippoRAG(extractor=file))
        memory.add([Document(text=ESK, title="Gelt Mill"), Document(text="A river.", title="Esk")])
        assert memory.sync().deferred == ()
        first, second = extractions(memory)
        assert (first.by, first.names) == ("openie", ("gelt mill", "esk", "ada munro", "1890"))
        assert [fact.told for fact in first.facts][:2] == [
            ("Gelt Mill", "stands on", "Esk"),
            ("Ada Munro", "built", "Gelt Mill"),
        ]
        assert all(fact.embed for fact in first.facts)
        assert (second.names, second.facts) == ((), ())

    def test_a_passage_that_it_does_not_have_is_deferred_and_the_others_are_not(
        self, opened: Opened, file: OpenIEFile
    ) -> None:
        memory = opened(HippoRAG(extractor=file))
        memory.add([Document(text=ESK, title="Gelt Mill"), "Ben sold it.", Document(text="A river.", title="Esk")])
        (entry,) = memory.sync().deferred
        assert entry.error.startswith(f"ValueError: {file.path} has nothing on the passage at characters 0 to 12")
        assert "another corpus" in entry.error
        assert [one.by for one in extractions(memory)] == ["openie"] * 2
        assert len(rows(memory)) == 2  # and no passage without what it says

    def test_what_was_deferred_comes_in_with_the_right_file(
        self, opened: Opened, file: OpenIEFile, tmp_path: Path
    ) -> None:
        where = str(tmp_path / "m.db")
        with opened(HippoRAG(extractor=file), where=where) as memory:
            memory.add("Ben sold it.")
            assert len(memory.sync().deferred) == 1
        OpenIEFile.write(tmp_path / "more.json", [("Ben sold it.", OpenIE((), (("Ben", "sold", "Gelt Mill"),)))])
        with opened(HippoRAG(extractor=OpenIEFile(tmp_path / "more.json")), where=where) as memory:
            assert memory.sync(retry=True).deferred == ()
            assert [one.names for one in extractions(memory)] == [("ben", "gelt mill")]

    def test_a_model_does_not_read_it_again(self, opened: Opened, file: OpenIEFile) -> None:
        model = ScriptedModel([])
        memory = opened(HippoRAG(extractor=file), llm=model)
        memory.add(Document(text=ESK, title="Gelt Mill"))
        assert memory.sync().pending == {"hipporag": 0}
        assert model.requests == []

    def test_what_a_memory_holds_goes_into_a_file_and_comes_back(
        self, opened: Opened, file: OpenIEFile, tmp_path: Path
    ) -> None:
        memory = opened(HippoRAG(extractor=file))
        memory.add([Document(text=ESK, title="Gelt Mill"), Document(text="A river.", title="Esk")])
        memory.sync()
        OpenIEFile.write(tmp_path / "out.json", told(rows(memory), extractions(memory)))
        again = OpenIEFile(tmp_path / "out.json")
        assert again.matched([f"Gelt Mill\n{ESK}", "Esk\nA river."]) == 2
        other = opened(HippoRAG(extractor=again))
        other.add([Document(text=ESK, title="Gelt Mill"), Document(text="A river.", title="Esk")])
        other.sync()
        same = [(one.names, one.facts) for one in extractions(memory)]
        assert [(one.names, one.facts) for one in extractions(other)] == same


class TestByAModel:
    """What a chat model reads later."""

    def test_recall_does_not_wait_for_it_and_sync_does(self, opened: Opened) -> None:
        model = ScriptedModel(first_and_last)
        memory = opened(llm=model)
        memory.add(ESK, author="Ana")
        assert memory.stats().pending == {"hipporag": 1, "hipporag/llm": 1}
        memory.sync()
        first, second = extractions(memory)
        assert (first.by, first.stage, second.by, second.stage) == ("rules", 0, "scripted", 1)
        assert (second.source, second.names) == (first.source, ("gelt", "1890"))
        assert [fact.told for fact in second.facts] == [("Gelt", "goes with", "1890.")]
        assert all(fact.embed for fact in second.facts)

    def test_a_title_is_shown_with_the_text_and_each_part_of_a_long_one_by_itself(self, opened: Opened) -> None:
        model = ScriptedModel(first_and_last)
        memory = opened(llm=model)
        memory.add(Document(text=f"{ESK} " * 100, title="Gelt Mill"))
        memory.sync()
        shown = {asked_about(request) for request in model.requests}
        assert shown == {f"Gelt Mill\n{one.text}" for one in rows(memory)}
        assert len(model.requests) == 2 * len(shown)

    def test_what_has_no_letter_is_not_asked_about(self, opened: Opened) -> None:
        model = ScriptedModel(first_and_last)
        memory = opened(HippoRAG(normaliser="published"), llm=model)
        memory.add(["…", "日本語", "Gelt Mill"])
        assert memory.sync().deferred == ()
        assert {asked_about(request) for request in model.requests} == {"Gelt Mill"}

    def test_a_valid_reply_without_triples_stands_in_for_the_rules(self, opened: Opened) -> None:
        memory = opened(llm=ScriptedModel(['{"named_entities": []}', '{"triples": []}']))
        memory.add(ESK)
        assert memory.sync().deferred == ()
        assert [(one.stage, bool(one.names)) for one in extractions(memory)] == [(0, True), (1, False)]

    @pytest.mark.parametrize(
        "reply",
        ["The mill.", "", '{"named_entities": ["Esk", ', "[]", Reply(text="", finish="refusal")],
        ids=["prose", "nothing", "half", "no object", "refusal"],
    )
    def test_a_reply_that_cannot_be_used_defers_the_passage_and_keeps_what_was_read_first(
        self, opened: Opened, reply: str | Reply
    ) -> None:
        """And the passages behind it are read."""
        model = ScriptedModel(lambda request: reply if "bad" in asked_about(request) else first_and_last(request))
        memory = opened(llm=model)
        memory.add(["Ada was good.", "Ben was bad.", "Cleo was better."])
        (entry,) = memory.sync().deferred
        assert (entry.component, entry.error[:15]) == ("hipporag/llm", "ModelReplyError")
        assert [(one.stage, one.names[0]) for one in extractions(memory)] == [
            (0, "ada"),
            (1, "ada"),
            (0, "ben"),
            (0, "cleo"),
            (1, "cleo"),
        ]

    def test_what_was_deferred_is_read_when_asked_to_retry(self, opened: Opened) -> None:
        replies = ["no", '{"named_entities": ["Esk"]}', '{"triples": [["Esk", "is", "river"]]}']
        memory = opened(llm=ScriptedModel(replies))
        memory.add(ESK)
        assert len(memory.sync().deferred) == 1
        assert memory.sync(retry=True).deferred == ()
        assert extractions(memory)[1].names == ("esk", "river")

    def test_an_interrupted_index_goes_on_and_asks_about_no_passage_again(self, opened: Opened, tmp_path: Path) -> None:
        """A model that stops answering after a while, and another process later."""
        where = str(tmp_path / "m.db")
        answered: Counter[tuple[str, str]] = Counter()

        def until(limit: int) -> ScriptedModel:
            def reply(request: Request) -> str:
                if answered.total() == limit:
                    raise UnreachableError("gone", again=False)
                answered[request.schema_name, asked_about(request)] += 1
                return first_and_last(request)

            return ScriptedModel(reply)

        texts = [f"Ada has number {n}." for n in range(10)]
        for limit in (4, 13, 17):
            with opened(llm=until(limit), where=where) as memory:
                if limit == 4:
                    memory.add(texts)
                with pytest.raises(UnreachableError):
                    memory.sync()
                assert memory.stats().deferred == ()
                assert {one.by for one in extractions(memory)} == {"rules"}
        with opened(llm=until(99), where=where) as memory:
            assert memory.sync().deferred == ()
            assert [one.stage for one in extractions(memory)] == [0, 1] * 10
        assert answered == Counter({(kind, text): 1 for kind in ("named_entities", "triples") for text in texts})

    def test_passages_are_upgraded_one_after_the_other(self, opened: Opened) -> None:
        model = ScriptedModel(first_and_last)
        memory = opened(llm=model)
        memory.add("Ada was here.")
        memory.sync()
        memory.add("Ben was there.")
        memory.recall("Ben")  # absorbs by rules, and waits for no model
        assert [(one.stage, one.names) for one in extractions(memory)] == [
            (0, ("ada",)),
            (1, ("ada", "here")),
            (0, ("ben",)),
        ]

    def test_it_can_be_turned_off(self, opened: Opened) -> None:
        model = ScriptedModel([])
        memory = opened(HippoRAG(refine=False), llm=model)
        memory.add(ESK)
        assert memory.sync().pending == {"hipporag": 0}
        assert [one.by for one in extractions(memory)] == ["rules"]

    def test_it_can_be_the_only_reader(self, opened: Opened) -> None:
        memory = opened(HippoRAG(extractor=None), llm=ScriptedModel(first_and_last))
        memory.add(ESK)
        memory.sync()
        assert [(one.by, one.stage) for one in extractions(memory)] == [("scripted", 1)]

    def test_forgetting_takes_both_readings_along(self, opened: Opened) -> None:
        memory = opened(llm=ScriptedModel(first_and_last), embedder=HashEmbedder(16))
        memory.add("Ada was here.")
        gone = memory.add("Ben was there.").ids
        memory.sync()
        assert memory.forget(ids=list(gone), verify=True).proven
        assert [one.names for one in extractions(memory)] == [("ada",), ("ada", "here")]


WRONG: Sequence[tuple[dict[str, Any], str]] = [
    ({"version": 3}, "version is 3; it can be 1 or 2"),
    ({"extractor": "spacy"}, "extractor is 'spacy'; it can be 'rules', an OpenIEFile, or None"),
    ({"normaliser": "ascii"}, "normaliser is 'ascii'"),
    ({"filter": "none"}, "filter is 'none'; it can be 'auto', 'llm', 'rules', or None"),
    ({"version": 1, "settings": Settings()}, "give version=2"),
]


@pytest.mark.parametrize(("arguments", "complaint"), WRONG, ids=[next(reversed(one)) for one, _ in WRONG])
def test_a_choice_that_there_is_not_is_refused(arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)):
        HippoRAG(**arguments)
