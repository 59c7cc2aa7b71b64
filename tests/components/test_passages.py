"""What docs/recall.md promises of the component that every memory has: one test for each behaviour.

The words of the texts are chosen so that each is one term and none is a stop word: what a score must be can be counted.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import log
from pathlib import Path

import numpy as np
import pytest

import memkit
from memkit import Document, Event, Memory, Passages
from memkit.components.passages.ranking import Names
from memkit.testing.embedders import HashEmbedder

DAY = datetime(2024, 1, 2, tzinfo=UTC)
STORY = ["zebra", "one", "two", "three", "four", "five", "six"]


@pytest.fixture
def memory() -> Iterator[Memory]:
    with memkit.open(":memory:") as memory:
        yield memory


@pytest.fixture
def near() -> Iterator[Memory]:
    with memkit.open(":memory:", embedder=HashEmbedder(4096)) as memory:
        yield memory


def found(memory: Memory, question: str, **how: object) -> dict[str, float]:
    """Every hit's text and score, best first."""
    hits = memory.recall(question, **{"k": 50, "floor": 0, **how})  # type: ignore[arg-type]
    return {hit.text: hit.score for hit in hits}


def formula(question: str, strands: Sequence[Sequence[str]]) -> dict[str, float]:
    """`words(i)` of docs/recall.md, written anew: slowly, text by text. A date adds three words to each row."""
    rows = [(strand, place) for strand in strands for place in range(len(strand))]

    def reached(strand: Sequence[str], place: int) -> list[tuple[float, list[str]]]:
        steps = {distance: 0.6**distance if distance > 0 else 0.4**-distance for distance in range(-4, 5)}
        near = ((place - there, text.split()) for there, text in enumerate(strand))
        return [(steps[distance], said) for distance, said in near if distance in steps]

    def frequency(term: str) -> int:
        holding = sum(any(term in said for _, said in reached(*row)) for row in rows)
        return holding or 9  # never said: as if said once, with four turns before and after it

    lengths = [sum(weight * (3 + len(said)) for weight, said in reached(*row)) for row in rows]
    mean = sum(lengths) / len(rows)
    idf = {term: log(1 + (len(rows) - frequency(term) + 0.5) / (frequency(term) + 0.5)) for term in question.split()}
    scores = {}
    for (strand, place), length in zip(rows, lengths, strict=True):
        norm = 1.2 * (0.25 + 0.75 * length / mean)
        counts = {term: sum(weight * said.count(term) for weight, said in reached(strand, place)) for term in idf}
        shares = sum(idf[term] * counts[term] / (counts[term] + norm) for term in idf)
        scores[strand[place]] = shares / sum(idf.values())
    return scores


def test_a_score_is_what_the_formula_says(memory: Memory) -> None:
    strands = [[*STORY, "red zebra eight", "nine", "ten"], ["kite", "red kite zebra"], *([f"x{n}"] for n in range(9))]
    for n, strand in enumerate(strands):
        memory.add(strand, session=f"s{n}", at=DAY)
    for question in ("zebra", "six kite", "zebra four unicorn", "ten blue kite"):
        expected, hits = formula(question, strands), found(memory, question)
        assert hits == pytest.approx({text: expected[text] for text in hits}, abs=1e-5)
        assert len(hits) >= 5


def test_a_word_counts_for_what_was_said_shortly_after_or_before_it_less_with_each_step(memory: Memory) -> None:
    memory.add(["before", "earlier", *STORY], session="s", at=DAY)
    memory.add(["elsewhere", "there"], session="t", at=DAY)
    scores = found(memory, "zebra")
    assert list(scores) == ["zebra", "one", "earlier", "two", "before"]  # two steps away is near enough to be found
    assert all(low < high for high, low in pairwise(scores.values()))
    (hit,) = memory.recall("zebra", k=1, ids=[memory.history()[3].id])
    assert (hit.text, hit.why["terms"]) == ("one", "only said nearby")


def test_turns_without_a_session_and_of_other_sessions_have_nothing_to_do_with_each_other(memory: Memory) -> None:
    memory.add(["zebra", "alone", {"content": "heron", "session": "s"}, {"content": "other", "session": "t"}])
    assert list(found(memory, "zebra")) == ["zebra"]
    assert list(found(memory, "heron")) == ["heron"]


