"""`memkit eval multihop`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]

CORPUS = {
    "Bridge": ["The bridge is in Lisbon."],
    "Lisbon": ["Lisbon is the capital of Portugal."],
    "Otter": ["It swims."],
}
QUESTIONS = [
    {
        "question": "The bridge is in the capital of which country?",
        "supporting_facts": [["Bridge", 0], ["Lisbon", 0]],
        "context": [[title, sentences] for title, sentences in CORPUS.items()],
    }
]
DOCS = [
    {"passage": f"{title}\n{sentences[0]}", "extracted_entities": [title], "extracted_triples": triples}
    for (title, sentences), triples in zip(
        CORPUS.items(),
        ([["Bridge", "is in", "Lisbon"]], [["Lisbon", "is the capital of", "Portugal"]], []),
        strict=True,
    )
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "set"
    place.mkdir()
    for name, content in (("questions", QUESTIONS), ("corpus", CORPUS), ("openie", {"docs": DOCS})):
        (place / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return place


def test_an_evaluation_prints_its_figures(memkit: Command, folder: Path) -> None:
    done = memkit("eval", "multihop", str(folder), "--components", "passages")
    assert (done.code, done.err) == (0, "")
    rows = {line.split()[0]: line.split()[1:] for line in done.out.splitlines()}
    assert rows["recall@5"] == ["1.000", "(1.000–1.000)"]
    assert (rows["questions"], rows["passages"]) == (["1"], ["3"])
    assert "skipped" not in rows


def test_the_graph_of_a_file_is_counted(memkit: Command, folder: Path) -> None:
    openie = str(folder / "openie.json")
    result = memkit("eval", "multihop", str(folder), "--openie", openie, "--json").json
    counts = result["graph"]["hipporag"]
    assert (counts["names"], counts["facts"], counts["relations"], counts["fact_edges"]) == (4, 2, 2, 2)
    assert (counts["context_edges"], counts["passages_without_a_name"]) == (5, 0)
    assert result["settings"]["options"] == {
        "openie": "openie.json",
        "version": "2",
        "filter": "rules",
        "published": "false",
    }
    assert result["recall@2"] == 1.0
    assert {"recall@5", "recall@10", "all-recall@5", "mrr", "ms_per_query", "machine"} <= set(result)


@pytest.mark.parametrize("options", [(), ("--version", "1"), ("--published", "--filter", "none")], ids=" ".join)
def test_hipporag_is_measured_without_a_model(memkit: Command, folder: Path, options: tuple[str, ...]) -> None:
    result = memkit("eval", "multihop", str(folder), *options, "--json").json
    assert result["graph"]["hipporag"]["names"] >= 3
    assert result["deferred"] == 0
    assert result["recall@10"] == 1.0


def test_several_components_are_fused(memkit: Command, folder: Path) -> None:
    result = memkit("eval", "multihop", str(folder), "--components", "hipporag, passages", "--json").json
    assert result["settings"]["components"] == ["hipporag", "passages"]
    assert list(result["graph"]) == ["hipporag"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("nowhere",), "there is no folder nowhere"),
        (("set", "--components", "telepathy"), "there is no component 'telepathy'"),
        (("set", "--openie", "llm"), "--openie llm needs a chat model; name one with --llm"),
        (("set", "--filter", "llm"), "--filter llm needs a chat model"),
        (("set", "--filter", "sieve"), "filter is 'sieve'"),
        (("set", "--openie", "nothing.json"), "cannot read nothing.json: No such file"),
        (("set", "--openie", "set/corpus.json"), "is no OpenIE file"),
        (("set", "--openie", "other.json"), "other.json has none of the 3 passages in set: it is of another corpus"),
        (("set", "--version", "3"), "version is 3; it can be 1 or 2"),
        (("set", "--hits", "5"), "k is 5; recall is measured down to 10"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, tuple) else "",
)
def test_bad_input_is_told(memkit: Command, folder: Path, arguments: tuple[str, ...], text: str) -> None:
    other = {"docs": [{"passage": "Cat\nIt purrs.", "extracted_entities": [], "extracted_triples": []}]}
    (folder.parent / "other.json").write_text(json.dumps(other), encoding="utf-8")
    done = memkit("eval", "multihop", *arguments)
    assert (done.code, done.out) == (2, "")
    assert text in done.err
