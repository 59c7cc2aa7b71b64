"""What `HippoRAG` recalls, on a small set of sentences that only together answer a question."""

import json
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

import memkit
from memkit import Document, HippoRAG, Hit, Memory, OpenIEFile, UnreachableError
from memkit.components.hipporag import OpenIE, Settings
from memkit.messages import Request
from memkit.models.calls import Limits
from memkit.models.metered import Metered
from memkit.ports import Component
from memkit.testing.embedders import HashEmbedder
from memkit.testing.scripted import Script, ScriptedModel

# Nine sentences and what they say, as triples; then four more.
NINE: dict[str, tuple[str, str, str]] = {
    "Marta Olesen was born in Randers.": ("Marta Olesen", "was born in", "Randers"),
    "Now Randers stands at the Gudenå.": ("Randers", "stands at", "Gudenå"),
    "Marta Olesen designed the Vesterlund Bridge.": ("Marta Olesen", "designed", "Vesterlund Bridge"),
    "The Vesterlund Bridge crosses the Lille Sund.": ("Vesterlund Bridge", "crosses", "Lille Sund"),
    "Ivo Kettner painted Red Kite.": ("Ivo Kettner", "painted", "Red Kite"),
    "Red Kite hangs in the Harrow Museum.": ("Red Kite", "hangs in", "Harrow Museum"),
    "The Harrow Museum is found in Larkhill.": ("Harrow Museum", "is found in", "Larkhill"),
    "Ivo Kettner was a pupil of Sanna Pihl.": ("Ivo Kettner", "was a pupil of", "Sanna Pihl"),
    "The Torne freezes in January.": ("Torne", "freezes in", "January"),
}
FOUR: dict[str, tuple[str, str, str]] = {
    "Sanna Pihl lived in Tornio.": ("Sanna Pihl", "lived in", "Tornio"),
    "Tornio has a bridge over the Torne.": ("Tornio", "has a bridge over", "Torne"),
    "Ivo Kettner died in Larkhill.": ("Ivo Kettner", "died in", "Larkhill"),
    "The Lille Sund is narrow in Randers.": ("Lille Sund", "is narrow in", "Randers"),
}
# A question, the sentences that answer it, and how many hits there may be until all of them are there.
QUESTIONS: dict[str, tuple[str, ...]] = {
    "What flows past the town where Marta Olesen was born?": (
        "Marta Olesen was born in Randers.",
        "Now Randers stands at the Gudenå.",
    ),
    "What does the work that Marta Olesen designed lead over?": (
        "Marta Olesen designed the Vesterlund Bridge.",
        "The Vesterlund Bridge crosses the Lille Sund.",
    ),
    "Where can one see the picture that Ivo Kettner painted?": (
        "Ivo Kettner painted Red Kite.",
        "Red Kite hangs in the Harrow Museum.",
    ),
}
Answer = list[tuple[str, float]]


def in_a_file(folder: Path, **arguments: object) -> HippoRAG:
    """The component that has the triples from a file."""
    read = [(text, OpenIE(triple[::2], (triple,))) for text, triple in (NINE | FOUR).items()]
    OpenIEFile.write(folder / "openie.json", read)
    return HippoRAG(extractor=OpenIEFile(folder / "openie.json"), **arguments)  # type: ignore[arg-type]


WAYS: dict[str, Callable[[Path], Component]] = {
    "rules": lambda _: HippoRAG(),
    "rules-1": lambda _: HippoRAG(version=1),
    "file": in_a_file,
    "file-1": lambda folder: in_a_file(folder, version=1),
}


def holding(component: Component, texts: Sequence[str] = tuple(NINE), *, llm: Script | None = None) -> Memory:
    metered = None if llm is None else Metered(ScriptedModel(llm), limits=Limits(retries=0, repairs=0))
    memory = memkit.open(":memory:", components=[component], embedder=HashEmbedder(256), llm=metered)
    memory.add([Document(text=text) for text in texts])
    return memory