def test_a_word_that_nobody_said_lowers_the_score_as_one_said_once_would(memory: Memory) -> None:
    memory.add(["zebra", "heron", *(f"other{n}" for n in range(18))])
    alone = found(memory, "zebra")["zebra"]
    assert found(memory, "zebra heron")["zebra"] == pytest.approx(alone / 2)
    assert found(memory, "zebra unicorn")["zebra"] == pytest.approx(alone / 2)
    assert found(memory, "zebra unicorn yeti")["zebra"] == pytest.approx(alone / 3)


def test_without_vectors_little_in_common_is_nothing_found(memory: Memory) -> None:
    memory.add(["zebra", *(f"other{n}" for n in range(19))])
    assert [hit.text for hit in memory.recall("zebra un deux trois")] == ["zebra"]
    assert found(memory, "zebra un deux trois")["zebra"] == pytest.approx(0.114, abs=1e-3)
    assert list(memory.recall("zebra un deux trois quatre")) == []
    assert found(memory, "zebra un deux trois quatre")["zebra"] == pytest.approx(0.091, abs=1e-3)


@pytest.mark.parametrize("embedder", [None, HashEmbedder(4096)], ids=["words", "vectors"])
def test_a_question_that_only_shares_a_common_word_comes_back_empty(embedder: HashEmbedder | None) -> None:
    texts = [f"Work on the {thing} went well today" for thing in "garden fence roof cellar kitchen attic".split()]
    other = "Which violin concertos did Beethoven's nephew Karl practise before leaving Vienna for work abroad"
    for floor, fence, nothing in ((None, 5, 0), (0, 5, 5), (0.99, 0, 0)):
        with memkit.open(":memory:", embedder=embedder, components=[Passages(floor=floor)]) as memory:
            memory.add(texts)
            assert len(memory.recall("How did the work on the fence go?")) == fence
            assert len(memory.recall(other)) == nothing


def test_with_vectors_the_best_hit_must_reach_fifteen_hundredths(near: Memory) -> None:
    near.add(["zebra", "heron?"], author="Ana")
    zebra, heron, else_ = HashEmbedder(4096).vectors(["zebra", "heron", "unicorn"])
    for cosine in (0.14, 0.16):
        hits = near.recall("", vector=cosine * zebra + np.sqrt(1 - cosine**2) * else_, k=1)
        assert [hit.text for hit in hits] == ["zebra"] * (cosine > 0.15)
    assert near.recall("", vector=heron, k=1)[0].score == pytest.approx(
        1
    )  # a bare vector gets what is nearest: no weight for questions


def test_the_floor_of_a_recall_cuts_each_hit(memory: Memory) -> None:
    memory.add(STORY, session="s", at=DAY)
    scores = found(memory, "zebra")  # three
    for n, score in enumerate(scores.values(), start=1):
        assert list(found(memory, "zebra", floor=score - 1e-4)) == list(scores)[:n]


def test_words_and_meaning_count_half_each(near: Memory) -> None:
    near.add(["zebra heron", *(f"other{n}" for n in range(9))])
    hit = near.recall("zebra unicorn", k=1)[0]
    assert (hit.why["meaning"], hit.score) == pytest.approx((0.5, (float(hit.why["words"]) + 0.5) / 2), abs=1e-3)


def test_others_than_the_author_whom_the_question_names_count_six_tenths(memory: Memory) -> None:
    for author in ("Ben", "Ana", None):
        memory.add("zebra", author=author)
    hits = {hit.author: hit for hit in memory.recall("ANA’s zebra", k=3, floor=0)}
    assert list(hits) == ["Ana", "Ben", None]
    assert hits["Ben"].score == hits[None].score == pytest.approx(0.6 * hits["Ana"].score)
    assert hits["Ana"].why["author"] == "named in the question"
    assert hits["Ben"].why["author"] == "another than the question names"
    assert "author" not in memory.recall("zebra of Anabel", floor=0)[0].why


def test_names_that_are_ordinary_words_are_names_only_where_they_are_written_as_such() -> None:
    names = Names.of(("May", "Will", "Ana"))
    for text in ("What happened in May?", "Will you come?", "what will Rex do", "the month may pass", "Anabel"):
        assert names.named_in(text) == [], text
    assert names.named_in("What is May's dog called?") == [0]
    assert names.named_in("What did Will say?") == names.named_in("and Will's dog") == [1]
    assert set(names.named_in("ana and Will")) == {1, 2}


