"""The published formats are read as they are published."""

import json
from pathlib import Path

import pytest

from memkit.evaluation import corpora

TINY = Path(__file__).with_name("tiny_locomo.json")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder such as MEMKIT_DATA names, with next to nothing in it."""
    for name in ("locomo", "musique", "hotpotqa", "cranfield", "books"):
        (tmp_path / name).mkdir()
    (tmp_path / "locomo" / "locomo.json").write_text(TINY.read_text())
    corpus = [{"title": "Oslo", "text": "Oslo lies in Norway."}, {"title": "Bergen", "text": "It rains in Bergen."}]
    paragraphs = [
        {"title": "Oslo", "paragraph_text": "Oslo lies in Norway.", "is_supporting": True},
        {"title": "Bergen", "paragraph_text": "It rains in Bergen.", "is_supporting": False},
    ]
    (tmp_path / "musique" / "corpus.json").write_text(json.dumps(corpus))
    (tmp_path / "musique" / "questions.json").write_text(
        json.dumps([{"question": "Where does Oslo lie?", "answer": "Xerxes", "paragraphs": paragraphs}])
    )
    pages = {"Oslo": ["Oslo lies in Norway.", " It has trams."], "Bergen": ["It rains in Bergen."]}
    (tmp_path / "hotpotqa" / "corpus.json").write_text(json.dumps(pages))
    (tmp_path / "hotpotqa" / "questions.json").write_text(
        json.dumps([{"question": "Are there trams?", "supporting_facts": [["Oslo", 0], ["Oslo", 1], ["Bergen", 0]]}])
    )
    (tmp_path / "cranfield" / "cran.all.1400").write_text(
        ".I 1\n.T\nflow past\na plate .\n.A\nsmith\n.W\nflow past\na plate .\nit is measured .\n.I 2\n.T\nwings\n.W\nwings\n"
    )
    (tmp_path / "cranfield" / "cran.qry").write_text(".I 001\n.W\nwhat is\nmeasured .\n.I 365\n.W\nwhich wings .\n")
    (tmp_path / "cranfield" / "cranqrel").write_text("1 1 2 \n1 2 5\n2 2 -1\n2 1 4\n")
    (tmp_path / "books" / "book.txt").write_text("It was late.  The lamp had\ngone out! Why?")
    return tmp_path


def test_musique_counts_the_passages_that_support(data: Path) -> None:
    corpus = corpora.musique(data / "musique")
    assert [passage.title for passage in corpus.passages] == ["Oslo", "Bergen"]
    assert corpus.questions == (corpora.Asked(text="Where does Oslo lie?", gain={0: 1}),)


def test_hotpotqa_counts_each_page_once(data: Path) -> None:
    corpus = corpora.hotpotqa(data / "hotpotqa")
    assert corpus.passages[0].text == "Oslo lies in Norway. It has trams."
    assert corpus.questions[0].gain == {0: 1, 1: 1}


def test_cranfield_weighs_judgements_and_takes_the_title_off_the_text(data: Path) -> None:
    corpus = corpora.cranfield(data / "cranfield")
    assert corpus.passages == (
        corpora.Passage(title="flow past a plate .", text="it is measured ."),
        corpora.Passage(title="wings", text="wings"),
    )
    assert [question.text for question in corpus.questions] == ["what is measured .", "which wings ."]
    assert [question.gain for question in corpus.questions] == [{0: 3}, {0: 1}]


def test_sentences_are_those_of_everything_without_repetition(data: Path) -> None:
    found = corpora.sentences(data)
    assert "Oslo lies in Norway." in found
    assert "The lamp had gone out!" in found
    assert "I adopted a dachshund called Toby." in found
    assert "Why?" not in found  # too short to be a record
    assert len(found) == len(set(found))


def test_questions_are_those_with_evidence(data: Path) -> None:
    found = corpora.questions(data)
    assert found[-2:] == ["Where does Oslo lie?", "Are there trams?"]
    assert "Was it nothing?" not in found
