"""The ways that are compared, end to end: with rules, with a file, with a chat model, and fused."""

import json
from pathlib import Path

import pytest

from memkit.components.hipporag import OpenIEFile
from memkit.evaluation.multihop import evaluate
from memkit.evaluation.multihop_ways import ways
from memkit.messages import Request
from memkit.testing.embedders import HashEmbedder
from memkit.testing.scripted import ScriptedModel

CORPUS = {
    "Bridge": ["The bridge is in Lisbon."],
    "Lisbon": ["Lisbon is the capital of Portugal."],
    "Otter": ["It swims."],
}
QUESTIONS = [{"question": "The bridge is in the capital of what?", "supporting_facts": [["Bridge", 0], ["Lisbon", 0]]}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in (("questions", QUESTIONS), ("corpus", CORPUS)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return tmp_path


def replying(request: Request) -> str:
    """A model that finds one fact in one passage, and names nothing else."""
    told = request.messages[-1].content
    if request.schema_name == "triples":
        return json.dumps({"triples": [["Lisbon", "governs", "Portugal"]] if "capital" in told else []})
    return json.dumps({"named_entities": ["Lisbon", "Portugal"] if "capital" in told else []})


def test_a_chat_model_reads_the_passages(folder: Path) -> None:
    model = ScriptedModel(replying)
    report = evaluate(folder, components=ways("hipporag", openie="llm", llm=True), llm=model).report
    assert len(model.requests) == 6
    assert report["graph"]["hipporag"]["relations"] == 1
    assert report["settings"]["llm"] == "scripted"
    assert report["deferred"] == 0


def test_a_model_that_reads_nothing_is_not_measured(folder: Path) -> None:
    with pytest.raises(ValueError, match="hipporag/llm could not absorb any of 3 passages"):
        evaluate(folder, components=ways("hipporag", openie="llm", llm=True), llm=ScriptedModel(lambda request: "{"))


def test_a_model_that_is_there_for_nothing_is_not_asked(folder: Path) -> None:
    model = ScriptedModel([])
    report = evaluate(folder, components=ways("hipporag", llm=True), llm=model).report
    assert report["recall@10"] == 1
    assert model.requests == []


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("published", [False, True], ids=["ours", "published"])
def test_both_versions_find_the_bridge(folder: Path, version: int, published: bool) -> None:
    components = ways("passages, hipporag", version=version, published=published, filter="none")
    assert [one.name for one in components] == ["passages", "hipporag"]
    report = evaluate(folder, components=components, embedder=HashEmbedder()).report
    assert report["recall@5"] == 1
    assert report["indexing"]["embedded"] > 3


def test_a_file_of_another_corpus_is_refused(folder: Path) -> None:
    file = folder / "openie.json"
    OpenIEFile.write(file, [])
    with pytest.raises(ValueError, match="has none of the 3 passages"):
        ways("hipporag", folder=folder, openie=str(file))
    assert ways("passages", folder=folder, openie="nowhere")[0].name == "passages"