def test_a_question_is_put_in_the_first_person_before_it_is_embedded(near: Memory) -> None:
    names = Names.of(("Ana", "Ana Maria", "user", "May"))
    assert names.in_first_person("What is Ana's dog called?") == "What is my dog called?"
    assert names.in_first_person("Where did Ana Maria go?") == "Where did I go?"
    assert names.in_first_person("the user’s cat, ana's hat") == "my cat, my hat"
    assert names.in_first_person("Anabel left in May") == "Anabel left in May"
    near.add([{"content": "my dog", "name": "Ana"}, {"content": "the dog", "name": "Ben"}])
    assert near.recall("Ana's dog", floor=0)[0].why["meaning"] == 1


def test_a_question_of_somebody_counts_nine_tenths(memory: Memory) -> None:
    for author, text in (("Ana", "zebra"), ("Ben", "zebra? "), ("Eva", "zebra？"), (None, "zebra?")):
        memory.add(text, author=author)
    full, *rest = ((hit.author, hit.score) for hit in memory.recall("zebra"))
    assert full[0] == "Ana"
    assert rest == [(None, full[1]), *((author, pytest.approx(0.9 * full[1])) for author in ("Ben", "Eva"))]


def test_what_was_said_on_a_day_is_found_by_its_date(memory: Memory) -> None:
    for month in range(1, 13):
        memory.add(f"month{month}", at=datetime(2023, month, 8, tzinfo=UTC))
    memory.add("ninth", at="2023-05-09")
    memory.add("later", at="2024-05-08")
    assert next(iter(found(memory, "What about 8 May 2023?"))) == "month5"
    assert set(list(found(memory, "8 May"))[:2]) == {"month5", "later"}
    names = "January February March April May June July August September October November December"
    for n, name in enumerate(names.split(), start=1):
        assert next(iter(found(memory, f"8 {name} 2023"))) == f"month{n}"


def test_title_and_caption_are_searched_by_words_and_by_meaning_and_the_date_is_not_in_the_vector(near: Memory) -> None:
    near.add(Document(text="stripes", title="Zebra"), at=DAY)
    near.add("look", metadata={"caption": "heron fishing"}, at=DAY)
    near.add("bare", metadata={"other": "unicorn", "caption": 7, "title": ""}, at=DAY)
    for question, text in (("Zebra\nstripes", "stripes"), ("look (heron fishing)", "look"), ("bare", "bare")):
        assert [(hit.text, hit.why["meaning"]) for hit in near.recall(question, k=1)] == [(text, 1)]
    assert [list(found(near, word, floor=0.1)) for word in ("zebra", "heron", "unicorn")] == [["stripes"], ["look"], []]


def test_the_same_words_of_the_same_person_come_once_and_are_counted(memory: Memory) -> None:
    memory.add(["I like tea.", "i LIKE   tea!", "I like, tea", "I do not like tea", "tea I like"], author="Ana")
    memory.add("I like tea.", author="Ben")
    memory.add("I like tea.", author="Ana", role="assistant")
    hits = [(hit.author, hit.record.role, hit.text, hit.why.get("repeats folded")) for hit in memory.recall("tea", k=9)]
    assert hits[0] == ("Ana", "user", "I like tea.", 2)
    assert [hit[2] for hit in hits[1:]] == ["tea I like", "I like tea.", "I like tea.", "I do not like tea"]
    assert {hit[:2] for hit in hits[2:4]} == {("Ben", "user"), ("Ana", "assistant")}


def test_neighbours_come_in_the_order_they_were_said_and_pass_the_filter(memory: Memory) -> None:
    for n, text in enumerate(STORY):
        memory.add(text, session="s", role="assistant" if n in (1, 4) else "user")
        memory.add(f"noise{n}", session="t")
    for text, scope, before, after in (
        ("three", {}, ["one", "two"], ["four", "five"]),
        ("three", {"role": "user"}, ["two"], ["five"]),
        ("one", {}, ["zebra"], ["two", "three"]),
        ("six", {}, ["four", "five"], []),
    ):
        (hit,) = memory.recall(text, k=1, neighbours=2, **scope)  # type: ignore[arg-type]
        assert (hit.text, [r.text for r in hit.before], [r.text for r in hit.after]) == (text, before, after)