def answer(memory: Memory, question: str, k: int = 9) -> Answer:
    return [(hit.text, round(hit.score, 6)) for hit in memory.recall(question, k=k)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("question", QUESTIONS)
def test_sentences_that_answer_only_together_are_found_together(tmp_path: Path, way: str, question: str) -> None:
    """The second of them shares no word with the question but small ones."""
    found = [hit.text for hit in holding(WAYS[way](tmp_path)).recall(question, k=4)]
    assert set(QUESTIONS[question]) <= set(found)


@pytest.mark.parametrize("way", WAYS)
def test_more_can_be_added_and_forgotten_and_all_is_as_before(tmp_path: Path, way: str) -> None:
    memory = holding(WAYS[way](tmp_path))
    before = {question: answer(memory, question) for question in QUESTIONS}
    receipt = memory.add([Document(text=text) for text in FOUR])
    more = [hit.text for hit in memory.recall("Which water has the town where Sanna Pihl lived?", k=4)]
    assert {"Sanna Pihl lived in Tornio.", "Tornio has a bridge over the Torne."} <= set(more)
    assert {question: answer(memory, question) for question in QUESTIONS} != before
    memory.forget(ids=list(receipt.ids))
    assert {question: answer(memory, question) for question in QUESTIONS} == before


@pytest.mark.parametrize("way", WAYS)
def test_the_order_of_documents_means_nothing(tmp_path: Path, way: str) -> None:
    texts = list(NINE)
    first = holding(WAYS[way](tmp_path), texts)
    random.Random(1).shuffle(texts)
    other = holding(WAYS[way](tmp_path), texts)
    for question in QUESTIONS:
        assert sorted(answer(other, question)) == sorted(answer(first, question))


def test_every_hit_says_why_in_texts_and_numbers(tmp_path: Path) -> None:
    found = holding(in_a_file(tmp_path)).recall(next(iter(QUESTIONS)), k=3)
    assert all(isinstance(value, str | float | int) for hit in found for value in hit.why.values())
    assert found[0].why
    assert "Marta Olesen" in found.explain()


def test_scores_are_comparable_and_the_floor_is_kept(tmp_path: Path) -> None:
    memory = holding(in_a_file(tmp_path))
    every = memory.recall("Marta Olesen", k=9, floor=0)
    assert len(every) == 9
    middle = every[2].score
    assert [hit.text for hit in memory.recall("Marta Olesen", k=9, floor=middle)] == [
        hit.text for hit in every if hit.score >= middle
    ]


def test_filters_come_before_the_limit(tmp_path: Path) -> None:
    memory = memkit.open(":memory:", components=[HippoRAG()], embedder=HashEmbedder(64))
    for n in range(20):
        memory.add(f"Marta Olesen met guest number {n} in Randers.", session="a" if n % 10 else "b")
    found = memory.recall("Whom did Marta Olesen meet?", k=3, session="b")
    assert len(found) == 2
    assert {hit.session for hit in found} == {"b"}


def test_neighbours_come_with_their_hit() -> None:
    memory = memkit.open(":memory:", components=[HippoRAG()])
    memory.add(["It rained.", "Marta Olesen came to Randers.", "It was late."], session="s")
    memory.add("It was fine.", session="t")
    hit = memory.recall("Marta Olesen", k=1, neighbours=1)[0]
    assert [one.text for one in (*hit.before, hit.record, *hit.after)] == [
        "It rained.",
        "Marta Olesen came to Randers.",
        "It was late.",
    ]


def test_names_lead_on_without_an_embedder_too(tmp_path: Path) -> None:
    memory = memkit.open(":memory:", components=[in_a_file(tmp_path)])
    memory.add([Document(text=text) for text in NINE])
    found = [hit.text for hit in memory.recall("In which town was Marta Olesen born, and where is that?", k=4)]
    assert {"Marta Olesen was born in Randers.", "Now Randers stands at the Gudenå."} <= set(found)


def test_what_is_said_twice_is_one_hit() -> None:
    memory = memkit.open(":memory:", components=[HippoRAG()])
    memory.add(["Marta Olesen lives in Randers.", "marta olesen lives in Randers", "Marta Olesen likes tea."])
    found = memory.recall("Marta Olesen", k=3)
    assert len(found) == 2
    (folded,) = (hit for hit in found if "Randers" in hit.text)
    assert folded.why["repeats folded"] == 1


def test_what_was_said_later_leads_nowhere_as_of_then() -> None:
    """Not even as a step on the way to what had been said."""
    question = "At what is the town of Marta Olesen?"
    memory = memkit.open(":memory:", components=[HippoRAG()], embedder=HashEmbedder(256))
    memory.add(["Now Randers stands at the Gudenå.", "Marta Olesen likes tea at the Harrow Museum."])
    moment = max(event.recorded for event in memory.history())
    before = answer(memory, question)
    memory.add("Marta Olesen was born in Randers.")
    now = dict(answer(memory, question))
    then = [(hit.text, round(hit.score, 6)) for hit in memory.recall(question, k=9, as_of=moment)]
    assert [text for text, _ in then] == [text for text, _ in before]
    assert now["Now Randers stands at the Gudenå."] > 1.2 * dict(then)["Now Randers stands at the Gudenå."]
    assert len(memory.recall(question, as_of=datetime(2024, 1, 1, tzinfo=UTC))) == 0


def test_a_vector_may_stand_in_for_the_question(tmp_path: Path) -> None:
    memory = holding(in_a_file(tmp_path))
    question = next(iter(QUESTIONS))
    vector = HashEmbedder(256).vectors([question])[0]
    assert [hit.text for hit in memory.recall(question, vector=vector)] == [hit.text for hit in memory.recall(question)]
    other = HashEmbedder(256).vectors(["Ivo Kettner Red Kite"])[0]
    assert [hit.score for hit in memory.recall(question, vector=other)] != [
        hit.score for hit in memory.recall(question)
    ]


def test_an_empty_memory_answers_nothing() -> None:
    memory = memkit.open(":memory:", components=[HippoRAG()], embedder=HashEmbedder(16))
    assert list(memory.recall("Marta Olesen")) == []
    memory.add("Marta Olesen", role="system")
    assert list(memory.recall("Marta Olesen")) == []


def test_passages_without_names_are_found_by_themselves() -> None:
    for embedder in (None, HashEmbedder(64)):
        memory = memkit.open(":memory:", components=[HippoRAG(extractor=None)], embedder=embedder)
        memory.add(["the kettle is on the stove", "the cat is asleep"])
        assert memory.recall("where is the kettle?", k=1)[0].text == "the kettle is on the stove"


def test_more_facts_may_be_asked_for_than_there_are() -> None:
    component = HippoRAG(settings=Settings(facts=10**12, embed_rules=True))
    with memkit.open(":memory:", components=[component], embedder=HashEmbedder(64)) as memory:
        memory.add("Marta Olesen was born in Randers.")
        assert memory.recall("Where was Marta Olesen born?", k=1)[0].why["tells"] == "Marta Olesen was born in Randers"


def test_a_name_that_nothing_is_said_of_leads_nowhere() -> None:
    with memkit.open(":memory:", components=[HippoRAG(version=1)], embedder=HashEmbedder(64)) as memory:
        memory.add(["Marta Olesen was born in Randers.", "Ivo Kettner", "the kettle is on the stove"])
        hit = memory.recall("Where were Marta Olesen and Ivo Kettner born?", k=1)[0]
    assert hit.text == "Marta Olesen was born in Randers."
    assert hit.why["path"] == "marta olesen → this passage"


def test_the_published_way_links_facts_that_rules_read() -> None:
    component = HippoRAG.published(2, extractor="rules", filter=None)
    with memkit.open(":memory:", components=[component], embedder=HashEmbedder(64)) as memory:
        memory.add(["Marta Olesen was born in Randers.", "The Gudenå flows through Randers."])
        why = memory.recall("Where was Marta Olesen born?", k=1)[0].why
    assert why["found by"] == "graph"
    assert "Marta Olesen was born in Randers" in str(why["facts"])


def test_a_name_in_every_passage_does_not_drown_the_others() -> None:
    memory = memkit.open(":memory:", components=[HippoRAG()], embedder=HashEmbedder(64))
    memory.add([f"Marta Olesen met {name}." for name in ("Ivo Kettner", "Sanna Pihl", "Ben Ott", "Ada Munro")] * 5)
    assert "Sanna Pihl" in memory.recall("When did Marta Olesen meet Sanna Pihl?", k=1)[0].text


@pytest.mark.parametrize(
    ("texts", "question"),
    [
        (["東京は日本の首都です。", "京都には寺が多い。"], "日本の首都は?"),
        (["القاهرة عاصمة مصر.", "الإسكندرية على البحر."], "ما عاصمة مصر؟"),
        (["दिल्ली भारत की राजधानी है।", "मुंबई समुद्र के किनारे है।"], "भारत की राजधानी?"),
    ],
    ids=["Japanese", "Arabic", "Hindi"],
)
def test_scripts_without_capitals_are_not_broken(texts: list[str], question: str) -> None:
    memory = memkit.open(":memory:", components=[HippoRAG()], embedder=HashEmbedder(256))
    memory.add(texts)
    assert memory.sync().deferred == ()
    assert memory.recall(question, k=1)[0].text == texts[0]


def test_triples_with_empty_or_equal_ends_do_no_harm(tmp_path: Path) -> None:
    text = "Odd things about Marta Olesen, Randers and the Gudenå."
    odd = (
        ("Marta Olesen", "is", "Marta Olesen"),
        ("", "is", "Randers"),
        ("...", "is", "!!"),
        ("Randers", "", "Gudenå"),
    )
    OpenIEFile.write(tmp_path / "odd.json", [(text, OpenIE((), odd)), ("Other things.", OpenIE())])
    memory = holding(HippoRAG(extractor=OpenIEFile(tmp_path / "odd.json")), [text, "Other things."])
    assert memory.sync().deferred == ()
    for question in ("Marta Olesen", "Gudenå"):
        assert memory.recall(question, k=1)[0].text == text
    assert len(memory.recall("!!", k=1)) <= 1


class TestRecognition:
    """The facts that a question was linked to, as a chat model filters them."""

    QUESTION = next(iter(QUESTIONS))

    def asked(self, folder: Path, script: Script, **arguments: object) -> tuple[list[Hit], ScriptedModel]:
        model = ScriptedModel(script)
        metered = Metered(model, limits=Limits(retries=0, repairs=0))
        component = in_a_file(folder, **arguments)
        with memkit.open(":memory:", components=[component], embedder=HashEmbedder(256), llm=metered) as memory:
            memory.add([Document(text=text) for text in NINE])
            return list(memory.recall(self.QUESTION, k=4)), model

    def test_the_model_chooses_among_the_facts_that_were_linked(self, tmp_path: Path) -> None:
        def born(request: Request) -> str:
            shown = request.messages[-1].content.splitlines()
            assert shown[0] == f"The question: {self.QUESTION}"
            return json.dumps({"facts": [n for n, line in enumerate(shown) if "born" in line]})

        hits, model = self.asked(tmp_path, born)
        assert len(model.requests) == 1
        assert {hit.text for hit in hits} >= set(QUESTIONS[self.QUESTION])
        kept, offered = str(hits[0].why["question"]).removeprefix("scripted kept 1 of ").split()
        assert (int(kept) > 1, offered) == (True, "facts")

    @pytest.mark.parametrize(
        "reply", ["garbage", '{"facts": [', '{"facts": [99]}', ""], ids=["garbage", "half", "not offered", "nothing"]
    )
    def test_a_reply_that_cannot_be_used_leaves_it_to_the_rules_and_says_so(self, tmp_path: Path, reply: str) -> None:
        hits, _ = self.asked(tmp_path, [reply])
        by_rules, model = self.asked(tmp_path, [], filter="rules")
        assert model.requests == []
        assert [hit.text for hit in hits] == [hit.text for hit in by_rules]
        assert str(hits[0].why["question"]).startswith("by rules, without the model: ModelReplyError")
        assert "question" not in by_rules[0].why

    def test_a_model_that_answers_nobody_too(self, tmp_path: Path) -> None:
        hits, _ = self.asked(tmp_path, [UnreachableError("no connection", again=False)])
        assert hits[0].why["question"] == "by rules, without the model: UnreachableError: no connection"

    def test_a_memory_without_a_model_says_so_if_it_was_to_choose(self, tmp_path: Path) -> None:
        hit = holding(in_a_file(tmp_path, filter="llm")).recall(self.QUESTION, k=1)[0]
        assert hit.why["question"] == "by rules, without the model: this memory has none"

    def test_version_1_asks_the_model_what_the_question_names(self, tmp_path: Path) -> None:
        hits, model = self.asked(tmp_path, ['{"named_entities": ["Marta Olesen"]}'], version=1)
        assert [request.schema_name for request in model.requests] == ["named_entities"]
        assert hits[0].why["question"] == "scripted named 1"
        assert {hit.text for hit in hits} >= set(QUESTIONS[self.QUESTION])

    def test_version_1_falls_back_to_the_rules_too(self, tmp_path: Path) -> None:
        hits, _ = self.asked(tmp_path, ["garbage"], version=1)
        assert str(hits[0].why["question"]).startswith("by rules, without the model: ModelReplyError")
        assert {hit.text for hit in hits} >= set(QUESTIONS[self.QUESTION])

    def test_without_a_filter_nobody_is_asked(self, tmp_path: Path) -> None:
        hits, model = self.asked(tmp_path, [], filter=None)
        assert model.requests == []
        assert "question" not in hits[0].why
