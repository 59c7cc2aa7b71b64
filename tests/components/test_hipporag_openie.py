"""OpenIE files in HippoRAG's format: what is read, what is refused, what is counted, what is written."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from memkit.components.hipporag.extraction import Keeping
from memkit.components.hipporag.normalise import published, unicode
from memkit.components.hipporag.openie import OpenIE, OpenIEFile, told
from memkit.components.hipporag.passages import LONGEST, passages
from memkit.testing.contracts.samples import an_event
from memkit.values import Extraction, Fact, Json

DATA = os.environ.get("MEMKIT_DATA")
DOCS: list[Json] = [
    {
        "passage": "Gelt Mill\nGelt Mill stands on the Esk. Ada Munro built it.",
        "extracted_entities": ["Gelt Mill", "Esk", "Ada Munro"],
        "extracted_triples": [
            ["Gelt Mill", "stands on", "Esk"],
            ["Ada Munro", "built", "Gelt Mill"],
            ["gelt mill", "stands on", "ESK"],
            ["the mill", "stands by", "a river"],
            ["the mill", "is"],
            "Ada Munro",
            ["Ada Munro", "built", None],
        ],
    },
    {
        "title": "Ada Munro",
        "text": "She was paid in $ in 1890.",
        "extracted_entities": ["Ada Munro", 1890, None, ["1890"]],
        "extracted_triples": [
            ["Ada Munro", "was paid in", "$"],
            ["Ada Munro", "was paid in", 1890],
            ["Ada Munro", "is", "Ada Munro"],
            ["Gelt Mill", "was built by", "Ada Munro"],
        ],
    },
    {"passage": "Nothing\nNothing is known.", "extracted_entities": [], "extracted_triples": []},
]
Written = Callable[[Json], Path]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    def write(whole: Json) -> Path:
        path = tmp_path / "openie.json"
        path.write_text(json.dumps(whole), encoding="utf-8")
        return path

    return write


def test_passages_are_found_by_their_text_whatever_blanks_are_in_it(written: Written) -> None:
    file = OpenIEFile(written({"docs": DOCS}))
    assert len(file) == 3
    read = file.find("Gelt Mill\nGelt Mill stands on the Esk. Ada Munro built it.")
    assert read is not None
    assert read.triples[0] == ("Gelt Mill", "stands on", "Esk")
    assert file.find("Gelt Mill\n\nGelt Mill stands on the  Esk. Ada Munro built it.\n") == read
    assert file.find("Gelt Mill\ngelt mill stands on the Esk. Ada Munro built it.") is None


def test_what_is_no_triple_is_left_out_and_counted(written: Written) -> None:
    file = OpenIEFile(written({"docs": DOCS}))
    assert file.dropped == 3
    read = file.find("Ada Munro She was paid in $ in 1890.")
    assert read is not None
    assert read.entities == ("Ada Munro", "1890")  # a number is written out; the others are no names
    assert ("Ada Munro", "was paid in", "1890") in read.triples


def test_a_file_is_counted_as_hipporag_counts(written: Written) -> None:
    counts = OpenIEFile(written({"docs": DOCS})).statistics()
    assert (counts.passages, counts.without_triple) == (3, 1)
    assert (counts.triples, counts.dropped, counts.unique_triples) == (8, 3, 7)
    assert counts.phrases == 7  # gelt mill, esk, ada munro, the mill, a river, 1890, and the empty one of "$"
    assert counts.relations == 6
    assert counts.passage_edges == 5 + 4
    assert (counts.phrase_pairs, counts.self_pairs) == (5, 1)
    assert counts.unlisted == 1


def test_another_normaliser_counts_otherwise(written: Written) -> None:
    path = written(
        {"docs": [{"passage": "東京 京都", "extracted_entities": [], "extracted_triples": [["東京", "と", "京都"]]}]}
    )
    assert OpenIEFile(path).statistics(published).phrases == 1
    assert OpenIEFile(path).statistics(unicode).phrases == 2


def test_what_a_file_has_on_one_passage_in_two_places_is_put_together(written: Written) -> None:
    doc = {"passage": "A b.", "extracted_entities": ["A"], "extracted_triples": [["A", "is", "b"]]}
    more = {"passage": "A  b.", "extracted_entities": ["b"], "extracted_triples": []}
    file = OpenIEFile(written({"docs": [doc, more]}))
    assert file.find("A b.") == OpenIE(("A", "b"), (("A", "is", "b"),))


def test_it_tells_how_many_of_a_corpus_it_has(written: Written) -> None:
    file = OpenIEFile(written({"docs": DOCS}))
    assert file.matched(["Nothing\nNothing is known.", "Nothing\nEverything is known."]) == 1


@pytest.mark.parametrize(
    ("whole", "complaint"),
    [
        ([], 'should be an object with a list "docs"'),
        ({"docs": {}}, 'should be an object with a list "docs"'),
        ({"docs": [DOCS[0], "x"]}, "doc 1: it should be an object"),
        ({"docs": [{"extracted_entities": [], "extracted_triples": []}]}, 'doc 0: it has neither a "passage" nor'),
        ({"docs": [{"passage": " ", "extracted_entities": []}]}, 'doc 0: its "passage" should be a text'),
        ({"docs": [{"passage": "A", "extracted_entities": []}]}, 'doc 0: its "extracted_triples" should be a list'),
        (
            {"docs": [{"passage": "A", "extracted_entities": "A", "extracted_triples": []}]},
            '"extracted_entities" should',
        ),
    ],
    ids=["a list", "no docs", "a text", "no passage", "a blank passage", "no triples", "entities no list"],
)
def test_a_file_of_another_form_is_refused_and_the_doc_is_named(written: Written, whole: Json, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        OpenIEFile(written(whole))


def test_a_file_that_is_too_deep_to_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.json"
    path.write_text("[" * 200_000)
    with pytest.raises(ValueError, match=r"deep\.json is no JSON"):
        OpenIEFile(path)


def test_half_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "half.json"
    path.write_text('{"docs": [{"pass')
    with pytest.raises(ValueError, match=r"half\.json is no JSON"):
        OpenIEFile(path)
    with pytest.raises(FileNotFoundError):
        OpenIEFile(tmp_path / "none.json")


def test_what_no_database_takes_is_not_taken_over(written: Written) -> None:
    doc: Json = {"passage": "A", "extracted_entities": ["a\0b", "\ud800"], "extracted_triples": []}
    read = OpenIEFile(written({"docs": [doc]})).find("A")
    assert read is not None
    assert read.entities == ("a b", "?")


def test_what_is_written_has_hipporags_keys_and_is_read_again(tmp_path: Path) -> None:
    read = OpenIE(("Ada Munro", "Esk"), (("Ada Munro", "swam in", "Esk"),))
    OpenIEFile.write(tmp_path / "out.json", [("Ada Munro\nShe swam in the Esk.", read), ("é", OpenIE())])
    whole = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert list(whole["docs"][0]) == ["idx", "passage", "extracted_entities", "extracted_triples"]
    assert whole["docs"][0]["idx"] == "chunk-9b2bf999ea521f185f6179b3100a5c2c"
    assert (whole["avg_ent_chars"], whole["avg_ent_words"]) == (6.0, 1.5)
    again = OpenIEFile(tmp_path / "out.json")
    assert again.find("Ada Munro\nShe swam in the Esk.") == read
    assert again.find("é") == OpenIE()


@pytest.mark.parametrize("triple", [("Ada", "swam in"), ("Ada", "born in", 1890)], ids=["two", "a number"])
def test_what_is_no_triple_is_not_written(tmp_path: Path, triple: tuple[Any, ...]) -> None:
    path = tmp_path / "out.json"
    with pytest.raises(ValueError, match="a triple has three texts"):
        OpenIEFile.write(path, [("Ada swam.", OpenIE(("Ada",), (triple,)))])  # type: ignore[arg-type]
    assert not path.exists()


def test_an_empty_memory_writes_an_empty_file(tmp_path: Path) -> None:
    OpenIEFile.write(tmp_path / "out.json", [])
    assert len(OpenIEFile(tmp_path / "out.json")) == 0


KEEPING = Keeping(key=unicode, entities=False, embed=True)


def kept(read: OpenIE, keeping: Keeping = KEEPING) -> Extraction:
    (passage,) = passages(an_event("Gelt Mill stands on the Esk.", namespace="n"))
    return keeping.extraction(passage, read, by="openie", stage=0)


def test_names_are_the_ends_of_triples_or_also_what_was_listed() -> None:
    read = OpenIE(("Esk", "Scotland"), (("Gelt Mill", "stands on", "Esk"),))
    assert kept(read).names == ("gelt mill", "esk")
    also = kept(read, replace(KEEPING, entities=True))
    assert also.names == ("esk", "scotland", "gelt mill")
    assert also.shown == {"esk": "Esk", "scotland": "Scotland", "gelt mill": "Gelt Mill"}


def test_a_fact_is_known_by_its_keys_and_told_as_it_was_written_first() -> None:
    (fact,) = kept(OpenIE((), (("Gelt Mill", "stands on", "Esk"), ("GELT-MILL", "Stands on", "esk")))).facts
    assert fact == Fact("gelt mill", "stands on", "esk", shown=("Gelt Mill", "stands on", "Esk"))
    (plain,) = kept(OpenIE((), (("gelt mill", "on", "esk"),)), replace(KEEPING, embed=False)).facts
    assert plain == Fact("gelt mill", "on", "esk", embed=False)


def test_an_end_without_a_key_makes_no_fact_and_the_other_end_stays_a_name() -> None:
    read = OpenIE((), (("Gelt Mill", "costs", "$"), ("Esk", "is", "Esk")))
    extraction = kept(read, replace(KEEPING, key=published))
    assert extraction.names == ("gelt mill", "esk")
    assert [fact.embedded for fact in extraction.facts] == ["('esk', 'is', 'esk')"]


def test_one_passage_for_each_turn_or_document_up_to_a_limit() -> None:
    text = "Gelt Mill stands on the Esk. " * 100
    assert [one.record.text for one in passages(an_event(text, namespace="n", kind="document"))] == [text.strip()]
    assert [one.record.text for one in passages(an_event(text, namespace="n"))] == [text]
    parts = passages(an_event(text * 2, namespace="n", metadata={"title": "Mills"}))
    assert len(parts) == 2
    assert all(len(one.record.text) <= LONGEST and one.record.text.endswith("Esk.") for one in parts)
    assert all(one.shown == f"Mills\n{one.record.text}" == one.record.embedded for one in parts)


def test_a_turn_is_read_with_its_caption_and_found_by_its_author() -> None:
    event = an_event("Look!", namespace="n", author="Ana", metadata={"caption": "a mill", "title": " "})
    (passage,) = passages(event)
    assert (passage.title, passage.text, passage.record.text) == (None, "Look! (a mill)", "Look!")
    assert passage.record.words == "Ana\nLook! (a mill)"
    assert passages(replace(event, role="system")) == []


def test_what_a_memory_holds_can_be_written_in_its_own_words() -> None:
    (passage,) = passages(an_event("It stands.", namespace="n", metadata={"title": "Gelt Mill"}))
    rules = KEEPING.extraction(passage, OpenIE((), (("It", "is", "old"),)), by="rules", stage=0)
    model = KEEPING.extraction(passage, OpenIE((), (("Gelt Mill", "is", "old"),)), by="m", stage=1)
    expected = [("Gelt Mill\nIt stands.", OpenIE(("Gelt Mill", "old"), (("Gelt Mill", "is", "old"),)))]
    assert told([passage.record], [model, rules]) == expected
    assert told([passage.record], []) == []


@pytest.mark.skipif(DATA is None, reason="MEMKIT_DATA names no folder of data")
class TestPublishedFile:
    """HippoRAG's own cached OpenIE of its MuSiQue tuning set."""

    def test_the_counts_are_those_that_were_published_with_it(self) -> None:
        counts = OpenIEFile(Path(DATA or "") / "musique" / "openie.json").statistics()
        assert (counts.passages, counts.without_triple) == (1_890, 2)
        assert (counts.triples, counts.dropped, counts.unique_triples) == (17_234, 185, 17_036)
        assert (counts.phrases, counts.relations) == (16_235, 5_034)
        assert (counts.passage_edges, counts.phrase_pairs, counts.self_pairs) == (19_755, 16_509, 20)
        assert counts.unlisted == 984

    def test_it_has_every_passage_of_its_corpus(self) -> None:
        folder = Path(DATA or "") / "musique"
        corpus = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
        file = OpenIEFile(folder / "openie.json")
        assert file.matched(f"{doc['title']}\n{doc['text']}" for doc in corpus) == len(corpus) == 1_890