def test_what_was_said_later_does_not_count_for_an_earlier_moment(memory: Memory) -> None:
    for n, text in enumerate(("dinner", "zebra", "zebra dinner")):
        at = DAY + timedelta(days=n)
        memory.add(Event(id=text, namespace="default", text=text, at=at, recorded=at, session="s"))
        memory.add(Event(id=text * 2, namespace="default", text=f"a{n}", at=at, recorded=at + timedelta(days=9)))
    before = found(memory, "dinner zebra", as_of=DAY)
    assert (list(before), found(memory, "zebra", as_of=DAY)) == (["dinner"], {})
    assert len(found(memory, "dinner zebra")) == 3
    assert found(memory, "dinner zebra", as_of=DAY) == before


def test_hits_of_one_score_come_in_the_order_of_their_records(memory: Memory, near: Memory) -> None:
    authors = [f"a{n}" for n in range(60)]
    for one in (memory, near):
        one.add([{"content": "zebra", "name": author} for author in authors], at=DAY)
        assert [hit.author for hit in one.recall("zebra", k=1000)] == authors  # k may be more than there are
    vector = HashEmbedder(4096).vectors(["zebra"])[0]
    assert [hit.author for hit in near.recall("", vector=vector, k=60)] == authors


def test_repeats_take_no_place_from_others(memory: Memory) -> None:
    memory.add(["zebra"] * 9 + ["zebra one", "zebra two", "zebra three"], at=DAY)
    hits = [(hit.text, hit.why.get("repeats folded")) for hit in memory.recall("zebra", k=3)]
    assert hits == [("zebra", 8), ("zebra one", None), ("zebra two", None)]


def test_a_document_is_split_at_sentences_and_each_passage_is_a_span_of_it() -> None:
    text = "  " + "  ".join(f"The heron {n} 😀 crossed the é river." for n in range(9)) + "\n"
    width = len("The heron 0 😀 crossed the é river.")
    with memkit.open(":memory:", components=[Passages(passage=100)]) as memory:
        memory.add(Document(text=text))
        hits = memory.recall("heron", k=50)
        spans = sorted((source.start, source.end) for hit in hits for source in hit.sources)
        starts = [2 + n * (width + 2) for n in range(0, 9, 2)]
        assert spans == [(start, min(start + 2 * width + 2, len(text) - 1)) for start in starts]
        assert all(hit.text == text[hit.sources[0].start : hit.sources[0].end] for hit in hits)
    with pytest.raises(ValueError, match="passage is 99"):
        Passages(passage=99)


def test_a_turn_is_split_when_it_is_longer_than_four_thousand_characters(memory: Memory) -> None:
    memory.add("zebra " * 600 + "x" * 400, session="whole")
    assert len(memory.recall("zebra", session="whole")[0].text) == 4000
    memory.add("zebra " * 600 + "x" * 401, session="split")
    assert all(300 <= len(hit.text) <= 600 for hit in memory.recall("zebra", session="split"))


def test_filters_come_before_the_limit(memory: Memory, near: Memory) -> None:
    for one in (memory, near):
        one.add([f"zebra {n}" for n in range(200)], author="Ben", at=DAY)
        one.add(["quite long words around one zebra", "other things"], author="Ana", session="t", at=DAY)
        one.add([{"content": "zebra", "name": "Ben"}, {"content": "indeed", "name": "Eva"}], session="s", at=DAY)
        assert next(iter(found(one, "zebra", author="Ana"))) == "quite long words around one zebra"
        assert list(found(one, "zebra", author="Eva")) == ["indeed"]  # for what Ben said before it


def test_recall_is_the_same_after_each_addition_all_at_once_and_after_opening_again(tmp_path: Path) -> None:
    texts = [f"{word} {STORY[n % 7]} talk{n}" for n, word in enumerate(["heron", "kite", "heron"] * 12)]
    events = [
        Event(id=f"{n}", namespace="default", text=text, at=DAY, recorded=DAY, session=f"s{n % 4}", author=f"a{n % 3}")
        for n, text in enumerate(texts)
    ]
    path, embedder = tmp_path / "memory.db", HashEmbedder()
    questions = ("zebra heron", "kite", "a1's heron talk7", "2 January")
    with memkit.open(path, embedder=embedder) as step, memkit.open(":memory:", embedder=embedder) as whole:
        for event in events:
            step.add(event)
            step.recall("zebra kite")
        whole.add(events)
        expected = [step.recall(question, k=20, neighbours=1).hits for question in questions]
        assert all(expected)
        assert [whole.recall(question, k=20, neighbours=1).hits for question in questions] == expected
    with memkit.open(path, embedder=embedder) as again:
        assert [again.recall(question, k=20, neighbours=1).hits for question in questions] == expected
